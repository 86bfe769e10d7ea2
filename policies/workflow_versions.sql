-- Access to public.workflow_versions
--
-- | actor                        | select | insert | update | delete |
-- | ---------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger               | no     | no     | no     | no     |
-- | member with workflows.read   | own    | no     | no     | no     |
--
-- Written by the trigger that publishes a workflow, and never changed.

select private.close_table('public.workflow_versions');
grant select on public.workflow_versions to authenticated;

create policy "members with workflows.read read published versions" on public.workflow_versions
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('workflows.read'))));
