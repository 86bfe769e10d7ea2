-- Access to public.rate_limits
--
-- | actor                       | select | insert | update | delete |
-- | --------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger              | no     | no     | no     | no     |
-- | member with keys.manage     | own    | no     | no     | no     |
--
-- Written by the RPC set_rate_limit.

select private.close_table('public.rate_limits');
grant select on public.rate_limits to authenticated;

create policy "members with keys.manage read rate limits" on public.rate_limits
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('keys.manage'))));

-- Where the tenant asks for one. A wall behind aias.tenants_with, which counts the factors too.
create policy "reading rate limits waits for a second factor" on public.rate_limits
  as restrictive for select to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));
