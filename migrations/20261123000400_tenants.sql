-- Tenants, the people in them, and what each may do.
--
-- Everything a tenant owns has primary key (tenant_id, id), and every foreign key between such tables carries tenant_id: a row that
-- points into another tenant cannot exist.

create table public.subscription_plans (
  id uuid primary key default aias.uuid7(),
  key text not null,
  name text not null,
  price_monthly integer not null,
  price_yearly integer not null,
  currency text not null default 'usd',
  features text[] not null default '{}',
  limits jsonb not null,
  created_at timestamptz not null default now(),
  constraint plan_key_is_unique unique (key),
  constraint plan_prices_are_not_negative check (price_monthly >= 0 and price_yearly >= 0),
  constraint plan_limits_name_every_meter check (
    limits ?& array['workflows', 'users', 'storage_bytes', 'executions', 'llm_tokens', 'requests_per_minute', 'concurrent_executions']
  )
);
alter table public.subscription_plans enable row level security;

comment on table public.subscription_plans is 'What can be bought. Prices are in minor units of the currency.';
comment on column public.subscription_plans.limits is
  'One number per meter; null means unlimited. Stocks: workflows, users, storage_bytes. Per billing period: executions, llm_tokens. '
  'Also requests_per_minute and concurrent_executions.';

-- A start; the operator changes these rows to what is really sold. New tenants begin on `starter`.
insert into public.subscription_plans (key, name, price_monthly, price_yearly, features, limits) values
  ('starter', 'Starter', 0, 0, '{}',
   '{"workflows": 5, "users": 3, "storage_bytes": 104857600, "executions": 100, "llm_tokens": 100000,
     "requests_per_minute": 60, "concurrent_executions": 5}'),
  ('professional', 'Professional', 4900, 49000, '{custom_domain,priority_support}',
   '{"workflows": 100, "users": 25, "storage_bytes": 10737418240, "executions": 10000, "llm_tokens": 10000000,
     "requests_per_minute": 600, "concurrent_executions": 50}'),
  ('enterprise', 'Enterprise', 49900, 499000, '{custom_domain,priority_support,audit_export,sso}',
   '{"workflows": null, "users": null, "storage_bytes": null, "executions": null, "llm_tokens": null,
     "requests_per_minute": 6000, "concurrent_executions": 500}');

create table public.tenants (
  id uuid primary key default aias.uuid7(),
  name text not null,
  subdomain text not null,
  plan_id uuid not null references public.subscription_plans (id),
  status text not null default 'active',
  features text[] not null default '{}',
  limit_overrides jsonb not null default '{}',
  billing_anchor timestamptz not null default now(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint tenant_subdomain_is_unique unique (subdomain),
  constraint tenant_subdomain_is_a_dns_label check (subdomain ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  constraint tenant_name_is_not_empty check (length(btrim(name)) between 1 and 200),
  constraint tenant_status_is_known check (status in ('active', 'suspended', 'cancelled')),
  constraint tenant_limit_overrides_are_an_object check (jsonb_typeof(limit_overrides) = 'object')
);
create index tenants_plan_id on public.tenants (plan_id);
alter table public.tenants enable row level security;

comment on table public.tenants is 'One customer of the product: a company or a team.';
comment on column public.tenants.limit_overrides is 'Limits that differ from the plan, by meter; null means unlimited.';
comment on column public.tenants.billing_anchor is 'Start of the first billing period; later ones begin a month apart.';

create trigger _050_keep_columns before update on public.tenants
  for each row execute function private.keep_columns(
    'id', 'plan_id', 'status', 'features', 'limit_overrides', 'billing_anchor', 'created_at'
  );
create trigger _900_touch before update on public.tenants
  for each row execute function private.touch_updated_at();

create table public.users (
  id uuid primary key references auth.users (id) on delete cascade,
  email text not null,
  name text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
alter table public.users enable row level security;

comment on table public.users is 'Profile of a person who can sign in. Made and kept by triggers on auth.users.';

create trigger _050_keep_columns before update on public.users
  for each row execute function private.keep_columns('id', 'email', 'created_at');
create trigger _900_touch before update on public.users
  for each row execute function private.touch_updated_at();

create function private.sync_profile() returns trigger
language plpgsql
-- Definer: Auth's own role inserts into auth.users and has no rights on public.users.
security definer
set search_path = ''
as $$
begin
  insert into public.users (id, email, name)
  values (
    new.id,
    coalesce(new.email, ''),
    coalesce(nullif(btrim(new.raw_user_meta_data ->> 'name'), ''), split_part(coalesce(new.email, ''), '@', 1))
  )
  on conflict (id) do update set email = excluded.email;
  return new;
end
$$;

comment on function private.sync_profile is 'Gives every account a profile, and follows a change of its e-mail address.';

create trigger aias_100_sync_profile after insert or update of email on auth.users
  for each row execute function private.sync_profile();

create table public.permissions (
  key text primary key,
  description text not null
);
alter table public.permissions enable row level security;
comment on table public.permissions is 'Everything a role can allow.';

insert into public.permissions (key, description) values
  ('tenant.manage',     'change the tenant''s name, subdomain and settings'),
  ('members.read',      'see who belongs to the tenant'),
  ('members.manage',    'invite, remove and re-role members'),
  ('roles.manage',      'make and change the tenant''s own roles'),
  ('keys.manage',       'make and revoke API keys'),
  ('agents.read',       'see agents'),
  ('agents.write',      'make, change and delete agents'),
  ('workflows.read',    'see workflows and their versions'),
  ('workflows.write',   'make, change, activate and delete workflows'),
  ('workflows.execute', 'start executions'),
  ('executions.read',   'see executions, their steps and results'),
  ('executions.cancel', 'cancel executions'),
  ('usage.read',        'see usage, limits and costs'),
  ('billing.read',      'see the subscription and invoices'),
  ('billing.manage',    'change the subscription and payment method'),
  ('audit.read',        'read the audit log');

create table private.built_in_roles (
  key text primary key,
  name text not null,
  permissions text[] not null
);
alter table private.built_in_roles enable row level security;
comment on table private.built_in_roles is 'The roles that every new tenant starts with.';

insert into private.built_in_roles (key, name, permissions)
select 'owner', 'Owner', array_agg(key order by key) from public.permissions
union all
select 'admin', 'Admin', array_agg(key order by key) from public.permissions where key <> 'billing.manage'
union all
select 'editor', 'Editor', array_agg(key order by key) from public.permissions
  where key ~ '^(agents|workflows|executions)\.' or key in ('members.read', 'usage.read')
union all
select 'viewer', 'Viewer', array_agg(key order by key) from public.permissions
  where key in ('members.read', 'agents.read', 'workflows.read', 'executions.read')
union all
select 'billing', 'Billing', array_agg(key order by key) from public.permissions
  where key in ('members.read', 'usage.read', 'billing.read', 'billing.manage');

create table public.roles (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  key text not null,
  name text not null,
  permissions text[] not null default '{}',
  built_in boolean not null default false,
  created_at timestamptz not null default now(),
  primary key (tenant_id, key),
  constraint role_key_is_a_word check (key ~ '^[a-z][a-z0-9_-]{0,62}$')
);
alter table public.roles enable row level security;

comment on table public.roles is 'What the members of a tenant may do: the built-in roles, and the tenant''s own.';

create table public.memberships (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  user_id uuid not null references public.users (id) on delete cascade,
  role text not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, user_id),
  constraint membership_role_exists foreign key (tenant_id, role) references public.roles (tenant_id, key)
);
-- One index answers "which tenants is this user in, and as what" without touching the table.
create index memberships_user_id on public.memberships (user_id) include (tenant_id, role);
create index memberships_tenant_id_role on public.memberships (tenant_id, role);
alter table public.memberships enable row level security;

comment on table public.memberships is 'Who belongs to which tenant, in which role.';

create function private.tenants_with(permission text) returns setof uuid
language sql
stable
-- Definer: it is what the policies of these very tables ask; under them it would ask itself.
security definer
set search_path = ''
as $$
  select m.tenant_id
    from public.memberships m
    join public.roles r on r.tenant_id = m.tenant_id and r.key = m.role
   where m.user_id = (select auth.uid())
     and r.permissions @> array[permission]
$$;

comment on function private.tenants_with is
  'The tenants in which the caller holds a permission. Read from the tables, so a revoked member is out in the next statement.';

create function private.own_tenants() returns setof uuid
language sql
stable
-- Definer: see private.tenants_with.
security definer
set search_path = ''
as $$
  select tenant_id from public.memberships where user_id = (select auth.uid())
$$;

comment on function private.own_tenants is 'The tenants that the caller belongs to, in any role.';
