-- What the worker is told of secrets: sealed, of the tenant whose execution it holds; and how it wraps and rotates keys. public.tenant_secrets

begin;
\ir ../fixtures/world.sql
select plan(33);

-- queue.secrets: w1 holds a0e2 of Alpha by the token 1 ------------------------------------------------------------------------------------

create function pg_temp.asking(tenant text, execution text, token bigint, names text[]) returns text language sql as $$
  select format('select concat_ws('' '', generation, convert_from(wrapped, ''UTF8''), master_key_id, names,
    (select array_agg(convert_from(c, ''UTF8'')) from unnest(ciphertexts) c)) from queue.secrets(%L, %L, %s, %L)', tenant, execution, token, names)
$$;
select answers('aias_worker', pg_temp.asking(:'alpha', '01900000-0000-7000-8000-00000000a0e2', 1, names), told, 'is told of ' || names::text)
  from (values
    ('{stripe}'::text[], '1 wrapped alpha mk_a {stripe} {"the value of stripe of alpha"}'),
    ('{stripe,pin}', '1 wrapped alpha mk_a {pin,stripe} {"the value of pin of alpha","the value of stripe of alpha"}'),
    ('{stripe,unknown}', '1 wrapped alpha mk_a {stripe} {"the value of stripe of alpha"}'),
    ('{unknown}', '1 wrapped alpha mk_a {}'),
    ('{}', '1 wrapped alpha mk_a {}')
  ) asked (names, told);
select sees('aias_worker', pg_temp.asking(:'alpha', '01900000-0000-7000-8000-00000000a0e2', 0, '{stripe}'), 0, 'is told nothing by an old token');
select sees('aias_worker', pg_temp.asking(:'alpha', '01900000-0000-7000-8000-00000000a0e1', 0, '{stripe}'), 0, 'is told nothing of an execution that nobody holds');
select sees('aias_worker', pg_temp.asking(:'beta', '01900000-0000-7000-8000-00000000a0e2', 1, '{stripe}'), 0, 'is told nothing of another tenant');
select unreachable(actor, pg_temp.asking(:'alpha', '01900000-0000-7000-8000-00000000a0e2', 1, '{stripe}'), 'does not ask')
  from unnest(array['owner@alpha.test', 'anon', 'aias_edge']) actor;
delete from private.secret_values where tenant_id = :'alpha';
delete from private.tenant_keys where tenant_id = :'alpha';
select answers('aias_worker', pg_temp.asking(:'alpha', '01900000-0000-7000-8000-00000000a0e2', 1, '{stripe}'), '{}', 'is told that there is no key');
insert into private.tenant_keys (tenant_id, generation, wrapped, master_key_id) values (:'alpha', 1, 'wrapped alpha', 'mk_a');
insert into private.secret_values (tenant_id, name, key_generation, nonce, ciphertext) values
  (:'alpha', 'stripe', 1, 'alpha nonce.', 'the value of stripe of alpha'), (:'alpha', 'pin', 1, 'alpha pin...', 'the value of pin of alpha');
insert into private.secret_values (tenant_id, kind, name, key_generation, nonce, ciphertext) values
  (:'alpha', 'provider_key', 'openai', 1, 'alpha openai', 'the key of alpha to openai');

-- Another master key ----------------------------------------------------------------------------------------------------------------------

select sees('aias_worker', $$select from queue.keys_to_rewrap('mk_a', null, 10)$$, 0, 'finds nothing to wrap anew');
select sees('aias_worker', $$select from queue.keys_to_rewrap('mk_b', null, 10)$$, 2, 'finds what an older key wraps');
select sees('aias_worker', $$select from queue.keys_to_rewrap('mk_b', null, 1)$$, 1, 'in pages');
select sees('aias_worker', format($$select from queue.keys_to_rewrap('mk_b', %L, 10)$$, :'alpha'), 1, 'after the last');
select answers('aias_worker', format('select queue.rewrap_key(%L, %s, %L, %L, %L)', :'alpha', generation, before, 'rewrapped', 'mk_b'), done::text, why)
  from (values (1, 'wrapped alpha', true, 'wraps anew'), (1, 'wrapped beta', false, 'wraps nothing that is not as it was read'),
    (2, 'wrapped alpha', false, 'wraps no other generation')) wrapping (generation, before, done, why);
select keep('aias_worker', format('select queue.rewrap_key(%L, 1, %L, %L, %L)', :'alpha', 'wrapped alpha', 'rewrapped', 'mk_b')) \g /dev/null
select results_eq('select * from private.master_keys_in_use()', $$values ('mk_a', 1::bigint), ('mk_b', 1)$$, 'the operator sees which are in use');

-- Another data key ------------------------------------------------------------------------------------------------------------------------

select sees('aias_worker', 'select from queue.next_key_to_rotate(null)', 0, 'rotates nothing by itself');
select ok(private.ask_for_key_rotation(:'alpha'), 'the operator asks for it');
select ok(not private.ask_for_key_rotation(:'guarded'), 'where there is a key');
select answers('aias_worker', 'select concat_ws('' '', tenant_id, generation, kinds, names) from queue.next_key_to_rotate(null)', :'alpha' || ' 1 {provider_key,secret,secret} {openai,pin,stripe}', 'is told all that is sealed');
select sees('aias_worker', format('select from queue.next_key_to_rotate(%L)', :'alpha'), 0, 'after the last');

create function pg_temp.rotating(before integer, kinds text[], names text[], nonces bytea[]) returns text language sql as $$
  select format('select queue.rotate_key(%L, %s, %L, %L, %L, %L, %L, %L, %L)', '01900000-0000-7000-8000-00000000a000', before, 'new key', 'mk_b', kinds, names, nonces,
    array_fill('fresh nonce.'::bytea, array[cardinality(names)]), array_fill('sealed once again'::bytea, array[cardinality(names)]))
$$;
select answers('aias_worker', pg_temp.rotating(before, kinds, names, nonces), 'false', why)
  from (values
    (2, '{provider_key,secret,secret}'::text[], '{openai,pin,stripe}'::text[], array['alpha openai', 'alpha pin...', 'alpha nonce.']::bytea[],
      'rotates no other key than the tenant''s'),
    (1, '{provider_key,secret}', '{openai,stripe}', array['alpha openai', 'alpha nonce.']::bytea[], 'leaves no secret behind'),
    (1, '{secret,secret}', '{pin,stripe}', array['alpha pin...', 'alpha nonce.']::bytea[], 'leaves no provider''s key behind'),
    (1, '{secret,secret,secret}', '{openai,pin,stripe}', array['alpha openai', 'alpha pin...', 'alpha nonce.']::bytea[],
      'takes no secret for a provider''s key'),
    (1, '{provider_key,secret,secret}', '{openai,pin,stripe}', array['alpha openai', 'alpha pin...', 'what it was.']::bytea[],
      'overwrites no value that it has not read'),
    (1, '{provider_key,secret,secret,secret}', '{openai,pin,gone,stripe}',
      array['alpha openai', 'alpha pin...', 'alpha gone..', 'alpha nonce.']::bytea[], 'brings back none that is gone')
  ) rotation (before, kinds, names, nonces, why);
select keep('aias_worker', pg_temp.rotating(1, '{provider_key,secret,secret}', '{openai,pin,stripe}',
  array['alpha openai', 'alpha pin...', 'alpha nonce.']::bytea[])) \g /dev/null
select set_eq(format('select k.generation, k.wrapped, v.kind, v.name, v.nonce, v.ciphertext, k.rotation_asked_at from private.tenant_keys k
    join private.secret_values v on v.tenant_id = k.tenant_id and v.key_generation = k.generation where k.tenant_id = %L', :'alpha'),
  $$values (2, 'new key'::bytea, 'secret', 'pin', 'fresh nonce.'::bytea, 'sealed once again'::bytea, null::timestamptz),
    (2, 'new key', 'secret', 'stripe', 'fresh nonce.', 'sealed once again', null),
    (2, 'new key', 'provider_key', 'openai', 'fresh nonce.', 'sealed once again', null)$$,
  'all of it is sealed by the new key, at once');
select is(count(*), 1::bigint, 'and the old key is gone') from private.tenant_keys where tenant_id = :'alpha';

select * from finish();
rollback;
