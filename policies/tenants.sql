-- Access to public.tenants
--
-- | actor                       | select | insert | update                                                                                | delete |
-- | --------------------------- | ------ | ------ | ------------------------------------------------------------------------------------- | ------ |
-- | anon, stranger              | no     | no     | no                                                                                    | no     |
-- | member                      | own    | no     | no                                                                                    | no     |
-- | member with tenant.manage   | own    | no     | own: name, subdomain, requires_second_factor, answer_cache_seconds, content_kept_days | no     |
--
-- Tenants are made by rpc create_tenant and ended by rpc close_tenant. Plan, status and limits follow the subscription.

select private.close_table('public.tenants');
grant select on public.tenants to authenticated;
grant update (name, subdomain, requires_second_factor, answer_cache_seconds, content_kept_days) on public.tenants to authenticated;

create policy "members read their tenants" on public.tenants
  for select to authenticated
  using (aias.among(id, (select aias.own_tenants())));

create policy "those who manage a tenant change it" on public.tenants
  for update to authenticated
  using (aias.among(id, (select aias.tenants_with('tenant.manage'))))
  with check (aias.among(id, (select aias.tenants_with('tenant.manage'))));

-- Where the tenant asks for one. A wall behind aias.tenants_with, which counts the factors too.
create policy "changes of a tenant wait for a second factor" on public.tenants
  as restrictive for update to authenticated
  using (id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]))
  with check (id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));
