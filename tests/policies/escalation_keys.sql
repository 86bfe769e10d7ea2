-- Nobody grants what they do not hold: by an API key that is made, and by what a key does. public.create_api_key, public.api_keys

begin;
\ir ../fixtures/world.sql
\ir ../fixtures/climbers.sql
select plan(42);

-- Scopes beyond what is held --------------------------------------------------------------------------------------------------------------

select caught(actor, calling('public.create_api_key', :'alpha', 'More', scopes), 'api_keys', missing::text[],
  'makes no key that may more: ' || scopes)
  from (values
    ('hr@alpha.test', '{agents.read,tenant.manage}', '{tenant.manage}'),
    ('hr@alpha.test', '{usage.read,billing.read,audit.read}', '{audit.read,billing.read,usage.read}'),
    ('admin@alpha.test', '{billing.manage}', '{billing.manage}'),
    ('admin@alpha.test', '{tenant.close,members.manage}', '{tenant.close}'),
    ('key:manager', '{workflows.read}', '{workflows.read}'),
    ('key:manager', '{keys.manage,billing.manage}', '{billing.manage}')
  ) asked (actor, scopes, missing);
select allowed(actor, calling('public.create_api_key', :'alpha', 'Same', scopes), 1, 'may: ' || scopes)
  from (values ('owner@alpha.test', '{billing.manage,tenant.close}'), ('super@alpha.test', '{billing.manage,tenant.close}'),
    ('key:everything', '{billing.manage}'), ('hr@alpha.test', '{keys.manage,members.manage}'), ('key:manager', '{keys.manage}')) held (actor, scopes);
select denied(actor, $$insert into public.api_keys (tenant_id, name, prefix, scopes)
    values ('01900000-0000-7000-8000-00000000a000', 'More', 'aias_00000000', '{tenant.close}')$$, 'makes no key by hand')
  from unnest(array['hr@alpha.test', 'super@alpha.test', 'key:everything']) actor;

-- What is in force counts: by one factor, while suspended ---------------------------------------------------------------------------------

select refused('owner@guarded.test', calling('public.create_api_key', :'guarded', 'Mine', '{agents.read}'), 403, 'second_factor_required',
  'makes no key by one factor that would be asked for none');
select refused('owner@frozen.test', calling('public.create_api_key', :'frozen', 'Mine', '{agents.read}'), 403, 'tenant_suspended',
  'makes no key while suspended');
update public.memberships set role = 'viewer' where user_id = :'admin';
select refused('admin@alpha.test', calling('public.create_api_key', :'alpha', 'Mine', '{agents.read}'), 403, 'forbidden',
  'makes no key once the role is weaker');
update public.memberships set role = 'admin' where user_id = :'admin';

-- A key makes keys of its own scopes, and none that lasts longer --------------------------------------------------------------------------

update public.api_keys set expires_at = now() + interval '1 hour' where name = 'manager';
select refused('key:manager', calling('public.create_api_key', :'alpha', 'Longer', '{keys.manage}', expiry), 403, 'escalation',
  'makes no key that outlives it')
  from unnest(array[null, (now() + interval '2 hours')::text, 'infinity']) expiry;
select allowed('key:manager', calling('public.create_api_key', :'alpha', 'Shorter', '{keys.manage}', (now() + interval '30 minutes')::text), 1,
  'makes one that does not');
select allowed('admin@alpha.test', calling('public.create_api_key', :'alpha', 'Endless', '{keys.manage}'), 1, 'may: a person has no end');

-- What a key's maker may not any more, a key that was made stays. It is the tenant's: seen by whoever manages keys, and ended by them.
select keep('hr@alpha.test', calling('public.create_api_key', :'alpha', 'Left behind', '{agents.read}')) \g /dev/null
select keep('owner@alpha.test', calling('public.remove_member', :'alpha', :'hr')) \g /dev/null
select sees('key:Left behind', 'select from public.ai_agents', 1, 'is the tenant''s, not its maker''s');
select answers('owner@alpha.test', format('select name from public.api_keys where created_by = %L', :'hr'), 'Left behind',
  'sees which keys somebody made');

-- A key is no session and no person -------------------------------------------------------------------------------------------------------

select refused('key:everything', statement, 401, 'not_signed_in', 'is no person')
  from unnest(array[calling('public.create_tenant', 'Acme', 'acme'), calling('public.accept_invitation', 'token of a0b1')]) statement;
select refused(actor, $$update public.tenants set requires_second_factor = not requires_second_factor$$, 403, 'second_factor_required',
    'says nothing about second factors, having none')
  from unnest(array['key:manager', 'key:everything', 'key:guarded robot']) actor;
select denied('key:everything', statement, 'changes nobody')
  from unnest(array[$$update public.users set name = 'Renamed'$$, 'delete from public.users']) statement;

select * from finish();
rollback;
