-- Stocks are what their tables hold, by whatever road a row comes or goes, and private.quota_audit() says so.

begin;
\ir ../fixtures/world.sql
select plan(49);

create function pg_temp.used(wanted text, tenant uuid default '01900000-0000-7000-8000-00000000a000') returns bigint language sql as $$
  select used from aias.quota_status(tenant) where meter = wanted
$$;
create function pg_temp.has_no_drift(description text) returns text language sql as $$
  select is_empty('select * from private.quota_audit()', description)
$$;

select pg_temp.has_no_drift('the seed and the world have no drift');
select has_no_privilege.said
  from (select is(has_function_privilege(role, 'private.quota_audit()', 'execute'), false, role || ' cannot ask for drift') as said
          from unnest(array['anon', 'authenticated', 'service_role', 'aias_edge', 'aias_worker']) role) has_no_privilege;

-- Workflows and members -------------------------------------------------------------------------------------------------------------------

create temp table before as select pg_temp.used('workflows') as workflows, pg_temp.used('users') as users;

insert into public.workflows (tenant_id, name)
select '01900000-0000-7000-8000-00000000a000', 'Many ' || n from generate_series(1, 3) n;
select is(pg_temp.used('workflows'), workflows + 3, 'one statement, three workflows') from before;
select pg_temp.has_no_drift('no drift after many rows in one statement');

delete from public.workflows where tenant_id = '01900000-0000-7000-8000-00000000a000' and name like 'Many %';
select is(pg_temp.used('workflows'), workflows, 'and given back') from before;

savepoint undone;
insert into public.workflows (tenant_id, name) values ('01900000-0000-7000-8000-00000000a000', 'Undone');
rollback to undone;
select is(pg_temp.used('workflows'), workflows, 'what is rolled back was never taken') from before;

update public.memberships set role = 'viewer' where user_id = '01900000-0000-7000-8000-0000000000a7';
select is(pg_temp.used('users'), users, 'a change of role takes nothing') from before;
select throws_ok($$update public.memberships set tenant_id = '01900000-0000-7000-8000-00000000b000', role = 'owner'
  where user_id = '01900000-0000-7000-8000-0000000000a7'$$, 'PGRST', null, 'a membership does not move to another tenant');
select throws_ok($$update public.workflows set tenant_id = '01900000-0000-7000-8000-00000000b000' where id = '01900000-0000-7000-8000-00000000a0f2'$$,
  'PGRST', null, 'nor does a workflow');
select pg_temp.has_no_drift('no drift after changes of role and moves');

savepoint emptied;
set local client_min_messages = warning;
truncate public.workflows cascade;
select is(pg_temp.used('workflows'), 0::bigint, 'a truncate gives everything back');
select pg_temp.has_no_drift('no drift after a truncate');
rollback to emptied;

savepoint departed;
delete from public.users where id = '01900000-0000-7000-8000-0000000000a8';
select is(pg_temp.used('users'), users - 1, 'an account that goes gives its seat back') from before;
select pg_temp.has_no_drift('no drift after an account went from two tenants');
rollback to departed;

savepoint gone;
delete from public.tenants where id = '01900000-0000-7000-8000-00000000b000';
select pg_temp.has_no_drift('no drift after a tenant is gone');
rollback to gone;

savepoint all_gone;
set local client_min_messages = warning;
truncate public.tenants cascade;
select is_empty('select * from aias.quota_usage()', 'a truncate of tenants leaves no counter');
rollback to all_gone;

-- Documents of agents ---------------------------------------------------------------------------------------------------------------------

create temp table texts as select pg_temp.used('storage_bytes') as alpha, pg_temp.used('storage_bytes', '01900000-0000-7000-8000-00000000b000') as beta;
select is(alpha, octet_length('What Alpha knows.')::bigint, 'a document takes the bytes of its content') from texts;
insert into public.agent_documents (tenant_id, agent_id, title, content) values
  ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0a1', 'One', 'äö'),
  ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0a1', 'Two', 'abc'),
  ('01900000-0000-7000-8000-00000000b000', '01900000-0000-7000-8000-00000000b0a1', 'One', repeat('x', 1000));
select is(pg_temp.used('storage_bytes'), alpha + 7, 'one statement, two documents: bytes and not characters') from texts;
select is(pg_temp.used('storage_bytes', '01900000-0000-7000-8000-00000000b000'), beta + 1000, 'and one of somebody else') from texts;
update public.agent_documents set content = 'a' where title = 'Two';
select is(pg_temp.used('storage_bytes'), alpha + 5, 'a shorter text gives back') from texts;
update public.agent_documents set title = 'A longer title' where title = 'Two';
select is(pg_temp.used('storage_bytes'), alpha + 5, 'a title takes nothing') from texts;
select pg_temp.has_no_drift('no drift after changes of documents');
update public.tenants set limit_overrides = jsonb_build_object('storage_bytes', (select alpha + 10 from texts)) where id = '01900000-0000-7000-8000-00000000a000';
select throws_ok($$insert into public.agent_documents (tenant_id, agent_id, title, content)
  values ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0a1', 'Big', 'sixsix')$$, 'PGRST', null, 'the plan is kept');
select lives_ok($$insert into public.agent_documents (tenant_id, agent_id, title, content)
  values ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0a1', 'Fits', 'fives')$$, 'to the last byte');
savepoint without_agent;
delete from public.ai_agents where id = '01900000-0000-7000-8000-00000000a0a1';
select is(pg_temp.used('storage_bytes'), 0::bigint, 'an agent gives back what its documents took');
select pg_temp.has_no_drift('no drift after an agent is gone');
rollback to without_agent;
savepoint without_documents;
set local client_min_messages = warning;
truncate public.agent_documents cascade;
select is(pg_temp.used('storage_bytes'), 0::bigint, 'a truncate gives everything back');
rollback to without_documents;
delete from public.agent_documents;
select is(pg_temp.used('storage_bytes'), 0::bigint, 'and so does a delete');
select pg_temp.has_no_drift('no drift after a delete of all documents');
update public.tenants set limit_overrides = '{}' where id = '01900000-0000-7000-8000-00000000a000';

-- Files -----------------------------------------------------------------------------------------------------------------------------------

select is(to_regclass('storage.objects'), null, 'this database has no storage');
select is(private.watch_storage(), false, 'so there is nothing to watch');

-- As much of Supabase Storage's table as matters here: https://github.com/supabase/storage/tree/master/migrations/tenant
create schema storage;
create table storage.objects (
  id uuid primary key default gen_random_uuid(),
  bucket_id text,
  name text,
  metadata jsonb,
  unique (bucket_id, name)
);
insert into storage.objects (bucket_id, name, metadata) values
  ('files', '01900000-0000-7000-8000-00000000a000/first.pdf', '{"size": 1000, "mimetype": "application/pdf"}'),
  ('files', 'nobody/at-all.pdf', '{"size": 5}'),
  ('files', '01900000-0000-7000-8000-00000000ffff/of-no-tenant.pdf', '{"size": 7}');

select is(private.watch_storage(), true, 'now there is');
select is(pg_temp.used('storage_bytes'), 1000::bigint, 'what was there is counted');
select is(private.watch_storage(), true, 'to watch twice is to watch once');

insert into storage.objects (bucket_id, name, metadata) values
  ('files', '01900000-0000-7000-8000-00000000A000/UPPER.pdf', '{"size": 10}'),
  ('files', '01900000-0000-7000-8000-00000000b000/other.pdf', '{"size": 20}'),
  ('files', '01900000-0000-7000-8000-00000000a000/under-way.pdf', null);
select is(pg_temp.used('storage_bytes'), 1010::bigint, 'a new file counts for its tenant, in capitals too; one under way does not yet');
select is(pg_temp.used('storage_bytes', '01900000-0000-7000-8000-00000000b000'), 20::bigint, 'and another one for its own');

insert into storage.objects (bucket_id, name, metadata)
values ('files', '01900000-0000-7000-8000-00000000a000/first.pdf', '{"size": 400}')
on conflict (bucket_id, name) do update set metadata = excluded.metadata;
select is(pg_temp.used('storage_bytes'), 410::bigint, 'a smaller version gives the difference back');

update storage.objects set name = '01900000-0000-7000-8000-00000000b000/moved.pdf' where name like '%/first.pdf';
select is(array[pg_temp.used('storage_bytes'), pg_temp.used('storage_bytes', '01900000-0000-7000-8000-00000000b000')],
  array[10, 420]::bigint[], 'a file that moves is counted where it is');
select pg_temp.has_no_drift('no drift among files');

select throws_ok($$insert into storage.objects (bucket_id, name, metadata)
  values ('files', '01900000-0000-7000-8000-00000000b000/huge.iso', '{"size": 1e17}')$$, 'PGRST', null, 'a file over the plan is refused');

-- The audit notices ------------------------------------------------------------------------------------------------------------------------

update aias.quota_slots set used = used + 2
 where tenant_id = '01900000-0000-7000-8000-00000000a000' and meter = 'workflows' and slot = 0;
select results_eq('select meter, drift from private.quota_audit()', $$values ('workflows', 2::bigint)$$, 'a counter that was tampered with is found');
select is(count(*), 1::bigint, 'and mended') from (
  select aias.quota_recount(tenant_id, meter, counted) from private.quota_audit()) mended;
select pg_temp.has_no_drift('after which there is none');

insert into public.agent_documents (tenant_id, agent_id, title, content)
values ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0a1', 'Beside files', 'abc');
truncate storage.objects;
select is(pg_temp.used('storage_bytes'), 3::bigint, 'a truncate of files leaves what documents take');
select pg_temp.has_no_drift('no drift after a truncate of files');

select * from finish();
rollback;
