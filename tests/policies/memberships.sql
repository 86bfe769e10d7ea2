-- public.memberships: everybody reads their own, members.read reads their fellows'; rows are made by rpc create_tenant.

begin;
\ir ../fixtures/world.sql
select plan(55);

-- owner, admin, editor, viewer, billing: members.read --------------------------------------------------------------------------------

select sees(actor, 'select from public.memberships', 8, 'reads the memberships of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test']) actor;
select sees('owner@beta.test', 'select from public.memberships', 2, 'reads the memberships of Beta and not what its members are elsewhere');
select sees('both@alpha.test', 'select from public.memberships', 10, 'reads the memberships of both of their tenants');

-- auditor, stranger: no members.read -------------------------------------------------------------------------------------------------

select answers('auditor@alpha.test', $$select string_agg(role, ' ') from public.memberships$$, 'auditor', 'reads their own membership only');
select denied('stranger@gamma.test', 'select from public.memberships', 'reads no membership');

-- Nobody writes them, the owner included -----------------------------------------------------------------------------------------------

select denied(actor, $$insert into public.memberships (tenant_id, user_id, role)
    values ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-0000000000c1', 'owner')$$, 'lets nobody into Alpha')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'stranger@gamma.test', 'owner@beta.test', 'anon']) actor;
select denied(actor, $$update public.memberships set role = 'owner' where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
    'raises nobody in Alpha, themselves included')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'stranger@gamma.test', 'owner@beta.test', 'anon']) actor;
select denied(actor, $$update public.memberships set tenant_id = '01900000-0000-7000-8000-00000000b000'$$, 'moves nobody into Beta')
  from unnest(array['owner@alpha.test', 'viewer@alpha.test', 'anon']) actor;
select denied(actor, $$delete from public.memberships where tenant_id = '01900000-0000-7000-8000-00000000a000'$$, 'throws nobody out of Alpha')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'stranger@gamma.test', 'owner@beta.test', 'anon']) actor;

-- anon -------------------------------------------------------------------------------------------------------------------------------

select denied('anon', 'select from public.memberships', 'reads no membership');
select unreachable('anon', 'select from public.memberships', 'cannot even ask for memberships');

select * from finish();
rollback;
