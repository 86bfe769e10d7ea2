-- Access to public.captured_calls
--
-- | actor                       | select | insert | update | delete |
-- | --------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger              | no     | no     | no     | no     |
-- | member with audit.read      | own    | no     | no     | no     |
--
-- Written by edge-api where the tenant has content_kept_days, masked, and taken away by the sweep.

select private.close_table('public.captured_calls');
grant select on public.captured_calls to authenticated;

create policy "members with audit.read read what models were asked" on public.captured_calls
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('audit.read'))));

-- Where the tenant asks for one. A wall behind aias.tenants_with, which counts the factors too.
create policy "reading what models were asked waits for a second factor" on public.captured_calls
  as restrictive for select to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));
