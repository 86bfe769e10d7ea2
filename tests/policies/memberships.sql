-- public.memberships: everybody reads their own, members.read reads their fellows'; rows are written by rpcs.

begin;
\ir ../fixtures/world.sql
select plan(75);

-- owner, admin, editor, viewer, billing: members.read --------------------------------------------------------------------------------

select sees(actor, 'select from public.memberships', 8, 'reads the memberships of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test']) actor;
select sees('key:manager', 'select from public.memberships', 8, 'reads the memberships of its tenant and no other');
select sees('owner@beta.test', 'select from public.memberships', 2, 'reads the memberships of Beta and not what its members are elsewhere');
select sees('both@alpha.test', 'select from public.memberships', 10, 'reads the memberships of both of their tenants');

-- auditor, stranger: no members.read -------------------------------------------------------------------------------------------------

select answers('auditor@alpha.test', $$select string_agg(role, ' ') from public.memberships$$, 'auditor', 'reads their own membership only');
select denied(actor, 'select from public.memberships', 'reads no membership')
  from unnest(array['stranger@gamma.test', 'guest@delta.test', 'key:robot', 'key:revoked']) actor;

-- Nobody writes them, the owner included -----------------------------------------------------------------------------------------------

select denied(actor, $$insert into public.memberships (tenant_id, user_id, role)
    values ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-0000000000c1', 'owner')$$, 'lets nobody into Alpha')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'key:manager', 'stranger@gamma.test', 'owner@beta.test',
    'anon']) actor;
select denied(actor, $$update public.memberships set role = 'owner' where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
    'raises nobody in Alpha, themselves included')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'key:manager', 'stranger@gamma.test', 'owner@beta.test',
    'anon']) actor;
select denied(actor, $$update public.memberships set tenant_id = '01900000-0000-7000-8000-00000000b000'$$, 'moves nobody into Beta')
  from unnest(array['owner@alpha.test', 'viewer@alpha.test', 'anon']) actor;
select denied(actor, $$delete from public.memberships where tenant_id = '01900000-0000-7000-8000-00000000a000'$$, 'throws nobody out of Alpha')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'key:manager', 'stranger@gamma.test', 'owner@beta.test',
    'anon']) actor;

-- anon -------------------------------------------------------------------------------------------------------------------------------

select denied('anon', 'select from public.memberships', 'reads no membership');
select unreachable('anon', 'select from public.memberships', 'cannot even ask for memberships');

-- What the table itself holds true --------------------------------------------------------------------------------------------------------

select throws_ok(format('update public.memberships set role = %L where user_id = %L', bad, :'viewer'), '23503', null,
  'a member has no role that is not there: ' || bad)
  from unnest(array['nobodys', '']) bad;
select throws_ok(format($$delete from public.memberships where tenant_id = %L and role = 'owner'$$, :'alpha'), 'PGRST', null,
  'a tenant always has an owner, whoever deletes');
select throws_ok(format($$update public.memberships set role = 'admin' where tenant_id = %L$$, :'alpha'), 'PGRST', null,
  'a tenant always has an owner, whoever changes');
select throws_ok($$delete from auth.users where email = 'owner@guarded.test'$$, 'PGRST', null, 'the account of a last owner stays');
select lives_ok($$delete from auth.users where email = 'owner@alpha.test'$$, 'that of another goes');
select is_empty('select * from private.access_audit()', 'what is in force is what the tables say');

select * from finish();
rollback;
