-- rpc transfer_ownership: an owner makes a member the owner in their place.

begin;
\ir ../fixtures/world.sql
select plan(29);

select calling('public.transfer_ownership', :'alpha', :'viewer') as call \gset

-- owner -----------------------------------------------------------------------------------------------------------------------------------

select answers('owner@alpha.test', asking($$format('%s %s', user_id, role)$$, 'public.transfer_ownership', :'alpha', :'viewer'),
  :'viewer' || ' owner',
  'makes a member the owner');
select refused('owner@alpha.test', calling('public.transfer_ownership', :'alpha', bad.member), bad.status, bad.code, bad.why)
  from (values
    (:'owner', 409, 'already_owner', 'does not hand over to themselves'),
    (:'stranger', 404, 'not_found', 'does not hand over to somebody who is no member'),
    ('01900000-0000-7000-8000-0000000000b1', 404, 'not_found', 'does not hand over to a member of Beta'),
    (null, 404, 'not_found', 'does not hand over to null')
  ) bad (member, status, code, why);

-- admin: members.manage, and no owner -----------------------------------------------------------------------------------------------------

select refused('admin@alpha.test', calling('public.transfer_ownership', :'alpha', member), 403, 'escalation', 'hands over what is not theirs')
  from unnest(array[:'viewer', :'admin']) member;

-- editor, viewer, billing, auditor, blind, key robot; the other tenant, stranger ----------------------------------------------------------

select refused(actor, :'call', 403, 'forbidden', 'hands nothing over')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot']) actor;
select refused(actor, :'call', 404, 'not_found', 'finds no such tenant')
  from unnest(array['owner@beta.test', 'key:beta robot', 'key:revoked', 'guest@delta.test', 'stranger@gamma.test']) actor;
select is(body(actor, :'call'), body(actor, replace(:'call', :'alpha', :'nothing')), actor || ': cannot tell Alpha from none')
  from unnest(array['owner@beta.test', 'stranger@gamma.test']) actor;

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'hands nothing over');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'hands nothing over by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- What it leaves --------------------------------------------------------------------------------------------------------------------------

select keep('owner@alpha.test', :'call') \g /dev/null
select results_eq(format('select user_id, role from public.memberships where tenant_id = %L and user_id in (%L, %L) order by user_id', :'alpha',
  :'owner', :'viewer'),
  format('values (%L::uuid, ''admin''), (%L, ''owner'')', :'owner', :'viewer'), 'who was the owner is an admin');
select refused('owner@alpha.test', calling('public.close_tenant', :'alpha', 'alpha'), 403, 'forbidden', 'no longer ends the tenant');
select answers('viewer@alpha.test', asking('status', 'public.close_tenant', :'alpha', 'alpha'), 'cancelled', 'may end it now');
select is(used, 8::bigint, 'no seat is taken by it') from aias.quota_status(:'alpha') where meter = 'users';

select * from finish();
rollback;
