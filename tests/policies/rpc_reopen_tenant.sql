-- rpc reopen_tenant: an owner takes their own cancellation back, within 30 days.

begin;
\ir ../fixtures/world.sql
select plan(22);

select calling('public.reopen_tenant', :'closed') as call \gset

-- owner -----------------------------------------------------------------------------------------------------------------------------------

select answers('owner@closed.test', asking($$format('%s %s %s', status, cancelled_at, cancelled_by_owner)$$, 'public.reopen_tenant', :'closed'),
  'active  f',
  'takes the cancellation back');
select refused('owner@alpha.test', calling('public.reopen_tenant', :'alpha'), 409, 'tenant_not_cancelled',
  'takes nothing back that is not cancelled');
select refused('owner@frozen.test', calling('public.reopen_tenant', :'frozen'), 409, 'tenant_not_cancelled', 'lifts no suspension');
select refused('owner@alpha.test', calling('public.reopen_tenant', null), 404, 'not_found', 'takes nothing back without an id');

-- admin: no member of a cancelled tenant; and everybody else ------------------------------------------------------------------------------

select refused(actor, :'call', 404, 'not_found', 'finds no such tenant')
  from unnest(array['admin@closed.test', 'key:closed robot', 'owner@alpha.test', 'owner@beta.test', 'stranger@gamma.test']) actor;
select refused(actor, calling('public.reopen_tenant', :'alpha'), 403, 'forbidden', 'takes nothing back')
  from unnest(array['admin@alpha.test', 'viewer@alpha.test', 'key:manager']) actor;
select is(body(actor, :'call'), body(actor, replace(:'call', :'closed', :'nothing')), actor || ': cannot tell Closed from none')
  from unnest(array['admin@closed.test', 'stranger@gamma.test']) actor;

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'takes nothing back');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'takes nothing back by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- Back to what it was, and no further -----------------------------------------------------------------------------------------------------

select keep('owner@frozen.test', calling('public.close_tenant', :'frozen', 'frozen')) \g /dev/null
select isnt((attempt('owner@frozen.test', asking('status', 'public.reopen_tenant', :'frozen'))).first_value, 'active',
  'owner@frozen.test: lifts no suspension by cancelling and taking it back');

-- An operator's cancellation is the operator's.
update public.tenants set status = 'active' where id = :'closed';
update public.tenants set status = 'cancelled' where id = :'closed';
select refused('owner@closed.test', :'call', 409, 'tenant_not_cancelled', 'takes back no cancellation of the operator''s');

-- Too late.
update public.tenants set status = 'active' where id = :'closed';
select keep('owner@closed.test', calling('public.close_tenant', :'closed', 'closed')) \g /dev/null
update public.tenants set cancelled_at = now() - interval '30 days' where id = :'closed';
select refused('owner@closed.test', :'call', 404, 'not_found', 'takes nothing back after 30 days');

select * from finish();
rollback;
