-- rpc create_api_key: keys.manage makes a key out of what it holds, and sees it this once. Stronger scopes are in escalation_keys.sql.

begin;
\ir ../fixtures/world.sql
select plan(42);

select calling('public.create_api_key', :'alpha', 'CI', '{agents.read}') as call \gset

-- owner, admin, key manager: keys.manage --------------------------------------------------------------------------------------------------

select answers(actor, asking($$format('%s %s %s', name, scopes, expires_at)$$, 'public.create_api_key', :'alpha', 'CI',
  '{members.read,agents.read,agents.read}'),
    'CI {agents.read,members.read} ', 'makes a key')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager']) actor;
select answers('admin@alpha.test', asking($$key ~ '^aias_[0-9a-f]{8}_[A-Za-z0-9_-]{43}$' and key like prefix || '\_%'$$, 'public.create_api_key',
  :'alpha', 'CI', '{agents.read}'),
  'true', 'sees the key, which begins with its prefix');
select answers('admin@alpha.test', asking('expires_at > now()', 'public.create_api_key', :'alpha', 'CI', '{agents.read}',
  (now() + interval '1 day')::text),
  'true', 'makes one that ends');

select answers('admin@alpha.test', asking('expires_at is null', 'public.create_api_key', :'alpha', 'CI', '{agents.read}', 'infinity'), 'true',
  'makes one that does not, in either way of saying so');
select refused('owner@alpha.test', calling('public.create_api_key', :'alpha', bad.name, bad.scopes, bad.expiry), 400, bad.code, bad.why)
  from (values
    ('CI', '{root}', null, 'unknown_permission', 'gives no scope that is none'),
    ('CI', '{agents.read,NULL}', null, 'unknown_permission', 'gives no scope of null'),
    ('CI', '{}', null, 'key_invalid', 'makes no key without a scope'),
    ('CI', null, null, 'key_invalid', 'makes no key with null for scopes'),
    (' ', '{agents.read}', null, 'key_invalid', 'makes no key without a name'),
    (null, '{agents.read}', null, 'key_invalid', 'makes no key with null for a name'),
    (repeat('x', 201), '{agents.read}', null, 'key_invalid', 'makes no key with a name of 201 characters'),
    ('CI', '{agents.read}', '2026-01-01', 'expiry_in_the_past', 'makes no key that is over')
  ) bad (name, scopes, expiry, code, why);
select refused('owner@alpha.test', calling('public.create_api_key', null, 'CI', '{agents.read}'), 404, 'not_found', 'makes no key of no tenant');

-- editor, viewer, billing, auditor, blind, key robot: members without keys.manage ---------------------------------------------------------

select refused(actor, :'call', 403, 'forbidden', 'makes no key')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot']) actor;

-- the other tenant, keys that are over, stranger ------------------------------------------------------------------------------------------

select refused(actor, :'call', 404, 'not_found', 'finds no such tenant')
  from unnest(array['owner@beta.test', 'key:beta robot', 'key:expired', 'key:revoked', 'guest@delta.test', 'stranger@gamma.test']) actor;
select is(body(actor, :'call'), body(actor, replace(:'call', :'alpha', :'nothing')), actor || ': cannot tell Alpha from none')
  from unnest(array['owner@beta.test', 'stranger@gamma.test']) actor;

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'makes no key');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'makes no key by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- What it leaves --------------------------------------------------------------------------------------------------------------------------

create temp table made as
  select key from unnest(array[1, 2]) n, keep('admin@alpha.test', asking('key', 'public.create_api_key', :'alpha', 'CI ' || n, '{agents.read}')) key;
select is(count(distinct key), 2::bigint, 'no two keys are alike') from made;
select results_eq($$select k.name, k.created_by::text, k.last_used_at, k.revoked_at from made m
    join private.api_key_hashes h on h.hash = sha256(convert_to(m.key, 'UTF8'))
    join public.api_keys k on k.tenant_id = h.tenant_id and k.id = h.key_id order by k.name$$,
  format($$values ('CI 1', %1$L, null::timestamptz, null::timestamptz), ('CI 2', %1$L, null, null)$$, :'admin'), 'its hash is kept');
select is_empty($$select 1 from made m, public.api_keys k where k::text like '%' || substr(m.key, 15) || '%'$$,
  'and the key itself in no row of keys');
select is_empty($$select 1 from made m, audit.inbox i where i::text like '%' || substr(m.key, 15) || '%'$$, 'nor in the audit log');
select sees('key:CI 1', 'select from public.ai_agents', 1, 'acts with its scopes at once');
select denied('key:CI 1', 'select from public.workflows', 'and with no more');

insert into public.api_keys (tenant_id, name, prefix, scopes) select :'alpha', 'many ' || n, 'aias_00000000',
  '{agents.read}' from generate_series(1, 95) n;
select refused('owner@alpha.test', :'call', 409, 'too_many_keys', 'makes no hundred and first key');

select * from finish();
rollback;
