-- public.captured_calls: audit.read sees what models were asked, of its own tenant; edge-api writes it, masked, for tenants that want it.

begin;
\ir ../fixtures/world.sql
select plan(49);

-- owner, admin: audit.read ----------------------------------------------------------------------------------------------------------------

select sees(actor, 'select from public.captured_calls', 1, 'reads what models were asked in their tenant and in no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test']) actor;

-- editor, viewer, billing, auditor of executions, keys, stranger, anon --------------------------------------------------------------------------------------------

select denied(actor, 'select from public.captured_calls', 'reads nothing that models were asked')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'key:robot', 'key:revoked', 'stranger@gamma.test', 'anon']) actor;
select denied('owner@beta.test', $$select from public.captured_calls where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
  'reads nothing that models were asked in Alpha');

-- Nobody writes it by hand ----------------------------------------------------------------------------------------------------------------

select denied(actor, $$insert into public.captured_calls (tenant_id, model, asked, is_whole, expires_at)
  values ('01900000-0000-7000-8000-00000000a000', 'openai/o3', '{}', true, now())$$, 'says of no model that it was asked')
  from unnest(array['owner@alpha.test', 'auditor@alpha.test', 'anon']) actor;
select denied(actor, $$update public.captured_calls set asked = '{}'$$, 'rewrites nothing') from unnest(array['owner@alpha.test', 'auditor@alpha.test']) actor;
select denied(actor, 'delete from public.captured_calls', 'takes nothing away') from unnest(array['owner@alpha.test', 'auditor@alpha.test']) actor;

-- What is kept, and for how long ----------------------------------------------------------------------------------------------------------

create function pg_temp.keep_content(tenant text, n integer, asked text default '{}', answered text default '{"text": "x"}', ended_at timestamptz default now()) returns void
language sql as $$
  select assertions.keep('aias_edge', format('select edge.keep_contents(%L)', jsonb_build_array(jsonb_build_object(
    'tenant_id', tenant, 'id', format('01900000-0000-7000-8000-0000000000%s', n), 'model', 'openai/o3', 'asked', asked::jsonb, 'answered', answered::jsonb,
    'is_whole', true, 'ended_at', ended_at))))
$$;
create function pg_temp.kept() returns text language sql as $$
  select coalesce(string_agg(right(c.id::text, 2), ' ' order by c.id), '') from public.captured_calls c where c.model = 'openai/o3'
$$;

select pg_temp.keep_content(:'alpha', 10) \g /dev/null
select is(pg_temp.kept(), '', 'nothing is kept for a tenant that has not asked for it');
select allowed('owner@alpha.test', 'update public.tenants set content_kept_days = 30', 1, 'who manages the tenant switches it on');
select denied('auditor@alpha.test', 'update public.tenants set content_kept_days = 30', 'does not');
select broken('owner@alpha.test', format('update public.tenants set content_kept_days = %s', days), '23514', format('keeps nothing for %s days', days))
  from unnest(array[0, -1, 366]) days;
update public.tenants set content_kept_days = 30 where id = :'alpha';
select pg_temp.keep_content(:'alpha', 11), pg_temp.keep_content(:'alpha', 11, '{"other": 1}'), pg_temp.keep_content(:'alpha', 12, '{}', 'null'),
       pg_temp.keep_content(:'beta', 13), pg_temp.keep_content(:'alpha', 14, format('{"text": "%s"}', repeat('x', 262144))),
       pg_temp.keep_content(:'alpha', 15, ended_at => now() - interval '10 days') \g /dev/null
select is(pg_temp.kept(), '11 12 15', 'each call is kept once, of tenants that want it, and not what is too large');
select is(asked, '{}'::jsonb, 'as it was said first') from public.captured_calls where id = '01900000-0000-7000-8000-000000000011';
select is(answered, null, 'and no answer where there was none') from public.captured_calls where id = '01900000-0000-7000-8000-000000000012';
select is(expires_at, now() + interval '30 days', 'for as long as the tenant says') from public.captured_calls where id = '01900000-0000-7000-8000-000000000011';

update public.tenants set content_kept_days = 365 where id = :'alpha';
select is(expires_at, now() + interval '30 days', 'what was to be over stays so') from public.captured_calls where id = '01900000-0000-7000-8000-000000000011';
update public.tenants set content_kept_days = 7 where id = :'alpha';
select is(expires_at, now() + interval '7 days', 'and sooner where the tenant wants that') from public.captured_calls where id = '01900000-0000-7000-8000-000000000011';
select queue.sweep() \g /dev/null
select is(pg_temp.kept(), '11 12', 'what is over is swept away');
update public.tenants set content_kept_days = null where id = :'beta';
update public.tenants set content_kept_days = null where id = :'alpha';
select queue.sweep() \g /dev/null
select is(pg_temp.kept(), '', 'and all of it when the tenant does not want it any more');

select * from finish();
rollback;
