-- public.invitations: members.manage sees; the rpcs write; the tokens and the mails are nobody's.

begin;
\ir ../fixtures/world.sql
select plan(121);

-- owner, admin, key manager: members.manage -----------------------------------------------------------------------------------------------

select sees(actor, 'select from public.invitations', 3, 'reads the invitations of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager']) actor;
select sees('both@alpha.test', 'select from public.invitations', 4, 'reads the invitations of both of their tenants');

-- editor, viewer, billing, auditor, blind, key robot, who is invited, stranger, anon ------------------------------------------------------

select denied(actor, 'select from public.invitations', 'reads no invitation')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot',
                    'key:revoked', 'key:expired', 'guest@delta.test', 'stranger@gamma.test', 'anon']) actor;
select denied('owner@beta.test', $$select from public.invitations where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
  'reads no invitation of Alpha');
select unreachable('anon', 'select from public.invitations', 'cannot even ask for invitations');

-- Nobody writes them by hand --------------------------------------------------------------------------------------------------------------

select denied(actor, $$insert into public.invitations (tenant_id, email, role, granted_by)
    values ('01900000-0000-7000-8000-00000000a000', 'friend@x.test', 'viewer', '01900000-0000-7000-8000-0000000000a1')$$,
      'invites nobody beside the rpc')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'key:manager', 'guest@delta.test', 'owner@beta.test', 'anon']) actor;
select denied(actor, format('update public.invitations set %s', change), 'changes no invitation: ' || change)
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'guest@delta.test', 'anon']) actor,
       unnest(array[$$role = 'owner'$$, $$email = 'friend@x.test'$$, $$expires_at = now() + interval '1 year'$$,
         'accepted_at = null, accepted_by = null',
                    $$tenant_id = '01900000-0000-7000-8000-00000000b000'$$]) change;
select denied(actor, 'delete from public.invitations', 'deletes no invitation')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'key:manager', 'guest@delta.test', 'owner@beta.test', 'anon']) actor;
select unreachable(actor, statement, 'reads no token and no mail')
  from unnest(array['owner@alpha.test', 'guest@delta.test', 'anon', 'aias_worker', 'aias_edge', 'service_role']) actor,
       unnest(array['select from private.invitation_tokens', 'select from queue.mails']) statement;

-- What the table itself holds true --------------------------------------------------------------------------------------------------------

select throws_ok(format('update public.invitations set %s where id = %L', bad.change, '01900000-0000-7000-8000-00000000a0b1'), '23514', null, bad.why)
  from (values
    ('accepted_at = now(), declined_at = now()', 'an invitation ends one way'),
    ($$email = 'Guest@delta.test'$$, 'an address is in lower case'),
    ($$email = 'guest'$$, 'an address has a domain'),
    ($$email = E'guest@x.test\nBcc: all@x.test'$$, 'an address is one line'),
    ($$email = 'guest@x.test, other@x.test'$$, 'an address is one address'),
    ($$email = 'Guest <guest@x.test>'$$, 'an address is no name'),
    ($$email = repeat('x', 250) || '@x.test'$$, 'an address is short enough to be one')
  ) bad (change, why);
select throws_ok($$insert into public.invitations (tenant_id, email, role, granted_by)
    values ('01900000-0000-7000-8000-00000000a000', 'guest@delta.test', 'viewer', '01900000-0000-7000-8000-0000000000a1')$$, '23505', null,
      'nobody is invited twice at a time');
select throws_ok($$insert into private.invitation_tokens (tenant_id, hash, invitation_id)
    values ('01900000-0000-7000-8000-00000000b000', sha256('x'), '01900000-0000-7000-8000-00000000a0b1')$$, '23503', null,
  'a token of Beta opens no invitation of Alpha');
select throws_ok($$insert into private.invitation_tokens (tenant_id, hash, invitation_id)
    values ('01900000-0000-7000-8000-00000000a000', 'token of a0b1', '01900000-0000-7000-8000-00000000a0b1')$$, '23514', null,
  'a token is kept as a hash or not at all');
select throws_ok(format('update public.invitations set %s where id = %L', moved, '01900000-0000-7000-8000-00000000a0b1'), 'PGRST', null,
    'an invitation stays where it is: ' || moved)
  from unnest(array[$$tenant_id = '01900000-0000-7000-8000-00000000b000'$$, 'id = aias.uuid7()']) moved;

select * from finish();
rollback;
