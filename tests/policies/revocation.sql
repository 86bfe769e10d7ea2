-- Membership is read in the statement itself: who is removed, or whose role shrinks, is out in the next one, with the token still good.
-- So is a key. What a second factor and a status change at once is in second_factor.sql, suspended.sql and cancelled.sql.

begin;
\ir ../fixtures/world.sql

create temp table tenant_tables as
  select c.oid::regclass as name
    from pg_catalog.pg_class c
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
   where c.relnamespace::regnamespace::text in ('public', 'private', 'queue', 'audit', 'aias') and c.relkind in ('r', 'p');

select plan((select count(*) from tenant_tables)::integer + 38);

select sees('editor@alpha.test', 'select from public.workflows', 3, 'reads the workflows while a member');
select allowed('editor@alpha.test', $$select public.start_execution('01900000-0000-7000-8000-00000000a0f1')$$, 1, 'starts executions while a member');

-- viewer instead of editor -----------------------------------------------------------------------------------------------------------------

update public.memberships set role = 'viewer' where user_id = '01900000-0000-7000-8000-0000000000a3';
select sees('editor@alpha.test', 'select from public.workflows', 3, 'still reads the workflows as a viewer');
select denied('editor@alpha.test', $$update public.workflows set name = 'Renamed'$$, 'changes no workflow as a viewer');
select refused('editor@alpha.test', $$select public.start_execution('01900000-0000-7000-8000-00000000a0f1')$$, 403, 'forbidden',
  'starts nothing as a viewer');

-- a role that loses a permission ---------------------------------------------------------------------------------------------------------------

update public.roles set permissions = array_remove(permissions, 'executions.read')
 where tenant_id = '01900000-0000-7000-8000-00000000a000' and key = 'viewer';
select denied('viewer@alpha.test', 'select from public.executions', 'reads no execution when the role no longer allows it');
select refused('viewer@alpha.test', $$select public.cancel_execution('01900000-0000-7000-8000-00000000a0e1')$$, 404, 'not_found',
  'is not even told that it exists');

-- a role that gains one ------------------------------------------------------------------------------------------------------------------------

update public.roles set permissions = permissions || '{usage.read}' where tenant_id = '01900000-0000-7000-8000-00000000a000' and key = 'auditor';
select sees('auditor@alpha.test', 'select from public.usage', 1, 'reads the usage when the role allows it');
select is_empty('select * from private.access_audit()', 'what is in force is what the tables say');

-- a key with fewer scopes, over by time, revoked, gone -------------------------------------------------------------------------------------------

savepoint keys;
select sees('key:robot', 'select from public.workflows', 3, 'reads the workflows while it may');
update public.api_keys set scopes = '{agents.read}' where name = 'robot';
select denied('key:robot', 'select from public.workflows', 'reads no workflow when its scopes no longer allow it');
select sees('key:robot', 'select from public.ai_agents', 1, 'reads what they still allow');
update public.api_keys set expires_at = now() where name = 'robot';
select denied('key:robot', 'select from public.ai_agents', 'reads nothing once it is over');
update public.api_keys set expires_at = now() + interval '1 second' where name = 'robot';
select sees('key:robot', 'select from public.ai_agents', 1, 'reads to its last second');
update public.api_keys set revoked_at = now() where name = 'robot';
select denied('key:robot', 'select from public.ai_agents', 'reads nothing once revoked');
select refused('key:robot', $$select public.start_execution('01900000-0000-7000-8000-00000000a0f1')$$, 404, 'not_found',
  'starts nothing once revoked');
rollback to keys;
delete from public.api_keys where name = 'manager';
select is_empty($$select from private.access where principal = '01900000-0000-7000-8000-00000000a0c2'$$, 'a key that is gone may nothing');
select is_empty('select * from private.access_audit()', 'what is in force is what the tables say');
savepoint keys;
set local client_min_messages = warning;
truncate public.api_keys cascade;
select is_empty('select * from private.access_audit()', 'nor does any, when all are gone');
rollback to keys;

-- no member any more ------------------------------------------------------------------------------------------------------------------------

delete from public.memberships where user_id = '01900000-0000-7000-8000-0000000000a3';
select denied('editor@alpha.test', 'select from public.workflows', 'reads no workflow once removed');
select denied('editor@alpha.test', 'select from public.tenants', 'does not see the tenant once removed');
select sees('editor@alpha.test', 'select from public.users', 1, 'sees nobody but themselves once removed');
select denied('editor@alpha.test', $$insert into public.workflows (tenant_id, name)
  values ('01900000-0000-7000-8000-00000000a000', 'Farewell')$$, 'makes no workflow once removed');
select refused('editor@alpha.test', $$select public.start_execution('01900000-0000-7000-8000-00000000a0f1')$$, 404, 'not_found',
  'starts nothing once removed');
select is(used, 7::bigint, 'a member who is gone gives a place back')
  from aias.quota_status('01900000-0000-7000-8000-00000000a000') where meter = 'users';

-- no account any more -----------------------------------------------------------------------------------------------------------------------

delete from auth.users where email = 'viewer@alpha.test';
select is_empty($$select from public.memberships where user_id = '01900000-0000-7000-8000-0000000000a4'$$, 'an account takes its memberships along');
select is(used, 6::bigint, 'and gives its place back')
  from aias.quota_status('01900000-0000-7000-8000-00000000a000') where meter = 'users';

-- no tenant any more ------------------------------------------------------------------------------------------------------------------------

delete from public.tenants where subdomain = 'beta';
select is_empty(format('select from %s where tenant_id = %L', name, '01900000-0000-7000-8000-00000000b000'),
    format('a tenant that goes leaves nothing in %s', name))
  from tenant_tables;
select is_empty($$select from aias.quota_status('01900000-0000-7000-8000-00000000b000')$$, 'nor a counter');
select is_empty('select * from private.access_audit()', 'what is in force is what the tables say');

-- no members at all -------------------------------------------------------------------------------------------------------------------------

set local client_min_messages = warning;
truncate public.memberships;
select is_empty($$select from private.access a where not exists (select from public.api_keys k where k.id = a.principal)$$,
  'nobody may anything when there is no member');

select * from finish();
rollback;
