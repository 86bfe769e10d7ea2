-- public.listings: agents.write drafts, agents.read sees; what is published, and all else that has a state, is not written by hand.

begin;
\ir ../fixtures/world.sql
select plan(65);

\set draft '01900000-0000-7000-8000-00000000a01d'
\set published '01900000-0000-7000-8000-00000000a015'
create function pg_temp.drafting(more text default '', extra text default '') returns text language sql as $$
  select format('insert into public.listings (tenant_id, agent_id, agent_version, slug, title, category, price_kind, amount, currency%s)
    values (''01900000-0000-7000-8000-00000000a000'', ''01900000-0000-7000-8000-00000000a0a1'', 1, ''new'', ''New'', ''greeting'', ''one_time'', 100, ''usd''%s)', more, extra)
$$;

-- owner, admin, editor: agents.read and agents.write ---------------------------------------------------------------------------------------

select sees(actor, 'select from public.listings', 2, 'reads the listings of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'key:robot']) actor;
select allowed(actor, pg_temp.drafting(), 1, 'drafts a listing') from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test']) actor;
select allowed('editor@alpha.test', format('update public.listings set amount = 8 where id = %L', :'draft'), 1, 'changes a draft');
select allowed('editor@alpha.test', format('delete from public.listings where id = %L', :'draft'), 1, 'deletes a draft');
select refused('editor@alpha.test', format('update public.listings set amount = 8 where id = %L', :'published'), 409, 'listing_is_no_draft', 'changes nothing that was reviewed');
select refused('editor@alpha.test', format('delete from public.listings where id = %L', :'published'), 409, 'listing_was_published', 'deletes nothing that was sold');
select refused(actor, format('update public.listings set state = %L where id = %L', state, :'draft'), 409, 'listing_state_is_fixed', 'writes no state ' || state)
  from unnest(array['owner@alpha.test', 'editor@alpha.test']) actor, unnest(array['submitted', 'published']) state;
select answers('editor@alpha.test', pg_temp.drafting(', state, published_version, review_note', $$, 'published', 1, 'fine'$$) || $$ returning concat_ws(' ', state, published_version, review_note)$$,
  'draft', 'begins with a draft, whatever they send');
select throws_ok(format($$update public.listings set state = 'published' where id = %L$$, :'draft'), 'PGRST', null, 'even the operator goes by the review');
select is((attempt('editor@alpha.test', replace(pg_temp.drafting(), 'a0a1', 'b0a1'))).sqlstate, '23503', 'editor@alpha.test: sells no agent of another tenant');
select denied('editor@alpha.test', replace(pg_temp.drafting(), 'a000', 'b000'), 'sells nothing in the name of another tenant');

-- viewer, billing, auditor, stranger, the other tenant, anon --------------------------------------------------------------------------------

select denied(actor, pg_temp.drafting(), 'drafts nothing')
  from unnest(array['viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, $$update public.listings set title = 'Mine' where tenant_id = '01900000-0000-7000-8000-00000000a000'$$, 'changes nothing')
  from unnest(array['viewer@alpha.test', 'billing@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, $$delete from public.listings where tenant_id = '01900000-0000-7000-8000-00000000a000'$$, 'deletes nothing')
  from unnest(array['viewer@alpha.test', 'billing@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, $$select from public.listings where tenant_id = '01900000-0000-7000-8000-00000000a000'$$, 'reads none of Alpha')
  from unnest(array['billing@alpha.test', 'auditor@alpha.test', 'owner@beta.test', 'stranger@gamma.test']) actor;
select unreachable('anon', 'select from public.listings', 'cannot even ask for listings');

-- What hangs on it --------------------------------------------------------------------------------------------------------------------------

update public.purchases set state = 'active' where listing_id = :'published';
select refused('editor@alpha.test', $$delete from public.ai_agents where id = '01900000-0000-7000-8000-00000000a0a1'$$, 409, 'agent_is_sold', 'deletes no agent that others have');
update public.purchases set state = 'refunded' where listing_id = :'published';
select allowed('editor@alpha.test', $$delete from public.ai_agents where id = '01900000-0000-7000-8000-00000000a0a1'$$, 1, 'deletes one that nobody has any more');
select throws_ok(format('update public.listings set currency = %L where id = %L', 'USD', :'draft'), '23514', null, 'a currency is Stripe''s code');

select * from finish();
rollback;
