-- public.tenant_domains: tenant.manage sees; the rpcs and the worker write.

begin;
\ir ../fixtures/world.sql
select plan(96);

-- owner, admin, blind, key manager: tenant.manage -----------------------------------------------------------------------------------------

select sees(actor, 'select from public.tenant_domains', 2, 'reads the domains of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'blind@alpha.test', 'key:manager']) actor;
select sees('both@alpha.test', 'select from public.tenant_domains', 3, 'reads the domains of both of their tenants');

-- editor, viewer, billing, auditor, key robot, stranger, anon -----------------------------------------------------------------------------

select denied(actor, 'select from public.tenant_domains', 'reads no domain')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'key:robot', 'key:revoked',
                    'stranger@gamma.test', 'anon']) actor;
select denied('owner@beta.test', $$select from public.tenant_domains where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
  'reads no domain of Alpha');
select unreachable('anon', 'select from public.tenant_domains', 'cannot even ask for domains');

-- Nobody writes them by hand --------------------------------------------------------------------------------------------------------------

select denied(actor, $$insert into public.tenant_domains (tenant_id, domain, verification_token, verified_at)
    values ('01900000-0000-7000-8000-00000000a000', 'app.beta.test', 'x', now())$$, 'claims no domain beside the rpc')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'key:manager', 'owner@beta.test', 'anon']) actor;
select denied(actor, format('update public.tenant_domains set %s', change), 'changes no domain: ' || change)
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager', 'anon']) actor,
       unnest(array['verified_at = now()', $$domain = 'app.beta.test'$$, $$verification_token = 'known'$$,
                    $$tenant_id = '01900000-0000-7000-8000-00000000b000'$$]) change;
select denied(actor, 'delete from public.tenant_domains', 'deletes no domain beside the rpc')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'key:manager', 'owner@beta.test', 'anon']) actor;

-- What the table itself holds true --------------------------------------------------------------------------------------------------------

select throws_ok(format($$insert into public.tenant_domains (tenant_id, domain, verification_token) values (%L, %L, 'x')$$, :'alpha', bad),
    '23514', null, format('"%s" is no domain', bad))
  from unnest(array['localhost', 'App.alpha.test', 'https://app.alpha.test', 'app.alpha.test/', 'app.alpha.test.', '-app.alpha.test',
    'app_1.alpha.test', '*.alpha.test', '10.0.0.1', '.alpha.test', repeat('a', 64) || '.test', repeat('a.', 126) || 'test', '']) bad;
select throws_ok($$insert into public.tenant_domains (tenant_id, domain, verification_token, verified_at)
  values ('01900000-0000-7000-8000-00000000b000', 'app.alpha.test', 'x', now())$$, '23505', null, 'one tenant at most has proven a domain');
select lives_ok($$insert into public.tenant_domains (tenant_id, domain, verification_token)
  values ('01900000-0000-7000-8000-00000000b000', 'app.alpha.test', 'x')$$, 'any may claim it');
select throws_ok($$update public.tenant_domains set domain = 'other.alpha.test' where domain = 'www.alpha.test'$$, 'PGRST', null,
  'a domain that was proven becomes no other');

select * from finish();
rollback;
