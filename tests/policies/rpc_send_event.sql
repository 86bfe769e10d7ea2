-- rpc send_event: workflows.execute tells an execution what happened; who waits for it goes on, and what nobody waits for is kept.

begin;
\ir ../fixtures/world.sql
select plan(33);

insert into queue.waits (tenant_id, execution_id, node_id, kind, name, key) values
  ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e2', 'any', 'event', 'paid', null),
  ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e2', 'seven', 'event', 'shipped', '7'),
  ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e2', 'sign', 'approval', null, null);
update queue.jobs set has_waits = true where execution_id = '01900000-0000-7000-8000-00000000a0e2';

-- owner, admin, editor: workflows.execute ------------------------------------------------------------------------------------------------

select answers(actor, $$select public.send_event('01900000-0000-7000-8000-00000000a0e2', 'paid', '{"sum": 3}', 'x')$$, 'true', 'reaches a step that takes any key')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'blind@alpha.test']) actor;
select answers('editor@alpha.test', $$select public.send_event('01900000-0000-7000-8000-00000000a0e2', 'shipped', '{}', '7')$$, 'true', 'reaches the step that waits for this key');
select answers('editor@alpha.test', format('select public.send_event(%L, %L, %L, %L)', '01900000-0000-7000-8000-00000000a0e2', 'shipped', '{}', key), 'false',
   format('does not reach it with the key %s', key)) from unnest(array['8', null]) key;
select answers('editor@alpha.test', $$select public.send_event('01900000-0000-7000-8000-00000000a0e2', 'sign')$$, 'false', 'decides nothing by an event');
select answers('editor@alpha.test', $$select public.send_event('01900000-0000-7000-8000-00000000a0e1', 'paid')$$, 'false', 'leaves what nobody waits for yet');
select refused('editor@alpha.test', $$select public.send_event('01900000-0000-7000-8000-00000000a0e3', 'paid')$$, 409, 'execution_finished', 'sends nothing to what is over');
select refused('editor@alpha.test', 'select public.send_event(null, $$paid$$)', 404, 'not_found', 'sends nothing without an id');
select refused('editor@alpha.test', format('select public.send_event(%L, %L, %L, %L)', '01900000-0000-7000-8000-00000000a0e1', name, '{}', key), 400, 'event_invalid',
    format('sends no event with a name of %s and a key of %s characters', length(name), length(key)))
  from (values ('', null), (repeat('x', 257), null), (null, null), ('x', ''), ('x', repeat('x', 1025))) bad (name, key);
select refused('editor@alpha.test', $$select public.send_event('01900000-0000-7000-8000-00000000a0e1', 'paid', to_jsonb(repeat('x', 1048577)))$$, 413, 'payload_too_large',
  'sends no payload of more than 1 MiB');

-- viewer, auditor: executions.read without workflows.execute --------------------------------------------------------------------------------

select refused(actor, $$select public.send_event('01900000-0000-7000-8000-00000000a0e2', 'paid')$$, 403, 'forbidden', 'sees the execution and may not speak to it')
  from unnest(array['viewer@alpha.test', 'auditor@alpha.test']) actor;

-- billing, stranger, the other tenant ------------------------------------------------------------------------------------------------------

select refused(actor, $$select public.send_event('01900000-0000-7000-8000-00000000a0e2', 'paid')$$, 404, 'not_found', 'finds no such execution')
  from unnest(array['billing@alpha.test', 'stranger@gamma.test', 'owner@beta.test']) actor;
select is(
  body('owner@beta.test', $$select public.send_event('01900000-0000-7000-8000-00000000a0e2', 'paid')$$),
  body('owner@beta.test', $$select public.send_event('01900000-0000-7000-8000-00000000ffff', 'paid')$$),
  'owner@beta.test: cannot tell a foreign execution from none');

-- anon -----------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', $$select public.send_event('01900000-0000-7000-8000-00000000a0e2', 'paid')$$, 'sends nothing');
select unreachable(actor, $$select private.send_event('01900000-0000-7000-8000-00000000a0e2', 'paid', '{}', null)$$, 'sends nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- What an event leaves ---------------------------------------------------------------------------------------------------------------------

select keep('editor@alpha.test', $$select public.send_event('01900000-0000-7000-8000-00000000a0e2', 'paid', '{"sum": 3}', 'x')$$) \g /dev/null
select is(delivered - 'received_at', '{"event": "paid", "key": "x", "payload": {"sum": 3}}', 'the step is given the event')
  from queue.waits where execution_id = '01900000-0000-7000-8000-00000000a0e2' and node_id = 'any';
select is(is_woken, true, 'and its worker is to look') from queue.jobs where execution_id = '01900000-0000-7000-8000-00000000a0e2';
select is(keep('editor@alpha.test', $$select public.send_event('01900000-0000-7000-8000-00000000a0e2', 'paid')$$), 'false', 'the next one is not for a step that has one');
select results_eq($$select name, key, payload from queue.events where execution_id = '01900000-0000-7000-8000-00000000a0e2'$$,
  $$values ('paid'::text, null::text, '{}'::jsonb)$$, 'and is kept');
insert into queue.events (tenant_id, execution_id, name, payload) select '01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e2', 'many', '1' from generate_series(1, 999);
select refused('editor@alpha.test', $$select public.send_event('01900000-0000-7000-8000-00000000a0e2', 'paid')$$, 409, 'too_many_events', 'fills no table with what nobody waits for');

select * from finish();
rollback;
