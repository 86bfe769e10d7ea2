-- A lane remembers up to which job it was taken, and not only up to which transaction: a backlog may be the work of one (an import, a call of `start_executions`), and each
-- claim then read all that was taken of it before.
--
-- And a claim finds each job once, locks it, and changes it where it lies.

alter table queue.lanes add column taken_to_execution uuid not null default '00000000-0000-0000-0000-000000000000';
comment on column queue.lanes.taken_to_execution is 'Of the jobs that the transaction taken_to made ready, none that is ready comes before this one.';

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
  -- remembers is worth nothing then. One that was opened twice begins where less was taken.
  select array_agg(row(l.tenant_id, l.workflow_id, l.priority, '0', l.taken_to, l.busy_at, l.taken_to_execution)::queue.lanes)
    into busy
    from (
      select distinct on (x.tenant_id, x.workflow_id, x.priority)
             x.tenant_id, x.workflow_id, x.priority, x.busy_at, place.taken_to, place.taken_to_execution
        from queue.lanes x
        cross join lateral (
          select x.taken_to, x.taken_to_execution where x.taken_to <= horizon
          union all
          select '0', '00000000-0000-0000-0000-000000000000' where x.taken_to > horizon
        ) place
       order by x.tenant_id, x.workflow_id, x.priority, place.taken_to, place.taken_to_execution
    ) l
   where exists (
     select from queue.jobs j
      where j.tenant_id = l.tenant_id and j.workflow_id = l.workflow_id and j.priority = l.priority and j.state = 'ready'
        and (j.ready_in, j.execution_id) >= (l.taken_to, l.taken_to_execution)
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
           and (j.ready_in, j.execution_id) >= (busy[1].taken_to, busy[1].taken_to_execution)
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
             and (j.ready_in, j.execution_id) >= (l.taken_to, l.taken_to_execution)
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
  places tid[];
  horizon xid8 := pg_snapshot_xmin(pg_current_snapshot());
  claimed_tenants uuid[];
  claimed_workflows uuid[];
  claimed_executions uuid[];
  claimed_tokens bigint[];
  claimed_again smallint[];
  have_steps boolean[];
  have_waits boolean[];
begin
  -- One at a time: caps and turns are decided on what is true. A claim takes a few milliseconds and as many jobs as the worker has room for.
  perform pg_advisory_xact_lock(hashtextextended('queue.claim', 0));
  -- Nobody waits until a claim is on the disk: whatever is recorded of what it took is written after it, and takes it along. A server that
  -- dies before has forgotten the claim, and all that its worker could have done without a record is to think.
  perform set_config('synchronous_commit', 'off', true);
  perform queue.make_due_ready(lease);
  select * into picked from queue.pick(worker, max_jobs, kept, lease, held_tenants, held_workflows, held_counts);

  select array_agg(j.ctid order by p.n)
    into places
    from unnest(picked.tenants, picked.executions) with ordinality p (tenant_id, execution_id, n)
    -- Each by its key: joined in any other way, this would be as much work as there are jobs.
    cross join lateral (
      select k.ctid from queue.jobs k
       where k.tenant_id = p.tenant_id and k.execution_id = p.execution_id and k.ready_in is not null
         -- Somebody may be about to cancel it, for as long as he likes.
         for update skip locked
    ) j;

  -- A row that is locked stays where it is. Not in the statement that locks: what was changed since that began is in a place that it does not see.
  with claimed as (
    update queue.jobs j
       set state = 'claimed', ready_in = null, run_at = now() + lease, fencing_token = j.fencing_token + 1, claimed_by = worker,
           claims_without_progress = j.claims_without_progress + 1, is_woken = false
      from unnest(places) p (place)
     where j.ctid = p.place
    returning j.tenant_id, j.workflow_id, j.execution_id, j.fencing_token, j.claims_without_progress, j.has_steps, j.has_waits
  )
  select array_agg(c.tenant_id), array_agg(c.workflow_id), array_agg(c.execution_id), array_agg(c.fencing_token),
         array_agg(c.claims_without_progress), array_agg(c.has_steps), array_agg(c.has_waits)
    into claimed_tenants, claimed_workflows, claimed_executions, claimed_tokens, claimed_again, have_steps, have_waits
    from claimed c;

  -- Before the first that is ready now, and behind what may still be on its way. About every thousand jobs: what a claim passes that was taken before
  -- costs it little, but each note leaves a dead row that claims pass too.
  if random() < cardinality(claimed_executions) / 1024.0 then
    update queue.lanes l
       set (taken_to, taken_to_execution) = (
             select case when next.ready_in < horizon then next.ready_in else horizon end,
                    case when next.ready_in < horizon then next.execution_id else '00000000-0000-0000-0000-000000000000' end
               from (values (true)) always
               left join lateral (
                 select j.ready_in, j.execution_id from queue.jobs j
                  where j.tenant_id = l.tenant_id and j.workflow_id = l.workflow_id and j.priority = l.priority and j.state = 'ready'
                    -- What a restored lane remembers is worth nothing, as in queue.pick.
                    and (j.ready_in, j.execution_id) >= (case when l.taken_to <= horizon then l.taken_to else '0' end,
                                                         case when l.taken_to <= horizon then l.taken_to_execution else '00000000-0000-0000-0000-000000000000' end)
                  order by j.ready_in, j.execution_id limit 1
               ) next on true
           )
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
    select c.tenant_id, c.execution_id, c.fencing_token, c.claims_without_progress,
           e.workflow_id, e.workflow_version, e.input, e.depth, coalesce(e.started_at, now()),
           e.cancel_requested_at is not null, e.pause_requested_at is not null,
           -- A function of its own: most have none, and a plan with all months in it takes its time to begin.
           case when c.has_steps then queue.recorded_steps(c.tenant_id, c.execution_id) end,
           case when c.has_waits then queue.signals(c.tenant_id, c.execution_id) end,
           coalesce(picked.was_capped, false)
      from unnest(claimed_tenants, claimed_executions, claimed_tokens, claimed_again, have_steps, have_waits)
             c (tenant_id, execution_id, fencing_token, claims_without_progress, has_steps, has_waits)
      join public.executions e on e.tenant_id = any (array[c.tenant_id]) and e.id = c.execution_id;
end
$$;
