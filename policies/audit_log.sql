-- Access to public.audit_log
--
-- | actor                       | select | insert | update | delete |
-- | --------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger              | no     | no     | no     | no     |
-- | member with audit.read      | own    | no     | no     | no     |
--
-- A view that runs as its caller, over two tables in a schema that is not exposed. They are written by triggers and the worker that chains.
-- No wall stands here for a tenant that wants a second factor: audit.read is not in force without one, and a page would ask twice as often.

select private.close_table('public.audit_log');
select private.close_table('audit.log');
select private.close_table('audit.inbox');
grant select on public.audit_log, audit.log, audit.inbox to authenticated;

create policy "members with audit.read read the log" on audit.log
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('audit.read'))));

create policy "members with audit.read read what is to be chained" on audit.inbox
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('audit.read'))));
