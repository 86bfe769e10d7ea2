-- Access to public.roles
--
-- | actor                     | select | insert | update            | delete |
-- | ------------------------- | ------ | ------ | ----------------- | ------ |
-- | anon, stranger            | no     | no     | no                | no     |
-- | member                    | own    | no     | no                | no     |
-- | member with roles.manage  | own    | own    | own, not built in | own, not built in |
--
-- A trigger keeps the built-in roles, and refuses to write a role that allows what the caller does not hold.

select private.close_table('public.roles');
grant select, insert, update, delete on public.roles to authenticated;

create policy "members read the roles of their tenants" on public.roles
  for select to authenticated
  using (aias.among(tenant_id, (select aias.own_tenants())));

create policy "members with roles.manage make roles" on public.roles
  for insert to authenticated
  with check (aias.among(tenant_id, (select aias.tenants_with('roles.manage'))));

create policy "members with roles.manage change roles" on public.roles
  for update to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('roles.manage'))))
  with check (aias.among(tenant_id, (select aias.tenants_with('roles.manage'))));

create policy "members with roles.manage delete roles" on public.roles
  for delete to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('roles.manage'))));

-- Where the tenant asks for one. A wall behind aias.tenants_with, which counts the factors too.
create policy "new roles wait for a second factor" on public.roles
  as restrictive for insert to authenticated
  with check (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));

create policy "changes of roles wait for a second factor" on public.roles
  as restrictive for update to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]))
  with check (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));

create policy "deleting roles waits for a second factor" on public.roles
  as restrictive for delete to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));
