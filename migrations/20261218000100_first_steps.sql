-- Steps of an execution that has none yet are most of what is recorded. An `on conflict` costs each of them a look before it is written and a
-- confirmation afterwards, for something that cannot happen then.

create or replace function queue.record(
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
  -- In one order for everybody, so that two workers that record at once cannot wait for each other in a circle.
  with locked as materialized (
    select g.n, j.fencing_token = g.fencing_token and j.state = 'claimed' and j.claimed_by = worker as is_held, j.has_waits, j.has_steps
      from (
        select * from unnest(tenants, executions, tokens) with ordinality x (tenant_id, execution_id, fencing_token, n)
         order by x.tenant_id, x.execution_id
      ) g
      -- Each by its key: joined in any other way, this would be as much work as there are jobs.
      cross join lateral (
        select k.fencing_token, k.state, k.claimed_by, k.has_waits, k.has_steps from queue.jobs k
         where k.tenant_id = g.tenant_id and k.execution_id = g.execution_id
           for update
      ) j
  )
  select coalesce(array_agg(l.n) filter (where l.is_held), '{}'), coalesce(bool_or(l.has_waits), false), coalesce(bool_or(l.has_steps), false)
    into held_positions, have_waits, have_steps
    from locked l;
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
