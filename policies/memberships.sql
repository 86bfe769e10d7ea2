-- Access to public.memberships
--
-- | actor                      | select | insert | update | delete |
-- | -------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger             | no     | no     | no     | no     |
-- | the person                 | self   | no     | no     | no     |
-- | member with members.read   | own    | no     | no     | no     |
--
-- Written by RPCs: create_tenant, accept_invitation, change_member_role, remove_member, leave_tenant, transfer_ownership.

select private.close_table('public.memberships');
grant select on public.memberships to authenticated;

create policy "members read their own and their fellows' memberships" on public.memberships
  for select to authenticated
  using (
    user_id = (select auth.uid())
    or aias.among(tenant_id, (select aias.tenants_with('members.read')))
  );

-- Where the tenant asks for one. A wall behind aias.tenants_with, which counts the factors too.
create policy "reading members waits for a second factor" on public.memberships
  as restrictive for select to authenticated
  using (
    user_id = (select auth.uid())
    or tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[])
  );
