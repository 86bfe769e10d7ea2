-- rpc seller_statement: billing.read sees what the tenant's listings have brought, and nothing of who has paid it.

begin;
\ir ../fixtures/world.sql
select plan(17);

-- Beta has used what Alpha sells, and Guarded too.
select billing.post_charge(c) from public.marketplace_charges c \g /dev/null
create function pg_temp.stating(tenant text default '01900000-0000-7000-8000-00000000a000', more text default '') returns text language sql as $$
  select format('select from public.seller_statement(%L%s)', tenant, more)
$$;

-- owner, admin, billing: billing.read -------------------------------------------------------------------------------------------------------

select sees(actor, pg_temp.stating(), 2, 'reads what was sold') from unnest(array['owner@alpha.test', 'admin@alpha.test', 'billing@alpha.test']) actor;
select answers('owner@alpha.test', replace(pg_temp.stating(), 'select from', $$select string_agg(concat_ws(' ', kind, currency, amount, fee, share), ', ') from$$),
  'sale usd 7 1 6, sale usd 7 1 6', 'each with the fee, cut to whole cents, and the rest');
select sees('owner@alpha.test', pg_temp.stating(more => $$, '2020-01-01Z', '2021-01-01Z'$$), 0, 'of the time that they ask for');

-- members without it, the other tenant, stranger, anon ----------------------------------------------------------------------------------------

select refused(actor, pg_temp.stating(), 403, 'forbidden', 'reads nothing')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'auditor@alpha.test', 'key:robot']) actor;
select refused(actor, pg_temp.stating(), 404, 'not_found', 'finds no such tenant') from unnest(array['owner@beta.test', 'stranger@gamma.test']) actor;
select sees('owner@beta.test', pg_temp.stating('01900000-0000-7000-8000-00000000b000'), 1, 'reads what they have sold themselves');
select unreachable('anon', pg_temp.stating(), 'reads nothing');
select unreachable(actor, replace(replace(pg_temp.stating(), 'public.', 'private.'), ')', $$, '-infinity', 'infinity')$$), 'reads nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

select * from finish();
rollback;
