-- What holds for every function: a pinned search_path, no definer at the door, no caller who is not named.

begin;
select set_config('search_path', quote_ident(n.nspname) || ', pg_catalog', true)
  from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'pgtap'
\g /dev/null

create temp view our_functions as
  select p.oid, p.oid::regprocedure as name, n.nspname as schema, p.prosecdef, p.proconfig, p.proacl, p.proowner, p.prosrc, p.prokind, l.lanname,
         e.extname as extension
    from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    join pg_catalog.pg_language l on l.oid = p.prolang
    left join pg_catalog.pg_depend d on d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
    left join pg_catalog.pg_extension e on e.oid = d.refobjid
   where n.nspname in ('public', 'private', 'queue', 'billing', 'audit', 'edge', 'analytics', 'aias')
     and coalesce(e.extname, 'aias') = 'aias';

select plan(14);

select cmp_ok(count(*), '>=', 30::bigint, 'there are functions to look at') from our_functions;

select is_empty($$
  select name, proconfig from our_functions
   where extension is null and not coalesce('search_path=""' = any (proconfig), false)$$,
  'every function pins its search_path to nothing');

-- Before Postgres 18 a scan that is off costs more than anything may before it is compiled, with every call.
select is_empty($$
  select name, proconfig from our_functions
   where 'enable_seqscan=off' = any (proconfig) and not 'jit=off' = any (proconfig)$$,
  'what switches a scan off compiles nothing');

-- Its definers look into schemas that only the extension writes. An aggregate has no settings; what it calls is looked at.
select is_empty($$
  select name, proconfig from our_functions
   where extension = 'aias' and lanname <> 'c' and prokind <> 'a' and not coalesce(proconfig && array['search_path=""', 'search_path=pg_catalog'], false)$$,
  'every SQL function of the extension pins its search_path');

select is_empty($$select name from our_functions where schema = 'public' and prosecdef$$, 'nothing at the door runs as its owner');

select is_empty($$select name from our_functions where schema = 'public' and extension is not null$$, 'the extension opens no door');

select is_empty($$
  select f.name from our_functions f, lateral aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) acl
   where f.extension is null and acl.grantee = 0$$,
  'no function is anybody''s to call');

-- What a caller could change by it, were it open.
select is_empty($$
  select f.name from our_functions f, lateral aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) acl
   where f.extension = 'aias' and f.prosecdef and acl.grantee = 0$$,
  'no definer of the extension is anybody''s to call');

select is_empty($$
  select name from our_functions where schema = 'public' and coalesce(obj_description(oid, 'pg_proc'), '') = ''$$,
  'every RPC says what it does');

select is_empty($$
  select name from our_functions
   where schema in ('private', 'queue', 'billing', 'audit', 'edge') and prosecdef and lanname = 'plpgsql'
     -- One that is owned by a caller has a caller's rights.
     and proowner <> 'authenticated'::regrole
     and prosrc ~* '\mexecute\M\s+(format|''|[a-z_]+\s*\|\|)'$$,
  'no definer builds SQL out of strings');

select results_eq($$select name from our_functions where proowner = 'authenticated'::regrole$$,
  $$values ('queue.call_as_member(regprocedure,jsonb,integer)'::regprocedure)$$, 'one function is owned by a caller');

select is_empty($$
  select c.oid::regclass from pg_catalog.pg_class c
   where c.relkind = 'v' and c.relnamespace::regnamespace::text in ('public', 'analytics', 'audit')
     and not coalesce(c.reloptions && array['security_invoker=true', 'security_invoker=on', 'security_invoker=1'], false)$$,
  'every exposed view runs as its caller');

-- Whoever sets a setting sets the claims, the role and what the audit log leaves out.
select is_empty($$
  select name from our_functions
   where (schema = 'public' or has_function_privilege('authenticated', oid, 'execute')) and lanname <> 'c'
     and prosrc ~* '\mset_config\M|(;|\m(begin|then|else|loop))\s*set\s'$$,
  'no caller changes a setting through a function');

-- A schema in which a caller may create is one in which a caller may shadow.
select is_empty($$
  select n.nspname, role from pg_catalog.pg_namespace n,
         unnest(array['anon', 'authenticated', 'service_role', 'aias_edge', 'aias_worker']) role
   where n.nspname in ('public', 'private', 'queue', 'billing', 'audit', 'edge', 'aias') and has_schema_privilege(role, n.oid, 'create')$$,
  'no role of the API or of the services creates anything');

select * from finish();
rollback;
