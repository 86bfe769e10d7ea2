-- Access to public.permissions
--
-- | actor          | select | insert | update | delete |
-- | -------------- | ------ | ------ | ------ | ------ |
-- | anon           | no     | no     | no     | no     |
-- | authenticated  | all    | no     | no     | no     |

select private.close_table('public.permissions');
grant select on public.permissions to authenticated;

create policy "signed-in people read the permissions" on public.permissions
  for select to authenticated
  using (true);
