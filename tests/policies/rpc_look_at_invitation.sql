-- rpc look_at_invitation: who was invited, and has the link, reads what it is to.

begin;
\ir ../fixtures/world.sql
select plan(23);

select calling('public.look_at_invitation', 'token of a0b1') as call \gset

-- guest: invited, with a confirmed address ------------------------------------------------------------------------------------------------

select answers('guest@delta.test', asking($$format('%s|%s|%s|%s|%s|%s', tenant_name, role, role_name, email, invited_by, expires_at - now())$$,
    'public.look_at_invitation', 'token of a0b1'), 'Alpha|viewer|Viewer|guest@delta.test|Alpha admin|6 days', 'reads what the invitation is to');
select answers('guest@delta.test', asking('tenant_name', 'public.look_at_invitation', 'token of b0b1'), 'Beta', 'reads another one');
select sees('guest@delta.test', 'select from public.tenants', 0, 'sees nothing of the tenant beside that');

-- stranger: invited, and too late ---------------------------------------------------------------------------------------------------------

select refused('stranger@gamma.test', calling('public.look_at_invitation', 'token of a0b2'), 410, 'invitation_expired', 'is told that it is over');

-- Everybody else: the link alone is not enough --------------------------------------------------------------------------------------------

select refused(actor, :'call', 403, 'wrong_account', 'reads nothing of an invitation of somebody else')
  from unnest(array['stranger@gamma.test', 'owner@beta.test', 'viewer@alpha.test', 'admin@alpha.test', 'unconfirmed@delta.test']) actor;
update public.invitations set email = 'unconfirmed@delta.test' where id = '01900000-0000-7000-8000-00000000b0b1';
select refused('unconfirmed@delta.test', calling('public.look_at_invitation', 'token of b0b1'), 403, 'email_not_confirmed',
  'reads nothing before the address is theirs');
select refused(actor, :'call', 401, 'not_signed_in', 'is no account')
  from unnest(array['key:manager', 'key:robot', 'authenticated']) actor;

-- Nor is an account without the link ------------------------------------------------------------------------------------------------------

select refused('guest@delta.test', calling('public.look_at_invitation', token), 404, 'not_found', format('finds nothing behind "%s"', token))
  from unnest(array['', 'token of a0b9', '01900000-0000-7000-8000-00000000a0b1', encode(sha256('token of a0b1'), 'hex'), null]) token;

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'signs in first');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'reads nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

select * from finish();
rollback;
