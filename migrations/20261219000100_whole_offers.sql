-- An offer says all that an execution begins with. The worker that hears it computes at once as far as it can without an effect, and what it then records takes the job: a
-- transaction less, and nothing to look up. An offer binds nobody. Where a claim is quicker, what was computed is thrown away; when the
-- worker dies, the job is ready as before.

-- Whoever may listen to a channel hears what is said there, and Postgres asks nobody's leave for that. So the channel on which inputs are told has a name that
-- only workers are told.
alter table queue.state add column offers_channel text not null default 'aias_offers_' || replace(gen_random_uuid()::text, '-', '');
comment on column queue.state.offers_channel is 'Where offers are told. Whoever knows it can hear the inputs of executions, and have executions run with others.';

create function queue.offers_channel() returns text
language sql stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$ select s.offers_channel from queue.state s $$;

comment on function queue.offers_channel is 'Where offers are told. For queue.listen_to_offers: in a statement of its own the name could be seen by others.';

create function queue.listen_to_offers() returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format('listen %I', queue.offers_channel());
end
$$;

comment on function queue.listen_to_offers is 'Has this session hear what is offered: see queue.offer.';

drop function queue.offer;
drop function queue.take;

create function queue.offer(execution public.executions, is_capped boolean) returns void
language plpgsql
set search_path = ''
as $$
declare
  channel text;
  worker text;
  may_be_offered boolean;
  input text;
begin
  -- When: see queue.notify_workers. To any that has room, but rather to none that may have died: with a lease of 30 s an idle one is written down each 5 to 7 s.
  select s.offers_channel, w.worker, t.max_running is null into channel, worker, may_be_offered
    from queue.state s
    left join queue.tenants t on t.tenant_id = execution.tenant_id
    left join lateral (
      select k.worker, k.wants_notice from queue.workers k
       where k.seen_at > now() - interval '1 minute'
       order by k.wants_notice desc, k.seen_at > now() - interval '8 seconds' desc, random()
       limit 1
    ) w on true
   where w.wants_notice or w.worker is null or t.turn < s.turn_lately;
  if not found then
    return;
  end if;
  -- What a cap may hold back is decided by claims alone; and what is tried again comes with steps.
  if worker is null or not may_be_offered or is_capped or execution.origin = 'retry' then
    perform pg_notify('aias_jobs', '');
    return;
  end if;
  -- A notice has less than 8,000 bytes (src/backend/commands/async.c), and what is stored says roughly how much it is as text. A longer input is asked for.
  if pg_column_size(execution.input) < 7000 then
    input := execution.input;
  end if;
  perform pg_notify(channel, format('{"worker": %s, "tenant_id": "%s", "execution_id": "%s", "workflow_id": "%s", "workflow_version": %s, "depth": %s, "input": %s}',
    to_json(worker), execution.tenant_id, execution.id, execution.workflow_id, execution.workflow_version, execution.depth,
    case when octet_length(input) < 7000 then input else 'null' end));
end
$$;

comment on function queue.offer is
  'Wakes workers for a job that is ready from now on, as queue.notify_workers does. Where no cap has to be looked at, one is told all that it begins with: '
  '{worker, tenant_id, execution_id, workflow_id, workflow_version, depth, input}, with null for an input that is too long. The others hear it too, and look a moment later whether it was had. '
  'A hint: whoever misses it finds the job by claiming.';

create function queue.offered_input(tenant uuid, execution uuid) returns jsonb
language sql stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$ select e.input from public.executions e where e.tenant_id = tenant and e.id = execution $$;

comment on function queue.offered_input is 'An input that is too long for an offer.';

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
     where j.tenant_id = tenants[o.n] and j.execution_id = executions[o.n] and statuses[o.n] = 'running'
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

comment on function queue.record is
  'Writes what a worker found out, for many executions in one transaction. Status running keeps the lease, waiting gives it up until run_at (null: until '
  'somebody wakes it), paused gives it up until it is resumed, the others end the execution. With token 0 it is the first of a job that was offered, which it '
  'takes. Answers a row for each execution, in their order. When one is not held any more, or was not to be had, nothing is written, and the call is to be made '
  'again without it. extras: {usage, reservation, wait}. Repeating a call changes nothing.';

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
  -- Of calls that return nothing: assigned they are evaluated as expressions, performed each is a query with an executor of its own.
  done text;
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
  done := aias.quota_take(workflow.tenant_id, 'executions', 1);
  insert into queue.jobs (tenant_id, execution_id, workflow_id, priority) values (workflow.tenant_id, new_id, workflow.id, priority);
  done := queue.open_lane(workflow.tenant_id, workflow.id, priority::smallint);
  done := queue.offer(execution, workflow.max_concurrency is not null);
  return execution;
end
$$;
