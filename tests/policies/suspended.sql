-- A suspended tenant is read and not changed; what gets it out of there goes on.

begin;
\ir ../fixtures/world.sql
\ir ../fixtures/every_write.sql
\ir ../fixtures/every_rpc.sql
select furnish(:'frozen') \g /dev/null
select queue.chain_audit(100000) \g /dev/null

create temp table actors as select * from unnest(array['owner@frozen.test', 'owner@frozen.test+aal2', 'editor@frozen.test',
  'key:frozen robot']) as actors (actor);
create temp table rpcs as
  select r.*, p.allowed_when_suspended as goes_on from assertions.every_rpc(:'frozen') r join public.permissions p on p.key = r.permission;

select plan(707);

select set_eq('select key from public.permissions where allowed_when_suspended',
  array['agents.read', 'audit.read', 'billing.manage', 'billing.read', 'executions.read', 'members.read', 'tenant.close', 'tenant.export',
    'usage.read', 'workflows.read'],
  'what goes on is reading, paying, taking the data along and leaving');

-- Reading ---------------------------------------------------------------------------------------------------------------------------------

select sees('owner@frozen.test', format('select from %s', name), n, 'reads ' || name)
  from (values ('public.tenants', 1), ('public.roles', 6), ('public.memberships', 3), ('public.users', 3), ('public.ai_agents', 1),
    ('public.workflows', 2), ('public.executions', 3), ('public.tenant_exports', 1),
               -- What is read to be changed: keys.manage, members.manage and tenant.manage are not in force.
               ('public.api_keys', 0), ('public.invitations', 0), ('public.tenant_domains', 0)) own (name, n);
select sees('editor@frozen.test', 'select from public.workflows', 2, 'reads what the role allows');
select sees('key:frozen robot', 'select from public.ai_agents', 1, 'reads what its scopes allow');
select answers('owner@frozen.test', 'select count(*) > 10 from public.audit_log', 'true', 'reads the audit log');

-- Writing ---------------------------------------------------------------------------------------------------------------------------------

select denied(actor, statement, operation || ' no row of ' || name)
  from actors, assertions.every_write(:'frozen');
select denied('owner@frozen.test', $$update public.tenants set status = 'active'$$, 'lifts no suspension');

-- RPCs ------------------------------------------------------------------------------------------------------------------------------------

select refused(actor, statement, 403, 'tenant_suspended', rpc || ' waits')
  from unnest(array['owner@frozen.test', 'owner@frozen.test+aal2']) actor, rpcs where not goes_on;
select is((attempt('owner@frozen.test', statement)).sqlstate, null, 'owner@frozen.test: ' || rpc || ' goes on')
  from rpcs where goes_on and rpc <> 'public.reopen_tenant';
select refused('editor@frozen.test', statement, 403, 'tenant_suspended', rpc || ' waits')
  from rpcs where permission in ('workflows.write', 'workflows.execute', 'executions.cancel');
select refused('key:frozen robot', calling('public.start_execution', '01900000-0000-7000-8000-00000000f0f1'), 404, 'not_found',
  'starts nothing that it cannot read');
select allowed('editor@frozen.test', calling('public.leave_tenant', :'frozen'), 1, 'leaves');
select allowed('owner@frozen.test', calling('public.create_tenant', 'Acme', 'acme'), 1, 'makes another tenant');

-- No way around it: cancelling and taking that back ends where it began -------------------------------------------------------------------

savepoint suspended;
select keep('owner@frozen.test', calling('public.close_tenant', :'frozen', 'frozen')) \g /dev/null
select isnt((attempt('owner@frozen.test', asking('status', 'public.reopen_tenant', :'frozen'))).first_value, 'active',
  'owner@frozen.test: does not become active by a detour');
rollback to suspended;
select allowed('stranger@gamma.test', 'select from public.regions', 1, 'is not concerned');

-- And back --------------------------------------------------------------------------------------------------------------------------------

update public.tenants set status = 'active' where id = :'frozen';
select allowed('owner@frozen.test', $$update public.tenants set name = 'Thawed'$$, 1, 'changes it once it is active again');
select allowed('editor@frozen.test', $$update public.workflows set name = 'Thawed'$$, 2, 'changes it once it is active again');
select is_empty('select * from private.access_audit()', 'what is in force is what the tables say');

select * from finish();
rollback;
