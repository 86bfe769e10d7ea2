-- A tenant's own keys to providers of models. Calls of its steps are made with them, and with the platform's where there is none.
--
-- Kept as secrets are, and beside them: public.provider_keys says to whom there is one, by whom and since when; the value is a row of
-- private.secret_values, of the kind `provider_key`, under the same data key and the same lock. Both rotations therefore cover these as well.
--
-- A key and no address: where a provider is is for the operator to say. An address of a tenant's would have workers call whatever they can reach.

-- Who may ------------------------------------------------------------------------------------------------------------------------

insert into public.permissions (key, description, bit, allowed_when_suspended, allowed_without_second_factor) values
  ('providers.manage', 'set, list and delete own keys to providers of models', 19, false, false);

update private.built_in_roles r
   set permissions = array(select p from unnest(r.permissions || '{providers.manage}') p group by p order by p)
 where r.key in ('owner', 'admin');
update public.roles r
   set permissions = b.permissions
  from private.built_in_roles b
 where r.built_in and r.key = b.key and b.key in ('owner', 'admin');

-- Tables -------------------------------------------------------------------------------------------------------------------------

create table public.provider_keys (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  provider text not null,
  last_four text,
  set_by uuid references public.users (id) on delete set null,
  set_at timestamptz not null default now(),
  primary key (tenant_id, provider),
  -- Those that edge-api knows; see its routes/providers.
  constraint provider_is_built_in check (provider in ('anthropic', 'gemini', 'openai')),
  constraint last_four_are_four check (char_length(last_four) = 4)
);
create index provider_keys_set_by on public.provider_keys (set_by);
alter table public.provider_keys enable row level security;

comment on table public.provider_keys is
  'To which providers of models a tenant has keys of its own, without the keys. Set and deleted through edge-api: PUT and DELETE /v1/providers/{provider}.';
comment on column public.provider_keys.provider is 'The part of a model''s name before the slash.';
comment on column public.provider_keys.last_four is 'The last four characters, to recognise it by; null where the key is shorter than 12.';
comment on column public.provider_keys.set_by is 'Null when that was an API key, and once the person is gone; the audit log knows.';

alter table private.secret_values
  add column provider text generated always as (case when kind = 'provider_key' then name end) stored,
  add constraint value_belongs_to_a_provider_key foreign key (tenant_id, provider)
    references public.provider_keys (tenant_id, provider) on delete cascade;
create index secret_values_provider on private.secret_values (tenant_id, provider);

alter table public.usage add column own_key boolean not null default false;
comment on column public.usage.own_key is 'Whether the call was made with the tenant''s own key, so that the provider bills the tenant; cost_usd is the list price all the same.';

-- Exports ------------------------------------------------------------------------------------------------------------------------

-- With the providers that there are keys to, and nothing of the keys.
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

-- For edge-api -------------------------------------------------------------------------------------------------------------------
--
-- As with secrets: by its own login, in the name of its caller, whom each asks about.

create function edge.provider_keys(tenant uuid) returns setof public.provider_keys
language plpgsql
stable
-- Definer: see edge.secrets.
security definer
set search_path = ''
as $$
begin
  perform private.demand(tenant, 'providers.manage');
  return query select k.* from public.provider_keys k where k.tenant_id = tenant order by k.provider collate "C";
end
$$;

comment on function edge.provider_keys is 'To which providers the tenant has keys of its own, without the keys.';

create function edge.tenant_key_for_providers(tenant uuid) returns table (generation integer, wrapped bytea, master_key_id text)
language plpgsql
stable
-- Definer: see edge.secrets.
security definer
set search_path = ''
as $$
begin
  perform private.demand(tenant, 'providers.manage');
  return query select k.generation, k.wrapped, k.master_key_id from private.tenant_key(tenant) k;
end
$$;

comment on function edge.tenant_key_for_providers is 'As edge.tenant_key, for those who hold providers.manage.';

create function edge.set_provider_key(
  tenant uuid, of_provider text, nonce bytea, ciphertext bytea, last_four text, key_generation integer, new_key bytea, new_key_master text
) returns jsonb
language plpgsql
-- Definer: see edge.secrets.
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  is_there boolean;
  kept public.provider_keys;
begin
  perform private.demand(tenant, 'providers.manage');
  if not private.hold_key(tenant, set_provider_key.key_generation, new_key, new_key_master) then
    return null;
  end if;
  is_there := exists (select from public.provider_keys k where k.tenant_id = tenant and k.provider = of_provider);
  insert into public.provider_keys (tenant_id, provider, last_four, set_by)
  values (tenant, of_provider, set_provider_key.last_four, (select auth.uid()))
  on conflict (tenant_id, provider) do update set last_four = excluded.last_four, set_by = excluded.set_by, set_at = excluded.set_at
  returning * into kept;
  perform private.keep_value(tenant, 'provider_key', of_provider, set_provider_key.key_generation, set_provider_key.nonce, set_provider_key.ciphertext);
  perform audit.record_event(tenant, 'security.provider_key_set', 'provider_keys', of_provider, jsonb_build_object('replaced', is_there));
  return to_jsonb(kept);
end
$$;

comment on function edge.set_provider_key is 'Keeps a tenant''s own key to a provider, in the place of the one before. Otherwise as edge.set_secret.';

create function edge.delete_provider_key(tenant uuid, of_provider text) returns void
language plpgsql
-- Definer: see edge.secrets.
security definer
set search_path = ''
as $$
begin
  perform private.demand(tenant, 'providers.manage');
  perform private.lock_secrets(tenant);
  delete from public.provider_keys k where k.tenant_id = tenant and k.provider = of_provider;
  if not found then
    perform private.refuse(404, 'not_found', 'there is no key of your own to this provider');
  end if;
  perform audit.record_event(tenant, 'security.provider_key_deleted', 'provider_keys', of_provider);
end
$$;

comment on function edge.delete_provider_key is 'Ends a tenant''s own key: the next call is made with the platform''s.';

-- For workers --------------------------------------------------------------------------------------------------------------------

create function queue.prepare_llm_call(tenant uuid, execution uuid, token bigint, amount bigint, providers text[])
returns table (
  reservation uuid, generation integer, wrapped bytea, master_key_id text, names text[], nonces bytea[], ciphertexts bytea[]
)
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  reserved uuid := queue.reserve_tokens(tenant, execution, token, amount);
begin
  if reserved is not null then
    return query
      select reserved, s.generation, s.wrapped, s.master_key_id, s.names, s.nonces, s.ciphertexts
        from private.sealed(tenant, 'provider_key', providers) s;
  end if;
end
$$;

comment on function queue.prepare_llm_call is
  'What an LLM call of a claimed execution begins with: tokens set aside as by queue.reserve_tokens, and the tenant''s own keys to these providers, '
  'sealed, with the data key they are sealed under. No row: the lease is lost.';

create or replace function queue.record_usage(
  tenant uuid, execution uuid, node text, item integer, attempt integer, call jsonb, out cost numeric, out is_new boolean
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
    input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, cost_usd, own_key)
  values (
    tenant, concat_ws(':', 'execution', execution, node, case when item >= 0 then item end, attempt), execution, node,
    (call ->> 'agent_id')::uuid, call ->> 'provider', call ->> 'model',
    input, cached, output, coalesce((call ->> 'reasoning_tokens')::bigint, 0), cost,
    -- Workers of before do not say it, and know no keys but the platform's.
    coalesce((call ->> 'own_key')::boolean, false))
  on conflict on constraint usage_is_counted_once do nothing;
  is_new := found;
end
$$;
