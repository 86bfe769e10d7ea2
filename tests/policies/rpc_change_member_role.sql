-- rpc change_member_role: members.manage gives a member another role, when it holds all of the old role and of the new one.
-- What it does not hold is in escalation_team.sql.

begin;
\ir ../fixtures/world.sql
select plan(36);

select calling('public.change_member_role', :'alpha', :'viewer', 'auditor') as call \gset

-- owner, admin: members.manage ------------------------------------------------------------------------------------------------------------

select answers(actor, asking('role', 'public.change_member_role', :'alpha', :'viewer', 'editor'), 'editor', 'gives a member another role')
  from unnest(array['owner@alpha.test', 'admin@alpha.test']) actor;
select answers('owner@alpha.test', asking('role', 'public.change_member_role', :'alpha', :'viewer', 'owner'), 'owner', 'makes another owner');
select answers('owner@alpha.test', asking('role', 'public.change_member_role', :'alpha', :'both', 'viewer'), 'viewer', 'unmakes another owner');
select answers('owner@alpha.test', asking('role', 'public.change_member_role', :'alpha', :'owner', 'viewer'), 'viewer',
  'steps down while there is another');
select answers('admin@alpha.test', asking('role', 'public.change_member_role', :'alpha', :'admin', 'viewer'), 'viewer', 'steps down');
select answers('admin@alpha.test', asking('role', 'public.change_member_role', :'alpha', :'viewer', 'viewer'), 'viewer',
  'changes nothing by giving the same role');

select refused('owner@alpha.test', calling('public.change_member_role', :'alpha', bad.member, bad.role), bad.status, bad.code, bad.why)
  from (values
    (:'viewer', 'nobodys', 400, 'unknown_role', 'gives no role that is not there'),
    (:'viewer', null, 400, 'unknown_role', 'gives no role of null'),
    (:'stranger', 'viewer', 404, 'not_found', 'makes no member of somebody who is none'),
    ('01900000-0000-7000-8000-0000000000b1', 'viewer', 404, 'not_found', 'makes no member of a member of Beta'),
    (:'nothing', 'viewer', 404, 'not_found', 'makes no member of nobody'),
    (null, 'viewer', 404, 'not_found', 'makes no member of null')
  ) bad (member, role, status, code, why);
select is(body('owner@alpha.test', calling('public.change_member_role', :'alpha', '01900000-0000-7000-8000-0000000000b1', 'viewer')),
  body('owner@alpha.test', calling('public.change_member_role', :'alpha', :'nothing', 'viewer')),
    'owner@alpha.test: cannot tell somebody else''s member from nobody');
-- The last one.
update public.memberships set role = 'viewer' where tenant_id = :'beta' and user_id = :'both';
select refused('owner@beta.test', calling('public.change_member_role', :'beta', '01900000-0000-7000-8000-0000000000b1', 'admin'), 409, 'last_owner',
  'does not step down as the last owner');

-- editor, viewer, billing, auditor, blind, key robot --------------------------------------------------------------------------------------

select refused(actor, :'call', 403, 'forbidden', 'gives nobody another role')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot']) actor;

-- the other tenant, keys that are over, stranger ------------------------------------------------------------------------------------------

select refused(actor, :'call', 404, 'not_found', 'finds no such tenant')
  from unnest(array['owner@beta.test', 'key:beta robot', 'key:revoked', 'guest@delta.test', 'stranger@gamma.test']) actor;
select is(body(actor, :'call'), body(actor, replace(:'call', :'alpha', :'nothing')), actor || ': cannot tell Alpha from none')
  from unnest(array['owner@beta.test', 'stranger@gamma.test']) actor;

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'gives nobody another role');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'gives nobody another role by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- At once ---------------------------------------------------------------------------------------------------------------------------------

select keep('admin@alpha.test', asking('role', 'public.change_member_role', :'alpha', :'viewer', 'auditor')) \g /dev/null
select denied('viewer@alpha.test', 'select from public.workflows', 'reads no workflow in the next statement');
select sees('viewer@alpha.test', 'select from public.executions', 3, 'and reads what the new role allows');

select * from finish();
rollback;
