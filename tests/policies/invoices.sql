-- public.invoices: billing.read sees; what Stripe tells is what is written.

begin;
\ir ../fixtures/world.sql
select plan(61);

-- owner, admin, billing: billing.read -----------------------------------------------------------------------------------------------------

select sees(actor, 'select from public.invoices', 1, 'reads the invoices of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'billing@alpha.test']) actor;
select sees('both@alpha.test', 'select from public.invoices', 2, 'reads the invoices of both of their tenants');
select denied('owner@guarded.test', 'select from public.invoices', 'reads no invoices with one factor where two are wanted');
select sees('owner@guarded.test+aal2', 'select from public.invoices', 1, 'reads the invoices with two');

-- editor, viewer, auditor, blind, key robot, stranger, anon: no billing.read -----------------------------------------------------------------

select denied(actor, 'select from public.invoices', 'reads no invoices')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot', 'stranger@gamma.test', 'anon']) actor;
select denied('owner@beta.test', $$select from public.invoices where tenant_id = '01900000-0000-7000-8000-00000000a000'$$, 'reads no invoices of Alpha');
select unreachable('anon', 'select from public.invoices', 'cannot even ask for invoices');

-- Nobody writes them by hand --------------------------------------------------------------------------------------------------------------

select denied(actor, $$insert into public.invoices (tenant_id, id, customer_id, status, currency, subtotal, total, amount_due, amount_paid, amount_remaining, amount_refunded, created_at) values ('01900000-0000-7000-8000-00000000a000', 'in_forged', 'cus_alpha', 'paid', 'usd', 0, 0, 0, 0, 0, 0, now())$$, 'makes none')
  from unnest(array['owner@alpha.test', 'billing@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, 'update public.invoices set amount_paid = total', 'changes none')
  from unnest(array['owner@alpha.test', 'billing@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, 'delete from public.invoices', 'deletes none')
  from unnest(array['owner@alpha.test', 'billing@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;

-- What the table itself holds true -----------------------------------------------------------------------------------------------------------

select throws_ok($$update public.invoices set status = 'enchanted'$$, '23514', null, 'a status is one of Stripe''s');

select * from finish();
rollback;
