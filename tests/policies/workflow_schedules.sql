-- public.workflow_schedules: workflows.read sees when workflows run; nobody writes it.

begin;
\ir ../fixtures/world.sql
select plan(44);

delete from queue.schedules;
insert into public.workflows (tenant_id, id, name, status, nodes)
select t.id, (left(t.id::text, 34) || 'f7')::uuid, 'Nightly of ' || t.name, 'active',
       '[{"id": "start", "type": "trigger", "config": {"kind": "schedule", "cron": "0 3 * * *", "timezone": "Europe/Berlin", "missed": "once"}}]'
  from public.tenants t where t.subdomain in ('alpha', 'beta');
update queue.schedules set last_error = 'the plan is used up';

-- owner, admin, editor, viewer: workflows.read ----------------------------------------------------------------------------------------

select answers(actor, $$select workflow_id || ' ' || cron || ' ' || timezone || ' ' || missed || ' ' || last_error from public.workflow_schedules$$,
    '01900000-0000-7000-8000-00000000a0f7 0 3 * * * Europe/Berlin once the plan is used up', 'sees the schedules of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'viewer@alpha.test']) actor;
select sees('both@alpha.test', 'select from public.workflow_schedules', 2, 'sees those of both tenants');

-- billing, auditor, blind, stranger, anon ------------------------------------------------------------------------------------------------

select denied(actor, 'select from public.workflow_schedules', 'sees no schedule')
  from unnest(array['billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'stranger@gamma.test', 'anon']) actor;
select denied('owner@beta.test', $$select from public.workflow_schedules where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
  'sees no schedule of Alpha');

-- Nobody writes it ------------------------------------------------------------------------------------------------------------------------

select denied(actor, statement, 'changes nothing by hand: ' || left(statement, 6))
  from unnest(array['owner@alpha.test', 'editor@alpha.test', 'anon']) actor, unnest(array[
    $$insert into public.workflow_schedules (tenant_id, workflow_id, version, cron, timezone, missed)
      values ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0f1', 1, '* * * * *', 'UTC', 'all')$$,
    $$update public.workflow_schedules set cron = '* * * * *'$$, 'delete from public.workflow_schedules']) statement;
select unreachable(actor, statement, 'reaches nothing behind the view: ' || left(statement, 12))
  from unnest(array['owner@alpha.test', 'anon', 'aias_edge']) actor,
       unnest(array[$$update queue.schedules set run_at = now()$$, $$select * from queue.claim_schedules('me', 1, '1 hour')$$]) statement;
select unreachable('aias_worker', 'select from queue.schedules', 'reads no schedule but through its functions');
select answers('aias_worker', $$select count(*) from queue.claim_schedules('w', 10, '1 minute')$$, '2', 'claims those of all tenants');

-- What is published is what runs ----------------------------------------------------------------------------------------------------------

update public.workflows set status = 'paused' where id = '01900000-0000-7000-8000-00000000a0f7';
select sees('viewer@alpha.test', 'select from public.workflow_schedules', 0, 'a paused workflow has no schedule');

select * from finish();
rollback;
