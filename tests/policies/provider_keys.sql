-- public.provider_keys: providers.manage sees to which providers there are own keys; edge-api sets and deletes for those who hold it; the keys
-- themselves are nobody's.

begin;
\ir ../fixtures/world.sql
select plan(140);

-- owner, admin, key manager: providers.manage ---------------------------------------------------------------------------------------------

select sees(actor, 'select from public.provider_keys', 2, 'reads which own keys their tenant has and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager']) actor;
select sees('both@alpha.test', 'select from public.provider_keys', 3, 'reads which own keys both of their tenants have');
-- A new column here is a column that is read: is it one to be read?
select columns_are('public', 'provider_keys', array['tenant_id', 'provider', 'last_four', 'set_by', 'set_at'],
  'a row has nothing of the key but its last four characters');

-- editor, viewer, billing, auditor, blind, key robot, stranger, anon ----------------------------------------------------------------------

select denied(actor, 'select from public.provider_keys', 'reads of no key')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot',
                    'key:revoked', 'key:expired', 'stranger@gamma.test', 'anon']) actor;
select denied('owner@beta.test', $$select from public.provider_keys where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
  'reads of no key of Alpha');
select unreachable('anon', 'select from public.provider_keys', 'cannot even ask for keys');

-- Nobody writes them by hand --------------------------------------------------------------------------------------------------------------

select denied(actor, $$insert into public.provider_keys (tenant_id, provider) values ('01900000-0000-7000-8000-00000000a000', 'anthropic')$$,
  'sets no key beside edge-api')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'key:manager', 'key:robot', 'owner@beta.test', 'anon']) actor;
select denied(actor, format('update public.provider_keys set %s', change), 'changes no key: ' || change)
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager', 'anon']) actor,
       unnest(array[$$provider = 'anthropic'$$, 'last_four = null', $$tenant_id = '01900000-0000-7000-8000-00000000b000'$$]) change;
select denied(actor, 'delete from public.provider_keys', 'deletes no key by hand')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'key:manager', 'key:robot', 'owner@beta.test', 'anon']) actor;
-- Or they could write what does not open, and read what is wrapped.
select unreachable('owner@alpha.test', format('select edge.%s', call), 'does not do what edge-api does')
  from unnest(array[$$provider_keys('01900000-0000-7000-8000-00000000a000')$$, $$tenant_key_for_providers('01900000-0000-7000-8000-00000000a000')$$,
    $$delete_provider_key('01900000-0000-7000-8000-00000000a000', 'openai')$$,
    $$set_provider_key('01900000-0000-7000-8000-00000000a000', 'openai', '123456789012', '12345678901234567', null, 1, null, null)$$]) call;

-- edge-api, for its caller ----------------------------------------------------------------------------------------------------------------

\set setting 'select edge.set_provider_key(%L, %L, %L, %L, %L, %s, %L, %L)'

select sees('aias_edge:' || actor, calling('edge.provider_keys', :'alpha'), 2, 'lists them')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager']) actor;
select answers('aias_edge:' || actor, format('select generation || '' '' || master_key_id from edge.tenant_key_for_providers(%L)', :'alpha'), '1 mk_a',
  'is given the wrapped key') from unnest(array['owner@alpha.test', 'key:manager']) actor;
select answers('aias_edge:' || actor, format(:'setting', :'alpha', 'anthropic', '123456789012', '12345678901234567', '4567', 1, null, null) || ' ->> ''last_four''',
  '4567', 'sets one') from unnest(array['owner@alpha.test', 'key:manager']) actor;
select refused('aias_edge:' || actor, statement, status, code, 'does nothing for them')
  from (values
    ('editor@alpha.test', 403, 'forbidden'), ('viewer@alpha.test', 403, 'forbidden'), ('blind@alpha.test', 403, 'forbidden'),
    ('key:robot', 403, 'forbidden'), ('key:revoked', 404, 'not_found'), ('stranger@gamma.test', 404, 'not_found'), ('owner@beta.test', 404, 'not_found')
  ) asking (actor, status, code),
  unnest(array[calling('edge.provider_keys', :'alpha'), calling('edge.tenant_key_for_providers', :'alpha'),
    calling('edge.delete_provider_key', :'alpha', 'openai'), format(:'setting', :'alpha', 'openai', '123456789012', '12345678901234567', null, 1, null, null)]) statement;
select refused('aias_edge', calling('edge.provider_keys', :'alpha'), 404, 'not_found', 'is nobody by itself');
-- What is in force.
select refused('aias_edge:' || actor, calling('edge.delete_provider_key', tenant, 'openai'), 403, code, 'does nothing for them now')
  from (values ('owner@guarded.test', :'guarded', 'second_factor_required'), ('owner@closed.test', :'closed', 'tenant_cancelled'),
    ('owner@frozen.test', :'frozen', 'tenant_suspended')) asking (actor, tenant, code);
select refused('aias_edge:owner@guarded.test+aal2', calling('edge.delete_provider_key', :'guarded', 'openai'), 404, 'not_found',
  'finds out with two factors that there is none');

-- The key that it is sealed under is the tenant's.
select answers('aias_edge:owner@alpha.test', format(:'setting', :'alpha', 'openai', '123456789012', '12345678901234567', null, generation, new_key, master), null, why)
  from (values (2, null, null, 'keeps nothing under a key that is to come'), (0, null, null, 'keeps nothing under a key that was'),
    (1, 'another', 'mk_a', 'makes no second key')) moved (generation, new_key, master, why);
select answers('aias_edge:owner@guarded.test+aal2', format(:'setting', :'guarded', 'openai', '123456789012', '12345678901234567', null, 1, 'made', 'mk_a') || ' ->> ''provider''',
  'openai', 'keeps the first with its key');
select broken('aias_edge:owner@alpha.test', format(:'setting', :'alpha', provider, '123456789012', '12345678901234567', null, 1, null, null), '23514',
  'takes no key to ' || provider) from unnest(array['', 'OpenAI', 'ollama', 'https://evil.test']) provider;

-- What is told.
select keep('aias_edge:owner@alpha.test', format(:'setting', :'alpha', 'openai', '123456789012', 'sealed and secret', 'hush', 1, null, null)) \g /dev/null
select keep('aias_edge:key:manager', calling('edge.delete_provider_key', :'alpha', 'gemini')) \g /dev/null
select results_eq($$select action, actor_kind, subject_id, after from audit.inbox where subject = 'provider_keys' order by id$$,
  $$values ('security.provider_key_set', 'user', 'openai', '{"replaced": true}'::jsonb), ('security.provider_key_deleted', 'api_key', 'gemini', null)$$,
  'who set and deleted what is in the audit log, and nothing of the key');
select results_eq(format($$select name from private.secret_values where tenant_id = %L and kind = 'provider_key' order by name$$, :'alpha'),
  $$values ('openai')$$, 'the sealed key goes with its row');
select is(count(*), 2::bigint, 'and no secret does') from private.secret_values where tenant_id = :'alpha' and kind = 'secret';
select is(set_by, :'owner'::uuid, 'the row says who') from public.provider_keys where tenant_id = :'alpha' and provider = 'openai';
select refused('aias_edge:owner@alpha.test', calling('edge.delete_provider_key', :'alpha', 'gemini'), 404, 'not_found', 'deletes nothing twice');

-- What the tables themselves hold true ----------------------------------------------------------------------------------------------------

select throws_ok($$insert into private.secret_values (tenant_id, kind, name, key_generation, nonce, ciphertext)
  values ('01900000-0000-7000-8000-00000000a000', 'provider_key', 'gemini', 1, '123456789012', '12345678901234567')$$, '23503', null, 'a key has a row that says so');
select throws_ok($$update private.secret_values set kind = 'provider_key' where tenant_id = '01900000-0000-7000-8000-00000000a000' and name = 'stripe'$$, '23503', null,
  'a secret is no provider''s key');
select throws_ok($$update private.secret_values set kind = 'password' where tenant_id = '01900000-0000-7000-8000-00000000a000' and name = 'stripe'$$, '23514', null,
  'there are no other kinds');

select * from finish();
rollback;
