-- The plan's requests_per_minute: as many executions are started in a minute, and a 429 says when to go on.
--
-- In a tenant of its own. What was counted is taken back by a rollback only where the extension is not preloaded; the suite holds in
-- either case.

begin;
\ir ../fixtures/world.sql
select plan(16);

insert into public.tenants (id, name, subdomain, plan_id, limit_overrides)
select '01900000-0000-7000-8000-00000000d000', 'Delta', 'delta', id, '{"requests_per_minute": 3}'
  from public.subscription_plans where key = 'professional';
insert into public.roles (tenant_id, key, name, permissions)
select '01900000-0000-7000-8000-00000000d000', r.key, r.name, r.permissions from private.built_in_roles r;
insert into public.memberships (tenant_id, user_id, role) values
  ('01900000-0000-7000-8000-00000000d000', '01900000-0000-7000-8000-0000000000b1', 'owner'),
  ('01900000-0000-7000-8000-00000000d000', '01900000-0000-7000-8000-0000000000a4', 'viewer');
insert into public.workflows (tenant_id, id, name, status, nodes, connections)
select '01900000-0000-7000-8000-00000000d000', '01900000-0000-7000-8000-00000000d0f1', 'Delta echo', w.status, w.nodes, w.connections
  from public.workflows w where w.id = '01900000-0000-7000-8000-00000000b0f1';

create function pg_temp.start(key text) returns text language sql as $$
  select assertions.keep('owner@beta.test',
    format('select id from public.start_execution(%L, %L, %L)', '01900000-0000-7000-8000-00000000d0f1', '{}', key))
$$;
\set start 'select public.start_execution(''01900000-0000-7000-8000-00000000d0f1'')'
\set replay 'select id from public.start_execution(''01900000-0000-7000-8000-00000000d0f1'', ''{}'', ''one'')'

-- owner: workflows.execute ---------------------------------------------------------------------------------------------------------------

create temp table started as select pg_temp.start('one') as first;
select isnt(pg_temp.start(key), first, 'owner@beta.test: starts as many as the plan allows') from started, unnest(array['two', 'three']) key;

select refused('owner@beta.test', :'start', 429, 'rate_limited', 'starts no fourth in the same minute');
select is(
  (body('owner@beta.test', :'start') ->> 'details')::jsonb - 'resets_at',
  '{"meter": "requests_per_minute", "limit": 3, "used": 3, "requested": 1}',
  'owner@beta.test: is told meter, limit, used and requested');
select is(h ->> 'X-Quota-Limit' || ' ' || (h ->> 'X-Quota-Remaining'), '3 0', 'owner@beta.test: gets the quota headers')
  from headers('owner@beta.test', :'start') h;
-- One leaves every twenty seconds.
select ok((h ->> 'Retry-After')::bigint between 1 and 20
          and (h ->> 'X-Quota-Reset')::bigint between extract(epoch from clock_timestamp()) and extract(epoch from clock_timestamp()) + 61,
    'owner@beta.test: is told when to come back')
  from headers('owner@beta.test', :'start') h;

select answers('owner@beta.test', :'replay', first, 'is answered what was started before, though the minute is used up') from started;
select refused('owner@beta.test', $$select public.start_execution('01900000-0000-7000-8000-00000000d0f1', '{"n": 2}', 'one')$$,
  409, 'idempotency_key_reused', 'is told of a key that was used, not of the minute');

select is(count(*), 3::bigint, 'a start that is refused leaves no row')
  from public.executions where tenant_id = '01900000-0000-7000-8000-00000000d000';
select is(used, 3::bigint, 'and is not charged')
  from aias.quota_status('01900000-0000-7000-8000-00000000d000') where meter = 'executions';

-- viewer, stranger, the other tenant: learn nothing of it --------------------------------------------------------------------------------

select refused('viewer@alpha.test', :'start', 403, 'forbidden', 'may not start it, minute or not');
select refused('stranger@gamma.test', :'start', 404, 'not_found', 'finds no such workflow, minute or not');
select allowed('owner@alpha.test', $$select public.start_execution('01900000-0000-7000-8000-00000000a0f1')$$, 1,
  'has a minute of their own');

-- Overrides ------------------------------------------------------------------------------------------------------------------------------

update public.tenants set limit_overrides = '{"requests_per_minute": null}' where id = '01900000-0000-7000-8000-00000000d000';
select allowed('owner@beta.test', :'start', 1, 'starts any number when there is no limit');
update public.tenants set limit_overrides = '{"requests_per_minute": 0}' where id = '01900000-0000-7000-8000-00000000d000';
select refused('owner@beta.test', :'start', 429, 'rate_limited', 'starts nothing on a plan of none');
select answers('owner@beta.test', :'replay', first, 'and is still answered what was started before') from started;

select * from finish();
rollback;
