-- rpc restore_agent_version: agents.write puts an old version in force, as a new one. And queue.agent, by which a step takes one.

begin;
\ir ../fixtures/world.sql
select plan(32);

create function pg_temp.restoring(version integer, agent text default '01900000-0000-7000-8000-00000000a0a1') returns text language sql as $$
  select format('select version || '' '' || model || '' '' || coalesce(config ->> ''system_prompt'', ''nothing'') from public.restore_agent_version(%L, %L)', agent, version)
$$;
update public.ai_agents set model = 'openai/one', config = '{"system_prompt": "Second."}' where id = '01900000-0000-7000-8000-00000000a0a1';
update public.ai_agents set config = '{"system_prompt": "Third."}' where id = '01900000-0000-7000-8000-00000000a0a1';

-- owner, admin, editor: agents.write ---------------------------------------------------------------------------------------------------

select answers(actor, pg_temp.restoring(2), '4 openai/one Second.', 'puts the second version in force, as the fourth')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'key:robot']) actor;
select answers('editor@alpha.test', pg_temp.restoring(3), '3 openai/one Third.', 'leaves what is in force as it is');
select refused('editor@alpha.test', pg_temp.restoring(version), 404, 'agent_version_not_found', coalesce('finds no version ' || version, 'names no version'))
  from unnest(array[0, 4, -1, 2147483647, null]) version;
-- By the rules of today.
update public.ai_agents set config = '{"tools": [{"type": "start_workflow", "workflow_id": "01900000-0000-7000-8000-00000000a0f1"}]}'
 where id = '01900000-0000-7000-8000-00000000a0a1';
update public.ai_agents set config = '{}' where id = '01900000-0000-7000-8000-00000000a0a1';
select answers('editor@alpha.test', pg_temp.restoring(4), '6 openai/one nothing', 'restores tools that they may lend');
update public.roles set permissions = '{agents.read,agents.write}' where key = 'blind';
select refused('blind@alpha.test', pg_temp.restoring(4), 403, 'forbidden', 'restores none that lends what they do not hold');
select answers('blind@alpha.test', pg_temp.restoring(2), '6 openai/one Second.', 'and restores another');

-- viewer, billing, auditor: members without agents.write --------------------------------------------------------------------------------

select refused('viewer@alpha.test', pg_temp.restoring(2), 403, 'forbidden', 'sees the agent and may not change it');
select refused('viewer@alpha.test', pg_temp.restoring(99), 403, 'forbidden', 'and is told so of any version');
select refused(actor, pg_temp.restoring(2), 404, 'not_found', 'finds no such agent')
  from unnest(array['billing@alpha.test', 'auditor@alpha.test', 'stranger@gamma.test', 'owner@beta.test']) actor;
select is(body('owner@beta.test', pg_temp.restoring(2)), body('owner@beta.test', pg_temp.restoring(2, '01900000-0000-7000-8000-00000000ffff')),
  'owner@beta.test: cannot tell a foreign agent from none');
select unreachable('anon', pg_temp.restoring(2), 'restores nothing');

-- A step -------------------------------------------------------------------------------------------------------------------------------

create function pg_temp.taking(version integer, tenant text default '01900000-0000-7000-8000-00000000a000') returns text language sql as $$
  select format('select concat_ws('' '', version, model, config ->> ''system_prompt'') from queue.agent(%L, ''01900000-0000-7000-8000-00000000a0a1'', %L)', tenant, version)
$$;
select answers('aias_worker', pg_temp.taking(version), answer, 'takes ' || coalesce('version ' || version, 'the version in force'))
  from (values (null, '5 openai/one'), (2, '2 openai/one Second.'), (3, '3 openai/one Third.'), (9, '')) asked (version, answer);
select sees('aias_worker', pg_temp.taking(2, '01900000-0000-7000-8000-00000000b000'), 0, 'takes no agent of another tenant');
select unreachable(actor, pg_temp.taking(2), 'takes no agent for a step') from unnest(array['owner@alpha.test', 'anon', 'aias_edge']) actor;

-- What it leaves -----------------------------------------------------------------------------------------------------------------------

insert into public.execution_steps (tenant_id, execution_id, node_id, kind, status, attempt, revision)
values (:'alpha', '01900000-0000-7000-8000-00000000a0e2', 'ask', 'chat', 'running', 1, 99);
select queue.record_round(:'alpha', '01900000-0000-7000-8000-00000000a0e2', 'ask', -1, 1, gen_random_uuid(), jsonb_build_object('provider', 'openai',
  'model', 'one', 'agent_id', '01900000-0000-7000-8000-00000000a0a1', 'agent_version', 2, 'round', 1, 'input_tokens', 1, 'output_tokens', 1))
\g /dev/null
select results_eq($$select s.agent_version, u.agent_version from public.execution_steps s join public.usage u using (tenant_id, execution_id, node_id) where s.node_id = 'ask'$$,
  'values (2, 2)', 'a round says which version was asked, and so does its step');
select lives_ok($$delete from public.ai_agents where id = '01900000-0000-7000-8000-00000000a0a1'$$, 'an agent goes with its versions');
select is((select u.agent_version from public.usage u where u.node_id = 'ask'), 2, 'and what was used keeps the number');

select * from finish();
rollback;
