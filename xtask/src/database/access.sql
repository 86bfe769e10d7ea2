-- Everything that decides who may do what in this project's schemas, one line each, in an order that does not depend on the database.
--
-- Seen from the roles that matter: the API roles, the services' login roles and PUBLIC. Owners are left out (they may do everything),
-- and so are roles that only one installation knows.
with schemas as (
  select n.oid, n.nspname
    from pg_catalog.pg_namespace n
   where n.nspname = any ($1)
),
grantees as (
  select 0::oid as oid, 'public' as name
  union all
  select r.oid, r.rolname
    from pg_catalog.pg_roles r
   where r.rolname in ('anon', 'authenticated', 'service_role', 'analyst') or r.rolname ~ '^aias_(edge|worker)$'
),
grants as (
  select 'schema ' || s.nspname as thing, a.grantee, a.privilege_type, a.is_grantable
    from pg_catalog.pg_namespace n
    join schemas s on s.oid = n.oid
   cross join aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
  union all
  select case c.relkind when 'S' then 'sequence ' else 'table ' end || s.nspname || '.' || c.relname,
         a.grantee, a.privilege_type, a.is_grantable
    from pg_catalog.pg_class c
    join schemas s on s.oid = c.relnamespace
   cross join aclexplode(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))) a
   where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  union all
  select 'column ' || s.nspname || '.' || c.relname || '.' || t.attname, a.grantee, a.privilege_type, a.is_grantable
    from pg_catalog.pg_attribute t
    join pg_catalog.pg_class c on c.oid = t.attrelid
    join schemas s on s.oid = c.relnamespace
   cross join aclexplode(t.attacl) a
   where t.attacl is not null and not t.attisdropped
  union all
  select 'function ' || s.nspname || '.' || p.proname || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')',
         a.grantee, a.privilege_type, a.is_grantable
    from pg_catalog.pg_proc p
    join schemas s on s.oid = p.pronamespace
   cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
)
select line from (
select 'grant ' || g.privilege_type || ' on ' || g.thing || ' to ' || r.name
         || case when g.is_grantable then ' with grant option' else '' end as line
  from grants g
  join grantees r on r.oid = g.grantee
union all
select 'policy ' || quote_ident(p.policyname) || ' on ' || p.schemaname || '.' || p.tablename
         || ' ' || lower(p.permissive) || ' for ' || lower(p.cmd) || ' to ' || array_to_string(p.roles, ', ')
         || coalesce(' using ' || regexp_replace(p.qual, '\s+', ' ', 'g'), '')
         || coalesce(' with check ' || regexp_replace(p.with_check, '\s+', ' ', 'g'), '')
  from pg_catalog.pg_policies p
 where p.schemaname in (select nspname from schemas)
union all
select 'row level security ' || case when c.relrowsecurity then 'on' else 'OFF' end
         || case when c.relforcerowsecurity then ', forced' else '' end
         || ' for ' || s.nspname || '.' || c.relname
  from pg_catalog.pg_class c
  join schemas s on s.oid = c.relnamespace
 where c.relkind in ('r', 'p')
) as everything
order by line collate "C"
