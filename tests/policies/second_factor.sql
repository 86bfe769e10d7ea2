-- A tenant that requires a second factor: with one factor its members read its work and nothing else, and change nothing.

begin;
\ir ../fixtures/world.sql
\ir ../fixtures/every_write.sql
\ir ../fixtures/every_rpc.sql
-- Some entries in the log, some still to be chained.
select queue.chain_audit(100000) \g /dev/null
select furnish(:'guarded') \g /dev/null

create temp table one_factor as select * from unnest(array['owner@guarded.test', 'owner@guarded.test+aal1']) as actors (actor);
create temp table two_factors as select 'owner@guarded.test+aal2' as actor;
create temp table rpcs as
  select r.*, p.allowed_without_second_factor as is_free from assertions.every_rpc(:'guarded') r join public.permissions p on p.key = r.permission;

select plan(691);

-- Every RPC is in the list, or wants no permission.
select set_eq($$select proname::text from pg_catalog.pg_proc p where pronamespace = 'public'::regnamespace
    and not exists (select from pg_catalog.pg_depend d where d.objid = p.oid and d.deptype = 'e')$$,
  $$select substr(rpc, 8) from rpcs union select unnest(array['my_tenants', 'create_tenant', 'workflow_problems', 'leave_tenant',
    'look_at_invitation', 'accept_invitation', 'decline_invitation'])$$, 'every RPC is looked at');
select set_eq('select key from public.permissions where allowed_without_second_factor',
  array['agents.read', 'executions.read', 'usage.read', 'workflows.read'], 'what goes with one factor is the work, to be read');

-- Reading ---------------------------------------------------------------------------------------------------------------------------------

select sees(actor, format('select from %s', name), n, format('reads %s by one factor', name))
  from one_factor, (values ('public.tenants', 1), ('public.roles', 6), ('public.ai_agents', 1), ('public.workflows', 2),
    ('public.workflow_versions', 1), ('public.executions', 3), ('public.memberships', 1), ('public.users', 1)) own (name, n);
select denied(actor, format('select from %s where tenant_id = %L', name, :'guarded'), format('reads no row of %s by one factor', name))
  from one_factor, unnest(array['public.invitations', 'public.api_keys', 'public.tenant_domains', 'public.tenant_exports', 'public.audit_log']) name;
select answers(actor, 'select string_agg(user_id::text, '''') from public.memberships', '01900000-0000-7000-8000-0000000000c5',
  'reads their own membership and no other by one factor')
  from one_factor;
select sees('owner@guarded.test+aal2', format('select from %s', name), n, format('reads %s by two', name))
  from (values ('public.memberships', 6), ('public.users', 6), ('public.invitations', 1), ('public.api_keys', 1), ('public.tenant_domains', 1),
               ('public.tenant_exports', 1), ('public.ai_agents', 1)) own (name, n);
select answers('owner@guarded.test+aal2', 'select count(*) > 10 from public.audit_log', 'true', 'reads the audit log by two');

-- Writing ---------------------------------------------------------------------------------------------------------------------------------

select denied(actor, statement, operation || ' no row of ' || name || ' by one factor')
  from one_factor, assertions.every_write(:'guarded');
select allowed('owner@guarded.test+aal2', statement, 1, 'may by two: ' || statement)
  from unnest(array[
    $$update public.tenants set name = 'Renamed'$$,
    $$update public.ai_agents set name = 'Renamed'$$,
    $$insert into public.ai_agents (tenant_id, name, slug, model) values ('01900000-0000-7000-8000-00000000c000', 'New', 'new', 'openai/gpt-4o')$$,
    $$delete from public.workflows where name = 'Draft'$$,
    $$update public.roles set name = 'Renamed' where key = 'auditor'$$
  ]) statement;
select denied('owner@guarded.test', $$update public.tenants set requires_second_factor = false$$, 'does not take the demand off by one');
select allowed('owner@guarded.test+aal2', $$update public.tenants set requires_second_factor = false$$, 1, 'takes the demand off by two');

-- RPCs ------------------------------------------------------------------------------------------------------------------------------------

select refused(actor, statement, 403, 'second_factor_required', rpc || ' by one factor')
  from one_factor, rpcs where not is_free;
select sees(actor, statement, case rpc when 'public.quota_status' then 5 else 1 end, rpc || ' goes by one factor') from one_factor, rpcs where is_free;
select is((attempt(actor, statement)).sqlstate, null, format('%s: %s goes by two', actor, rpc))
  from two_factors, rpcs where rpc <> 'public.reopen_tenant';
select refused(actor, statement, 409, 'tenant_not_cancelled', rpc || ' goes by two, were there something to reopen')
  from two_factors, rpcs where rpc = 'public.reopen_tenant';
select ok((body('owner@guarded.test', statement)) ->> 'hint' ~ 'aal2', 'owner@guarded.test: is told what is missing')
  from rpcs where rpc = 'public.invite_member';

-- The wall stands by itself: what follows holds although what it stands behind counts no factors any more ---------------------------------

savepoint one_wall_down;
create or replace function aias.tenants_with(permission text) returns uuid[]
language sql stable security definer set search_path = '' as $$
  select coalesce(array_agg(a.tenant_id), '{}') from private.access a
   where a.principal = private.principal() and a.granted_with_second_factor & private.mask_of(array[permission]) <> 0
$$;
select sees('owner@guarded.test', $$select unnest(aias.tenants_with('keys.manage'))$$, 1, 'is let through by the first wall');
select denied('owner@guarded.test', statement, operation || ' no row of ' || name || ', behind the wall')
  from assertions.every_write(:'guarded');
insert into public.roles (tenant_id, key, name, permissions) values (:'guarded', 'spare', 'Spare', '{agents.read}');
select denied('owner@guarded.test', statement, 'writes no role of its own, behind the wall')
  from unnest(array[$$update public.roles set name = 'Mine' where key = 'spare'$$, $$delete from public.roles where key = 'spare'$$]) statement;
select denied('owner@guarded.test', format('select from %s where tenant_id = %L', name, :'guarded'),
  'reads no row of ' || name || ', behind the wall')
  from unnest(array['public.invitations', 'public.api_keys', 'public.tenant_domains', 'public.tenant_exports']) name;
select sees('owner@guarded.test', 'select from public.memberships', 1, 'reads their own membership, behind the wall');
select sees('owner@guarded.test+aal2', format('select from %s', name), 1, 'reads ' || name || ' by two factors')
  from unnest(array['public.invitations', 'public.api_keys']) name;
rollback to one_wall_down;

-- Whose role has nothing that wants a second factor is asked for none; nor is a key; nor is anybody in another tenant ---------------------

select sees('auditor@guarded.test', 'select from public.executions', 3, 'reads what the role allows');
select refused('auditor@guarded.test', statement, 403, 'forbidden', 'is told of the role, not of a factor that would not help: ' || rpc)
  from rpcs where permission in ('members.manage', 'keys.manage', 'tenant.manage', 'tenant.export', 'tenant.close', 'audit.read');
select refused('viewer@guarded.test', statement, 403, 'forbidden', 'is told of the role, not of a factor that would not help: ' || rpc)
  from rpcs where permission in ('members.manage', 'keys.manage', 'workflows.execute');
select sees('viewer@guarded.test' || level, 'select from public.memberships', n, format('reads %s members (%s)', n, level))
  from (values ('', 1), ('+aal1', 1), ('+aal2', 6)) session (level, n);
select allowed('key:guarded robot', $$update public.ai_agents set name = 'Renamed'$$, 1, 'acts with its scopes');
select sees('key:guarded robot', 'select from public.api_keys', 1, 'reads what its scopes allow');
insert into public.memberships (tenant_id, user_id, role) select :'alpha', id, 'editor' from public.users where email = 'owner@guarded.test';
select allowed('owner@guarded.test', $$update public.ai_agents set name = 'Renamed'$$, 1, 'changes the agents of Alpha and not those of Guarded');
select sees('owner@guarded.test', 'select from public.memberships', 10, 'reads the members of Alpha, and of Guarded themselves');

-- At once ---------------------------------------------------------------------------------------------------------------------------------

select keep('owner@alpha.test+aal2', $$update public.tenants set requires_second_factor = true$$) \g /dev/null
select denied('admin@alpha.test', 'update public.workflows set name = ''Renamed''', 'needs it in the next statement');
select refused('admin@alpha.test', calling('public.invite_member', :'alpha', 'new@x.test', 'viewer'), 403, 'second_factor_required',
  'needs it in the next call');
select sees('admin@alpha.test', 'select from public.workflows', 3, 'still reads the work');
select is_empty('select * from private.access_audit()', 'what is in force is what the tables say');

select * from finish();
rollback;
