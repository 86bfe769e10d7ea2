-- Spending caps of a tenant and of an agent hold the calls of steps: queue.prepare_llm_call, queue.record_round, queue.capped_calls

begin;
\ir ../fixtures/world.sql
select plan(21);

insert into private.llm_prices (provider, model, valid_from, input_usd_per_million, cached_input_usd_per_million, output_usd_per_million)
values ('openai', 'one', '2026-01-01Z', 1, 1, 10), ('openai', 'dear', '2026-01-01Z', 100, 100, 100);
select '01900000-0000-7000-8000-00000000a0a1' as agent \gset
insert into public.execution_steps (tenant_id, execution_id, node_id, kind, status, attempt, revision)
values (:'alpha', '01900000-0000-7000-8000-00000000a0e2', 'ask', 'chat', 'running', 1, 99);

-- a0e2 is held by the token 1. 1000 tokens in and 100 out of the first model are 2000 millionths of a dollar.
create function pg_temp.preparing(models text[] default '{openai/one}', agent uuid default null, token bigint default 1, input bigint default 1000) returns text language sql as $$
  select format('select reservation from queue.prepare_llm_call(%L, %L, %s, %L, %L, %s, 100)', '01900000-0000-7000-8000-00000000a000',
    '01900000-0000-7000-8000-00000000a0e2', token, agent, models, input)
$$;
create function pg_temp.prepared(models text[] default '{openai/one}', agent uuid default null) returns uuid language plpgsql as $$
declare
  reserved uuid;
begin
  execute pg_temp.preparing(models, agent) into reserved;
  return reserved;
end
$$;
create function pg_temp.settling(reservation uuid, round integer) returns text language sql as $$
  select format('select queue.record_round(%L, %L, ''ask'', -1, 1, %L, %L)', '01900000-0000-7000-8000-00000000a000',
    '01900000-0000-7000-8000-00000000a0e2', reservation, jsonb_build_object('provider', 'openai', 'model', 'one', 'round', round,
      'agent_id', '01900000-0000-7000-8000-00000000a0a1', 'input_tokens', 500, 'output_tokens', 50))
$$;
create function pg_temp.cap(agent uuid default null) returns text language sql as $$
  select format('%s used, %s set aside', s.used, s.reserved) from aias.quota_status('01900000-0000-7000-8000-00000000a000') s
   where s.meter = concat('llm_micro_usd', ':agent:' || agent)
$$;
create function pg_temp.tokens() returns text language sql as $$
  select format('%s %s', used, reserved) from aias.quota_status('01900000-0000-7000-8000-00000000a000') where meter = 'llm_tokens'
$$;

-- No cap ----------------------------------------------------------------------------------------------------------------------------------

select allowed('aias_worker', pg_temp.preparing(), 1, 'sets tokens aside');
select pg_temp.prepared() as uncapped \gset
select is_empty('select from queue.capped_calls', 'and writes nothing where there is no cap');
select sees('aias_worker', pg_temp.preparing(token => 0), 0, 'sets nothing aside by an old token');

-- Two caps --------------------------------------------------------------------------------------------------------------------------------

select keep('owner@alpha.test', calling('public.set_spending_cap', :'alpha', '0.009')) \g /dev/null
select keep('owner@alpha.test', calling('public.set_spending_cap', :'alpha', '0.005', :'agent')) \g /dev/null
select pg_temp.cap() as tenant_before, pg_temp.cap(:'agent') as agent_before \gset
select is(:'agent_before'::text, '0 used, 0 set aside', 'a cap begins with what was spent');
select pg_temp.prepared(agent => :'agent') as first \gset
select is(pg_temp.cap(:'agent'), '0 used, 2000 set aside', 'a call of the agent is set aside from its cap');
select is(pg_temp.cap(), '0 used, 2000 set aside', 'and from the tenant''s');
select pg_temp.prepared() as other \gset
select is(pg_temp.cap(:'agent'), '0 used, 2000 set aside', 'one of nobody''s is not');
select is(pg_temp.cap(), '0 used, 4000 set aside', 'but from the tenant''s');

select pg_temp.tokens() as tokens \gset
select refused('aias_worker', pg_temp.preparing('{openai/one,openai/dear}'), 402, 'quota_exceeded', 'sets aside what the dearest of the models would cost');
select refused('aias_worker', pg_temp.preparing('{openai/unknown}'), 402, 'price_unknown', 'asks no model without a price');
select refused('aias_worker', pg_temp.preparing(agent => :'agent', input => 2001), 402, 'quota_exceeded', 'does not pass the cap of the agent');
select is(pg_temp.tokens(), :'tokens', 'and a refusal has set no tokens aside');

-- Settled ---------------------------------------------------------------------------------------------------------------------------------

select pg_temp.settling(:'first', 1) as settle \gset
:settle \g /dev/null
:settle \g /dev/null
select is(pg_temp.cap(:'agent'), '1000 used, 0 set aside', 'what a round took is spent once, and the rest given back');
select is(pg_temp.cap(), '1000 used, 2000 set aside', 'of both caps');
select queue.settle_call(:'alpha', :'other', 0, null) \g /dev/null
select is(pg_temp.cap(), '1000 used, 0 set aside', 'a call that took nothing gives everything back');
select is_empty('select from queue.capped_calls', 'and nothing is kept of calls that are over');

-- A worker that does not come back.
select pg_temp.prepared() as lost \gset
update queue.capped_calls set created_at = now() - interval '2 days';
select keep('aias_worker', 'select queue.sweep()') \g /dev/null
select is_empty('select from queue.capped_calls', 'what nobody settles is swept');

-- By the record of a step -----------------------------------------------------------------------------------------------------------------

select pg_temp.prepared() as last \gset
select is(count(*), 1::bigint, 'a last call is set aside') from queue.capped_calls;
do $$
declare
  set_aside uuid := (select reservation from queue.capped_calls);
begin
  perform queue.record('w1', '30 s', array['01900000-0000-7000-8000-00000000a000']::uuid[], array['01900000-0000-7000-8000-00000000a0e2']::uuid[], array[1], array['succeeded'],
    array[null]::timestamptz[], array['{}']::jsonb[], array[null]::jsonb[], array[now()], array[1], array[1], array['ask'], array[-1], array[null]::text[], array['chat'],
    array['succeeded'], array[1], array[null]::text[], array[null]::jsonb[], array['{}']::jsonb[], array[null]::jsonb[], array[null]::timestamptz[], array[now()], array[now()],
    array[jsonb_build_object('reservation', set_aside, 'usage', jsonb_build_object('provider', 'openai', 'model', 'one', 'agent_version', 7, 'round', 2,
      'input_tokens', 1000, 'output_tokens', 100))]);
end
$$;
select is(split_part(pg_temp.cap(), ' ', 1), '3000', 'the record of a step spends what its last call took');
select is_empty('select from queue.capped_calls', 'and settles it');
select is((select agent_version from public.execution_steps where node_id = 'ask'), 7, 'and says which version of the agent was asked');

select * from finish();
rollback;
