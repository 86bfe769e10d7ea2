-- public.ai_agents: agents.read sees, agents.write changes; own tenant only.

begin;
\ir ../fixtures/world.sql
select plan(113);

-- owner, admin, editor: agents.read and agents.write -------------------------------------------------------------------------------

select sees(actor, 'select from public.ai_agents', 1, 'reads the agents of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test']) actor;
select allowed(actor, $$insert into public.ai_agents (tenant_id, name, slug, model)
    values ('01900000-0000-7000-8000-00000000a000', 'New', 'new', 'openai/gpt-4o')$$, 1, 'makes an agent')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test']) actor;
select allowed(actor, $$update public.ai_agents set name = 'Renamed'$$, 1, 'changes the agents of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test']) actor;
select allowed(actor, 'delete from public.ai_agents', 1, 'deletes the agents of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test']) actor;

select denied('owner@alpha.test', $$insert into public.ai_agents (tenant_id, name, slug, model)
    values ('01900000-0000-7000-8000-00000000b000', 'Planted', 'planted', 'openai/gpt-4o')$$, 'makes no agent in a foreign tenant');
select denied('owner@alpha.test', $$insert into public.ai_agents (tenant_id, id, name, slug, model)
    values ('01900000-0000-7000-8000-00000000b000', '01900000-0000-7000-8000-00000000b0a1', 'Taken over', 'secret', 'openai/gpt-4o')
    on conflict (tenant_id, id) do update set name = excluded.name$$, 'takes no foreign agent over by an upsert');
select denied('owner@alpha.test', $$update public.ai_agents set name = 'Mine' where id = '01900000-0000-7000-8000-00000000b0a1'$$,
  'changes no foreign agent');
select denied('owner@alpha.test', $$delete from public.ai_agents where id = '01900000-0000-7000-8000-00000000b0a1'$$,
  'deletes no foreign agent');
select denied('owner@alpha.test', $$update public.ai_agents set tenant_id = '01900000-0000-7000-8000-00000000b000'
    where id = '01900000-0000-7000-8000-00000000a0a1'$$, 'moves no agent into a foreign tenant');
select refused('both@alpha.test', $$update public.ai_agents set tenant_id = '01900000-0000-7000-8000-00000000b000'
    where id = '01900000-0000-7000-8000-00000000a0a1'$$, 409, 'identity_is_fixed', 'moves no agent even between their own tenants');
select refused('owner@alpha.test', $$update public.ai_agents set id = aias.uuid7()$$, 409, 'identity_is_fixed', 'gives no agent another id');
select answers('editor@alpha.test', $$insert into public.ai_agents (tenant_id, name, slug, model, created_by)
    values ('01900000-0000-7000-8000-00000000a000', 'New', 'new', 'openai/gpt-4o', '01900000-0000-7000-8000-0000000000a1')
    returning created_by$$, '01900000-0000-7000-8000-0000000000a3', 'is the author of what they make, whatever they send');

select denied('editor@alpha.test', format('update public.ai_agents set %s where slug = ''greeter''', change), 'rewrites no history: ' || change)
  from unnest(array[$$created_by = '01900000-0000-7000-8000-0000000000a1'$$, 'created_at = now() - interval $$1 year$$']) change;

-- Checks hold for whoever may write.
select broken('owner@alpha.test', format($$insert into public.ai_agents (tenant_id, name, slug, model, config)
    values ('01900000-0000-7000-8000-00000000a000', %L, %L, %L, %L)$$, bad.name, bad.slug, bad.model, bad.config), '23514', bad.why)
  from (values
    ('New', 'Not a word', 'openai/gpt-4o', '{}', 'gives no agent a slug with capitals and spaces'),
    ('New', 'new', 'gpt-4o', '{}', 'names no model without its provider'),
    ('New', 'new', 'openai/gpt-4o', '{"temperature": 3}', 'sets no temperature above 2'),
    ('New', 'new', 'openai/gpt-4o', '{"temperature": "hot"}', 'sets no temperature in words'),
    ('New', 'new', 'openai/gpt-4o', '{"max_tokens": 0}', 'sets no limit of zero tokens'),
    ('New', 'new', 'openai/gpt-4o', '{"system_prompt": []}', 'writes no prompt that is not text'),
    ('New', 'new', 'openai/gpt-4o', '{"fallback_models": "openai/gpt-4o"}', 'names no fallback model outside a list'),
    ('New', 'new', 'openai/gpt-4o', '{"fallback_models": ["openai/gpt-4o", "gpt-4o"]}', 'names no fallback model without its provider'),
    ('New', 'new', 'openai/gpt-4o', '[]', 'writes no config that is not an object'),
    ('New', 'new', 'openai/gpt-4o', '{"max_rounds": 33}', 'lets no model be asked 33 times'),
    ('New', 'new', 'openai/gpt-4o', '{"max_rounds": 0}', 'lets no model be asked no time'),
    ('  ', 'new', 'openai/gpt-4o', '{}', 'gives no agent an empty name')
  ) bad (name, slug, model, config, why);

-- Tools that workers run.
create function pg_temp.with_config(config jsonb) returns text language sql as $$
  select format($insert$insert into public.ai_agents (tenant_id, name, slug, model, config)
    values ('01900000-0000-7000-8000-00000000a000', 'New', 'new', 'openai/gpt-4o', %L)$insert$, config)
$$;
select refused('owner@alpha.test', pg_temp.with_config(config), 400, 'agent_config_invalid', 'does not set ' || config::text)
  from unnest(array[
    '{"tools": {}}', '{"tools": ["http"]}',
    '{"tools": [{"type": "http"}]}', '{"tools": [{"type": "http", "allow": []}]}', '{"tools": [{"type": "http", "allow": ["https://a.test"]}]}',
    '{"tools": [{"type": "http", "allow": ["https://me@a.test/"]}]}', '{"tools": [{"type": "http", "allow": ["ftp://a.test/"]}]}',
    '{"tools": [{"type": "http", "allow": ["https://a.test/"], "methods": ["CONNECT"]}]}',
    '{"tools": [{"type": "http", "allow": ["https://a.test/"], "name": "two words"}]}',
    '{"tools": [{"type": "http", "allow": ["https://a.test/"], "headers": []}]}',
    '{"tools": [{"type": "http", "allow": ["https://a.test/"]}, {"type": "function", "function": {"name": "http"}}]}',
    '{"tools": [{"type": "start_workflow"}]}', '{"tools": [{"type": "start_workflow", "workflow_id": "first"}]}',
    '{"mcp_servers": {}}', '{"mcp_servers": [{"name": "a", "url": "a.test"}]}', '{"mcp_servers": [{"name": "a b", "url": "https://a.test"}]}',
    '{"mcp_servers": [{"name": "a", "url": "https://a.test", "allow": [1]}]}',
    '{"mcp_servers": [{"name": "a", "url": "https://a.test"}, {"name": "a", "url": "https://b.test"}]}'
  ]::jsonb[]) config;
select allowed('owner@alpha.test', pg_temp.with_config(config), 1, 'sets ' || config::text)
  from unnest(array[
    '{"max_rounds": 32, "tools": [{"type": "function", "function": {"name": "a"}}, {"name": "b"}, {"type": "http", "name": "get", "allow": ["https://a.test/v1/"]}]}',
    '{"tools": [{"type": "start_workflow", "workflow_id": "01900000-0000-7000-8000-00000000a0b1"}]}',
    '{"mcp_servers": [{"name": "a", "url": "https://a.test/mcp?x=1", "allow": ["b"], "headers": {"X-Key": "{{ secrets.key }}"}}], "tools": null}'
  ]::jsonb[]) config;
-- Who may make agents and start nothing makes none that starts.
update public.roles set permissions = '{agents.write}' where key = 'blind';
select refused('blind@alpha.test', pg_temp.with_config('{"tools": [{"type": "start_workflow", "workflow_id": "01900000-0000-7000-8000-00000000a0b1"}]}'),
  403, 'forbidden', 'lends an agent no permission that they do not hold');
select refused('blind@alpha.test', pg_temp.with_config(config), 403, 'forbidden', 'has no secret sent where they like: ' || config::text)
  from unnest(array[
    '{"tools": [{"type": "http", "allow": ["https://a.test/"], "headers": {"X-Key": "{{ secrets.key }}"}}]}',
    '{"mcp_servers": [{"name": "a", "url": "https://a.test", "auth": {"kind": "bearer", "token": "{{secrets[''key'']}}"}}]}'
  ]::jsonb[]) config;
select allowed('blind@alpha.test', pg_temp.with_config('{"tools": [{"type": "http", "allow": ["https://a.test/"]}]}'), 1, 'makes an agent that uses none');
select denied('stranger@gamma.test', pg_temp.with_config('{"tools": {}}'), 'learns nothing about the config of an agent that they may not make');

-- viewer: agents.read --------------------------------------------------------------------------------------------------------------

select sees('viewer@alpha.test', 'select from public.ai_agents', 1, 'reads the agents of their tenant');
select denied('viewer@alpha.test', $$insert into public.ai_agents (tenant_id, name, slug, model)
    values ('01900000-0000-7000-8000-00000000a000', 'New', 'new', 'openai/gpt-4o')$$, 'makes no agent');
select denied('viewer@alpha.test', $$update public.ai_agents set name = 'Renamed'$$, 'changes no agent');
select denied('viewer@alpha.test', 'delete from public.ai_agents', 'deletes no agent');

-- billing, auditor, stranger: nothing of agents ------------------------------------------------------------------------------------

select denied(actor, 'select from public.ai_agents', 'reads no agent')
  from unnest(array['billing@alpha.test', 'auditor@alpha.test', 'stranger@gamma.test']) actor;
select denied(actor, $$insert into public.ai_agents (tenant_id, name, slug, model)
    values ('01900000-0000-7000-8000-00000000a000', 'New', 'new', 'openai/gpt-4o')$$, 'makes no agent')
  from unnest(array['billing@alpha.test', 'auditor@alpha.test', 'stranger@gamma.test']) actor;
select denied(actor, $$update public.ai_agents set name = 'Renamed'$$, 'changes no agent')
  from unnest(array['billing@alpha.test', 'auditor@alpha.test', 'stranger@gamma.test']) actor;
select denied(actor, 'delete from public.ai_agents', 'deletes no agent')
  from unnest(array['billing@alpha.test', 'auditor@alpha.test', 'stranger@gamma.test']) actor;

-- blind: agents.write without agents.read. A row that cannot be read cannot be found. ------------------------------------------------

select allowed('blind@alpha.test', $$insert into public.ai_agents (tenant_id, name, slug, model)
    values ('01900000-0000-7000-8000-00000000a000', 'New', 'new', 'openai/gpt-4o')$$, 1, 'makes an agent');
select denied('blind@alpha.test', $$update public.ai_agents set name = 'Renamed' where slug = 'greeter'$$, 'changes no agent');
select denied('blind@alpha.test', $$delete from public.ai_agents where slug = 'greeter'$$, 'deletes no agent');

-- anon -------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', 'select from public.ai_agents', 'cannot even ask for agents');
select denied('anon', 'select from public.ai_agents', 'reads no agent');
select denied('anon', $$insert into public.ai_agents (tenant_id, name, slug, model)
    values ('01900000-0000-7000-8000-00000000a000', 'New', 'new', 'openai/gpt-4o')$$, 'makes no agent');
select denied('anon', $$update public.ai_agents set name = 'Renamed'$$, 'changes no agent');
select denied('anon', 'delete from public.ai_agents', 'deletes no agent');

select * from finish();
rollback;
