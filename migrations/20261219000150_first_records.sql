-- The first record of what was offered takes the job. Most of what is offered begins and ends with that one record, while somebody waits for it; so
-- where it comes alone, it is one statement, which opens the one month that it is in.

create function queue.take_offered(worker text, lease interval, offered bigint[], tenants uuid[], executions uuid[], statuses text[]) returns void
language plpgsql
set search_path = ''
-- See queue.record.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  -- While tenants wait for their turns, each of these was one.
  update queue.tenants t
     set turn = greatest(t.turn, c.turn) + c.jobs / t.weight
    from (
      select tenants[o.n] as tenant_id, count(*)::double precision as jobs, max(s.turn) as turn
        from unnest(offered) o (n) join queue.state s on s.turn_noted_at > now() - interval '1 second'
       group by tenants[o.n]
    ) c
    cross join lateral (
      select k.tenant_id from queue.tenants k where k.tenant_id = c.tenant_id for no key update skip locked
    ) free
   where t.tenant_id = free.tenant_id;

  -- What goes on is held from here on. Caps count what each worker is known to hold, and the tenant may have one soon.
  -- A claim of the same worker that had begun before this takes it out again until the next: what is taken while a cap is being set may be over it.
  with taken as (
    update queue.jobs j
       set state = 'claimed', ready_in = null, run_at = now() + lease, claimed_by = worker
      from unnest(offered) o (n)
     where j.tenant_id = any (array[tenants[o.n]]) and j.execution_id = executions[o.n] and statuses[o.n] = 'running'
    returning j.tenant_id, j.workflow_id
  )
  insert into queue.workers as w (worker, held_tenants, held_workflows, held_counts)
  select worker, array_agg(j.tenant_id), array_agg(j.workflow_id), array_agg(1) from taken j having count(*) > 0
  on conflict on constraint workers_pkey do update
    set seen_at = now(), held_tenants = w.held_tenants || excluded.held_tenants, held_workflows = w.held_workflows || excluded.held_workflows,
        held_counts = w.held_counts || excluded.held_counts;
end
$$;

comment on function queue.take_offered is
  'The jobs of executions that are recorded and that nobody has had: their tenants'' turns, and their leases where they go on. Their token stays 0, which no claim has. Called '
  'by queue.record.';

create function queue.record_whole(
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
    perform queue.take_offered(worker, lease, '{1}', array[tenant], array[execution], array[outcome]);
  end if;
  if is_call then
    perform queue.answer_call(tenant, execution);
  end if;
  return true;
end
$$;

comment on function queue.record_whole is
  'What queue.record does with the record of one execution that was offered, has no steps yet and ends: whether it was to be had, under the same conditions. Called by '
  'queue.record.';

drop function queue.record;

create function queue.record(
  worker text,
  -- For how long a job is claimed that this record takes.
  lease interval,
  -- One element for each execution.
  tenants uuid[], executions uuid[], tokens bigint[], statuses text[], run_ats timestamptz[], outputs jsonb[], errors jsonb[],
  started_ats timestamptz[], step_counts integer[],
  -- One element for each step, grouped as their executions are; step_of is the execution's position, from 1.
  step_of integer[], nodes text[], items integer[], names text[], kinds text[], step_statuses text[], attempts integer[], handles text[],
  inputs jsonb[], step_outputs jsonb[], step_errors jsonb[], step_run_ats timestamptz[], step_started_ats timestamptz[],
  step_finished_ats timestamptz[], extras jsonb[]
) returns table (held boolean, written boolean, cancel_requested boolean, pause_requested boolean)
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
-- These tables are small now and large a moment later; a plan made for the one is terrible for the other. And no plan is made anew each time:
-- with all months in it, that takes longer than what is planned.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  held_positions bigint[];
  offered bigint[];
  bases bigint[];
  cancels boolean[];
  pauses boolean[];
  called bigint[];
  ended_with_waits bigint[];
  has_extras constant boolean := cardinality(array_remove(extras, null)) > 0;
  have_waits boolean;
  have_steps boolean;
  models text[];
  agent_versions integer[];
  input_tokens bigint[];
  output_tokens bigint[];
  costs numeric[];
  extra record;
  counted record;
  position bigint;
begin
  -- Later records of what was offered find that it is not whole.
  if cardinality(executions) = 1 and tokens[1] = 0 and statuses[1] in ('succeeded', 'failed', 'cancelled') and not has_extras
     and queue.record_whole(
       worker, lease, tenants[1], executions[1], statuses[1], outputs[1], errors[1], started_ats[1], step_counts[1],
       nodes, items, names, kinds, step_statuses, attempts, handles, inputs, step_outputs, step_errors, step_run_ats, step_started_ats, step_finished_ats)
  then
    return query values (true, true, false, false);
    return;
  end if;

  -- In one order for everybody, so that two workers that record at once cannot wait for each other in a circle.
  with locked as materialized (
    select g.n, j.state, j.has_waits, j.has_steps,
           j.fencing_token = g.fencing_token and case j.state
             when 'claimed' then j.claimed_by = worker
             -- It was offered, and nobody has had it yet. Asked again: its tenant may have been suspended since, or what begins is capped by now.
             when 'ready' then
               g.fencing_token = 0 and not j.has_steps
               and exists (select from queue.tenants t where t.tenant_id = g.tenant_id and t.is_active and t.max_running is null)
               and exists (select from public.workflows w where w.tenant_id = g.tenant_id and w.id = j.workflow_id and w.max_concurrency is null)
             else false
           end as is_held
      from (
        select * from unnest(tenants, executions, tokens) with ordinality x (tenant_id, execution_id, fencing_token, n)
         order by x.tenant_id, x.execution_id
      ) g
      -- Each by its key: joined in any other way, this would be as much work as there are jobs.
      cross join lateral (
        select k.workflow_id, k.fencing_token, k.state, k.claimed_by, k.has_waits, k.has_steps from queue.jobs k
         where k.tenant_id = g.tenant_id and k.execution_id = g.execution_id
           for update
      ) j
  )
  select coalesce(array_agg(l.n) filter (where l.is_held), '{}'), array_agg(l.n) filter (where l.state = 'ready'),
         coalesce(bool_or(l.has_waits), false), coalesce(bool_or(l.has_steps), false)
    into held_positions, offered, have_waits, have_steps
    from locked l;
  if cardinality(held_positions) < cardinality(executions) then
    return query
      select g.n = any (held_positions), false, false, false from generate_series(1, cardinality(executions)) g (n) order by g.n;
    return;
  end if;

  -- Mostly there is nothing to be noted: nobody waits for a turn, and what is over is not held.
  if offered is not null
     and (statuses && array['running'] or exists (select from queue.state s where s.turn_noted_at > now() - interval '1 second')) then
    perform queue.take_offered(worker, lease, offered, tenants, executions, statuses);
  end if;

  with given as (
    select g.*, sum(g.steps) over (order by g.n) - g.steps as steps_before
      from unnest(tenants, executions, statuses, outputs, errors, started_ats, step_counts) with ordinality
             g (tenant_id, execution_id, status, output, error, started_at, steps, n)
  ),
  updated as (
    update public.executions e
       set status = g.status,
           output = g.output,
           error = g.error,
           started_at = coalesce(e.started_at, g.started_at),
           revision = e.revision + g.steps + 1,
           finished_at = case when g.status in ('succeeded', 'failed', 'cancelled') then now() end,
           pause_requested_at = case when g.status <> 'paused' then e.pause_requested_at end
      from given g
     where e.tenant_id = any (array[g.tenant_id]) and e.id = g.execution_id
    returning g.n, e.revision - g.steps - 1 - g.steps_before as base, e.cancel_requested_at is not null as cancels,
              e.pause_requested_at is not null as pauses, e.parent_id is not null and e.finished_at is not null as ends_a_call
  )
  select array_agg(u.base order by u.n), array_agg(u.cancels order by u.n), array_agg(u.pauses order by u.n),
         array_agg(u.n) filter (where u.ends_a_call)
    into bases, cancels, pauses, called
    from updated u;

  if has_extras then
    models := array_fill(null::text, array[cardinality(nodes)]);
    agent_versions := array_fill(null::integer, array[cardinality(nodes)]);
    input_tokens := array_fill(null::bigint, array[cardinality(nodes)]);
    output_tokens := input_tokens;
    costs := array_fill(null::numeric, array[cardinality(nodes)]);
    for extra in
      select x.*, tenants[x.of] as tenant_id, executions[x.of] as execution_id
        from unnest(step_of, nodes, items, attempts, extras) with ordinality x (of, node_id, item, attempt, more, n)
       where x.more is not null
    loop
      if jsonb_typeof(extra.more -> 'usage') = 'object' then
        models[extra.n] := (extra.more #>> '{usage,provider}') || '/' || (extra.more #>> '{usage,model}');
        agent_versions[extra.n] := (extra.more #>> '{usage,agent_version}')::integer;
        select * into counted
          from queue.record_usage(extra.tenant_id, extra.execution_id, extra.node_id, extra.item, extra.attempt, extra.more -> 'usage');
        -- Tokens are added to the step when their row is new, not when a call is repeated.
        if counted.is_new then
          input_tokens[extra.n] := (extra.more #>> '{usage,input_tokens}')::bigint;
          output_tokens[extra.n] := (extra.more #>> '{usage,output_tokens}')::bigint;
          costs[extra.n] := counted.cost;
        end if;
      end if;
      if extra.more ->> 'reservation' is not null then
        perform queue.settle_call(extra.tenant_id, (extra.more ->> 'reservation')::uuid,
          coalesce((extra.more #>> '{usage,input_tokens}')::bigint + (extra.more #>> '{usage,output_tokens}')::bigint, 0), costs[extra.n]);
      end if;
      if jsonb_typeof(extra.more -> 'wait') = 'object' then
        perform queue.begin_wait(extra.tenant_id, extra.execution_id, extra.node_id, extra.item, extra.more -> 'wait');
      end if;
    end loop;
  end if;

  -- Whoever records holds the job's row, and that says whether there are steps. Where no execution of the batch has any, none can be met. It is all or none
  -- of a batch, so that changes come in the order of their revisions.
  if not (have_steps or has_extras) then
    insert into public.execution_steps (
      tenant_id, execution_id, node_id, item, name, kind, status, attempt, handle, input, output, error, run_at, started_at, finished_at, revision)
    select tenants[x.of], executions[x.of], x.node_id, x.item, x.name, x.kind, x.status, x.attempt, x.handle, x.input, x.output, x.error,
           x.run_at, x.started_at, x.finished_at, bases[x.of] + x.n
      from unnest(step_of, nodes, items, names, kinds, step_statuses, attempts, handles, inputs, step_outputs, step_errors,
                  step_run_ats, step_started_ats, step_finished_ats) with ordinality
             x (of, node_id, item, name, kind, status, attempt, handle, input, output, error, run_at, started_at, finished_at, n);
  else
    insert into public.execution_steps as s (
      tenant_id, execution_id, node_id, item, name, kind, status, attempt, handle, input, output, error,
      run_at, started_at, finished_at, model, agent_version, input_tokens, output_tokens, cost_usd, revision)
    select tenants[x.of], executions[x.of], x.node_id, x.item, x.name, x.kind, x.status, x.attempt, x.handle, x.input, x.output, x.error,
           x.run_at, x.started_at, x.finished_at, models[x.n], agent_versions[x.n], input_tokens[x.n], output_tokens[x.n], costs[x.n], bases[x.of] + x.n
      from unnest(step_of, nodes, items, names, kinds, step_statuses, attempts, handles, inputs, step_outputs, step_errors,
                  step_run_ats, step_started_ats, step_finished_ats) with ordinality
             x (of, node_id, item, name, kind, status, attempt, handle, input, output, error, run_at, started_at, finished_at, n)
    on conflict (tenant_id, execution_id, node_id, item) do update
      set status = excluded.status, attempt = excluded.attempt, handle = excluded.handle,
          input = coalesce(excluded.input, s.input), output = excluded.output, error = excluded.error,
          run_at = excluded.run_at,
          started_at = coalesce(excluded.started_at, s.started_at), finished_at = excluded.finished_at,
          model = coalesce(excluded.model, s.model),
          agent_version = coalesce(excluded.agent_version, s.agent_version),
          -- Attempts that failed have cost something too.
          input_tokens = nullif(coalesce(s.input_tokens, 0) + coalesce(excluded.input_tokens, 0), 0),
          output_tokens = nullif(coalesce(s.output_tokens, 0) + coalesce(excluded.output_tokens, 0), 0),
          cost_usd = case when excluded.cost_usd is null then s.cost_usd else coalesce(s.cost_usd, 0) + excluded.cost_usd end,
          revision = excluded.revision
      -- A worker that did not hear whether a call was committed repeats it as it was. It then meets its own steps:
      -- what is final stays, and so does a later attempt.
      where s.status in ('running', 'waiting') and excluded.attempt >= s.attempt;
  end if;

  -- What a step waited for is over with the step.
  if have_waits then
    delete from queue.waits w
     using unnest(step_of, nodes, items, step_statuses) x (of, node_id, item, status)
     where x.status in ('succeeded', 'failed', 'skipped', 'cancelled') and w.kind <> 'execution'
       and w.tenant_id = any (array[tenants[x.of]]) and w.execution_id = executions[x.of] and w.node_id = x.node_id and w.item = x.item;
    delete from queue.waits w
     using unnest(step_of, nodes, items, step_statuses) x (of, node_id, item, status)
     where x.status in ('succeeded', 'failed', 'skipped') and w.kind = 'execution' and w.delivered is not null
       and w.tenant_id = any (array[tenants[x.of]]) and w.execution_id = executions[x.of] and w.node_id = x.node_id and w.item = x.item;
  end if;

  with gone as (
    delete from queue.jobs j
     using unnest(tenants, executions, statuses) with ordinality g (tenant_id, execution_id, status, n)
     where j.tenant_id = any (array[g.tenant_id]) and j.execution_id = g.execution_id and g.status in ('succeeded', 'failed', 'cancelled')
    returning g.n, j.has_waits
  )
  select array_agg(g.n) filter (where g.has_waits) into ended_with_waits from gone g;

  if statuses && array['waiting', 'paused', 'running'] then
    perform queue.keep_jobs(tenants, executions, statuses, run_ats, cancels);
  end if;
  foreach position in array coalesce(ended_with_waits, '{}') loop
    perform queue.end_waits(tenants[position], executions[position]);
  end loop;
  foreach position in array coalesce(called, '{}') loop
    perform queue.answer_call(tenants[position], executions[position]);
  end loop;

  perform pg_notify('aias_executions', w.execution_id::text) from queue.watched w where w.execution_id = any (executions);
  return query
    select true, true, cancels[g.n], pauses[g.n] from generate_series(1, cardinality(executions)) g (n);
end
$$;

comment on function queue.record is
  'Writes what a worker found out, for many executions in one transaction. Status running keeps the lease, waiting gives it up until run_at (null: until '
  'somebody wakes it), paused gives it up until it is resumed, the others end the execution. With token 0 it is the first of a job that was offered, which it '
  'takes. Answers a row for each execution, in their order. When one is not held any more, or was not to be had, nothing is written, and the call is to be made '
  'again without it. extras: {usage, reservation, wait}. Repeating a call changes nothing.';
