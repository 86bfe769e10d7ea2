-- Access to public.listings
--
-- | actor                        | select | insert | update | delete |
-- | ---------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger               | no     | no     | no     | no     |
-- | member with agents.read      | own    | no     | no     | no     |
-- | member with agents.write     | no     | own    | own    | own    |
--
-- What of a row is written, and when, holds the trigger private.keep_listing: drafts are, states are not. Everybody else sees public.catalogue.

select private.close_table('public.listings');
grant select, insert, update, delete on public.listings to authenticated;

create policy "members with agents.read read listings" on public.listings
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('agents.read'))));

create policy "members with agents.write draft listings" on public.listings
  for insert to authenticated
  with check (aias.among(tenant_id, (select aias.tenants_with('agents.write'))));

create policy "members with agents.write change listings" on public.listings
  for update to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('agents.write'))))
  with check (aias.among(tenant_id, (select aias.tenants_with('agents.write'))));

create policy "members with agents.write delete listings" on public.listings
  for delete to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('agents.write'))));

-- Where the tenant asks for one. A wall behind aias.tenants_with, which counts the factors too.
create policy "new listings wait for a second factor" on public.listings
  as restrictive for insert to authenticated
  with check (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));

create policy "changes of listings wait for a second factor" on public.listings
  as restrictive for update to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]))
  with check (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));

create policy "deleting listings waits for a second factor" on public.listings
  as restrictive for delete to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));
