-- Secrets of tenants: what steps authenticate with to other systems.
--
--   master key (the services')  ──wraps──►  private.tenant_keys  ──seals──►  private.secret_values
--
-- The database keeps what is sealed and cannot open it; edge-api seals, workers open (see vault/). What is in one place here is what a tenant's
-- secrets are called, by whom and when they were set, and how they end: public.tenant_secrets, which those who manage secrets read.
--
-- At every instant that anybody else can see, all values of a tenant are sealed under one data key. Whoever changes that, or a value,
-- passes one by one (private.lock_secrets); and what was sealed outside of the transaction is only taken if the key is still the same.

-- Who may ------------------------------------------------------------------------------------------------------------------------

insert into public.permissions (key, description, bit, allowed_when_suspended, allowed_without_second_factor) values
  ('secrets.manage', 'set, list and delete secrets', 18, false, false);

update private.built_in_roles r
   set permissions = array(select p from unnest(r.permissions || '{secrets.manage}') p group by p order by p)
 where r.key in ('owner', 'admin');
update public.roles r
   set permissions = b.permissions
  from private.built_in_roles b
 where r.built_in and r.key = b.key and b.key in ('owner', 'admin');

-- Tables -------------------------------------------------------------------------------------------------------------------------

create table public.tenant_secrets (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  name text not null,
  last_four text,
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_by uuid references public.users (id) on delete set null,
  updated_at timestamptz not null default now(),
  primary key (tenant_id, name),
  -- As the workflow language writes it: secrets.<name>.
  constraint secret_name_is_an_identifier check (name ~ '^[A-Za-z_][A-Za-z0-9_]{0,63}$'),
  constraint last_four_are_four check (char_length(last_four) = 4)
);
create index tenant_secrets_created_by on public.tenant_secrets (created_by);
create index tenant_secrets_updated_by on public.tenant_secrets (updated_by);
alter table public.tenant_secrets enable row level security;

comment on table public.tenant_secrets is
  'The secrets that steps may use as secrets.<name>, without their values. Set and deleted through edge-api: PUT and DELETE /v1/secrets/{name}.';
comment on column public.tenant_secrets.last_four is 'The last four characters, to recognise it by; null where the value is shorter than 12.';
comment on column public.tenant_secrets.created_by is 'Null when that was an API key, and once the person is gone; the audit log knows.';
comment on column public.tenant_secrets.updated_by is 'Who set the value that it has now; null as with created_by.';

create table private.tenant_keys (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  generation integer not null,
  wrapped bytea not null,
  master_key_id text not null,
  created_at timestamptz not null default now(),
  rewrapped_at timestamptz,
  rotation_asked_at timestamptz,
  primary key (tenant_id, generation),
  constraint key_generation_counts_from_one check (generation >= 1),
  constraint wrapped_key_is_not_empty check (octet_length(wrapped) between 1 and 8192)
);
create index tenant_keys_master_key on private.tenant_keys (master_key_id, tenant_id);
create index tenant_keys_rotation on private.tenant_keys (tenant_id) where rotation_asked_at is not null;
alter table private.tenant_keys enable row level security;

comment on table private.tenant_keys is
  'The data key of each tenant, wrapped by a master key that the database does not have. One a tenant, of the highest generation; made with the first secret.';
comment on column private.tenant_keys.generation is 'Counts from 1; a rotation takes the next, seals everything anew and lets go of the one before.';
comment on column private.tenant_keys.rotation_asked_at is 'Since when a worker is to rotate it; see private.ask_for_key_rotation.';

-- A table of its own: column grants are not a wall. One for all kinds of values that a tenant's data key seals, so that no rotation forgets one.
create table private.secret_values (
  tenant_id uuid not null,
  name text not null,
  key_generation integer not null,
  nonce bytea not null,
  ciphertext bytea not null,
  -- What it is the value of; see the enum Slot of vault/. Part of what its seal is bound to.
  kind text not null default 'secret',
  -- The row that it goes along with, a column for each kind.
  secret text generated always as (case when kind = 'secret' then name end) stored,
  primary key (tenant_id, kind, name),
  constraint value_is_of_a_known_kind check (kind in ('secret', 'provider_key')),
  constraint value_belongs_to_a_secret foreign key (tenant_id, secret)
    references public.tenant_secrets (tenant_id, name) on delete cascade,
  -- Deferred: a tenant that goes takes both along, in whatever order. No cascade: a key on which a value stands is not deleted.
  constraint value_is_sealed_by_a_key foreign key (tenant_id, key_generation)
    references private.tenant_keys (tenant_id, generation) deferrable initially deferred,
  constraint nonce_has_96_bits check (octet_length(nonce) = 12),
  constraint ciphertext_has_a_tag check (octet_length(ciphertext) between 17 and 65536)
);
create index secret_values_key on private.secret_values (tenant_id, key_generation);
create index secret_values_secret on private.secret_values (tenant_id, secret);
alter table private.secret_values enable row level security;
comment on table private.secret_values is
  'Values, AES-256-GCM under the tenant''s data key, bound to tenant, kind and name: a row that is copied elsewhere does not open.';

-- Exports ------------------------------------------------------------------------------------------------------------------------

-- With the names of secrets, and nothing of their values.
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
-- Called by its own login, so that nobody can write ciphertexts through PostgREST; with the claims of its caller, whom they ask about.

create function private.lock_secrets(tenant uuid) returns void
language sql
set search_path = ''
as $$ select pg_advisory_xact_lock(hashtextextended('secrets:' || tenant, 0)) $$;

comment on function private.lock_secrets is 'From here on nobody else changes secrets of this tenant, or their key, until we commit.';

create function private.hold_key(tenant uuid, key_generation integer, new_key bytea, new_key_master text) returns boolean
language plpgsql
set search_path = ''
as $$
declare
  known_generation integer;
begin
  perform private.lock_secrets(tenant);
  known_generation := (select max(k.generation) from private.tenant_keys k where k.tenant_id = tenant);
  if new_key is null and known_generation is distinct from key_generation or new_key is not null and known_generation is not null then
    -- Somebody else made the first key, or rotated it, after our caller looked.
    return false;
  end if;
  if new_key is not null then
    insert into private.tenant_keys (tenant_id, generation, wrapped, master_key_id) values (tenant, key_generation, new_key, new_key_master);
  end if;
  return true;
end
$$;

comment on function private.hold_key is
  'Locks the tenant''s secrets and says whether its data key is of this generation, having kept it when it comes along as the first.';

create function private.keep_value(tenant uuid, of_kind text, called text, key_generation integer, nonce bytea, ciphertext bytea) returns void
language sql
set search_path = ''
as $$
  insert into private.secret_values as v (tenant_id, kind, name, key_generation, nonce, ciphertext)
  values (tenant, of_kind, called, keep_value.key_generation, keep_value.nonce, keep_value.ciphertext)
  on conflict (tenant_id, kind, name) do update
    set key_generation = excluded.key_generation, nonce = excluded.nonce, ciphertext = excluded.ciphertext
$$;

comment on function private.keep_value is 'Keeps a sealed value, in the place of the one before. The caller holds the lock of private.hold_key.';

create function private.tenant_key(tenant uuid) returns table (generation integer, wrapped bytea, master_key_id text)
language sql
stable
set search_path = ''
as $$
  select k.generation, k.wrapped, k.master_key_id from private.tenant_keys k where k.tenant_id = tenant order by k.generation desc limit 1
$$;

comment on function private.tenant_key is 'The tenant''s data key, wrapped. No row: it has none yet.';

create function private.sealed(tenant uuid, of_kind text, wanted text[])
returns table (generation integer, wrapped bytea, master_key_id text, names text[], nonces bytea[], ciphertexts bytea[])
language sql
-- One statement, so that key and values are of one instant.
stable
set search_path = ''
as $$
  select k.generation, k.wrapped, k.master_key_id, coalesce(found.names, '{}'), coalesce(found.nonces, '{}'), coalesce(found.ciphertexts, '{}')
    from (select) always
    left join lateral private.tenant_key(tenant) k on true
    left join lateral (
      select array_agg(v.name order by v.name) as names, array_agg(v.nonce order by v.name) as nonces,
             array_agg(v.ciphertext order by v.name) as ciphertexts
        from private.secret_values v
       where v.tenant_id = tenant and v.kind = of_kind and v.name = any (wanted) and v.key_generation = k.generation
    ) found on true
$$;

comment on function private.sealed is
  'One row: those of the wanted values of a kind that a tenant has, and the data key that they are sealed under, null where it has none.';

create function edge.secrets(tenant uuid) returns setof public.tenant_secrets
language plpgsql
stable
-- Definer: edge-api has no rights on tables. It asks for those who hold secrets.manage.
security definer
set search_path = ''
as $$
begin
  perform private.demand(tenant, 'secrets.manage');
  return query select s.* from public.tenant_secrets s where s.tenant_id = tenant order by s.name collate "C";
end
$$;

comment on function edge.secrets is 'The tenant''s secrets by name, without their values.';

create function edge.tenant_key(tenant uuid) returns table (generation integer, wrapped bytea, master_key_id text)
language plpgsql
stable
-- Definer: see edge.secrets.
security definer
set search_path = ''
as $$
begin
  perform private.demand(tenant, 'secrets.manage');
  return query select k.generation, k.wrapped, k.master_key_id from private.tenant_key(tenant) k;
end
$$;

comment on function edge.tenant_key is 'The tenant''s data key, wrapped. No row: it has none yet.';

create function edge.set_secret(
  tenant uuid, secret text, nonce bytea, ciphertext bytea, last_four text, key_generation integer, new_key bytea, new_key_master text
) returns jsonb
language plpgsql
-- Definer: see edge.secrets.
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  is_there boolean;
  kept public.tenant_secrets;
begin
  perform private.demand(tenant, 'secrets.manage');
  if not private.hold_key(tenant, set_secret.key_generation, new_key, new_key_master) then
    return null;
  end if;
  is_there := exists (select from public.tenant_secrets s where s.tenant_id = tenant and s.name = secret);
  if not is_there and (select count(*) from public.tenant_secrets s where s.tenant_id = tenant) >= 100 then
    perform private.refuse(409, 'too_many_secrets', 'a tenant has at most 100 secrets', null, 'delete those that no workflow uses');
  end if;
  insert into public.tenant_secrets as s (tenant_id, name, last_four, created_by, updated_by)
  values (tenant, secret, set_secret.last_four, (select auth.uid()), (select auth.uid()))
  on conflict (tenant_id, name) do update set last_four = excluded.last_four, updated_by = excluded.updated_by, updated_at = now()
  returning * into kept;
  perform private.keep_value(tenant, 'secret', secret, set_secret.key_generation, set_secret.nonce, set_secret.ciphertext);
  -- Not by the trigger that tells changes of rows: the log keeps for good what it is told, and the last characters are not for that.
  perform audit.record_event(tenant, 'security.secret_set', 'tenant_secrets', secret, jsonb_build_object('replaced', is_there));
  return to_jsonb(kept);
end
$$;

comment on function edge.set_secret is
  'Keeps a value that was sealed under the data key of this generation, which comes along when it is the tenant''s first. Null: that is not the '
  'tenant''s key any more; read it again and seal again.';

create function edge.delete_secret(tenant uuid, secret text) returns void
language plpgsql
-- Definer: see edge.secrets.
security definer
set search_path = ''
as $$
begin
  perform private.demand(tenant, 'secrets.manage');
  perform private.lock_secrets(tenant);
  delete from public.tenant_secrets s where s.tenant_id = tenant and s.name = secret;
  if not found then
    perform private.refuse(404, 'not_found', 'there is no such secret');
  end if;
  perform audit.record_event(tenant, 'security.secret_deleted', 'tenant_secrets', secret);
end
$$;

comment on function edge.delete_secret is 'Ends a secret: the next call that uses it fails.';

-- For workers --------------------------------------------------------------------------------------------------------------------

create function queue.secrets(tenant uuid, execution uuid, token bigint, wanted text[])
returns table (generation integer, wrapped bytea, master_key_id text, names text[], nonces bytea[], ciphertexts bytea[])
language sql
stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  select s.generation, s.wrapped, s.master_key_id, s.names, s.nonces, s.ciphertexts
    from queue.jobs j, private.sealed(tenant, 'secret', wanted) s
   where j.tenant_id = tenant and j.execution_id = execution and j.fencing_token = token and j.state = 'claimed'
$$;

comment on function queue.secrets is
  'What a step of a claimed execution needs to open secrets: those of the wanted names that its tenant has, with the data key they are sealed under. '
  'No row: the lease is lost.';

create function queue.keys_to_rewrap(newest_master text, after uuid, most integer)
returns table (tenant_id uuid, generation integer, wrapped bytea, master_key_id text)
language sql
stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  select k.tenant_id, k.generation, k.wrapped, k.master_key_id
    from private.tenant_keys k
   where k.master_key_id <> newest_master and (after is null or k.tenant_id > after)
   order by k.tenant_id limit most
$$;

comment on function queue.keys_to_rewrap is 'Data keys that another master key than the newest wraps, by tenant, from one tenant on.';

create function queue.rewrap_key(tenant uuid, key_generation integer, wrapped_before bytea, wrapped_now bytea, master text) returns boolean
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
begin
  -- Only what was read: a rotation, or another worker, may have been faster.
  update private.tenant_keys k
     set wrapped = wrapped_now, master_key_id = master, rewrapped_at = now()
   where k.tenant_id = tenant and k.generation = key_generation and k.wrapped = wrapped_before;
  return found;
end
$$;

comment on function queue.rewrap_key is 'Keeps the same data key as another master key has wrapped it. False: it is not as it was read any more.';

create function queue.next_key_to_rotate(after uuid)
returns table (
  tenant_id uuid, generation integer, wrapped bytea, master_key_id text, kinds text[], names text[], nonces bytea[], ciphertexts bytea[]
)
language sql
stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  select k.tenant_id, k.generation, k.wrapped, k.master_key_id,
         coalesce(found.kinds, '{}'), coalesce(found.names, '{}'), coalesce(found.nonces, '{}'), coalesce(found.ciphertexts, '{}')
    from (
      select x.* from private.tenant_keys x
       where x.rotation_asked_at is not null and (after is null or x.tenant_id > after)
       order by x.tenant_id limit 1
    ) k
    left join lateral (
      select array_agg(v.kind order by v.kind, v.name) as kinds, array_agg(v.name order by v.kind, v.name) as names,
             array_agg(v.nonce order by v.kind, v.name) as nonces, array_agg(v.ciphertext order by v.kind, v.name) as ciphertexts
        from private.secret_values v where v.tenant_id = k.tenant_id
    ) found on true
$$;

comment on function queue.next_key_to_rotate is 'The next tenant, after one, whose data key is to be rotated: the key, and all that it has sealed.';

create function queue.rotate_key(
  tenant uuid, generation_before integer, wrapped_now bytea, master text,
  value_kinds text[], value_names text[], nonces_before bytea[], nonces bytea[], ciphertexts bytea[]
) returns boolean
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
#variable_conflict use_column
begin
  perform private.lock_secrets(tenant);
  if generation_before is distinct from (select max(k.generation) from private.tenant_keys k where k.tenant_id = tenant)
    -- A nonce is drawn for each sealing, so it tells whether a value is the one that was read.
    or exists (
      select from (select v.kind, v.name, v.nonce from private.secret_values v where v.tenant_id = tenant) kept
        full join unnest(value_kinds, value_names, nonces_before) read (kind, name, nonce) on read.kind = kept.kind and read.name = kept.name
       where read.nonce is distinct from kept.nonce)
  then
    return false;
  end if;
  insert into private.tenant_keys (tenant_id, generation, wrapped, master_key_id) values (tenant, generation_before + 1, wrapped_now, master);
  update private.secret_values v
     set key_generation = generation_before + 1, nonce = sealed.nonce, ciphertext = sealed.ciphertext
    from unnest(value_kinds, value_names, rotate_key.nonces, rotate_key.ciphertexts) sealed (kind, name, nonce, ciphertext)
   where v.tenant_id = tenant and v.kind = sealed.kind and v.name = sealed.name;
  delete from private.tenant_keys k where k.tenant_id = tenant and k.generation = generation_before;
  perform audit.record_event(tenant, 'security.secret_key_rotated', 'tenant_secrets', null, jsonb_build_object('generation', generation_before + 1));
  return true;
end
$$;

comment on function queue.rotate_key is
  'Replaces a tenant''s data key and everything that it has sealed, at once. False: something was set, deleted or rotated since it was read; nothing is changed then.';

-- For the operator ---------------------------------------------------------------------------------------------------------------

create function private.ask_for_key_rotation(tenant uuid) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  update private.tenant_keys k set rotation_asked_at = now() where k.tenant_id = tenant;
  return found;
end
$$;

comment on function private.ask_for_key_rotation is
  'Has a worker make a new data key for a tenant and seal its secrets anew, within some ten minutes. False: it has no secrets, and so no key.';

create function private.master_keys_in_use() returns table (master_key_id text, tenants bigint)
language sql
stable
set search_path = ''
as $$
  select k.master_key_id, count(*) from private.tenant_keys k group by 1 order by 1
$$;

comment on function private.master_keys_in_use is 'Which master keys are still needed, and by how many tenants.';
