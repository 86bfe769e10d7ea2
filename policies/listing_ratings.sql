-- Access to public.listing_ratings
--
-- | actor                        | select | insert | update | delete |
-- | ---------------------------- | ------ | ------ | ------ | ------ |
-- | anon, stranger               | no     | no     | no     | no     |
-- | member with agents.read      | own    | no     | no     | no     |
--
-- Written by rpc rate_listing, which knows who has bought. What all say of a listing is in public.catalogue.

select private.close_table('public.listing_ratings');
grant select on public.listing_ratings to authenticated;

create policy "members with agents.read read listing_ratings" on public.listing_ratings
  for select to authenticated
  using (aias.among(tenant_id, (select aias.tenants_with('agents.read'))));
