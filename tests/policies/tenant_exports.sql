-- public.tenant_exports: tenant.export sees; rpc export_tenant and the worker write; the files are read by rpc export_chunk.

begin;
\ir ../fixtures/world.sql
select plan(89);

-- owner, admin, key manager: tenant.export ------------------------------------------------------------------------------------------------

select sees(actor, 'select from public.tenant_exports', 2, 'reads the exports of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager']) actor;
select sees('both@alpha.test', 'select from public.tenant_exports', 3, 'reads the exports of both of their tenants');

-- editor, viewer, billing, auditor, blind, key robot, stranger, anon ----------------------------------------------------------------------

select denied(actor, 'select from public.tenant_exports', 'reads no export')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot',
                    'key:revoked', 'stranger@gamma.test', 'anon']) actor;
select denied('owner@beta.test', $$select from public.tenant_exports where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
  'reads no export of Alpha');
select unreachable('anon', 'select from public.tenant_exports', 'cannot even ask for exports');

-- Nobody writes them by hand --------------------------------------------------------------------------------------------------------------

select denied(actor, $$insert into public.tenant_exports (tenant_id) values ('01900000-0000-7000-8000-00000000a000')$$,
  'asks for nothing beside the rpc')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'key:manager', 'owner@beta.test', 'anon']) actor;
select denied(actor, format('update public.tenant_exports set %s', change), 'changes no export: ' || change)
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager', 'anon']) actor,
       unnest(array[$$expires_at = now() + interval '1 year'$$, $$status = 'ready', expires_at = now() + interval '1 day'$$,
                    $$tenant_id = '01900000-0000-7000-8000-00000000b000'$$]) change;
select denied(actor, 'delete from public.tenant_exports', 'deletes no export')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'key:manager', 'owner@beta.test', 'anon']) actor;
select unreachable(actor, 'select from private.export_chunks', 'reads no file but by the rpc')
  from unnest(array['owner@alpha.test', 'key:manager', 'anon', 'aias_worker', 'aias_edge', 'service_role']) actor;
select unreachable(actor, 'select from private.tenant_data', 'reads nothing through what exports read')
  from unnest(array['owner@alpha.test', 'anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- What the table itself holds true --------------------------------------------------------------------------------------------------------

select throws_ok($$insert into public.tenant_exports (tenant_id, status) values ('01900000-0000-7000-8000-00000000a000', 'ready')$$,
  '23514', null, 'an export that is ready says when it was finished');
select throws_ok($$insert into public.tenant_exports (tenant_id, status, finished_at)
  values ('01900000-0000-7000-8000-00000000a000', 'ready', now())$$,
  '23514', null, 'an export that is ready says when it ends');
select throws_ok($$insert into public.tenant_exports (tenant_id, status, finished_at)
  values ('01900000-0000-7000-8000-00000000a000', 'lost', now())$$,
  '23514', null, 'an export has no status that nobody drew');
select throws_ok($$insert into public.tenant_exports (tenant_id)
  values ('01900000-0000-7000-8000-00000000a000'), ('01900000-0000-7000-8000-00000000a000')$$, '23505', null,
    'one export of a tenant waits at a time');
select throws_ok($$update private.export_chunks set tenant_id = '01900000-0000-7000-8000-00000000b000'
  where tenant_id = '01900000-0000-7000-8000-00000000a000'$$, '23503', null, 'a file of Beta is no part of an export of Alpha');

select * from finish();
rollback;
