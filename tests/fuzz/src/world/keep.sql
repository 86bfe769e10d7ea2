-- What the fuzzer does with the database behind the doors: it makes a world, keeps a copy of it, and puts that back, or takes a part of it
-- away, between two runs of the same requests. All of it is in a schema of its own, which goes when the run ends.
--
-- Tables are found in the catalogue: a new one is kept, put back and compared without a word here. A row belongs to the tenant in its column
-- tenant_id; people belong to the tenant that fuzz.people says.

create schema fuzz;

create table fuzz.tenants (id uuid primary key, number integer not null, is_foreign boolean not null);
create table fuzz.people (id uuid primary key, tenant_id uuid not null references fuzz.tenants);

-- Every table with rows of tenants, and the column that says whose they are.
create view fuzz.places as
  select c.oid::regclass as place, n.nspname, c.relname, a.attname as owner
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and not a.attisdropped and a.atttypid = 'uuid'::regtype
   where c.relkind in ('r', 'p') and not c.relispartition
     and n.nspname not in ('fuzz', 'pg_catalog', 'information_schema')
     and (a.attname = 'tenant_id'
          or a.attname = 'id' and c.oid in ('public.tenants'::regclass, 'public.users'::regclass, 'auth.users'::regclass));

create function fuzz.owned(place regclass, which text) returns text
language sql stable as $$
  -- A condition on the rows of a place: which is an expression of tenants' ids.
  select format('%I = any (%s)', p.owner, case
           when place in ('public.users'::regclass, 'auth.users'::regclass)
             then format('array(select x.id from fuzz.people x where x.tenant_id = any (%s))', which)
           else which end)
    from fuzz.places p where p.place = owned.place
$$;

create function fuzz.columns_of(place regclass) returns text
language sql stable as $$
  select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_catalog.pg_attribute a
   where a.attrelid = place and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
$$;

-- Counters in memory: whoever spends another tenant's requests has changed something of theirs. A request that is spent is back after a while.
create function fuzz.limits(which uuid[]) returns table (tenant_id uuid, name text, remaining bigint, most integer)
language sql volatile as $$
  select w.id, k.name, aias.rate_limit_remaining(k.name || ':' || w.id, k.most, k.per), k.most
    from unnest(which) w (id),
         (values ('tenant', 1, interval '1 minute'), ('invitations', 100, interval '1 hour'), ('domain checks', 30, interval '10 minutes')) k (name, most, per)
$$;

create function fuzz.keep() returns void
language plpgsql as $do$
declare
  everybody text := 'array(select t.id from fuzz.tenants t)';
  place record;
  delete_all text := '';
  insert_all text := '';
  prints text := '';
begin
  for place in select p.place, quote_ident(p.nspname || '.' || p.relname) as copy from fuzz.places p order by 2 loop
    execute format('create table fuzz.%s as select * from %s where %s', place.copy, place.place, fuzz.owned(place.place, everybody));
    delete_all := delete_all || format(E'  delete from %s where %s;\n', place.place, fuzz.owned(place.place, 'gone'));
    insert_all := insert_all || format(E'  insert into %s (%s) overriding system value select %2$s from fuzz.%s where %s;\n',
      place.place, fuzz.columns_of(place.place), place.copy, fuzz.owned(place.place, 'which'));
    prints := prints || format(
      E'  return query select %L::text, coalesce(md5(string_agg(md5(t::text), '''' order by md5(t::text))), '''') from %s t where %s;\n',
      place.copy, place.place, fuzz.owned(place.place, 'which'));
  end loop;

  -- Written out once, so that a session plans each statement once.
  execute format($fn$
create function fuzz.take_away(which uuid[]) returns void language plpgsql as $$
declare
  -- And what these people made meanwhile.
  gone uuid[] := which || array(
    select m.tenant_id from public.memberships m join fuzz.people x on x.id = m.user_id
     where x.tenant_id = any (which) and not exists (select from fuzz.tenants t where t.id = m.tenant_id));
begin
  -- No trigger speaks: what was derived was kept as well.
  perform set_config('session_replication_role', 'replica', true);
%s  perform set_config('session_replication_role', 'origin', true);
end
$$
$fn$, delete_all);
  execute format($fn$
create function fuzz.put_back(which uuid[]) returns void language plpgsql as $$
begin
  perform fuzz.take_away(which);
  perform set_config('session_replication_role', 'replica', true);
%s  perform set_config('session_replication_role', 'origin', true);
end
$$
$fn$, insert_all);
  execute format($fn$
create function fuzz.prints(which uuid[]) returns table (place text, print text) language plpgsql as $$
begin
%s  return query select 'rate limit ' || l.name, string_agg(l.remaining::text, ' ' order by l.tenant_id) from fuzz.limits(which) l group by l.name;
end
$$
$fn$, prints);
end
$do$;
