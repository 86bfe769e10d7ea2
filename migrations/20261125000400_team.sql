-- The team: who is invited, who belongs, in which role.
--
-- Two rules stand above all: nobody grants what they do not hold, and a tenant always has an owner. They hold by whatever road a row is
-- written: triggers guard the tables, and the RPCs say beforehand and in sentences what the triggers would refuse.

-- Denied escalations -------------------------------------------------------------------------------------------------------------

create function private.refuse_escalation(tenant uuid, attempt text, missing bigint, reason text default null) returns void
language plpgsql
-- Definer: clients cannot write notes. The note outlives the transaction that this refusal ends; the audit log gathers it.
security definer
set search_path = ''
as $$
declare
  names text[] := private.permissions_in(missing);
begin
  perform aias.note(jsonb_build_object(
    'action', 'security.escalation_denied', 'tenant_id', tenant, 'subject', attempt, 'missing', names,
    'actor', private.actor(), 'request_id', private.request_id()));
  perform private.refuse(403, 'escalation',
    coalesce(reason, format('nobody grants what they do not hold; you do not hold %s', array_to_string(names, ', '))),
    null, 'ask somebody who holds it');
end
$$;

comment on function private.refuse_escalation is 'Refuses with 403, and leaves a note that a rollback does not take back.';

create function private.request_id() returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  -- https://docs.postgrest.org/en/stable/references/transactions.html#request-headers-cookies-and-jwt-claims
  -- What such ids are made of; a header can hold anything.
  return nullif(left(regexp_replace(
    nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-request-id', '[^A-Za-z0-9._:/+=@-]', '', 'g'), 128), '');
exception when invalid_text_representation then
  return null;
end
$$;

comment on function private.request_id is 'The request that this transaction serves, when the client or a gateway named it.';

create function private.actor() returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  claims jsonb := nullif(current_setting('request.jwt.claims', true), '');
  person text := coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''), claims ->> 'sub');
begin
  return case
    when claims ? 'api_key_id' then jsonb_build_object('kind', 'api_key', 'id', claims ->> 'api_key_id')
    when person is not null then jsonb_build_object('kind', 'user', 'id', person)
    else jsonb_build_object('kind', 'system', 'id', null)
  end;
end
$$;

comment on function private.actor is 'Who acts, for the audit log: {kind: user | api_key | system, id}.';

-- Roles --------------------------------------------------------------------------------------------------------------------------

create function private.guard_role() returns trigger
language plpgsql
-- Definer: looks at memberships and invitations that the caller may not see.
security definer
set search_path = ''
as $$
declare
  tenant uuid;
  unknown text[];
  missing bigint;
begin
  if tg_op = 'DELETE' then
    tenant := old.tenant_id;
  else
    tenant := new.tenant_id;
    unknown := array(select wanted from unnest(new.permissions) wanted except select p.key from public.permissions p order by 1);
    if cardinality(unknown) > 0 then
      perform private.refuse(400, 'unknown_permission', format('there is no permission %s', array_to_string(unknown, ', ')),
        null, 'the table permissions lists them');
    end if;
    new.permissions := array(select distinct wanted from unnest(new.permissions) wanted order by 1);
  end if;

  if private.is_caller() then
    -- This runs before row-level security sees an inserted row. Whoever may not write here is refused there, in words that tell nothing.
    if not tenant = any (array(select private.tenants_with('roles.manage'))) then
      return case tg_op when 'DELETE' then old else new end;
    end if;
    if (tg_op <> 'INSERT' and old.built_in) or (tg_op <> 'DELETE' and new.built_in) then
      perform private.refuse(403, 'built_in_role', 'a built-in role stays as it is', null, 'make a role of your own with the permissions you need');
    end if;
    missing := (case when tg_op = 'INSERT' then 0 else private.mask_of(old.permissions) end
                | case when tg_op = 'DELETE' then 0 else private.mask_of(new.permissions) end) & ~private.held_in(tenant);
    if missing <> 0 then
      perform private.refuse_escalation(tenant, 'roles', missing);
    end if;
  end if;

  if tg_op = 'DELETE' and exists (select from public.tenants t where t.id = tenant) then
    if exists (select from public.memberships m where m.tenant_id = tenant and m.role = old.key) then
      perform private.refuse(409, 'role_in_use', format('somebody has the role %s', old.key), null, 'give its members another role first');
    end if;
    -- Those who were invited as such have not come yet.
    update public.invitations i set revoked_at = now()
     where i.tenant_id = tenant and i.role = old.key
       and i.accepted_at is null and i.declined_at is null and i.revoked_at is null;
  end if;
  return case tg_op when 'DELETE' then old else new end;
end
$$;

comment on function private.guard_role is 'A role names permissions that exist; clients leave built-in roles alone and grant only what they hold.';

create trigger _050_keep_columns before update on public.roles
  for each row execute function private.keep_columns('created_at');
create trigger _060_keep_identity before update on public.roles
  for each row
  when (new.tenant_id is distinct from old.tenant_id or new.key is distinct from old.key) execute function private.keep_identity();
create trigger _100_guard before insert or update or delete on public.roles
  for each row execute function private.guard_role();

-- Invitations --------------------------------------------------------------------------------------------------------------------
--
--   pending ──► accepted | declined | revoked          pending, and expires_at has passed: expired

create table public.invitations (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  id uuid not null default aias.uuid7(),
  email text not null,
  role text not null,
  invited_by uuid references public.users (id) on delete set null,
  granted_by uuid not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null default now() + interval '7 days',
  accepted_at timestamptz,
  accepted_by uuid references public.users (id) on delete set null,
  declined_at timestamptz,
  revoked_at timestamptz,
  sent_at timestamptz,
  delivery_error text,
  primary key (tenant_id, id),
  constraint invitation_email_is_an_address check (email = lower(email) and email ~ '^[^@[:space:][:cntrl:]<>(),;:\\"]+@[^@[:space:][:cntrl:]<>(),;:\\"]+$' and length(email) <= 254),
  constraint invitation_ends_one_way check (num_nonnulls(accepted_at, declined_at, revoked_at) <= 1)
);
create unique index invitations_pending on public.invitations (tenant_id, email)
  where accepted_at is null and declined_at is null and revoked_at is null;
create index invitations_invited_by on public.invitations (invited_by);
create index invitations_accepted_by on public.invitations (accepted_by);
create index invitations_role on public.invitations (tenant_id, role);
alter table public.invitations enable row level security;

comment on table public.invitations is 'Who was asked to join, and as what. Pending while none of accepted_at, declined_at and revoked_at is set.';
comment on column public.invitations.role is 'The role''s key. No foreign key: a role that goes withdraws its pending invitations, and history stays.';
comment on column public.invitations.granted_by is
  'The user or API key whose right to invite into this role it stands on, to its end: an invitation is worth nothing when they could not give it any more.';
comment on column public.invitations.delivery_error is 'Why the mail has not arrived yet, in the mail server''s words.';

create table private.invitation_tokens (
  tenant_id uuid not null,
  hash bytea not null,
  invitation_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, hash),
  constraint token_belongs_to_an_invitation foreign key (tenant_id, invitation_id)
    references public.invitations (tenant_id, id) on delete cascade,
  constraint invitation_token_hash_is_unique unique (hash),
  constraint invitation_token_hash_is_sha256 check (length(hash) = 32)
);
create index invitation_tokens_invitation on private.invitation_tokens (tenant_id, invitation_id);
alter table private.invitation_tokens enable row level security;
comment on table private.invitation_tokens is
  'SHA-256 of the tokens that were mailed, one a sending. They go when the invitation is over. The tokens themselves are kept nowhere.';

create function private.is_pending(invitation public.invitations) returns boolean
language sql
immutable
set search_path = ''
as $$
  select num_nonnulls(invitation.accepted_at, invitation.declined_at, invitation.revoked_at) = 0
$$;

create function queue.mail_token(tenant uuid, mail uuid, token bigint, token_hash bytea) returns boolean
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
declare
  invitation public.invitations;
begin
  select i.* into invitation
    from queue.mails m
    join public.invitations i on i.tenant_id = m.tenant_id and i.id = m.subject_id
   where m.tenant_id = tenant and m.id = mail and m.fencing_token = token and m.status = 'queued' and m.template = 'invitation'
     for no key update of i;
  if invitation.id is null or not private.is_pending(invitation) or invitation.expires_at <= now() then
    return false;
  end if;
  insert into private.invitation_tokens (tenant_id, hash, invitation_id) values (tenant, token_hash, invitation.id);
  return true;
end
$$;

comment on function queue.mail_token is
  'Keeps the hash of the token that is about to be mailed. False when the invitation is not pending any more, or the lease is lost: then nothing is sent.';

create function private.end_invitation() returns trigger
language plpgsql
-- Definer: nobody else writes tokens and mails.
security definer
set search_path = ''
as $$
begin
  delete from private.invitation_tokens t where t.tenant_id = new.tenant_id and t.invitation_id = new.id;
  update queue.mails m set status = 'dropped', finished_at = now(), claimed_by = null
   where m.tenant_id = new.tenant_id and m.subject_id = new.id and m.template = 'invitation' and m.status = 'queued';
  return null;
end
$$;

comment on function private.end_invitation is 'An invitation that is over has no tokens and no mails left.';

create trigger _060_keep_identity before update on public.invitations
  for each row
  when (new.tenant_id is distinct from old.tenant_id or new.id is distinct from old.id) execute function private.keep_identity();
create trigger _200_end after update of accepted_at, declined_at, revoked_at on public.invitations
  for each row
  when (num_nonnulls(old.accepted_at, old.declined_at, old.revoked_at) = 0 and num_nonnulls(new.accepted_at, new.declined_at, new.revoked_at) > 0)
  execute function private.end_invitation();

create function private.mail_invitation(invitation public.invitations) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into queue.mails (tenant_id, idempotency_key, template, recipient, subject_id, expires_at, variables)
  select invitation.tenant_id, format('invitation:%s:%s', invitation.id, extract(epoch from invitation.expires_at)), 'invitation',
         invitation.email, invitation.id, invitation.expires_at,
         jsonb_build_object(
           'tenant_name', t.name,
           'role_name', (select r.name from public.roles r where r.tenant_id = t.id and r.key = invitation.role),
           'invited_by', (select nullif(u.name, '') from public.users u where u.id = invitation.invited_by),
           'expires_at', to_char(invitation.expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
    from public.tenants t
   where t.id = invitation.tenant_id
  on conflict on constraint mail_is_promised_once do nothing;
  perform pg_notify('aias_mails', '');
end
$$;

comment on function private.mail_invitation is 'Promises the mail of an invitation, once for each time that its end is set.';

create function private.limit_invitations(tenant uuid) returns void
language sql
set search_path = ''
as $$
  -- Mails go to people who did not ask for them: not without end.
  select aias.rate_limit_or_refuse('invitations:' || tenant, 100, interval '1 hour', meter => 'invitations')
$$;

-- A tenant always has an owner ---------------------------------------------------------------------------------------------------

create function private.keep_an_owner() returns trigger
language plpgsql
-- Definer: sees all members, whatever the caller may see.
security definer
set search_path = ''
as $$
declare
  orphan uuid;
begin
  -- Renewing access has made us the only one who changes this tenant's members, so whoever else has just left is seen here.
  select d.tenant_id into orphan
    from deleted d
    join public.tenants t on t.id = d.tenant_id
   where d.role = 'owner'
     and not exists (select from public.memberships m where m.tenant_id = d.tenant_id and m.role = 'owner')
   limit 1;
  if orphan is not null then
    perform private.refuse(409, 'last_owner', 'a tenant always has an owner', null, 'make somebody else an owner first: rpc transfer_ownership');
  end if;
  return null;
end
$$;

create trigger _400_keep_an_owner_by_update after update on public.memberships
  referencing old table as deleted for each statement execute function private.keep_an_owner();
create trigger _400_keep_an_owner_by_delete after delete on public.memberships
  referencing old table as deleted for each statement execute function private.keep_an_owner();

-- RPCs ---------------------------------------------------------------------------------------------------------------------------

create function private.demand_grant(tenant uuid, attempt text, roles text[]) returns void
language plpgsql
stable
-- Definer: sees all roles of the tenant.
security definer
set search_path = ''
as $$
declare
  missing bigint;
begin
  select coalesce(bit_or(private.mask_of(r.permissions)), 0) & ~private.held_in(tenant) into missing
    from public.roles r where r.tenant_id = tenant and r.key = any (roles);
  if missing <> 0 then
    perform private.refuse_escalation(tenant, attempt, missing);
  end if;
  -- An owner is more than the sum of the permissions.
  if 'owner' = any (roles) and not exists (
    select from public.memberships m where m.tenant_id = tenant and m.user_id = private.principal() and m.role = 'owner'
  ) then
    perform private.refuse_escalation(tenant, attempt, 0, 'only an owner makes or unmakes an owner');
  end if;
end
$$;

comment on function private.demand_grant is 'Passes when the caller holds all that these roles allow, and otherwise refuses with 403.';

create function private.find_role(tenant uuid, wanted text) returns public.roles
language plpgsql
stable
set search_path = ''
as $$
declare
  found_role public.roles;
begin
  select r.* into found_role from public.roles r where r.tenant_id = tenant and r.key = wanted;
  if found_role.key is null then
    perform private.refuse(400, 'unknown_role', format('this tenant has no role %s', wanted), null, 'the table roles lists them');
  end if;
  return found_role;
end
$$;

create function private.invite_member(tenant uuid, wanted_email text, wanted_role text) returns public.invitations
language plpgsql
-- Definer: writes invitations and mails, for those who hold members.manage.
security definer
set search_path = ''
as $$
declare
  address text := lower(btrim(wanted_email));
  invitation public.invitations;
begin
  perform private.demand(tenant, 'members.manage');
  perform private.find_role(tenant, wanted_role);
  perform private.demand_grant(tenant, 'invitations', array[wanted_role]);
  if exists (
    select from public.memberships m join public.users u on u.id = m.user_id where m.tenant_id = tenant and lower(u.email) = address
  ) then
    perform private.refuse(409, 'already_member', 'somebody with this address is a member already');
  end if;
  perform private.limit_invitations(tenant);

  -- One that nobody used in time makes room for a new one.
  update public.invitations i set revoked_at = now()
   where i.tenant_id = tenant and i.email = address and i.expires_at <= now()
     and i.accepted_at is null and i.declined_at is null and i.revoked_at is null;
  begin
    insert into public.invitations (tenant_id, email, role, invited_by, granted_by)
    values (tenant, address, wanted_role, (select auth.uid()), private.principal())
    returning * into invitation;
  exception
    when unique_violation then
      perform private.refuse(409, 'already_invited', 'somebody with this address is invited already',
        null, 'rpc resend_invitation sends the mail again, rpc revoke_invitation takes it back');
    when check_violation or not_null_violation then
      perform private.refuse(400, 'invalid_email', 'this is no e-mail address');
  end;
  perform private.mail_invitation(invitation);
  return invitation;
end
$$;

create function public.invite_member(tenant_id uuid, email text, role text) returns public.invitations
language sql set search_path = '' as $$ select * from private.invite_member(tenant_id, email, role) $$;

comment on function public.invite_member is
  'Invites somebody by e-mail into a role whose every permission the caller holds. The mail carries a link with a token, good for 7 days and once.';

create function private.invitation_to_manage(wanted_invitation uuid) returns public.invitations
language plpgsql
-- Definer: locks the row, for those who hold members.manage.
security definer
set search_path = ''
as $$
declare
  invitation public.invitations;
begin
  select i.* into invitation
    from public.invitations i
   where i.id = wanted_invitation and i.tenant_id = any (array(select private.own_tenants()))
     for no key update;
  if invitation.id is null then
    perform private.refuse(404, 'not_found', 'there is no such invitation');
  end if;
  perform private.demand(invitation.tenant_id, 'members.manage');
  if not private.is_pending(invitation) then
    perform private.refuse(409, 'invitation_over', 'this invitation was used, declined or withdrawn already');
  end if;
  return invitation;
end
$$;

create function private.resend_invitation(wanted_invitation uuid) returns public.invitations
language plpgsql
-- Definer: see private.invite_member.
security definer
set search_path = ''
as $$
declare
  invitation public.invitations := private.invitation_to_manage(wanted_invitation);
begin
  perform private.demand_grant(invitation.tenant_id, 'invitations', array[invitation.role]);
  perform private.limit_invitations(invitation.tenant_id);
  update public.invitations i
     set expires_at = now() + interval '7 days', delivery_error = null, invited_by = (select auth.uid()), granted_by = private.principal()
   where i.tenant_id = invitation.tenant_id and i.id = invitation.id
  returning * into invitation;
  perform private.mail_invitation(invitation);
  return invitation;
end
$$;

create function public.resend_invitation(invitation_id uuid) returns public.invitations
language sql set search_path = '' as $$ select * from private.resend_invitation(invitation_id) $$;

comment on function public.resend_invitation is 'Mails an invitation again, in the caller''s name, good for another 7 days.';

create function private.revoke_invitation(wanted_invitation uuid) returns public.invitations
language plpgsql
-- Definer: see private.invite_member.
security definer
set search_path = ''
as $$
declare
  invitation public.invitations := private.invitation_to_manage(wanted_invitation);
begin
  update public.invitations i set revoked_at = now()
   where i.tenant_id = invitation.tenant_id and i.id = invitation.id
  returning * into invitation;
  return invitation;
end
$$;

create function public.revoke_invitation(invitation_id uuid) returns public.invitations
language sql set search_path = '' as $$ select * from private.revoke_invitation(invitation_id) $$;

comment on function public.revoke_invitation is 'Withdraws an invitation: its link is worth nothing from here on.';

create function private.is_still_granted(invitation public.invitations) returns boolean
language sql
stable
set search_path = ''
as $$
  -- Asked when it is used, and not kept true by triggers: the granter may have left, lost a role, had a role edited, or be a key that was
  -- revoked; the role may have been edited to allow more than was given.
  select exists (
    select from private.access a
      join public.roles r on r.tenant_id = a.tenant_id and r.key = invitation.role
     where a.tenant_id = invitation.tenant_id and a.principal = invitation.granted_by and a.ends_at > now()
       and (private.mask_of(r.permissions) | private.mask_of('{members.manage}')) & ~a.granted_with_second_factor = 0
       and (r.key <> 'owner' or exists (
         select from public.memberships m where m.tenant_id = a.tenant_id and m.user_id = a.principal and m.role = 'owner')))
$$;

comment on function private.is_still_granted is 'Whether whoever gave an invitation could give it now.';

create function private.refuse_invitation() returns void
language sql
set search_path = ''
as $$
  select private.refuse(404, 'not_found', 'this invitation does not exist, or was used, declined or withdrawn', null, 'ask for a new one')
$$;

create function private.invitation_of_token(token text) returns public.invitations
language plpgsql
-- Definer: looks up the token's hash and the caller's account.
security definer
set search_path = ''
as $$
declare
  invitation public.invitations;
  account auth.users;
begin
  select u.* into account from auth.users u where u.id = (select auth.uid());
  if account.id is null then
    perform private.refuse(401, 'not_signed_in', 'sign in with the address that was invited');
  end if;
  select i.* into invitation
    from private.invitation_tokens t
    join public.invitations i on i.tenant_id = t.tenant_id and i.id = t.invitation_id
   where t.hash = sha256(convert_to(token, 'UTF8'))
     for no key update of i;
  -- A token of an invitation that is over is gone, and with it the difference to one that never was.
  -- Who waited for the lock above has the row as it is now, beside a token that was there before.
  if invitation.id is null or not private.is_pending(invitation) then
    perform private.refuse_invitation();
  end if;
  if lower(account.email) is distinct from invitation.email then
    perform private.refuse(403, 'wrong_account', 'this invitation was sent to another address', null, 'sign in with the address that was invited');
  end if;
  if account.email_confirmed_at is null then
    perform private.refuse(403, 'email_not_confirmed', 'confirm your e-mail address first');
  end if;
  if invitation.expires_at <= now() then
    perform private.refuse(410, 'invitation_expired', 'this invitation is over', null, 'ask for a new one');
  end if;
  return invitation;
end
$$;

comment on function private.invitation_of_token is
  'The pending invitation behind a token, locked, when the caller''s confirmed address is the one that was invited.';

create function private.look_at_invitation(token text)
returns table (tenant_name text, role text, role_name text, email text, invited_by text, expires_at timestamptz)
language sql
-- Definer: the caller is no member yet.
security definer
set search_path = ''
as $$
  select t.name, i.role, r.name, i.email, u.name, i.expires_at
    from private.invitation_of_token(token) i
    join public.tenants t on t.id = i.tenant_id
    left join public.roles r on r.tenant_id = i.tenant_id and r.key = i.role
    left join public.users u on u.id = i.invited_by
$$;

create function public.look_at_invitation(token text)
returns table (tenant_name text, role text, role_name text, email text, invited_by text, expires_at timestamptz)
language sql set search_path = '' as $$ select * from private.look_at_invitation(token) $$;

comment on function public.look_at_invitation is 'What an invitation is to, for the page that asks whether to accept.';

create function private.accept_invitation(token text) returns public.memberships
language plpgsql
-- Definer: the caller is no member yet.
security definer
set search_path = ''
as $$
declare
  invitation public.invitations := private.invitation_of_token(token);
  membership public.memberships;
  tenant_status text;
begin
  select t.status into tenant_status from public.tenants t where t.id = invitation.tenant_id;
  if tenant_status <> 'active' then
    perform private.refuse(403, 'tenant_' || tenant_status, format('this tenant is %s and takes nobody in', tenant_status));
  end if;
  if not private.is_still_granted(invitation) then
    perform private.refuse_invitation();
  end if;
  update public.invitations i
     set accepted_at = now(), accepted_by = (select auth.uid())
   where i.tenant_id = invitation.tenant_id and i.id = invitation.id;
  begin
    insert into public.memberships (tenant_id, user_id, role)
    values (invitation.tenant_id, (select auth.uid()), invitation.role)
    returning * into membership;
  exception when unique_violation then
    perform private.refuse(409, 'already_member', 'you are a member already');
  end;
  return membership;
end
$$;

create function public.accept_invitation(token text) returns public.memberships
language sql set search_path = '' as $$ select * from private.accept_invitation(token) $$;

comment on function public.accept_invitation is
  'Makes the caller a member, by the token that was mailed to the caller''s confirmed address. Answers 402 when the plan has no seat left.';

create function private.decline_invitation(token text) returns void
language plpgsql
-- Definer: the caller is no member.
security definer
set search_path = ''
as $$
declare
  invitation public.invitations := private.invitation_of_token(token);
begin
  update public.invitations i set declined_at = now() where i.tenant_id = invitation.tenant_id and i.id = invitation.id;
end
$$;

create function public.decline_invitation(token text) returns void
language sql set search_path = '' as $$ select private.decline_invitation(token) $$;

comment on function public.decline_invitation is 'Says no to an invitation.';

create function private.member_to_manage(tenant uuid, member uuid) returns public.memberships
language plpgsql
-- Definer: locks the row, for those who hold members.manage.
security definer
set search_path = ''
as $$
declare
  membership public.memberships;
begin
  perform private.demand(tenant, 'members.manage');
  -- Everybody who changes members passes here first, and rows after it: no two of them wait for each other in a circle. What was allowed
  -- before the wait may not be after it.
  perform private.lock_access(tenant);
  perform private.demand(tenant, 'members.manage');
  select m.* into membership from public.memberships m where m.tenant_id = tenant and m.user_id = member for no key update;
  if membership.user_id is null then
    perform private.refuse(404, 'not_found', 'this tenant has no such member');
  end if;
  return membership;
end
$$;

create function private.change_member_role(tenant uuid, member uuid, wanted_role text) returns public.memberships
language plpgsql
-- Definer: writes memberships, for those who hold members.manage and all that is given or taken.
security definer
set search_path = ''
as $$
declare
  membership public.memberships := private.member_to_manage(tenant, member);
begin
  perform private.find_role(tenant, wanted_role);
  perform private.demand_grant(tenant, 'memberships', array[membership.role, wanted_role]);
  update public.memberships m set role = wanted_role
   where m.tenant_id = tenant and m.user_id = member and m.role <> wanted_role
  returning * into membership;
  select m.* into membership from public.memberships m where m.tenant_id = tenant and m.user_id = member;
  return membership;
end
$$;

create function public.change_member_role(tenant_id uuid, user_id uuid, role text) returns public.memberships
language sql set search_path = '' as $$ select * from private.change_member_role(tenant_id, user_id, role) $$;

comment on function public.change_member_role is
  'Gives a member another role. The caller holds every permission of the old role and of the new one; only an owner makes or unmakes an owner.';

create function private.remove_member(tenant uuid, member uuid) returns void
language plpgsql
-- Definer: see private.change_member_role.
security definer
set search_path = ''
as $$
declare
  membership public.memberships := private.member_to_manage(tenant, member);
begin
  perform private.demand_grant(tenant, 'memberships', array[membership.role]);
  delete from public.memberships m where m.tenant_id = tenant and m.user_id = member;
end
$$;

create function public.remove_member(tenant_id uuid, user_id uuid) returns void
language sql set search_path = '' as $$ select private.remove_member(tenant_id, user_id) $$;

comment on function public.remove_member is 'Removes a member, who is out in the next statement. The caller holds all that the member''s role allows.';

create function private.leave_tenant(tenant uuid) returns void
language plpgsql
-- Definer: everybody may leave, also a tenant that is suspended.
security definer
set search_path = ''
as $$
begin
  if not exists (select from public.memberships m where m.tenant_id = tenant and m.user_id = (select auth.uid())) then
    perform private.refuse(404, 'not_found', 'there is no such tenant');
  end if;
  -- See private.member_to_manage.
  perform private.lock_access(tenant);
  delete from public.memberships m where m.tenant_id = tenant and m.user_id = (select auth.uid());
end
$$;

create function public.leave_tenant(tenant_id uuid) returns void
language sql set search_path = '' as $$ select private.leave_tenant(tenant_id) $$;

comment on function public.leave_tenant is 'Ends the caller''s membership. Refused for the last owner.';

create function private.transfer_ownership(tenant uuid, member uuid) returns public.memberships
language plpgsql
-- Definer: see private.change_member_role.
security definer
set search_path = ''
as $$
declare
  membership public.memberships := private.member_to_manage(tenant, member);
begin
  perform private.demand_grant(tenant, 'memberships', array['owner', membership.role]);
  if member = (select auth.uid()) then
    perform private.refuse(409, 'already_owner', 'you are an owner already');
  end if;
  update public.memberships m set role = 'owner' where m.tenant_id = tenant and m.user_id = member returning * into membership;
  update public.memberships m set role = 'admin' where m.tenant_id = tenant and m.user_id = (select auth.uid());
  return membership;
end
$$;

create function public.transfer_ownership(tenant_id uuid, user_id uuid) returns public.memberships
language sql set search_path = '' as $$ select * from private.transfer_ownership(tenant_id, user_id) $$;

comment on function public.transfer_ownership is 'Makes a member the owner in the caller''s place; the caller becomes an admin. Answers the new owner''s membership.';

create function private.my_tenants()
returns table (
  tenant_id uuid, name text, subdomain text, status text, role text, permissions text[],
  requires_second_factor boolean, second_factor_missing boolean, access_ends_at timestamptz
)
language sql
stable
-- Definer: see private.tenants_with.
security definer
set search_path = ''
as $$
  select t.id, t.name, t.subdomain, t.status, m.role, private.permissions_in(private.held_in(t.id)),
         t.requires_second_factor, a.granted <> a.granted_with_second_factor and not private.has_second_factor(),
         nullif(a.ends_at, 'infinity')
    from private.access a
    join public.tenants t on t.id = a.tenant_id
    left join public.memberships m on m.tenant_id = t.id and m.user_id = a.principal
   where a.principal = private.principal() and a.ends_at > now()
   order by t.name, t.id
$$;

create function public.my_tenants()
returns table (
  tenant_id uuid, name text, subdomain text, status text, role text, permissions text[],
  requires_second_factor boolean, second_factor_missing boolean, access_ends_at timestamptz
)
language sql stable set search_path = '' as $$ select * from private.my_tenants() $$;

comment on function public.my_tenants is
  'The caller''s tenants, with the permissions that are in force now: what a frontend shows or hides by. second_factor_missing: more with aal2.';

-- Settings -----------------------------------------------------------------------------------------------------------------------

create function private.guard_second_factor() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  -- Whoever asks it of others has one, or the next thing they know is that they are shut out. Nor does an API key take it off.
  if private.is_caller() and not private.has_second_factor() then
    perform private.refuse(403, 'second_factor_required', 'verify a second factor yourself before you require one, or no more',
      null, 'enroll one, verify it in this session (aal2) and try again');
  end if;
  return new;
end
$$;

create trigger _100_guard_second_factor before update of requires_second_factor on public.tenants
  for each row when (new.requires_second_factor is distinct from old.requires_second_factor) execute function private.guard_second_factor();
