-- rpc rate_listing: agents.write rates what the tenant has bought, and the catalogue shows what all ratings come to.

begin;
\ir ../fixtures/world.sql
select plan(29);

-- What Alpha has had, what it sells itself, and what it has begun to buy.
\set listing '01900000-0000-7000-8000-00000000b015'
\set own '01900000-0000-7000-8000-00000000a015'
\set begun '01900000-0000-7000-8000-00000000c015'
insert into public.purchases (tenant_id, listing_id, slug, title, price_kind, amount, currency, state)
values (:'alpha', :'begun', 'guarded-by-use', 'Greeter', 'one_time', 7, 'usd', 'pending');
delete from public.listing_ratings;
create function pg_temp.rating(stars text, listing text default '01900000-0000-7000-8000-00000000b015', tenant text default '01900000-0000-7000-8000-00000000a000')
returns text language sql as $$ select format('select stars from public.rate_listing(%L, %L, %s)', tenant, listing, stars) $$;
create function pg_temp.score(listing text) returns text language sql as $$
  select concat_ws(' ', c.ratings, c.rating) from public.catalogue c where c.listing_id::text = listing
$$;

-- owner, editor: agents.write ----------------------------------------------------------------------------------------------------------------

select answers(actor, pg_temp.rating('4'), '4', 'rates what was bought') from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test']) actor;
select keep('owner@alpha.test', pg_temp.rating('2')) \g /dev/null
select is(pg_temp.score(:'listing'), '1 2.00', 'it is in the catalogue');
select keep('editor@alpha.test', pg_temp.rating('5')) \g /dev/null
select is(pg_temp.score(:'listing'), '1 5.00', 'a tenant rates once, and may think better of it');
select results_eq('select rated_by from public.listing_ratings', array[:'editor'::uuid], 'who did is known to the tenant');
insert into public.listing_ratings (tenant_id, listing_id, stars) values (:'closed', :'listing', 2), (:'frozen', :'listing', 3);
select is(pg_temp.score(:'listing'), '3 3.33', 'the average, to a hundredth');

-- Taken off, and on again: what was said meanwhile counts.
update public.listings set state = 'withdrawn' where id = :'listing';
select is(pg_temp.score(:'listing'), null, 'what is not sold is not in the catalogue');
select keep('owner@alpha.test', pg_temp.rating('1')) \g /dev/null
update public.listings set state = 'published' where id = :'listing';
select is(pg_temp.score(:'listing'), '3 2.00', 'and has its ratings when it is sold again');
select answers('owner@alpha.test', pg_temp.rating('null'), '1', 'takes a rating back, and hears which it was');
select keep('owner@alpha.test', pg_temp.rating('null')) \g /dev/null
select is(pg_temp.score(:'listing'), '2 2.50', 'then it does not count');
delete from public.listing_ratings;
select is(pg_temp.score(:'listing'), '0', 'nobody has said anything');

-- What is not bought ---------------------------------------------------------------------------------------------------------------------------

select refused('owner@alpha.test', pg_temp.rating('5', listing), 403, 'not_a_buyer', 'rates only what was bought')
  from unnest(array[:'own', :'begun', '01900000-0000-7000-8000-00000000ffff']) listing;
update public.purchases set state = 'refunded' where tenant_id = :'alpha' and listing_id = :'listing';
select refused('owner@alpha.test', pg_temp.rating('1'), 403, 'not_a_buyer', 'rates nothing whose money went back');
select refused('owner@alpha.test', pg_temp.rating(stars), 400, 'invalid_stars', 'gives one to five stars') from unnest(array['0', '6', '-1']) stars;

-- members without it, the other tenant, stranger, anon ------------------------------------------------------------------------------------------

select refused(actor, pg_temp.rating('5'), 403, 'forbidden', 'rates nothing') from unnest(array['viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test']) actor;
select refused(actor, pg_temp.rating('5'), 404, 'not_found', 'finds no such tenant') from unnest(array['owner@beta.test', 'stranger@gamma.test']) actor;
select unreachable('anon', pg_temp.rating('5'), 'rates nothing');
select unreachable(actor, replace(pg_temp.rating('5'), 'public.', 'private.'), 'rates nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

select * from finish();
rollback;
