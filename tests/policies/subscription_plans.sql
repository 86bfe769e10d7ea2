-- public.subscription_plans: a pricing page is read before anybody signs in; only the operator writes it.

begin;
\ir ../fixtures/world.sql
select plan(31);

-- owner, viewer, stranger, anon --------------------------------------------------------------------------------------------------------

select sees(actor, 'select from public.subscription_plans', 3, 'reads the plans')
  from unnest(array['owner@alpha.test', 'viewer@alpha.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, $$insert into public.subscription_plans (key, name, price_monthly, price_yearly, limits)
    select 'gift', 'Gift', 0, 0, limits from public.subscription_plans where key = 'enterprise'$$, 'invents no plan')
  from unnest(array['owner@alpha.test', 'viewer@alpha.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, $$update public.subscription_plans set limits = limits || '{"executions": null}'$$, 'lifts no limit of a plan')
  from unnest(array['owner@alpha.test', 'viewer@alpha.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, $$delete from public.subscription_plans where key = 'enterprise'$$, 'deletes no plan')
  from unnest(array['owner@alpha.test', 'viewer@alpha.test', 'stranger@gamma.test', 'anon']) actor;

-- The operator -------------------------------------------------------------------------------------------------------------------------

select throws_ok($$insert into public.subscription_plans (key, name, price_monthly, price_yearly, limits)
  values ('odd', 'Odd', 0, 0, '{"workflows": 1}')$$, '23514', null, 'a plan names every meter');
update public.subscription_plans set limits = limits || '{"executions": 7}' where key = 'starter';
select is(quota_limit, 7::bigint, 'a changed plan is every tenant''s limit at once')
  from aias.quota_status('01900000-0000-7000-8000-00000000f000') where meter = 'executions';
select is(quota_limit, 2::bigint, 'a tenant''s own limit stays above its plan''s')
  from aias.quota_status('01900000-0000-7000-8000-00000000b000') where meter = 'executions';

select * from finish();
rollback;
