-- Access to public.api_keys
--
-- | actor                       | select | insert | update | delete |
-- | --------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger              | no     | no     | no     | no     |
-- | member with keys.manage     | own    | no     | no     | no     |
--
-- Written by RPCs: create_api_key, revoke_api_key. The hashes are in a table of their own, which nobody reads.

select private.close_table('public.api_keys');
grant select on public.api_keys to authenticated;

create policy "members with keys.manage read keys" on public.api_keys
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('keys.manage'))));

-- Where the tenant asks for one. A wall behind aias.tenants_with, which counts the factors too.
create policy "reading keys waits for a second factor" on public.api_keys
  as restrictive for select to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));
