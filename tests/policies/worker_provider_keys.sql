-- What the worker is told for an LLM call: tokens set aside, and the tenant's own keys, sealed. queue.prepare_llm_call, public.usage.own_key

begin;
\ir ../fixtures/world.sql
select plan(16);

-- w1 holds a0e2 of Alpha by the token 1 ---------------------------------------------------------------------------------------------------

create function pg_temp.asking(tenant text, execution text, token bigint, providers text[], amount bigint default 10) returns text language sql as $$
  select format('select concat_ws('' '', case when reservation is not null then ''reserved'' end, generation, convert_from(wrapped, ''UTF8''), master_key_id, names,
    (select array_agg(convert_from(c, ''UTF8'')) from unnest(ciphertexts) c)) from queue.prepare_llm_call(%L, %L, %s, %s, %L)',
    tenant, execution, token, amount, providers)
$$;
select answers('aias_worker', pg_temp.asking(:'alpha', '01900000-0000-7000-8000-00000000a0e2', 1, providers), 'reserved 1 wrapped alpha mk_a ' || told,
  'is told of ' || providers::text)
  from (values
    ('{openai}'::text[], '{openai} {"the key of alpha to openai"}'),
    ('{openai,gemini}', '{gemini,openai} {"the key of alpha to gemini","the key of alpha to openai"}'),
    ('{openai,anthropic}', '{openai} {"the key of alpha to openai"}'),
    ('{anthropic}', '{}'),
    -- Secrets are something else, whatever they are called.
    ('{stripe,pin}', '{}'),
    ('{}', '{}')
  ) asked (providers, told);
select sees('aias_worker', pg_temp.asking(:'alpha', '01900000-0000-7000-8000-00000000a0e2', 0, '{openai}'), 0, 'is told nothing by an old token');
select sees('aias_worker', pg_temp.asking(:'alpha', '01900000-0000-7000-8000-00000000a0e1', 0, '{openai}'), 0, 'is told nothing of an execution that nobody holds');
select sees('aias_worker', pg_temp.asking(:'beta', '01900000-0000-7000-8000-00000000a0e2', 1, '{openai}'), 0, 'is told nothing of another tenant');
select unreachable(actor, pg_temp.asking(:'alpha', '01900000-0000-7000-8000-00000000a0e2', 1, '{openai}'), 'does not ask')
  from unnest(array['owner@alpha.test', 'anon', 'aias_edge']) actor;
select refused('aias_worker', pg_temp.asking(:'alpha', '01900000-0000-7000-8000-00000000a0e2', 1, '{openai}', 1000000000), 402, 'quota_exceeded',
  'is told nothing when there are no tokens left: an own key counts as well');
select answers('aias_worker', format('select names::text from queue.secrets(%L, %L, 1, %L)', :'alpha', '01900000-0000-7000-8000-00000000a0e2', '{openai,stripe}'),
  '{stripe}', 'and is told of no provider''s key as a secret');

delete from private.secret_values where tenant_id = :'alpha';
delete from private.tenant_keys where tenant_id = :'alpha';
select answers('aias_worker', pg_temp.asking(:'alpha', '01900000-0000-7000-8000-00000000a0e2', 1, '{openai}'), 'reserved {}', 'is told that nothing is sealed');

-- Who pays --------------------------------------------------------------------------------------------------------------------------------

select queue.record_usage(:'alpha', '01900000-0000-7000-8000-00000000a0e2', node, -1, 1,
    '{"provider": "openai", "model": "gpt-4o-mini", "input_tokens": 1000, "output_tokens": 200}'::jsonb || more)
  from (values ('own', '{"own_key": true}'::jsonb), ('theirs', '{"own_key": false}'), ('before', '{}')) said (node, more)
\g /dev/null
select results_eq(format('select node_id, own_key, cost_usd > 0 from public.usage where tenant_id = %L and node_id = any (%L) order by 1', :'alpha', '{own,theirs,before}'),
  $$values ('before', false, true), ('own', true, true), ('theirs', false, true)$$, 'a usage row says whose key it was, and the list price whosever it was');

select * from finish();
rollback;
