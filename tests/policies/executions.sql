-- public.executions: executions.read sees; the rpcs and the workers write.

begin;
\ir ../fixtures/world.sql
select plan(63);

-- owner, admin, editor, viewer, auditor: executions.read ---------------------------------------------------------------------------------

select sees(actor, 'select from public.executions', 3, 'reads the executions of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'auditor@alpha.test']) actor;
select sees('both@alpha.test', 'select from public.executions', 4, 'reads the executions of both of their tenants');

-- billing, blind, stranger, anon: nothing of executions ----------------------------------------------------------------------------------

select denied(actor, 'select from public.executions', 'reads no execution')
  from unnest(array['billing@alpha.test', 'blind@alpha.test', 'stranger@gamma.test', 'anon']) actor;
select denied('owner@beta.test', $$select from public.executions where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
  'reads no execution of Alpha');
select unreachable('anon', 'select from public.executions', 'cannot even ask for executions');

-- Nobody writes them by hand -----------------------------------------------------------------------------------------------------------

select denied(actor, $$insert into public.executions (tenant_id, workflow_id, workflow_version)
    values ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0f1', 1)$$, 'starts nothing beside the rpc and the plan')
  from unnest(array['owner@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, $$update public.executions set status = 'cancelled', finished_at = now()$$, 'ends nothing beside the rpc')
  from unnest(array['owner@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, $$update public.executions set tenant_id = '01900000-0000-7000-8000-00000000b000'$$, 'moves nothing to Beta')
  from unnest(array['owner@alpha.test', 'both@alpha.test']) actor;
select denied(actor, 'delete from public.executions', 'deletes no execution')
  from unnest(array['owner@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;

-- What the table itself holds true ---------------------------------------------------------------------------------------------------------

select throws_ok(format($$insert into public.executions (tenant_id, workflow_id, workflow_version)
    values (%L, %L, %s)$$, foreign_row.tenant, foreign_row.workflow, foreign_row.version), '23503', null, foreign_row.why)
  from (values
    ('01900000-0000-7000-8000-00000000b000', '01900000-0000-7000-8000-00000000a0f1', 1, 'an execution of Beta cannot point to a workflow of Alpha'),
    ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0f1', 2, 'an execution cannot run a version that was not published')
  ) foreign_row (tenant, workflow, version, why);
select throws_ok($$update public.executions set status = 'succeeded' where id = '01900000-0000-7000-8000-00000000a0e1'$$,
  '23514', null, 'an execution that succeeded says when');
select throws_ok($$update public.executions set finished_at = now() where id = '01900000-0000-7000-8000-00000000a0e1'$$,
  '23514', null, 'an execution that goes on has not finished');
select throws_ok($$update public.executions set status = 'failed', finished_at = now() where id = '01900000-0000-7000-8000-00000000a0e1'$$,
  '23514', null, 'an execution that failed says why');
select throws_ok($$update public.executions set status = 'lost' where id = '01900000-0000-7000-8000-00000000a0e1'$$,
  '23514', null, 'an execution has no status that nobody drew');

select * from finish();
rollback;
