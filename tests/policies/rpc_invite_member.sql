-- rpc invite_member: members.manage invites into a role of which it holds all; a mail is promised.
-- Stronger roles are in escalation_team.sql.

begin;
\ir ../fixtures/world.sql
select plan(45);

insert into public.roles (tenant_id, key, name, permissions) values (:'alpha', 'reader', 'Reader', '{agents.read}'),
  (:'guarded', 'reader', 'Reader', '{agents.read}');
select calling('public.invite_member', :'alpha', 'new@x.test', 'reader') as call \gset

-- owner, admin, key manager: members.manage -----------------------------------------------------------------------------------------------

select answers(actor, asking($$format('%s %s %s', email, role, num_nonnulls(accepted_at, declined_at, revoked_at, sent_at, delivery_error))$$,
    'public.invite_member', :'alpha', ' New@X.test ', 'reader'), 'new@x.test reader 0', 'invites an address, in whatever case it is written')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager']) actor;
select answers('admin@alpha.test', asking('invited_by', 'public.invite_member', :'alpha', 'new@x.test', 'reader'), :'admin',
  'is named as the one who invited');
select answers('key:manager', asking('invited_by is null', 'public.invite_member', :'alpha', 'new@x.test', 'reader'), 'true',
  'is nobody who could be named');
select answers('admin@alpha.test', asking($$expires_at - created_at$$, 'public.invite_member', :'alpha', 'new@x.test', 'reader'), '7 days',
  'invites for 7 days');
select answers('owner@alpha.test', asking('role', 'public.invite_member', :'alpha', 'new@x.test', 'owner'), 'owner', 'invites another owner');
select answers('owner@alpha.test', asking('email', 'public.invite_member', :'alpha', 'stranger@gamma.test', 'viewer'), 'stranger@gamma.test',
  'invites somebody again whose invitation is over');

select refused('owner@alpha.test', calling('public.invite_member', :'alpha', bad.email, bad.role), bad.status, bad.code, bad.why)
  from (values
    ('guest@delta.test', 'viewer', 409, 'already_invited', 'invites nobody twice'),
    ('GUEST@delta.test', 'editor', 409, 'already_invited', 'invites nobody twice, in capitals and to another role'),
    ('Viewer@Alpha.test', 'viewer', 409, 'already_member', 'invites no member'),
    ('new@x.test', 'nobodys', 400, 'unknown_role', 'invites into no role that is not there'),
    ('new@x.test', null, 400, 'unknown_role', 'invites into no role of null'),
    ('new', 'viewer', 400, 'invalid_email', 'invites no name'),
    ('', 'viewer', 400, 'invalid_email', 'invites nobody without an address'),
    (null, 'viewer', 400, 'invalid_email', 'invites nobody with null for an address'),
    (E'a@x.test\r\nBcc: b@x.test', 'viewer', 400, 'invalid_email', 'invites no second address on a second line'),
    ('a@x.test,b@x.test', 'viewer', 400, 'invalid_email', 'invites one address')
  ) bad (email, role, status, code, why);
select refused('owner@alpha.test', calling('public.invite_member', null, 'new@x.test', 'viewer'), 404, 'not_found', 'invites into no tenant of null');

-- The mail is promised with the invitation, once, and holds no token.
select keep('admin@alpha.test', asking('id', 'public.invite_member', :'alpha', 'new@x.test', 'reader')) as invited \gset
select results_eq(format('select template, recipient, status, subject_id, variables - ''expires_at'' from queue.mails where subject_id = %L',
  :'invited'),
  format($$values ('invitation', 'new@x.test', 'queued', %L::uuid,
    '{"tenant_name": "Alpha", "role_name": "Reader", "invited_by": "Alpha admin"}'::jsonb)$$, :'invited'),
  'a mail is promised');
select ok(m.expires_at = i.expires_at and m.variables ->> 'expires_at' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$',
  'which is of no use once the invitation is over')
  from queue.mails m join public.invitations i on i.id = m.subject_id where i.id = :'invited';
select is_empty(format('select from private.invitation_tokens where invitation_id = %L', :'invited'), 'no token is made before somebody sends it');
select keep('owner@alpha.test', calling('public.invite_member', :'alpha', 'stranger@gamma.test', 'viewer')) \g /dev/null
select ok(revoked_at is not null, 'an invitation that is over is withdrawn when a new one takes its place')
  from public.invitations where id = '01900000-0000-7000-8000-00000000a0b2';

-- Nobody is written to without end.
select count(*) from generate_series(1, 100) where aias.rate_limit('invitations:' || :'guarded', 100, interval '1 hour') \g /dev/null
select refused('owner@guarded.test+aal2', calling('public.invite_member', :'guarded', 'new@x.test', 'reader'), 429, 'rate_limited',
  'invites no hundred and first in an hour');

-- editor, viewer, billing, auditor, blind, key robot: members without members.manage ------------------------------------------------------

select refused(actor, :'call', 403, 'forbidden', 'invites nobody')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot']) actor;

select is(body(actor, :'call') ->> 'message', format('your %s may not do this', what), actor || ': is told what is too weak')
  from (values ('viewer@alpha.test', 'role'), ('key:robot', 'key')) weak (actor, what);

-- the other tenant, keys that are over, who is invited, stranger: there is no such tenant -------------------------------------------------

select refused(actor, :'call', 404, 'not_found', 'finds no such tenant')
  from unnest(array['owner@beta.test', 'key:beta robot', 'key:expired', 'key:revoked', 'guest@delta.test', 'stranger@gamma.test']) actor;
select is(body(actor, :'call'), body(actor, replace(:'call', :'alpha', :'nothing')), actor || ': cannot tell Alpha from none')
  from unnest(array['owner@beta.test', 'stranger@gamma.test']) actor;

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'invites nobody');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'invites nobody by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

select * from finish();
rollback;
