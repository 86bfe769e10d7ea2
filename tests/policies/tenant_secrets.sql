-- public.tenant_secrets: secrets.manage sees names and last characters; edge-api sets and deletes for those who hold it; the values are nobody's.

begin;
\ir ../fixtures/world.sql
select plan(152);

-- owner, admin, key manager: secrets.manage -----------------------------------------------------------------------------------------------

select sees(actor, 'select from public.tenant_secrets', 2, 'reads what secrets their tenant has and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager']) actor;
select sees('both@alpha.test', 'select from public.tenant_secrets', 3, 'reads what secrets both of their tenants have');
-- A new column here is a column that is read: is it one to be read?
select columns_are('public', 'tenant_secrets', array['tenant_id', 'name', 'last_four', 'created_by', 'created_at', 'updated_by', 'updated_at'],
  'a secret''s row has nothing of the secret but its last four characters');

-- editor, viewer, billing, auditor, blind, key robot, stranger, anon ----------------------------------------------------------------------

select denied(actor, 'select from public.tenant_secrets', 'reads no secret''s name')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot',
                    'key:revoked', 'key:expired', 'stranger@gamma.test', 'anon']) actor;
select denied('owner@beta.test', $$select from public.tenant_secrets where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
  'reads no secret''s name of Alpha');
select unreachable('anon', 'select from public.tenant_secrets', 'cannot even ask for secrets');

-- Nobody writes them by hand --------------------------------------------------------------------------------------------------------------

select denied(actor, $$insert into public.tenant_secrets (tenant_id, name) values ('01900000-0000-7000-8000-00000000a000', 'own')$$,
  'makes no secret beside edge-api')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'key:manager', 'key:robot', 'owner@beta.test', 'anon']) actor;
select denied(actor, format('update public.tenant_secrets set %s', change), 'changes no secret: ' || change)
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager', 'anon']) actor,
       unnest(array[$$name = name || 'x'$$, 'last_four = null', $$tenant_id = '01900000-0000-7000-8000-00000000b000'$$]) change;
select denied(actor, 'delete from public.tenant_secrets', 'deletes no secret by hand')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'viewer@alpha.test', 'key:manager', 'key:robot', 'owner@beta.test', 'anon']) actor;
select unreachable(actor, format('select from %s', sealed), 'reads nothing of ' || sealed)
  from unnest(array['owner@alpha.test', 'key:manager', 'anon', 'aias_worker', 'aias_edge', 'service_role']) actor,
       unnest(array['private.secret_values', 'private.tenant_keys']) sealed;
-- Or they could write what does not open, and read what is wrapped.
select unreachable('owner@alpha.test', format('select edge.%s', call), 'does not do what edge-api does')
  from unnest(array[$$secrets('01900000-0000-7000-8000-00000000a000')$$, $$tenant_key('01900000-0000-7000-8000-00000000a000')$$,
    $$delete_secret('01900000-0000-7000-8000-00000000a000', 'stripe')$$,
    $$set_secret('01900000-0000-7000-8000-00000000a000', 'stripe', '123456789012', '12345678901234567', null, 1, null, null)$$]) call;

-- edge-api, for its caller ----------------------------------------------------------------------------------------------------------------

\set setting 'select edge.set_secret(%L, %L, %L, %L, %L, %s, %L, %L)'

select sees('aias_edge:' || actor, calling('edge.secrets', :'alpha'), 2, 'lists them')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager']) actor;
select answers('aias_edge:' || actor, format('select generation || '' '' || master_key_id from edge.tenant_key(%L)', :'alpha'), '1 mk_a', 'is given the wrapped key')
  from unnest(array['owner@alpha.test', 'key:manager']) actor;
select answers('aias_edge:' || actor, format(:'setting', :'alpha', 'new_one', '123456789012', '12345678901234567', '4567', 1, null, null) || ' ->> ''last_four''',
  '4567', 'sets one') from unnest(array['owner@alpha.test', 'key:manager']) actor;
select refused('aias_edge:' || actor, statement, status, code, 'does nothing for them')
  from (values
    ('editor@alpha.test', 403, 'forbidden'), ('viewer@alpha.test', 403, 'forbidden'), ('blind@alpha.test', 403, 'forbidden'),
    ('key:robot', 403, 'forbidden'), ('key:revoked', 404, 'not_found'), ('stranger@gamma.test', 404, 'not_found'), ('owner@beta.test', 404, 'not_found')
  ) asking (actor, status, code),
  unnest(array[calling('edge.secrets', :'alpha'), calling('edge.tenant_key', :'alpha'), calling('edge.delete_secret', :'alpha', 'stripe'),
    format(:'setting', :'alpha', 'stripe', '123456789012', '12345678901234567', null, 1, null, null)]) statement;
select refused('aias_edge', calling('edge.secrets', :'alpha'), 404, 'not_found', 'is nobody by itself');
-- What is in force.
select refused('aias_edge:' || actor, calling('edge.delete_secret', tenant, 'stripe'), 403, code, 'does nothing for them now')
  from (values ('owner@guarded.test', :'guarded', 'second_factor_required'), ('owner@closed.test', :'closed', 'tenant_cancelled')) asking (actor, tenant, code);
select refused('aias_edge:owner@guarded.test+aal2', calling('edge.delete_secret', :'guarded', 'stripe'), 404, 'not_found', 'finds out with two factors that there is none');

-- The key of a value is the tenant's.
select answers('aias_edge:owner@alpha.test', format(:'setting', :'alpha', 'stripe', '123456789012', '12345678901234567', null, generation, new_key, master), null, why)
  from (values (2, null, null, 'keeps nothing under a key that is to come'), (0, null, null, 'keeps nothing under a key that was'),
    (1, 'another', 'mk_a', 'makes no second key')) moved (generation, new_key, master, why);
select answers('aias_edge:owner@guarded.test+aal2', format(:'setting', :'guarded', 'first', '123456789012', '12345678901234567', null, 1, null, null), null,
  'keeps nothing where there is no key');
select answers('aias_edge:owner@guarded.test+aal2', format(:'setting', :'guarded', 'first', '123456789012', '12345678901234567', null, 1, 'made', 'mk_a') || ' ->> ''name''',
  'first', 'keeps the first with its key');
select broken('aias_edge:owner@alpha.test', format(:'setting', :'alpha', name, '123456789012', '12345678901234567', null, 1, null, null), '23514', 'takes no name like ' || name)
  from unnest(array['', 'a-b', '1a', 'a b', repeat('x', 65)]) name;

-- What is told.
select keep('aias_edge:owner@alpha.test', format(:'setting', :'alpha', 'stripe', '123456789012', 'sealed and secret', 'hush', 1, null, null)) \g /dev/null
select keep('aias_edge:key:manager', calling('edge.delete_secret', :'alpha', 'pin')) \g /dev/null
select results_eq($$select action, actor_kind, subject_id, after from audit.inbox where subject = 'tenant_secrets' order by id$$,
  $$values ('security.secret_set', 'user', 'stripe', '{"replaced": true}'::jsonb), ('security.secret_deleted', 'api_key', 'pin', null)$$,
  'who set and deleted what is in the audit log, and nothing of the value');
select is(count(*), 1::bigint, 'the value goes with its secret') from private.secret_values where tenant_id = :'alpha' and kind = 'secret';
select is(updated_by, :'owner'::uuid, 'the row says who') from public.tenant_secrets where tenant_id = :'alpha' and name = 'stripe';
select refused('aias_edge:owner@alpha.test', calling('edge.delete_secret', :'alpha', 'pin'), 404, 'not_found', 'deletes nothing twice');
insert into public.tenant_secrets (tenant_id, name) select :'alpha', 'many_' || n from generate_series(1, 99) n;
select refused('aias_edge:owner@alpha.test', format(:'setting', :'alpha', 'one_more', '123456789012', '12345678901234567', null, 1, null, null), 409, 'too_many_secrets',
  'sets no more than a hundred');

-- What the tables themselves hold true ----------------------------------------------------------------------------------------------------

select throws_ok($$update private.secret_values set tenant_id = '01900000-0000-7000-8000-00000000b000'
  where tenant_id = '01900000-0000-7000-8000-00000000a000'$$, '23505', null, 'a value of Alpha is no value of Beta');
select throws_ok($$set constraints all immediate; delete from private.tenant_keys$$, '23503', null, 'a key on which a value stands stays');

select * from finish();
rollback;
