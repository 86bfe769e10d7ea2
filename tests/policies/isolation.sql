-- No row of one tenant is seen or touched by another, in any exposed table: written over the catalogue, so that a new table is in it at once.

begin;
\ir ../fixtures/world.sql

create temp table tenant_tables as
  select c.oid::regclass as name, case c.relname when 'tenants' then 'id' else 'tenant_id' end as tenant_column, c.relkind in ('r', 'p') as is_written
    from pg_catalog.pg_class c
   where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
     and (c.relname = 'tenants' or exists (
       select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped));

select plan((select count(*) * 9 + count(*) filter (where is_written) * 4 from tenant_tables)::integer + 1);

select cmp_ok(count(*), '>=', 14::bigint, 'there are tables to look at') from tenant_tables;

-- Otherwise the lines below would prove nothing.
select isnt_empty(format('select from %s where %I = %L', name, tenant_column, '01900000-0000-7000-8000-00000000a000'),
    format('%s has a row of Alpha to be looked for', name))
  from tenant_tables;

select denied(actor, format('select from %s where %I = %L', name, tenant_column, '01900000-0000-7000-8000-00000000a000'),
    format('sees no row of Alpha in %s', name))
  from tenant_tables, unnest(array['owner@beta.test', 'key:beta robot', 'stranger@gamma.test', 'anon']) actor;
select denied('owner@beta.test', format('delete from %s where %I = %L', name, tenant_column, '01900000-0000-7000-8000-00000000a000'),
    format('deletes no row of Alpha in %s', name))
  from tenant_tables where is_written;
select denied('owner@beta.test', format('update %1$s set %2$I = %3$L where %2$I = %4$L', name, tenant_column,
      '01900000-0000-7000-8000-00000000b000', '01900000-0000-7000-8000-00000000a000'),
    format('takes no row of Alpha over in %s', name))
  from tenant_tables where is_written;

select * from finish();
rollback;
