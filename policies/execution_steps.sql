-- Access to public.execution_steps
--
-- | actor                        | select | insert | update | delete |
-- | ---------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger               | no     | no     | no     | no     |
-- | member with executions.read  | own    | no     | no     | no     |
--
-- Written by the workers.

select private.close_table('public.execution_steps');
grant select on public.execution_steps to authenticated;

create policy "members with executions.read read steps" on public.execution_steps
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('executions.read'))));
