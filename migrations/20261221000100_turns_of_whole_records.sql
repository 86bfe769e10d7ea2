-- The turn of an execution that is recorded alone is one update of scalars. What queue.take_offered does besides is about executions that go on, and these have ended;
-- so `worker` and `lease`, which queue.record tells, are not asked for.

create or replace function queue.record_whole(
  worker text, lease interval, tenant uuid, execution uuid, outcome text, result jsonb, failure jsonb, begun_at timestamptz, step_count integer,
  nodes text[], items integer[], names text[], kinds text[], step_statuses text[], attempts integer[], handles text[],
  inputs jsonb[], step_outputs jsonb[], step_errors jsonb[], step_run_ats timestamptz[], step_started_ats timestamptz[], step_finished_ats timestamptz[]
) returns boolean
language plpgsql
set search_path = ''
-- See queue.record.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  is_call boolean;
  turns_are_noted boolean;
  listeners bigint;
begin
  with had as (
    delete from queue.jobs j
     where j.tenant_id = tenant and j.execution_id = execution
       -- Whether it has a place, which only what is ready has. Asked for its state, an index of all that is ready would do, and may look small.
       and j.ready_in is not null and j.fencing_token = 0 and not j.has_steps
       and exists (select from queue.tenants t where t.tenant_id = tenant and t.is_active and t.max_running is null)
       and exists (select from public.workflows w where w.tenant_id = tenant and w.id = j.workflow_id and w.max_concurrency is null)
    returning j.execution_id
  ),
  ended as (
    update public.executions e
       set status = outcome, output = result, error = failure, started_at = coalesce(e.started_at, begun_at), revision = e.revision + step_count + 1,
           finished_at = now()
      from had
     where e.tenant_id = tenant and e.id = execution
    returning e.revision - step_count - 1 as base, e.parent_id is not null as is_call
  ),
  made as (
    insert into public.execution_steps (
      tenant_id, execution_id, node_id, item, name, kind, status, attempt, handle, input, output, error, run_at, started_at, finished_at, revision)
    select tenant, execution, x.node_id, x.item, x.name, x.kind, x.status, x.attempt, x.handle, x.input, x.output, x.error,
           x.run_at, x.started_at, x.finished_at, e.base + x.n
      from ended e
     cross join unnest(nodes, items, names, kinds, step_statuses, attempts, handles, inputs, step_outputs, step_errors,
                       step_run_ats, step_started_ats, step_finished_ats) with ordinality
           x (node_id, item, name, kind, status, attempt, handle, input, output, error, run_at, started_at, finished_at, n)
  )
  select e.is_call, exists (select from queue.state s where s.turn_noted_at > now() - interval '1 second'),
         (select count(pg_notify('aias_executions', w.execution_id::text)) from queue.watched w where w.execution_id = execution)
    into is_call, turns_are_noted, listeners
    from ended e;
  if not found then
    return false;
  end if;
  if turns_are_noted then
    update queue.tenants t
       set turn = greatest(t.turn, s.turn) + 1.0 / t.weight
      from queue.state s,
           -- Not one that somebody is changing, as in queue.pick.
           lateral (select k.tenant_id from queue.tenants k where k.tenant_id = tenant for no key update skip locked) free
     where t.tenant_id = free.tenant_id;
  end if;
  if is_call then
    perform queue.answer_call(tenant, execution);
  end if;
  return true;
end
$$;
