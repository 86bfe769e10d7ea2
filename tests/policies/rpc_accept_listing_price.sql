-- rpc accept_listing_price, and edge.begin_purchase: billing.manage buys. And queue.listed_agent, by which a step takes what is bought.

begin;
\ir ../fixtures/world.sql
select plan(37);

-- What Beta sells by the use; what Alpha has ended already.
\set listing '01900000-0000-7000-8000-00000000b015'
\set once '01900000-0000-7000-8000-00000000b016'
insert into public.listings (tenant_id, id, agent_id, agent_version, slug, title, category, price_kind, amount, currency, state, published_version)
values (:'beta', :'once', '01900000-0000-7000-8000-00000000b0a1', 1, 'beta-once', 'Once', 'greeting', 'one_time', 4900, 'usd', 'published', 1);
create function pg_temp.accepting(listing text, amount text default '7', tenant text default '01900000-0000-7000-8000-00000000a000') returns text language sql as $$
  select format('select concat_ws('' '', state, amount, currency) from public.accept_listing_price(%L, %L, %s, ''usd'')', tenant, listing, amount)
$$;
create function pg_temp.beginning(listing text, tenant text default '01900000-0000-7000-8000-00000000a000') returns text language sql as $$
  select format('select concat_ws('' '', case when b.purchase_id is not null then ''purchase'' end, b.mode, b.name, b.amount, b.currency, b."interval") from edge.begin_purchase(%L, %L) b', tenant, listing)
$$;

-- owner, billing: billing.manage ------------------------------------------------------------------------------------------------------------

select answers(actor, pg_temp.accepting(:'listing'), 'active 7 usd', 'accepts the price of a use') from unnest(array['owner@alpha.test', 'billing@alpha.test']) actor;
select refused('owner@alpha.test', pg_temp.accepting(:'listing', '6'), 409, 'price_has_changed', 'accepts no price but the one that it has');
select refused('owner@alpha.test', pg_temp.accepting(:'once', '4900'), 409, 'listing_is_not_paid_by_use', 'accepts what is bought by Checkout nowhere else');
select refused('owner@alpha.test', pg_temp.accepting('01900000-0000-7000-8000-00000000a015'), 409, 'listing_is_your_own', 'buys nothing of their own');
select refused('owner@alpha.test', pg_temp.accepting(listing), 404, 'listing_not_found', 'finds nothing that is not sold')
  from unnest(array['01900000-0000-7000-8000-00000000b01d', '01900000-0000-7000-8000-00000000ffff']) listing;

-- members without it, the other tenant, stranger, anon ----------------------------------------------------------------------------------------

select refused(actor, pg_temp.accepting(:'listing'), 403, 'forbidden', 'accepts nothing')
  from unnest(array['admin@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'key:robot']) actor;
select refused(actor, pg_temp.accepting(:'listing'), 404, 'not_found', 'finds no such tenant') from unnest(array['owner@beta.test', 'stranger@gamma.test']) actor;
select unreachable('anon', pg_temp.accepting(:'listing'), 'accepts nothing');
select unreachable(actor, replace(pg_temp.accepting(:'listing'), 'public.', 'private.'), 'accepts nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- Checkout: edge-api, with the claims of its caller -----------------------------------------------------------------------------------------------

select answers('aias_edge:' || actor, pg_temp.beginning(:'once'), 'purchase payment Once 4900 usd', 'begins a Checkout') from unnest(array['owner@alpha.test', 'billing@alpha.test']) actor;
select answers('aias_edge:owner@alpha.test', pg_temp.beginning(:'listing'), 'none Greeter 7 usd', 'begins none where nothing is paid by it');
select refused('aias_edge:' || actor, pg_temp.beginning(:'once'), 403, 'forbidden', 'begins none') from unnest(array['admin@alpha.test', 'editor@alpha.test']) actor;
select refused('aias_edge:owner@beta.test', pg_temp.beginning(:'once'), 404, 'not_found', 'finds no such tenant');
select refused('aias_edge:owner@beta.test', pg_temp.beginning(:'once', :'beta'), 409, 'listing_is_your_own', 'buys nothing of their own');
select unreachable(actor, pg_temp.beginning(:'once'), 'begins none by hand') from unnest(array['owner@alpha.test', 'anon', 'aias_worker']) actor;

-- A step --------------------------------------------------------------------------------------------------------------------------------------

create function pg_temp.asking(slug text, tenant text default '01900000-0000-7000-8000-00000000a000') returns text language sql as $$
  select format('select concat_ws('' '', l.model, l.refusal, case when l.config is not null then ''config'' end) from queue.listed_agent(%L, %L) l', tenant, slug)
$$;
select answers('aias_worker', pg_temp.asking(slug), refusal, 'gets no agent: ' || refusal)
  from (values ('beta-by-use', 'listing_not_purchased'), ('alpha-by-use', 'listing_not_purchased'), ('beta-draft', 'listing_not_found'), ('no', 'listing_not_found')) a (slug, refusal);
select keep('owner@alpha.test', pg_temp.accepting(:'listing')) \g /dev/null
select answers('aias_worker', pg_temp.asking('beta-by-use'), (select model || ' config' from public.ai_agents where id = '01900000-0000-7000-8000-00000000b0a1'),
  'gets the agent for a tenant that has bought it');
select answers('aias_worker', pg_temp.asking('beta-by-use', '01900000-0000-7000-8000-00000000c000'), 'listing_not_purchased', 'and for no other');
select unreachable(actor, pg_temp.asking('beta-by-use'), 'gets no agent of another tenant') from unnest(array['owner@alpha.test', 'aias_edge', 'anon']) actor;

select * from finish();
rollback;
