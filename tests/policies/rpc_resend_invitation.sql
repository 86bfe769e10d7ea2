-- rpc resend_invitation: members.manage has a pending invitation mailed again, in its own name and for another 7 days.

begin;
\ir ../fixtures/world.sql
select plan(27);

select calling('public.resend_invitation', '01900000-0000-7000-8000-00000000a0b1') as call \gset

-- owner, admin: members.manage, and all that the role allows ------------------------------------------------------------------------------

update public.invitations set expires_at = now() + interval '1 hour',
  delivery_error = 'mailbox full' where id = '01900000-0000-7000-8000-00000000a0b1';
select answers(actor, asking($$format('%s %s %s', invited_by, expires_at - now(), delivery_error is null)$$, 'public.resend_invitation',
    '01900000-0000-7000-8000-00000000a0b1'), person || ' 7 days t', 'has it mailed again')
  from (values ('owner@alpha.test', :'owner'), ('admin@alpha.test', :'admin')) who (actor, person);
select answers('admin@alpha.test', asking('expires_at > now()', 'public.resend_invitation', '01900000-0000-7000-8000-00000000a0b2'), 'true',
  'has one mailed again that is over by time');
select refused('admin@alpha.test', calling('public.resend_invitation', '01900000-0000-7000-8000-00000000a0b3'), 409, 'invitation_over',
  'has none mailed again that was accepted');
select refused('admin@alpha.test', calling('public.resend_invitation', null), 404, 'not_found', 'has none mailed again without an id');

-- A second mail, and a token that was mailed before stays good.
select keep('admin@alpha.test', :'call') \g /dev/null
select is(count(*), 2::bigint, 'each time a mail is promised')
  from queue.mails where subject_id = '01900000-0000-7000-8000-00000000a0b1' and status = 'queued';
select isnt_empty($$select from private.invitation_tokens where invitation_id = '01900000-0000-7000-8000-00000000a0b1'$$,
  'what was mailed before stays good');

-- key manager: members.manage, and not all that a viewer may. editor … robot: no members.manage -------------------------------------------

select refused('key:manager', :'call', 403, 'escalation', 'has no invitation mailed to what it does not hold');
select refused(actor, :'call', 403, 'forbidden', 'has nothing mailed')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot']) actor;

-- the other tenant, keys that are over, who is invited, stranger --------------------------------------------------------------------------

select refused(actor, :'call', 404, 'not_found', 'finds no such invitation')
  from unnest(array['owner@beta.test', 'key:beta robot', 'key:revoked', 'guest@delta.test', 'stranger@gamma.test']) actor;
select is(body(actor, :'call'), body(actor, replace(:'call', 'a0b1', 'ffff')), actor || ': cannot tell a foreign invitation from none')
  from unnest(array['owner@beta.test', 'stranger@gamma.test', 'guest@delta.test']) actor;

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'has nothing mailed');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'has nothing mailed by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

select * from finish();
rollback;
