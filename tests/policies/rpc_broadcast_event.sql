-- rpc broadcast_event: workflows.execute tells every step in a tenant that waits for an event.

begin;
\ir ../fixtures/world.sql
select plan(19);

insert into queue.waits (tenant_id, execution_id, node_id, kind, name, key) values
  ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e1', 'any', 'event', 'opened', null),
  ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e2', 'a', 'event', 'opened', 'a'),
  ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e2', 'b', 'event', 'opened', 'b'),
  ('01900000-0000-7000-8000-00000000b000', '01900000-0000-7000-8000-00000000b0e1', 'any', 'event', 'opened', null);

-- owner, admin, editor: workflows.execute ------------------------------------------------------------------------------------------------

select answers(actor, $$select public.broadcast_event('01900000-0000-7000-8000-00000000a000', 'opened', '1', 'a')$$, '2', 'reaches those that take this key')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'blind@alpha.test']) actor;
select answers('editor@alpha.test', $$select public.broadcast_event('01900000-0000-7000-8000-00000000a000', 'opened')$$, '1', 'reaches those that take any, without a key');
select answers('editor@alpha.test', $$select public.broadcast_event('01900000-0000-7000-8000-00000000a000', 'closed')$$, '0', 'reaches nobody where nobody waits');
select refused('editor@alpha.test', $$select public.broadcast_event('01900000-0000-7000-8000-00000000a000', '')$$, 400, 'event_invalid', 'sends no event without a name');

-- viewer, billing, auditor, stranger, the other tenant -----------------------------------------------------------------------------------

select refused(actor, $$select public.broadcast_event('01900000-0000-7000-8000-00000000a000', 'opened')$$, 403, 'forbidden', 'may not')
  from unnest(array['viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test']) actor;
select refused(actor, $$select public.broadcast_event('01900000-0000-7000-8000-00000000a000', 'opened')$$, 404, 'not_found', 'finds no such tenant')
  from unnest(array['stranger@gamma.test', 'owner@beta.test']) actor;

-- anon -----------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', $$select public.broadcast_event('01900000-0000-7000-8000-00000000a000', 'opened')$$, 'sends nothing');
select unreachable(actor, $$select private.broadcast_event('01900000-0000-7000-8000-00000000a000', 'opened', '1', null)$$, 'sends nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

select keep('editor@alpha.test', $$select public.broadcast_event('01900000-0000-7000-8000-00000000a000', 'opened', '1', 'a')$$) \g /dev/null
select set_eq('select node_id from queue.waits where delivered is not null and tenant_id <> $$01900000-0000-7000-8000-00000000b000$$', array['any', 'a'],
  'what was not reached has nothing');
select is(count(*), 1::bigint, 'nor has anybody in another tenant') from queue.waits where tenant_id = '01900000-0000-7000-8000-00000000b000' and delivered is null;

select * from finish();
rollback;
