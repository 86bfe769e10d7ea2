-- Access to public.audit_log
--
-- | actor                       | select | insert | update | delete |
-- | --------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger              | no     | no     | no     | no     |
-- | member with audit.read      | own    | no     | no     | no     |
--
-- A view that runs as its caller, over two tables in a schema that is not exposed. They are written by triggers and the worker that chains.

select private.close_table('public.audit_log');
select private.close_table('audit.log');
select private.close_table('audit.inbox');
grant select on public.audit_log, audit.log, audit.inbox to authenticated;

create policy "members with audit.read read the log" on audit.log
  for select to authenticated
  using (tenant_id = any (array(select private.tenants_with('audit.read'))));

create policy "members with audit.read read what is to be chained" on audit.inbox
  for select to authenticated
  using (tenant_id = any (array(select private.tenants_with('audit.read'))));

-- Where the tenant asks for one. A wall behind private.tenants_with, which counts the factors too.
create policy "reading the log waits for a second factor" on audit.log
  as restrictive for select to authenticated
  using (tenant_id <> all (array(select private.tenants_asking_for_second_factor())));

create policy "reading what is to be chained waits for a second factor" on audit.inbox
  as restrictive for select to authenticated
  using (tenant_id <> all (array(select private.tenants_asking_for_second_factor())));
