-- rpc start_executions: workflows.execute starts what is active many times, all of them or none.

begin;
\ir ../fixtures/world.sql
select plan(21);

-- owner, admin, editor: workflows.execute ------------------------------------------------------------------------------------------------

select answers(actor, $$select cardinality(public.start_executions('01900000-0000-7000-8000-00000000a0f1', array['{"n": 1}', '{"n": 2}']::jsonb[]))$$, '2',
    'starts one for each input')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'blind@alpha.test']) actor;

create temp table started as
  select assertions.keep('editor@alpha.test', $$select public.start_executions('01900000-0000-7000-8000-00000000a0f1',
    array(select jsonb_build_object('n', n) from generate_series(1, 30) n), 5)$$)::uuid[] as ids;
select is(array_agg((e.input ->> 'n')::integer order by s.position), array(select generate_series(1, 30)), 'answers the ids in the order of the inputs')
  from started, unnest(ids) with ordinality s (id, position) join public.executions e using (id);
select is(count(*), 30::bigint, 'each has a job of that priority') from started, unnest(ids) s (id) join queue.jobs j on j.execution_id = s.id
 where j.priority = 5 and j.state = 'ready';
select is(count(*), 30::bigint, 'each is named after the one who started it') from started, unnest(ids) s (id) join public.executions e using (id)
 where e.started_by = '01900000-0000-7000-8000-0000000000a3' and e.origin = 'manual';

select refused('editor@alpha.test', format('select public.start_executions(%L, array_fill(%L::jsonb, array[%s]))', '01900000-0000-7000-8000-00000000a0f1', '{}', bad),
    400, 'inputs_invalid', format('starts no %s at a time', bad))
  from unnest(array[0, 10001]) bad;
select refused('editor@alpha.test', $$select public.start_executions('01900000-0000-7000-8000-00000000a0f1', null)$$, 400, 'inputs_invalid', 'starts nothing without inputs');
select refused('editor@alpha.test', $$select public.start_executions('01900000-0000-7000-8000-00000000a0f1', array['{}']::jsonb[], 101)$$, 400, 'priority_invalid',
  'uses no priority of 101');
select refused('editor@alpha.test', $$select public.start_executions('01900000-0000-7000-8000-00000000a0f1', array['{}', to_jsonb(repeat('x', 1048577))]::jsonb[])$$,
  413, 'input_too_large', 'hands no input of more than 1 MiB over');
select refused('editor@alpha.test', $$select public.start_executions('01900000-0000-7000-8000-00000000a0f2', array['{}']::jsonb[])$$, 409, 'workflow_not_active',
  'starts no draft');
select refused('owner@beta.test', $$select public.start_executions('01900000-0000-7000-8000-00000000b0f1', array_fill('{}'::jsonb, array[1000]))$$, 402, 'quota_exceeded',
  'starts none when the plan has not enough for all');
select is(count(*), 0::bigint, 'nothing is left of what was refused') from queue.jobs j where j.tenant_id = '01900000-0000-7000-8000-00000000b000' and not j.has_steps;

-- viewer, stranger, the other tenant, anon -----------------------------------------------------------------------------------------------

select refused('viewer@alpha.test', $$select public.start_executions('01900000-0000-7000-8000-00000000a0f1', array['{}']::jsonb[])$$, 403, 'forbidden',
  'sees the workflow and may not start it');
select refused(actor, $$select public.start_executions('01900000-0000-7000-8000-00000000a0f1', array['{}']::jsonb[])$$, 404, 'not_found', 'finds no such workflow')
  from unnest(array['stranger@gamma.test', 'owner@beta.test']) actor;
select unreachable('anon', $$select public.start_executions('01900000-0000-7000-8000-00000000a0f1', array['{}']::jsonb[])$$, 'starts nothing');
select unreachable(actor, $$select private.start_executions('01900000-0000-7000-8000-00000000a0f1', array['{}']::jsonb[], 0)$$, 'starts nothing by the back door')
  from unnest(array['anon', 'aias_worker']) actor;

select * from finish();
rollback;
