-- Access to public.workflows
--
-- | actor                        | select | insert | update | delete |
-- | ---------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger               | no     | no     | no     | no     |
-- | member with workflows.read   | own    | no     | no     | no     |
-- | member with workflows.write  | no     | own    | own    | own    |
--
-- A filter in an update or a delete needs the read permission as well: a role that only writes acts on all rows or none, and sees none.

select private.close_table('public.workflows');
grant select, insert, update, delete on public.workflows to authenticated;

create policy "members with workflows.read read workflows" on public.workflows
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('workflows.read'))));

create policy "members with workflows.write make workflows" on public.workflows
  for insert to authenticated
  with check (aias.among(tenant_id, (select aias.tenants_with('workflows.write'))));

create policy "members with workflows.write change workflows" on public.workflows
  for update to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('workflows.write'))))
  with check (aias.among(tenant_id, (select aias.tenants_with('workflows.write'))));

create policy "members with workflows.write delete workflows" on public.workflows
  for delete to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('workflows.write'))));

-- Where the tenant asks for one. A wall behind aias.tenants_with, which counts the factors too.
create policy "new workflows wait for a second factor" on public.workflows
  as restrictive for insert to authenticated
  with check (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));

create policy "changes of workflows wait for a second factor" on public.workflows
  as restrictive for update to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]))
  with check (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));

create policy "deleting workflows waits for a second factor" on public.workflows
  as restrictive for delete to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));
