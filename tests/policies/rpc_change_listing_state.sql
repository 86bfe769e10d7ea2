-- rpc change_listing_state: billing.manage says what is sold. And billing.review_listing, by which the operator says what may be.

begin;
\ir ../fixtures/world.sql
select plan(29);

\set draft '01900000-0000-7000-8000-00000000a01d'
\set published '01900000-0000-7000-8000-00000000a015'
create function pg_temp.moving(listing text, state text) returns text language sql as $$
  select format('select state from public.change_listing_state(%L, %L)', listing, state)
$$;

-- owner, billing: billing.manage ------------------------------------------------------------------------------------------------------------

select answers(actor, pg_temp.moving(:'draft', 'submitted'), 'submitted', 'submits a draft') from unnest(array['owner@alpha.test', 'billing@alpha.test']) actor;
select answers('owner@alpha.test', pg_temp.moving(:'published', 'withdrawn'), 'withdrawn', 'withdraws what is sold');
select refused('owner@alpha.test', pg_temp.moving(:'draft', state), 409, 'listing_state', 'does not make a draft ' || state)
  from unnest(array['approved', 'rejected', 'published', 'withdrawn', 'suspended', 'enchanted']) state;
select refused('owner@alpha.test', pg_temp.moving('01900000-0000-7000-8000-00000000ffff', 'submitted'), 404, 'not_found', 'finds no listing that is not there');

-- admin, editor, viewer: members without it ----------------------------------------------------------------------------------------------------

select refused(actor, pg_temp.moving(:'draft', 'submitted'), 403, 'forbidden', 'submits nothing')
  from unnest(array['admin@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'auditor@alpha.test', 'key:robot']) actor;

-- the other tenant, stranger, anon ----------------------------------------------------------------------------------------------------------

select refused(actor, pg_temp.moving(:'published', 'withdrawn'), 404, 'not_found', 'finds no such listing')
  from unnest(array['owner@beta.test', 'stranger@gamma.test', 'key:revoked']) actor;
select unreachable('anon', pg_temp.moving(:'draft', 'submitted'), 'submits nothing');
select unreachable(actor, replace(pg_temp.moving(:'draft', 'submitted'), 'public.', 'private.'), 'submits nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- The operator ------------------------------------------------------------------------------------------------------------------------------

select throws_ok(format($$select billing.review_listing(%L, 'approved')$$, :'draft'), '23514', null, 'approves nothing that was not submitted');
select keep('owner@alpha.test', pg_temp.moving(:'draft', 'submitted')) \g /dev/null
select throws_ok(format($$select billing.review_listing(%L, 'rejected', ' ')$$, :'draft'), '23514', null, 'says why');
select throws_ok(format($$select billing.review_listing(%L, 'suspended', 'no')$$, :'draft'), '23514', null, 'suspends nothing that was never published');
select lives_ok(format($$select billing.review_listing(%L, 'rejected', 'The title says nothing.')$$, :'draft'), 'rejects');
select results_eq(format($$select state || ': ' || review_note from public.listings where id = %L$$, :'draft'), array['rejected: The title says nothing.'], 'for this reason');
select results_eq($$select after ->> 'state' from audit.inbox where subject = 'listings' and action = 'listings.update' order by id$$, array['submitted', 'rejected'],
  'which is in the audit log');

select * from finish();
rollback;
