-- rpc set_spending_cap: billing.manage says what models may cost.

begin;
\ir ../fixtures/world.sql
select plan(28);

select calling('public.set_spending_cap', '01900000-0000-7000-8000-00000000a000', '12.5') as call \gset

-- owner, billing: billing.manage ----------------------------------------------------------------------------------------------------------

select allowed(actor, :'call', 1, 'caps the tenant') from unnest(array['owner@alpha.test', 'billing@alpha.test']) actor;

-- admin, editor, viewer, auditor, keys: members without it ----------------------------------------------------------------------------------

select refused(actor, :'call', 403, 'forbidden', 'caps nothing')
  from unnest(array['admin@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'auditor@alpha.test', 'key:robot', 'key:manager']) actor;

-- the other tenant, keys that are over, stranger ------------------------------------------------------------------------------------------

select refused(actor, :'call', 404, 'not_found', 'finds no such tenant')
  from unnest(array['owner@beta.test', 'key:beta robot', 'key:revoked', 'guest@delta.test', 'stranger@gamma.test']) actor;

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'caps nothing');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'caps nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- What is no cap --------------------------------------------------------------------------------------------------------------------------

select refused('owner@alpha.test', calling('public.set_spending_cap', '01900000-0000-7000-8000-00000000a000', usd), 400, 'spending_cap_invalid', usd || ' dollars')
  from unnest(array['-1', 'NaN', '1000000001']) usd;
select id as agent from public.ai_agents where tenant_id = '01900000-0000-7000-8000-00000000a000' order by id limit 1 \gset
select id as foreign_agent from public.ai_agents where tenant_id = '01900000-0000-7000-8000-00000000b000' order by id limit 1 \gset
select id as key from public.api_keys where tenant_id = '01900000-0000-7000-8000-00000000a000' order by id limit 1 \gset
select id as foreign_key from public.api_keys where tenant_id = '01900000-0000-7000-8000-00000000b000' order by id limit 1 \gset
select refused('owner@alpha.test', calling('public.set_spending_cap', '01900000-0000-7000-8000-00000000a000', '1', :'agent', :'key'), 400, 'spending_cap_invalid',
  'caps not two at once');
select refused('owner@alpha.test', calling('public.set_spending_cap', '01900000-0000-7000-8000-00000000a000', '1', :'foreign_agent'), 404, 'agent_not_found',
  'caps no agent of another tenant');
select refused('owner@alpha.test', calling('public.set_spending_cap', '01900000-0000-7000-8000-00000000a000', '1', null, :'foreign_key'), 404, 'not_found',
  'caps no key of another tenant');

-- What it counts --------------------------------------------------------------------------------------------------------------------------

insert into public.usage (tenant_id, idempotency_key, agent_id, api_key_id, provider, model, cost_usd, created_at) values
  ('01900000-0000-7000-8000-00000000a000', 'one', :'agent', null, 'openai', 'gpt-4o', 0.0000015, now()),
  ('01900000-0000-7000-8000-00000000a000', 'two', null, :'key', 'openai', 'gpt-4o', 0.000004, now()),
  ('01900000-0000-7000-8000-00000000a000', 'old', null, :'key', 'openai', 'gpt-4o', 7, now() - interval '40 days'),
  ('01900000-0000-7000-8000-00000000b000', 'foreign', null, null, 'openai', 'gpt-4o', 9, now());
select keep('owner@alpha.test', calling('public.set_spending_cap', '01900000-0000-7000-8000-00000000a000', '0.00001')) \g /dev/null
select keep('owner@alpha.test', calling('public.set_spending_cap', '01900000-0000-7000-8000-00000000a000', '0.00002', :'agent')) \g /dev/null
select keep('owner@alpha.test', calling('public.set_spending_cap', '01900000-0000-7000-8000-00000000a000', '0.00003', null, :'key')) \g /dev/null
select answers('billing@alpha.test', format($$select concat_ws(' ', kind, quota_limit, used, remaining)
    from public.quota_status('01900000-0000-7000-8000-00000000a000') where meter = '%s'$$, m.meter), m.says, 'sees ' || m.meter)
  from (values ('llm_micro_usd', 'flow 10 6 4'), ('llm_micro_usd:agent:' || :'agent', 'flow 20 2 18'), ('llm_micro_usd:key:' || :'key', 'flow 30 4 26')) m (meter, says);
select keep('owner@alpha.test', calling('public.set_spending_cap', '01900000-0000-7000-8000-00000000a000', null)) \g /dev/null
select answers('billing@alpha.test', $$select concat_ws(' ', kind, quota_limit, used)
    from public.quota_status('01900000-0000-7000-8000-00000000a000') where meter = 'llm_micro_usd'$$, 'flow 6', 'sees no limit any more');

select * from finish();
rollback;
