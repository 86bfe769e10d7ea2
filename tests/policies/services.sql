-- The services' login roles: the worker calls its functions and reads no table; edge-api is nothing by itself.

begin;
\ir ../fixtures/world.sql

create temp table our_tables as
  select c.oid::regclass as name
    from pg_catalog.pg_class c
   where c.relnamespace::regnamespace::text in ('public', 'private', 'queue', 'audit', 'edge', 'aias', 'auth')
     and c.relkind in ('r', 'p', 'v', 'm', 'S');

select plan((select count(*) * 2 from our_tables)::integer + 32);

-- Both -----------------------------------------------------------------------------------------------------------------------------------

select ok(not (rolsuper or rolinherit or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls) and rolcanlogin,
    format('%s: may log in, inherits nothing and has no power', rolname))
  from pg_catalog.pg_roles where rolname in ('aias_edge', 'aias_worker') order by rolname;
select is(
    has_any_column_privilege(role, name, 'select, insert, update, references') or has_table_privilege(role, name, 'delete, truncate, trigger'),
    false, format('%s: has no right on %s', role, name))
  from our_tables, unnest(array['aias_edge', 'aias_worker']) role;

-- aias_worker ------------------------------------------------------------------------------------------------------------------------------

select set_eq($$select g.rolname::text from pg_catalog.pg_auth_members m
    join pg_catalog.pg_roles g on g.oid = m.roleid join pg_catalog.pg_roles r on r.oid = m.member where r.rolname = 'aias_worker'$$,
  array[]::text[], 'aias_worker: may become nobody');
select unreachable('aias_worker', 'select from public.executions', 'reads no execution but through its functions');
select unreachable('aias_worker', $$insert into queue.jobs (tenant_id, execution_id)
  values ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e3')$$, 'makes no job');
select unreachable('aias_worker', $$select public.start_execution('01900000-0000-7000-8000-00000000a0f1')$$, 'starts no execution');
select unreachable('aias_worker', $$select aias.quota_give('01900000-0000-7000-8000-00000000a000', 'llm_tokens', 1)$$, 'gives itself no tokens');

select sees('aias_worker', $$select from queue.claim('w2', 10, interval '30 seconds', '{}', '{}', '{}')$$, 2, 'claims what is due and leaves what another holds');
select answers('aias_worker', $$select fencing_token || ' ' || cancel_requested || ' ' || jsonb_array_length(steps)
    from queue.claim('w2', 10, interval '30 seconds', '{}', '{}', '{}') where execution_id = '01900000-0000-7000-8000-00000000b0e1'$$, '1 false 1',
  'gets a fencing token and the steps that are recorded');
select answers('aias_worker', $$select tenant_name || ' ' || (plan ->> 'format')
    from queue.plan('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0f1', 1)$$, 'Alpha 1', 'gets a plan');
select sees('aias_worker', $$select from queue.plan('01900000-0000-7000-8000-00000000b000', '01900000-0000-7000-8000-00000000a0f1', 1)$$, 0,
  'gets no plan of one tenant in the name of another');
select answers('aias_worker', $$select model from queue.agent('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0a1')$$,
  'openai/gpt-4o-mini', 'gets an agent');
select sees('aias_worker', $$select from queue.agent('01900000-0000-7000-8000-00000000b000', '01900000-0000-7000-8000-00000000a0a1')$$, 0,
  'gets no agent of one tenant in the name of another');
select sees('aias_worker', format('select from queue.renew(%L, %L, %L, %L, interval %L)', held.worker,
    '{01900000-0000-7000-8000-00000000a000}'::uuid[], '{01900000-0000-7000-8000-00000000a0e2}'::uuid[], array[held.token::bigint], '30 seconds'), held.renewed, held.why)
  from (values ('w1', 1, 1, 'renews what it holds'), ('w1', 0, 0, 'renews nothing by an old token'),
               ('w2', 1, 0, 'renews nothing that another holds')) held (worker, token, renewed, why);
select answers('aias_worker', $$select queue.reserve_tokens('01900000-0000-7000-8000-00000000a000',
    '01900000-0000-7000-8000-00000000a0e2', 1, 100) is not null$$, 'true', 'sets tokens aside for what it holds');
select answers('aias_worker', $$select queue.reserve_tokens('01900000-0000-7000-8000-00000000a000',
    '01900000-0000-7000-8000-00000000a0e2', 0, 100) is null$$, 'true', 'sets no tokens aside by an old token');
select answers('aias_worker', $$select queue.next_due() <= now() + interval '1 minute'$$, 'true', 'learns when the next lease or timer ends');

-- A worker that died in the middle of a call: nobody settled, and the lease is over.
create temp table reserved as
  select aias.quota_reserve('01900000-0000-7000-8000-00000000b000', 'llm_tokens', 70, interval '1 microsecond') as id;
insert into aias.rate_limits (key, per, empty_at) values ('gone', 60000000000, 0), ('live', 60000000000, 9223372036854775807);
select lives_ok($$select assertions.keep('aias_worker', 'select queue.sweep()')$$, 'aias_worker: sweeps');
select ok(lapsed, 'a reservation whose lease is over is given back') from aias.quota_reservations r join reserved using (id);
select set_eq('select key from aias.rate_limits', array['live'], 'a count that is over is gone, and no other');

-- A result: accepted from the holder, refused from anybody late, written once.
create function pg_temp.record(worker text, token bigint, status text, step jsonb) returns text language sql as $$
  select assertions.keep('aias_worker', format(
    'select written from queue.record(%L, ''30 s'', %L, %L, %L, %L, array[null::timestamptz], %L, array[null::jsonb], array[now()], %L, %L, %L, %L,
       array[null::text], %L, %L, %L, array[null::text], array[null::jsonb], %L, array[null::jsonb], array[null::timestamptz],
       array[now()], array[now()], %L)',
    worker, '{01900000-0000-7000-8000-00000000a000}'::uuid[], '{01900000-0000-7000-8000-00000000a0e2}'::uuid[], array[token], array[status],
    array['{"done": true}'::jsonb], array[1], array[1], array[step ->> 'node_id'], array[-1], array[step ->> 'kind'], array[step ->> 'status'],
    array[1], array[step -> 'output'], array[jsonb_build_object('usage', step -> 'usage')]))
$$;
create temp table greeting as select jsonb_build_object(
  'node_id', 'greet', 'kind', 'ai', 'status', 'succeeded', 'output', '{"text": "hello"}'::jsonb, 'finished_at', now(),
  'usage', '{"provider": "openai", "model": "gpt-4o-mini", "input_tokens": 1000000, "output_tokens": 1000000}'::jsonb) as step;

select is(pg_temp.record('w2', 1, 'running', step), 'false', 'aias_worker: a result of one that does not hold the job is refused') from greeting;
select is(pg_temp.record('w1', 0, 'running', step), 'false', 'aias_worker: a result with an old fencing token is refused') from greeting;
select is(count(*), 0::bigint, 'a refused result costs nothing')
  from public.usage where execution_id = '01900000-0000-7000-8000-00000000a0e2';
select is(pg_temp.record('w1', 1, 'succeeded', step), 'true', 'aias_worker: a result of the holder is accepted') from greeting;
select is(status || ' ' || (finished_at is not null)::text || ' ' || output, 'succeeded true {"done": true}', 'the execution has ended')
  from public.executions where id = '01900000-0000-7000-8000-00000000a0e2';
select is(status || ' ' || model || ' ' || trim_scale(cost_usd), 'succeeded openai/gpt-4o-mini 0.75', 'its step is recorded with its cost')
  from public.execution_steps where execution_id = '01900000-0000-7000-8000-00000000a0e2';
select is(count(*), 1::bigint, 'its call is counted once')
  from public.usage where execution_id = '01900000-0000-7000-8000-00000000a0e2';
select is(pg_temp.record('w1', 1, 'succeeded', step), 'false', 'aias_worker: the same result again is refused') from greeting;

-- aias_edge --------------------------------------------------------------------------------------------------------------------------------

select set_eq($$select g.rolname::text from pg_catalog.pg_auth_members m
    join pg_catalog.pg_roles g on g.oid = m.roleid join pg_catalog.pg_roles r on r.oid = m.member where r.rolname = 'aias_edge'$$,
  array['anon', 'authenticated'], 'aias_edge: may become a caller and nobody else');
select unreachable('aias_edge', 'select from public.subscription_plans', 'reads not even what everybody reads');

select * from finish();
rollback;
