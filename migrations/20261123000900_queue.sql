-- The queue: which executions want a worker, and the functions that workers call.
--
-- A job is narrow and leaves when its execution ends; what happened lives in public.executions and public.execution_steps.
-- One column carries all waiting: `run_at` is when a job may be claimed next. For a queued job that is now, for a timer its time, and
-- for a claimed job the end of its lease: a worker that dies simply does not push it further, so there is nothing to clean up.
-- Each claim raises the fencing token, and every later call must show it: a worker that was thought dead is refused.

create table queue.jobs (
  tenant_id uuid not null,
  execution_id uuid not null,
  run_at timestamptz not null default now(),
  fencing_token bigint not null default 0,
  claimed_by text,
  claims_without_progress smallint not null default 0,
  primary key (tenant_id, execution_id),
  constraint job_belongs_to_an_execution foreign key (tenant_id, execution_id)
    references public.executions (tenant_id, id) on delete cascade
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
create index jobs_run_at on queue.jobs (run_at);
alter table queue.jobs enable row level security;

comment on table queue.jobs is 'An execution that is not finished. Rows leave when it is.';
comment on column queue.jobs.run_at is 'May be claimed from this time on: queued, the end of a timer, or the end of the holder''s lease.';
comment on column queue.jobs.fencing_token is 'Raised by every claim; a result that carries an older one is refused.';
comment on column queue.jobs.claims_without_progress is 'Claims since a result was last recorded; too many mean that it kills its workers.';

create function queue.claim(worker text, max_jobs integer, lease interval)
returns table (
  tenant_id uuid, execution_id uuid, fencing_token bigint, claims_without_progress smallint,
  workflow_id uuid, workflow_version integer, input jsonb, created_at timestamptz, started_at timestamptz,
  cancel_requested boolean, steps jsonb
)
language sql
-- Definer: workers hold no rights on tables, only on these functions.
security definer
set search_path = ''
as $$
  with due as (
    select j.tenant_id, j.execution_id
      from queue.jobs j
     where j.run_at <= now()
     order by j.run_at
     limit max_jobs
       for update skip locked
  ),
  claimed as (
    update queue.jobs j
       set run_at = now() + lease,
           fencing_token = j.fencing_token + 1,
           claimed_by = worker,
           claims_without_progress = j.claims_without_progress + 1
      from due
     where j.tenant_id = due.tenant_id and j.execution_id = due.execution_id
    returning j.tenant_id, j.execution_id, j.fencing_token, j.claims_without_progress
  ),
  begun as (
    update public.executions e
       set status = 'running',
           started_at = coalesce(e.started_at, now()),
           revision = e.revision + 1
      from claimed c
     where e.tenant_id = c.tenant_id and e.id = c.execution_id
    returning e.tenant_id, e.id, e.workflow_id, e.workflow_version, e.input, e.created_at, e.started_at, e.cancel_requested_at,
              -- A hint for whoever watches; several in one transaction are sent as one.
              pg_notify('aias_executions', e.id::text) as notified
  )
  select c.tenant_id, c.execution_id, c.fencing_token, c.claims_without_progress,
         b.workflow_id, b.workflow_version, b.input, b.created_at, b.started_at, b.cancel_requested_at is not null,
         coalesce((
           select jsonb_agg(jsonb_build_object(
                    'node_id', s.node_id, 'status', s.status, 'attempt', s.attempt, 'handle', s.handle,
                    'output', s.output, 'error', s.error, 'run_at', s.run_at) order by s.revision)
             from public.execution_steps s
            where s.tenant_id = c.tenant_id and s.execution_id = c.execution_id
         ), '[]')
    from claimed c
    join begun b on b.tenant_id = c.tenant_id and b.id = c.execution_id
$$;

comment on function queue.claim is
  'Takes up to max_jobs due jobs for a lease, with everything that is needed to go on: input and the steps recorded so far.';

create function queue.plan(tenant uuid, workflow uuid, wanted_version integer)
returns table (plan jsonb, tenant_name text)
language sql
stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  select v.plan, t.name
    from public.workflow_versions v
    join public.tenants t on t.id = v.tenant_id
   where v.tenant_id = tenant and v.workflow_id = workflow and v.version = wanted_version
$$;

comment on function queue.plan is 'The plan of a version, which never changes, so a worker may keep it.';

create function queue.agent(tenant uuid, agent uuid)
returns table (id uuid, model text, config jsonb)
language sql
stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  select a.id, a.model, a.config from public.ai_agents a where a.tenant_id = tenant and a.id = agent
$$;

comment on function queue.agent is 'The agent that an ai_processing step names.';

create function queue.renew(worker text, held jsonb, lease interval)
returns table (tenant_id uuid, execution_id uuid, cancel_requested boolean)
language sql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  with wanted as (
    select * from jsonb_to_recordset(held) as h (tenant_id uuid, execution_id uuid, fencing_token bigint)
  ),
  still_held as (
    select j.tenant_id, j.execution_id
      from queue.jobs j
      join wanted w using (tenant_id, execution_id, fencing_token)
     where j.claimed_by = worker
     order by j.tenant_id, j.execution_id
       for update of j
  ),
  renewed as (
    update queue.jobs j
       set run_at = now() + lease
      from still_held s
     where j.tenant_id = s.tenant_id and j.execution_id = s.execution_id
    returning j.tenant_id, j.execution_id
  )
  select r.tenant_id, r.execution_id, e.cancel_requested_at is not null
    from renewed r
    join public.executions e on e.tenant_id = r.tenant_id and e.id = r.execution_id
$$;

comment on function queue.renew is
  'Prolongs leases: held is [{tenant_id, execution_id, fencing_token}]. What is missing from the answer is no longer held.';

create function queue.reserve_tokens(tenant uuid, execution uuid, token bigint, amount bigint) returns uuid
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
begin
  if not exists (
    select from queue.jobs j where j.tenant_id = tenant and j.execution_id = execution and j.fencing_token = token
  ) then
    return null;
  end if;
  return aias.quota_reserve(tenant, 'llm_tokens', amount, interval '15 minutes');
end
$$;

comment on function queue.reserve_tokens is
  'Sets tokens aside before an LLM call; refused when the plan has none left. Null when the lease is lost. queue.record settles it.';

create function queue.record_usage(
  tenant uuid, execution uuid, node text, attempt integer, call jsonb, out cost numeric, out is_new boolean
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
    tenant, format('execution:%s:%s:%s', execution, node, attempt), execution, node,
    (call ->> 'agent_id')::uuid, call ->> 'provider', call ->> 'model',
    input, cached, output, coalesce((call ->> 'reasoning_tokens')::bigint, 0), cost)
  on conflict on constraint usage_is_counted_once do nothing;
  is_new := found;
end
$$;

comment on function queue.record_usage is
  'Writes the usage row of one call, once; answers its cost, and whether it was not there before. Called by queue.record.';

create function queue.record(worker text, results jsonb)
returns table (tenant_id uuid, execution_id uuid, accepted boolean, cancel_requested boolean)
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  result record;
  step record;
  job queue.jobs;
  next_revision bigint;
  counted record;
  asked_to_cancel boolean;
begin
  -- In one order for everybody, so that two workers that record at once cannot wait for each other in a circle.
  for result in
    select * from jsonb_to_recordset(results) as r (
      tenant_id uuid, execution_id uuid, fencing_token bigint,
      status text, run_at timestamptz, output jsonb, error jsonb, steps jsonb
    ) order by r.tenant_id, r.execution_id
  loop
    tenant_id := result.tenant_id;
    execution_id := result.execution_id;

    select * into job from queue.jobs j
     where j.tenant_id = result.tenant_id and j.execution_id = result.execution_id
       for update;
    if job.fencing_token is distinct from result.fencing_token or job.claimed_by is distinct from worker then
      accepted := false;
      cancel_requested := false;
      return next;
      continue;
    end if;

    select e.revision into next_revision
      from public.executions e
     where e.tenant_id = result.tenant_id and e.id = result.execution_id
       for no key update;

    for step in
      select * from jsonb_to_recordset(coalesce(result.steps, '[]')) as s (
        node_id text, name text, kind text, status text, attempt integer, handle text,
        input jsonb, output jsonb, error jsonb,
        run_at timestamptz, started_at timestamptz, finished_at timestamptz,
        usage jsonb, reservation uuid
      )
    loop
      next_revision := next_revision + 1;
      select null::bigint as input_tokens, null::bigint as output_tokens, null::numeric as cost into counted;
      if step.usage is not null then
        -- Tokens are added to the step when their row is new, not when a call is repeated.
        select (step.usage ->> 'input_tokens')::bigint as input_tokens, (step.usage ->> 'output_tokens')::bigint as output_tokens, u.cost
          into counted
          from queue.record_usage(result.tenant_id, result.execution_id, step.node_id, coalesce(step.attempt, 1), step.usage) u
         where u.is_new;
      end if;
      if step.reservation is not null then
        begin
          perform aias.quota_settle(step.reservation,
            coalesce((step.usage ->> 'input_tokens')::bigint + (step.usage ->> 'output_tokens')::bigint, 0));
        exception when invalid_parameter_value then
          -- It is settled already: by the call that this one repeats, or long after it lapsed.
          null;
        end;
      end if;

      insert into public.execution_steps as s (
        tenant_id, execution_id, node_id, name, kind, status, attempt, handle, input, output, error,
        run_at, started_at, finished_at, model, input_tokens, output_tokens, cost_usd, revision)
      values (
        result.tenant_id, result.execution_id, step.node_id, step.name, step.kind, step.status, coalesce(step.attempt, 1), step.handle,
        step.input, step.output, step.error, step.run_at, step.started_at, step.finished_at,
        (step.usage ->> 'provider') || '/' || (step.usage ->> 'model'),
        counted.input_tokens, counted.output_tokens, counted.cost, next_revision)
      on conflict (tenant_id, execution_id, node_id) do update
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
    end loop;

    update public.executions e
       set status = result.status,
           output = result.output,
           error = result.error,
           revision = next_revision + 1,
           finished_at = case when result.status in ('succeeded', 'failed', 'cancelled') then now() end
     where e.tenant_id = result.tenant_id and e.id = result.execution_id
    returning e.cancel_requested_at is not null into asked_to_cancel;

    if result.status in ('succeeded', 'failed', 'cancelled') then
      delete from queue.jobs j where j.tenant_id = result.tenant_id and j.execution_id = result.execution_id;
    elsif result.status = 'waiting' then
      update queue.jobs j
         -- Nobody holds it from here on: a cancellation that came meanwhile is carried out by the next claim, at once.
         set run_at = case when asked_to_cancel then now() else result.run_at end, claimed_by = null, claims_without_progress = 0
       where j.tenant_id = result.tenant_id and j.execution_id = result.execution_id;
      if asked_to_cancel or result.run_at <= now() then
        perform pg_notify('aias_jobs', '');
      end if;
    else
      update queue.jobs j
         set claims_without_progress = 0
       where j.tenant_id = result.tenant_id and j.execution_id = result.execution_id and j.claims_without_progress <> 0;
    end if;

    perform pg_notify('aias_executions', result.execution_id::text);
    accepted := true;
    cancel_requested := asked_to_cancel;
    return next;
  end loop;
end
$$;

comment on function queue.record is
  'Writes what a worker found out, for many executions in one transaction: [{tenant_id, execution_id, fencing_token, status, run_at, output, error, steps}]. '
  'Status running keeps the lease, waiting gives it up until run_at, the others end the execution. accepted is false when the lease was lost. '
  'Repeating a call changes nothing.';

create function queue.next_due() returns timestamptz
language sql
stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  select min(run_at) from queue.jobs
$$;

comment on function queue.next_due is 'When the next job may be claimed, so that an idle worker knows how long to sleep.';

create function queue.sweep() returns void
language sql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  -- Bounded, so that it never holds anything up; what is left is for the next time.
  select aias.quota_sweep(1000), aias.rate_limit_sweep(1000);
$$;

comment on function queue.sweep is
  'Gives back tokens whose reservation lapsed, and removes counts that do not matter any more. Any number of workers may call it at once.';
