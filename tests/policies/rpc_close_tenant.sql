-- rpc close_tenant: tenant.close, an owner's, cancels a tenant. What is left of it then is in cancelled.sql.

begin;
\ir ../fixtures/world.sql
select plan(29);

select calling('public.close_tenant', :'alpha', 'alpha') as call \gset

-- owner -----------------------------------------------------------------------------------------------------------------------------------

select answers('owner@alpha.test', asking($$format('%s %s', status, cancelled_at = now())$$, 'public.close_tenant', :'alpha', 'alpha'),
  'cancelled t', 'cancels the tenant');
select answers('both@alpha.test', asking('subdomain', 'public.close_tenant', :'beta', 'beta'), 'beta', 'cancels the one that they name');
select refused('owner@alpha.test', calling('public.close_tenant', :'alpha', bad), 400, 'wrong_subdomain',
  format('types the wrong subdomain: "%s"', bad))
  from unnest(array['beta', 'Alpha', '', null]) bad;
select refused('owner@alpha.test', calling('public.close_tenant', null, 'alpha'), 404, 'not_found', 'cancels nothing without an id');
select refused('owner@closed.test', calling('public.close_tenant', :'closed', 'closed'), 409, 'tenant_cancelled', 'cancels nothing twice');
select answers('owner@frozen.test', asking('status', 'public.close_tenant', :'frozen', 'frozen'), 'cancelled', 'cancels a tenant that is suspended');

-- admin, editor, viewer, billing, auditor, blind, keys: nobody else -----------------------------------------------------------------------

select refused(actor, :'call', 403, 'forbidden', 'cancels nothing')
  from unnest(array['admin@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test',
                    'key:robot', 'key:manager']) actor;

-- the other tenant, keys that are over, stranger ------------------------------------------------------------------------------------------

select refused(actor, :'call', 404, 'not_found', 'finds no such tenant')
  from unnest(array['owner@beta.test', 'key:beta robot', 'key:revoked', 'guest@delta.test', 'stranger@gamma.test']) actor;
select is(body(actor, :'call'), body(actor, replace(:'call', :'alpha', :'nothing')), actor || ': cannot tell Alpha from none')
  from unnest(array['owner@beta.test', 'stranger@gamma.test']) actor;

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'cancels nothing');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'cancels nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

select * from finish();
rollback;
