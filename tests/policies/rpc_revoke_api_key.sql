-- rpc revoke_api_key: keys.manage ends a key, whose next statement finds nothing.

begin;
\ir ../fixtures/world.sql
select plan(29);

select calling('public.revoke_api_key', '01900000-0000-7000-8000-00000000a0c1') as call \gset

-- owner, admin, key manager: keys.manage --------------------------------------------------------------------------------------------------

select answers(actor, asking('revoked_at = now()', 'public.revoke_api_key', '01900000-0000-7000-8000-00000000a0c1'), 'true', 'ends a key')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager']) actor;
select answers('key:manager', asking('revoked_at = now()', 'public.revoke_api_key', '01900000-0000-7000-8000-00000000a0c2'), 'true', 'ends itself');
select answers('owner@alpha.test', asking($$revoked_at = '2026-01-01'$$, 'public.revoke_api_key', '01900000-0000-7000-8000-00000000a0c4'), 'true',
  'changes nothing by ending a key again');
select refused('owner@alpha.test', calling('public.revoke_api_key', null), 404, 'not_found', 'ends no key without an id');

-- editor, viewer, billing, auditor, blind, key robot: members without keys.manage ---------------------------------------------------------

select refused(actor, :'call', 403, 'forbidden', 'ends no key')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot']) actor;

-- the other tenant, keys that are over, stranger ------------------------------------------------------------------------------------------

select refused(actor, :'call', 404, 'not_found', 'finds no such key')
  from unnest(array['owner@beta.test', 'key:beta robot', 'key:expired', 'key:revoked', 'guest@delta.test', 'stranger@gamma.test']) actor;
select is(body(actor, :'call'), body(actor, replace(:'call', 'a0c1', 'ffff')), actor || ': cannot tell a foreign key from none')
  from unnest(array['owner@beta.test', 'stranger@gamma.test']) actor;

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'ends no key');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'ends no key by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- At once ---------------------------------------------------------------------------------------------------------------------------------

select sees('key:robot', 'select from public.workflows', 3, 'reads the workflows until then');
select keep('admin@alpha.test', :'call') \g /dev/null
select denied('key:robot', 'select from public.workflows', 'reads nothing in the next statement');
select answers('aias_edge', $$select edge.authenticate_key(sha256('text of robot')) is null$$, 'true', 'knows the key no more');

select * from finish();
rollback;
