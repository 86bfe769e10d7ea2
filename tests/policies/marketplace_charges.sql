-- public.marketplace_charges: billing.read sees; a use is what is written.

begin;
\ir ../fixtures/world.sql
select plan(62);

-- owner, admin, billing: billing.read -----------------------------------------------------------------------------------------------------

select sees(actor, 'select from public.marketplace_charges', 1, 'reads the charges of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'billing@alpha.test']) actor;
select sees('both@alpha.test', 'select from public.marketplace_charges', 2, 'reads the charges of both of their tenants');
select denied('owner@guarded.test', 'select from public.marketplace_charges', 'reads no charges with one factor where two are wanted');
select sees('owner@guarded.test+aal2', 'select from public.marketplace_charges', 1, 'reads the charges with two');

-- editor, viewer, auditor, blind, key robot, stranger, anon: no billing.read -----------------------------------------------------------------

select denied(actor, 'select from public.marketplace_charges', 'reads no charges')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot', 'stranger@gamma.test', 'anon']) actor;
select denied('owner@beta.test', $$select from public.marketplace_charges where tenant_id = '01900000-0000-7000-8000-00000000a000'$$, 'reads no charges of Alpha');
select unreachable('anon', 'select from public.marketplace_charges', 'cannot even ask for charges');

-- Nobody writes them by hand --------------------------------------------------------------------------------------------------------------

select denied(actor, $$insert into public.marketplace_charges (tenant_id, listing_id, purchase_id, amount, currency, usage_key) values ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000b015', '01900000-0000-7000-8000-00000000a0b8', 1, 'usd', 'forged')$$, 'makes none')
  from unnest(array['owner@alpha.test', 'billing@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, 'update public.marketplace_charges set amount = 1', 'changes none')
  from unnest(array['owner@alpha.test', 'billing@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, 'delete from public.marketplace_charges', 'deletes none')
  from unnest(array['owner@alpha.test', 'billing@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;

-- What the table itself holds true -----------------------------------------------------------------------------------------------------------

select throws_ok($$update public.marketplace_charges set amount = 0$$, '23514', null, 'a use costs something');
select throws_ok($$insert into public.marketplace_charges (tenant_id, listing_id, purchase_id, amount, currency, usage_key)
  select tenant_id, listing_id, purchase_id, amount, currency, usage_key from public.marketplace_charges$$, '23505', null, 'a use is charged once');

select * from finish();
rollback;
