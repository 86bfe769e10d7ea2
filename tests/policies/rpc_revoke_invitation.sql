-- rpc revoke_invitation: members.manage withdraws a pending invitation; its link is worth nothing from here on.

begin;
\ir ../fixtures/world.sql
select plan(29);

select calling('public.revoke_invitation', '01900000-0000-7000-8000-00000000a0b1') as call \gset

-- owner, admin, key manager: members.manage -----------------------------------------------------------------------------------------------

select answers(actor, asking('revoked_at = now()', 'public.revoke_invitation', '01900000-0000-7000-8000-00000000a0b1'), 'true',
  'withdraws an invitation')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager']) actor;
select refused('owner@alpha.test', calling('public.revoke_invitation', '01900000-0000-7000-8000-00000000a0b3'), 409, 'invitation_over',
  'withdraws none that was accepted');
select refused('owner@alpha.test', calling('public.revoke_invitation', null), 404, 'not_found', 'withdraws none without an id');

-- editor, viewer, billing, auditor, blind, key robot --------------------------------------------------------------------------------------

select refused(actor, :'call', 403, 'forbidden', 'withdraws nothing')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot']) actor;

-- the other tenant, keys that are over, who is invited, stranger --------------------------------------------------------------------------

select refused(actor, :'call', 404, 'not_found', 'finds no such invitation')
  from unnest(array['owner@beta.test', 'key:beta robot', 'key:revoked', 'guest@delta.test', 'stranger@gamma.test']) actor;
select is(body(actor, :'call'), body(actor, replace(:'call', 'a0b1', 'ffff')), actor || ': cannot tell a foreign invitation from none')
  from unnest(array['owner@beta.test', 'stranger@gamma.test', 'guest@delta.test']) actor;

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'withdraws nothing');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'withdraws nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- What a withdrawal leaves ----------------------------------------------------------------------------------------------------------------

select keep('admin@alpha.test', :'call') \g /dev/null
select is_empty($$select from private.invitation_tokens where invitation_id = '01900000-0000-7000-8000-00000000a0b1'$$, 'no token');
select is(status, 'dropped', 'no mail that is still to be sent') from queue.mails where subject_id = '01900000-0000-7000-8000-00000000a0b1';
select refused('guest@delta.test', calling('public.accept_invitation', 'token of a0b1'), 404, 'not_found', 'finds no invitation behind the link');
select refused('admin@alpha.test', :'call', 409, 'invitation_over', 'withdraws nothing twice');
select answers('admin@alpha.test', asking('email', 'public.invite_member', :'alpha', 'guest@delta.test', 'viewer'), 'guest@delta.test',
  'may invite anew');

select * from finish();
rollback;
