-- private, queue, aias, auth: lent to policies and RPCs, and to nobody's hands.

begin;
\ir ../fixtures/world.sql

-- One line for each table that is not exposed and each actor, and one for each function.
create temp table hidden_tables as
  select c.oid::regclass as name
    from pg_catalog.pg_class c
   where c.relnamespace::regnamespace::text in ('private', 'queue', 'aias', 'auth') and c.relkind in ('r', 'p', 'v', 'm');
create temp table our_functions as
  select p.oid::regprocedure as name, n.nspname as schema,
         -- The RPCs, and what policies/functions.sql lends to whoever signed in. A longer list wants a reason there.
         n.nspname = 'public' or p.oid = any (array[
           'private.tenants_with(text)', 'private.own_tenants()',
           'private.refuse(integer, text, text, text, text, jsonb)', 'private.create_tenant(text, text)', 'private.quota_status(uuid)',
           'private.start_execution(uuid, jsonb, text)', 'private.cancel_execution(uuid)',
           'aias.uuid7()', 'aias.workflow_problems(jsonb, jsonb)', 'aias.workflow_is_valid(jsonb, jsonb)'
         ]::regprocedure[]::oid[]) as lent
    from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
   where n.nspname in ('public', 'private', 'queue', 'aias')
     and not exists (
       select from pg_catalog.pg_depend d join pg_catalog.pg_extension e on e.oid = d.refobjid
        where d.objid = p.oid and d.deptype = 'e' and e.extname <> 'aias');

select plan((select count(*) * 5 from hidden_tables)::integer + (select count(*) * 5 from our_functions)::integer + 14);

-- Tables ---------------------------------------------------------------------------------------------------------------------------------

select unreachable(actor, format('select from %s', name), format('cannot ask for %s', name))
  from hidden_tables, unnest(array['owner@alpha.test', 'stranger@gamma.test', 'anon', 'aias_worker', 'aias_edge']) actor;

-- Functions ------------------------------------------------------------------------------------------------------------------------------

select is(has_function_privilege('authenticated', name, 'execute'), lent,
    format('authenticated: %s call %s', case when lent then 'may' else 'may not' end, name))
  from our_functions;
select is(has_function_privilege(role, name, 'execute'), false, format('%s: may not call %s', role, name))
  from our_functions, unnest(array['anon', 'service_role', 'aias_edge']) role;
select is(has_function_privilege('aias_worker', name, 'execute'), name = any (array[
      'queue.claim(text, integer, interval)', 'queue.plan(uuid, uuid, integer)', 'queue.agent(uuid, uuid)',
      'queue.renew(text, jsonb, interval)', 'queue.reserve_tokens(uuid, uuid, bigint, bigint)', 'queue.record(text, jsonb)',
      'queue.next_due()', 'queue.sweep()']::regprocedure[]),
    format('aias_worker: what it may call is listed: %s', name))
  from our_functions;

-- By hand --------------------------------------------------------------------------------------------------------------------------------

select unreachable('owner@alpha.test', format('select %s', call), format('cannot call %s', call))
  from unnest(array[
    $$aias.quota_give('01900000-0000-7000-8000-00000000a000', 'executions', 5)$$,
    $$aias.quota_set('01900000-0000-7000-8000-00000000a000', 'executions', 'flow', null)$$,
    $$aias.quota_take('01900000-0000-7000-8000-00000000b000', 'executions', 1)$$,
    $$aias.quota_forget('01900000-0000-7000-8000-00000000b000')$$,
    $$aias.quota_status('01900000-0000-7000-8000-00000000b000')$$,
    $$queue.next_due()$$,
    $$queue.sweep()$$,
    $$queue.claim('me', 10, '1 hour')$$,
    $$queue.record('w1', '[]')$$,
    $$private.sync_limits(null::public.tenants)$$
  ]) call;
select unreachable('owner@alpha.test', 'create table public.mine ()', 'makes no table');
select unreachable('owner@alpha.test', 'create function private.mine() returns int language sql as $f$ select 1 $f$', 'makes no function');
select unreachable('owner@alpha.test', $$create policy "all" on public.workflows for all to authenticated using (true)$$, 'makes no policy');
select unreachable('owner@alpha.test', 'alter table public.workflows disable row level security', 'takes no wall down');

select * from finish();
rollback;
