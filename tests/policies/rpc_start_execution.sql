-- rpc start_execution: workflows.execute starts what is active, as often as the plan allows.

begin;
\ir ../fixtures/world.sql
select plan(40);

-- owner, admin, editor: workflows.execute ------------------------------------------------------------------------------------------------

select answers(actor, $$select status || ' ' || workflow_version || ' ' || input
    from public.start_execution('01900000-0000-7000-8000-00000000a0f1', '{"name": "Ada"}')$$, 'queued 1 {"name": "Ada"}', 'starts an execution')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test']) actor;
select answers('editor@alpha.test', $$select started_by from public.start_execution('01900000-0000-7000-8000-00000000a0f1')$$,
  '01900000-0000-7000-8000-0000000000a3', 'is named as the one who started it');
select answers('editor@alpha.test', $$select input from public.start_execution('01900000-0000-7000-8000-00000000a0f1', null)$$, '{}',
  'gives an empty input by giving none');
select allowed('blind@alpha.test', $$select public.start_execution('01900000-0000-7000-8000-00000000a0f1')$$, 1,
  'starts what they may execute, though they cannot read it');

select refused('editor@alpha.test', $$select public.start_execution('01900000-0000-7000-8000-00000000a0f2')$$, 409, 'workflow_not_active',
  'starts no draft');
select refused('editor@alpha.test', $$select public.start_execution('01900000-0000-7000-8000-00000000a0f1', to_jsonb(repeat('x', 1048577)))$$,
  413, 'input_too_large', 'hands no input of more than 1 MiB over');
select refused('owner@frozen.test', $$select public.start_execution('01900000-0000-7000-8000-00000000f0f1')$$, 403, 'tenant_suspended',
  'starts nothing while their tenant is suspended');
select refused('owner@alpha.test', 'select public.start_execution(null)', 404, 'not_found', 'starts nothing without an id');
select refused('editor@alpha.test', format('select public.start_execution(%L, %L, %L)', '01900000-0000-7000-8000-00000000a0f1', '{}', bad),
    400, 'idempotency_key_invalid', format('uses no idempotency key of %s characters', length(bad)))
  from unnest(array['', repeat('x', 256)]) bad;
select refused('editor@alpha.test', format('select public.start_execution(%L, priority => %s)', '01900000-0000-7000-8000-00000000a0f1', bad),
    400, 'priority_invalid', format('uses no priority of %s', bad))
  from unnest(array[-101, 101]) bad;
select answers('editor@alpha.test', $$select priority from public.start_execution('01900000-0000-7000-8000-00000000a0f1', priority => 7)$$, '7',
  'may ask to be begun before others');

-- viewer, billing, auditor, stranger, the other tenant -----------------------------------------------------------------------------------

select refused('viewer@alpha.test', $$select public.start_execution('01900000-0000-7000-8000-00000000a0f1')$$, 403, 'forbidden',
  'sees the workflow and may not start it');
select refused(actor, $$select public.start_execution('01900000-0000-7000-8000-00000000a0f1')$$, 404, 'not_found', 'finds no such workflow')
  from unnest(array['billing@alpha.test', 'auditor@alpha.test', 'stranger@gamma.test', 'owner@beta.test']) actor;
select is(
  body('owner@beta.test', $$select public.start_execution('01900000-0000-7000-8000-00000000a0f1')$$),
  body('owner@beta.test', $$select public.start_execution('01900000-0000-7000-8000-00000000ffff')$$),
  'owner@beta.test: cannot tell a foreign workflow from none');

-- anon -----------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', $$select public.start_execution('01900000-0000-7000-8000-00000000a0f1')$$, 'starts nothing');
select unreachable(actor, $$select private.start_execution('01900000-0000-7000-8000-00000000a0f1', '{}', null, 0)$$, 'starts nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- The idempotency key and the plan: several calls that build on each other ---------------------------------------------------------------

create function pg_temp.start(input text, key text) returns text language sql as $$
  select assertions.keep('owner@beta.test',
    format('select id from public.start_execution(%L, %L, %L)', '01900000-0000-7000-8000-00000000b0f1', input, key))
$$;
create temp table started as select pg_temp.start('{"n": 1}', 'order-1') as first;

select is(pg_temp.start('{"n": 1}', 'order-1'), first,
  'the same key and input answer the execution that is there') from started;
select refused('owner@beta.test', $$select public.start_execution('01900000-0000-7000-8000-00000000b0f1', '{"n": 2}', 'order-1')$$,
  409, 'idempotency_key_reused', 'uses no key again with another input');
select is(used, 1::bigint, 'a repeated key is charged once')
  from aias.quota_status('01900000-0000-7000-8000-00000000b000') where meter = 'executions';
select is(count(*), 1::bigint, 'a started execution has one job') from queue.jobs where execution_id = (select first::uuid from started);
select allowed('both@alpha.test', $$select public.start_execution('01900000-0000-7000-8000-00000000a0f1', '{}', 'order-1')$$, 1,
  'uses the same key for another workflow');

select isnt(pg_temp.start('{"n": 1}', 'order-2'), first,
  'another key starts another execution') from started;
select refused('owner@beta.test', $$select public.start_execution('01900000-0000-7000-8000-00000000b0f1')$$, 402, 'quota_exceeded',
  'starts no third execution on a plan of two');
select denied('owner@beta.test', $$insert into public.executions (tenant_id, workflow_id, workflow_version)
    values ('01900000-0000-7000-8000-00000000b000', '01900000-0000-7000-8000-00000000b0f1', 1)$$, 'goes around no plan with an insert');
select is(
  (body('owner@beta.test', $$select public.start_execution('01900000-0000-7000-8000-00000000b0f1')$$) ->> 'details')::jsonb - 'resets_at',
  '{"meter": "executions", "limit": 2, "used": 2, "requested": 1}',
  'owner@beta.test: is told meter, limit, used and requested');
select is(h ->> 'X-Quota-Limit' || ' ' || (h ->> 'X-Quota-Remaining'), '2 0', 'owner@beta.test: gets the quota headers')
  from headers('owner@beta.test', $$select public.start_execution('01900000-0000-7000-8000-00000000b0f1')$$) h;
select ok((h ->> 'Retry-After')::bigint > 0 and length(h ->> 'X-Quota-Reset') > 0, 'owner@beta.test: is told when to come back')
  from headers('owner@beta.test', $$select public.start_execution('01900000-0000-7000-8000-00000000b0f1')$$) h;
select is(pg_temp.start('{"n": 1}', 'order-1'), first,
  'a key that was used still answers when the plan is used up') from started;
select is(count(*), 3::bigint, 'a refused start leaves no row')
  from public.executions where tenant_id = '01900000-0000-7000-8000-00000000b000';

select * from finish();
rollback;
