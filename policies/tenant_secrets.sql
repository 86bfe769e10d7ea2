-- Access to public.tenant_secrets
--
-- | actor                       | select | insert | update | delete |
-- | --------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger              | no     | no     | no     | no     |
-- | member with secrets.manage  | own    | no     | no     | no     |
--
-- Written by edge-api for those who hold secrets.manage. The values are sealed in a table of their own, which nobody reads.

select private.close_table('public.tenant_secrets');
grant select on public.tenant_secrets to authenticated;

create policy "members with secrets.manage read what secrets there are" on public.tenant_secrets
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('secrets.manage'))));

-- Where the tenant asks for one. A wall behind aias.tenants_with, which counts the factors too.
create policy "reading what secrets there are waits for a second factor" on public.tenant_secrets
  as restrictive for select to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));
