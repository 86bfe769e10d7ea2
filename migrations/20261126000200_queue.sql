-- The queue: which executions want a worker, whose turn it is, and the functions that workers call.
--
-- A job is narrow and leaves when its execution ends; what happened lives in public.executions and public.execution_steps.
--
--   (made) ─► ready ◄──► claimed ──► (gone)          claimed ─► waiting ─► ready          ready, claimed, waiting ─► paused ─► ready
--
--   ready     wants a worker; in the order of the transactions that made it so
--   claimed   a worker holds it until run_at; a worker that dies simply does not push that further
--   waiting   nobody holds it; ready again at run_at, or when queue.wake() says so
--   paused    nobody holds it until somebody resumes it; what comes for it meanwhile is kept
--
-- Each claim raises the fencing token, and every later call must show it: a worker that was thought dead is refused.
--
-- A lane is the jobs of one workflow with one priority. It remembers up to which transaction its ready jobs have been taken, so a claim
-- begins to read there and not at the dead rows of all that were taken before: those can pile up for as long as somebody, anybody, holds an
-- old snapshot. What is not visible yet belongs to a transaction that is at least as new as the oldest running one; a lane never remembers
-- more than that, so nothing that commits late is passed over.

drop function queue.claim(text, integer, interval);
drop function queue.renew(text, jsonb, interval);
drop function queue.record(text, jsonb);
drop function queue.next_due();
drop function queue.reserve_tokens(uuid, uuid, bigint, bigint);
alter table queue.jobs set schema history;

create table queue.jobs (
  tenant_id uuid not null,
  execution_id uuid not null,
  workflow_id uuid not null,
  priority smallint not null default 0,
  claims_without_progress smallint not null default 0,
  state text not null default 'ready',
  ready_in xid8 default pg_current_xact_id(),
  run_at timestamptz,
  fencing_token bigint not null default 0,
  claimed_by text,
  has_steps boolean not null default false,
  has_waits boolean not null default false,
  is_woken boolean not null default false,
  primary key (tenant_id, execution_id),
  constraint job_state_is_known check (state in ('ready', 'claimed', 'waiting', 'paused')),
  constraint ready_job_has_a_place check ((state = 'ready') = (ready_in is not null)),
  constraint claimed_job_has_a_holder check ((state = 'claimed') = (claimed_by is not null)),
  constraint claimed_job_has_an_end check (state <> 'claimed' or run_at is not null)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
create index jobs_ready on queue.jobs (tenant_id, workflow_id, priority, ready_in, execution_id) where state = 'ready';
create index jobs_timers on queue.jobs (run_at) where state = 'waiting';
create index jobs_leases on queue.jobs (run_at) where state = 'claimed';
alter table queue.jobs enable row level security;

comment on table queue.jobs is 'An execution that is not finished. Rows leave when it is.';
comment on column queue.jobs.ready_in is 'The transaction that made it ready: its place in the lane.';
comment on column queue.jobs.run_at is 'When it is ready again: the end of a timer, or of the holder''s lease. Null: when somebody wakes it.';
comment on column queue.jobs.fencing_token is 'Raised by every claim; a result that carries an older one is refused.';
comment on column queue.jobs.claims_without_progress is 'Claims since a result was last recorded; too many mean that it kills its workers.';
comment on column queue.jobs.has_steps is 'Whether steps were recorded, so that a claim looks for them.';
comment on column queue.jobs.has_waits is 'Whether steps of it wait for something, so that a claim looks for what came.';
comment on column queue.jobs.is_woken is 'Something came for it while a worker held it.';

create table queue.tenants (
  tenant_id uuid primary key references public.tenants (id) on delete cascade,
  is_active boolean not null,
  max_running integer,
  weight integer not null,
  turn double precision not null default 0
) with (fillfactor = 50);
alter table queue.tenants enable row level security;
comment on table queue.tenants is 'What claims ask of each tenant. All but turn is kept equal to the tenant''s plan, overrides and status by triggers.';
comment on column queue.tenants.turn is
  'How much it was served while others waited, divided by its weight: start-time fair queueing (Goyal, Vin, Cheng, 1996). The least comes next.';

create table queue.lanes (
  tenant_id uuid not null references queue.tenants (tenant_id) on delete cascade,
  workflow_id uuid not null,
  priority smallint not null,
  opened_in xid8 not null default pg_current_xact_id(),
  taken_to xid8 not null default '0',
  busy_at timestamptz not null default now(),
  primary key (tenant_id, workflow_id, priority, opened_in)
) with (fillfactor = 50);
alter table queue.lanes enable row level security;
comment on table queue.lanes is 'Where there are ready jobs, or were a moment ago.';
comment on column queue.lanes.opened_in is 'Who opens a lane at the same moment as another, opens it once more: nobody waits for somebody else''s commit.';
comment on column queue.lanes.taken_to is 'No ready job is older than this transaction.';

create table queue.workers (
  worker text primary key,
  seen_at timestamptz not null default now(),
  wants_notice boolean not null default true,
  was_capped boolean not null default false,
  held_tenants uuid[] not null default '{}',
  held_workflows uuid[] not null default '{}',
  held_counts integer[] not null default '{}'
) with (fillfactor = 50);
alter table queue.workers enable row level security;
comment on table queue.workers is
  'What each worker held when it last claimed. It may have finished some of it since, so caps counted by this are never exceeded.';
comment on column queue.workers.was_capped is 'Its last claim left something that a cap holds back.';
comment on column queue.workers.wants_notice is 'Its last claim found less than it had room for. While nobody wants notice, nobody is sent any.';

create table queue.state (
  one boolean primary key default true,
  timers_to timestamptz not null default '-infinity',
  leases_to timestamptz not null default '-infinity',
  looked_everywhere_at timestamptz not null default '-infinity',
  looking_took interval not null default '0',
  turn double precision not null default 0,
  turn_lately double precision not null default 0,
  turn_noted_at timestamptz not null default '-infinity',
  constraint there_is_one_state check (one)
) with (fillfactor = 50);
alter table queue.state enable row level security;
insert into queue.state default values;
comment on table queue.state is 'One row: up to when timers and leases have been looked through, and whose turn it is.';
comment on column queue.state.looking_took is 'How long it took to look everywhere, the last time.';
comment on column queue.state.turn is 'Where the last claim stopped. A tenant that had nothing for a while begins here: what it did not use is not saved up.';
comment on column queue.state.turn_lately is 'Where claims stopped a tenth of a second ago, or earlier. A tenant whose turn is before that has not been served since.';

create table queue.waits (
  tenant_id uuid not null,
  execution_id uuid not null,
  node_id text not null,
  item integer not null default -1,
  kind text not null,
  name text,
  key text,
  permission text,
  message text,
  child_id uuid,
  delivered jsonb,
  created_at timestamptz not null default now(),
  primary key (tenant_id, execution_id, node_id, item),
  constraint wait_kind_is_known check (kind in ('event', 'approval', 'execution')),
  constraint wait_for_an_event_names_it check (kind <> 'event' or name is not null),
  constraint wait_for_an_execution_names_it check ((kind = 'execution') = (child_id is not null))
);
create index waits_for_events on queue.waits (tenant_id, name, key) where kind = 'event' and delivered is null;
alter table queue.waits enable row level security;
comment on table queue.waits is 'What steps wait for besides time. A row leaves when its step is recorded as ended.';
comment on column queue.waits.delivered is 'What came; the next worker takes it up.';

create table queue.events (
  tenant_id uuid not null,
  execution_id uuid not null,
  id uuid not null default aias.uuid7(),
  name text not null,
  key text,
  payload jsonb not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, execution_id, id)
);
alter table queue.events enable row level security;
comment on table queue.events is 'Events sent to an execution that does not wait for them yet.';

-- Unlogged: after a crash everybody who watches says so again.
create unlogged table queue.watched (
  execution_id uuid primary key,
  until timestamptz not null
);
alter table queue.watched enable row level security;
comment on table queue.watched is 'Executions whose changes somebody wants to hear of at once. Nothing is sent about any other.';

insert into queue.tenants (tenant_id, is_active, max_running, weight)
select t.id, t.status = 'active', private.limit_of(t.id, 'concurrent_executions'), p.queue_weight
  from public.tenants t join public.subscription_plans p on p.id = t.plan_id;
insert into queue.jobs (tenant_id, execution_id, workflow_id, state, ready_in, run_at, fencing_token, has_steps)
select j.tenant_id, j.execution_id, e.workflow_id, 'waiting', null, j.run_at, j.fencing_token, true
  from history.jobs j join public.executions e on e.tenant_id = j.tenant_id and e.id = j.execution_id;
drop table history.jobs;

-- What tenants may -----------------------------------------------------------------------------------------------------------------

create function queue.sync_tenant(tenant public.tenants) returns void
language sql
set search_path = ''
as $$
  insert into queue.tenants as q (tenant_id, is_active, max_running, weight)
  select tenant.id, tenant.status = 'active',
         -- No cap stays none: least() passes over a null.
         case when l.cap is not null then least(l.cap, 2147483647)::integer end, p.queue_weight
    from public.subscription_plans p
    cross join private.limit_of(tenant.id, 'concurrent_executions') l (cap)
   where p.id = tenant.plan_id
  on conflict (tenant_id) do update set is_active = excluded.is_active, max_running = excluded.max_running, weight = excluded.weight
    where (q.is_active, q.max_running, q.weight) is distinct from (excluded.is_active, excluded.max_running, excluded.weight)
$$;

comment on function queue.sync_tenant is 'Makes queue.tenants say what the tenant''s plan, overrides and status say.';

create function queue.sync_changed_tenant() returns trigger
language plpgsql
-- Definer: whoever changes a tenant need not be able to touch the queue.
security definer
set search_path = ''
as $$
begin
  perform queue.sync_tenant(new);
  return null;
end
$$;

create function queue.sync_tenants_of_plan() returns trigger
language plpgsql
-- Definer: see queue.sync_changed_tenant.
security definer
set search_path = ''
as $$
begin
  perform queue.sync_tenant(t) from public.tenants t where t.plan_id = new.id order by t.id;
  return null;
end
$$;

create trigger _150_sync_queue after insert or update of status, plan_id, limit_overrides on public.tenants
  for each row execute function queue.sync_changed_tenant();
create trigger _150_sync_queue after update of limits, queue_weight on public.subscription_plans
  for each row when ((old.limits, old.queue_weight) is distinct from (new.limits, new.queue_weight))
  execute function queue.sync_tenants_of_plan();

-- What goes with an execution --------------------------------------------------------------------------------------------------------

create function queue.forget_executions() returns trigger
language plpgsql
-- Definer: whoever deletes executions need not be able to touch the queue.
security definer
set search_path = ''
as $$
begin
  if tg_op = 'TRUNCATE' then
    truncate public.execution_steps;
    delete from queue.jobs;
    delete from queue.waits;
    delete from queue.events;
    delete from private.execution_keys;
    return null;
  end if;
  delete from queue.jobs j using gone g where j.tenant_id = g.tenant_id and j.execution_id = g.id;
  delete from queue.waits w using gone g where w.tenant_id = g.tenant_id and w.execution_id = g.id;
  delete from queue.events e using gone g where e.tenant_id = g.tenant_id and e.execution_id = g.id;
  delete from private.execution_keys k using gone g where k.tenant_id = g.tenant_id and k.execution_id = g.id;
  delete from public.execution_steps s using gone g where s.tenant_id = g.tenant_id and s.execution_id = g.id;
  return null;
end
$$;

create trigger _300_forget_executions after delete on public.executions
  referencing old table as gone for each statement execute function queue.forget_executions();
create trigger _300_forget_all_executions after truncate on public.executions
  for each statement execute function queue.forget_executions();

create function queue.drop_old_history(batch integer) returns integer
language plpgsql
set search_path = ''
as $$
declare
  dropped integer;
begin
  with due as (
    select e.tenant_id, e.id
      from public.subscription_plans p
      join public.tenants t on t.plan_id = p.id
      cross join lateral (
        select x.tenant_id, x.id from public.executions x
         where x.tenant_id = t.id and x.id < private.first_id_at(now() - p.history_days * interval '1 day') and x.finished_at is not null
           and x.finished_at < now() - p.history_days * interval '1 day'
         order by x.id limit batch
      ) e
     where p.history_days is not null
     limit batch
  )
  delete from public.executions e using due d where e.tenant_id = d.tenant_id and e.id = d.id;
  get diagnostics dropped = row_count;
  return dropped;
end
$$;

comment on function queue.drop_old_history is
  'Deletes up to so many finished executions that are older than their tenant''s plan keeps them. Answers how many.';

create function queue.drop_empty_months() returns integer
language plpgsql
set search_path = ''
set lock_timeout = '200ms'
as $$
declare
  month record;
  is_empty boolean;
  dropped integer := 0;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('queue.keep_history', 0)) then
    return 0;
  end if;
  for month in
    select c.oid::regclass as part, i.inhparent::regclass as parent
      from pg_catalog.pg_inherits i
      join pg_catalog.pg_class c on c.oid = i.inhrelid
     where i.inhparent in ('public.executions'::regclass, 'public.execution_steps'::regclass)
       and c.relname ~ '_\d{4}_\d{2}$'
       -- Not this month's nor the last one's: somebody may be about to write there.
       and to_date(right(c.relname, 7), 'YYYY_MM') < date_trunc('month', now()) - interval '1 month'
     order by c.relname
  loop
    execute format('select not exists (select from %s)', month.part) into is_empty;
    if is_empty then
      execute format('lock table %s in access exclusive mode', month.parent);
      execute format('select not exists (select from %s)', month.part) into is_empty;
      if is_empty then
        execute format('drop table %s', month.part);
        dropped := dropped + 1;
      end if;
    end if;
  end loop;
  return dropped;
exception
  when lock_not_available then
    return 0;
end
$$;

comment on function queue.drop_empty_months is 'Drops the partitions of months that have nothing left in them. Answers how many.';

create function queue.tend_history(batch integer) returns integer
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
declare
  dropped integer;
begin
  perform queue.keep_history();
  dropped := queue.drop_old_history(batch);
  perform queue.drop_empty_months();
  -- Workers that are no more: whatever they held has long been taken up by others.
  delete from queue.workers w where w.seen_at < now() - interval '1 hour';
  return dropped;
end
$$;

comment on function queue.tend_history is
  'Makes the months to come, deletes up to so many executions that are older than their plan keeps them, and drops months with nothing left. Answers how many were deleted.';

-- Into the queue --------------------------------------------------------------------------------------------------------------------

create function queue.notify_workers(variadic tenants uuid[]) returns void
language sql
set search_path = ''
as $$
  -- A commit with a notice waits for every other one (src/backend/commands/async.c), so none is sent to workers who come anyway. They come
  -- when they have gathered room for many; for a tenant that was not served for a while they come at once.
  select pg_notify('aias_jobs', '')
   where exists (select from queue.workers w where w.wants_notice and w.seen_at > now() - interval '1 minute')
      or exists (select from queue.tenants t cross join queue.state s where t.tenant_id = any (tenants) and t.turn < s.turn_lately)
      or not exists (select from queue.workers w where w.seen_at > now() - interval '1 minute')
$$;

comment on function queue.notify_workers is 'Wakes the workers that have room, and all of them when one of these tenants was not served lately.';

create function queue.open_lane(tenant uuid, workflow uuid, lane_priority smallint) returns void
language plpgsql
set search_path = ''
as $$
begin
  -- Nothing is written, and nobody waited for, where the lane is open already.
  perform from queue.lanes l where l.tenant_id = tenant and l.workflow_id = workflow and l.priority = lane_priority;
  if not found then
    insert into queue.lanes (tenant_id, workflow_id, priority) values (tenant, workflow, lane_priority);
  end if;
end
$$;

comment on function queue.open_lane is
  'Lets claims look for ready jobs here. Called after the job is written: a lane that is closed at the same moment is opened again by the next look everywhere.';

create function queue.wake(tenant uuid, execution uuid) returns void
language plpgsql
set search_path = ''
as $$
declare
  job queue.jobs;
begin
  select j.* into job from queue.jobs j where j.tenant_id = tenant and j.execution_id = execution for update;
  if job.state = 'waiting' then
    update queue.jobs j set state = 'ready', ready_in = pg_current_xact_id(), run_at = null
     where j.tenant_id = tenant and j.execution_id = execution;
    perform queue.open_lane(tenant, job.workflow_id, job.priority);
    perform queue.notify_workers(tenant);
  elsif job.state = 'claimed' then
    update queue.jobs j set is_woken = true where j.tenant_id = tenant and j.execution_id = execution;
    perform pg_notify('aias_attention', execution::text);
  end if;
end
$$;

comment on function queue.wake is 'Something came for an execution: it is ready, or whoever holds it looks.';

create function queue.deliver(tenant uuid, execution uuid, node text, wait_item integer, payload jsonb) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  -- The job first, as everywhere: whoever holds it may be recording the end of this very wait.
  perform from queue.jobs j where j.tenant_id = tenant and j.execution_id = execution for update;
  update queue.waits w set delivered = payload
   where w.tenant_id = tenant and w.execution_id = execution and w.node_id = node and w.item = wait_item and w.delivered is null;
  if not found then
    return false;
  end if;
  perform queue.wake(tenant, execution);
  return true;
end
$$;

comment on function queue.deliver is 'Gives a waiting step what it waits for; false when it does not wait, or got something before.';

create function private.enqueue_execution(
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
  perform queue.notify_workers(workflow.tenant_id);
  return execution;
end
$$;

comment on function private.enqueue_execution is
  'Starts a workflow, charged to its tenant. With a key that was used before it answers what that one started. Whether it may be started is up to the caller.';

-- Out of the queue ------------------------------------------------------------------------------------------------------------------

create function queue.make_due_ready(lease interval) returns integer
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
     where j.tenant_id = d.tenant_id and j.execution_id = d.execution_id
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

comment on function queue.make_due_ready is 'Makes jobs ready whose timer or lease has ended. Called by claims, one at a time.';

create function queue.pick(
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

comment on function queue.pick is
  'Which ready jobs come next: by tenant in turn, weighted; within a tenant by priority, then first come, first served; never more of a tenant or '
  'of a workflow than their caps leave room for. kept: of max_jobs, places for tenants of whom the worker has only a few. was_capped: there is more, '
  'held back by a cap. Called by claims, one at a time.';

create function queue.claim(
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
         where k.tenant_id = p.tenant_id and k.execution_id = p.execution_id and k.state = 'ready'
           -- Somebody may be about to cancel it, for as long as he likes.
           for update skip locked
      ) j
  ),
  claimed as (
    update queue.jobs j
       set state = 'claimed', ready_in = null, run_at = now() + lease, fencing_token = j.fencing_token + 1, claimed_by = worker,
           claims_without_progress = j.claims_without_progress + 1, is_woken = false
      from locked l
     where j.tenant_id = l.tenant_id and j.execution_id = l.execution_id
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
      join queue.jobs j on j.tenant_id = c.tenant_id and j.execution_id = c.execution_id
      join public.executions e on e.tenant_id = c.tenant_id and e.id = c.execution_id;
end
$$;

comment on function queue.claim is
  'Takes up to max_jobs ready jobs for a lease, with everything that is needed to go on. held_*: how many executions of which workflow the worker holds '
  'already; kept: how many of max_jobs only tenants may have of whom it holds only a few. steps: those recorded so far, null for none; signals: what came for steps that wait; was_capped, the same in each: see queue.was_capped.';

create function queue.recorded_steps(tenant uuid, execution uuid) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select jsonb_agg(jsonb_build_object(
             'node_id', s.node_id, 'item', nullif(s.item, -1), 'status', s.status, 'attempt', s.attempt, 'handle', s.handle,
             'output', s.output, 'error', s.error, 'run_at', s.run_at) order by s.revision)
      from public.execution_steps s
     where s.tenant_id = tenant and s.execution_id = execution
  );
end
$$;

comment on function queue.recorded_steps is 'The steps of an execution that are recorded, in their order.';

create function queue.was_capped(of_worker text) returns boolean
language sql
stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  select coalesce((select w.was_capped from queue.workers w where w.worker = of_worker), false)
$$;

comment on function queue.was_capped is
  'Whether a worker''s last claim left something that is ready and held back by a cap: then it claims again as soon as something of its own has ended.';

create function queue.signals(tenant uuid, execution uuid) returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_agg(jsonb_build_object('node_id', w.node_id, 'item', nullif(w.item, -1), 'payload', w.delivered) order by w.node_id, w.item)
    from queue.waits w
   where w.tenant_id = tenant and w.execution_id = execution and w.delivered is not null
$$;

comment on function queue.signals is 'What came for steps of an execution that wait.';

create function queue.renew(worker text, tenants uuid[], executions uuid[], tokens bigint[], lease interval)
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
          select k.fencing_token, k.state, k.claimed_by from queue.jobs k where k.tenant_id = h.tenant_id and k.execution_id = h.execution_id for update
        ) j
       where j.fencing_token = h.fencing_token and j.state = 'claimed' and j.claimed_by = worker
    ),
    renewed as (
      update queue.jobs j
         set run_at = now() + lease
        from still_held s
       where j.tenant_id = s.tenant_id and j.execution_id = s.execution_id
      returning j.tenant_id, j.execution_id, j.has_waits
    )
    select r.tenant_id, r.execution_id, e.cancel_requested_at is not null, e.pause_requested_at is not null,
           case when r.has_waits then queue.signals(r.tenant_id, r.execution_id) end
      from renewed r
      join public.executions e on e.tenant_id = r.tenant_id and e.id = r.execution_id;
  -- After the jobs, as a claim does: in the other order the two could wait for each other, over a lease that has just ended.
  update queue.workers w set seen_at = now() where w.worker = renew.worker;
end
$$;

comment on function queue.renew is
  'Prolongs leases, and tells what came for those executions. What is missing from the answer is no longer held.';

create function queue.reserve_tokens(tenant uuid, execution uuid, token bigint, amount bigint) returns uuid
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
begin
  if not exists (
    select from queue.jobs j where j.tenant_id = tenant and j.execution_id = execution and j.fencing_token = token and j.state = 'claimed'
  ) then
    return null;
  end if;
  return aias.quota_reserve(tenant, 'llm_tokens', amount, interval '15 minutes');
end
$$;

comment on function queue.reserve_tokens is
  'Sets tokens aside before an LLM call; refused when the plan has none left. Null when the lease is lost. queue.record settles it.';

create function queue.next_due() returns timestamptz
language sql
stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  select least(
    (select j.run_at from queue.jobs j where j.state = 'waiting' and j.run_at > s.timers_to - interval '1 second' order by j.run_at limit 1),
    (select j.run_at from queue.jobs j where j.state = 'claimed' and j.run_at > s.leases_to - interval '1 second' order by j.run_at limit 1))
    from queue.state s
$$;

comment on function queue.next_due is 'When the next timer or lease ends, so that an idle worker knows how long to sleep.';
