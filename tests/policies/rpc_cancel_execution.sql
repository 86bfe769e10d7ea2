-- rpc cancel_execution: executions.cancel ends what is not over.

begin;
\ir ../fixtures/world.sql
select plan(22);

-- owner, admin, editor: executions.cancel ------------------------------------------------------------------------------------------------

select answers(actor, $$select status || ' ' || (finished_at is not null)::text from public.cancel_execution('01900000-0000-7000-8000-00000000a0e1')$$,
    'cancelled true', 'ends an execution that nobody works on, at once')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'blind@alpha.test']) actor;
select answers('editor@alpha.test', $$select status || ' ' || (cancel_requested_at is not null)::text
    from public.cancel_execution('01900000-0000-7000-8000-00000000a0e2')$$, 'running true', 'asks the worker that holds an execution');
select refused('editor@alpha.test', $$select public.cancel_execution('01900000-0000-7000-8000-00000000a0e3')$$, 409, 'execution_finished',
  'ends nothing that is over');
select refused('editor@alpha.test', 'select public.cancel_execution(null)', 404, 'not_found', 'ends nothing without an id');

-- viewer, auditor: executions.read without executions.cancel --------------------------------------------------------------------------------

select refused(actor, $$select public.cancel_execution('01900000-0000-7000-8000-00000000a0e1')$$, 403, 'forbidden', 'sees the execution and may not end it')
  from unnest(array['viewer@alpha.test', 'auditor@alpha.test']) actor;

-- billing, stranger, the other tenant ------------------------------------------------------------------------------------------------------

select refused(actor, $$select public.cancel_execution('01900000-0000-7000-8000-00000000a0e1')$$, 404, 'not_found', 'finds no such execution')
  from unnest(array['billing@alpha.test', 'stranger@gamma.test', 'owner@beta.test']) actor;
select is(
  body('owner@beta.test', $$select public.cancel_execution('01900000-0000-7000-8000-00000000a0e1')$$),
  body('owner@beta.test', $$select public.cancel_execution('01900000-0000-7000-8000-00000000ffff')$$),
  'owner@beta.test: cannot tell a foreign execution from none');

-- anon -----------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', $$select public.cancel_execution('01900000-0000-7000-8000-00000000a0e1')$$, 'ends nothing');
select unreachable(actor, $$select private.cancel_execution('01900000-0000-7000-8000-00000000a0e1')$$, 'ends nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- What a cancellation leaves: a lease that ran out is nobody's ------------------------------------------------------------------------------

update queue.jobs set run_at = now() - interval '1 second' where execution_id = '01900000-0000-7000-8000-00000000a0e2';
select is(
  keep('editor@alpha.test', $$select status from public.cancel_execution('01900000-0000-7000-8000-00000000a0e2')$$),
  'cancelled', 'editor@alpha.test: ends an execution whose worker is gone');
select is_empty($$select from queue.jobs where execution_id = '01900000-0000-7000-8000-00000000a0e2'$$, 'its job is gone');
select results_eq(
  $$select status, finished_at is not null, revision from public.execution_steps where execution_id = '01900000-0000-7000-8000-00000000a0e2'$$,
  $$values ('cancelled', true, 4::bigint)$$, 'its step in flight is cancelled, under a revision of its own');
select cmp_ok(e.revision, '>', s.revision, 'the execution''s revision is past its steps''')
  from public.executions e join public.execution_steps s on s.execution_id = e.id where e.id = '01900000-0000-7000-8000-00000000a0e2';

select * from finish();
rollback;
