-- Access to public.agent_documents
--
-- | actor                        | select | insert | update | delete |
-- | ---------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger               | no     | no     | no     | no     |
-- | member with agents.read      | own    | no     | no     | no     |
-- | member with agents.write     | no     | own    | own    | own    |
--
-- A filter in an update or a delete needs the read permission as well: a role that only writes acts on all rows or none, and sees none.

select private.close_table('public.agent_documents');
grant select, insert, update, delete on public.agent_documents to authenticated;

create policy "members with agents.read read documents" on public.agent_documents
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('agents.read'))));

create policy "members with agents.write make documents" on public.agent_documents
  for insert to authenticated
  with check (aias.among(tenant_id, (select aias.tenants_with('agents.write'))));

create policy "members with agents.write change documents" on public.agent_documents
  for update to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('agents.write'))))
  with check (aias.among(tenant_id, (select aias.tenants_with('agents.write'))));

create policy "members with agents.write delete documents" on public.agent_documents
  for delete to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('agents.write'))));

-- Where the tenant asks for one. A wall behind aias.tenants_with, which counts the factors too.
create policy "new documents wait for a second factor" on public.agent_documents
  as restrictive for insert to authenticated
  with check (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));

create policy "changes of documents wait for a second factor" on public.agent_documents
  as restrictive for update to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]))
  with check (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));

create policy "deleting documents waits for a second factor" on public.agent_documents
  as restrictive for delete to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));
