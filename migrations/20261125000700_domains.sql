-- A tenant's own domains: claimed by a name, proven by a DNS record, then served by edge-api.
--
--   claimed ──(TXT record found)──► verified          whoever verifies a name last has it: its owner decides by DNS

create table public.tenant_domains (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  id uuid not null default aias.uuid7(),
  domain text not null,
  verification_token text not null,
  verified_at timestamptz,
  checked_at timestamptz,
  check_error text,
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  constraint domain_is_claimed_once_by_a_tenant unique (tenant_id, domain),
  constraint domain_is_a_dns_name check (
    length(domain) <= 253 and domain ~ '^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$'
  )
);
create unique index tenant_domains_verified on public.tenant_domains (domain) where verified_at is not null;
create index tenant_domains_created_by on public.tenant_domains (created_by);
alter table public.tenant_domains enable row level security;

comment on table public.tenant_domains is 'Domains under which a tenant''s product is reached. Only a verified one is served.';
comment on column public.tenant_domains.domain is 'Lower case, international names in their ASCII form.';
comment on column public.tenant_domains.verification_token is
  'To be published as TXT record _aias-challenge.<domain> with the text aias-verification=<token>. No secret: DNS is public.';

create trigger _060_keep_identity before update on public.tenant_domains
  for each row
  when (new.tenant_id is distinct from old.tenant_id or new.id is distinct from old.id or new.domain is distinct from old.domain)
  execute function private.keep_identity();
create trigger _800_audit after insert or update or delete on public.tenant_domains
  for each row execute function audit.record_change('tenant_id', 'id');

create table queue.domain_checks (
  tenant_id uuid not null,
  domain_id uuid not null,
  run_at timestamptz not null default now(),
  tries_left integer not null,
  fencing_token bigint not null default 0,
  claimed_by text,
  primary key (tenant_id, domain_id),
  constraint check_belongs_to_a_domain foreign key (tenant_id, domain_id) references public.tenant_domains (tenant_id, id) on delete cascade
);
create index domain_checks_run_at on queue.domain_checks (run_at);
alter table queue.domain_checks enable row level security;
comment on table queue.domain_checks is 'Domains whose DNS a worker is to look at. A record takes its time to spread, so it looks several times.';

create function private.ask_for_domain_check(tenant uuid, wanted_domain uuid) returns void
language sql
set search_path = ''
as $$
  -- Every two minutes for an hour.
  insert into queue.domain_checks as c (tenant_id, domain_id, tries_left) values (tenant, wanted_domain, 30)
  on conflict (tenant_id, domain_id) do update set run_at = least(c.run_at, now()), tries_left = 30
$$;

create function private.add_domain(tenant uuid, wanted_domain text) returns public.tenant_domains
language plpgsql
-- Definer: writes domains, for those who hold tenant.manage.
security definer
set search_path = ''
as $$
declare
  added public.tenant_domains;
begin
  perform private.demand(tenant, 'tenant.manage');
  if not private.has_feature(tenant, 'custom_domain') then
    perform private.refuse(402, 'feature_not_in_plan', 'this tenant''s plan has no domains of its own', null, 'upgrade the plan');
  end if;
  -- Two that come at once are counted one after the other.
  perform from public.tenants t where t.id = tenant for no key update;
  if (select count(*) from public.tenant_domains d where d.tenant_id = tenant) >= 20 then
    perform private.refuse(409, 'too_many_domains', 'a tenant has at most 20 domains', null, 'remove those that are not used');
  end if;
  begin
    insert into public.tenant_domains (tenant_id, domain, verification_token, created_by)
    values (tenant, rtrim(lower(btrim(wanted_domain)), '.'), replace(gen_random_uuid()::text, '-', ''), (select auth.uid()))
    returning * into added;
  exception
    when unique_violation then
      perform private.refuse(409, 'domain_exists', 'this tenant has that domain already');
    when check_violation or not_null_violation then
      perform private.refuse(400, 'invalid_domain', 'this is no domain name', null, 'for instance app.example.com, without https:// and path');
  end;
  perform private.ask_for_domain_check(tenant, added.id);
  return added;
end
$$;

create function public.add_domain(tenant_id uuid, domain text) returns public.tenant_domains
language sql set search_path = '' as $$ select * from private.add_domain(tenant_id, domain) $$;

comment on function public.add_domain is
  'Claims a domain. Publish the TXT record _aias-challenge.<domain> = aias-verification=<verification_token>; it is looked for at once and for an hour.';

create function private.domain_to_manage(wanted_domain uuid) returns public.tenant_domains
language plpgsql
-- Definer: see private.add_domain.
security definer
set search_path = ''
as $$
declare
  domain public.tenant_domains;
begin
  select d.* into domain from public.tenant_domains d
   where d.id = wanted_domain and d.tenant_id = any (array(select private.own_tenants()));
  if domain.id is null then
    perform private.refuse(404, 'not_found', 'there is no such domain');
  end if;
  perform private.demand(domain.tenant_id, 'tenant.manage');
  return domain;
end
$$;

create function private.check_domain(wanted_domain uuid) returns public.tenant_domains
language plpgsql
-- Definer: see private.add_domain.
security definer
set search_path = ''
as $$
declare
  domain public.tenant_domains := private.domain_to_manage(wanted_domain);
begin
  perform aias.rate_limit_or_refuse('domain checks:' || domain.tenant_id, 30, interval '10 minutes', meter => 'domain_checks');
  perform private.ask_for_domain_check(domain.tenant_id, domain.id);
  return domain;
end
$$;

create function public.check_domain(domain_id uuid) returns public.tenant_domains
language sql set search_path = '' as $$ select * from private.check_domain(domain_id) $$;

comment on function public.check_domain is 'Has the DNS of a domain looked at again, soon. Watch verified_at and check_error.';

create function private.remove_domain(wanted_domain uuid) returns void
language plpgsql
-- Definer: see private.add_domain.
security definer
set search_path = ''
as $$
declare
  domain public.tenant_domains := private.domain_to_manage(wanted_domain);
begin
  delete from public.tenant_domains d where d.tenant_id = domain.tenant_id and d.id = domain.id;
end
$$;

create function public.remove_domain(domain_id uuid) returns void
language sql set search_path = '' as $$ select private.remove_domain(domain_id) $$;

comment on function public.remove_domain is 'Gives a domain up; it is not served any more.';

-- For workers --------------------------------------------------------------------------------------------------------------------

create function queue.claim_domain_checks(worker text, max_checks integer, lease interval)
returns table (tenant_id uuid, id uuid, domain text, verification_token text, fencing_token bigint)
language sql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  with due as (
    select c.tenant_id, c.domain_id from queue.domain_checks c
     where c.run_at <= now() order by c.run_at limit max_checks for update skip locked
  ),
  claimed as (
    update queue.domain_checks c
       set run_at = now() + lease, fencing_token = c.fencing_token + 1, claimed_by = worker
      from due where c.tenant_id = due.tenant_id and c.domain_id = due.domain_id
    returning c.tenant_id, c.domain_id, c.fencing_token
  )
  select c.tenant_id, c.domain_id, d.domain, d.verification_token, c.fencing_token
    from claimed c
    join public.tenant_domains d on d.tenant_id = c.tenant_id and d.id = c.domain_id
$$;

comment on function queue.claim_domain_checks is 'Takes domains whose DNS is to be looked at, for a lease.';

create function queue.record_domain_check(tenant uuid, domain_id uuid, token bigint, verified boolean, error text default null) returns boolean
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
declare
  checked queue.domain_checks;
  claimed_domain text;
begin
  select c.* into checked from queue.domain_checks c
   where c.tenant_id = tenant and c.domain_id = record_domain_check.domain_id and c.fencing_token = token
     for update;
  if checked.domain_id is null then
    return false;
  end if;
  if verified then
    select d.domain into claimed_domain from public.tenant_domains d where d.tenant_id = tenant and d.id = checked.domain_id;
    -- Two tenants cannot have one name. Whoever can write its DNS now has it now.
    perform pg_advisory_xact_lock(hashtextextended('tenant_domains ' || claimed_domain, 0));
    update public.tenant_domains d
       set verified_at = null, check_error = 'another tenant has proven that this domain is theirs'
     where d.domain = claimed_domain and d.verified_at is not null and (d.tenant_id, d.id) <> (tenant, checked.domain_id);
    update public.tenant_domains d
       set verified_at = coalesce(d.verified_at, now()), checked_at = now(), check_error = null
     where d.tenant_id = tenant and d.id = checked.domain_id;
  else
    -- One that is verified stays so: a name server that does not answer must not take a product down.
    update public.tenant_domains d set checked_at = now(), check_error = error
     where d.tenant_id = tenant and d.id = checked.domain_id;
  end if;
  if verified or checked.tries_left <= 1 then
    delete from queue.domain_checks c where c.tenant_id = tenant and c.domain_id = checked.domain_id;
  else
    update queue.domain_checks c set run_at = now() + interval '2 minutes', tries_left = c.tries_left - 1, claimed_by = null
     where c.tenant_id = tenant and c.domain_id = checked.domain_id;
  end if;
  return true;
end
$$;

comment on function queue.record_domain_check is 'Writes what DNS said of a claimed domain. False when the lease was lost.';

-- For edge-api -------------------------------------------------------------------------------------------------------------------

create function edge.tenant_of_host(host text, base_domain text) returns table (tenant_id uuid, name text, subdomain text)
language sql
stable
-- Definer: edge-api has no rights on tables.
security definer
set search_path = ''
as $$
  select t.id, t.name, t.subdomain
    from public.tenants t
   where t.subdomain = case when right(host, length(base_domain) + 1) = '.' || base_domain
                            then left(host, length(host) - length(base_domain) - 1) end
     and t.status <> 'cancelled'
  union all
  select t.id, t.name, t.subdomain
    from public.tenant_domains d
    join public.tenants t on t.id = d.tenant_id
   where d.domain = host and d.verified_at is not null and t.status <> 'cancelled'
   limit 1
$$;

comment on function edge.tenant_of_host is 'Whose host it is: <subdomain>.<base_domain>, or a verified domain of a tenant that is not cancelled.';

create function edge.domain_is_served(domain text, base_domain text) returns boolean
language sql
stable
-- Definer: see edge.tenant_of_host.
security definer
set search_path = ''
as $$
  select exists (select from edge.tenant_of_host(domain, base_domain))
$$;

comment on function edge.domain_is_served is 'Whether a certificate may be asked for that name.';
