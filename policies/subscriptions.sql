-- Access to public.subscriptions
--
-- | actor                     | select | insert | update | delete |
-- | ------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger            | no     | no     | no     | no     |
-- | member with billing.read  | own    | no     | no     | no     |
--
-- Derived from what Stripe tells. A subscription is changed in Stripe.

select private.close_table('public.subscriptions');
grant select on public.subscriptions to authenticated;

create policy "members with billing.read read subscriptions" on public.subscriptions
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('billing.read'))));

-- Where the tenant asks for one. A wall behind aias.tenants_with, which counts the factors too.
create policy "reading subscriptions waits for a second factor" on public.subscriptions
  as restrictive for select to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));
