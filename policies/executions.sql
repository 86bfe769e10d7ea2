-- Access to public.executions
--
-- | actor                        | select | insert | update | delete |
-- | ---------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger               | no     | no     | no     | no     |
-- | member with executions.read  | own    | no     | no     | no     |
--
-- Written by rpc start_execution, rpc cancel_execution and the workers.

select private.close_table('public.executions');
grant select on public.executions to authenticated;

create policy "members with executions.read read executions" on public.executions
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('executions.read'))));
