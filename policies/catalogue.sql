-- Access to public.catalogue
--
-- | actor          | select | insert | update | delete |
-- | -------------- | ------ | ------ | ------ | ------ |
-- | anon           | no     | no     | no     | no     |
-- | authenticated  | all    | no     | no     | no     |
--
-- Kept by the triggers of public.listings.

select private.close_table('public.catalogue');
grant select on public.catalogue to authenticated;

create policy "whoever is signed in reads the catalogue" on public.catalogue
  for select to authenticated
  using (true);
