-- Limits of a minute for calls of models, of one API key, of one model, or of one key with one model: beside those of the tenant, which its plan says.
--
--   public.set_rate_limit ──► public.rate_limits, one row a limit
--   edge.begin_model_calls ──► counts requests and tokens in the buckets of every limit that a call falls under, the narrowest first, then in the tenant's
--
-- What an edge-api is let have it spends in its memory, as with the tenant's own: a call writes nothing, and all replicas together stay within the limit.

create table public.rate_limits (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  id uuid not null default aias.uuid7(),
  api_key_id uuid,
  model text,
  requests_per_minute integer,
  tokens_per_minute integer,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  constraint rate_limit_belongs_to_a_key foreign key (tenant_id, api_key_id) references public.api_keys (tenant_id, id) on delete cascade,
  constraint one_rate_limit_for_a_key_and_a_model unique nulls not distinct (tenant_id, api_key_id, model),
  constraint rate_limit_is_of_a_key_or_a_model check (api_key_id is not null or model is not null),
  constraint rate_limit_limits_something check (requests_per_minute is not null or tokens_per_minute is not null),
  constraint rate_limit_names_a_model check (length(model) between 1 and 256),
  -- A million a second is as good as unlimited, and the most that can be told apart.
  constraint requests_per_minute_can_be_counted check (requests_per_minute between 0 and 60000000),
  constraint tokens_per_minute_can_be_counted check (tokens_per_minute between 0 and 60000000)
);
alter table public.rate_limits enable row level security;

comment on table public.rate_limits is
  'How many requests and tokens a minute models may be asked through the API: with one key, of one model, or both. Set by the RPC set_rate_limit. '
  'The tenant''s own limits are requests_per_minute and llm_tokens_per_minute of its plan.';
comment on column public.rate_limits.api_key_id is 'Null: all who call, people too, together.';
comment on column public.rate_limits.model is 'As it is called: provider/model, or agent:<slug> for all calls of an agent. Null: all models together.';
comment on column public.rate_limits.tokens_per_minute is 'By what calls may take and not by what they took, as OpenAI counts.';

create trigger _800_audit after insert or update or delete on public.rate_limits
  for each row execute function aias.record_change('tenant_id', 'id');
create trigger _900_touch before update on public.rate_limits
  for each row execute function private.touch_updated_at();

create function private.set_rate_limit(tenant uuid, api_key uuid, of_model text, requests integer, tokens integer) returns void
language plpgsql
-- Definer: writes limits, for those who hold keys.manage.
security definer
set search_path = ''
as $$
begin
  perform private.demand(tenant, 'keys.manage');
  if api_key is null and of_model is null then
    perform private.refuse(400, 'rate_limit_invalid', 'a rate limit is of a key, of a model, or of a key with a model', null,
      'the tenant''s own limits are its plan''s');
  end if;
  if of_model !~ '^(agent:|[^/]+/).+$' or length(of_model) > 256 then
    perform private.refuse(400, 'rate_limit_invalid', 'a model is named provider/model or agent:<slug>', null, 'GET /v1/models lists them');
  end if;
  if not (coalesce(requests, 0) between 0 and 60000000 and coalesce(tokens, 0) between 0 and 60000000) then
    perform private.refuse(400, 'rate_limit_invalid', 'a rate limit is from 0 to 60,000,000 a minute', null, 'null takes it away');
  end if;
  if api_key is not null and not exists (select from public.api_keys k where k.tenant_id = tenant and k.id = api_key) then
    perform private.refuse(404, 'not_found', 'there is no such key');
  end if;
  if requests is null and tokens is null then
    delete from public.rate_limits l
     where l.tenant_id = tenant and l.api_key_id is not distinct from api_key and l.model is not distinct from of_model;
    return;
  end if;
  insert into public.rate_limits (tenant_id, api_key_id, model, requests_per_minute, tokens_per_minute)
  values (tenant, api_key, of_model, requests, tokens)
  on conflict on constraint one_rate_limit_for_a_key_and_a_model do update
    set requests_per_minute = excluded.requests_per_minute, tokens_per_minute = excluded.tokens_per_minute;
end
$$;

create function public.set_rate_limit(
  tenant_id uuid, api_key_id uuid default null, model text default null, requests_per_minute integer default null, tokens_per_minute integer default null
) returns void
language sql set search_path = '' as $$ select private.set_rate_limit(tenant_id, api_key_id, model, requests_per_minute, tokens_per_minute) $$;

comment on function public.set_rate_limit is
  'Limits how many requests and tokens a minute models may be asked through the API: with one key, of one model, or with one key of one model. Null for '
  'both takes the limit away. Calls beyond it are refused with 429; public.rate_limits shows what is set.';

-- Counting ------------------------------------------------------------------------------------------------------------------------

create function private.rate_limits_of_call(tenant uuid, api_key uuid, models text[]) returns setof public.rate_limits
language sql
stable
set search_path = ''
as $$
  select l.*
    from public.rate_limits l
   where l.tenant_id = tenant
     and (l.api_key_id is null or l.api_key_id = api_key)
     and (l.model is null or l.model = any (models))
   -- The narrowest first: who is over their own limit takes nothing from others.
   order by l.api_key_id is null or l.model is null, l.api_key_id is null, l.id
$$;

comment on function private.rate_limits_of_call is
  'What a call with this key falls under, the narrowest first. It counts for every model that may come to answer it, or naming another one first would get around a limit.';

create function private.left_of_rate_limit(rate public.rate_limits, meter text, out allowed integer, out remaining bigint)
language plpgsql
set search_path = ''
as $$
begin
  allowed := case meter when 'requests_per_minute' then rate.requests_per_minute else rate.tokens_per_minute end;
  if allowed is not null then
    remaining := aias.rate_limit_remaining(meter || ':' || rate.id, allowed, interval '1 minute');
  end if;
end
$$;

comment on function private.left_of_rate_limit is 'requests_per_minute or llm_tokens_per_minute of a rate limit, and what is left of it; null where it does not limit those.';

create function private.count_in_rate_limit(rate public.rate_limits, meter text, wanted bigint, more bigint) returns bigint
language plpgsql
set search_path = ''
as $$
declare
  -- At most this part of a minute goes to one asker beyond what it has a use for.
  part constant integer := 8;
  allowed constant integer := case meter when 'requests_per_minute' then rate.requests_per_minute else rate.tokens_per_minute end;
  -- A call that wants more than a minute has is let in by an empty bucket, and fills it.
  cost constant bigint := case when wanted > 0 then greatest(1, least(wanted, allowed)) else 0 end;
  ahead constant bigint := least(more, allowed / part, allowed - cost);
begin
  if allowed is null then
    return 0;
  end if;
  if ahead > 0 and aias.rate_limit(meter || ':' || rate.id, allowed, interval '1 minute', (cost + ahead)::integer) then
    return wanted + ahead;
  end if;
  if cost > 0 then
    perform aias.rate_limit_or_refuse(meter || ':' || rate.id, allowed, interval '1 minute', cost::integer,
      meter => concat(meter, ':key:' || rate.api_key_id, ':model:' || rate.model));
  end if;
  return wanted;
end
$$;

comment on function private.count_in_rate_limit is
  'Counts what is wanted in the bucket of a rate limit, or refuses it with 429; the meter in its details says of which key and model the limit is. And up to so '
  'many more for the calls that come next, which are not refused but left out. Answers how many were counted.';

create function private.look_at_rate_limit(rate public.rate_limits, meter text, wanted bigint) returns void
language plpgsql
set search_path = ''
as $$
declare
  l record := private.left_of_rate_limit(rate, meter);
begin
  if l.remaining < greatest(1, least(wanted, l.allowed)) and wanted > 0 then
    perform private.count_in_rate_limit(rate, meter, wanted, 0);
  end if;
end
$$;

comment on function private.look_at_rate_limit is 'Refuses what private.count_in_rate_limit would refuse, and counts nothing.';

-- Admitting -----------------------------------------------------------------------------------------------------------------------

drop function edge.begin_model_calls(uuid, text, bigint, bigint, integer, integer, text[], bigint, bigint);

create function edge.begin_model_calls(
  tenant uuid, wanted_model text, tokens bigint, more_tokens bigint, requests integer, more_requests integer,
  other_models text[], call_input_tokens bigint, call_output_tokens bigint, call_requests integer, known_limits jsonb
)
returns table (
  user_id uuid, api_key_id uuid, agent_id uuid, agent_model text, agent_config jsonb,
  generation integer, wrapped bytea, master_key_id text, key_providers text[], nonces bytea[], ciphertexts bytea[],
  block uuid, block_tokens bigint, block_seconds integer, block_requests integer, is_capped boolean, caps jsonb,
  requests_limit bigint, requests_remaining bigint, tokens_limit bigint, tokens_remaining bigint,
  limits jsonb, refusal_message text, refusal_detail text
)
language plpgsql
-- Definer: edge-api has no rights on tables. It asks for those who hold models.call.
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  chars_per_token constant integer := 4;
  agent_slug constant text := substring(wanted_model from '^agent:(.*)$');
  wanted_tokens bigint := tokens;
  in_agent bigint := 0;
  capped text[];
  models text[];
  rates public.rate_limits[];
  -- Of each of them: what is wanted and what more, and then what was counted.
  missing jsonb[];
  known jsonb;
  counted_requests bigint[];
  counted_tokens bigint[];
begin
  perform private.demand(tenant, 'models.call');
  user_id := auth.uid();
  api_key_id := case when user_id is null then private.principal() end;
  if agent_slug is not null then
    select a.id, a.model, a.config into agent_id, agent_model, agent_config
      from public.ai_agents a where a.tenant_id = tenant and a.slug = agent_slug;
    if not found then
      perform private.count_requests(tenant, requests, 0);
      perform private.refuse(404, 'agent_not_found', format('there is no agent with the slug %s', agent_slug), null,
        'GET /v1/models lists the agents of this tenant');
    end if;
  end if;
  models := coalesce(agent_model, wanted_model) || other_models;
  if cardinality(other_models) = 0 and jsonb_typeof(agent_config -> 'fallback_models') = 'array' then
    models := models || array(select jsonb_array_elements_text(agent_config -> 'fallback_models'));
  end if;
  in_agent := (coalesce(length(agent_config ->> 'system_prompt'), 0) + coalesce(length(agent_config ->> 'output_schema'), 0)) / chars_per_token;
  if wanted_tokens > 0 then
    wanted_tokens := wanted_tokens + in_agent;
  end if;

  rates := array(select l from private.rate_limits_of_call(tenant, api_key_id, models || wanted_model) l);
  counted_requests := array_fill(0::bigint, array[cardinality(rates)]);
  counted_tokens := counted_requests;
  for i in 1 .. cardinality(rates) loop
    select k into known from jsonb_array_elements(known_limits) k where k ->> 'id' = rates[i].id::text;
    if known is null then
      -- Of a limit that the asker does not know of yet it holds nothing.
      known := jsonb_build_object('requests', call_requests, 'more_requests', 0,
        'tokens', coalesce(call_input_tokens + in_agent + call_output_tokens, 0), 'more_tokens', 0);
    elsif known ->> 'tokens' <> '0' then
      known := jsonb_set(known, '{tokens}', to_jsonb((known ->> 'tokens')::bigint + in_agent));
    end if;
    missing[i] := known;
  end loop;
  -- Looked at first, so that whoever is refused is counted nowhere. Buckets are always counted in the same order, requests before tokens, so that two
  -- who count do not wait for each other where the buckets are rows.
  for i in 1 .. cardinality(rates) loop
    perform private.look_at_rate_limit(rates[i], 'requests_per_minute', (missing[i] ->> 'requests')::bigint);
  end loop;
  for i in 1 .. cardinality(rates) loop
    counted_requests[i] := private.count_in_rate_limit(rates[i], 'requests_per_minute',
      (missing[i] ->> 'requests')::bigint, (missing[i] ->> 'more_requests')::bigint);
  end loop;
  block_requests := private.count_requests(tenant, requests, more_requests);

  capped := private.capped_meters(tenant, agent_id, api_key_id);
  is_capped := cardinality(capped) > 0;
  begin
    if is_capped and call_input_tokens is not null then
      caps := private.set_dollars_aside(tenant, capped, models, call_input_tokens + in_agent, call_output_tokens);
    end if;
    for i in 1 .. cardinality(rates) loop
      perform private.look_at_rate_limit(rates[i], 'llm_tokens_per_minute', (missing[i] ->> 'tokens')::bigint);
    end loop;
    select s.block, s.tokens into block, block_tokens from private.set_tokens_aside(tenant, wanted_tokens, more_tokens) s;
    for i in 1 .. cardinality(rates) loop
      counted_tokens[i] := private.count_in_rate_limit(rates[i], 'llm_tokens_per_minute',
        (missing[i] ->> 'tokens')::bigint, (missing[i] ->> 'more_tokens')::bigint);
    end loop;
  exception
    -- Its requests are counted, and those for the calls that come next: the asker is told by a row, with which they are committed, and has them.
    when sqlstate 'PGRST' then
      get stacked diagnostics refusal_message = message_text, refusal_detail = pg_exception_detail;
      caps := null;
      block := null;
      block_tokens := 0;
      counted_tokens := array_fill(0::bigint, array[cardinality(rates)]);
  end;

  -- It counts in the period in which it was set aside, so it is used in that one; and not for so long that its lease may end before a call does.
  select floor(extract(epoch from least(interval '5 minutes', greatest(interval '0', p.period_end - clock_timestamp()))))::integer into block_seconds
    from public.tenants t, aias.quota_period(t.billing_anchor, clock_timestamp()) p
   where t.id = tenant;
  select s.generation, s.wrapped, s.master_key_id, s.names, s.nonces, s.ciphertexts
    into generation, wrapped, master_key_id, key_providers, nonces, ciphertexts
    from private.sealed(tenant, 'provider_key', array(select distinct split_part(m, '/', 1) from unnest(models) m)) s
   where cardinality(s.names) > 0;
  select l.allowed, l.remaining into requests_limit, requests_remaining from private.left_of_the_minute(tenant, 'requests_per_minute', 'tenant:') l;
  select l.allowed, l.remaining into tokens_limit, tokens_remaining from private.left_of_the_minute(tenant, 'llm_tokens_per_minute', 'tokens:') l;
  select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'requests', counted_requests[n], 'tokens', counted_tokens[n],
           'requests_limit', q.allowed, 'requests_remaining', q.remaining, 'tokens_limit', t.allowed, 'tokens_remaining', t.remaining) order by n), '[]')
    into limits
    from generate_subscripts(rates, 1) n
   cross join lateral (select (rates[n]).id) r
   cross join lateral private.left_of_rate_limit(rates[n], 'requests_per_minute') q
   cross join lateral private.left_of_rate_limit(rates[n], 'llm_tokens_per_minute') t;
  return next;
end
$$;

comment on function edge.begin_model_calls is
  'Who calls a model, or agent:<slug>, one of the tenant''s, and whether they may; with the tenant''s own keys to the providers of it and of those that are asked when it fails, sealed, where there are some. '
  'Counts requests and sets tokens aside: what is wanted, or refuses; and up to so many more for the calls that come next. Asked for 0, it only looks. '
  'Where a spending cap holds, what the call will cost is set aside, too. Known limits are the rate limits that the asker holds some of: [{id, requests, more_requests, tokens, more_tokens}]; '
  'of others what the call wants is counted. A refusal of tokens or dollars is told in the row, because its requests are counted: refusal_message and refusal_detail, as private.refuse would raise them.';

-- Exports -------------------------------------------------------------------------------------------------------------------------

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
  select x.tenant_id, 'rate_limits', to_jsonb(x) from public.rate_limits x
  union all
  select x.tenant_id, 'ai_agents', to_jsonb(x) from public.ai_agents x
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
