-- rpc resume_execution: executions.cancel lets a paused execution go on.

begin;
\ir ../fixtures/world.sql
select plan(21);

update queue.jobs set state = 'paused', ready_in = null where execution_id = '01900000-0000-7000-8000-00000000a0e1';
update public.executions set status = 'paused' where id = '01900000-0000-7000-8000-00000000a0e1';

-- owner, admin, editor: executions.cancel ------------------------------------------------------------------------------------------------

select answers(actor, $$select status from public.resume_execution('01900000-0000-7000-8000-00000000a0e1')$$, 'waiting', 'lets a paused execution go on')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'blind@alpha.test']) actor;
select refused('editor@alpha.test', $$select public.resume_execution('01900000-0000-7000-8000-00000000a0e2')$$, 409, 'execution_not_paused', 'resumes nothing that runs');
select keep('editor@alpha.test', $$select public.pause_execution('01900000-0000-7000-8000-00000000a0e2')$$) \g /dev/null
select refused('editor@alpha.test', $$select public.resume_execution('01900000-0000-7000-8000-00000000a0e2')$$, 409, 'execution_pausing', 'waits for a pause that has not come');
select refused('editor@alpha.test', $$select public.resume_execution('01900000-0000-7000-8000-00000000a0e3')$$, 409, 'execution_finished', 'resumes nothing that is over');
select refused('editor@alpha.test', 'select public.resume_execution(null)', 404, 'not_found', 'resumes nothing without an id');

-- viewer, auditor: executions.read without executions.cancel --------------------------------------------------------------------------------

select refused(actor, $$select public.resume_execution('01900000-0000-7000-8000-00000000a0e1')$$, 403, 'forbidden', 'sees the execution and may not resume it')
  from unnest(array['viewer@alpha.test', 'auditor@alpha.test']) actor;
select refused(actor, $$select public.resume_execution('01900000-0000-7000-8000-00000000a0e1')$$, 404, 'not_found', 'finds no such execution')
  from unnest(array['billing@alpha.test', 'stranger@gamma.test', 'owner@beta.test']) actor;

-- anon -----------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', $$select public.resume_execution('01900000-0000-7000-8000-00000000a0e1')$$, 'resumes nothing');
select unreachable(actor, $$select private.resume_execution('01900000-0000-7000-8000-00000000a0e1')$$, 'resumes nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- What comes while it is paused is taken up when it is resumed ------------------------------------------------------------------------------

insert into queue.waits (tenant_id, execution_id, node_id, kind, name) values ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e1', 'wait', 'event', 'paid');
update queue.jobs set has_waits = true where execution_id = '01900000-0000-7000-8000-00000000a0e1';
select is(keep('editor@alpha.test', $$select public.send_event('01900000-0000-7000-8000-00000000a0e1', 'paid')$$), 'true', 'an event reaches what is paused');
select is(state, 'paused', 'and does not wake it') from queue.jobs where execution_id = '01900000-0000-7000-8000-00000000a0e1';
select keep('editor@alpha.test', $$select public.resume_execution('01900000-0000-7000-8000-00000000a0e1')$$) \g /dev/null
select is(jsonb_array_length(signals), 1, 'whoever takes it up is told')
  from queue.claim('w2', 10, interval '30 seconds', '{}', '{}', '{}') where execution_id = '01900000-0000-7000-8000-00000000a0e1';

select * from finish();
rollback;
