-- Access to public.tenant_exports
--
-- | actor                       | select | insert | update | delete |
-- | --------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger              | no     | no     | no     | no     |
-- | member with tenant.export   | own    | no     | no     | no     |
--
-- Written by rpc export_tenant and the worker. The files are read by rpc export_chunk.

select private.close_table('public.tenant_exports');
grant select on public.tenant_exports to authenticated;

create policy "members with tenant.export read exports" on public.tenant_exports
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('tenant.export'))));

-- Where the tenant asks for one. A wall behind aias.tenants_with, which counts the factors too.
create policy "reading exports waits for a second factor" on public.tenant_exports
  as restrictive for select to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));
