-- Access to public.agent_versions
--
-- | actor                        | select | insert | update | delete |
-- | ---------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger               | no     | no     | no     | no     |
-- | member with agents.read      | own    | no     | no     | no     |
--
-- Written by the trigger that sees an agent change, and never changed.

select private.close_table('public.agent_versions');
grant select on public.agent_versions to authenticated;

create policy "members with agents.read read versions of agents" on public.agent_versions
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('agents.read'))));
