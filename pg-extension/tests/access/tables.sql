-- The tables that access is read from, as migrations/20261125000200_access.sql makes them, and the same questions in PL/pgSQL to compare with.

create schema private;

create table public.permissions (key text primary key, description text not null default '');
alter table public.permissions add column bit smallint;
insert into public.permissions (key, bit) values ('agents.read', 5), ('executions.read', 10), ('tenant.close', 62), ('keys.manage', 0);

create table private.access (
  tenant_id uuid not null,
  principal uuid not null,
  granted bigint not null,
  granted_with_second_factor bigint not null,
  ends_at timestamptz not null default 'infinity',
  primary key (tenant_id, principal)
);
create unique index access_principal on private.access (principal, tenant_id) include (granted, granted_with_second_factor, ends_at);
create index access_asking on private.access (principal) include (tenant_id) where granted <> granted_with_second_factor;

create schema oracle;

create function oracle.principal() returns uuid language plpgsql stable as $$
declare
  claims jsonb := nullif(current_setting('request.jwt.claims', true), '');
begin
  return coalesce(claims ->> 'api_key_id', nullif(current_setting('request.jwt.claim.sub', true), ''), claims ->> 'sub');
end
$$;

create function oracle.has_second_factor() returns boolean language plpgsql stable as $$
begin
  return coalesce(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'aal' = 'aal2', false);
end
$$;

create function oracle.tenants_with(permission text) returns uuid[] language plpgsql stable as $$
declare
  who uuid := oracle.principal();
  two boolean := oracle.has_second_factor();
  wanted bigint := (select 1::bigint << p.bit from public.permissions p where p.key = permission);
begin
  return array(
    select a.tenant_id from private.access a
     where a.principal = who and case when two then a.granted_with_second_factor else a.granted end & wanted <> 0 and a.ends_at > now()
     order by 1);
end
$$;

create function oracle.own_tenants() returns uuid[] language plpgsql stable as $$
declare
  who uuid := oracle.principal();
begin
  return array(select a.tenant_id from private.access a where a.principal = who and a.ends_at > now() order by 1);
end
$$;

create function oracle.tenants_asking_for_second_factor() returns uuid[] language plpgsql stable as $$
declare
  who uuid := oracle.principal();
begin
  if oracle.has_second_factor() then
    return '{}';
  end if;
  return array(
    select a.tenant_id from private.access a where a.principal = who and a.granted <> a.granted_with_second_factor order by 1);
end
$$;

-- The answers of both, in one text each: errors are answers, and the order does not count.
create function oracle.answer(question text) returns text language plpgsql as $$
declare
  tenants uuid[];
begin
  execute 'select ' || question into tenants;
  return (select coalesce(array_agg(t order by t), '{}') from unnest(tenants) t)::text;
exception
  when others then return sqlstate || ' ' || sqlerrm;
end
$$;

create function oracle.differences() returns table (question text, aias text, plpgsql text) language sql as $$
  select q, oracle.answer('aias.' || q), oracle.answer('oracle.' || q)
    from (select format('tenants_with(%L)', p) from unnest(array['agents.read', 'executions.read', 'tenant.close', 'keys.manage', 'no.such', '']) p
          union all values ('own_tenants()'), ('tenants_asking_for_second_factor()')) as asked (q)
   where oracle.answer('aias.' || q) is distinct from oracle.answer('oracle.' || q)
$$;
