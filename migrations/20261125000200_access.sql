-- Access: what each user and each API key may do in each tenant, as it is in force now.
--
-- Roles, scopes, a tenant's status and its demand for a second factor are each kept where they belong. Policies do not ask all of these
-- in every statement: whatever changes one of them also renews the rows of private.access, in the same transaction. A policy then reads one
-- short run of one index, whether the caller is in one tenant or in fifty.
--
--   memberships ─► roles ──┐
--   API keys ─► scopes ────┼─► private.access (tenant, principal): permissions with one factor, permissions with two, an end
--   tenants: status, MFA ──┘
--
-- A set of permissions is a bigint with one bit for each.

-- Permissions --------------------------------------------------------------------------------------------------------------------

alter table public.permissions
  add column bit smallint,
  add column allowed_when_suspended boolean not null default false,
  add column allowed_without_second_factor boolean not null default false;

insert into public.permissions (key, description) values
  ('tenant.export', 'export all data of the tenant'),
  ('tenant.close',  'cancel the tenant, and take that back');

update public.permissions p
   set bit = numbered.bit,
       allowed_when_suspended = numbered.when_suspended,
       allowed_without_second_factor = numbered.without_second_factor
  from (values
    -- Reading goes on when a tenant is suspended, and so does what gets it out of there.
    ('tenant.manage',      0, false, false),
    ('members.read',       1, true,  false),
    ('members.manage',     2, false, false),
    ('roles.manage',       3, false, false),
    ('keys.manage',        4, false, false),
    ('agents.read',        5, true,  true),
    ('agents.write',       6, false, false),
    ('workflows.read',     7, true,  true),
    ('workflows.write',    8, false, false),
    ('workflows.execute',  9, false, false),
    ('executions.read',   10, true,  true),
    ('executions.cancel', 11, false, false),
    ('usage.read',        12, true,  true),
    ('billing.read',      13, true,  false),
    ('billing.manage',    14, true,  false),
    ('audit.read',        15, true,  false),
    ('tenant.export',     16, true,  false),
    ('tenant.close',      17, true,  false)
  ) as numbered (key, bit, when_suspended, without_second_factor)
 where p.key = numbered.key;

alter table public.permissions
  alter column bit set not null,
  add constraint permission_bit_is_unique unique (bit),
  add constraint permission_bit_fits_a_bigint check (bit between 0 and 62);

comment on column public.permissions.bit is 'Its place in private.access. Never given to another permission.';
comment on column public.permissions.allowed_when_suspended is 'In force while the tenant is suspended, and for owners while it is cancelled.';
comment on column public.permissions.allowed_without_second_factor is
  'In force with one factor although the tenant requires two: what only reads, and not members, keys, billing or the audit log.';

update private.built_in_roles r
   set permissions = (select array_agg(p.key order by p.key) from public.permissions p
                       where r.key = 'owner' or p.key not in ('billing.manage', 'tenant.close'))
 where r.key in ('owner', 'admin');
update public.roles r
   set permissions = b.permissions
  from private.built_in_roles b
 where r.built_in and r.key = b.key and b.key in ('owner', 'admin');

create function private.mask_of(permissions text[]) returns bigint
language sql
stable
set search_path = ''
as $$
  select coalesce(bit_or(1::bigint << p.bit), 0) from public.permissions p where p.key = any (permissions)
$$;

create function private.permissions_in(mask bigint) returns text[]
language sql
stable
set search_path = ''
as $$
  select coalesce(array_agg(p.key order by p.key), '{}') from public.permissions p where mask & (1::bigint << p.bit) <> 0
$$;

comment on function private.mask_of is 'A set of permissions as bits.';
comment on function private.permissions_in is 'Bits as a set of permissions.';

-- API keys -----------------------------------------------------------------------------------------------------------------------

create table public.api_keys (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  id uuid not null default aias.uuid7(),
  name text not null,
  prefix text not null,
  scopes text[] not null,
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz,
  primary key (tenant_id, id),
  constraint api_key_name_is_not_empty check (length(btrim(name)) between 1 and 200),
  constraint api_key_has_scopes check (cardinality(scopes) > 0)
);
create index api_keys_created_by on public.api_keys (created_by);
alter table public.api_keys enable row level security;

comment on table public.api_keys is
  'Credentials of a tenant for edge-api. The key itself is shown once, when it is made, and kept nowhere. A key is the tenant''s: it outlives the membership of '
  'whoever made it, so that a product does not stop when somebody leaves; created_by says which to revoke then.';
comment on column public.api_keys.prefix is 'How the key begins, to recognise it by.';
comment on column public.api_keys.scopes is 'The permissions that it acts with.';
comment on column public.api_keys.last_used_at is 'To the minute.';

-- A table of its own: column grants are not a wall.
create table private.api_key_hashes (
  tenant_id uuid not null,
  key_id uuid not null,
  hash bytea not null,
  primary key (tenant_id, key_id),
  constraint hash_belongs_to_a_key foreign key (tenant_id, key_id) references public.api_keys (tenant_id, id) on delete cascade,
  constraint api_key_hash_is_unique unique (hash),
  constraint api_key_hash_is_sha256 check (length(hash) = 32)
);
alter table private.api_key_hashes enable row level security;
comment on table private.api_key_hashes is
  'SHA-256 of each key. A key has 244 random bits, so a fast hash is as good as a slow one: there is nothing to guess.';

-- Access -------------------------------------------------------------------------------------------------------------------------

create table private.access (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  principal uuid not null,
  granted bigint not null,
  granted_with_second_factor bigint not null,
  ends_at timestamptz not null default 'infinity',
  primary key (tenant_id, principal)
);
-- What every policy asks: read from the index alone.
create unique index access_principal on private.access (principal, tenant_id) include (granted, granted_with_second_factor, ends_at);
-- Few tenants ask for a second factor: for most callers there is nothing in it.
create index access_asking on private.access (principal) include (tenant_id) where granted <> granted_with_second_factor;
alter table private.access enable row level security;

comment on table private.access is
  'What a user or an API key may do in a tenant now. Derived, and renewed by triggers on what it is derived from; private.access_audit() compares.';

create table private.access_epochs (
  tenant_id uuid primary key references public.tenants (id) on delete cascade,
  epoch bigint not null
);
alter table private.access_epochs enable row level security;
comment on table private.access_epochs is
  'One row a tenant, changed by whatever renews its access: two transactions that change a tenant''s members, roles, keys or status pass one by one.';

create function private.derived_access(tenant uuid)
returns table (principal uuid, granted bigint, granted_with_second_factor bigint, ends_at timestamptz)
language sql
stable
set search_path = ''
as $$
  with state as (
    select t.status, t.requires_second_factor, t.cancelled_at + interval '30 days' as closes_at,
           private.mask_of(array(select p.key from public.permissions p where p.allowed_when_suspended)) as when_suspended,
           private.mask_of(array(select p.key from public.permissions p where p.allowed_without_second_factor)) as without_second_factor
      from public.tenants t where t.id = tenant
  ),
  role_masks as materialized (
    select r.key, private.mask_of(r.permissions) as mask from public.roles r where r.tenant_id = tenant
  ),
  holders as (
    select m.user_id as principal, r.mask, m.role = 'owner' as is_owner, true as is_person, 'infinity'::timestamptz as ends_at
      from public.memberships m
      join role_masks r on r.key = m.role
     where m.tenant_id = tenant
    union all
    select k.id, private.mask_of(k.scopes), false, false, coalesce(k.expires_at, 'infinity')
      from public.api_keys k
     where k.tenant_id = tenant and k.revoked_at is null
  ),
  in_force as (
    select h.principal, h.is_person, s.requires_second_factor, s.without_second_factor,
           case when s.status = 'active' then h.mask else h.mask & s.when_suspended end as mask,
           case when s.status = 'cancelled' then least(h.ends_at, s.closes_at) else h.ends_at end as ends_at
      from holders h cross join state s
     where s.status <> 'cancelled' or h.is_owner
  )
  select f.principal,
         -- A key is no session and has no factors: it is a credential of its own, which members with keys.manage (and both factors) can revoke.
         case when f.requires_second_factor and f.is_person then f.mask & f.without_second_factor else f.mask end,
         f.mask,
         f.ends_at
    from in_force f
$$;

comment on function private.derived_access is 'What private.access is to hold of a tenant.';

create function private.lock_access(tenant uuid) returns void
language sql
set search_path = ''
as $$
  insert into private.access_epochs as e (tenant_id, epoch) values (tenant, 1)
  on conflict (tenant_id) do update set epoch = e.epoch + 1
$$;

comment on function private.lock_access is
  'From here on nobody else changes who may do what in this tenant until we commit. What others committed while we waited is seen by the next statement; '
  'a transaction whose snapshot is too old to see it fails with 40001.';

create function private.refresh_access(tenant uuid, only_principals uuid[] default null) returns void
language plpgsql
set search_path = ''
as $$
begin
  -- A tenant that goes takes its rows along.
  if not exists (select from public.tenants t where t.id = tenant) then
    return;
  end if;
  perform private.lock_access(tenant);

  delete from private.access a
   where a.tenant_id = tenant
     and (only_principals is null or a.principal = any (only_principals))
     and not exists (select from private.derived_access(tenant) d where d.principal = a.principal);
  insert into private.access as a (tenant_id, principal, granted, granted_with_second_factor, ends_at)
  select tenant, d.principal, d.granted, d.granted_with_second_factor, d.ends_at
    from private.derived_access(tenant) d
   where only_principals is null or d.principal = any (only_principals)
  on conflict (tenant_id, principal) do update
    set granted = excluded.granted, granted_with_second_factor = excluded.granted_with_second_factor, ends_at = excluded.ends_at
    where (a.granted, a.granted_with_second_factor, a.ends_at)
          is distinct from (excluded.granted, excluded.granted_with_second_factor, excluded.ends_at);
end
$$;

comment on function private.refresh_access is 'Makes private.access of a tenant, or of some principals in it, what it is derived to be.';

create function private.access_audit()
returns table (tenant_id uuid, principal uuid, kept text, derived text)
language sql
-- Stable: all of it sees one instant.
stable
set search_path = ''
as $$
  select coalesce(a.tenant_id, d.tenant_id), coalesce(a.principal, d.principal),
         format('%s %s %s', a.granted, a.granted_with_second_factor, a.ends_at),
         format('%s %s %s', d.granted, d.granted_with_second_factor, d.ends_at)
    from private.access a
    full join (
      select t.id as tenant_id, derived.* from public.tenants t cross join private.derived_access(t.id) derived
    ) d on d.tenant_id = a.tenant_id and d.principal = a.principal
   where (a.granted, a.granted_with_second_factor, a.ends_at) is distinct from (d.granted, d.granted_with_second_factor, d.ends_at)
$$;

comment on function private.access_audit is
  'Rows of private.access that are not what they are derived to be; none when all is well. Mended by select private.refresh_access(tenant_id).';

-- Kept by triggers ---------------------------------------------------------------------------------------------------------------

create function private.refresh_changed_access() returns trigger
language plpgsql
-- Definer: whoever changes a member or a key need not be able to write what follows from it.
security definer
set search_path = ''
as $$
declare
  changed record;
begin
  -- In tenant order, so that two statements over many tenants cannot wait for each other in a circle.
  if tg_op = 'INSERT' then
    for changed in
      select c.tenant_id, array_agg(distinct to_jsonb(c) ->> tg_argv[0])::uuid[] as principals from inserted c group by 1 order by 1
    loop
      perform private.refresh_access(changed.tenant_id, changed.principals);
    end loop;
  elsif tg_op = 'DELETE' then
    for changed in
      select c.tenant_id, array_agg(distinct to_jsonb(c) ->> tg_argv[0])::uuid[] as principals from deleted c group by 1 order by 1
    loop
      perform private.refresh_access(changed.tenant_id, changed.principals);
    end loop;
  else
    for changed in
      select c.tenant_id, array_agg(distinct c.principal) as principals
        from (select i.tenant_id, (to_jsonb(i) ->> tg_argv[0])::uuid as principal from inserted i
              union select d.tenant_id, (to_jsonb(d) ->> tg_argv[0])::uuid from deleted d) c
       group by 1 order by 1
    loop
      perform private.refresh_access(changed.tenant_id, changed.principals);
    end loop;
  end if;
  return null;
end
$$;

comment on function private.refresh_changed_access is 'Renews the access of the principals in the changed rows; the trigger''s argument names their column.';

create function private.refresh_tenant_access() returns trigger
language plpgsql
-- Definer: see private.refresh_changed_access.
security definer
set search_path = ''
as $$
begin
  perform private.refresh_access((to_jsonb(new) ->> tg_argv[0])::uuid);
  return null;
end
$$;

comment on function private.refresh_tenant_access is 'Renews the access of everybody in a tenant; the trigger''s argument names the column that names it.';

create function private.refresh_all_access() returns trigger
language plpgsql
-- Definer: see private.refresh_changed_access.
security definer
set search_path = ''
as $$
begin
  perform private.refresh_access(t.id) from public.tenants t order by t.id;
  return null;
end
$$;

create trigger _300_refresh_access_of_new after insert on public.memberships
  referencing new table as inserted for each statement execute function private.refresh_changed_access('user_id');
create trigger _300_refresh_access_of_changed after update on public.memberships
  referencing old table as deleted new table as inserted for each statement execute function private.refresh_changed_access('user_id');
create trigger _300_refresh_access_of_gone after delete on public.memberships
  referencing old table as deleted for each statement execute function private.refresh_changed_access('user_id');
create trigger _300_refresh_access_of_all after truncate on public.memberships
  for each statement execute function private.refresh_all_access();

create trigger _300_refresh_access_of_new after insert on public.api_keys
  referencing new table as inserted for each statement execute function private.refresh_changed_access('id');
create trigger _300_refresh_access_of_gone after delete on public.api_keys
  referencing old table as deleted for each statement execute function private.refresh_changed_access('id');
-- By row, and only for what access follows from: a key's last use is written often.
create trigger _300_refresh_access_of_changed after update of scopes, expires_at, revoked_at on public.api_keys
  for each row execute function private.refresh_tenant_access('tenant_id');
create trigger _300_refresh_access_of_all after truncate on public.api_keys
  for each statement execute function private.refresh_all_access();

create function private.lock_access_of_person() returns trigger
language plpgsql
-- Definer: see private.refresh_changed_access.
security definer
set search_path = ''
as $$
begin
  -- An account that goes takes its memberships along. Their tenants are locked before them, as by everybody who changes members.
  perform private.lock_access(m.tenant_id)
     from (select m.tenant_id from public.memberships m where m.user_id = old.id order by m.tenant_id) m;
  return old;
end
$$;

create trigger _100_lock_access before delete on public.users
  for each row execute function private.lock_access_of_person();

create trigger _300_refresh_access_of_all after update on public.permissions
  for each row
  when ((old.bit, old.allowed_when_suspended, old.allowed_without_second_factor)
        is distinct from (new.bit, new.allowed_when_suspended, new.allowed_without_second_factor))
  execute function private.refresh_all_access();

create trigger _300_refresh_access after update of permissions on public.roles
  for each row when (old.permissions is distinct from new.permissions) execute function private.refresh_tenant_access('tenant_id');

create trigger _300_refresh_access after update of status, requires_second_factor, cancelled_at on public.tenants
  for each row
  when ((old.status, old.requires_second_factor, old.cancelled_at) is distinct from (new.status, new.requires_second_factor, new.cancelled_at))
  execute function private.refresh_tenant_access('id');

-- Asked by policies and RPCs -----------------------------------------------------------------------------------------------------

create function private.principal() returns uuid
language plpgsql
stable
set search_path = ''
as $$
declare
  claims jsonb := nullif(current_setting('request.jwt.claims', true), '');
begin
  -- `request.jwt.claim.sub` is what PostgREST before 9 set, and what auth.uid() still reads first.
  return coalesce(claims ->> 'api_key_id', nullif(current_setting('request.jwt.claim.sub', true), ''), claims ->> 'sub');
end
$$;

comment on function private.principal is
  'Who asks: the id of an API key, which edge-api puts into the claims and no Auth server does, or else of a user. Null: nobody.';

create function private.has_second_factor() returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  -- https://supabase.com/docs/guides/auth/auth-mfa
  return coalesce(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'aal' = 'aal2', false);
end
$$;

comment on function private.has_second_factor is 'Whether the session was signed in by two factors.';

create or replace function private.tenants_with(permission text) returns setof uuid
-- plpgsql keeps its plans for as long as the session lives; before Postgres 18 a function in SQL plans anew for every statement.
language plpgsql
stable
-- Definer: it is what the policies of these very tables ask; under them it would ask itself.
security definer
set search_path = ''
rows 10
as $$
declare
  claims jsonb := nullif(current_setting('request.jwt.claims', true), '');
  who uuid := coalesce(claims ->> 'api_key_id', nullif(current_setting('request.jwt.claim.sub', true), ''), claims ->> 'sub');
  wanted bigint := (select 1::bigint << p.bit from public.permissions p where p.key = permission);
begin
  if claims ->> 'aal' = 'aal2' then
    return query
      select a.tenant_id from private.access a
       where a.principal = who and a.granted_with_second_factor & wanted <> 0 and a.ends_at > now();
  else
    return query
      select a.tenant_id from private.access a
       where a.principal = who and a.granted & wanted <> 0 and a.ends_at > now();
  end if;
end
$$;

comment on function private.tenants_with is
  'The tenants in which the caller holds a permission that is in force: by role or scopes, the tenant''s status, and the second factor where it wants one. '
  'Read from a table, so a revoked member is out in the next statement.';

create or replace function private.own_tenants() returns setof uuid
language plpgsql
stable
-- Definer: see private.tenants_with.
security definer
set search_path = ''
rows 10
as $$
declare
  who uuid := private.principal();
begin
  return query select a.tenant_id from private.access a where a.principal = who and a.ends_at > now();
end
$$;

comment on function private.own_tenants is 'The tenants that the caller belongs to, in any role.';

create function private.tenants_asking_for_second_factor() returns setof uuid
language plpgsql
stable
-- Definer: see private.tenants_with.
security definer
set search_path = ''
rows 1
as $$
declare
  who uuid := private.principal();
begin
  if private.has_second_factor() then
    return;
  end if;
  return query
    select a.tenant_id from private.access a where a.principal = who and a.granted <> a.granted_with_second_factor;
end
$$;

comment on function private.tenants_asking_for_second_factor is
  'The tenants in which the caller''s session is not enough for all that the caller may do. Asked by restrictive policies: a wall behind private.tenants_with.';

create function private.held_in(tenant uuid) returns bigint
language plpgsql
stable
-- Definer: see private.tenants_with.
security definer
set search_path = ''
as $$
declare
  who uuid := private.principal();
begin
  return coalesce((
    select case when private.has_second_factor() then a.granted_with_second_factor else a.granted end
      from private.access a
     where a.principal = who and a.tenant_id = tenant and a.ends_at > now()
  ), 0);
end
$$;

comment on function private.held_in is 'The permissions that the caller holds in a tenant now, as bits; 0 in a tenant that does not exist.';

create function private.demand(tenant uuid, permission text) returns void
language plpgsql
stable
-- Definer: to say why not, it looks where the caller may not.
security definer
set search_path = ''
as $$
declare
  who uuid := private.principal();
  wanted bigint := private.mask_of(array[permission]);
  held private.access;
  tenant_status text;
begin
  if private.held_in(tenant) & wanted <> 0 then
    return;
  end if;
  select a.* into held from private.access a where a.principal = who and a.tenant_id = tenant and a.ends_at > now();
  if held.tenant_id is null then
    perform private.refuse(404, 'not_found', 'there is no such tenant');
  end if;
  if held.granted_with_second_factor & wanted <> 0 then
    perform private.refuse(403, 'second_factor_required', 'this tenant asks for a second factor to do this',
      null, 'verify a second factor in this session (aal2) and try again');
  end if;
  select t.status into tenant_status from public.tenants t where t.id = tenant;
  if tenant_status <> 'active' then
    perform private.refuse(403, 'tenant_' || tenant_status, format('this tenant is %s: it can be read and not be changed', tenant_status));
  end if;
  perform private.refuse(403, 'forbidden',
    format('your %s may not do this', case when who in (select m.user_id from public.memberships m where m.tenant_id = tenant) then 'role' else 'key' end),
    null, format('ask for the permission %s', permission));
end
$$;

comment on function private.demand is 'Passes when the caller holds a permission in a tenant, and otherwise refuses with the reason.';
