-- rpc remove_member: members.manage removes a member of whose role it holds all. Who is stronger is in escalation_team.sql.

begin;
\ir ../fixtures/world.sql
select plan(30);

select calling('public.remove_member', :'alpha', :'viewer') as call \gset

-- owner, admin: members.manage ------------------------------------------------------------------------------------------------------------

select allowed(actor, :'call', 1, 'removes a member')
  from unnest(array['owner@alpha.test', 'admin@alpha.test']) actor;
select allowed('owner@alpha.test', calling('public.remove_member', :'alpha', :'both'), 1, 'removes another owner');
select allowed('admin@alpha.test', calling('public.remove_member', :'alpha', :'admin'), 1, 'removes themselves');
select refused('owner@alpha.test', calling('public.remove_member', :'alpha', bad.member), 404, 'not_found', bad.why)
  from (values
    (:'stranger', 'removes nobody who is no member'),
    ('01900000-0000-7000-8000-0000000000b1', 'removes no member of Beta'),
    (null, 'removes nobody of null')
  ) bad (member, why);
update public.memberships set role = 'viewer' where tenant_id = :'beta' and user_id = :'both';
select refused('owner@beta.test', calling('public.remove_member', :'beta', '01900000-0000-7000-8000-0000000000b1'), 409, 'last_owner',
  'does not remove themselves as the last owner');

-- editor, viewer, billing, auditor, blind, key robot --------------------------------------------------------------------------------------

select refused(actor, :'call', 403, 'forbidden', 'removes nobody')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot']) actor;

-- the other tenant, keys that are over, stranger ------------------------------------------------------------------------------------------

select refused(actor, :'call', 404, 'not_found', 'finds no such tenant')
  from unnest(array['owner@beta.test', 'key:beta robot', 'key:revoked', 'guest@delta.test', 'stranger@gamma.test']) actor;
select is(body(actor, :'call'), body(actor, replace(:'call', :'alpha', :'nothing')), actor || ': cannot tell Alpha from none')
  from unnest(array['owner@beta.test', 'stranger@gamma.test']) actor;

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'removes nobody');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'removes nobody by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- At once ---------------------------------------------------------------------------------------------------------------------------------

select keep('admin@alpha.test', :'call') \g /dev/null
select denied('viewer@alpha.test', 'select from public.workflows', 'reads nothing in the next statement');
select is(used, 7::bigint, 'a seat is free') from aias.quota_status(:'alpha') where meter = 'users';
select refused('admin@alpha.test', :'call', 404, 'not_found', 'removes nobody twice');

select * from finish();
rollback;
