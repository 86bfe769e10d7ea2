-- Jobs come and go by the ten thousands, and Postgres counts them now and then. Counted when there were hardly any, to read all of them and compare each with
-- what is asked for looks cheapest, and stays so until the next count, beside whatever backlog there is by then. So these functions leave the planner one way,
-- each job by its key:
--
-- * `tenant_id = any (array[tenant])` asks for the same rows as `=`, but it has no order. An index is read from end to end only for an order that a join may use, and
--   those of jobs and executions are ordered by tenant first.
-- * That a job is ready or claimed is not asked of `state` but of what comes with it (its place, its holder). There are indexes of all that are ready, and of all that are
--   claimed, and they look small.

create or replace function queue.make_due_ready(lease interval) returns integer
language plpgsql
set search_path = ''
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
  began constant timestamptz := clock_timestamp();
  state queue.state;
  everywhere boolean;
  with_leases boolean;
  timers_from timestamptz;
  leases_from timestamptz;
  timers integer;
  leases integer;
begin
  select * into state from queue.state;
  -- What is due was entered before it was; some transactions take a while to commit what they entered. What took even longer is found by
  -- looking everywhere, now and then, and less often where that takes long. Between, the dead rows of what was due before are not passed
  -- again. Every claim leaves a lease behind, and a worker seldom dies: leases are looked at four times a second, not by every claim.
  everywhere := state.looked_everywhere_at < now() - greatest(interval '10 seconds', 100 * state.looking_took);
  with_leases := everywhere or state.leases_to < now() - interval '250 milliseconds';
  timers_from := case when everywhere then '-infinity' else state.timers_to - interval '1 second' end;
  leases_from := case when everywhere then '-infinity' else state.leases_to - interval '1 second' end;
  -- Nearly always nothing is due, and to find that out is one look into an index.
  if not everywhere
     and not exists (select from queue.jobs j where j.state = 'waiting' and j.run_at <= now() and j.run_at > timers_from)
     and not (with_leases and exists (select from queue.jobs j where j.state = 'claimed' and j.run_at <= now() and j.run_at > leases_from)) then
    if with_leases then
      update queue.state s set timers_to = now(), leases_to = now();
    end if;
    return 0;
  end if;
  with due as (
    select * from (
      select j.tenant_id, j.execution_id, j.state from queue.jobs j
       where j.state = 'waiting' and j.run_at <= now() and j.run_at > timers_from
       order by j.run_at limit 1000 for update skip locked
    ) t
    union all
    select * from (
      select j.tenant_id, j.execution_id, j.state from queue.jobs j
       where with_leases and j.state = 'claimed' and j.run_at <= now() and j.run_at > leases_from
       order by j.run_at limit 1000 for update skip locked
    ) l
  ),
  woken as (
    update queue.jobs j
       set state = 'ready', ready_in = pg_current_xact_id(), run_at = null, claimed_by = null
      from due d
     where j.tenant_id = any (array[d.tenant_id]) and j.execution_id = d.execution_id
    returning j.tenant_id, j.workflow_id, j.priority, d.state as was
  ),
  opened as (
    insert into queue.lanes (tenant_id, workflow_id, priority)
    select distinct w.tenant_id, w.workflow_id, w.priority from woken w
     where not exists (
       select from queue.lanes l where l.tenant_id = w.tenant_id and l.workflow_id = w.workflow_id and l.priority = w.priority
     )
  )
  select count(*) filter (where w.was = 'waiting'), count(*) filter (where w.was = 'claimed') into timers, leases from woken w;

  if everywhere then
    -- A lane may have been closed while somebody put a job into it. The lanes that have ready jobs, each found by one look into the index.
    insert into queue.lanes (tenant_id, workflow_id, priority)
    with recursive lane as (
      (select j.tenant_id, j.workflow_id, j.priority from queue.jobs j where j.state = 'ready' order by 1, 2, 3 limit 1)
      union all
      select n.* from lane l cross join lateral (
        select j.tenant_id, j.workflow_id, j.priority from queue.jobs j
         where j.state = 'ready' and (j.tenant_id, j.workflow_id, j.priority) > (l.tenant_id, l.workflow_id, l.priority)
         order by 1, 2, 3 limit 1
      ) n
    )
    select n.tenant_id, n.workflow_id, n.priority from lane n
     where not exists (
       select from queue.lanes l where l.tenant_id = n.tenant_id and l.workflow_id = n.workflow_id and l.priority = n.priority
     );
  end if;
  -- Not past what did not fit, nor for every timer.
  if with_leases then
    update queue.state s
       set timers_to = case when timers < 1000 then now() else s.timers_to end,
           leases_to = case when leases < 1000 then now() else s.leases_to end,
           looked_everywhere_at = case when everywhere and timers < 1000 and leases < 1000 then now() else s.looked_everywhere_at end,
           looking_took = case when everywhere then clock_timestamp() - began else s.looking_took end;
  end if;
  return timers + leases;
end
$$;

create or replace function queue.claim(
  worker text, max_jobs integer, lease interval, held_tenants uuid[], held_workflows uuid[], held_counts integer[], kept integer default 0
) returns table (
  tenant_id uuid, execution_id uuid, fencing_token bigint, claims_without_progress smallint,
  workflow_id uuid, workflow_version integer, input jsonb, depth smallint, started_at timestamptz,
  cancel_requested boolean, pause_requested boolean, steps jsonb, signals jsonb, was_capped boolean
)
language plpgsql
-- Definer: workers hold no rights on tables, only on these functions.
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
  picked record;
  horizon xid8 := pg_snapshot_xmin(pg_current_snapshot());
  claimed_tenants uuid[];
  claimed_workflows uuid[];
  claimed_executions uuid[];
begin
  -- One at a time: caps and turns are decided on what is true. A claim takes a few milliseconds and as many jobs as the worker has room for.
  perform pg_advisory_xact_lock(hashtextextended('queue.claim', 0));
  -- Nobody waits until a claim is on the disk: whatever is recorded of what it took is written after it, and takes it along. A server that
  -- dies before has forgotten the claim, and all that its worker could have done without a record is to think.
  perform set_config('synchronous_commit', 'off', true);
  perform queue.make_due_ready(lease);
  select * into picked from queue.pick(worker, max_jobs, kept, lease, held_tenants, held_workflows, held_counts);

  with locked as materialized (
    select j.tenant_id, j.execution_id
      from unnest(picked.tenants, picked.executions) p (tenant_id, execution_id)
      -- Each by its key: joined in any other way, this would be as much work as there are jobs.
      cross join lateral (
        select k.tenant_id, k.execution_id from queue.jobs k
         where k.tenant_id = p.tenant_id and k.execution_id = p.execution_id and k.ready_in is not null
           -- Somebody may be about to cancel it, for as long as he likes.
           for update skip locked
      ) j
  ),
  claimed as (
    update queue.jobs j
       set state = 'claimed', ready_in = null, run_at = now() + lease, fencing_token = j.fencing_token + 1, claimed_by = worker,
           claims_without_progress = j.claims_without_progress + 1, is_woken = false
      from locked l
     where j.tenant_id = any (array[l.tenant_id]) and j.execution_id = l.execution_id
    returning j.tenant_id, j.workflow_id, j.execution_id
  )
  select array_agg(c.tenant_id), array_agg(c.workflow_id), array_agg(c.execution_id)
    into claimed_tenants, claimed_workflows, claimed_executions
    from claimed c;

  -- Behind what is ready now, and behind what may still be on its way. About every thousand jobs: what a claim passes that was taken before
  -- costs it little, but each note leaves a dead row that claims pass too.
  if random() < cardinality(claimed_executions) / 1024.0 then
    update queue.lanes l
       set taken_to = least(horizon, coalesce((
             select j.ready_in from queue.jobs j
              where j.tenant_id = l.tenant_id and j.workflow_id = l.workflow_id and j.priority = l.priority and j.state = 'ready'
                -- As in queue.pick: what a restored lane remembers is worth nothing.
                and j.ready_in >= case when l.taken_to <= horizon then l.taken_to else '0' end
              order by j.ready_in limit 1
           ), horizon))
      from (
        select c.tenant_id, c.workflow_id from unnest(claimed_tenants, claimed_workflows) c (tenant_id, workflow_id)
         group by 1, 2 having random() < count(*)::double precision / cardinality(claimed_executions)
      ) taken
     where l.tenant_id = taken.tenant_id and l.workflow_id = taken.workflow_id;
  end if;

  insert into queue.workers as w (worker, wants_notice, was_capped, held_tenants, held_workflows, held_counts)
  select worker, coalesce(cardinality(claimed_executions), 0) < max_jobs - kept, coalesce(picked.was_capped, false),
         coalesce(array_agg(c.tenant_id order by c.tenant_id, c.workflow_id), '{}'),
         coalesce(array_agg(c.workflow_id order by c.tenant_id, c.workflow_id), '{}'),
         coalesce(array_agg(c.running order by c.tenant_id, c.workflow_id), '{}')
    from (
      select h.tenant_id, h.workflow_id, sum(h.running)::integer as running
        from (
          select * from unnest(claim.held_tenants, claim.held_workflows, claim.held_counts) o (tenant_id, workflow_id, running)
          union all
          select o.tenant_id, o.workflow_id, 1 from unnest(claimed_tenants, claimed_workflows) o (tenant_id, workflow_id)
        ) h
       group by h.tenant_id, h.workflow_id
    ) c
  on conflict (worker) do update
    set seen_at = now(), wants_notice = excluded.wants_notice, was_capped = excluded.was_capped,
        held_tenants = excluded.held_tenants, held_workflows = excluded.held_workflows, held_counts = excluded.held_counts
    -- Whoever took something was seen: what it holds counts until the last of its leases ends.
    where w.seen_at < now() - lease / 6 or claimed_executions is not null
       or (w.wants_notice, w.was_capped, w.held_tenants, w.held_workflows, w.held_counts)
          is distinct from (excluded.wants_notice, excluded.was_capped, excluded.held_tenants, excluded.held_workflows, excluded.held_counts);

  return query
    select j.tenant_id, j.execution_id, j.fencing_token, j.claims_without_progress,
           e.workflow_id, e.workflow_version, e.input, e.depth, coalesce(e.started_at, now()),
           e.cancel_requested_at is not null, e.pause_requested_at is not null,
           -- A function of its own: most have none, and a plan with all months in it takes its time to begin.
           case when j.has_steps then queue.recorded_steps(j.tenant_id, j.execution_id) end,
           case when j.has_waits then queue.signals(j.tenant_id, j.execution_id) end,
           coalesce(picked.was_capped, false)
      from unnest(claimed_tenants, claimed_executions) c (tenant_id, execution_id)
      join queue.jobs j on j.tenant_id = any (array[c.tenant_id]) and j.execution_id = c.execution_id
      join public.executions e on e.tenant_id = any (array[c.tenant_id]) and e.id = c.execution_id;
end
$$;

create or replace function queue.renew(worker text, tenants uuid[], executions uuid[], tokens bigint[], lease interval)
returns table (tenant_id uuid, execution_id uuid, cancel_requested boolean, pause_requested boolean, signals jsonb)
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
begin
  return query
    with still_held as materialized (
      select h.tenant_id, h.execution_id
        from (
          select * from unnest(tenants, executions, tokens) x (tenant_id, execution_id, fencing_token) order by x.tenant_id, x.execution_id
        ) h
        cross join lateral (
          select k.fencing_token, k.claimed_by from queue.jobs k where k.tenant_id = h.tenant_id and k.execution_id = h.execution_id for update
        ) j
       where j.fencing_token = h.fencing_token and j.claimed_by = worker
    ),
    renewed as (
      update queue.jobs j
         set run_at = now() + lease
        from still_held s
       where j.tenant_id = any (array[s.tenant_id]) and j.execution_id = s.execution_id
      returning j.tenant_id, j.execution_id, j.has_waits
    )
    select r.tenant_id, r.execution_id, e.cancel_requested_at is not null, e.pause_requested_at is not null,
           case when r.has_waits then queue.signals(r.tenant_id, r.execution_id) end
      from renewed r
      join public.executions e on e.tenant_id = any (array[r.tenant_id]) and e.id = r.execution_id;
  -- After the jobs, as a claim does: in the other order the two could wait for each other, over a lease that has just ended.
  update queue.workers w set seen_at = now() where w.worker = renew.worker;
end
$$;

create or replace function queue.keep_jobs(tenants uuid[], executions uuid[], statuses text[], run_ats timestamptz[], cancels boolean[]) returns void
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
   where j.tenant_id = any (array[g.tenant_id]) and j.execution_id = g.execution_id and g.status = 'running'
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
          join queue.jobs k on k.tenant_id = any (array[x.tenant_id]) and k.execution_id = x.execution_id
         where x.status in ('waiting', 'paused')
      ) g
     where j.tenant_id = any (array[g.tenant_id]) and j.execution_id = g.execution_id
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
