-- Claims of one lane, and records of one execution, cost less: that is what an idle system does between the call and the recorded end.
--
-- queue.pick: where one lane has something, there is no turn to decide. queue.record: what the first statement sees anyway is not asked again.

create or replace function queue.pick(
  for_worker text, max_jobs integer, kept integer, lease interval, own_tenants uuid[], own_workflows uuid[], own_counts integer[],
  out tenants uuid[], out executions uuid[], out was_capped boolean
)
language plpgsql
set search_path = ''
-- These tables are small now and large a moment later; a plan made for the one is terrible for the other. And no plan is made anew each time:
-- with all months in it, that takes longer than what is planned.
-- Before Postgres 18 a scan that is off costs 10,000,000,000, and what seems to cost that much is compiled: half a second, each time.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  -- So many of a tenant's in one worker, and places are not kept from it.
  few constant integer := 4;
  -- Taken before anything is read: what is not visible below is at least this new.
  horizon xid8 := pg_snapshot_xmin(pg_current_snapshot());
  busy queue.lanes[];
  -- So many jobs of each lane at most, so that a claim reads some thousands at most.
  most_of_each integer;
  fetch_most integer;
  places integer;
  turns double precision[];
  tenant_room bigint;
  workflow_room bigint;
  held_here bigint;
begin
  -- The lanes that have something, where something may be begun. A restored database counts transactions from anew: what a lane
  -- remembers is worth nothing then.
  select array_agg(row(l.tenant_id, l.workflow_id, l.priority, '0', case when l.taken_to <= horizon then l.taken_to else '0' end, l.busy_at)::queue.lanes)
    into busy
    from (
      select x.tenant_id, x.workflow_id, x.priority, min(x.taken_to) as taken_to, max(x.busy_at) as busy_at
        from queue.lanes x group by x.tenant_id, x.workflow_id, x.priority
    ) l
   where exists (
     select from queue.jobs j
      where j.tenant_id = l.tenant_id and j.workflow_id = l.workflow_id and j.priority = l.priority and j.state = 'ready'
        and j.ready_in >= case when l.taken_to <= horizon then l.taken_to else '0' end
   );

  -- Lanes that have been empty for a while are closed. Now and then is enough.
  if exists (select from queue.lanes l where l.busy_at < now() - interval '10 seconds') then
    delete from queue.lanes l
     where l.busy_at < now() - interval '30 seconds'
       and not (l.tenant_id, l.workflow_id, l.priority) in (select b.tenant_id, b.workflow_id, b.priority from unnest(busy) b);
    update queue.lanes l set busy_at = now()
      from unnest(busy) b
     where b.busy_at < now() - interval '10 seconds'
       and l.tenant_id = b.tenant_id and l.workflow_id = b.workflow_id and l.priority = b.priority;
  end if;
  was_capped := false;
  if busy is null then
    return;
  end if;

  -- One lane is what a system has that is idle, or that drains one tenant's backlog. There is no turn to decide then, only the order within
  -- the lane, and a claim of one job is twice as fast.
  if cardinality(busy) = 1 then
    select coalesce(t.max_running - coalesce(h.of_tenant, 0), max_jobs), coalesce(w.max_concurrency - coalesce(h.of_workflow, 0), max_jobs), coalesce(o.running, 0)
      into tenant_room, workflow_room, held_here
      from queue.tenants t
      join public.workflows w on w.tenant_id = t.tenant_id and w.id = busy[1].workflow_id
      left join lateral (
        select sum(x.running) as of_tenant, sum(x.running) filter (where x.workflow_id = w.id) as of_workflow
          from (
            select o.* from queue.workers v cross join lateral unnest(v.held_tenants, v.held_workflows, v.held_counts) as o (tenant_id, workflow_id, running)
             where v.seen_at > now() - lease and v.worker <> for_worker
            union all
            select * from unnest(own_tenants, own_workflows, own_counts)
          ) x
         where x.tenant_id = t.tenant_id
      ) h on t.max_running is not null or w.max_concurrency is not null
      left join lateral (
        select sum(x.running) as running from unnest(own_tenants, own_counts) x (tenant_id, running) where x.tenant_id = t.tenant_id
      ) o on kept > 0
     where t.tenant_id = busy[1].tenant_id and t.is_active;
    if not found then
      return;
    end if;
    was_capped := least(tenant_room, workflow_room) < max_jobs;
    -- What is kept is used last, and only by those who have a few.
    places := greatest(0, least(tenant_room, workflow_room, greatest(max_jobs - kept, least(max_jobs, few - held_here))));
    select array_agg(n.tenant_id), array_agg(n.execution_id)
      into tenants, executions
      from (
        select j.tenant_id, j.execution_id
          from queue.jobs j
         where j.tenant_id = busy[1].tenant_id and j.workflow_id = busy[1].workflow_id and j.priority = busy[1].priority and j.state = 'ready'
           and j.ready_in >= busy[1].taken_to
         order by j.ready_in, j.execution_id
         limit places
      ) n;
    return;
  end if;

  -- First a few of each lane, so that a thousand lanes do not mean a thousand times as much reading; then, when that did not fill the
  -- batch, as many as there may be. The first few of a tenant are among the first few of each of its lanes, so its order is kept; only where
  -- more than some sixty lanes have jobs, a claim may take one that is not quite next.
  most_of_each := least(max_jobs, greatest(1, 8192 / cardinality(busy)));
  fetch_most := (
    select case when count(distinct b.tenant_id) <= 4 then max_jobs else least(max_jobs, 1 + 4 * max_jobs / count(distinct b.tenant_id)) end
      from unnest(busy) b
  );
  fetch_most := least(fetch_most, most_of_each);
  places := fetch_most;
  loop
    with running as (
      select h.tenant_id, h.workflow_id, h.running
        from queue.workers w cross join lateral unnest(w.held_tenants, w.held_workflows, w.held_counts) as h (tenant_id, workflow_id, running)
       where w.seen_at > now() - lease and w.worker <> for_worker
      union all
      select * from unnest(own_tenants, own_workflows, own_counts)
    ),
    lane as materialized (
      select b.*, t.weight, greatest(t.turn, s.turn) as turn,
             case when t.max_running is null then 2147483647 else
               t.max_running - coalesce((select sum(r.running) from running r where r.tenant_id = b.tenant_id), 0) end as tenant_room,
             case when w.max_concurrency is null then 2147483647 else
               w.max_concurrency - coalesce((select sum(r.running) from running r
                                              where r.tenant_id = b.tenant_id and r.workflow_id = b.workflow_id), 0) end as workflow_room,
             case when kept > 0 then
               coalesce((select sum(o.running) from unnest(own_tenants, own_counts) o (tenant_id, running) where o.tenant_id = b.tenant_id), 0)
               else 0 end as held_here
        from unnest(busy) b
        cross join queue.state s
        join queue.tenants t on t.tenant_id = b.tenant_id and t.is_active
        join public.workflows w on w.tenant_id = b.tenant_id and w.id = b.workflow_id
    ),
    candidate as (
      select l.tenant_id, l.workflow_id, l.weight, l.turn, l.tenant_room, l.workflow_room, l.held_here, j.priority, j.ready_in, j.execution_id
        from lane l
        cross join lateral (
          select j.priority, j.ready_in, j.execution_id
            from queue.jobs j
           where j.tenant_id = l.tenant_id and j.workflow_id = l.workflow_id and j.priority = l.priority and j.state = 'ready'
             and j.ready_in >= l.taken_to
           order by j.ready_in, j.execution_id
           limit greatest(0, least(fetch_most, l.tenant_room, l.workflow_room))
        ) j
    ),
    placed as (
      -- A workflow's cap holds over all its lanes.
      select c.*, row_number() over (partition by c.tenant_id, c.workflow_id order by c.priority desc, c.ready_in, c.execution_id) as place_in_workflow
        from candidate c
    ),
    ranked as (
      select p.*, row_number() over (partition by p.tenant_id order by p.priority desc, p.ready_in, p.execution_id) as place
        from placed p where p.place_in_workflow <= p.workflow_room
    ),
    in_turn as (
      -- Each tenant's jobs are as far apart as its weight says.
      select r.tenant_id, r.execution_id, r.place, r.turn + (r.place - 1)::double precision / r.weight as turn,
             r.held_here + r.place > few as is_one_of_many
        from ranked r
       where r.place <= least(r.tenant_room, places)
    ),
    chosen as (
      select t.tenant_id, t.execution_id, t.turn
        from (
          select i.*, row_number() over (order by i.turn, i.tenant_id, i.place) as number
            from in_turn i
        ) t
       -- What is kept is used last, and only by those who have a few.
       where t.number <= max_jobs - kept or not t.is_one_of_many
       order by t.turn, t.tenant_id, t.place
       limit max_jobs
    )
    select array_agg(c.tenant_id), array_agg(c.execution_id), array_agg(c.turn),
           (select bool_or(least(l.tenant_room, l.workflow_room) < fetch_most) from lane l)
      into tenants, executions, turns, was_capped
      from chosen c;
    exit when places >= max_jobs or coalesce(cardinality(executions), 0) >= max_jobs;
    fetch_most := most_of_each;
    places := max_jobs;
  end loop;

  -- Turns matter only while somebody else waits.
  if (select count(distinct b.tenant_id) > 1 from unnest(busy) b) then
    update queue.tenants t
       set turn = served.turn + 1.0 / t.weight
      from (select c.tenant_id, max(c.turn) as turn from unnest(tenants, turns) c (tenant_id, turn) group by 1) served
      -- Not one that somebody is changing: a turn more or less is not worth that everybody waits for his commit.
      cross join lateral (
        select k.tenant_id from queue.tenants k where k.tenant_id = served.tenant_id for no key update skip locked
      ) free
     where t.tenant_id = free.tenant_id;
    update queue.state s
       set turn = (select max(c) from unnest(turns) c),
           turn_lately = case when s.turn_noted_at < now() - interval '100 milliseconds' then s.turn else s.turn_lately end,
           turn_noted_at = case when s.turn_noted_at < now() - interval '100 milliseconds' then now() else s.turn_noted_at end
     where turns is not null;
  end if;
end
$$;

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
    select g.n, j.fencing_token = g.fencing_token and j.state = 'claimed' and j.claimed_by = worker as is_held, j.has_waits
      from (
        select * from unnest(tenants, executions, tokens) with ordinality x (tenant_id, execution_id, fencing_token, n)
         order by x.tenant_id, x.execution_id
      ) g
      -- Each by its key: joined in any other way, this would be as much work as there are jobs.
      cross join lateral (
        select k.fencing_token, k.state, k.claimed_by, k.has_waits from queue.jobs k where k.tenant_id = g.tenant_id and k.execution_id = g.execution_id for update
      ) j
  )
  select coalesce(array_agg(l.n) filter (where l.is_held), '{}'), coalesce(bool_or(l.has_waits), false) into held_positions, have_waits from locked l;
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
