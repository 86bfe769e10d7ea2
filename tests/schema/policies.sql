-- What holds for every policy: one operation, named roles, evaluated once a statement.

begin;
select set_config('search_path', quote_ident(n.nspname) || ', pg_catalog', true)
  from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'pgtap'
\g /dev/null

create temp view our_policies as
  select p.polname, p.polrelid::regclass as on_table, p.polcmd, p.polroles, p.polpermissive,
         coalesce(pg_get_expr(p.polqual, p.polrelid), '') as using_text,
         coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '') as check_text
    from pg_catalog.pg_policy p
    join pg_catalog.pg_class c on c.oid = p.polrelid
   where c.relnamespace::regnamespace::text in ('public', 'private', 'queue', 'billing', 'audit', 'edge', 'analytics');

-- What is left of an expression when everything that is evaluated once a statement is taken out of it.
create function pg_temp.per_row(expression text) returns text language sql as $$
  select regexp_replace(regexp_replace(regexp_replace(expression,
    '\( SELECT auth\.\w+\(\) AS \w+\)', '', 'g'),
    '\( SELECT aias\.\w+\((''[^'']*''::text)?\) AS \w+\)(::uuid\[\])?', '<once>', 'g'),
    -- What compares with it is no question.
    'aias\.among\((\w+\.)?\w+, (<once>)\)', '', 'g')
$$;

-- What Postgres makes of it.
create function pg_temp.plan_of(statement text) returns setof text language plpgsql as $$
begin
  perform set_config('role', 'authenticated', true),
          set_config('request.jwt.claims', '{"sub": "01900000-0000-7000-8000-0000000000a1", "role": "authenticated"}', true);
  return query execute 'explain (costs off, verbose) ' || statement;
  perform set_config('role', 'none', true);
end
$$;

-- A table whose schema is closed is read through the views over it, as its policies are met there.
create temp table doors as
  select distinct on_table as name from our_policies join pg_catalog.pg_class c on c.oid = on_table
   where has_schema_privilege('authenticated', c.relnamespace, 'usage')
  union
  select distinct r.ev_class::regclass from our_policies
    join pg_catalog.pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = on_table and d.classid = 'pg_rewrite'::regclass
    join pg_catalog.pg_rewrite r on r.oid = d.objid
    join pg_catalog.pg_class c on c.oid = r.ev_class
   where has_schema_privilege('authenticated', c.relnamespace, 'usage') and has_table_privilege('authenticated', c.oid, 'select');

create temp table statements as
  select t.name, format(s.statement, t.name, t.changeable) as statement
    from (
      select doors.name, (
        select quote_ident(a.attname) from pg_catalog.pg_attribute a
         where a.attrelid = doors.name and a.attnum > 0 and has_column_privilege('authenticated', doors.name, a.attnum, 'update')
         order by a.attnum limit 1) as changeable
        from doors
    ) t,
    (values ('select * from %1$s', 'select'), ('update %1$s set %2$s = %2$s', 'update'), ('delete from %1$s', 'delete')) s (statement, needs)
   where case s.needs when 'update' then t.changeable is not null else has_table_privilege('authenticated', t.name, s.needs) end;

select plan(11 + (select count(*) from statements)::integer);

select cmp_ok(count(*), '>=', 16::bigint, 'there are policies to look at') from our_policies;

select is_empty($$select distinct on_table from our_policies
   where not exists (select from statements s where s.name = on_table)
     and not exists (select from statements s join pg_catalog.pg_rewrite r on r.ev_class = s.name
                       join pg_catalog.pg_depend d on d.objid = r.oid and d.refobjid = on_table)$$,
  'every table with a policy is met by a statement below');

-- A wall alone lets nobody in, and one that stands before another operation than its door guards nothing.
select is_empty($$select w.on_table, w.polname from our_policies w
   where not w.polpermissive
     and not exists (select from our_policies d where d.polpermissive and d.on_table = w.on_table and d.polcmd = w.polcmd)$$,
  'every restrictive policy stands behind a permissive one');

-- What a tenant with a second factor wants it for: writes, and members, keys and billing. The audit log is behind a permission that is not in force
-- without one.
select is_empty($$select d.on_table, d.polcmd from our_policies d
   where d.polpermissive and (d.using_text || d.check_text) ~ 'tenants_with'
     and (d.polcmd <> 'r' or (d.using_text ~ 'tenants_with\(''(members|keys|billing|tenant|roles)\.'
                              and d.on_table <> 'public.users'::regclass))
     and not exists (select from our_policies w where not w.polpermissive and w.on_table = d.on_table and w.polcmd = d.polcmd
                        and (w.using_text || w.check_text) ~ 'tenants_asking_for_second_factor')$$,
  'what wants a second factor has its wall');

select is_empty($$select on_table, polname from our_policies where polcmd = '*'$$, 'every policy is for one operation');

select is_empty($$select on_table, polname from our_policies where 0 = any (polroles)$$, 'every policy names its roles');

select is_empty($$select on_table, polname from our_policies
   where exists (select from unnest(polroles) r where r::regrole::text not in ('anon', 'authenticated', 'analyst'))$$,
  'every policy is for a role of the API or of analysts');

select is_empty($$select on_table, polname from our_policies where polname !~ ' '$$, 'every policy is named as a sentence');

select is_empty($$
  select on_table, polname, pg_temp.per_row(using_text || ' ' || check_text) from our_policies
   where pg_temp.per_row(using_text || ' ' || check_text) ~ '\m((auth|private|public|aias|queue)\.\w+|current_setting)\('$$,
  'no policy calls a function for each row');

select is_empty($$
  select on_table, polname from our_policies where polcmd = 'w' and (using_text = '' or check_text <> using_text)$$,
  'every update leaves a row where it was found');

-- A misspelt permission is held by nobody, and looks like a denial.
select is_empty($$
  select spoken.permission from (
    select (regexp_matches(using_text || check_text, 'tenants_with\(''([^'']*)''', 'g'))[1] as permission from our_policies
    union
    select (regexp_matches(prosrc, 'tenants_with\(''([^'']*)''', 'g'))[1] from pg_catalog.pg_proc where pronamespace = 'private'::regnamespace
  ) spoken
  where spoken.permission not in (select key from public.permissions)$$,
  'every permission that is asked for exists');

-- The regular expressions above know today's forms; the planner knows them all.
select is((select string_agg(line, chr(10)) from pg_temp.plan_of(statement) line where line ~ 'SubPlan'), null,
    format('the plan asks once: %s', statement))
  from statements;

select * from finish();
rollback;
