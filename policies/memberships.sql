-- Access to public.memberships
--
-- | actor                      | select          | insert | update | delete |
-- | -------------------------- | --------------- | ------ | ------ | ------ |
-- | anon, stranger             | no              | no     | no     | no     |
-- | member                     | self            | no     | no     | no     |
-- | member with members.read   | fellow members  | no     | no     | no     |
--
-- rpc create_tenant makes the owner's membership.

select private.close_table('public.memberships');
grant select on public.memberships to authenticated;

create policy "members read their own and their fellows' memberships" on public.memberships
  for select to authenticated
  using (
    user_id = (select auth.uid())
    or tenant_id = any (array(select private.tenants_with('members.read')))
  );
