-- public.api_keys: keys.manage sees; the rpcs write; the hashes are nobody's.

begin;
\ir ../fixtures/world.sql
select plan(136);

-- owner, admin, key manager: keys.manage --------------------------------------------------------------------------------------------------

select sees(actor, 'select from public.api_keys', 4, 'reads the keys of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager']) actor;
select sees('both@alpha.test', 'select from public.api_keys', 5, 'reads the keys of both of their tenants');
-- A new column here is a column that is read: is it one to be read?
select columns_are('public', 'api_keys', array['tenant_id', 'id', 'name', 'prefix', 'scopes', 'created_by', 'created_at', 'expires_at',
  'last_used_at', 'revoked_at'], 'a key''s row has nothing of the key but its prefix');

-- editor, viewer, billing, auditor, blind, key robot, stranger, anon ----------------------------------------------------------------------

select denied(actor, 'select from public.api_keys', 'reads no key')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot',
                    'key:revoked', 'key:expired', 'stranger@gamma.test', 'anon']) actor;
select denied('owner@beta.test', $$select from public.api_keys where tenant_id = '01900000-0000-7000-8000-00000000a000'$$, 'reads no key of Alpha');
select unreachable('anon', 'select from public.api_keys', 'cannot even ask for keys');

-- Nobody writes them by hand --------------------------------------------------------------------------------------------------------------

select denied(actor, $$insert into public.api_keys (tenant_id, name, prefix, scopes)
    values ('01900000-0000-7000-8000-00000000a000', 'own', 'aias_00000000', '{agents.read}')$$, 'makes no key beside the rpc')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'key:manager', 'key:robot', 'owner@beta.test', 'anon']) actor;
select denied(actor, format('update public.api_keys set %s', change), 'changes no key: ' || change)
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager', 'key:robot', 'anon']) actor,
       unnest(array[$$scopes = scopes || '{billing.manage}'$$, 'expires_at = null', 'revoked_at = null',
                    $$tenant_id = '01900000-0000-7000-8000-00000000b000'$$]) change;
select denied(actor, 'delete from public.api_keys', 'deletes no key')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'key:manager', 'key:robot', 'owner@beta.test', 'anon']) actor;
select unreachable(actor, 'select from private.api_key_hashes', 'reads no hash')
  from unnest(array['owner@alpha.test', 'key:manager', 'anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- What a key may do: what its scopes say, in its tenant -----------------------------------------------------------------------------------

select sees('key:robot', 'select from public.workflows', 3, 'reads the workflows of its tenant and no other');
select allowed('key:robot', $$update public.workflows set description = 'by a key'$$, 3, 'changes the workflows of its tenant and no other');
select answers('key:robot', $$insert into public.ai_agents (tenant_id, name, slug, model)
    values ('01900000-0000-7000-8000-00000000a000', 'New', 'new', 'openai/gpt-4o') returning created_by is null$$, 'true',
      'makes an agent, which nobody made');
select answers('key:robot', $$select started_by is null from public.start_execution('01900000-0000-7000-8000-00000000a0f1')$$, 'true',
  'starts an execution');
select answers('key:robot', $$select status from public.cancel_execution('01900000-0000-7000-8000-00000000a0e1')$$, 'cancelled', 'ends an execution');
select denied('key:robot', statement, 'does nothing that its scopes leave out')
  from unnest(array['select from public.usage', 'select from public.memberships', 'select from public.users', 'select from public.audit_log',
                    $$update public.tenants set name = 'Mine'$$]) statement;
select sees('key:manager', 'select from public.ai_agents', 1, 'reads what it has the scope for');
select denied('key:manager', 'select from public.workflows', 'reads nothing else');
select denied('key:beta robot', $$select from public.ai_agents where tenant_id = '01900000-0000-7000-8000-00000000a000'$$, 'reads nothing of Alpha');
select denied(actor, 'select from public.ai_agents', 'reads nothing, being over')
  from unnest(array['key:expired', 'key:revoked']) actor;
select refused(actor, $$select public.start_execution('01900000-0000-7000-8000-00000000a0f1')$$, 404, 'not_found', 'starts nothing')
  from unnest(array['key:expired', 'key:revoked', 'key:manager', 'key:beta robot']) actor;
-- A key is nobody: what is about the one who asks is not for it.
select refused('key:manager', calling('public.create_tenant', 'Acme', 'acme'), 401, 'not_signed_in', 'makes no tenant');
select refused('key:manager', calling('public.leave_tenant', :'alpha'), 404, 'not_found', 'leaves no tenant');
select refused('key:manager', calling('public.accept_invitation', 'token of a0b1'), 401, 'not_signed_in', 'accepts no invitation');

-- What the table itself holds true --------------------------------------------------------------------------------------------------------

select throws_ok($$update public.api_keys set scopes = '{}' where name = 'robot'$$, '23514', null, 'a key has a scope');
select throws_ok($$update public.api_keys set name = ' ' where name = 'robot'$$, '23514', null, 'a key has a name');
select throws_ok($$update private.api_key_hashes set tenant_id = '01900000-0000-7000-8000-00000000b000'
  where tenant_id = '01900000-0000-7000-8000-00000000a000'$$, '23503', null, 'a hash of Beta opens no key of Alpha');

select * from finish();
rollback;
