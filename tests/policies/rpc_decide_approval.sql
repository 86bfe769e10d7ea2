-- rpc decide_approval: whom the step names decides, once.

begin;
\ir ../fixtures/world.sql
select plan(29);

insert into queue.waits (tenant_id, execution_id, node_id, kind, permission) values
  ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e2', 'sign', 'approval', null),
  ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e2', 'members', 'approval', 'members.manage'),
  ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e2', 'money', 'approval', 'billing.manage'),
  ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e2', 'nobody', 'approval', 'no.such'),
  ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e1', 'sign', 'approval', null);
insert into queue.waits (tenant_id, execution_id, node_id, kind, name) values ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e2', 'event', 'event', 'paid');

-- Those with the permission that the step names ---------------------------------------------------------------------------------------------

select answers(actor, $$select status from public.decide_approval('01900000-0000-7000-8000-00000000a0e2', 'sign', true)$$, 'running', 'decides what names no permission')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'blind@alpha.test']) actor;
select answers(actor, $$select status from public.decide_approval('01900000-0000-7000-8000-00000000a0e2', 'members', false, 'no')$$, 'running', 'decides what asks for members.manage')
  from unnest(array['owner@alpha.test', 'admin@alpha.test']) actor;
select refused('editor@alpha.test', $$select public.decide_approval('01900000-0000-7000-8000-00000000a0e2', 'members', true)$$, 403, 'forbidden', 'does not');
select answers('billing@alpha.test', $$select status from public.decide_approval('01900000-0000-7000-8000-00000000a0e2', 'money', true)$$, 'running',
  'decides about money, though they cannot read the execution');
select answers('owner@alpha.test', $$select status from public.decide_approval('01900000-0000-7000-8000-00000000a0e2', 'nobody', true)$$, 'running', 'decides what asks for what does not exist');
select refused('admin@alpha.test', $$select public.decide_approval('01900000-0000-7000-8000-00000000a0e2', 'nobody', true)$$, 403, 'forbidden', 'does not');
select refused('editor@alpha.test', format('select public.decide_approval(%L, %L, true)', '01900000-0000-7000-8000-00000000a0e2', node), 409, 'not_waiting',
    format('decides nothing at step %s', node)) from unnest(array['event', 'greet', 'none', null]) node;
select refused('editor@alpha.test', $$select public.decide_approval('01900000-0000-7000-8000-00000000a0e2', 'sign', null)$$, 400, 'decision_invalid', 'does not leave it open');
select refused('editor@alpha.test', $$select public.decide_approval('01900000-0000-7000-8000-00000000a0e2', 'sign', true, repeat('x', 8193))$$, 400, 'decision_invalid', 'writes no book');
select refused('editor@alpha.test', $$select public.decide_approval('01900000-0000-7000-8000-00000000a0e3', 'sign', true)$$, 409, 'execution_finished', 'decides nothing that is over');

-- viewer: executions.read alone; billing, stranger, the other tenant ---------------------------------------------------------------------------

select refused(actor, $$select public.decide_approval('01900000-0000-7000-8000-00000000a0e2', 'sign', true)$$, 403, 'forbidden', 'sees the execution and may not decide')
  from unnest(array['viewer@alpha.test', 'auditor@alpha.test']) actor;
select refused(actor, $$select public.decide_approval('01900000-0000-7000-8000-00000000a0e2', 'sign', true)$$, 404, 'not_found', 'finds no such execution')
  from unnest(array['billing@alpha.test', 'stranger@gamma.test', 'owner@beta.test']) actor;

-- anon -----------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', $$select public.decide_approval('01900000-0000-7000-8000-00000000a0e2', 'sign', true)$$, 'decides nothing');
select unreachable(actor, $$select private.decide_approval('01900000-0000-7000-8000-00000000a0e2', 'sign', true, null)$$, 'decides nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- What a decision leaves -------------------------------------------------------------------------------------------------------------------

select keep('editor@alpha.test', $$select status from public.decide_approval('01900000-0000-7000-8000-00000000a0e2', 'sign', false, 'too dear')$$) \g /dev/null
select is(delivered - 'decided_at', '{"approved": false, "comment": "too dear", "decided_by": "01900000-0000-7000-8000-0000000000a3"}', 'the step is given the decision')
  from queue.waits where execution_id = '01900000-0000-7000-8000-00000000a0e2' and node_id = 'sign';
select refused('owner@alpha.test', $$select public.decide_approval('01900000-0000-7000-8000-00000000a0e2', 'sign', true)$$, 409, 'already_decided', 'does not decide again');

select * from finish();
rollback;
