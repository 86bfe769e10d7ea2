-- Access to public.usage
--
-- | actor                        | select | insert | update | delete |
-- | ---------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger               | no     | no     | no     | no     |
-- | member with usage.read       | own    | no     | no     | no     |
--
-- Written when a call is recorded.

select private.close_table('public.usage');
grant select on public.usage to authenticated;

create policy "members with usage.read read usage" on public.usage
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('usage.read'))));
