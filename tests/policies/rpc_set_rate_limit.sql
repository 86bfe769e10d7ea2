-- rpc set_rate_limit: keys.manage says how often models are asked with a key, or one model is asked. And what a call then counts in.
--
-- In shared memory a request counts whatever becomes of its transaction: limits here are new, and their buckets with them.

begin;
\ir ../fixtures/world.sql
select plan(38);

\set key '01900000-0000-7000-8000-00000000a0c1'
\set foreign_key '01900000-0000-7000-8000-00000000b0c1'
select calling('public.set_rate_limit', :'alpha', :'key', 'openai/o3', '60') as call \gset

-- owner, admin, key manager: keys.manage --------------------------------------------------------------------------------------------------

select allowed(actor, :'call', 1, 'limits a key') from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager']) actor;

-- editor, viewer, billing, auditor, key robot: members without it -------------------------------------------------------------------------

select refused(actor, :'call', 403, 'forbidden', 'limits nothing')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'key:robot']) actor;

-- the other tenant, keys that are over, stranger ------------------------------------------------------------------------------------------

select refused(actor, :'call', 404, 'not_found', 'finds no such tenant')
  from unnest(array['owner@beta.test', 'key:beta robot', 'key:revoked', 'stranger@gamma.test']) actor;

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'limits nothing');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'limits nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- What is no limit ------------------------------------------------------------------------------------------------------------------------

select refused('owner@alpha.test', calling('public.set_rate_limit', :'alpha', api_key, model, requests, tokens), status, code, why)
  from (values
    (null, null, '1', '1', 400, 'rate_limit_invalid', 'limits the tenant by its plan alone'),
    (:'key', null, '-1', null, 400, 'rate_limit_invalid', 'limits nothing to less than nothing'),
    (:'key', null, null, '60000001', 400, 'rate_limit_invalid', 'limits nothing to more than can be counted'),
    (null, 'gpt-4o', '1', null, 400, 'rate_limit_invalid', 'limits no model that nobody can name'),
    (null, 'openai/', '1', null, 400, 'rate_limit_invalid', 'nor half a name'),
    (null, 'openai/' || repeat('x', 250), '1', null, 400, 'rate_limit_invalid', 'nor a name that is too long'),
    (:'foreign_key', null, '1', null, 404, 'not_found', 'limits no key of another tenant'),
    ('01900000-0000-7000-8000-00000000a0cf', null, '1', null, 404, 'not_found', 'limits no key that is nowhere')
  ) wrong (api_key, model, requests, tokens, status, code, why);

-- What is set, and told -------------------------------------------------------------------------------------------------------------------

create function pg_temp.set_limit(api_key text, model text, requests text, tokens text) returns void language sql as $$
  select assertions.keep('owner@alpha.test', assertions.calling('public.set_rate_limit', '01900000-0000-7000-8000-00000000a000', api_key, model, requests, tokens))
$$;
create function pg_temp.limits() returns setof text language sql as $$
  select concat_ws(' ', case when api_key_id is not null then 'key' end, model, coalesce(requests_per_minute::text, '-'), coalesce(tokens_per_minute::text, '-'))
    from public.rate_limits where tenant_id = '01900000-0000-7000-8000-00000000a000' and model is distinct from 'openai/gpt-4o' order by 1
$$;
select pg_temp.set_limit(null, 'openai/o3', '20', '3000') \g /dev/null
select pg_temp.set_limit(:'key', null, '10', null) \g /dev/null
select pg_temp.set_limit(:'key', 'agent:greeter', null, '400') \g /dev/null
select results_eq('select pg_temp.limits()', array['key 10 -', 'key agent:greeter - 400', 'openai/o3 20 3000'], 'each is one row');
select pg_temp.set_limit(:'key', null, '11', '12') \g /dev/null
select pg_temp.set_limit(null, 'openai/o3', null, '3000') \g /dev/null
select pg_temp.set_limit(:'key', 'agent:greeter', null, null) \g /dev/null
select results_eq('select pg_temp.limits()', array['key 11 12', 'openai/o3 - 3000'], 'is set anew, and taken away by null');
select results_eq($$select action from audit.inbox where subject = 'rate_limits' and actor_kind = 'user' order by id$$,
  array['rate_limits.insert', 'rate_limits.insert', 'rate_limits.insert', 'rate_limits.update', 'rate_limits.update', 'rate_limits.delete'],
  'every change is in the audit log');

-- What a call counts in -------------------------------------------------------------------------------------------------------------------

select results_eq(format($$select (l.api_key_id is not null)::text || ' ' || coalesce(l.model, '-') from private.rate_limits_of_call(%L, %L, %L) l$$,
    :'alpha', api_key, models), falls_under, why)
  from (values
    (:'key'::uuid, '{openai/gpt-4o}'::text[], array['true openai/gpt-4o', 'true -'], 'the narrowest first'),
    (:'key', '{anthropic/claude,openai/o3}', array['true -', 'false openai/o3'], 'and those of every model that may answer'),
    (null, '{openai/gpt-4o,openai/o3}', array['false openai/o3'], 'a person falls under no limit of a key'),
    (:'foreign_key', '{openai/gpt-4o}', '{}', 'nor does another key')
  ) asked (api_key, models, falls_under, why);

\set begin 'select x.* from edge.begin_model_calls(%L, %L, 5, 0, 1, 0, %L, 3, 2, 1, %L) x'
-- Each of these is an attempt that is rolled back: where the buckets are in a table it would count for nothing.
select pg_temp.set_limit(null, 'openai/tiny', '0', null) \g /dev/null
select pg_temp.set_limit(null, 'openai/small', null, '0') \g /dev/null
select refused('aias_edge:owner@alpha.test', format(:'begin', :'alpha', model, others, '[]'), 429, 'rate_limited', why)
  from (values ('openai/tiny', '{}', 'a model of no requests is asked by nobody'), ('openai/gpt-4o-mini', '{openai/tiny}', 'nor by naming another one first'))
    refused (model, others, why);
select is((body('aias_edge:owner@alpha.test', format(:'begin', :'alpha', 'openai/tiny', '{}', '[]')) ->> 'details')::jsonb ->> 'meter',
  'requests_per_minute:model:openai/tiny', 'and details say which limit it is');
select answers('aias_edge:owner@alpha.test', format(replace(:'begin', 'x.*', $$(x.refusal_message::jsonb ->> 'details')::jsonb ->> 'meter'$$), :'alpha', 'openai/small', '{}', '[]'),
  'llm_tokens_per_minute:model:openai/small', 'a refusal of tokens is told in the row');
select answers('aias_edge:owner@alpha.test', format(replace(:'begin', 'x.*', $$concat_ws(' ', x.block, x.block_tokens, x.block_requests)$$), :'alpha', 'openai/small', '{}', '[]'),
  '0 1', 'with the request that is counted, and no tokens');
select id as of_small from public.rate_limits where model = 'openai/small' \gset
select answers('aias_edge:owner@alpha.test', format(replace(:'begin', 'x.*', $$concat_ws(' ', x.refusal_message, x.block_tokens)$$), :'alpha', 'openai/small', '{}',
    format('[{"id": "%s", "tokens": 0, "requests": 0}]', :'of_small')),
  '5', 'who holds what it wants of a limit has nothing more counted there');

select * from finish();
rollback;
