-- rpc activate_workflow: workflows.write publishes what has no problem.

begin;
\ir ../fixtures/world.sql
select plan(17);

-- owner, admin, editor: workflows.write ------------------------------------------------------------------------------------------------

select answers(actor, $$select status || ' ' || version from public.activate_workflow('01900000-0000-7000-8000-00000000a0f2')$$, 'active 1',
    'activates a draft, which becomes version 1')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test']) actor;
select answers('editor@alpha.test', $$select version from public.activate_workflow('01900000-0000-7000-8000-00000000a0f1')$$, '1',
  'publishes nothing new by activating what is active');
select refused('editor@alpha.test', $$select public.activate_workflow('01900000-0000-7000-8000-00000000a0f3')$$, 422, 'workflow_invalid',
  'activates nothing with a problem');
select ok((select bool_and(problem ?& array['severity', 'code', 'node_id', 'pointer', 'message'] and problem ->> 'pointer' like '/%')
    from jsonb_array_elements((body('editor@alpha.test',
      $$select public.activate_workflow('01900000-0000-7000-8000-00000000a0f3')$$) ->> 'details')::jsonb) problem),
  'editor@alpha.test: is told of each problem its severity, code, node, pointer and message');

-- viewer, billing, auditor: members without workflows.write -----------------------------------------------------------------------------

select refused('viewer@alpha.test', $$select public.activate_workflow('01900000-0000-7000-8000-00000000a0f2')$$, 403, 'forbidden',
  'sees the workflow and may not activate it');
select refused(actor, $$select public.activate_workflow('01900000-0000-7000-8000-00000000a0f2')$$, 404, 'not_found', 'finds no such workflow')
  from unnest(array['billing@alpha.test', 'auditor@alpha.test', 'stranger@gamma.test', 'owner@beta.test']) actor;
select is(
  body('owner@beta.test', $$select public.activate_workflow('01900000-0000-7000-8000-00000000a0f2')$$),
  body('owner@beta.test', $$select public.activate_workflow('01900000-0000-7000-8000-00000000ffff')$$),
  'owner@beta.test: cannot tell a foreign workflow from none');
select refused('owner@alpha.test', 'select public.activate_workflow(null)', 404, 'not_found', 'activates nothing without an id');

-- anon -----------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', $$select public.activate_workflow('01900000-0000-7000-8000-00000000a0f2')$$, 'activates nothing');

-- Versions -------------------------------------------------------------------------------------------------------------------------------

update public.workflows set status = 'active' where id = '01900000-0000-7000-8000-00000000a0f2';
update public.workflows set nodes = jsonb_set(nodes, '{1,config,output}', '{"second": true}') where id = '01900000-0000-7000-8000-00000000a0f2';
update public.workflows set status = 'paused' where id = '01900000-0000-7000-8000-00000000a0f2';
update public.workflows set status = 'active' where id = '01900000-0000-7000-8000-00000000a0f2';
update public.workflows set name = 'Only renamed' where id = '01900000-0000-7000-8000-00000000a0f2';
select results_eq(
  $$select version, nodes #> '{1,config,output}' from public.workflow_versions where workflow_id = '01900000-0000-7000-8000-00000000a0f2' order by version$$,
  $$values (1, '{"echo": "{{ input }}"}'::jsonb), (2, '{"second": true}')$$,
  'each change of an active drawing is one version; a pause and a new name are none');
select is(plan ->> 'format', '1', 'a version holds the plan that a worker runs')
  from public.workflow_versions where workflow_id = '01900000-0000-7000-8000-00000000a0f2' and version = 2;

-- The machine that is drawn at the head of the migration.
select throws_ok($$update public.workflows set status = 'deleted' where name = 'Blank'$$, '23514', null, 'a workflow has no status that nobody drew');

select * from finish();
rollback;
