-- Access to public.regions
--
-- | actor          | select | insert | update | delete |
-- | -------------- | ------ | ------ | ------ | ------ |
-- | anon           | all    | no     | no     | no     |
-- | authenticated  | all    | no     | no     | no     |
--
-- Kept by the operator.

select private.close_table('public.regions');
grant select on public.regions to anon, authenticated;

create policy "anyone reads the regions" on public.regions
  for select to anon, authenticated
  using (true);
