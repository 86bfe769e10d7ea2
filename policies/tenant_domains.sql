-- Access to public.tenant_domains
--
-- | actor                       | select | insert | update | delete |
-- | --------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger              | no     | no     | no     | no     |
-- | member with tenant.manage   | own    | no     | no     | no     |
--
-- Written by RPCs: add_domain, check_domain, remove_domain; and by the worker that looks at DNS.

select private.close_table('public.tenant_domains');
grant select on public.tenant_domains to authenticated;

create policy "members with tenant.manage read domains" on public.tenant_domains
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('tenant.manage'))));

-- Where the tenant asks for one. A wall behind aias.tenants_with, which counts the factors too.
create policy "reading domains waits for a second factor" on public.tenant_domains
  as restrictive for select to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));
