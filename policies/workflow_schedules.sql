-- Access to public.workflow_schedules
--
-- | actor                        | select | insert | update | delete |
-- | ---------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger               | no     | no     | no     | no     |
-- | member with workflows.read   | own    | no     | no     | no     |
--
-- A view that runs as its caller, over a table in a schema that is not exposed. It is written when a workflow is published, and by workers.

select private.close_table('public.workflow_schedules');
select private.close_table('queue.schedules');
grant select on public.workflow_schedules, queue.schedules to authenticated;

create policy "members with workflows.read read schedules" on queue.schedules
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('workflows.read'))));
