-- public.agent_versions: agents.read sees; a change of an agent writes them and nobody else does.

begin;
\ir ../fixtures/world.sql
select plan(67);

-- owner, admin, editor, viewer: agents.read --------------------------------------------------------------------------------------------

select sees(actor, 'select from public.agent_versions', 1, 'reads the versions of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'viewer@alpha.test']) actor;
select sees('both@alpha.test', 'select from public.agent_versions', 2, 'reads the versions of both of their tenants');

-- billing, auditor, blind, stranger, anon: nothing of agents -----------------------------------------------------------------------------

select denied(actor, 'select from public.agent_versions', 'reads no version')
  from unnest(array['billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'stranger@gamma.test', 'anon']) actor;
select denied('owner@beta.test', $$select from public.agent_versions where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
  'reads no version of Alpha');
select unreachable('anon', 'select from public.agent_versions', 'cannot even ask for versions');

-- Nobody writes them, those who may change agents included -------------------------------------------------------------------------------

select denied(actor, $$insert into public.agent_versions (tenant_id, agent_id, version, model, config)
    values ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0a1', 2, 'openai/gpt-4o', '{}')$$, 'makes no version by hand')
  from unnest(array['owner@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, $$update public.agent_versions set config = '{"system_prompt": "Lie."}'$$, 'rewrites no version')
  from unnest(array['owner@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, 'delete from public.agent_versions', 'takes no version back')
  from unnest(array['owner@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;

-- What makes one -------------------------------------------------------------------------------------------------------------------------

select answers('editor@alpha.test', format('update public.ai_agents set %s where id = ''01900000-0000-7000-8000-00000000a0a1'' returning version', change),
  number, 'changes ' || change)
  from (values
    ($$model = 'openai/gpt-4o'$$, '2'),
    ($$config = '{"system_prompt": "Be brief."}'$$, '2'),
    ($$config = '{"tools": [{"type": "search_documents"}]}', model = 'a/b'$$, '2'),
    ($$name = 'Other', slug = 'other', description = 'Another'$$, '1'),
    ('model = model, config = config', '1'),
    ('version = 7', '1')
  ) changed (change, number);
select answers('editor@alpha.test', $$insert into public.ai_agents (tenant_id, name, slug, model, version)
    values ('01900000-0000-7000-8000-00000000a000', 'New', 'new', 'openai/gpt-4o', 5) returning version$$, '1', 'begins with the first version, whatever they send');

update public.ai_agents set model = 'openai/gpt-4o' where id = '01900000-0000-7000-8000-00000000a0a1';
update public.ai_agents set config = '{"temperature": 1.0}' where id = '01900000-0000-7000-8000-00000000a0a1';
update public.ai_agents set config = '{"temperature": 1}' where id = '01900000-0000-7000-8000-00000000a0a1';
select results_eq(
  $$select version, model, config from public.agent_versions where agent_id = '01900000-0000-7000-8000-00000000a0a1' and version > 1 order by version$$,
  $$select 2, 'openai/gpt-4o'::text, config from public.agent_versions where agent_id = '01900000-0000-7000-8000-00000000a0a1' and version = 1
    union all values (3, 'openai/gpt-4o', '{"temperature": 1}'::jsonb)$$,
  'each has what the agent said and did from then on, and what means the same is no change');
select is((select version from public.ai_agents where id = '01900000-0000-7000-8000-00000000a0a1'), 3, 'and the agent has the number of the last');

-- The owner of the database included.
select throws_ok($$update public.agent_versions set model = 'a/b'$$, 'PGRST', null, 'a version does not change');
select throws_ok($$update public.agent_versions set created_by = '01900000-0000-7000-8000-0000000000a1'$$, 'PGRST', null, 'nor is it somebody else''s');
select lives_ok($$update public.agent_versions set created_by = null$$, 'but who made it may be forgotten');
delete from public.ai_agents where id = '01900000-0000-7000-8000-00000000a0a1';
select is_empty($$select from public.agent_versions where agent_id = '01900000-0000-7000-8000-00000000a0a1'$$, 'versions go with their agent');

select * from finish();
rollback;
