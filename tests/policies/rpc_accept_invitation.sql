-- rpc accept_invitation: the link and the confirmed address that it was sent to, together and once, make a member.
-- What becomes of an invitation whose giver is gone or weaker is in escalation_invitations.sql.

begin;
\ir ../fixtures/world.sql
select plan(34);

select calling('public.accept_invitation', 'token of a0b1') as call \gset

-- guest: invited, with a confirmed address ------------------------------------------------------------------------------------------------

select answers('guest@delta.test', asking($$format('%s %s', tenant_id, role)$$, 'public.accept_invitation', 'token of a0b1'), :'alpha' || ' viewer',
  'becomes a member, in the role that was given');
update auth.users set email = 'GUEST@Delta.test' where email = 'guest@delta.test';
select answers('GUEST@Delta.test', asking('role', 'public.accept_invitation', 'token of a0b1'), 'viewer',
  'becomes a member, in whatever case Auth keeps the address');
update auth.users set email = 'guest@delta.test' where email = 'GUEST@Delta.test';

-- Everybody else: the link alone is not enough --------------------------------------------------------------------------------------------

select refused(actor, :'call', 403, 'wrong_account', 'accepts nothing for somebody else')
  from unnest(array['stranger@gamma.test', 'owner@beta.test', 'viewer@alpha.test', 'owner@alpha.test', 'unconfirmed@delta.test']) actor;
update public.invitations set email = 'unconfirmed@delta.test' where id = '01900000-0000-7000-8000-00000000b0b1';
select refused('unconfirmed@delta.test', calling('public.accept_invitation', 'token of b0b1'), 403, 'email_not_confirmed',
  'accepts nothing before the address is theirs');
update public.invitations set email = 'guest@delta.test' where id = '01900000-0000-7000-8000-00000000b0b1';
select refused(actor, :'call', 401, 'not_signed_in', 'is no account')
  from unnest(array['key:manager', 'key:robot', 'authenticated']) actor;

-- Nor is an account without the link ------------------------------------------------------------------------------------------------------

select refused('guest@delta.test', calling('public.accept_invitation', token), 404, 'not_found', format('finds nothing behind "%s"', token))
  from unnest(array['', 'token of a0b9', '01900000-0000-7000-8000-00000000a0b1', null]) token;
select refused('stranger@gamma.test', calling('public.accept_invitation', 'token of a0b2'), 410, 'invitation_expired', 'comes too late');

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'signs in first');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'accepts nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- Where a member cannot be taken in -------------------------------------------------------------------------------------------------------

update public.tenants set limit_overrides = '{"users": 2}' where id = :'beta';
select refused('guest@delta.test', calling('public.accept_invitation', 'token of b0b1'), 402, 'quota_exceeded', 'finds no seat left');
update public.tenants set status = 'suspended' where id = :'beta';
select refused('guest@delta.test', calling('public.accept_invitation', 'token of b0b1'), 403, 'tenant_suspended', 'does not join a suspended tenant');
update public.tenants set status = 'cancelled' where id = :'beta';
select refused('guest@delta.test', calling('public.accept_invitation', 'token of b0b1'), 403, 'tenant_cancelled', 'does not join a cancelled one');
update public.tenants set status = 'active', limit_overrides = '{}' where id = :'beta';
select is(accepted_at, null, 'a refusal leaves the invitation as it was') from public.invitations where id = '01900000-0000-7000-8000-00000000b0b1';

-- What it leaves --------------------------------------------------------------------------------------------------------------------------

select is(keep('guest@delta.test', asking('role', 'public.accept_invitation', 'token of a0b1')), 'viewer', 'guest@delta.test: accepts');
select sees('guest@delta.test', 'select from public.workflows', 3, 'reads what a viewer reads, in the next statement');
select results_eq($$select accepted_by, accepted_at = now() from public.invitations where id = '01900000-0000-7000-8000-00000000a0b1'$$,
  $$values ('01900000-0000-7000-8000-0000000000d5'::uuid, true)$$, 'the invitation says who accepted it and when');
select is_empty($$select from private.invitation_tokens where invitation_id = '01900000-0000-7000-8000-00000000a0b1'$$, 'no token is left');
select is(status, 'dropped', 'no mail is sent any more') from queue.mails where subject_id = '01900000-0000-7000-8000-00000000a0b1';
select is(used, 9::bigint, 'a new member takes a seat') from aias.quota_status(:'alpha') where meter = 'users';
select refused('guest@delta.test', :'call', 404, 'not_found', 'accepts nothing twice');
select refused('admin@alpha.test', calling('public.invite_member', :'alpha', 'guest@delta.test', 'viewer'), 409, 'already_member',
  'invites no member');

-- A member by another road has no use for it.
insert into public.memberships (tenant_id, user_id, role) select :'beta', id, 'viewer' from public.users where email = 'guest@delta.test';
select refused('guest@delta.test', calling('public.accept_invitation', 'token of b0b1'), 409, 'already_member', 'is a member already');

select * from finish();
rollback;
