-- Access to public.invitations
--
-- | actor                       | select | insert | update | delete |
-- | --------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger              | no     | no     | no     | no     |
-- | member with members.manage  | own    | no     | no     | no     |
--
-- Written by RPCs: invite_member, resend_invitation, revoke_invitation, accept_invitation, decline_invitation.

select private.close_table('public.invitations');
grant select on public.invitations to authenticated;

create policy "members with members.manage read invitations" on public.invitations
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('members.manage'))));

-- Where the tenant asks for one. A wall behind aias.tenants_with, which counts the factors too.
create policy "reading invitations waits for a second factor" on public.invitations
  as restrictive for select to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));
