-- rpc leave_tenant: every member leaves when they like, the last owner excepted.

begin;
\ir ../fixtures/world.sql
select plan(33);

select calling('public.leave_tenant', :'alpha') as call \gset

-- every member, in a tenant of any status -------------------------------------------------------------------------------------------------

select allowed(actor, :'call', 1, 'leaves')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test',
                    'blind@alpha.test']) actor;
select allowed('both@alpha.test', calling('public.leave_tenant', tenant), 1, 'leaves either of their tenants')
  from unnest(array[:'alpha', :'beta']) tenant;
select allowed('editor@frozen.test', calling('public.leave_tenant', :'frozen'), 1, 'leaves a suspended tenant');
select allowed('admin@closed.test', calling('public.leave_tenant', :'closed'), 1, 'leaves a cancelled tenant');
select allowed('viewer@guarded.test', calling('public.leave_tenant', :'guarded'), 1, 'leaves by one factor: nothing is won by it');

-- the last owner --------------------------------------------------------------------------------------------------------------------------

select refused(actor, calling('public.leave_tenant', tenant), 409, 'last_owner', 'does not leave as the last owner')
  from (values ('owner@guarded.test+aal2', :'guarded'), ('owner@frozen.test', :'frozen'), ('owner@closed.test', :'closed')) last (actor, tenant);
select keep('both@alpha.test', calling('public.leave_tenant', tenant)) from unnest(array[:'alpha', :'beta']) tenant \g /dev/null
select refused(actor, calling('public.leave_tenant', tenant), 409, 'last_owner', 'does not leave, being the last owner by now')
  from (values ('owner@alpha.test', :'alpha'), ('owner@beta.test', :'beta')) last (actor, tenant);

-- the other tenant, keys, stranger --------------------------------------------------------------------------------------------------------

select refused(actor, :'call', 404, 'not_found', 'finds no such tenant')
  from unnest(array['owner@beta.test', 'both@alpha.test', 'key:robot', 'key:manager', 'guest@delta.test', 'stranger@gamma.test']) actor;
select is(body(actor, :'call'), body(actor, replace(:'call', :'alpha', :'nothing')), actor || ': cannot tell Alpha from none')
  from unnest(array['owner@beta.test', 'stranger@gamma.test']) actor;

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'leaves nothing');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'leaves nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- At once ---------------------------------------------------------------------------------------------------------------------------------

select keep('editor@alpha.test', :'call') \g /dev/null
select denied('editor@alpha.test', 'select from public.workflows', 'reads nothing in the next statement');
select sees('editor@alpha.test', 'select from public.memberships', 0, 'has no membership left');

select * from finish();
rollback;
