-- What a tenant can set about itself: where its data lives, and whether its members need a second factor.

create table public.regions (
  key text primary key,
  name text not null,
  constraint region_key_is_a_word check (key ~ '^[a-z][a-z0-9-]{0,62}$')
);
alter table public.regions enable row level security;
comment on table public.regions is
  'Where data can live. The operator adds rows; a tenant chooses one when it is made and keeps it, since moving data is no update of a row.';

insert into public.regions (key, name) values ('default', 'Default');

alter table public.tenants
  add column region text not null default 'default',
  add column requires_second_factor boolean not null default false,
  add column cancelled_at timestamptz,
  add column cancelled_by_owner boolean not null default false,
  add constraint tenant_region_is_known foreign key (region) references public.regions (key),
  add constraint cancelled_tenant_says_since_when check ((status = 'cancelled') = (cancelled_at is not null));
create index tenants_region on public.tenants (region);
create index tenants_cancelled_at on public.tenants (cancelled_at) where cancelled_at is not null;

comment on column public.tenants.status is
  'active; suspended: readable, and nothing can be changed; cancelled: readable by owners for 30 days, then erased.';
comment on column public.tenants.requires_second_factor is
  'Then changes, and anything about members, keys, billing and the audit log, want a session of level aal2.';
comment on column public.tenants.cancelled_by_owner is
  'Then an owner may take it back. One that the operator had suspended or has cancelled is the operator''s to reopen.';
comment on column public.tenants.features is 'Features beside those of the plan.';

-- As before, and what is new that clients do not set.
drop trigger _050_keep_columns on public.tenants;
create trigger _050_keep_columns before update on public.tenants
  for each row execute function private.keep_columns(
    'id', 'plan_id', 'status', 'features', 'limit_overrides', 'billing_anchor', 'created_at', 'region', 'cancelled_at', 'cancelled_by_owner'
  );

create function private.is_caller() returns boolean
language sql
stable
set search_path = ''
as $$
  -- The role that the request runs as, also inside a definer.
  select current_setting('role') in ('anon', 'authenticated')
$$;

comment on function private.is_caller is 'Whether somebody from outside is behind this transaction, and not a worker or the operator.';

create function private.note_cancellation() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.cancelled_at := case when new.status = 'cancelled' then coalesce(new.cancelled_at, now()) end;
  if tg_op = 'INSERT' then
    new.cancelled_by_owner := false;
  elsif old.status is distinct from new.status then
    -- Out of an active tenant only: to cancel and reopen a suspended one would lift the suspension.
    new.cancelled_by_owner := new.status = 'cancelled' and old.status = 'active' and private.is_caller();
  end if;
  return new;
end
$$;

comment on function private.note_cancellation is 'Keeps cancelled_at beside the status, by whatever road the status changes.';

create trigger _060_note_cancellation before insert or update of status, cancelled_at on public.tenants
  for each row execute function private.note_cancellation();

create function private.has_feature(tenant uuid, feature text) returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select from public.tenants t
      join public.subscription_plans p on p.id = t.plan_id
     where t.id = tenant and feature = any (p.features || t.features)
  )
$$;

comment on function private.has_feature is 'Whether a tenant''s plan, or the operator beside the plan, gives it a feature.';

create table private.reserved_subdomains (
  subdomain text primary key
);
alter table private.reserved_subdomains enable row level security;
comment on table private.reserved_subdomains is
  'Names under the base domain that are the operator''s: who had one of them would be taken for the operator. The operator adds and removes.';

insert into private.reserved_subdomains (subdomain) values
  ('admin'), ('api'), ('app'), ('assets'), ('auth'), ('billing'), ('cdn'), ('console'), ('dashboard'), ('docs'), ('edge'), ('help'), ('mail'),
  ('login'), ('static'), ('status'), ('support'), ('www');

create function private.guard_subdomain() returns trigger
language plpgsql
-- Definer: clients do not read the list.
security definer
set search_path = ''
as $$
begin
  if private.is_caller() and exists (select from private.reserved_subdomains r where r.subdomain = new.subdomain) then
    perform private.refuse(409, 'subdomain_taken', format('the subdomain "%s" is taken', new.subdomain), null, 'choose another subdomain');
  end if;
  return new;
end
$$;

create trigger _070_guard_subdomain_of_new before insert on public.tenants
  for each row execute function private.guard_subdomain();
create trigger _070_guard_subdomain_of_changed before update of subdomain on public.tenants
  for each row when (new.subdomain is distinct from old.subdomain) execute function private.guard_subdomain();
