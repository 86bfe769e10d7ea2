-- public.workflows: workflows.read sees, workflows.write changes; own tenant only; nothing invalid is ever active.

begin;
\ir ../fixtures/world.sql
select plan(99);

-- owner, admin, editor: workflows.read and workflows.write ---------------------------------------------------------------------------

select sees(actor, 'select from public.workflows', 3, 'reads the workflows of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test']) actor;
select allowed(actor, $$insert into public.workflows (tenant_id, name)
    values ('01900000-0000-7000-8000-00000000a000', 'New')$$, 1, 'makes a workflow')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test']) actor;
select allowed(actor, $$update public.workflows set name = 'Renamed'$$, 3, 'changes the workflows of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test']) actor;
select allowed(actor, 'delete from public.workflows', 3, 'deletes the workflows of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test']) actor;

select denied('owner@alpha.test', $$insert into public.workflows (tenant_id, name)
    values ('01900000-0000-7000-8000-00000000b000', 'Planted')$$, 'makes no workflow in a foreign tenant');
select denied('owner@alpha.test', $$insert into public.workflows (tenant_id, id, name)
    values ('01900000-0000-7000-8000-00000000b000', '01900000-0000-7000-8000-00000000b0f1', 'Taken over')
    on conflict (tenant_id, id) do update set name = excluded.name$$, 'takes no foreign workflow over by an upsert');
select denied('owner@alpha.test', $$update public.workflows set name = 'Mine' where id = '01900000-0000-7000-8000-00000000b0f1'$$,
  'changes no foreign workflow');
select denied('owner@alpha.test', $$delete from public.workflows where id = '01900000-0000-7000-8000-00000000b0f1'$$,
  'deletes no foreign workflow');
select denied('owner@alpha.test', $$update public.workflows set tenant_id = '01900000-0000-7000-8000-00000000b000'
    where id = '01900000-0000-7000-8000-00000000a0f2'$$, 'moves no workflow into a foreign tenant');
select refused('both@alpha.test', $$update public.workflows set tenant_id = '01900000-0000-7000-8000-00000000b000'
    where id = '01900000-0000-7000-8000-00000000a0f2'$$, 409, 'identity_is_fixed', 'moves no workflow even between their own tenants');
select refused('owner@alpha.test', $$update public.workflows set id = aias.uuid7() where name = 'Blank'$$,
  409, 'identity_is_fixed', 'gives no workflow another id');
select answers('editor@alpha.test', $$insert into public.workflows (tenant_id, name, created_by)
    values ('01900000-0000-7000-8000-00000000a000', 'New', '01900000-0000-7000-8000-0000000000a1')
    returning created_by$$, '01900000-0000-7000-8000-0000000000a3', 'is the author of what they make, whatever they send');

select denied('editor@alpha.test', format('update public.workflows set %s where name = ''Blank''', change), 'rewrites no history: ' || change)
  from unnest(array[$$created_by = '01900000-0000-7000-8000-0000000000a1'$$, 'created_at = now() - interval $$1 year$$']) change;

-- The version is the database's.
select answers('owner@alpha.test', $$insert into public.workflows (tenant_id, name, version)
    values ('01900000-0000-7000-8000-00000000a000', 'New', 41) returning version$$, '0', 'starts at version 0, whatever they send');
select answers('owner@alpha.test', $$update public.workflows set version = 41
    where id = '01900000-0000-7000-8000-00000000a0f1' returning version$$, '1', 'cannot number a version themselves');

-- Nothing invalid is ever active.
select refused('owner@alpha.test', $$insert into public.workflows (tenant_id, name, status)
    values ('01900000-0000-7000-8000-00000000a000', 'New', 'active')$$, 422, 'workflow_invalid', 'makes no active workflow without a node');
select refused('owner@alpha.test', $$update public.workflows set status = 'active' where name = 'Blank'$$,
  422, 'workflow_invalid', 'activates no workflow without a node');
select refused('owner@alpha.test', $$update public.workflows set nodes = '[]', connections = '[]'
    where id = '01900000-0000-7000-8000-00000000a0f1'$$, 422, 'workflow_invalid', 'empties no active workflow');
select refused('owner@alpha.test', format($$insert into public.workflows (tenant_id, name, status, nodes, connections)
    values ('01900000-0000-7000-8000-00000000a000', 'New', 'active', %L, '[{"source": "start", "target": "greet"}]')$$,
    replace('[{"id": "start", "type": "trigger", "position": {"x": 0, "y": 0}, "config": {"kind": "manual"}},
      {"id": "greet", "type": "ai_processing", "position": {"x": 9, "y": 0}, "config": {"agent_id": "AGENT", "prompt": "Hi"}}]',
      'AGENT', agent.id)), 422, 'workflow_invalid', agent.why)
  from (values
    ('01900000-0000-7000-8000-00000000b0a1', 'uses no agent of a foreign tenant'),
    ('01900000-0000-7000-8000-00000000ffff', 'uses no agent that is not there')
  ) agent (id, why);
select is(
  replace(body('owner@alpha.test', format(drawn.statement, '01900000-0000-7000-8000-00000000b0a1'))::text, 'b0a1', 'XXXX'),
  replace(body('owner@alpha.test', format(drawn.statement, '01900000-0000-7000-8000-00000000ffff'))::text, 'ffff', 'XXXX'),
  'owner@alpha.test: cannot tell a foreign agent from none')
  from (values ($$insert into public.workflows (tenant_id, name, status, nodes, connections)
    values ('01900000-0000-7000-8000-00000000a000', 'New', 'active',
      '[{"id": "start", "type": "trigger", "position": {"x": 0, "y": 0}, "config": {"kind": "manual"}},
        {"id": "greet", "type": "ai_processing", "position": {"x": 9, "y": 0}, "config": {"agent_id": "%s", "prompt": "Hi"}}]',
      '[{"source": "start", "target": "greet"}]')$$)) drawn (statement);
select is(
  jsonb_typeof((body('owner@alpha.test', $$update public.workflows set status = 'active' where name = 'Blank'$$) ->> 'details')::jsonb),
  'array', 'owner@alpha.test: is told every problem in a list');

-- viewer: workflows.read -----------------------------------------------------------------------------------------------------------

select sees('viewer@alpha.test', 'select from public.workflows', 3, 'reads the workflows of their tenant');

-- viewer, billing, auditor, stranger: change nothing ---------------------------------------------------------------------------------

select denied(actor, $$insert into public.workflows (tenant_id, name)
    values ('01900000-0000-7000-8000-00000000a000', 'New')$$, 'makes no workflow')
  from unnest(array['viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'stranger@gamma.test', 'owner@beta.test']) actor;
select denied(actor, $$update public.workflows set name = 'Renamed' where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
    'changes no workflow of Alpha')
  from unnest(array['viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'stranger@gamma.test', 'owner@beta.test']) actor;
select denied(actor, $$delete from public.workflows where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
    'deletes no workflow of Alpha')
  from unnest(array['viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'stranger@gamma.test', 'owner@beta.test']) actor;
select denied(actor, $$select from public.workflows where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
    'reads no workflow of Alpha')
  from unnest(array['billing@alpha.test', 'auditor@alpha.test', 'stranger@gamma.test', 'owner@beta.test']) actor;

-- What an outsider's insert is answered does not depend on what is in the tenant.
select is(
  (attempt(actor, format(drawn.statement, '01900000-0000-7000-8000-00000000a0a1'), granted)).sqlstate,
  (attempt(actor, format(drawn.statement, '01900000-0000-7000-8000-00000000ffff'), granted)).sqlstate,
  format('%s: cannot learn which agents Alpha has (%s)', actor, case when granted then 'whole tables granted' else 'as granted' end))
  from (values ($$insert into public.workflows (tenant_id, name, status, nodes, connections)
    values ('01900000-0000-7000-8000-00000000a000', 'Probe', 'active',
      '[{"id": "start", "type": "trigger", "position": {"x": 0, "y": 0}, "config": {"kind": "manual"}},
        {"id": "greet", "type": "ai_processing", "position": {"x": 9, "y": 0}, "config": {"agent_id": "%s", "prompt": "Hi"}}]',
      '[{"source": "start", "target": "greet"}]')$$)) drawn (statement),
  -- (A viewer may read the agents, so nothing is there to be learned.)
  unnest(array['owner@beta.test', 'stranger@gamma.test', 'billing@alpha.test', 'anon']) actor,
  unnest(array[false, true]) granted;

-- blind: workflows.write without workflows.read. A row that cannot be read cannot be found. ------------------------------------------

select allowed('blind@alpha.test', $$insert into public.workflows (tenant_id, name)
    values ('01900000-0000-7000-8000-00000000a000', 'New')$$, 1, 'makes a workflow');
select denied('blind@alpha.test', $$update public.workflows set name = 'Renamed' where name = 'Blank'$$, 'changes no workflow');
select denied('blind@alpha.test', $$delete from public.workflows where name = 'Blank'$$, 'deletes no workflow');

-- anon -------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', 'select from public.workflows', 'cannot even ask for workflows');
select denied('anon', 'select from public.workflows', 'reads no workflow');
select denied('anon', $$insert into public.workflows (tenant_id, name)
    values ('01900000-0000-7000-8000-00000000a000', 'New')$$, 'makes no workflow');
select denied('anon', $$update public.workflows set name = 'Renamed'$$, 'changes no workflow');
select denied('anon', 'delete from public.workflows', 'deletes no workflow');

select * from finish();
rollback;
