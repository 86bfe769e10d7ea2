-- Access to public.marketplace_charges
--
-- | actor                     | select | insert | update | delete |
-- | ------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger            | no     | no     | no     | no     |
-- | member with billing.read  | own    | no     | no     | no     |
--
-- Written with the usage that each is for.

select private.close_table('public.marketplace_charges');
grant select on public.marketplace_charges to authenticated;

create policy "members with billing.read read charges for uses" on public.marketplace_charges
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('billing.read'))));

-- Where the tenant asks for one. A wall behind aias.tenants_with, which counts the factors too.
create policy "reading charges for uses waits for a second factor" on public.marketplace_charges
  as restrictive for select to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));
