-- public.roles: members read the roles of their tenants; roles.manage writes the tenant's own, out of what it holds itself.
-- What is refused as an escalation is in escalation_roles.sql.

begin;
\ir ../fixtures/world.sql
select plan(130);

select format('insert into public.roles (tenant_id, key, name, permissions) values (%L, %L, %L, %L)',
  :'alpha', 'reader', 'Reader', '{workflows.read,agents.read,agents.read}') as new \gset

\set outside 'insert into public.roles (tenant_id, key, name, permissions) values (%L, %L, ''Probe'', ''{agents.read}'')'

-- owner, admin, editor, viewer, billing, auditor: members ---------------------------------------------------------------------------------

select sees(actor, 'select from public.roles', 7, 'reads the roles of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test',
                    'auditor@alpha.test', 'key:robot']) actor;
select sees('owner@beta.test', 'select from public.roles', 5, 'reads the built-in roles and not Alpha''s own');
select sees('both@alpha.test', 'select from public.roles', 12, 'reads the roles of both of their tenants');

-- stranger, anon --------------------------------------------------------------------------------------------------------------------------

select denied(actor, 'select from public.roles', 'reads no role')
  from unnest(array['stranger@gamma.test', 'key:revoked', 'key:expired', 'anon']) actor;
select unreachable('anon', 'select from public.roles', 'cannot even ask for roles');

-- owner, admin, key manager: roles.manage -------------------------------------------------------------------------------------------------

insert into public.roles (tenant_id, key, name, permissions) values (:'alpha', 'spare', 'Spare', '{agents.read}'),
  (:'beta', 'spare', 'Spare', '{agents.read}');

select allowed(actor, $$insert into public.roles (tenant_id, key, name, permissions)
    values ('01900000-0000-7000-8000-00000000a000', 'reader', 'Reader', '{agents.read}')$$, 1, 'makes a role')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager']) actor;
select allowed(actor, $$update public.roles set name = 'Renamed', permissions = '{members.read,agents.read}' where key = 'spare'$$, 1,
    'changes a role of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager']) actor;
select allowed(actor, $$delete from public.roles where key = 'spare'$$, 1, 'deletes a role of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager']) actor;
select allowed('both@alpha.test', $$delete from public.roles where key = 'spare'$$, 2, 'deletes the roles of both of their tenants');

-- What the table itself holds true.
select answers('owner@alpha.test', :'new' || ' returning permissions', '{agents.read,workflows.read}', 'finds permissions in order, each once');
select refused('owner@alpha.test', $$update public.roles set permissions = '{agents.read,root,agents.fly}' where key = 'spare'$$,
  400, 'unknown_permission', 'allows nothing that does not exist');
select ok(body('owner@alpha.test', $$update public.roles set permissions = '{agents.read,root,agents.fly}'
  where key = 'spare'$$) ->> 'message' ~ 'agents.fly, root',
  'owner@alpha.test: is told which');
select broken('owner@alpha.test', replace(:'new', '''reader''', '''No word'''), '23514', 'gives no role a key of two words');
select broken('owner@alpha.test', replace(:'new', '''reader''', '''spare'''), '23505', 'makes no role twice');
select refused('owner@alpha.test', $$update public.roles set key = 'other' where key = 'spare'$$, 409, 'identity_is_fixed',
  'gives no role another key');
select refused('both@alpha.test', $$update public.roles set tenant_id = '01900000-0000-7000-8000-00000000b000' where key = 'auditor'$$,
  409, 'identity_is_fixed', 'moves no role between their own tenants');

-- A role that somebody has stays; one that somebody was invited to goes with the invitation.
select refused('owner@alpha.test', $$delete from public.roles where key = 'auditor'$$, 409, 'role_in_use', 'deletes no role that somebody has');
update public.invitations set role = 'spare' where id = '01900000-0000-7000-8000-00000000a0b1';
select keep('owner@alpha.test', $$delete from public.roles where key = 'spare'$$) \g /dev/null
select ok(revoked_at is not null, 'an invitation to a role that goes is withdrawn') from public.invitations
  where id = '01900000-0000-7000-8000-00000000a0b1';
select is_empty($$select from private.invitation_tokens where invitation_id = '01900000-0000-7000-8000-00000000a0b1'$$,
  'and its token is worth nothing');

-- Built-in roles stay as they are ---------------------------------------------------------------------------------------------------------

select refused(actor, statement, 403, 'built_in_role', 'leaves the built-in roles alone')
  from unnest(array['owner@alpha.test', 'admin@alpha.test']) actor, unnest(array[
    $$update public.roles set permissions = '{}' where key = 'viewer'$$,
    $$update public.roles set name = 'Boss' where key = 'owner'$$,
    $$update public.roles set built_in = false where key = 'owner'$$,
    $$update public.roles set built_in = true where key = 'auditor'$$,
    $$delete from public.roles where key = 'billing'$$,
    $$insert into public.roles (tenant_id, key, name, permissions, built_in)
      values ('01900000-0000-7000-8000-00000000a000', 'fixed', 'Fixed', '{agents.read}', true)$$,
    $$insert into public.roles (tenant_id, key, name, permissions)
      values ('01900000-0000-7000-8000-00000000a000', 'viewer', 'Viewer', '{agents.read}')
      on conflict (tenant_id, key) do update set permissions = excluded.permissions$$
  ]) statement;

-- editor, viewer, billing, auditor, blind, key robot; the other tenant, stranger, anon ----------------------------------------------------

select denied(actor, :'new', 'makes no role in Alpha')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot',
                    'key:revoked', 'owner@beta.test', 'key:beta robot', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, $$update public.roles set name = 'Renamed' where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
  'changes no role of Alpha')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot',
                    'key:revoked', 'owner@beta.test', 'key:beta robot', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, $$delete from public.roles where tenant_id = '01900000-0000-7000-8000-00000000a000'$$, 'deletes no role of Alpha')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot',
                    'key:revoked', 'owner@beta.test', 'key:beta robot', 'stranger@gamma.test', 'anon']) actor;

-- What an outsider's insert is answered tells nothing of the tenant.
select is(
  (attempt(actor, format(:'outside', :'alpha', key), granted)).message, (attempt(actor, format(:'outside', :'nothing', key), granted)).message,
  format('%s: cannot tell Alpha''s role %s from none (%s)', actor, key, case when granted then 'whole tables granted' else 'as granted' end))
  from unnest(array['owner@beta.test', 'stranger@gamma.test', 'viewer@alpha.test']) actor, unnest(array['auditor', 'nobodys']) key,
       unnest(array[false, true]) granted;

select * from finish();
rollback;
