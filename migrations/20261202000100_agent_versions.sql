-- Versions of agents: what an agent says and does, as it was each time that this was changed.
--
--   insert or update of public.ai_agents ──► a number in ai_agents.version, a row in public.agent_versions, in the same transaction
--   queue.agent ──► a step takes one version when it begins: the one that it names, or the one in force
--   public.usage, public.execution_steps ──► which it was
--
-- A new name, slug or description makes none: it changes nothing that a model is told.

-- The one that agents of before are in.
alter table public.ai_agents add column version integer not null default 1;

comment on column public.ai_agents.version is 'The version in force, which model and config are of. Kept by the database.';

create table public.agent_versions (
  tenant_id uuid not null,
  agent_id uuid not null,
  version integer not null,
  model text not null,
  config jsonb not null,
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, agent_id, version),
  constraint version_belongs_to_an_agent foreign key (tenant_id, agent_id) references public.ai_agents (tenant_id, id) on delete cascade,
  constraint agent_version_is_positive check (version > 0)
);
create index agent_versions_created_by on public.agent_versions (created_by);
alter table public.agent_versions enable row level security;

comment on table public.agent_versions is 'What an agent said and did from one change to the next, never changed afterwards. Rpc restore_agent_version puts one in force again.';
comment on column public.agent_versions.created_by is 'Who made the change; null when it was the system, an API key, or somebody who is no more.';

insert into public.agent_versions (tenant_id, agent_id, version, model, config, created_by, created_at)
select a.tenant_id, a.id, a.version, a.model, a.config, a.created_by, a.created_at from public.ai_agents a;

create function private.number_agent_version() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  -- Whatever the writer sent: numbers have no gaps.
  new.version := case
    when tg_op = 'INSERT' then 1
    when (new.model, new.config) is distinct from (old.model, old.config) then old.version + 1
    else old.version
  end;
  return new;
end
$$;

comment on function private.number_agent_version is 'Numbers what an agent says and does, anew with each change of its model or config.';

create function private.keep_agent_version() returns trigger
language plpgsql
-- Definer: nobody else writes versions.
security definer
set search_path = ''
as $$
begin
  insert into public.agent_versions (tenant_id, agent_id, version, model, config, created_by)
  values (new.tenant_id, new.id, new.version, new.model, new.config, (select auth.uid()));
  return null;
end
$$;

comment on function private.keep_agent_version is 'Writes the version that a change of an agent numbered.';

create trigger _110_number_version before insert or update on public.ai_agents
  for each row execute function private.number_agent_version();
create trigger _200_keep_first_version after insert on public.ai_agents
  for each row execute function private.keep_agent_version();
create trigger _200_keep_version after update on public.ai_agents
  for each row when (new.version <> old.version) execute function private.keep_agent_version();

create function private.keep_version_as_it_is() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  -- Only who made it may be forgotten.
  if (to_jsonb(new) - 'created_by') is distinct from (to_jsonb(old) - 'created_by') or new.created_by is not null then
    perform private.refuse(409, 'version_is_fixed', format('version %s of an agent does not change', old.version), null,
      'change the agent, which makes a new version');
  end if;
  return new;
end
$$;

comment on function private.keep_version_as_it_is is 'Refuses every change of a version, by whatever road.';

create trigger _050_keep_as_it_is before update on public.agent_versions
  for each row when (new.* is distinct from old.*) execute function private.keep_version_as_it_is();

create function public.restore_agent_version(agent_id uuid, version integer) returns public.ai_agents
language plpgsql
set search_path = ''
as $$
#variable_conflict use_column
declare
  tenants uuid[];
  wanted public.agent_versions;
  restored public.ai_agents;
begin
  select array_agg(a.tenant_id) into tenants from public.ai_agents a where a.id = restore_agent_version.agent_id;
  if tenants is null then
    perform private.refuse(404, 'not_found', 'there is no such agent');
  end if;
  if cardinality(tenants) > 1 then
    perform private.refuse(409, 'ambiguous_id', 'two of your tenants have an agent with this id', null, 'update the row of the one that you mean');
  end if;
  perform private.demand(tenants[1], 'agents.write');
  select v.* into wanted
    from public.agent_versions v
   where v.tenant_id = tenants[1] and v.agent_id = restore_agent_version.agent_id and v.version = restore_agent_version.version;
  if not found then
    perform private.refuse(404, 'agent_version_not_found', format('the agent has no version %s', version), null,
      'the table agent_versions has those that there are');
  end if;
  update public.ai_agents a set model = wanted.model, config = wanted.config
   where a.tenant_id = wanted.tenant_id and a.id = wanted.agent_id
  returning a.* into restored;
  return restored;
end
$$;

comment on function public.restore_agent_version is
  'Puts what an agent said and did in an old version in force again, as a new version; the one that is in force already stays as it is. By the rules of today: what the config '
  'may say, and what its writer has to hold, is asked anew.';

-- What steps name -------------------------------------------------------------------------------------------------------------------

create or replace function private.step_problems(tenant uuid, nodes jsonb)
returns table (severity text, code text, node_id text, pointer text, message text)
language sql
stable
set search_path = ''
as $$
  with drawn as (
    select d.node ->> 'id' as id, d.node ->> 'type' as type, d.node -> 'config' as config, format('/nodes/%s/config', d.position - 1) as pointer
      from jsonb_array_elements(case when jsonb_typeof(nodes) = 'array' then nodes else '[]' end) with ordinality as d (node, position)
  ),
  -- What is done with each item of a list names the same things.
  done as (
    select d.id, case when d.type = 'ai_processing' then 'chat' else d.config ->> 'kind' end as kind, d.config, d.pointer from drawn d
    union all
    select d.id, d.config #>> '{do,kind}', d.config -> 'do', d.pointer || '/do' from drawn d where d.type = 'action' and d.config ->> 'kind' = 'for_each'
  )
  select 'error', 'unknown_agent', d.id, d.pointer || '/agent_id',
         format('there is no agent %s in this tenant; choose one of its agents or name a model instead', d.config ->> 'agent_id')
    from done d
   where d.kind = 'chat'
     -- An id that is no uuid is named elsewhere.
     and d.config ->> 'agent_id' ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
     and not exists (select from public.ai_agents a where a.tenant_id = tenant and a.id = (d.config ->> 'agent_id')::uuid)
  union all
  -- What is no number of a version is named elsewhere. As text, since it may be any number.
  select 'error', 'unknown_agent_version', d.id, d.pointer || '/agent_version',
         format('agent "%s" has no version %s; its last is %s', a.name, d.config ->> 'agent_version', a.version)
    from done d
    join public.ai_agents a on a.tenant_id = tenant and a.id::text = lower(d.config ->> 'agent_id')
   where d.kind = 'chat' and d.config ->> 'agent_version' ~ '^[1-9][0-9]*$'
     and not exists (
       select from public.agent_versions v
        where v.tenant_id = tenant and v.agent_id = a.id and v.version::text = d.config ->> 'agent_version'
     )
  union all
  -- It may be made later, and a workflow that calls itself is not there before it is.
  select 'warning', 'unknown_workflow', d.id, d.pointer || '/workflow_id',
         format('there is no workflow %s in this tenant yet; the step fails as long as there is none', d.config ->> 'workflow_id')
    from done d
   where d.kind = 'call_workflow'
     and d.config ->> 'workflow_id' ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
     and not exists (select from public.workflows w where w.tenant_id = tenant and w.id = (d.config ->> 'workflow_id')::uuid)
  union all
  select 'error', 'unknown_permission', d.id, d.pointer || '/permission',
         format('there is no permission "%s"; the table permissions lists them', d.config ->> 'permission')
    from done d
   where d.kind = 'approval' and jsonb_typeof(d.config -> 'permission') = 'string'
     and not exists (select from public.permissions p where p.key = d.config ->> 'permission')
$$;


comment on function private.step_problems is 'Agents, their versions, workflows and permissions that steps name and that are not there.';

-- For workers -----------------------------------------------------------------------------------------------------------------------

create function queue.agent(tenant uuid, agent uuid, wanted_version integer)
returns table (id uuid, version integer, model text, config jsonb)
language sql
stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  select a.id, v.version, v.model, v.config
    from public.ai_agents a
    left join public.agent_versions v on v.tenant_id = a.tenant_id and v.agent_id = a.id and v.version = coalesce(wanted_version, a.version)
   where a.tenant_id = tenant and a.id = agent
$$;

comment on function queue.agent(uuid, uuid, integer) is
  'The agent that an ai_processing step names, in this version or, where that is null, in the one in force. Without version, model and config: it has no such version.';
comment on function queue.agent(uuid, uuid) is 'The agent as it is now: for workers of before, which know of no versions.';

-- Which version it was --------------------------------------------------------------------------------------------------------------

alter table public.usage add column agent_version integer, add column listing_id uuid;
alter table public.execution_steps add column agent_version integer;

comment on column public.usage.agent_version is 'The version of the agent that a step asked; null where none was asked, and for calls through the API.';
comment on column public.usage.listing_id is 'The listing of the marketplace whose agent was asked; null for the tenant''s own. No reference: history outlives what it is of.';
comment on column public.execution_steps.agent_version is 'The version of the agent that the last attempt asked. No reference: history outlives what it is of.';

create or replace function queue.record_usage(
  tenant uuid, execution uuid, node text, item integer, attempt integer, call jsonb, out cost numeric, out is_new boolean
)
language plpgsql
set search_path = ''
as $$
declare
  input bigint := (call ->> 'input_tokens')::bigint;
  cached bigint := coalesce((call ->> 'cached_input_tokens')::bigint, 0);
  cache_write bigint := coalesce((call ->> 'cache_write_input_tokens')::bigint, 0);
  output bigint := (call ->> 'output_tokens')::bigint;
  reasoning bigint := coalesce((call ->> 'reasoning_tokens')::bigint, 0);
  round integer := (call ->> 'round')::integer;
begin
  cost := private.llm_cost_usd(call ->> 'provider', call ->> 'model', now(), input, cached, output, cache_write, reasoning);
  insert into public.usage (
    tenant_id, idempotency_key, execution_id, node_id, agent_id, agent_version, listing_id, provider, model,
    input_tokens, cached_input_tokens, cache_write_input_tokens, output_tokens, reasoning_tokens, cost_usd, own_key)
  values (
    -- The first round is called as the only one of a step without tools, by whatever worker.
    tenant, concat_ws(':', 'execution', execution, node, case when item >= 0 then item end, attempt, case when round > 1 then 'round' || round end),
    execution, node, (call ->> 'agent_id')::uuid, (call ->> 'agent_version')::integer, (call ->> 'listing_id')::uuid, call ->> 'provider', call ->> 'model',
    input, cached, cache_write, output, reasoning, cost,
    coalesce((call ->> 'own_key')::boolean, false))
  on conflict on constraint usage_is_counted_once do nothing;
  is_new := found;
end
$$;


create or replace function queue.record_round(
  tenant uuid, execution uuid, node text, item integer, attempt integer, reservation uuid, call jsonb
) returns void
language plpgsql
-- Definer: see queue.claim. It asks for no lease: the tokens are spent, whoever holds the execution by now.
security definer
set search_path = ''
as $$
declare
  counted record;
begin
  -- A tenant that is no more has no quota either.
  if not exists (select from public.tenants t where t.id = tenant) then
    return;
  end if;
  select * into counted from queue.record_usage(tenant, execution, node, item, attempt, call);
  if not counted.is_new then
    -- Said before: then it was settled before, too.
    return;
  end if;
  perform queue.settle_call(tenant, reservation, (call ->> 'input_tokens')::bigint + (call ->> 'output_tokens')::bigint, counted.cost);
  update public.execution_steps s
     set model = (call ->> 'provider') || '/' || (call ->> 'model'),
         agent_version = coalesce((call ->> 'agent_version')::integer, s.agent_version),
         input_tokens = coalesce(s.input_tokens, 0) + (call ->> 'input_tokens')::bigint,
         output_tokens = coalesce(s.output_tokens, 0) + (call ->> 'output_tokens')::bigint,
         cost_usd = case when counted.cost is null then s.cost_usd else coalesce(s.cost_usd, 0) + counted.cost end
   where s.tenant_id = record_round.tenant and s.execution_id = execution and s.node_id = node and s.item = record_round.item
     -- What has ended never changes; a step that was cancelled meanwhile has its usage row.
     and s.status in ('running', 'waiting');
end
$$;


-- As before, and which version of an agent a step asked; dollars are settled with tokens.
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

-- Exports ---------------------------------------------------------------------------------------------------------------------------

create or replace view private.tenant_data as
  select t.id as tenant_id, 'tenants' as source, to_jsonb(t) as line from public.tenants t
  union all
  select m.tenant_id, 'users', to_jsonb(u) from public.users u join public.memberships m on m.user_id = u.id
  union all
  select x.tenant_id, 'roles', to_jsonb(x) from public.roles x
  union all
  select x.tenant_id, 'memberships', to_jsonb(x) from public.memberships x
  union all
  select x.tenant_id, 'invitations', to_jsonb(x) from public.invitations x
  union all
  select x.tenant_id, 'api_keys', to_jsonb(x) from public.api_keys x
  union all
  select x.tenant_id, 'tenant_domains', to_jsonb(x) from public.tenant_domains x
  union all
  select x.tenant_id, 'tenant_secrets', to_jsonb(x) - 'last_four' from public.tenant_secrets x
  union all
  select x.tenant_id, 'provider_keys', to_jsonb(x) - 'last_four' from public.provider_keys x
  union all
  select x.tenant_id, 'ai_agents', to_jsonb(x) from public.ai_agents x
  union all
  select x.tenant_id, 'agent_versions', to_jsonb(x) from public.agent_versions x
  union all
  select x.tenant_id, 'rate_limits', to_jsonb(x) from public.rate_limits x
  union all
  select x.tenant_id, 'captured_calls', to_jsonb(x) from public.captured_calls x
  union all
  select x.tenant_id, 'agent_documents', to_jsonb(x) from public.agent_documents x
  union all
  select x.tenant_id, 'workflows', to_jsonb(x) from public.workflows x
  union all
  select x.tenant_id, 'workflow_versions', to_jsonb(x) from public.workflow_versions x
  union all
  select x.tenant_id, 'executions', to_jsonb(x) from public.executions x
  union all
  select x.tenant_id, 'execution_steps', to_jsonb(x) from public.execution_steps x
  union all
  select x.tenant_id, 'usage', to_jsonb(x) from public.usage x
  union all
  select x.tenant_id, 'audit_log', to_jsonb(x) - 'hash' || jsonb_build_object('hash', encode(x.hash, 'hex')) from audit.log x
  union all
  -- Not chained yet.
  select x.tenant_id, 'audit_log', to_jsonb(x) from audit.inbox x;
