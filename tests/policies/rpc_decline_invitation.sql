-- rpc decline_invitation: the link and the address that it was sent to say no.

begin;
\ir ../fixtures/world.sql
select plan(24);

select calling('public.decline_invitation', 'token of a0b1') as call \gset

-- guest: invited, with a confirmed address ------------------------------------------------------------------------------------------------

select allowed('guest@delta.test', :'call', 1, 'declines');
update public.tenants set status = 'suspended' where id = :'beta';
select allowed('guest@delta.test', calling('public.decline_invitation', 'token of b0b1'), 1, 'declines to join a suspended tenant');

-- Everybody else --------------------------------------------------------------------------------------------------------------------------

select refused(actor, :'call', 403, 'wrong_account', 'declines nothing for somebody else')
  from unnest(array['stranger@gamma.test', 'owner@beta.test', 'viewer@alpha.test', 'owner@alpha.test', 'unconfirmed@delta.test']) actor;
select refused(actor, :'call', 401, 'not_signed_in', 'is no account')
  from unnest(array['key:manager', 'key:robot', 'authenticated']) actor;
select refused('guest@delta.test', calling('public.decline_invitation', token), 404, 'not_found', format('finds nothing behind "%s"', token))
  from unnest(array['', 'token of a0b9', null]) token;
select refused('stranger@gamma.test', calling('public.decline_invitation', 'token of a0b2'), 410, 'invitation_expired', 'comes too late');

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'signs in first');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'declines nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- What it leaves --------------------------------------------------------------------------------------------------------------------------

select keep('guest@delta.test', :'call') \g /dev/null
select is(declined_at, now(), 'the invitation says when') from public.invitations where id = '01900000-0000-7000-8000-00000000a0b1';
select is_empty($$select from private.invitation_tokens where invitation_id = '01900000-0000-7000-8000-00000000a0b1'$$, 'no token is left');
select refused('guest@delta.test', calling('public.accept_invitation', 'token of a0b1'), 404, 'not_found',
  'cannot change their mind by the same link');
select sees('guest@delta.test', 'select from public.tenants', 0, 'is no member');
select answers('admin@alpha.test', asking('email', 'public.invite_member', :'alpha', 'guest@delta.test', 'viewer'), 'guest@delta.test',
  'may ask again');

select * from finish();
rollback;
