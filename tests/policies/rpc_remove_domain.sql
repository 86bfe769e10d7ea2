-- rpc remove_domain: tenant.manage gives a domain up.

begin;
\ir ../fixtures/world.sql
select plan(25);

select calling('public.remove_domain', '01900000-0000-7000-8000-00000000a0da') as call \gset

-- owner, admin, blind, key manager: tenant.manage -----------------------------------------------------------------------------------------

select allowed(actor, :'call', 1, 'gives a domain up')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'blind@alpha.test', 'key:manager']) actor;
select refused('owner@alpha.test', calling('public.remove_domain', null), 404, 'not_found', 'gives nothing up without an id');

-- editor, viewer, billing, auditor, key robot: members without tenant.manage --------------------------------------------------------------

select refused(actor, :'call', 403, 'forbidden', 'gives nothing up')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'key:robot']) actor;

-- the other tenant, keys that are over, stranger ------------------------------------------------------------------------------------------

select refused(actor, :'call', 404, 'not_found', 'finds no such domain')
  from unnest(array['owner@beta.test', 'key:beta robot', 'key:revoked', 'guest@delta.test', 'stranger@gamma.test']) actor;
select is(body(actor, :'call'), body(actor, replace(:'call', 'a0da', 'ffff')), actor || ': cannot tell a foreign domain from none')
  from unnest(array['owner@beta.test', 'stranger@gamma.test']) actor;

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'gives nothing up');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'gives nothing up by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- At once ---------------------------------------------------------------------------------------------------------------------------------

select answers('aias_edge', $$select name from edge.tenant_of_host('app.alpha.test', 'aias.test')$$, 'Alpha', 'serves it until then');
select keep('admin@alpha.test', :'call') \g /dev/null
select sees('aias_edge', $$select from edge.tenant_of_host('app.alpha.test', 'aias.test')$$, 0, 'serves it no more');
select refused('admin@alpha.test', :'call', 404, 'not_found', 'gives nothing up twice');

select * from finish();
rollback;
