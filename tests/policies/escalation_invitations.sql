-- An invitation is as good as whoever gave it: when they could not give it any more, it cannot be accepted. public.accept_invitation

begin;
\ir ../fixtures/world.sql
\ir ../fixtures/climbers.sql
select plan(32);

-- Somebody invites; something happens; friend@delta.test accepts. Answers the role that they got or the code of the refusal.
create function pg_temp.accepted_after(inviter text, role text, variadic happenings text[] default '{}') returns text language plpgsql as $$
declare
  invitation uuid;
  actor text;
  statement text;
  happened assertions.outcome;
begin
  begin
    invitation := assertions.keep(inviter, assertions.asking('id', 'public.invite_member', '01900000-0000-7000-8000-00000000a000',
      'friend@delta.test', role));
    insert into private.invitation_tokens (tenant_id, hash, invitation_id)
      values ('01900000-0000-7000-8000-00000000a000', sha256('the link'), invitation);
    for i in 1 .. cardinality(happenings) by 2 loop
      actor := happenings[i];
      statement := replace(happenings[i + 1], '{invitation}', invitation::text);
      if actor = 'operator' then
        execute statement;
      else
        perform assertions.keep(actor, statement);
      end if;
    end loop;
    happened := assertions.attempt('friend@delta.test', assertions.asking('role', 'public.accept_invitation', 'the link'));
    raise exception 'take it back' using errcode = 'AIA01';
  exception when sqlstate 'AIA01' then
    return coalesce(happened.first_value, happened.message::jsonb ->> 'code');
  end;
end
$$;

-- Nothing happens, or nothing that matters ------------------------------------------------------------------------------------------------

select is(pg_temp.accepted_after(inviter, role), role, format('%s invites as %s: accepted', inviter, role))
  from (values ('hr@alpha.test', 'weak'), ('owner@alpha.test', 'owner'), ('super@alpha.test', 'super'), ('key:everything', 'editor'),
    ('key:manager', 'weak')) given (inviter, role);
select is(pg_temp.accepted_after('hr@alpha.test', 'weak', variadic happenings), 'weak', why)
  from (values
    (array['owner@alpha.test', $$update public.roles set permissions = permissions || '{usage.read}' where key = 'hr'$$],
      'the inviter may more now: accepted'),
    (array['owner@alpha.test', $$update public.roles set name = 'Weaker' where key = 'weak'$$], 'the role has another name now: accepted'),
    (array['operator', format('update public.tenants set status = %L where id = %L', 'suspended', :'alpha'),
           'operator', format('update public.tenants set status = %L where id = %L', 'active', :'alpha')],
             'the tenant was suspended meanwhile: accepted')
  ) meanwhile (happenings, why);

-- The inviter is not who they were --------------------------------------------------------------------------------------------------------

select is(pg_temp.accepted_after('hr@alpha.test', 'weak', variadic happenings), 'not_found', why)
  from (values
    (array['owner@alpha.test', calling('public.change_member_role', :'alpha', :'hr', 'viewer')], 'the inviter has a weaker role: refused'),
    (array['owner@alpha.test', calling('public.remove_member', :'alpha', :'hr')], 'the inviter was removed: refused'),
    (array['hr@alpha.test', calling('public.leave_tenant', :'alpha')], 'the inviter left: refused'),
    (array['operator', $$delete from auth.users where email = 'hr@alpha.test'$$], 'the inviter''s account is gone: refused'),
    (array['owner@alpha.test', $$update public.roles set permissions = '{members.manage}' where key = 'hr'$$],
      'the inviter''s role was edited to less: refused'),
    (array['owner@alpha.test', $$update public.roles set permissions = '{agents.read}' where key = 'hr'$$],
      'the inviter''s role may not invite any more: refused')
  ) meanwhile (happenings, why);
select is(pg_temp.accepted_after('owner@alpha.test', 'owner', variadic happenings), 'not_found', why)
  from (values
    (array['both@alpha.test', calling('public.change_member_role', :'alpha', :'owner', 'admin')],
      'an owner who invited an owner is an admin: refused'),
    (array['both@alpha.test', calling('public.change_member_role', :'alpha', :'owner', 'super')],
      'an owner who invited an owner has all permissions and is none: refused'),
    (array['owner@alpha.test', calling('public.transfer_ownership', :'alpha', :'viewer')], 'an owner who invited an owner handed over: refused')
  ) meanwhile (happenings, why);

-- A key is not what it was ----------------------------------------------------------------------------------------------------------------

select is(pg_temp.accepted_after('key:everything', 'editor', variadic happenings), 'not_found', why)
  from (values
    (array['owner@alpha.test', calling('public.revoke_api_key', '01900000-0000-7000-8000-00000000a0ce')],
      'the key that invited was revoked: refused'),
    (array['operator', $$update public.api_keys set expires_at = now() where name = 'everything'$$], 'the key that invited is over: refused'),
    (array['operator', $$delete from public.api_keys where name = 'everything'$$], 'the key that invited is gone: refused'),
    (array['operator', $$update public.api_keys set scopes = '{members.manage}' where name = 'everything'$$],
      'the key that invited has fewer scopes: refused')
  ) meanwhile (happenings, why);

-- The role is not what it was -------------------------------------------------------------------------------------------------------------

select is(pg_temp.accepted_after('hr@alpha.test', 'weak', variadic happenings), 'not_found', why)
  from (values
    (array['owner@alpha.test', $$update public.roles set permissions = permissions || '{billing.manage}' where key = 'weak'$$],
      'the role was edited to more than the inviter holds: refused'),
    (array['owner@alpha.test', $$delete from public.roles where key = 'weak'$$,
           'owner@alpha.test', $$insert into public.roles (tenant_id, key, name, permissions)
             values ('01900000-0000-7000-8000-00000000a000', 'weak', 'Weak', '{agents.read}')$$],
      'the role was deleted and made again: refused')
  ) meanwhile (happenings, why);

-- Given again by somebody who may: good again, whatever became of the first ---------------------------------------------------------------

select is(pg_temp.accepted_after('hr@alpha.test', 'weak', variadic happenings), wanted, why)
  from (values
    (array['owner@alpha.test', $$update public.roles set permissions = permissions || '{billing.manage}' where key = 'weak'$$,
           'owner@alpha.test', $$select id from public.resend_invitation('{invitation}')$$], 'weak', 'the owner sent it again: accepted'),
    (array['owner@alpha.test', $$select id from public.resend_invitation('{invitation}')$$,
           'owner@alpha.test', calling('public.remove_member', :'alpha', :'hr')], 'weak',
             'the owner sent it again, and the first inviter is gone: accepted'),
    (array['admin@alpha.test', $$select id from public.resend_invitation('{invitation}')$$,
           'owner@alpha.test', calling('public.change_member_role', :'alpha', :'admin', 'viewer')], 'not_found',
             'who sent it again has a weaker role: refused')
  ) given (happenings, wanted, why);

-- Nor does the guest make more of it ------------------------------------------------------------------------------------------------------

select denied('guest@delta.test', statement, 'makes no more of an invitation')
  from unnest(array[$$update public.invitations set role = 'owner' where id = '01900000-0000-7000-8000-00000000a0b1'$$,
                    $$insert into public.memberships (tenant_id, user_id, role)
                      values ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-0000000000d5', 'owner')$$,
                    $$update public.users set email = 'owner@alpha.test'$$]) statement;

select * from finish();
rollback;
