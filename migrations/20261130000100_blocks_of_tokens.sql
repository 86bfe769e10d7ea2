-- Tokens in blocks: an edge-api sets some aside for all its calls of a tenant, spends them in its memory, and says afterwards what it spent.
--
--   edge.begin_model_calls ──► a block set aside (aias.quota_reserve), and a number of requests counted
--   edge.end_model_calls   ──► one row in public.usage a call, under its id; its blocks spent (aias.quota_spend) in the same transaction
--
-- What is in blocks counts as reserved: all replicas together never spend more than the plan has. A process that dies leaves its blocks to the next
-- one on its machine, which gives them back; without one they are given back when their lease is over.

-- Calls through the API belong to no execution, and there are many of them.
drop index public.usage_execution;
create index usage_execution on public.usage (tenant_id, execution_id) where execution_id is not null;

drop function edge.begin_model_call(uuid, text, bigint, bigint);
drop function edge.end_model_calls(jsonb);

create function private.count_requests(tenant uuid, wanted integer, more integer) returns integer
language plpgsql
set search_path = ''
as $$
declare
  -- At most this part of a minute goes to one asker beyond what it has a use for.
  part constant integer := 8;
  allowed bigint := private.limit_of(tenant, 'requests_per_minute');
  ahead integer;
begin
  if allowed is null then
    return wanted + more;
  end if;
  -- A million a second is as good as unlimited, and the most that can be told apart.
  allowed := greatest(0, least(allowed, 60000000));
  ahead := least(more, allowed / part);
  if ahead > 0 and aias.rate_limit('tenant:' || tenant, allowed::integer, interval '1 minute', wanted + ahead) then
    return wanted + ahead;
  end if;
  if wanted > 0 then
    perform aias.rate_limit_or_refuse('tenant:' || tenant, allowed::integer, interval '1 minute', wanted, meter => 'requests_per_minute');
  end if;
  return wanted;
end
$$;

comment on function private.count_requests is
  'Counts requests of a tenant, or refuses them with 429, as private.count_request does; with up to so many more for those that come next, which are not '
  'refused but left out. Answers how many were counted.';

create function private.count_tokens(tenant uuid, tokens bigint) returns void
language plpgsql
set search_path = ''
as $$
declare
  allowed bigint := private.limit_of(tenant, 'llm_tokens_per_minute');
begin
  if allowed is null or tokens <= 0 then
    return;
  end if;
  allowed := greatest(0, least(allowed, 60000000));
  -- A call that wants more than a minute has is let in by an empty bucket, and fills it.
  perform aias.rate_limit_or_refuse('tokens:' || tenant, allowed::integer, interval '1 minute', greatest(1, least(tokens, allowed))::integer,
    meter => 'llm_tokens_per_minute');
end
$$;

comment on function private.count_tokens is
  'Counts tokens that are set aside for calls of models, or refuses them with 429 when there were as many in the last minute as llm_tokens_per_minute among '
  'the tenant''s limits allows. As OpenAI counts: by what calls may take, and not by what they took.';

create function private.left_of_the_minute(tenant uuid, meter text, bucket text, out allowed bigint, out remaining bigint)
language plpgsql
set search_path = ''
as $$
begin
  allowed := private.limit_of(tenant, meter);
  if allowed is not null then
    allowed := greatest(0, least(allowed, 60000000));
    remaining := aias.rate_limit_remaining(bucket || tenant, allowed::integer, interval '1 minute');
  end if;
end
$$;

comment on function private.left_of_the_minute is 'A limit of a minute, and what is left of it; null where there is none.';

create function private.set_tokens_aside(tenant uuid, wanted bigint, more bigint, out block uuid, out tokens bigint)
language plpgsql
set search_path = ''
as $$
declare
  -- At most this part of what is left goes to one asker beyond what it has a use for.
  part constant integer := 8;
  lease constant interval := '15 minutes';
  ahead bigint := 0;
begin
  more := least(more, private.limit_of(tenant, 'llm_tokens_per_minute') / part);
  if more > 0 then
    -- Nothing is said of what remains where there is no limit.
    select case when s.quota_limit is null then more else least(more, greatest(0, s.remaining - wanted) / part) end
      into ahead
      from aias.quota_status(tenant) s
     where s.meter = 'llm_tokens';
  end if;
  if ahead > 0 then
    begin
      tokens := wanted + ahead;
      block := aias.quota_reserve(tenant, 'llm_tokens', tokens, lease);
      perform private.count_tokens(tenant, tokens);
      return;
    exception
      -- Somebody else was quicker.
      when sqlstate 'PGRST' then
        null;
    end;
  end if;
  tokens := wanted;
  if wanted > 0 then
    block := aias.quota_reserve(tenant, 'llm_tokens', wanted, lease);
    perform private.count_tokens(tenant, wanted);
  end if;
end
$$;

comment on function private.set_tokens_aside is
  'A block of tokens for 15 minutes: so many or a refusal with 402, and up to so many more as far as there are plenty. No block when nothing was set aside.';

-- Spending caps are quotas, too: in millionths of a dollar, of a tenant, of one of its agents or of one of its keys. There is one where there is
-- a meter with a limit. Who is capped is asked about for each call, and what a call will probably cost is set aside from all of its caps.

create function private.spending_meters(agent uuid, api_key uuid) returns text[]
language sql
immutable
set search_path = ''
as $$ select array_remove(array['llm_micro_usd', 'llm_micro_usd:agent:' || agent, 'llm_micro_usd:key:' || api_key], null) $$;

create function private.capped_meters(tenant uuid, agent uuid, api_key uuid) returns text[]
language sql
stable
set search_path = ''
as $$
  select coalesce(array_agg(s.meter order by s.meter), '{}')
    from aias.quota_status(tenant) s
   where s.meter = any (private.spending_meters(agent, api_key)) and s.quota_limit is not null
$$;

create function private.set_dollars_aside(tenant uuid, meters text[], models text[], input_tokens bigint, most_output_tokens bigint) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  lease constant interval := '15 minutes';
  -- Of the dearest of those that may answer.
  dollars numeric;
  unpriced text;
  caps jsonb;
begin
  select max(c.cost), min(c.model) filter (where c.cost is null) into dollars, unpriced
    from (
      select m.model, private.llm_cost_usd(split_part(m.model, '/', 1), substring(m.model from '/(.*)$'), now(), input_tokens, 0, most_output_tokens) as cost
        from unnest(models) m (model)
    ) c;
  if unpriced is not null then
    perform private.refuse(402, 'price_unknown', format('there is a spending cap, and nobody knows what %s costs', unpriced), null,
      'name a model that has a price, or ask the operator to enter one');
  end if;
  select jsonb_agg(jsonb_build_object('meter', m.meter,
           'id', aias.quota_reserve(tenant, m.meter, greatest(1, ceil(dollars * 1000000))::bigint, lease)) order by m.n)
    into caps
    from unnest(meters) with ordinality m (meter, n);
  return caps;
end
$$;

comment on function private.set_dollars_aside is
  'What a call will probably cost, set aside from each of these meters for 15 minutes, or a refusal with 402. [{meter, id}].';

create function private.set_spending_cap(tenant uuid, usd numeric, agent uuid, api_key uuid) returns void
language plpgsql
-- Definer: sets a quota, for those who hold billing.manage.
security definer
set search_path = ''
as $$
declare
  cap constant text := (private.spending_meters(agent, api_key))[case when agent is null and api_key is null then 1 else 2 end];
  anchor timestamptz;
  was record;
  spent numeric;
begin
  perform private.demand(tenant, 'billing.manage');
  if agent is not null and api_key is not null then
    perform private.refuse(400, 'spending_cap_invalid', 'a cap is of the tenant, of one agent or of one key', null, 'set two caps');
  end if;
  if usd < 0 or usd > 1000000000 or usd = 'NaN' then
    perform private.refuse(400, 'spending_cap_invalid', 'a spending cap is from 0 to 1,000,000,000 dollars a billing period', null, 'null takes it away');
  end if;
  if agent is not null and not exists (select from public.ai_agents a where a.tenant_id = tenant and a.id = agent) then
    perform private.refuse(404, 'agent_not_found', 'there is no such agent');
  end if;
  if api_key is not null and not exists (select from public.api_keys k where k.tenant_id = tenant and k.id = api_key) then
    perform private.refuse(404, 'not_found', 'there is no such key');
  end if;
  select t.billing_anchor into anchor from public.tenants t where t.id = tenant;
  select s.quota_limit, s.reserved into was from aias.quota_status(tenant) s where s.meter = cap;
  perform aias.quota_set(tenant, cap, 'flow', round(usd * 1000000)::bigint, anchor);
  if was.quota_limit is not null then
    return;
  end if;
  -- Without a cap nobody counts: what was spent in this period, and what is still set aside from an earlier cap.
  select sum(ceil(u.cost_usd * 1000000)) into spent
    from public.usage u
   where u.tenant_id = tenant
     and u.created_at >= (select p.period_start from aias.quota_period(anchor, now()) p)
     and (agent is null or u.agent_id = agent)
     and (api_key is null or u.api_key_id = api_key);
  perform aias.quota_recount(tenant, cap, coalesce(spent, 0)::bigint + coalesce(was.reserved, 0));
end
$$;

create function public.set_spending_cap(tenant_id uuid, usd numeric, agent_id uuid default null, api_key_id uuid default null) returns void
language sql set search_path = '' as $$ select private.set_spending_cap(tenant_id, usd, agent_id, api_key_id) $$;

comment on function public.set_spending_cap is
  'Caps what models may cost in a billing period through the API: of the tenant, of one of its agents, or of one of its keys. Null takes the cap away. '
  'Calls that would pass it are refused with 402; quota_status shows what is spent of it, in millionths of a dollar.';

create function edge.begin_model_calls(
  tenant uuid, wanted_model text, tokens bigint, more_tokens bigint, requests integer, more_requests integer,
  other_models text[], call_input_tokens bigint, call_output_tokens bigint
)
returns table (
  user_id uuid, api_key_id uuid, agent_id uuid, agent_model text, agent_config jsonb,
  generation integer, wrapped bytea, master_key_id text, key_providers text[], nonces bytea[], ciphertexts bytea[],
  block uuid, block_tokens bigint, block_seconds integer, block_requests integer, is_capped boolean, caps jsonb,
  requests_limit bigint, requests_remaining bigint, tokens_limit bigint, tokens_remaining bigint
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
begin
  perform private.demand(tenant, 'models.call');
  block_requests := private.count_requests(tenant, requests, more_requests);
  user_id := auth.uid();
  api_key_id := case when user_id is null then private.principal() end;
  if agent_slug is not null then
    select a.id, a.model, a.config into agent_id, agent_model, agent_config
      from public.ai_agents a where a.tenant_id = tenant and a.slug = agent_slug;
    if not found then
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
  capped := private.capped_meters(tenant, agent_id, api_key_id);
  is_capped := cardinality(capped) > 0;
  if is_capped and call_input_tokens is not null then
    caps := private.set_dollars_aside(tenant, capped, models, call_input_tokens + in_agent, call_output_tokens);
  end if;
  select s.block, s.tokens into block, block_tokens from private.set_tokens_aside(tenant, wanted_tokens, more_tokens) s;
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
  return next;
end
$$;

comment on function edge.begin_model_calls is
  'Who calls a model, or agent:<slug>, one of the tenant''s, and whether they may; with the tenant''s own keys to the providers of it and of those that are asked when it fails, sealed, where there are some. '
  'Sets tokens aside, and counts requests: what is wanted, or refuses; and up to so many more for the calls that come next. Asked for 0, it only looks. '
  'Where a spending cap holds, what the call will cost is set aside, too.';

create function edge.end_model_calls(calls jsonb, last_blocks jsonb) returns void
language plpgsql
-- Definer: see edge.begin_model_calls. What has ended is written down whoever began it, and whatever has become of them.
security definer
set search_path = ''
as $$
declare
  spent record;
begin
  for spent in
    with call as (
      select distinct on (c.tenant_id, c.id) c.*, c.input_tokens + c.output_tokens as total
        from jsonb_to_recordset(calls) as c (
          id uuid, tenant_id uuid, blocks jsonb, caps jsonb, user_id uuid, api_key_id uuid, agent_id uuid, provider text, model text,
          input_tokens bigint, cached_input_tokens bigint, cache_write_input_tokens bigint, output_tokens bigint, reasoning_tokens bigint,
          is_estimated boolean, own_key boolean, ended_at timestamptz)
        -- A tenant that is no more has no quota either.
        join public.tenants t on t.id = c.tenant_id
       order by c.tenant_id, c.id
    ), counted as (
      insert into public.usage (
        tenant_id, idempotency_key, user_id, api_key_id, agent_id, provider, model,
        input_tokens, cached_input_tokens, cache_write_input_tokens, output_tokens, reasoning_tokens, is_estimated, own_key, cost_usd, created_at)
      select c.tenant_id, 'call:' || c.id, c.user_id, c.api_key_id, c.agent_id, c.provider, c.model,
             c.input_tokens, c.cached_input_tokens, coalesce(c.cache_write_input_tokens, 0), c.output_tokens, c.reasoning_tokens, c.is_estimated, c.own_key,
             private.llm_cost_usd(c.provider, c.model, c.ended_at, c.input_tokens, c.cached_input_tokens, c.output_tokens,
                                  coalesce(c.cache_write_input_tokens, 0), c.reasoning_tokens),
             c.ended_at
        from call c
       where c.total > 0
       order by c.tenant_id, c.id
      on conflict on constraint usage_is_counted_once do nothing
      returning tenant_id, idempotency_key, cost_usd
    ), spent as (
      -- What was said before was spent before, too.
      select c.tenant_id, 'llm_tokens' as meter, b.id, b.tokens as amount, false as is_last
        from call c
        join counted u on u.tenant_id = c.tenant_id and u.idempotency_key = 'call:' || c.id
        cross join lateral jsonb_to_recordset(c.blocks) as b (id uuid, tokens bigint)
      union all
      select c.tenant_id, b.meter, b.id, coalesce(ceil(u.cost_usd * 1000000), 0)::bigint, true
        from call c
        left join counted u on u.tenant_id = c.tenant_id and u.idempotency_key = 'call:' || c.id
        cross join lateral jsonb_to_recordset(c.caps) as b (meter text, id uuid)
      union all
      select l.tenant_id, l.meter, l.id, 0, true
        from jsonb_to_recordset(last_blocks) as l (id uuid, tenant_id uuid, meter text)
    )
    select s.tenant_id, s.meter, s.id, sum(s.amount)::bigint as amount, bool_or(s.is_last) as is_last
      from spent s
     group by s.tenant_id, s.meter, s.id
     -- Always in the same order, so that two who settle do not wait for each other.
     order by s.tenant_id, s.meter, s.id
  loop
    perform aias.quota_spend(spent.tenant_id, spent.meter, spent.id, spent.amount, spent.is_last);
  end loop;
end
$$;

comment on function edge.end_model_calls is
  'Writes down what calls took and spends the blocks that they took it from; a call that took nothing leaves no row. Each once, however often it is said. '
  'Gives back what is left of the last blocks.';
