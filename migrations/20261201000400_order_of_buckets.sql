-- Buckets of rate limits are counted in one order, requests before tokens, and what is counted ahead together with what is wanted.
--
-- It was counted last, so that a refusal would not lose it. Where buckets are rows, in a database without the preloaded library, that took requests
-- after tokens, and two calls could wait for each other. A refusal is told in a row, and what was counted ahead comes with it: nothing is lost.

drop function private.count_in_rate_limit(public.rate_limits, text, bigint, boolean);
drop function private.count_ahead_in_rate_limit(public.rate_limits, text, bigint);

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

create or replace function edge.begin_model_calls(
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
