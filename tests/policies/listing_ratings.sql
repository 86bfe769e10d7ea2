-- public.listing_ratings: agents.read sees what their tenant has said; nobody writes it by hand.

begin;
\ir ../fixtures/world.sql
select plan(48);

-- owner, editor, viewer: agents.read --------------------------------------------------------------------------------------------------------

select sees(actor, 'select from public.listing_ratings', 1, 'reads how their tenant has rated')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'key:robot']) actor;
select sees('both@alpha.test', 'select from public.listing_ratings', 2, 'reads how both of their tenants have');
select denied(actor, 'select from public.listing_ratings', 'reads no ratings')
  from unnest(array['billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'stranger@gamma.test', 'anon']) actor;
select denied('owner@alpha.test', $$select from public.listing_ratings where listing_id = '01900000-0000-7000-8000-00000000a015'$$,
  'does not learn who has rated what they sell');
select unreachable('anon', 'select from public.listing_ratings', 'cannot even ask for ratings');

-- Nobody writes them by hand --------------------------------------------------------------------------------------------------------------

select denied(actor, $$insert into public.listing_ratings (tenant_id, listing_id, stars)
    values ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a015', 5)$$, 'rates nothing by hand')
  from unnest(array['owner@alpha.test', 'editor@alpha.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, 'update public.listing_ratings set stars = 1', 'changes none')
  from unnest(array['owner@alpha.test', 'editor@alpha.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, 'delete from public.listing_ratings', 'deletes none')
  from unnest(array['owner@alpha.test', 'editor@alpha.test', 'stranger@gamma.test', 'anon']) actor;

-- What the table itself holds true -----------------------------------------------------------------------------------------------------------

select throws_ok(format('update public.listing_ratings set stars = %s', stars), '23514', null, 'one to five stars, not ' || stars) from unnest(array[0, 6]) stars;
select is(c.ratings || ' ' || c.rating, s.ratings || ' ' || round(s.stars / s.ratings::numeric, 2), 'the catalogue shows what ' || c.slug || ' comes to')
  from public.catalogue c join (select r.listing_id, count(*) as ratings, sum(r.stars) as stars from public.listing_ratings r group by 1) s using (listing_id);
select isnt_empty($$select from audit.inbox where subject = 'listing_ratings' and action = 'listing_ratings.insert'$$, 'a rating is in the audit log');

select * from finish();
rollback;
