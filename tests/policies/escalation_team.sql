-- Nobody grants what they do not hold, and only an owner makes or unmakes an owner: by members and invitations.
-- public.change_member_role, remove_member, transfer_ownership, invite_member, resend_invitation

begin;
\ir ../fixtures/world.sql
\ir ../fixtures/climbers.sql
select plan(93);

-- What an owner, an admin, an editor and a viewer may, and hr may not. What only an owner is, no list of permissions says.
\set owner_over_admin '{billing.manage,tenant.close}'
\set viewer_over_hr '{executions.read,workflows.read}'
\set editor_over_hr '{agents.write,executions.cancel,executions.read,models.call,usage.read,workflows.execute,workflows.read,workflows.write}'
select array(select distinct p from unnest(:'editor_over_hr'::text[] || '{audit.read,billing.read,providers.manage,secrets.manage,tenant.export,tenant.manage}') p order by 1) as admin_over_hr,
       array(select distinct p from unnest(:'editor_over_hr'::text[] || '{audit.read,billing.read,providers.manage,secrets.manage,tenant.export,tenant.manage}' || :'owner_over_admin') p
             order by 1) as owner_over_hr
\gset

-- change_member_role ----------------------------------------------------------------------------------------------------------------------

select caught(actor, calling('public.change_member_role', :'alpha', member, role), 'memberships', missing::text[], why)
  from (values
    ('hr@alpha.test', :'hr', 'admin', :'admin_over_hr', 'raises themselves to no admin'),
    ('hr@alpha.test', :'hr', 'strong', '{billing.manage}', 'gives themselves no role that allows more'),
    ('hr@alpha.test', :'viewer', 'editor', :'editor_over_hr', 'raises nobody above themselves'),
    ('hr@alpha.test', :'viewer', 'weak', :'viewer_over_hr', 'lowers nobody who may more'),
    ('hr@alpha.test', :'admin', 'weak', :'admin_over_hr', 'lowers no admin'),
    ('admin@alpha.test', :'admin', 'owner', :'owner_over_admin', 'makes themselves no owner'),
    ('admin@alpha.test', :'viewer', 'owner', :'owner_over_admin', 'makes nobody an owner'),
    ('admin@alpha.test', :'owner', 'viewer', :'owner_over_admin', 'unmakes no owner'),
    ('admin@alpha.test', :'admin', 'super', :'owner_over_admin', 'gives themselves no role that allows all'),
    ('admin@alpha.test', :'admin', 'billing', '{billing.manage}', 'gives themselves no role beside their own'),
    ('super@alpha.test', :'super', 'owner', '{}', 'makes themselves no owner, with all permissions'),
    ('super@alpha.test', :'viewer', 'owner', '{}', 'makes nobody an owner, with all permissions'),
    ('super@alpha.test', :'owner', 'viewer', '{}', 'unmakes no owner, with all permissions'),
    ('key:everything', :'viewer', 'owner', '{}', 'makes nobody an owner, with all scopes'),
    ('key:everything', :'owner', 'viewer', '{}', 'unmakes no owner, with all scopes'),
    ('key:manager', :'viewer', 'editor',
      '{agents.write,executions.cancel,executions.read,models.call,usage.read,workflows.execute,workflows.read,workflows.write}',
      'gives nobody more than its scopes')
  ) tried (actor, member, role, missing, why);
select allowed(actor, calling('public.change_member_role', :'alpha', member, role), 1, 'may')
  from (values ('owner@alpha.test', :'super', 'owner'), ('super@alpha.test', :'admin', 'super'), ('key:everything', :'viewer', 'super'),
               ('hr@alpha.test', :'hr', 'weak')) held (actor, member, role);

-- remove_member ---------------------------------------------------------------------------------------------------------------------------

select caught(actor, calling('public.remove_member', :'alpha', member), 'memberships', missing::text[], why)
  from (values
    ('hr@alpha.test', :'viewer', :'viewer_over_hr', 'removes nobody who may more'),
    ('admin@alpha.test', :'owner', :'owner_over_admin', 'removes no owner'),
    ('super@alpha.test', :'owner', '{}', 'removes no owner, with all permissions'),
    ('key:everything', :'owner', '{}', 'removes no owner, with all scopes')
  ) tried (actor, member, missing, why);

-- transfer_ownership ----------------------------------------------------------------------------------------------------------------------

select caught(actor, calling('public.transfer_ownership', :'alpha', member), 'memberships', missing::text[], why)
  from (values
    ('hr@alpha.test', :'hr', :'owner_over_hr', 'takes no tenant over'),
    ('admin@alpha.test', :'admin', :'owner_over_admin', 'takes no tenant over'),
    ('admin@alpha.test', :'viewer', :'owner_over_admin', 'hands no tenant over'),
    ('super@alpha.test', :'super', '{}', 'takes no tenant over, with all permissions'),
    ('key:everything', :'viewer', '{}', 'hands no tenant over, with all scopes')
  ) tried (actor, member, missing, why);

-- invite_member, resend_invitation --------------------------------------------------------------------------------------------------------

select caught(actor, calling('public.invite_member', :'alpha', 'friend@delta.test', role), 'invitations', missing::text[], why)
  from (values
    ('hr@alpha.test', 'viewer', :'viewer_over_hr', 'invites nobody who could read more'),
    ('hr@alpha.test', 'strong', '{billing.manage}', 'invites nobody to a role that allows more'),
    ('admin@alpha.test', 'owner', :'owner_over_admin', 'invites no owner'),
    ('admin@alpha.test', 'billing', '{billing.manage}', 'invites nobody to what they lack'),
    ('super@alpha.test', 'owner', '{}', 'invites no owner, with all permissions'),
    ('key:everything', 'owner', '{}', 'invites no owner, with all scopes'),
    ('key:manager', 'viewer', :'viewer_over_hr', 'invites nobody beyond its scopes')
  ) tried (actor, role, missing, why);
select allowed(actor, calling('public.invite_member', :'alpha', 'friend@delta.test', role), 1, 'may')
  from (values ('owner@alpha.test', 'owner'), ('super@alpha.test', 'super'), ('key:everything', 'super'), ('hr@alpha.test', 'weak')) held (actor,
    role);
select caught(actor, calling('public.resend_invitation', '01900000-0000-7000-8000-00000000a0b1'), 'invitations', missing::text[],
  'sends nothing again in their own name that they could not send')
  from (values ('hr@alpha.test', :'viewer_over_hr'), ('key:manager', :'viewer_over_hr')) tried (actor, missing);

-- Power in one tenant is none in another --------------------------------------------------------------------------------------------------

update public.memberships set role = 'viewer' where tenant_id = :'beta' and user_id = :'both';
select refused('both@alpha.test', statement, 403, 'forbidden', 'is an owner of Alpha and a viewer of Beta')
  from unnest(array[
    calling('public.change_member_role', :'beta', :'both', 'owner'),
    calling('public.remove_member', :'beta', '01900000-0000-7000-8000-0000000000b1'),
    calling('public.transfer_ownership', :'beta', :'both'),
    calling('public.invite_member', :'beta', 'friend@delta.test', 'viewer'),
    calling('public.resend_invitation', '01900000-0000-7000-8000-00000000b0b1'),
    calling('public.revoke_invitation', '01900000-0000-7000-8000-00000000b0b1'),
    calling('public.create_api_key', :'beta', 'CI', '{agents.read}'),
    calling('public.revoke_api_key', '01900000-0000-7000-8000-00000000b0c1'),
    calling('public.add_domain', :'beta', 'shop.beta.test'),
    calling('public.remove_domain', '01900000-0000-7000-8000-00000000b0da'),
    calling('public.export_tenant', :'beta'),
    calling('public.export_chunk', '01900000-0000-7000-8000-00000000b0ea', '1'),
    calling('public.close_tenant', :'beta', 'beta'),
    calling('public.verify_audit', :'beta')
  ]) statement;
select denied('both@alpha.test', format('update public.roles set permissions = %L where tenant_id = %L', '{agents.read}', :'beta'),
  'edits no role of Beta');
insert into public.roles (tenant_id, key, name, permissions) values (:'beta', 'betas', 'Betas', '{agents.read}');
select refused('owner@alpha.test', calling('public.change_member_role', :'alpha', :'viewer', 'betas'), 400, 'unknown_role',
  'gives no role of another tenant');

select * from finish();
rollback;
