-- Access to public.purchases
--
-- | actor                        | select | insert | update | delete |
-- | ---------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger               | no     | no     | no     | no     |
-- | member with agents.read      | own    | no     | no     | no     |
--
-- Who chooses agents for workflows sees what may be chosen. Derived from what Stripe tells.

select private.close_table('public.purchases');
grant select on public.purchases to authenticated;

create policy "members with agents.read read purchases" on public.purchases
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('agents.read'))));
