-- public.purchases: agents.read sees what may be asked; what is paid is what is written.

begin;
\ir ../fixtures/world.sql
select plan(61);

-- owner, editor, viewer: agents.read --------------------------------------------------------------------------------------------------------

select sees(actor, 'select from public.purchases', 1, 'reads what their tenant has bought, and nobody else')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'key:robot']) actor;
select sees('both@alpha.test', 'select from public.purchases', 2, 'reads what both of their tenants have bought');
select denied(actor, 'select from public.purchases', 'reads no purchases')
  from unnest(array['billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'stranger@gamma.test', 'anon']) actor;
select denied('owner@beta.test', $$select from public.purchases where tenant_id = '01900000-0000-7000-8000-00000000a000'$$, 'reads no purchases of Alpha');
select denied('owner@alpha.test', $$select from public.purchases where listing_id = '01900000-0000-7000-8000-00000000a015'$$, 'does not learn who has bought of them');
select unreachable('anon', 'select from public.purchases', 'cannot even ask for purchases');

-- Nobody writes them by hand --------------------------------------------------------------------------------------------------------------

select denied(actor, $$insert into public.purchases (tenant_id, listing_id, slug, title, price_kind, amount, currency, state)
    values ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000b015', 'x', 'x', 'one_time', 1, 'usd', 'active')$$, 'buys nothing by hand')
  from unnest(array['owner@alpha.test', 'billing@alpha.test', 'editor@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, $$update public.purchases set state = 'active'$$, 'pays nothing by hand')
  from unnest(array['owner@alpha.test', 'billing@alpha.test', 'editor@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, 'delete from public.purchases', 'deletes none')
  from unnest(array['owner@alpha.test', 'billing@alpha.test', 'editor@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;

-- What the table itself holds true -----------------------------------------------------------------------------------------------------------

select throws_ok($$update public.purchases set state = 'enchanted'$$, '23514', null, 'a state is one of those that there are');
select throws_ok($$update public.purchases set price_kind = 'barter'$$, '23514', null, 'and so is a kind of price');
select hasnt_column('public', 'purchases', 'seller_id', 'whose agent it is stays between the seller and the operator');
select isnt_empty($$select from audit.inbox where subject = 'purchases' and action = 'purchases.insert'$$, 'a purchase is in the audit log');

select * from finish();
rollback;
