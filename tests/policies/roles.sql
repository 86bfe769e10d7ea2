-- public.roles: members read the roles of their tenants; nobody writes them yet.

begin;
\ir ../fixtures/world.sql
select plan(48);

-- owner, admin, editor, viewer, billing, auditor: members ------------------------------------------------------------------------------

select sees(actor, 'select from public.roles', 7, 'reads the roles of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test',
                    'auditor@alpha.test']) actor;
select sees('owner@beta.test', 'select from public.roles', 5, 'reads the built-in roles and not Alpha''s own');

-- stranger, anon -----------------------------------------------------------------------------------------------------------------------

select denied(actor, 'select from public.roles', 'reads no role')
  from unnest(array['stranger@gamma.test', 'anon']) actor;
select unreachable('anon', 'select from public.roles', 'cannot even ask for roles');

-- Nobody writes them -------------------------------------------------------------------------------------------------------------------

select denied(actor, $$insert into public.roles (tenant_id, key, name, permissions)
    values ('01900000-0000-7000-8000-00000000a000', 'super', 'Super', '{billing.manage}')$$, 'makes no role')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, $$update public.roles set permissions = permissions || '{billing.manage}'
    where tenant_id = '01900000-0000-7000-8000-00000000a000'$$, 'adds no permission to a role of Alpha')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, $$delete from public.roles where tenant_id = '01900000-0000-7000-8000-00000000a000'$$, 'deletes no role of Alpha')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;

select * from finish();
rollback;
