-- Calls of language models through edge-api: what they may take is set aside before, what they took is written down after.
--
--   edge.begin_model_call ──► tokens set aside (aias.quota_reserve), nothing else is written
--   edge.end_model_calls  ──► one row in public.usage a call, under its id; tokens settled in the same transaction
--
-- A call that never ends, because its edge-api is no more, gives back what was set aside when the reservation's lease is over.

insert into public.permissions (key, description, bit, allowed_when_suspended, allowed_without_second_factor) values
  ('models.call', 'call models and agents through the API', 20, false, false);

update private.built_in_roles r
   set permissions = array(select p from unnest(r.permissions || '{models.call}') p group by p order by p)
 where r.key in ('owner', 'admin', 'editor');
update public.roles r
   set permissions = b.permissions
  from private.built_in_roles b
 where r.built_in and r.key = b.key and b.key in ('owner', 'admin', 'editor');

alter table public.usage
  add column user_id uuid,
  add column api_key_id uuid,
  add column is_estimated boolean not null default false;

comment on column public.usage.user_id is 'Who called, through edge-api. No reference: what was used outlives who used it.';
comment on column public.usage.api_key_id is 'The API key that called, through edge-api.';
comment on column public.usage.is_estimated is
  'The provider did not come to say what was used, because the call was broken off or it never says: counted from the text.';

create function edge.begin_model_call(tenant uuid, wanted_model text, input_tokens bigint, most_output_tokens bigint)
returns table (
  reservation uuid, user_id uuid, api_key_id uuid, agent_id uuid, agent_model text, agent_config jsonb,
  generation integer, wrapped bytea, master_key_id text, nonce bytea, ciphertext bytea
)
language plpgsql
-- Definer: edge-api has no rights on tables. It asks for those who hold models.call.
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  -- Characters of an average token; and the output that is expected of a call which sets no limit.
  chars_per_token constant integer := 4;
  usual_output constant bigint := 1000;
  agent_slug constant text := substring(wanted_model from '^agent:(.*)$');
begin
  perform private.demand(tenant, 'models.call');
  perform private.count_request(tenant);
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
  reservation := aias.quota_reserve(tenant, 'llm_tokens',
    input_tokens
    + (coalesce(length(agent_config ->> 'system_prompt'), 0) + coalesce(length(agent_config ->> 'output_schema'), 0)) / chars_per_token
    + coalesce(most_output_tokens, (agent_config ->> 'max_tokens')::bigint, usual_output),
    interval '15 minutes');
  select s.generation, s.wrapped, s.master_key_id, s.nonces[1], s.ciphertexts[1]
    into generation, wrapped, master_key_id, nonce, ciphertext
    from private.sealed(tenant, 'provider_key', array[split_part(coalesce(agent_model, wanted_model), '/', 1)]) s
   where cardinality(s.names) > 0;
  return next;
end
$$;

comment on function edge.begin_model_call is
  'Admits a call of a model, or of agent:<slug>, one of the tenant''s: sets aside the tokens that it will probably take, and refuses when the plan has none '
  'left. What is set aside lasts 15 minutes. With the tenant''s own key to the provider, sealed, where there is one.';

create function edge.end_model_calls(calls jsonb) returns void
language plpgsql
-- Definer: see edge.begin_model_call. What has ended is written down whoever began it, and whatever has become of them.
security definer
set search_path = ''
as $$
declare
  call record;
begin
  for call in
    select c.*, c.input_tokens + c.output_tokens as total
      from jsonb_to_recordset(calls) as c (
        id uuid, tenant_id uuid, reservation uuid, user_id uuid, api_key_id uuid, agent_id uuid, provider text, model text,
        input_tokens bigint, cached_input_tokens bigint, output_tokens bigint, reasoning_tokens bigint, is_estimated boolean, own_key boolean, ended_at timestamptz)
      -- A tenant that is no more has no quota either.
      join public.tenants t on t.id = c.tenant_id
     -- Always in the same order, so that two who settle do not wait for each other.
     order by c.tenant_id, c.id
  loop
    if call.total > 0 then
      insert into public.usage (
        tenant_id, idempotency_key, user_id, api_key_id, agent_id, provider, model,
        input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, is_estimated, own_key, cost_usd, created_at)
      values (
        call.tenant_id, 'call:' || call.id, call.user_id, call.api_key_id, call.agent_id, call.provider, call.model,
        call.input_tokens, call.cached_input_tokens, call.output_tokens, call.reasoning_tokens, call.is_estimated, call.own_key,
        private.llm_cost_usd(call.provider, call.model, call.ended_at, call.input_tokens, call.cached_input_tokens, call.output_tokens),
        call.ended_at)
      on conflict on constraint usage_is_counted_once do nothing;
      -- Said before: then it was settled before, too.
      continue when not found;
    end if;
    begin
      perform aias.quota_settle(call.reservation, call.total);
    exception
      -- Forgotten, a week after its lease was over; or nothing was used, and that has been said before.
      when invalid_parameter_value then
        null;
    end;
  end loop;
end
$$;

comment on function edge.end_model_calls is
  'Writes down what calls took and settles what was set aside for them; a call that took nothing leaves no row. Each once, however often it is said.';

create function edge.models(tenant uuid) returns table (model text, owner text, since timestamptz)
language plpgsql
stable
-- Definer: see edge.begin_model_call.
security definer
set search_path = ''
as $$
#variable_conflict use_column
begin
  perform private.demand(tenant, 'models.call');
  return query
    select p.provider || '/' || p.model, p.provider, min(p.valid_from) from private.llm_prices p group by p.provider, p.model
    union all
    select 'agent:' || a.slug, 'agent', a.created_at from public.ai_agents a where a.tenant_id = tenant
    order by 2, 1;
end
$$;

comment on function edge.models is 'What may be named as model: those with a price, and the tenant''s agents.';
