-- What workers write: the results of many executions in one transaction, a few statements for all of them.

create function queue.record_usage(
  tenant uuid, execution uuid, node text, item integer, attempt integer, call jsonb, out cost numeric, out is_new boolean
)
language plpgsql
set search_path = ''
as $$
declare
  input bigint := (call ->> 'input_tokens')::bigint;
  cached bigint := coalesce((call ->> 'cached_input_tokens')::bigint, 0);
  output bigint := (call ->> 'output_tokens')::bigint;
begin
  cost := private.llm_cost_usd(call ->> 'provider', call ->> 'model', now(), input, cached, output);
  insert into public.usage (
    tenant_id, idempotency_key, execution_id, node_id, agent_id, provider, model,
    input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, cost_usd)
  values (
    tenant, concat_ws(':', 'execution', execution, node, case when item >= 0 then item end, attempt), execution, node,
    (call ->> 'agent_id')::uuid, call ->> 'provider', call ->> 'model',
    input, cached, output, coalesce((call ->> 'reasoning_tokens')::bigint, 0), cost)
  on conflict on constraint usage_is_counted_once do nothing;
  is_new := found;
end
$$;

comment on function queue.record_usage(uuid, uuid, text, integer, integer, jsonb) is
  'Writes the usage row of one call, once; answers its cost, and whether it was not there before. Called by queue.record.';

drop function queue.record_usage(uuid, uuid, text, integer, jsonb);

create function queue.begin_wait(tenant uuid, execution uuid, node text, wait_item integer, wait jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  event queue.events;
begin
  if wait ->> 'kind' = 'event' then
    -- It may have come before anybody waited.
    delete from queue.events e
     where e.tenant_id = tenant and e.execution_id = execution
       and e.id = (select x.id from queue.events x
                    where x.tenant_id = tenant and x.execution_id = execution and x.name = wait ->> 'name'
                      and (wait ->> 'key' is null or x.key = wait ->> 'key')
                    order by x.id limit 1)
    returning e.* into event;
  end if;
  insert into queue.waits (tenant_id, execution_id, node_id, item, kind, name, key, permission, message, delivered)
  values (tenant, execution, node, wait_item, wait ->> 'kind', wait ->> 'name', wait ->> 'key', wait ->> 'permission', wait ->> 'message',
          case when event.id is not null then
            jsonb_build_object('event', event.name, 'key', event.key, 'payload', event.payload, 'received_at', event.created_at) end)
  on conflict (tenant_id, execution_id, node_id, item) do nothing;
  update queue.jobs j set has_waits = true, is_woken = j.is_woken or event.id is not null
   where j.tenant_id = tenant and j.execution_id = execution;
end
$$;

comment on function queue.begin_wait is 'Registers what a step waits for; an event that came before is delivered at once. Called by queue.record.';

create function queue.end_waits(tenant uuid, execution uuid) returns void
language plpgsql
set search_path = ''
as $$
declare
  child record;
begin
  for child in
    delete from queue.waits w where w.tenant_id = tenant and w.execution_id = execution returning w.child_id
  loop
    -- Nobody waits for them any more. Their own workers end them.
    if child.child_id is not null then
      perform queue.ask_to_end(tenant, child.child_id);
    end if;
  end loop;
  delete from queue.events e where e.tenant_id = tenant and e.execution_id = execution;
end
$$;

comment on function queue.end_waits is 'An execution is over: what its steps waited for does not matter any more, and the executions that they called are asked to end.';

-- The call and the called may end at once, and each then wants the other's job. Postgres stops one of the two; its worker tries again.
create function queue.answer_call(tenant uuid, execution uuid) returns void
language plpgsql
set search_path = ''
as $$
declare
  child public.executions;
begin
  select e.* into child from public.executions e where e.tenant_id = tenant and e.id = execution;
  perform queue.deliver(tenant, child.parent_id, child.parent_node, coalesce(child.parent_item, -1), jsonb_build_object(
    'execution_id', child.id, 'status', child.status, 'output', child.output, 'error', child.error));
end
$$;

comment on function queue.answer_call is 'Tells the step that called an execution how that ended.';

create function queue.record(
  worker text,
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
  bases bigint[];
  cancels boolean[];
  pauses boolean[];
  called bigint[];
  ended_with_waits bigint[];
  has_extras boolean := exists (select from unnest(extras) x where x is not null);
  models text[];
  input_tokens bigint[];
  output_tokens bigint[];
  costs numeric[];
  extra record;
  counted record;
  position bigint;
begin
  -- In one order for everybody, so that two workers that record at once cannot wait for each other in a circle.
  with locked as materialized (
    select g.n, j.fencing_token = g.fencing_token and j.state = 'claimed' and j.claimed_by = worker as is_held
      from (
        select * from unnest(tenants, executions, tokens) with ordinality x (tenant_id, execution_id, fencing_token, n)
         order by x.tenant_id, x.execution_id
      ) g
      -- Each by its key: joined in any other way, this would be as much work as there are jobs.
      cross join lateral (
        select k.fencing_token, k.state, k.claimed_by from queue.jobs k where k.tenant_id = g.tenant_id and k.execution_id = g.execution_id for update
      ) j
  )
  select coalesce(array_agg(l.n) filter (where l.is_held), '{}') into held_positions from locked l;
  if cardinality(held_positions) < cardinality(executions) then
    return query
      select g.n = any (held_positions), false, false, false from generate_series(1, cardinality(executions)) g (n) order by g.n;
    return;
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
     where e.tenant_id = g.tenant_id and e.id = g.execution_id
    returning g.n, e.revision - g.steps - 1 - g.steps_before as base, e.cancel_requested_at is not null as cancels,
              e.pause_requested_at is not null as pauses, e.parent_id is not null and e.finished_at is not null as ends_a_call
  )
  select array_agg(u.base order by u.n), array_agg(u.cancels order by u.n), array_agg(u.pauses order by u.n),
         array_agg(u.n) filter (where u.ends_a_call)
    into bases, cancels, pauses, called
    from updated u;

  if has_extras then
    models := array_fill(null::text, array[cardinality(nodes)]);
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
        begin
          perform aias.quota_settle((extra.more ->> 'reservation')::uuid,
            coalesce((extra.more #>> '{usage,input_tokens}')::bigint + (extra.more #>> '{usage,output_tokens}')::bigint, 0));
        exception when invalid_parameter_value then
          -- It is settled already: by the call that this one repeats, or long after it lapsed.
          null;
        end;
      end if;
      if jsonb_typeof(extra.more -> 'wait') = 'object' then
        perform queue.begin_wait(extra.tenant_id, extra.execution_id, extra.node_id, extra.item, extra.more -> 'wait');
      end if;
    end loop;
  end if;

  insert into public.execution_steps as s (
    tenant_id, execution_id, node_id, item, name, kind, status, attempt, handle, input, output, error,
    run_at, started_at, finished_at, model, input_tokens, output_tokens, cost_usd, revision)
  select tenants[x.of], executions[x.of], x.node_id, x.item, x.name, x.kind, x.status, x.attempt, x.handle, x.input, x.output, x.error,
         x.run_at, x.started_at, x.finished_at, models[x.n], input_tokens[x.n], output_tokens[x.n], costs[x.n], bases[x.of] + x.n
    from unnest(step_of, nodes, items, names, kinds, step_statuses, attempts, handles, inputs, step_outputs, step_errors,
                step_run_ats, step_started_ats, step_finished_ats) with ordinality
           x (of, node_id, item, name, kind, status, attempt, handle, input, output, error, run_at, started_at, finished_at, n)
  on conflict (tenant_id, execution_id, node_id, item) do update
    set status = excluded.status, attempt = excluded.attempt, handle = excluded.handle,
        input = coalesce(excluded.input, s.input), output = excluded.output, error = excluded.error,
        run_at = excluded.run_at,
        started_at = coalesce(excluded.started_at, s.started_at), finished_at = excluded.finished_at,
        model = coalesce(excluded.model, s.model),
        -- Attempts that failed have cost something too.
        input_tokens = nullif(coalesce(s.input_tokens, 0) + coalesce(excluded.input_tokens, 0), 0),
        output_tokens = nullif(coalesce(s.output_tokens, 0) + coalesce(excluded.output_tokens, 0), 0),
        cost_usd = case when excluded.cost_usd is null then s.cost_usd else coalesce(s.cost_usd, 0) + excluded.cost_usd end,
        revision = excluded.revision
    -- A worker that did not hear whether a call was committed repeats it as it was. It then meets its own steps:
    -- what is final stays, and so does a later attempt.
    where s.status in ('running', 'waiting') and excluded.attempt >= s.attempt;

  -- What a step waited for is over with the step.
  if exists (
    select from unnest(tenants, executions) g (tenant_id, execution_id)
      join queue.jobs j on j.tenant_id = g.tenant_id and j.execution_id = g.execution_id and j.has_waits
  ) then
    delete from queue.waits w
     using unnest(step_of, nodes, items, step_statuses) x (of, node_id, item, status)
     where x.status in ('succeeded', 'failed', 'skipped', 'cancelled') and w.kind <> 'execution'
       and w.tenant_id = tenants[x.of] and w.execution_id = executions[x.of] and w.node_id = x.node_id and w.item = x.item;
    delete from queue.waits w
     using unnest(step_of, nodes, items, step_statuses) x (of, node_id, item, status)
     where x.status in ('succeeded', 'failed', 'skipped') and w.kind = 'execution' and w.delivered is not null
       and w.tenant_id = tenants[x.of] and w.execution_id = executions[x.of] and w.node_id = x.node_id and w.item = x.item;
  end if;

  with gone as (
    delete from queue.jobs j
     using unnest(tenants, executions, statuses) with ordinality g (tenant_id, execution_id, status, n)
     where j.tenant_id = g.tenant_id and j.execution_id = g.execution_id and g.status in ('succeeded', 'failed', 'cancelled')
    returning g.n, j.has_waits
  )
  select array_agg(g.n) filter (where g.has_waits) into ended_with_waits from gone g;

  if exists (select from unnest(statuses) s where s in ('waiting', 'paused', 'running')) then
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
  'somebody wakes it), paused gives it up until it is resumed, the others end the execution. Answers a row for each execution, in their order. When one is not '
  'held any more, nothing is written, and the call is to be made again without it. extras: {usage, reservation, wait}. Repeating a call changes nothing.';

create function queue.keep_jobs(tenants uuid[], executions uuid[], statuses text[], run_ats timestamptz[], cancels boolean[]) returns void
language plpgsql
set search_path = ''
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  ready uuid[];
begin
  update queue.jobs j
     set claims_without_progress = 0, has_steps = true
    from unnest(tenants, executions, statuses) g (tenant_id, execution_id, status)
   where j.tenant_id = g.tenant_id and j.execution_id = g.execution_id and g.status = 'running'
     and (j.claims_without_progress, j.has_steps) is distinct from (0::smallint, true);

  with released as (
    update queue.jobs j
       set claims_without_progress = 0, has_steps = true, claimed_by = null, is_woken = false,
           -- Nobody holds it from here on: what came meanwhile is taken up by the next claim, at once.
           state = case when g.is_due then 'ready' else g.status end,
           ready_in = case when g.is_due then pg_current_xact_id() end,
           run_at = case when not g.is_due then g.run_at end
      from (
        select x.tenant_id, x.execution_id, x.status,
               case when x.status = 'waiting' and x.run_at is not null then greatest(x.run_at, clock_timestamp()) end as run_at,
               x.cancels or (x.status = 'waiting' and (k.is_woken or coalesce(x.run_at <= clock_timestamp(), false))) as is_due
          from unnest(tenants, executions, statuses, run_ats, cancels) x (tenant_id, execution_id, status, run_at, cancels)
          join queue.jobs k on k.tenant_id = x.tenant_id and k.execution_id = x.execution_id
         where x.status in ('waiting', 'paused')
      ) g
     where j.tenant_id = g.tenant_id and j.execution_id = g.execution_id
    returning j.tenant_id, j.workflow_id, j.priority, j.state
  )
  select array_agg(distinct r.tenant_id) into ready
    from released r
    cross join lateral queue.open_lane(r.tenant_id, r.workflow_id, r.priority)
   where r.state = 'ready';
  if ready is not null then
    perform queue.notify_workers(variadic ready);
  end if;
end
$$;

comment on function queue.keep_jobs is 'The jobs of executions that are not over: still held, or given back. Called by queue.record.';
