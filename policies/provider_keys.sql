-- Access to public.provider_keys
--
-- | actor                         | select | insert | update | delete |
-- | ----------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger                | no     | no     | no     | no     |
-- | member with providers.manage  | own    | no     | no     | no     |
--
-- Written by edge-api for those who hold providers.manage. The keys themselves are sealed, beside the values of secrets, and nobody reads them.

select private.close_table('public.provider_keys');
grant select on public.provider_keys to authenticated;

create policy "members with providers.manage read which own keys there are" on public.provider_keys
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('providers.manage'))));

-- Where the tenant asks for one. A wall behind aias.tenants_with, which counts the factors too.
create policy "reading which own keys there are waits for a second factor" on public.provider_keys
  as restrictive for select to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));
