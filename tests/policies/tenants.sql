-- public.tenants: members read, tenant.manage changes name, subdomain and the demand for a second factor; nothing else is a client's.

begin;
\ir ../fixtures/world.sql
select plan(135);

-- owner, admin: tenant.manage ----------------------------------------------------------------------------------------------------

select sees(actor, 'select from public.tenants', 1, 'reads their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test']) actor;
select sees('both@alpha.test', 'select from public.tenants', 2, 'reads both of their tenants');
select allowed(actor, $$update public.tenants set name = 'Renamed', subdomain = 'renamed'
    where id = '01900000-0000-7000-8000-00000000a000'$$, 1, 'renames their tenant')
  from unnest(array['owner@alpha.test', 'admin@alpha.test']) actor;
select allowed('owner@alpha.test', $$update public.tenants set name = 'Mine now'$$, 1, 'renames no other tenant, even without a filter');
select denied('owner@alpha.test', $$update public.tenants set name = 'Mine now' where subdomain = 'beta'$$, 'renames no foreign tenant');
select denied(actor, $$insert into public.tenants (name, subdomain, plan_id)
    select 'Free', 'free', id from public.subscription_plans where key = 'enterprise'$$, 'inserts no tenant beside the rpc')
  from unnest(array['owner@alpha.test', 'admin@alpha.test']) actor;
select denied(actor, 'delete from public.tenants', 'deletes no tenant')
  from unnest(array['owner@alpha.test', 'admin@alpha.test']) actor;

-- What follows the subscription, or has an rpc of its own, is not the client's, whatever is granted.
insert into public.regions (key, name) values ('moon', 'Moon');
select denied(actor, format('update public.tenants set %s where subdomain = %L', kept.change, 'alpha'), kept.why)
  from unnest(array['owner@alpha.test', 'admin@alpha.test']) actor, (values
    ($$plan_id = (select id from public.subscription_plans where key = 'enterprise')$$, 'gives their tenant no other plan'),
    ($$status = 'cancelled'$$, 'changes no status'),
    ($$features = '{sso}'$$, 'adds no feature'),
    ($$limit_overrides = '{"executions": null}'$$, 'lifts no limit'),
    ($$billing_anchor = billing_anchor - interval '20 days'$$, 'begins no new billing period'),
    ($$created_at = now() - interval '1 year'$$, 'makes their tenant no older'),
    ($$region = 'moon'$$, 'moves their tenant to no other region'),
    ($$cancelled_at = now()$$, 'cancels nothing beside the rpc'),
    ($$cancelled_by_owner = true$$, 'makes no cancellation their own'),
    ($$id = '01900000-0000-7000-8000-00000000a001'$$, 'gives their tenant no other id'),
    ($$name = 'Renamed', status = 'cancelled'$$, 'smuggles no status in beside a name')
  ) kept (change, why);

select broken('owner@alpha.test', $$update public.tenants set subdomain = 'beta' where subdomain = 'alpha'$$, '23505', 'takes no subdomain twice');
select refused('owner@alpha.test', $$update public.tenants set subdomain = 'www' where subdomain = 'alpha'$$, 409, 'subdomain_taken',
  'is not taken for the operator');
select allowed('owner@alpha.test', $$update public.tenants set subdomain = 'alpha-2' where subdomain = 'alpha'$$, 1, 'takes one that is free');
select broken('owner@alpha.test', format('update public.tenants set subdomain = %L', bad), '23514', format('takes no subdomain "%s"', bad))
  from unnest(array['-alpha', 'alpha-', 'Alpha', 'al.pha', '', repeat('a', 64)]) bad;
select broken('owner@alpha.test', $$update public.tenants set name = ' '$$, '23514', 'gives their tenant no empty name');

-- The key with tenant.manage too, and not the one without; a second factor asks for one of whoever asks for it.
select allowed(actor, $$update public.tenants set name = 'Renamed'$$, 1, 'renames its tenant and no other')
  from unnest(array['key:manager', 'blind@alpha.test']) actor;
select denied(actor, $$update public.tenants set name = 'Renamed'$$, 'renames no tenant')
  from unnest(array['key:robot', 'key:revoked', 'key:beta robot']) actor;
select allowed(actor, $$update public.tenants set requires_second_factor = true$$, 1, 'requires a second factor of their members')
  from unnest(array['owner@alpha.test+aal2', 'admin@alpha.test+aal2']) actor;
select refused(actor, $$update public.tenants set requires_second_factor = true$$, 403, 'second_factor_required',
  'requires nothing that their own session lacks')
  from unnest(array['owner@alpha.test', 'owner@alpha.test+aal1', 'key:manager']) actor;
select denied(actor, $$update public.tenants set requires_second_factor = true where subdomain = 'alpha'$$, 'requires nothing')
  from unnest(array['editor@alpha.test+aal2', 'viewer@alpha.test+aal2', 'owner@beta.test+aal2', 'stranger@gamma.test+aal2', 'anon']) actor;

-- The status and its time are one, by whatever road.
select throws_ok($$update public.tenants set status = 'gone' where subdomain = 'beta'$$, '23514', null, 'a tenant has no status that nobody drew');
update public.tenants set status = 'cancelled' where subdomain = 'beta';
select ok(cancelled_at = now() and not cancelled_by_owner, 'a tenant that the operator cancels has the time of it') from public.tenants
  where subdomain = 'beta';
update public.tenants set status = 'active' where subdomain = 'beta';
select is(cancelled_at, null, 'and none once it is active again') from public.tenants where subdomain = 'beta';

-- owner of a suspended tenant ----------------------------------------------------------------------------------------------------

select denied('owner@frozen.test', $$update public.tenants set status = 'active'$$, 'lifts no suspension');

-- editor, viewer, billing, auditor: members ----------------------------------------------------------------------------------------

select sees(actor, 'select from public.tenants', 1, 'reads their tenant and no other')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test']) actor;
select denied(actor, $$update public.tenants set name = 'Renamed'$$, 'renames no tenant')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test']) actor;
select denied(actor, 'delete from public.tenants', 'deletes no tenant')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test']) actor;

-- stranger, anon -------------------------------------------------------------------------------------------------------------------

select denied(actor, 'select from public.tenants', 'reads no tenant')
  from unnest(array['stranger@gamma.test', 'anon']) actor;
select denied(actor, $$insert into public.tenants (name, subdomain, plan_id)
    select 'Free', 'free', id from public.subscription_plans where key = 'enterprise'$$, 'inserts no tenant')
  from unnest(array['stranger@gamma.test', 'anon']) actor;
select denied(actor, $$update public.tenants set name = 'Renamed'$$, 'renames no tenant')
  from unnest(array['stranger@gamma.test', 'anon']) actor;
select denied(actor, 'delete from public.tenants', 'deletes no tenant')
  from unnest(array['stranger@gamma.test', 'anon']) actor;
select unreachable('anon', 'select from public.tenants', 'cannot even ask for tenants');

select * from finish();
rollback;
