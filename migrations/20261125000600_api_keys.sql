-- API keys: how they are made and ended, and how edge-api recognises one.

create schema if not exists edge;
revoke all on schema edge from public;
comment on schema edge is 'The few functions that edge-api calls as itself, before it knows who asks. Not exposed by PostgREST.';

create function private.create_api_key(tenant uuid, wanted_name text, wanted_scopes text[], wanted_expiry timestamptz)
returns table (tenant_id uuid, id uuid, name text, prefix text, scopes text[], expires_at timestamptz, created_at timestamptz, key text)
language plpgsql
-- Definer: writes keys and their hashes, for those who hold keys.manage.
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  made public.api_keys;
  unknown text[];
  -- gen_random_uuid() is made of the system's random bytes, 122 bits each.
  random bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
  secret text := rtrim(translate(encode(random, 'base64'), '+/', '-_'), '=');
  wanted_prefix text := 'aias_' || encode(substring(uuid_send(gen_random_uuid()) from 1 for 4), 'hex');
begin
  perform private.demand(tenant, 'keys.manage');
  unknown := array(select wanted from unnest(wanted_scopes) wanted except select p.key from public.permissions p order by 1);
  if cardinality(unknown) > 0 then
    perform private.refuse(400, 'unknown_permission', format('there is no permission %s', array_to_string(unknown, ', ')),
      null, 'the table permissions lists them');
  end if;
  if private.mask_of(wanted_scopes) & ~private.held_in(tenant) <> 0 then
    perform private.refuse_escalation(tenant, 'api_keys', private.mask_of(wanted_scopes) & ~private.held_in(tenant));
  end if;
  -- Or a key that is to end would live on in its successors.
  if coalesce(wanted_expiry, 'infinity') > (
    select a.ends_at from private.access a where a.tenant_id = tenant and a.principal = private.principal()
  ) then
    perform private.refuse_escalation(tenant, 'api_keys', 0, 'a key makes none that outlives it');
  end if;
  if wanted_expiry <= now() then
    perform private.refuse(400, 'expiry_in_the_past', 'a key that is over already is of no use', null, 'choose a time to come, or none');
  end if;
  perform private.lock_access(tenant);
  if (select count(*) from public.api_keys k where k.tenant_id = tenant and k.revoked_at is null) >= 100 then
    perform private.refuse(409, 'too_many_keys', 'a tenant has at most 100 keys', null, 'revoke those that nobody uses');
  end if;

  begin
    insert into public.api_keys (tenant_id, name, prefix, scopes, expires_at, created_by)
    values (tenant, wanted_name, wanted_prefix, array(select distinct s from unnest(wanted_scopes) s order by 1), nullif(wanted_expiry, 'infinity'),
            (select auth.uid()))
    returning * into made;
  exception when check_violation or not_null_violation then
    perform private.refuse(400, 'key_invalid', 'a key needs a name of 1 to 200 characters and at least one scope');
  end;
  insert into private.api_key_hashes (tenant_id, key_id, hash)
  values (tenant, made.id, sha256(convert_to(wanted_prefix || '_' || secret, 'UTF8')));
  return query
    select made.tenant_id, made.id, made.name, made.prefix, made.scopes, made.expires_at, made.created_at, wanted_prefix || '_' || secret;
end
$$;

create function public.create_api_key(tenant_id uuid, name text, scopes text[], expires_at timestamptz default null)
returns table (tenant_id uuid, id uuid, name text, prefix text, scopes text[], expires_at timestamptz, created_at timestamptz, key text)
language sql set search_path = '' as $$ select * from private.create_api_key($1, $2, $3, $4) $$;

comment on function public.create_api_key is
  'Makes a key for edge-api that acts with these scopes, each of which the caller holds. The column key is shown this once and kept nowhere.';

create function private.revoke_api_key(wanted_key uuid) returns public.api_keys
language plpgsql
-- Definer: writes keys, for those who hold keys.manage.
security definer
set search_path = ''
as $$
declare
  api_key public.api_keys;
begin
  select k.* into api_key from public.api_keys k
   where k.id = wanted_key and k.tenant_id = any (array(select private.own_tenants()))
     for no key update;
  if api_key.id is null then
    perform private.refuse(404, 'not_found', 'there is no such key');
  end if;
  perform private.demand(api_key.tenant_id, 'keys.manage');
  update public.api_keys k set revoked_at = coalesce(k.revoked_at, now())
   where k.tenant_id = api_key.tenant_id and k.id = api_key.id
  returning * into api_key;
  return api_key;
end
$$;

create function public.revoke_api_key(key_id uuid) returns public.api_keys
language sql set search_path = '' as $$ select * from private.revoke_api_key(key_id) $$;

comment on function public.revoke_api_key is 'Ends a key: its next request is refused. Doing it again changes nothing.';

create function edge.authenticate_key(key_hash bytea) returns jsonb
language plpgsql
-- Definer: edge-api has no rights on tables.
security definer
set search_path = ''
as $$
declare
  api_key public.api_keys;
begin
  select k.* into api_key
    from private.api_key_hashes h
    join public.api_keys k on k.tenant_id = h.tenant_id and k.id = h.key_id
   where h.hash = key_hash and k.revoked_at is null and (k.expires_at is null or k.expires_at > now());
  if api_key.id is null then
    return null;
  end if;
  if api_key.last_used_at is null or api_key.last_used_at < now() - interval '1 minute' then
    -- Skipped while another request of the same key is at it: nobody waits for a note.
    perform from public.api_keys k
      where k.tenant_id = api_key.tenant_id and k.id = api_key.id
        and k.last_used_at is not distinct from api_key.last_used_at
        for no key update skip locked;
    if found then
      update public.api_keys k set last_used_at = now() where k.tenant_id = api_key.tenant_id and k.id = api_key.id;
      if api_key.last_used_at is null then
        insert into audit.inbox (tenant_id, actor_kind, actor_id, action, subject, subject_id)
        values (api_key.tenant_id, 'api_key', api_key.id, 'security.key_first_used', 'api_keys', api_key.id::text);
      end if;
    end if;
  end if;
  return jsonb_strip_nulls(jsonb_build_object(
    'role', 'authenticated', 'api_key_id', api_key.id, 'tenant_id', api_key.tenant_id,
    'exp', floor(extract(epoch from nullif(api_key.expires_at, 'infinity')))));
end
$$;

comment on function edge.authenticate_key is
  'The claims of a key, by the SHA-256 of its text; null when there is none, or it was revoked or is over. Notes its use, to the minute.';
