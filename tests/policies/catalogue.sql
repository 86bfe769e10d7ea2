-- public.catalogue: whoever is signed in reads what is sold, and nobody writes it.

begin;
\ir ../fixtures/world.sql
select plan(33);

select sees(actor, 'select from public.catalogue', 3, 'reads what is sold, by whomever')
  from unnest(array['owner@alpha.test', 'billing@alpha.test', 'stranger@gamma.test', 'key:robot']) actor;
select unreachable('anon', 'select from public.catalogue', 'cannot even ask for the catalogue');
select is(string_agg(attname::text, ' ' order by attnum),
  'listing_id slug title description category seller_name price_kind amount currency interval published_at ratings rating',
  'it has nothing of an agent, and of the seller its name')
  from pg_catalog.pg_attribute where attrelid = 'public.catalogue'::regclass and attnum > 0 and not attisdropped;

select denied(actor, $$insert into public.catalogue (listing_id, slug, title, description, category, seller_name, price_kind, amount, currency)
    values (aias.uuid7(), 'x', 'x', 'x', 'x', 'x', 'one_time', 1, 'usd')$$, 'sells nothing by hand')
  from unnest(array['owner@alpha.test', 'editor@alpha.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, 'update public.catalogue set amount = 1', 'makes nothing cheaper')
  from unnest(array['owner@alpha.test', 'editor@alpha.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, 'delete from public.catalogue', 'takes nothing off')
  from unnest(array['owner@alpha.test', 'editor@alpha.test', 'stranger@gamma.test', 'anon']) actor;

-- What is not published -----------------------------------------------------------------------------------------------------------------------

select is_empty($$select from public.catalogue where slug like '%-draft'$$, 'a draft is not in it');
select lives_ok($$select billing.review_listing('01900000-0000-7000-8000-00000000a015', 'suspended', 'it is rude')$$, 'the operator suspends a listing');
select sees('stranger@gamma.test', 'select from public.catalogue', 2, 'reads nothing of what is suspended');

select * from finish();
rollback;
