-- queue.start_child: the worker has an execution call another one.

begin;
\ir ../fixtures/world.sql
select plan(17);

\set held 01900000-0000-7000-8000-00000000a0e2
\set alpha 01900000-0000-7000-8000-00000000a000

create function pg_temp.call(token bigint, workflow text, given_up uuid default null) returns text language sql as $$
  select format('select held || %L || coalesce(refusal, child_id::text, %L) from queue.start_child(%L, %L, %s, %L, -1, %L, %L, %L)',
    ' ', '-', '01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e2', token, 'call', workflow, '{"n": 1}', given_up)
$$;

select answers('aias_worker', pg_temp.call(0, '01900000-0000-7000-8000-00000000a0f1'), 'false -', 'calls nothing under an older token');
select answers('aias_worker', pg_temp.call(1, '01900000-0000-7000-8000-00000000a0f2'), 'true called_workflow_not_active', 'calls no draft');
select answers('aias_worker', pg_temp.call(1, '01900000-0000-7000-8000-00000000b0f1'), 'true called_workflow_not_found', 'calls nothing of another tenant');
select unreachable(actor, pg_temp.call(1, '01900000-0000-7000-8000-00000000a0f1'), 'calls nothing')
  from unnest(array['anon', 'owner@alpha.test', 'aias_edge', 'service_role']) actor;

-- Several calls that build on each other ---------------------------------------------------------------------------------------------------

create temp table calls as select keep('aias_worker', pg_temp.call(1, '01900000-0000-7000-8000-00000000a0f1')) as first;
select is(keep('aias_worker', pg_temp.call(1, '01900000-0000-7000-8000-00000000a0f1')), first, 'the same call answers the same execution') from calls;
select results_eq($$select e.parent_node, e.depth::integer, e.origin, e.input from public.executions e where e.parent_id = '01900000-0000-7000-8000-00000000a0e2'$$,
  $$values ('call'::text, 1, 'call'::text, '{"n": 1}'::jsonb)$$, 'which knows who called it');
select is(count(*), 1::bigint, 'and is waited for') from queue.waits where execution_id = '01900000-0000-7000-8000-00000000a0e2' and kind = 'execution';

create temp table again as select keep('aias_worker', pg_temp.call(1, '01900000-0000-7000-8000-00000000a0f1', right(first, 36)::uuid)) as second from calls;
select isnt(second, first, 'an execution that was given up is not waited for again') from calls, again;
select isnt(e.cancel_requested_at, null, 'and is asked to end') from calls, public.executions e where e.id = right(first, 36)::uuid;

-- The end of the first is told to nobody, that of the second to the step.
update public.executions set status = 'cancelled', finished_at = now() where id = (select right(first, 36)::uuid from calls);
select queue.answer_call('01900000-0000-7000-8000-00000000a000', right(first, 36)::uuid) from calls \g /dev/null
select is(delivered, null, 'its end is told to nobody') from queue.waits where execution_id = '01900000-0000-7000-8000-00000000a0e2' and kind = 'execution';
update public.executions set status = 'succeeded', finished_at = now(), output = '{"a": 1}' where id = (select right(second, 36)::uuid from again);
select queue.answer_call('01900000-0000-7000-8000-00000000a000', right(second, 36)::uuid) from again \g /dev/null
select is(delivered ->> 'status', 'succeeded', 'that of the other is') from queue.waits where execution_id = '01900000-0000-7000-8000-00000000a0e2' and kind = 'execution';
update queue.jobs set is_woken = false where execution_id = '01900000-0000-7000-8000-00000000a0e2';
select is(keep('aias_worker', pg_temp.call(1, '01900000-0000-7000-8000-00000000a0f1', right(first, 36)::uuid)), second, 'a repeated call answers one that has ended') from calls, again;
select is(is_woken, true, 'and whoever waits for it is to look') from queue.jobs where execution_id = '01900000-0000-7000-8000-00000000a0e2';

update public.executions set depth = 8 where id = '01900000-0000-7000-8000-00000000a0e2';
delete from queue.waits where execution_id = '01900000-0000-7000-8000-00000000a0e2';
select answers('aias_worker', pg_temp.call(1, '01900000-0000-7000-8000-00000000a0f1'), 'true call_too_deep', 'calls nothing at the ninth');

select * from finish();
rollback;
