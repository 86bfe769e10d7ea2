-- A cancelled tenant is its owners', to be read for 30 days; everybody else is out in the next statement.

begin;
\ir ../fixtures/world.sql
\ir ../fixtures/every_write.sql
\ir ../fixtures/every_rpc.sql
select furnish(:'closed') \g /dev/null
select queue.chain_audit(100000) \g /dev/null

create temp table rpcs as
  select r.*, p.allowed_when_suspended as goes_on from assertions.every_rpc(:'closed') r join public.permissions p on p.key = r.permission;

select plan(998);

-- owner: reads and takes along ------------------------------------------------------------------------------------------------------------

select sees('owner@closed.test', format('select from %s', name), n, 'reads ' || name)
  from (values ('public.tenants', 1), ('public.roles', 6), ('public.memberships', 3), ('public.users', 3), ('public.ai_agents', 1),
    ('public.workflows', 2), ('public.executions', 3), ('public.tenant_exports', 1)) own (name, n);
select answers('owner@closed.test', 'select count(*) > 10 from public.audit_log', 'true', 'reads the audit log');
select denied(actor, statement, operation || ' no row of ' || name)
  from unnest(array['owner@closed.test', 'owner@closed.test+aal2']) actor, assertions.every_write(:'closed');
select refused('owner@closed.test', statement, 403, 'tenant_cancelled', rpc || ' is over') from rpcs where not goes_on;
select is((attempt('owner@closed.test', statement)).sqlstate, null, 'owner@closed.test: ' || rpc || ' goes on')
  from rpcs where goes_on and rpc <> 'public.close_tenant';
select refused('owner@closed.test', statement, 409, 'tenant_cancelled', 'cancels nothing twice') from rpcs where rpc = 'public.close_tenant';

-- admin, viewer, key: as if it had never been ---------------------------------------------------------------------------------------------

select denied(actor, format('select from public.%I where %I = %L', c.relname, case c.relname when 'tenants' then 'id' else 'tenant_id' end,
  :'closed'), 'reads no row of ' || c.relname)
  from unnest(array['admin@closed.test', 'key:closed robot', 'stranger@gamma.test']) actor, pg_catalog.pg_class c
 where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')
   and (c.relname = 'tenants' or exists (select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id'))
   -- They still read that they are a member.
   and (c.relname <> 'memberships' or actor <> 'admin@closed.test');
select sees('admin@closed.test', 'select from public.memberships', 1, 'reads that they are a member and nobody else');
select sees('admin@closed.test', 'select from public.users', 1, 'reads themselves and nobody else');
select denied(actor, statement, operation || ' no row of ' || name)
  from unnest(array['admin@closed.test', 'key:closed robot']) actor, assertions.every_write(:'closed');
select refused(actor, statement, 404, 'not_found', rpc || ' finds nothing')
  from unnest(array['admin@closed.test', 'key:closed robot']) actor, rpcs;
select is(body(actor, statement), body(actor, replace(replace(statement, 'e000', 'ffff'), '00000000e0', '00000000ff')),
  format('%s: %s cannot tell it from none', actor, rpc))
  from unnest(array['admin@closed.test']) actor, rpcs where rpc not in ('public.cancel_execution');
select sees('admin@closed.test', 'select from public.my_tenants()', 0, 'is told of no tenant');
select answers('owner@closed.test', $$select access_ends_at - now() from public.my_tenants()$$, '29 days', 'is told until when');

-- It is not served, and its keys open nothing ---------------------------------------------------------------------------------------------

select sees('aias_edge', $$select from edge.tenant_of_host('closed.aias.test', 'aias.test')$$, 0, 'serves no cancelled tenant');
select is(keep('aias_edge', $$select edge.domain_is_served('closed.aias.test', 'aias.test')$$), 'false', 'aias_edge: asks for no certificate of its');

-- After 30 days it is nobody's ------------------------------------------------------------------------------------------------------------

update public.tenants set cancelled_at = now() - interval '30 days' + interval '1 second' where id = :'closed';
select sees('owner@closed.test', 'select from public.workflows', 2, 'reads it to the last second');
update public.tenants set cancelled_at = now() - interval '30 days' where id = :'closed';
select sees('owner@closed.test', format('select from public.%I', name), 0, format('reads no %s any more', name))
  from unnest(array['tenants', 'workflows', 'ai_agents', 'executions', 'audit_log']) name;
select refused('owner@closed.test', statement, 404, 'not_found', rpc || ' finds nothing any more') from rpcs;
select is_empty('select * from private.access_audit()', 'what is in force is what the tables say');

-- At once, for an owner who cancels -------------------------------------------------------------------------------------------------------

select keep('owner@alpha.test', calling('public.close_tenant', :'alpha', 'alpha')) \g /dev/null
select sees('owner@alpha.test', 'select from public.workflows', 3, 'reads it in the next statement');
select denied('owner@alpha.test', $$update public.workflows set name = 'Renamed'$$, 'changes nothing in the next statement');
select denied(actor, 'select from public.workflows', 'is out in the next statement')
  from unnest(array['admin@alpha.test', 'viewer@alpha.test', 'key:robot']) actor;
select sees('both@alpha.test', 'select from public.workflows', 4, 'reads it as the other owner, and the other tenant');
select allowed('both@alpha.test', $$update public.workflows set name = 'Renamed'$$, 1, 'changes the other tenant');
select is((attempt('both@alpha.test', asking('status', 'public.reopen_tenant', :'alpha'))).first_value, 'active',
  'both@alpha.test: takes it back as the other owner');

select * from finish();
rollback;
