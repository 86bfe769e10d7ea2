-- rpc pause_execution: executions.cancel lets nothing new begin.

begin;
\ir ../fixtures/world.sql
select plan(22);

-- owner, admin, editor: executions.cancel ------------------------------------------------------------------------------------------------

select answers(actor, $$select status from public.pause_execution('01900000-0000-7000-8000-00000000a0e1')$$, 'paused', 'pauses an execution that nobody works on, at once')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'blind@alpha.test']) actor;
select answers('editor@alpha.test', $$select status || ' ' || (pause_requested_at is not null)::text from public.pause_execution('01900000-0000-7000-8000-00000000a0e2')$$,
  'running true', 'asks the worker that holds an execution');
select refused('editor@alpha.test', $$select public.pause_execution('01900000-0000-7000-8000-00000000a0e3')$$, 409, 'execution_finished', 'pauses nothing that is over');
select refused('editor@alpha.test', 'select public.pause_execution(null)', 404, 'not_found', 'pauses nothing without an id');

-- viewer, auditor: executions.read without executions.cancel --------------------------------------------------------------------------------

select refused(actor, $$select public.pause_execution('01900000-0000-7000-8000-00000000a0e1')$$, 403, 'forbidden', 'sees the execution and may not pause it')
  from unnest(array['viewer@alpha.test', 'auditor@alpha.test']) actor;
select refused(actor, $$select public.pause_execution('01900000-0000-7000-8000-00000000a0e1')$$, 404, 'not_found', 'finds no such execution')
  from unnest(array['billing@alpha.test', 'stranger@gamma.test', 'owner@beta.test']) actor;

-- anon -----------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', $$select public.pause_execution('01900000-0000-7000-8000-00000000a0e1')$$, 'pauses nothing');
select unreachable(actor, $$select private.pause_execution('01900000-0000-7000-8000-00000000a0e1')$$, 'pauses nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- A lease that ran out is nobody's, and whoever still believes to hold it is refused ---------------------------------------------------------

update queue.jobs set run_at = now() - interval '1 second' where execution_id = '01900000-0000-7000-8000-00000000a0e2';
select is(keep('editor@alpha.test', $$select status from public.pause_execution('01900000-0000-7000-8000-00000000a0e2')$$), 'paused', 'editor@alpha.test: pauses an execution whose worker is gone');
select is(keep('editor@alpha.test', $$select status from public.pause_execution('01900000-0000-7000-8000-00000000a0e2')$$), 'paused', 'editor@alpha.test: and changes nothing the second time');
select results_eq($$select state, claimed_by, run_at from queue.jobs where execution_id = '01900000-0000-7000-8000-00000000a0e2'$$,
  $$values ('paused'::text, null::text, null::timestamptz)$$, 'nobody is to work on it');
select is(revision, 4::bigint, 'which is told once') from public.executions where id = '01900000-0000-7000-8000-00000000a0e2';
select is_empty($$select from queue.claim('w2', 10, interval '30 seconds', '{}', '{}', '{}') where execution_id = '01900000-0000-7000-8000-00000000a0e2'$$, 'and nobody does');

select * from finish();
rollback;
