-- rpc create_tenant: whoever signed in makes a tenant on the starter plan and owns it.

begin;
\ir ../fixtures/world.sql
select plan(37);

-- stranger, viewer: signed in --------------------------------------------------------------------------------------------------------

select answers(actor, $$select name || ' ' || subdomain || ' ' || status from public.create_tenant('Acme', 'acme')$$, 'Acme acme active',
  'makes a tenant')
  from unnest(array['stranger@gamma.test', 'viewer@alpha.test']) actor;
select answers('stranger@gamma.test', $$select subdomain from public.create_tenant('Acme', 'AcMe')$$, 'acme', 'gets a subdomain in lower case');
select refused('stranger@gamma.test', $$select public.create_tenant('Another Beta', 'beta')$$, 409, 'subdomain_taken', 'takes no subdomain twice');
select refused('stranger@gamma.test', $$select public.create_tenant('Another Beta', 'BETA')$$, 409, 'subdomain_taken',
  'takes it in no other case either');
select refused('stranger@gamma.test', format('select public.create_tenant(%L, %L)', bad.name, bad.subdomain), 400, 'tenant_invalid', bad.why)
  from (values
    ('', 'acme', 'makes no tenant without a name'),
    (null, 'acme', 'makes no tenant with null for a name'),
    (repeat('x', 201), 'acme', 'makes no tenant with a name of 201 characters'),
    ('Acme', '', 'makes no tenant without a subdomain'),
    ('Acme', null, 'makes no tenant with null for a subdomain'),
    ('Acme', 'ac me', 'makes no tenant with a space in its subdomain'),
    ('Acme', '-acme', 'makes no tenant whose subdomain begins with a hyphen')
  ) bad (name, subdomain, why);

select refused('stranger@gamma.test', calling('public.create_tenant', 'Official', reserved), 409, 'subdomain_taken',
  'is not taken for the operator: ' || reserved)
  from unnest(array['www', 'api', 'admin', 'LOGIN']) reserved;
select lives_ok($$insert into public.tenants (name, subdomain, plan_id) select 'Operator', 'www', id from public.subscription_plans
  where key = 'starter'$$,
  'the operator takes what is the operator''s');

-- Where its data lives.
insert into public.regions (key, name) values ('moon', 'Moon');
select answers('stranger@gamma.test', asking('region', 'public.create_tenant', variadic arguments), region,
  'chooses where its data lives: ' || region)
  from (values (array['Acme', 'acme'], 'default'), (array['Acme', 'acme', 'moon'], 'moon')) chosen (arguments, region);
select refused('stranger@gamma.test', calling('public.create_tenant', 'Acme', 'acme', region), 400, code, 'chooses no region that is not there')
  from (values ('mars', 'unknown_region'), ('', 'unknown_region'), (null, 'tenant_invalid')) bad (region, code);

-- What is made along with it.
create temp table made as
  select keep('stranger@gamma.test', $$select id from public.create_tenant('Acme', 'acme')$$)::uuid as id;

select is(p.key, 'starter', 'a new tenant begins on the starter plan')
  from public.tenants t join public.subscription_plans p on p.id = t.plan_id where t.id = (select id from made);
select results_eq(
  'select user_id, role from public.memberships where tenant_id = (select id from made)',
  $$values ('01900000-0000-7000-8000-0000000000c1'::uuid, 'owner')$$, 'its maker is its owner and only member');
select set_eq(
  'select key, permissions from public.roles where tenant_id = (select id from made)',
  'select key, permissions from private.built_in_roles', 'it has the built-in roles');
select set_eq(
  'select meter, quota_limit from aias.quota_status((select id from made))',
  $$select m.key, (p.limits ->> m.key)::bigint from private.meters m, public.subscription_plans p where p.key = 'starter'$$,
  'its limits are the plan''s');
select results_eq('select granted = granted_with_second_factor, cardinality(private.permissions_in(granted)) from private.access
    where tenant_id = (select id from made)',
  'select true, count(*)::integer from public.permissions', 'its maker may everything there at once');
select is(used, 1::bigint, 'its owner counts as a user')
  from aias.quota_status((select id from made)) where meter = 'users';
select sees('stranger@gamma.test', 'select from public.tenants', 1, 'sees the tenant that they made');
select sees('owner@alpha.test', $$select from public.tenants where subdomain = 'acme'$$, 0, 'does not see it');

-- Nobody ---------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', $$select public.create_tenant('Acme', 'acme')$$, 'makes no tenant');
select refused('key:manager', calling('public.create_tenant', 'Acme', 'acme'), 401, 'not_signed_in', 'makes no tenant, being nobody');
select unreachable(actor, calling('private.create_tenant', 'Acme', 'acme', 'default'), 'makes no tenant by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;
select refused('authenticated', $$select public.create_tenant('Acme', 'acme')$$, 401, 'not_signed_in',
  'makes no tenant for a token without a subject');

select * from finish();
rollback;
