-- Access to public.users
--
-- | actor                      | select  | insert | update     | delete |
-- | -------------------------- | ------- | ------ | ---------- | ------ |
-- | anon                       | no      | no     | no         | no     |
-- | the person                 | self    | no     | self: name | no     |
-- | member with members.read   | fellows | no     | no         | no     |
--
-- Profiles are made by Auth's trigger and go with the account.

select private.close_table('public.users');
grant select on public.users to authenticated;
grant update (name) on public.users to authenticated;

create policy "people read themselves and their fellow members" on public.users
  for select to authenticated
  using (
    id = (select auth.uid())
    or id = any (array(
      select m.user_id from public.memberships m
       where aias.among(m.tenant_id, (select aias.tenants_with('members.read')))
    ))
  );

create policy "people change their own profile" on public.users
  for update to authenticated
  using (id = (select auth.uid()))
  with check (id = (select auth.uid()));
