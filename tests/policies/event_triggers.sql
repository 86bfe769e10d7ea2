-- Changed rows that start workflows: private.enable_event_trigger, private.start_by_event.

begin;
\ir ../fixtures/world.sql
select plan(38);

create function pg_temp.published(tenant uuid, told_table text, operations text) returns uuid language sql as $$
  insert into public.workflows (tenant_id, name, status, nodes)
  values (tenant, 'Told of ' || told_table, 'active', jsonb_build_array(jsonb_build_object('id', 'start', 'type', 'trigger',
    'config', jsonb_build_object('kind', 'event', 'table', told_table, 'operations', operations::jsonb))))
  returning id
$$;
create function pg_temp.told(workflow uuid) returns table (operation text, name text, old_name text, version integer) language sql as $$
  select e.input ->> 'operation', e.input #>> '{row,name}', e.input #>> '{old,name}', e.workflow_version
    from public.executions e where e.workflow_id = workflow
$$;
create function pg_temp.forget() returns void language sql as $$ delete from public.executions where workflow_id in (
  select workflow_id from private.event_subscriptions) $$;

-- Whose rows are told to whom -----------------------------------------------------------------------------------------------------------

select pg_temp.published(:'alpha', 'ai_agents', '["insert", "update", "delete"]') as alphas,
       pg_temp.published(:'beta', 'public.ai_agents', '["update"]') as betas \gset

insert into public.ai_agents (tenant_id, name, slug, model)
select t.id, 'New', 'new-' || i, 'openai/gpt-4o-mini' from public.tenants t, generate_series(1, 2) i where t.subdomain in ('alpha', 'beta', 'guarded');
select results_eq(format('select * from pg_temp.told(%L)', :'alphas'), $$values ('insert', 'New', null, 1), ('insert', 'New', null, 1)$$,
  'each of the tenant''s rows of a statement starts one execution');
select is_empty(format('select * from pg_temp.told(%L)', :'betas'), 'who asked for updates is told of no insert');
select is(count(*), 2::bigint, 'each has a job') from queue.jobs j join public.executions e on e.id = j.execution_id where e.workflow_id = :'alphas';
select pg_temp.forget() \g /dev/null

update public.ai_agents set name = 'Newer' where slug = 'new-1';
select results_eq(format('select * from pg_temp.told(%L)', w), $$values ('update', 'Newer', 'New', 1)$$, 'an update tells what was and what is, to the tenant')
  from unnest(array[:'alphas', :'betas']) w;
select is(e.input ->> 'table', 'ai_agents', 'the table is named as people know it') from public.executions e where e.workflow_id = :'betas';
select pg_temp.forget() \g /dev/null

update public.ai_agents set name = name where slug = 'new-1';
update public.ai_agents set name = 'nobody' where slug = 'none';
select is_empty(format('select * from pg_temp.told(%L)', :'alphas'), 'an update that changes nothing is no event');
delete from public.ai_agents where slug = 'new-2';
select results_eq(format('select * from pg_temp.told(%L)', :'alphas'), $$values ('delete', null, 'New', 1)$$, 'a delete tells what was');
select is((select e.input -> 'row' from public.executions e where e.workflow_id = :'alphas'), 'null'::jsonb, 'and that nothing is there');
select pg_temp.forget() \g /dev/null

-- By those who change rows: they need no right to start anything.
select keep('blind@alpha.test', $$insert into public.ai_agents (tenant_id, name, slug, model)
  values ('01900000-0000-7000-8000-00000000a000', 'Of blind', 'of-blind', 'openai/gpt-4o-mini')$$) \g /dev/null
select results_eq(format('select * from pg_temp.told(%L)', :'alphas'), $$values ('insert', 'Of blind', null, 1)$$, 'whoever changes the row');
select is(e.started_by, null, 'nobody has started it') from public.executions e where e.workflow_id = :'alphas';
select pg_temp.forget() \g /dev/null

-- Secrets ---------------------------------------------------------------------------------------------------------------------------------

update public.ai_agents set config = '{"api_key": "sk-hush", "temperature": 1}' where slug = 'new-1';
select is(e.input #> '{row,config}', '{"api_key": "(masked)", "temperature": 1}', 'what sounds like a secret is masked')
  from public.executions e where e.workflow_id = :'alphas';
select pg_temp.forget() \g /dev/null
select private.enable_event_trigger('public.ai_agents', '{config,model}', 'agents.read') \g /dev/null
update public.ai_agents set name = 'Third' where slug = 'new-1';
select ok(not e.input -> 'row' ?| '{config,model}' and not e.input -> 'old' ?| '{config,model}' and e.input #>> '{row,name}' = 'Third',
    'hidden columns are told to nobody') from public.executions e where e.workflow_id = :'alphas';
select pg_temp.forget() \g /dev/null

-- What does not start, and never undoes the change ----------------------------------------------------------------------------------------

update public.tenants set limit_overrides = jsonb_build_object('executions', (
  select q.used + 1 from aias.quota_status(:'alpha') q where q.meter = 'executions')) where id = :'alpha';
insert into public.ai_agents (tenant_id, name, slug, model) select :'alpha', 'Many', 'many-' || i, 'openai/gpt-4o-mini' from generate_series(1, 3) i;
select is(count(*), 3::bigint, 'a plan that is used up undoes no change') from public.ai_agents where name = 'Many';
select is(count(*), 1::bigint, 'it starts what it still can') from pg_temp.told(:'alphas');
select is(i.after - 'table', '{"reason": "quota_exceeded", "started": 1, "skipped": 2, "operation": "insert"}', 'and the log says what was left out')
  from audit.inbox i where i.action = 'workflows.events_skipped' and i.subject_id = :'alphas';
update public.tenants set limit_overrides = '{"executions": null}' where id = :'alpha';
select pg_temp.forget() \g /dev/null

insert into public.ai_agents (tenant_id, name, slug, model)
select :'alpha', 'Very many', 'very-many-' || i, 'openai/gpt-4o-mini' from generate_series(1, 1010) i;
select ok(count(*) between 980 and 1000, 'a statement, and a minute, start a thousand at most') from pg_temp.told(:'alphas');
select is(count(*), 1010::bigint, 'whatever else it writes') from public.ai_agents where name = 'Very many';
select pg_temp.forget() \g /dev/null

update public.tenants set status = 'suspended' where id = :'beta';
update public.ai_agents set name = 'Of a suspended tenant' where slug = 'new-1';
select is_empty(format('select * from pg_temp.told(%L)', :'betas'), 'a suspended tenant starts nothing');
update public.tenants set status = 'active' where id = :'beta';
update public.workflows set status = 'paused' where id = :'betas';
update public.ai_agents set name = 'Of a paused workflow' where slug = 'new-1';
select is_empty(format('select * from pg_temp.told(%L)', :'betas'), 'a paused workflow is told nothing');
select is(count(*), 0::bigint, 'and has no subscription') from private.event_subscriptions where workflow_id = :'betas';
update public.workflows set status = 'active' where id = :'betas';
select lives_ok(format('delete from public.tenants where id = %L', :'beta'), 'a tenant goes with its rows, and nothing starts on the way');

-- Publishing ------------------------------------------------------------------------------------------------------------------------------

select throws_ok(format('select pg_temp.published(%L, %L, %L)', :'alpha', told_table, '["insert"]'), 'PGRST', null, 'no workflow is told of ' || told_table)
  from unnest(array['executions', 'api_keys', 'private.webhooks', 'no_such_table']) told_table;
select is(p.code || ' ' || p.node_id || ' ' || p.pointer, 'unknown_table start /nodes/0/config/table', 'an unknown table is a problem with a place')
  from private.workflow_problems(:'alpha', '[{"id": "start", "type": "trigger", "config": {"kind": "event", "table": "nope", "operations": ["insert"]}}]', '[]') p;
insert into public.workflows (tenant_id, id, name, nodes) values (:'alpha', '01900000-0000-7000-8000-00000000a0f8', 'Told of agents',
  '[{"id": "start", "type": "trigger", "config": {"kind": "event", "table": "ai_agents", "operations": ["insert"]}}]');
insert into public.roles (tenant_id, key, name, permissions) values (:'alpha', 'drawer', 'Drawer', '{workflows.read,workflows.write}');
update public.memberships set role = 'drawer' where user_id = (select id from public.users where email = 'auditor@alpha.test');
select refused('auditor@alpha.test', $$update public.workflows set status = 'active' where id = '01900000-0000-7000-8000-00000000a0f8'$$,
  403, 'forbidden', 'publishes nothing that would tell of rows that they may not read');
select allowed('editor@alpha.test', $$update public.workflows set status = 'active' where id = '01900000-0000-7000-8000-00000000a0f8'$$, 1,
  'publishes what tells of rows that they may read');

-- Tables of the product ------------------------------------------------------------------------------------------------------------------

create table public.orders (id bigint primary key, tenant_id uuid not null, card text);
create table public.nobodys (id bigint primary key);
create table public.keyless (tenant_id uuid not null);
select throws_ok($$select private.enable_event_trigger('public.nobodys')$$, '42703', null, 'a table without tenant_id starts nothing');
select throws_ok($$select private.enable_event_trigger('public.keyless')$$, '42P16', null, 'nor does one without a key');
select throws_ok(format('select private.enable_event_trigger(%L)', forbidden), '42809', null, forbidden || ' cannot start workflows')
  from unnest(array['public.executions', 'public.usage', 'queue.jobs', 'public.workflow_schedules']) forbidden;
select throws_ok($$select private.enable_event_trigger('public.orders', '{crad}')$$, '42703', null, 'a hidden column has to be there');
select private.enable_event_trigger('public.orders', '{card}') \g /dev/null
select private.enable_event_trigger('public.orders', '{card}') \g /dev/null
select pg_temp.published(:'alpha', 'orders', '["update"]') as ordered \gset
insert into public.orders values (1, :'alpha', '4242'), (2, :'frozen', '4242');
-- A key without the tenant: what a row of another was is told to nobody.
update public.orders set tenant_id = :'alpha' where id = 2;
select results_eq(format($$select input - 'operation' from public.executions where workflow_id = %L$$, :'ordered'),
  format($$select jsonb_build_object('table', 'orders', 'old', null, 'row', jsonb_build_object('id', 2, 'tenant_id', %L::text))$$, :'alpha'),
  'a row that came from another tenant has no past');
select private.disable_event_trigger('public.orders') \g /dev/null
update public.orders set card = '1111';
select is(count(*), 1::bigint, 'a table that is closed again starts nothing') from public.executions where workflow_id = :'ordered';

select * from finish();
rollback;
