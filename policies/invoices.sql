-- Access to public.invoices
--
-- | actor                     | select | insert | update | delete |
-- | ------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger            | no     | no     | no     | no     |
-- | member with billing.read  | own    | no     | no     | no     |
--
-- Derived from what Stripe tells. An invoice is paid there.

select private.close_table('public.invoices');
grant select on public.invoices to authenticated;

create policy "members with billing.read read invoices" on public.invoices
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('billing.read'))));

-- Where the tenant asks for one. A wall behind aias.tenants_with, which counts the factors too.
create policy "reading invoices waits for a second factor" on public.invoices
  as restrictive for select to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));
