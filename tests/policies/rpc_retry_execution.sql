-- rpc retry_execution: workflows.execute tries again, as a new execution that is charged.

begin;
\ir ../fixtures/world.sql
select plan(26);

insert into public.execution_steps (tenant_id, execution_id, node_id, kind, status, output, error, revision) values
  ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e3', 'start', 'manual', 'succeeded', '{"name": "Ada"}', null, 1);
delete from public.execution_steps where execution_id = '01900000-0000-7000-8000-00000000a0e3' and node_id = 'greet';
insert into public.execution_steps (tenant_id, execution_id, node_id, kind, status, output, error, input_tokens, cost_usd, revision) values
  ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e3', 'greet', 'ai', 'succeeded', '{"text": "hi"}', null, 12, 0.5, 2),
  ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e3', 'reply', 'transform', 'failed', null, '{"code": "x"}', null, null, 3);
update public.executions set input = '{"name": "Ada"}' where id = '01900000-0000-7000-8000-00000000a0e3';

-- owner, admin, editor: workflows.execute ------------------------------------------------------------------------------------------------

select answers(actor, $$select status || ' ' || origin || ' ' || workflow_version || ' ' || input || ' ' || retried_from
    from public.retry_execution('01900000-0000-7000-8000-00000000a0e3')$$, 'queued retry 1 {"name": "Ada"} 01900000-0000-7000-8000-00000000a0e3', 'tries again')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'blind@alpha.test']) actor;
select answers('editor@alpha.test', $$select input from public.retry_execution('01900000-0000-7000-8000-00000000a0e3', null, '{"name": "Bob"}')$$, '{"name": "Bob"}', 'tries another input');
select refused('editor@alpha.test', $$select public.retry_execution('01900000-0000-7000-8000-00000000a0e1')$$, 409, 'execution_not_finished', 'tries nothing again that is not over');
select refused('editor@alpha.test', $$select public.retry_execution('01900000-0000-7000-8000-00000000a0e3', 'nobody')$$, 400, 'unknown_node', 'begins at no step that is not there');
select refused('editor@alpha.test', $$select public.retry_execution('01900000-0000-7000-8000-00000000a0e3', 'greet', '{}')$$, 400, 'retry_invalid', 'begins at no step with another input');
select refused('editor@alpha.test', $$select public.retry_execution('01900000-0000-7000-8000-00000000a0e3', null, to_jsonb(repeat('x', 1048577)))$$, 413, 'input_too_large',
  'hands no input of more than 1 MiB over');
select refused('editor@alpha.test', 'select public.retry_execution(null)', 404, 'not_found', 'tries nothing without an id');

-- viewer, auditor: executions.read without workflows.execute --------------------------------------------------------------------------------

select refused(actor, $$select public.retry_execution('01900000-0000-7000-8000-00000000a0e3')$$, 403, 'forbidden', 'sees the execution and may not try it again')
  from unnest(array['viewer@alpha.test', 'auditor@alpha.test']) actor;
select refused(actor, $$select public.retry_execution('01900000-0000-7000-8000-00000000a0e3')$$, 404, 'not_found', 'finds no such execution')
  from unnest(array['billing@alpha.test', 'stranger@gamma.test', 'owner@beta.test']) actor;

-- anon -----------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', $$select public.retry_execution('01900000-0000-7000-8000-00000000a0e3')$$, 'tries nothing');
select unreachable(actor, $$select private.retry_execution('01900000-0000-7000-8000-00000000a0e3', null, null)$$, 'tries nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- What another try takes over --------------------------------------------------------------------------------------------------------------

create function pg_temp.taken_over(arguments text) returns text language plpgsql as $$
declare
  made text := assertions.keep('editor@alpha.test',
    format('select id from public.retry_execution(%L, %s)', '01900000-0000-7000-8000-00000000a0e3', arguments));
begin
  return coalesce((select string_agg(s.node_id || ':' || s.status || ':' || coalesce(s.cost_usd::text, '-'), ' ' order by s.revision)
    from public.execution_steps s where s.execution_id = made::uuid), '');
end
$$;
select is(pg_temp.taken_over('null'), 'start:succeeded:- greet:succeeded:-', 'what succeeded, and none of what it cost');
select is(pg_temp.taken_over($$'greet'$$), 'start:succeeded:-', 'what comes before the step that was asked for');
select is(pg_temp.taken_over($$'start'$$), '', 'nothing before the first');
select is(pg_temp.taken_over($$null, '{}'$$), '', 'nothing with another input');
select is(count(*), 3::bigint, 'history stays as it was') from public.execution_steps where execution_id = '01900000-0000-7000-8000-00000000a0e3';

update public.workflows set status = 'paused' where id = '01900000-0000-7000-8000-00000000a0f1';
select refused('editor@alpha.test', $$select public.retry_execution('01900000-0000-7000-8000-00000000a0e3')$$, 409, 'workflow_not_active', 'tries nothing of a workflow that rests');

select * from finish();
rollback;
