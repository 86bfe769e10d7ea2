-- rpc export_tenant: tenant.export asks for all data of a tenant; a worker writes it (worker_exports.sql).

begin;
\ir ../fixtures/world.sql
select plan(26);

select calling('public.export_tenant', :'alpha') as call \gset

-- owner, admin, key manager: tenant.export ------------------------------------------------------------------------------------------------

select answers(actor, asking('status', 'public.export_tenant', :'alpha'), 'queued', 'asks for an export')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager']) actor;
select answers('admin@alpha.test', asking('requested_by', 'public.export_tenant', :'alpha'), :'admin', 'is named as the one who asked');
select refused('owner@alpha.test', calling('public.export_tenant', null), 404, 'not_found', 'asks for nothing of no tenant');

-- editor, viewer, billing, auditor, blind, key robot: members without tenant.export -------------------------------------------------------

select refused(actor, :'call', 403, 'forbidden', 'exports nothing')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot']) actor;

-- the other tenant, keys that are over, stranger ------------------------------------------------------------------------------------------

select refused(actor, :'call', 404, 'not_found', 'finds no such tenant')
  from unnest(array['owner@beta.test', 'key:beta robot', 'key:revoked', 'guest@delta.test', 'stranger@gamma.test']) actor;
select is(body(actor, :'call'), body(actor, replace(:'call', :'alpha', :'nothing')), actor || ': cannot tell Alpha from none')
  from unnest(array['owner@beta.test', 'stranger@gamma.test']) actor;

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'exports nothing');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'exports nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- What it leaves --------------------------------------------------------------------------------------------------------------------------

select keep('admin@alpha.test', asking('id', 'public.export_tenant', :'alpha')) as asked \gset
select refused('owner@alpha.test', :'call', 409, 'export_under_way', 'waits for the one that is under way');
select allowed('both@alpha.test', calling('public.export_tenant', :'beta'), 1, 'may have one of another tenant meanwhile');
select results_eq(format('select action, actor_id from audit.inbox where subject_id = %L', :'asked'),
  format('values (''security.export_requested'', %L::uuid)', :'admin'), 'the audit log says who asked');

select * from finish();
rollback;
