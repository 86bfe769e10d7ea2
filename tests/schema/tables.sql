-- What holds for every table, today's and tomorrow's: read from the catalogue.
--
-- Each check lists the offenders, so a failure names them.

begin;
select set_config('search_path', quote_ident(n.nspname) || ', pg_catalog', true)
  from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'pgtap'
\g /dev/null

-- Ours is what no extension brought and what neither Postgres nor Supabase made.
create temp view our_tables as
  select c.oid, c.oid::regclass as name, n.nspname as schema, c.relname, c.relrowsecurity,
         exists (select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped) as of_a_tenant
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p') and not c.relispartition
     and n.nspname in ('public', 'private', 'queue', 'billing', 'audit', 'edge', 'analytics')
     and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e');

-- Key columns of a constraint or an index, in order.
create function pg_temp.columns_of(relation oid, numbers smallint[]) returns text[] language sql as $$
  select array_agg(a.attname::text order by k.position)
    from unnest(numbers) with ordinality k (number, position)
    join pg_catalog.pg_attribute a on a.attrelid = relation and a.attnum = k.number
$$;

create temp view foreign_keys as
  select c.oid, c.conname, c.conrelid, c.confrelid,
         pg_temp.columns_of(c.conrelid, c.conkey) as from_columns,
         pg_temp.columns_of(c.confrelid, c.confkey) as to_columns
    from pg_catalog.pg_constraint c
   where c.contype = 'f' and c.conrelid in (select oid from our_tables);

select plan(16);

select cmp_ok(count(*), '>=', 16::bigint, 'there are tables to look at') from our_tables;

select is_empty('select name from our_tables where not relrowsecurity', 'every table has row-level security');

select is_empty($$
  select n.nspname, c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_'
     and n.nspname not in ('public', 'private', 'queue', 'history', 'billing', 'audit', 'edge', 'analytics', 'aias', 'auth', 'information_schema',
                           'storage', 'realtime', 'vault', 'extensions', 'graphql', 'supabase_migrations')
     and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')$$,
  'there is no table in a schema that nobody knows');

select is_empty($$
  select t.name from our_tables t
   where t.of_a_tenant and not exists (
     select from pg_catalog.pg_index i
      where i.indrelid = t.oid and i.indisprimary
        and (pg_temp.columns_of(t.oid, i.indkey::smallint[]))[1] = 'tenant_id')$$,
  'the primary key of every tenant table begins with tenant_id');

select is_empty($$
  select f.conrelid::regclass, f.conname from foreign_keys f
    join our_tables a on a.oid = f.conrelid
    join our_tables b on b.oid = f.confrelid
   where a.of_a_tenant and b.of_a_tenant
     and not exists (
       select from unnest(f.from_columns, f.to_columns) as pair (here, there) where here = 'tenant_id' and there = 'tenant_id')$$,
  'every foreign key between tenant tables carries tenant_id');

select is_empty($$
  select t.name from our_tables t
   where t.of_a_tenant and not exists (
     select from pg_catalog.pg_attribute a where a.attrelid = t.oid and a.attname = 'tenant_id' and a.attnotnull)$$,
  'no row of a tenant table is without a tenant');

-- Each way up ends at public.tenants, so a tenant that goes takes its rows along.
select is_empty($$
  with recursive reached as (
    select 'public.tenants'::regclass::oid as oid
    union
    select f.conrelid from foreign_keys f join reached r on r.oid = f.confrelid where 'tenant_id' = any (f.from_columns)
  )
  select t.name from our_tables t where t.of_a_tenant and t.oid not in (select oid from reached)
     -- Not the log: a foreign key locks the tenant's row for each entry, and all writers of a tenant would meet there.
     and t.schema <> 'audit'
     -- Nor what is written for each execution: it goes with that, by a trigger.
     and not exists (select from pg_catalog.pg_trigger g join pg_catalog.pg_proc p on p.oid = g.tgfoid
           where g.tgrelid = 'public.executions'::regclass and g.tgenabled = 'O' and g.tgtype & 8 <> 0
             and p.prosrc ~ ('delete from ' || t.name || ' '))$$,
  'every tenant table hangs on public.tenants');
select is_empty($$
  select t.name from our_tables t
   where t.schema = 'audit' and t.of_a_tenant
     and not exists (
       select from pg_catalog.pg_trigger g join pg_catalog.pg_proc p on p.oid = g.tgfoid
        where g.tgrelid = 'public.tenants'::regclass and g.tgenabled = 'O' and g.tgtype & 8 <> 0
          and p.prosrc ~ ('delete from ' || t.name || '\M'))$$,
  'what does not is emptied by a trigger when a tenant goes');

-- A full index whose first columns are the foreign key's, in any order.
select is_empty($$
  select f.conrelid::regclass, f.conname from foreign_keys f
   where not exists (
     select from pg_catalog.pg_index i
      where i.indrelid = f.conrelid and i.indpred is null and i.indisvalid
        and (pg_temp.columns_of(f.conrelid, i.indkey::smallint[]))[1:cardinality(f.from_columns)] @> f.from_columns)$$,
  'every foreign key has an index that covers it');

select is_empty($$
  select t.name from our_tables t where coalesce(obj_description(t.oid, 'pg_class'), '') = ''$$,
  'every table says what it is');

select is_empty($$
  select t.name, c.conname from pg_catalog.pg_constraint c join our_tables t on t.oid = c.conrelid
   where c.contype = 'c' and c.conname ~ '_check[0-9]*$'$$,
  'every check is named as a sentence');

select is_empty($$
  select t.tgrelid::regclass, t.tgname from pg_catalog.pg_trigger t
    join pg_catalog.pg_proc p on p.oid = t.tgfoid
   where not t.tgisinternal and p.pronamespace::regnamespace::text in ('public', 'private', 'queue', 'billing', 'audit')
     and t.tgname !~ '^(aias)?_[0-9]{3}_[a-z_]+$'$$,
  'every trigger''s name carries its order');

select is_empty($$
  select t.name, a.attname from our_tables t join pg_catalog.pg_attribute a on a.attrelid = t.oid
   where a.attnum > 0 and not a.attisdropped and a.atttypid = 'timestamp'::regtype$$,
  'every time knows its zone');

select is_empty($$
  select t.name, a.attname from our_tables t join pg_catalog.pg_attribute a on a.attrelid = t.oid
   where a.attname = 'id' and a.atttypid = 'uuid'::regtype
     and not exists (select from pg_catalog.pg_attrdef d where d.adrelid = t.oid and d.adnum = a.attnum
                      and pg_get_expr(d.adbin, d.adrelid) like 'aias.uuid7()%')
     -- Its id is the account's.
     and t.name <> 'public.users'::regclass$$,
  'every id is time-ordered');

-- What belongs to a tenant as a whole ------------------------------------------------------------------------------------------------

select is_empty($$
  select t.name from our_tables t
   where (t.schema = 'public' and (t.of_a_tenant or t.relname = 'tenants') or t.name::text = 'audit.log')
     -- An export does not hold the exports.
     and t.relname <> 'tenant_exports'
     and not exists (
       select from pg_catalog.pg_depend d join pg_catalog.pg_rewrite r on r.oid = d.objid
        where d.classid = 'pg_rewrite'::regclass and d.refobjid = t.oid and r.ev_class = 'private.tenant_data'::regclass)$$,
  'an export forgets no table of a tenant');

-- Bits of pg_trigger.tgtype: 4 insert, 8 delete, 16 update.
select is_empty($$
  select t.name, operation.name from our_tables t, (values ('insert', 4), ('delete', 8), ('update', 16)) operation (name, bit)
   where t.schema = 'public' and (t.of_a_tenant or t.relname = 'tenants')
     -- Written by what is told elsewhere: a version repeats its workflow or agent; what a run leaves is its own record; an export, a secret or a provider's key is told as an event.
     and t.relname not in ('workflow_versions', 'agent_versions', 'executions', 'execution_steps', 'usage', 'tenant_exports', 'tenant_secrets', 'provider_keys', 'captured_calls', 'marketplace_charges')
     and not exists (
       select from pg_catalog.pg_trigger g
        where g.tgrelid = t.oid and g.tgfoid = 'aias.record_change()'::regprocedure and g.tgenabled = 'O'
          and g.tgtype & operation.bit <> 0 and g.tgattr = '')$$,
  'every change of what a tenant owns is told in the audit log');

select * from finish();
rollback;
