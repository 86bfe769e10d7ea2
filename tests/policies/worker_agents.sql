-- What a worker calls for agents that use tools: queue.record_round, queue.start_workflow

begin;
\ir ../fixtures/world.sql
select plan(20);

-- w1 holds a0e2 of Alpha by the token 1 ---------------------------------------------------------------------------------------------------

insert into public.execution_steps (tenant_id, execution_id, node_id, kind, status, attempt, revision)
values (:'alpha', '01900000-0000-7000-8000-00000000a0e2', 'ask', 'chat', 'running', 1, 99);

-- A round ---------------------------------------------------------------------------------------------------------------------------------

select aias.quota_reserve(:'alpha', 'llm_tokens', 500, interval '1 hour') as set_aside \gset
create function pg_temp.round(reservation uuid, round integer) returns text language sql as $$
  select format('select queue.record_round(%L, %L, ''ask'', -1, 1, %L, %L)', '01900000-0000-7000-8000-00000000a000',
    '01900000-0000-7000-8000-00000000a0e2', reservation, jsonb_build_object('provider', 'openai', 'model', 'gpt-4o-mini', 'round', round,
      'input_tokens', 1000, 'output_tokens', 200))
$$;
create function pg_temp.step() returns text language sql as $$
  select format('%s %s %s', model, input_tokens, output_tokens) from public.execution_steps where node_id = 'ask'
$$;
create function pg_temp.plan() returns text language sql as $$
  select format('%s %s', used, reserved) from aias.quota_status('01900000-0000-7000-8000-00000000a000') where meter = 'llm_tokens'
$$;
select pg_temp.plan() as before \gset
select allowed('aias_worker', pg_temp.round(:'set_aside', 1), 1, 'writes a round down');
select pg_temp.round(:'set_aside', 1) as again \gset
:again \g /dev/null
:again \g /dev/null
select is(pg_temp.step(), 'openai/gpt-4o-mini 1000 200', 'a round is added to its step once');
select is(split_part(pg_temp.plan(), ' ', 1)::bigint - split_part(:'before', ' ', 1)::bigint, 1200::bigint, 'and charged once');
select is(split_part(:'before', ' ', 2)::bigint - split_part(pg_temp.plan(), ' ', 2)::bigint, 500::bigint, 'and what was set aside is given back once');
select pg_temp.round(gen_random_uuid(), 2) as next \gset
:next \g /dev/null
select is(pg_temp.step(), 'openai/gpt-4o-mini 2000 400', 'the next round is added too, also when what was set aside for it is forgotten');
select results_eq($$select idempotency_key from public.usage where node_id = 'ask' order by 1$$,
  $$values ('execution:01900000-0000-7000-8000-00000000a0e2:ask:1'), ('execution:01900000-0000-7000-8000-00000000a0e2:ask:1:round2')$$,
  'a usage row for each round');
update public.execution_steps set status = 'cancelled', finished_at = now() where node_id = 'ask';
select pg_temp.round(gen_random_uuid(), 3) as late \gset
:late \g /dev/null
select is(pg_temp.step(), 'openai/gpt-4o-mini 2000 400', 'a step that has ended does not change');
select is((select count(*) from public.usage where node_id = 'ask'), 3::bigint, 'and the round has its usage row');
select unreachable(actor, pg_temp.round(gen_random_uuid(), 4), 'writes no round down')
  from unnest(array['owner@alpha.test', 'anon', 'aias_edge']) actor;

-- A workflow that a model starts ----------------------------------------------------------------------------------------------------------

insert into public.workflows (tenant_id, id, name, status, nodes, connections) values
  (:'alpha', '01900000-0000-7000-8000-00000000aaa1', 'Started', 'active',
   '[{"id": "start", "type": "trigger", "position": {"x": 0, "y": 0}, "config": {"kind": "manual"}}]', '[]'),
  (:'alpha', '01900000-0000-7000-8000-00000000aaa2', 'Draft', 'draft', '[]', '[]');
create function pg_temp.starting(workflow text, token bigint default 1, place text default '1.0', attempt integer default 1) returns text language sql as $$
  select format('select concat_ws('' '', case when held then ''held'' end, started_id, refusal) from queue.start_workflow(%L, %L, %s, ''ask'', -1, %s, %L, %L, ''{"n": 1}'')',
    '01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e2', token, attempt, place, workflow)
$$;
select allowed('aias_worker', pg_temp.starting('01900000-0000-7000-8000-00000000aaa1'), 1, 'starts a workflow');
select answers('aias_worker', pg_temp.starting(workflow, token), answer, why)
  from (values
    ('01900000-0000-7000-8000-00000000aaa2', 1, 'held called_workflow_not_active', 'starts no draft'),
    ('01900000-0000-7000-8000-00000000b0f1', 1, 'held called_workflow_not_found', 'starts no workflow of another tenant'),
    ('01900000-0000-7000-8000-00000000aaa1', 0, '', 'starts nothing by an old token')
  ) asked (workflow, token, answer, why);
do $$
declare
  asked text;
begin
  foreach asked in array array[pg_temp.starting('01900000-0000-7000-8000-00000000aaa1'), pg_temp.starting('01900000-0000-7000-8000-00000000aaa1'),
    pg_temp.starting('01900000-0000-7000-8000-00000000aaa1', 1, '1.1'), pg_temp.starting('01900000-0000-7000-8000-00000000aaa1', 1, '1.0', 2)]
  loop
    execute asked;
  end loop;
end
$$;
select results_eq($$select count(*), min(depth), max(depth), bool_and(parent_id is null) from public.executions
    where workflow_id = '01900000-0000-7000-8000-00000000aaa1'$$, $$values (3::bigint, 1::smallint, 1::smallint, true)$$,
  'one for each call of each attempt, however often it is repeated');
update public.executions set depth = 8 where id = '01900000-0000-7000-8000-00000000a0e2';
select answers('aias_worker', pg_temp.starting('01900000-0000-7000-8000-00000000aaa1', 1, '2.0'), 'held call_too_deep', 'starts none that is too deep');
select unreachable(actor, pg_temp.starting('01900000-0000-7000-8000-00000000aaa1'), 'starts nothing in an agent''s name')
  from unnest(array['owner@alpha.test', 'anon', 'aias_edge']) actor;

select * from finish();
rollback;
