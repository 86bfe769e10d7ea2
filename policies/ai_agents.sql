-- Access to public.ai_agents
--
-- | actor                        | select | insert | update | delete |
-- | ---------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger               | no     | no     | no     | no     |
-- | member with agents.read      | own    | no     | no     | no     |
-- | member with agents.write     | no     | own    | own    | own    |
--
-- A filter in an update or a delete needs the read permission as well: a role that only writes acts on all rows or none, and sees none.

select private.close_table('public.ai_agents');
grant select, insert, update, delete on public.ai_agents to authenticated;

create policy "members with agents.read read agents" on public.ai_agents
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('agents.read'))));

create policy "members with agents.write make agents" on public.ai_agents
  for insert to authenticated
  with check (aias.among(tenant_id, (select aias.tenants_with('agents.write'))));

create policy "members with agents.write change agents" on public.ai_agents
  for update to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('agents.write'))))
  with check (aias.among(tenant_id, (select aias.tenants_with('agents.write'))));

create policy "members with agents.write delete agents" on public.ai_agents
  for delete to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('agents.write'))));

-- Where the tenant asks for one. A wall behind aias.tenants_with, which counts the factors too.
create policy "new agents wait for a second factor" on public.ai_agents
  as restrictive for insert to authenticated
  with check (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));

create policy "changes of agents wait for a second factor" on public.ai_agents
  as restrictive for update to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]))
  with check (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));

create policy "deleting agents waits for a second factor" on public.ai_agents
  as restrictive for delete to authenticated
  using (tenant_id <> all ((select aias.tenants_asking_for_second_factor())::uuid[]));
