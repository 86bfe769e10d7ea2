-- Access to public.roles
--
-- | actor           | select | insert | update | delete |
-- | --------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger  | no     | no     | no     | no     |
-- | member          | own    | no     | no     | no     |

select private.close_table('public.roles');
grant select on public.roles to authenticated;

create policy "members read the roles of their tenants" on public.roles
  for select to authenticated
  using (tenant_id = any (array(select private.own_tenants())));
