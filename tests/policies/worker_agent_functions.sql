-- Functions that a model may have called: queue.agent_functions, queue.call_agent_function, and what the operator says, private.allow_agent_function

begin;
\ir ../fixtures/world.sql
select plan(60);

-- The product's own: one table, and functions on it ---------------------------------------------------------------------------------------

create table public.orders (
  tenant_id uuid not null, number integer not null, note text, primary key (tenant_id, number));
alter table public.orders enable row level security;
grant select, insert on public.orders to authenticated;
create policy "members read orders" on public.orders for select to authenticated using (aias.among(tenant_id, (select aias.tenants_with('agents.read'))));
create policy "members write orders" on public.orders for insert to authenticated with check (aias.among(tenant_id, (select aias.tenants_with('agents.write'))));
insert into public.orders select '01900000-0000-7000-8000-00000000a000', n, 'of Alpha' from generate_series(1, 150) n;
insert into public.orders select '01900000-0000-7000-8000-00000000b000', n, 'of Beta' from generate_series(1, 3) n;

create function public.find_orders(note text, at_least integer default 0, numbers integer[] default null) returns setof public.orders
language sql stable set search_path = '' as $$
  select o.* from public.orders o where o.note like find_orders.note and o.number >= at_least and (numbers is null or o.number = any (numbers)) order by 2
$$;
create function public.add_order(tenant_id uuid, number integer) returns integer language sql set search_path = '' as $$
  insert into public.orders (tenant_id, number, note) values ($1, $2, 'added') returning number $$;
create function public.who_am_i() returns text language sql stable set search_path = '' as $$
  select concat_ws(' ', current_user, auth.uid(), current_setting('transaction_read_only')) $$;
create function public.escape() returns void language plpgsql set search_path = '' as $$ begin set role none; end $$;
create function public.escape_to_worker() returns void language plpgsql set search_path = '' as $$ begin perform set_config('role', 'aias_worker', true); end $$;
create function public.much() returns text language sql stable set search_path = '' as $$ select repeat('x', 300000) $$;
create function public.sleepy() returns void language sql set search_path = '' as $$ select pg_catalog.pg_sleep(30) $$;
create function public.as_owner() returns bigint language sql security definer set search_path = '' as $$ select count(*) from public.orders $$;
create function public.unpinned() returns bigint language sql as $$ select count(*) from public.orders $$;
create function public.twice(a integer) returns integer language sql set search_path = '' as $$ select 1 $$;
create function public.twice(a integer, b integer default 1) returns integer language sql set search_path = '' as $$ select 2 $$;
create function public.unnamed(integer) returns integer language sql set search_path = '' as $$ select 1 $$;
create function public.hidden() returns integer language sql set search_path = '' as $$ select 1 $$;
grant execute on all functions in schema public to authenticated;
revoke execute on function public.hidden() from authenticated, public;

-- None by itself --------------------------------------------------------------------------------------------------------------------------

create function pg_temp.calling(called text, arguments text default '{}', execution text default '01900000-0000-7000-8000-00000000a0e2',
  tenant text default '01900000-0000-7000-8000-00000000a000', token bigint default 1) returns text language sql as $$
  select format('select case when not held then ''lost'' when refusal is not null then refusal else answer::text end from queue.call_agent_function(%L, %L, %s, %L, %L)',
    tenant, execution, token, called, arguments)
$$;
create function pg_temp.started_by(who text) returns void language sql as $$
  update public.executions set started_by = (select u.id from public.users u where u.email = who) where id = '01900000-0000-7000-8000-00000000a0e2'
$$;
select pg_temp.started_by('owner@alpha.test') \g /dev/null
select is_empty('select from private.agent_functions', 'no function is an agent''s to call by itself');
select answers('aias_worker', pg_temp.calling('find_orders', '{"note": "%"}'), 'no agent may call find_orders', 'calls nothing that is not allowed');

-- What the operator may allow -------------------------------------------------------------------------------------------------------------

create function pg_temp.allowing(callee text, properties text default '{}', read_only boolean default true) returns text language sql as $$
  select format('select private.allow_agent_function(%L, ''Does it.'', %L, is_read_only => %L)', callee, format('{"type": "object", "properties": %s}', properties), read_only)
$$;
select throws_ok(pg_temp.allowing(callee), code, null, 'nobody allows ' || callee)
  from (values
    ('public.as_owner()', '42809'), ('public.unpinned()', '42809'), ('public.twice(integer)', '42809'), ('public.unnamed(integer)', '42809'),
    ('public.hidden()', '42809'), ('private.principal()', '42809'), ('queue.next_due()', '42809'), ('auth.uid()', '42809'),
    ('pg_catalog.set_config(text, text, boolean)', '42809'), ('pg_catalog.pg_sleep(double precision)', '42809'), ('public.no_such()', '42883')
  ) refused (callee, code);
select throws_ok(pg_temp.allowing('public.find_orders(text, integer, integer[])', '{"note": {}, "password": {}}'), '42P02', null, 'nor a parameter that is not there');
select lives_ok(pg_temp.allowing(callee, properties, read_only), 'allows ' || callee)
  from (values
    ('public.find_orders(text, integer, integer[])', '{"note": {"type": "string"}}', true), ('public.who_am_i()', '{}', true), ('public.escape()', '{}', false),
    ('public.escape_to_worker()', '{}', false), ('public.much()', '{}', true), ('public.sleepy()', '{}', false),
    ('public.add_order(uuid, integer)', '{"tenant_id": {}, "number": {}}', true)
  ) allowed (callee, properties, read_only);
select unreachable(actor, pg_temp.allowing('public.who_am_i()'), 'allows nothing') from unnest(array['owner@alpha.test', 'anon', 'aias_edge', 'aias_worker']) actor;
select answers('aias_worker', $$select string_agg(name || ' ' || description, ', ') from queue.agent_functions('{who_am_i,as_owner,no_such}')$$,
  'who_am_i Does it.', 'is told of those that are allowed');

-- As the person for whom the execution runs -----------------------------------------------------------------------------------------------

select answers('aias_worker', pg_temp.calling('who_am_i'), '["authenticated 01900000-0000-7000-8000-0000000000a1 on"]', 'calls as its owner, and writes nothing');
select answers('aias_worker', pg_temp.calling('find_orders', arguments), answer, 'asks with ' || arguments)
  from (values
    ('{"note": "%", "numbers": [2, 1, 7777]}', '[{"note": "of Alpha", "number": 1, "tenant_id": "01900000-0000-7000-8000-00000000a000"}, {"note": "of Alpha", "number": 2, "tenant_id": "01900000-0000-7000-8000-00000000a000"}]'),
    ('{"note": "of Beta"}', '[]'),
    ('{"note": "x'' or true; drop table public.orders; --"}', '[]'),
    ('{"note": "%", "at_least": "150"}', '[{"note": "of Alpha", "number": 150, "tenant_id": "01900000-0000-7000-8000-00000000a000"}]'),
    ('{"note": "%", "x => 1); drop table public.orders; --": 1}', 'there is no argument x => 1); drop table public.orders; --'),
    ('[1]', 'the arguments are no object'),
    ('null', 'the arguments are no object')
  ) asked (arguments, answer);
select answers('aias_worker', $$select jsonb_array_length(answer) || ' ' || has_more from queue.call_agent_function('01900000-0000-7000-8000-00000000a000',
    '01900000-0000-7000-8000-00000000a0e2', 1, 'find_orders', '{"note": "%"}')$$, '100 true', 'gets 100 rows, and that there are more');
select broken('aias_worker', pg_temp.calling('find_orders', '{"note": "%", "at_least": "1; drop table public.orders"}'), '22P02', 'reads no text as SQL');
select answers('aias_worker', pg_temp.calling('much'), 'the answer is longer than 256 KiB: ask for less', 'gets no more than fits');
select broken('aias_worker', pg_temp.calling('add_order', '{"tenant_id": "01900000-0000-7000-8000-00000000a000", "number": 999}'), '25006', 'writes nothing by what only reads');
select broken('aias_worker', pg_temp.calling(called), '42501', 'gets its rights back by no ' || called) from unnest(array['escape', 'escape_to_worker']) called;

select answers('aias_worker', pg_temp.calling('who_am_i', token => 0), 'lost', 'calls nothing by an old token');
select answers('aias_worker', pg_temp.calling('who_am_i', tenant => '01900000-0000-7000-8000-00000000b000'), 'lost', 'nor for another tenant');

-- Where it writes.
select pg_temp.allowing('public.add_order(uuid, integer)', '{"tenant_id": {}, "number": {}}', false) as again \gset
:again \g /dev/null
select answers('aias_worker', pg_temp.calling('add_order', '{"tenant_id": "01900000-0000-7000-8000-00000000a000", "number": 999}'), '[999]', 'writes by what may');
select broken('aias_worker', pg_temp.calling('add_order', '{"tenant_id": "01900000-0000-7000-8000-00000000b000", "number": 999}'), '42501', 'and not for another tenant');
select pg_temp.started_by('viewer@alpha.test') \g /dev/null
select broken('aias_worker', pg_temp.calling('add_order', '{"tenant_id": "01900000-0000-7000-8000-00000000a000", "number": 998}'), '42501', 'nor what the person may not');

-- Whoever it is
create function pg_temp.count() returns text language sql as $$ select replace(pg_temp.calling('find_orders', '{"note": "%"}'), 'answer::text', 'jsonb_array_length(answer)::text') $$;
select answers('aias_worker', pg_temp.count(), '100', 'reads for a viewer what a viewer reads');
select pg_temp.started_by('billing@alpha.test') \g /dev/null
select answers('aias_worker', pg_temp.count(), '0', 'and for who reads no agents nothing');
select pg_temp.started_by('both@alpha.test') \g /dev/null
select answers('aias_worker', pg_temp.count(), 'the person that it is called for belongs to several tenants, whose data it could mix', 'mixes no tenants');
update public.executions set started_by = null where id = '01900000-0000-7000-8000-00000000a0e2';
select answers('aias_worker', pg_temp.count(), 'nobody started this execution who could be asked for: it was a key, a schedule, a webhook or an event', 'has to have somebody');
select pg_temp.started_by('viewer@alpha.test') \g /dev/null
delete from public.memberships where user_id = (select id from public.users where email = 'viewer@alpha.test');
select answers('aias_worker', pg_temp.count(), 'the person that it is called for is no member any more', 'reads nothing for who has left');

-- A function that has changed since it was allowed is not.
select pg_temp.started_by('owner@alpha.test') \g /dev/null
alter function public.who_am_i() security definer;
select answers('aias_worker', pg_temp.calling('who_am_i'), 'no agent may call who_am_i', 'calls nothing that runs as its owner by now');
select private.disallow_agent_function('find_orders') \g /dev/null
select answers('aias_worker', pg_temp.count(), 'no agent may call find_orders', 'nor what is not allowed any more');
select unreachable(actor, pg_temp.calling('much'), 'calls nothing in an agent''s name') from unnest(array['owner@alpha.test', 'anon', 'aias_edge']) actor;

-- Agents declare what is allowed ----------------------------------------------------------------------------------------------------------

create function pg_temp.with_tool(tool text) returns text language sql as $$
  select format($insert$insert into public.ai_agents (tenant_id, name, slug, model, config)
    values ('01900000-0000-7000-8000-00000000a000', 'New', 'new', 'openai/gpt-4o', '{"tools": [%s]}')$insert$, tool)
$$;
select allowed('editor@alpha.test', pg_temp.with_tool('{"type": "rpc", "function": "much"}, {"type": "rpc", "function": "sleepy"}'), 1, 'lets an agent call what is allowed');
select refused('editor@alpha.test', pg_temp.with_tool(tool), 400, 'agent_config_invalid', 'does not declare ' || tool)
  from unnest(array['{"type": "rpc"}', '{"type": "rpc", "function": "a b"}', '{"type": "rpc", "function": "find_orders"}',
    '{"type": "rpc", "function": "much"}, {"type": "rpc", "function": "much"}']) tool;

select * from finish();
rollback;
