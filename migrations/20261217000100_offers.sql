-- A job that was just enqueued is offered by its name, and taken by it. A claim looks for what is next among everything there is, one worker
-- at a time; whoever has room and was told of a job needs none of that, and waits for no claim that is made meanwhile.

create function queue.offer(tenant uuid, execution uuid, is_capped boolean) returns void
language sql
set search_path = ''
as $$
  -- To whom, and when: see queue.notify_workers. What a cap may hold back is decided by claims alone.
  select pg_notify('aias_jobs', coalesce(
           (select concat_ws('/', t.tenant_id, execution) from queue.tenants t where t.tenant_id = tenant and t.max_running is null and not is_capped), ''))
   where exists (select from queue.workers w where w.wants_notice and w.seen_at > now() - interval '1 minute')
      or exists (select from queue.tenants t cross join queue.state s where t.tenant_id = tenant and t.turn < s.turn_lately)
      or not exists (select from queue.workers w where w.seen_at > now() - interval '1 minute')
$$;

comment on function queue.offer is
  'Wakes workers for a job that is ready from now on, as queue.notify_workers does, and says which where no cap has to be looked at: tenant/execution. A hint: '
  'whoever misses it finds the job by claiming.';

create function queue.take(worker text, tenants uuid[], executions uuid[], lease interval) returns table (
  tenant_id uuid, execution_id uuid, fencing_token bigint, claims_without_progress smallint,
  workflow_id uuid, workflow_version integer, input jsonb, depth smallint, started_at timestamptz,
  cancel_requested boolean, pause_requested boolean, steps jsonb, signals jsonb
)
language plpgsql
-- Definer: see queue.claim. And plans that are kept, as there.
security definer
set search_path = ''
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  taken_tenants uuid[];
  taken_executions uuid[];
begin
  -- As a claim: what is recorded of it takes it along.
  perform set_config('synchronous_commit', 'off', true);
  with offered as materialized (
    select j.tenant_id, j.execution_id
      from unnest(tenants, executions) o (tenant_id, execution_id)
      -- Asked again: what was offered may have been capped, or suspended, since.
      join queue.tenants t on t.tenant_id = o.tenant_id and t.is_active and t.max_running is null
      cross join lateral (
        select k.tenant_id, k.execution_id, k.workflow_id from queue.jobs k
         where k.tenant_id = o.tenant_id and k.execution_id = o.execution_id and k.state = 'ready'
           -- Another worker was told of it too, or claims it.
           for update skip locked
      ) j
      join public.workflows w on w.tenant_id = j.tenant_id and w.id = j.workflow_id and w.max_concurrency is null
  ),
  taken as (
    update queue.jobs j
       set state = 'claimed', ready_in = null, run_at = now() + lease, fencing_token = j.fencing_token + 1, claimed_by = worker,
           claims_without_progress = j.claims_without_progress + 1, is_woken = false
      from offered o
     where j.tenant_id = o.tenant_id and j.execution_id = o.execution_id
    returning j.*
  ),
  -- While tenants wait for their turns, this was one.
  charged as (
    update queue.tenants t
       set turn = greatest(t.turn, c.turn) + c.jobs / t.weight
      from (
        select o.tenant_id, count(*)::double precision as jobs, max(s.turn) as turn
          from offered o join queue.state s on s.turn_noted_at > now() - interval '1 second'
         group by o.tenant_id
      ) c
      cross join lateral (
        select k.tenant_id from queue.tenants k where k.tenant_id = c.tenant_id for no key update skip locked
      ) free
     where t.tenant_id = free.tenant_id
  ),
  -- Caps count what each worker is known to hold, and the tenant may have one soon. A claim of the same worker that had begun before this takes
  -- it out again until the next: what is taken while a cap is being set may be over it.
  noted as (
    insert into queue.workers as w (worker, held_tenants, held_workflows, held_counts)
    select worker, array_agg(j.tenant_id), array_agg(j.workflow_id), array_agg(1) from taken j having count(*) > 0
    on conflict (worker) do update
      set seen_at = now(), held_tenants = w.held_tenants || excluded.held_tenants, held_workflows = w.held_workflows || excluded.held_workflows,
          held_counts = w.held_counts || excluded.held_counts
  )
  select array_agg(j.tenant_id), array_agg(j.execution_id) into taken_tenants, taken_executions from taken j;

  -- Another statement, that sees more: somebody may have held the job, and recorded steps of it, after the one above had begun.
  return query
    select j.tenant_id, j.execution_id, j.fencing_token, j.claims_without_progress,
           e.workflow_id, e.workflow_version, e.input, e.depth, coalesce(e.started_at, now()),
           e.cancel_requested_at is not null, e.pause_requested_at is not null,
           case when j.has_steps then queue.recorded_steps(j.tenant_id, j.execution_id) end,
           case when j.has_waits then queue.signals(j.tenant_id, j.execution_id) end
      from unnest(taken_tenants, taken_executions) t (tenant_id, execution_id)
      join queue.jobs j on j.tenant_id = t.tenant_id and j.execution_id = t.execution_id
      join public.executions e on e.tenant_id = t.tenant_id and e.id = t.execution_id;
end
$$;

comment on function queue.take is
  'Takes jobs that were offered, for a lease, with everything that is needed to go on; see queue.claim. Those that somebody else has by now, or that a cap may '
  'hold back, are not among the answer.';

create or replace function private.enqueue_execution(
  workflow public.workflows, input jsonb, idempotency_key text, started_by uuid, origin text,
  parent_id uuid default null, parent_node text default null, parent_item integer default null, depth integer default 0,
  priority integer default 0
) returns public.executions
language plpgsql
set search_path = ''
as $$
#variable_conflict use_variable
declare
  execution public.executions;
  new_id uuid := aias.uuid7();
begin
  if idempotency_key is not null then
    insert into private.execution_keys (tenant_id, workflow_id, key, execution_id)
    values (workflow.tenant_id, workflow.id, idempotency_key, new_id)
    on conflict on constraint execution_keys_pkey do nothing;
    if not found then
      select e.* into execution
        from private.execution_keys k
        join public.executions e on e.tenant_id = k.tenant_id and e.id = k.execution_id
       where k.tenant_id = workflow.tenant_id and k.workflow_id = workflow.id and k.key = idempotency_key;
      return execution;
    end if;
  end if;

  insert into public.executions as e (
    tenant_id, id, workflow_id, workflow_version, priority, input, idempotency_key, origin, started_by, parent_id, parent_node, parent_item, depth)
  values (
    workflow.tenant_id, new_id, workflow.id, workflow.version, priority, coalesce(input, '{}'), idempotency_key, origin, started_by,
    parent_id, parent_node, parent_item, depth)
  returning e.* into execution;
  -- After the insert: only what is new is charged, and a refusal takes the row back with it.
  perform aias.quota_take(workflow.tenant_id, 'executions', 1);
  insert into queue.jobs (tenant_id, execution_id, workflow_id, priority) values (workflow.tenant_id, new_id, workflow.id, priority);
  perform queue.open_lane(workflow.tenant_id, workflow.id, priority::smallint);
  perform queue.offer(workflow.tenant_id, new_id, workflow.max_concurrency is not null);
  return execution;
end
$$;

-- Sessions that do much at once --------------------------------------------------------------------------------------------------------

create function queue.give_way() returns boolean
language sql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$ select aias.give_way() $$;

comment on function queue.give_way is
  'For a session in which a worker claims or records many jobs at a time: people''s statements are run before it, where they want the same processor.';
