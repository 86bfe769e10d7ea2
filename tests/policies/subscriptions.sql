-- public.subscriptions: billing.read sees; what Stripe tells is what is written.

begin;
\ir ../fixtures/world.sql
select plan(62);

-- owner, admin, billing: billing.read -----------------------------------------------------------------------------------------------------

select sees(actor, 'select from public.subscriptions', 1, 'reads the subscriptions of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'billing@alpha.test']) actor;
select sees('both@alpha.test', 'select from public.subscriptions', 2, 'reads the subscriptions of both of their tenants');
select denied('owner@guarded.test', 'select from public.subscriptions', 'reads no subscriptions with one factor where two are wanted');
select sees('owner@guarded.test+aal2', 'select from public.subscriptions', 1, 'reads the subscriptions with two');

-- editor, viewer, auditor, blind, key robot, stranger, anon: no billing.read -----------------------------------------------------------------

select denied(actor, 'select from public.subscriptions', 'reads no subscriptions')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot', 'stranger@gamma.test', 'anon']) actor;
select denied('owner@beta.test', $$select from public.subscriptions where tenant_id = '01900000-0000-7000-8000-00000000a000'$$, 'reads no subscriptions of Alpha');
select unreachable('anon', 'select from public.subscriptions', 'cannot even ask for subscriptions');

-- Nobody writes them by hand --------------------------------------------------------------------------------------------------------------

select denied(actor, $$insert into public.subscriptions (tenant_id, id, customer_id, status, created_at) values ('01900000-0000-7000-8000-00000000a000', 'sub_forged', 'cus_alpha', 'active', now())$$, 'makes none')
  from unnest(array['owner@alpha.test', 'billing@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, 'update public.subscriptions set plan_id = null', 'changes none')
  from unnest(array['owner@alpha.test', 'billing@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, 'delete from public.subscriptions', 'deletes none')
  from unnest(array['owner@alpha.test', 'billing@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;

-- What the table itself holds true -----------------------------------------------------------------------------------------------------------

select throws_ok($$update public.subscriptions set status = 'enchanted'$$, '23514', null, 'a status is one of Stripe''s');
select throws_ok($$update public.subscriptions set status = 'past_due'$$, '23514', null, 'while a payment is due there is a grace');

select * from finish();
rollback;
