-- public.execution_steps: executions.read sees; the workers write; a final step stays as it is.

begin;
\ir ../fixtures/world.sql
select plan(58);

-- owner, admin, editor, viewer, auditor: executions.read ---------------------------------------------------------------------------------

select sees(actor, 'select from public.execution_steps', 2, 'reads the steps of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'auditor@alpha.test']) actor;
select sees('both@alpha.test', 'select from public.execution_steps', 3, 'reads the steps of both of their tenants');

-- billing, blind, stranger, anon: nothing of executions ----------------------------------------------------------------------------------

select denied(actor, 'select from public.execution_steps', 'reads no step')
  from unnest(array['billing@alpha.test', 'blind@alpha.test', 'stranger@gamma.test', 'anon']) actor;
select denied('owner@beta.test', $$select from public.execution_steps where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
  'reads no step of Alpha');
select unreachable('anon', 'select from public.execution_steps', 'cannot even ask for steps');

-- Nobody writes them by hand -----------------------------------------------------------------------------------------------------------

select denied(actor, $$insert into public.execution_steps (tenant_id, execution_id, node_id, kind, status, revision)
    values ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0e2', 'forged', 'http', 'succeeded', 9)$$, 'forges no step')
  from unnest(array['owner@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, $$update public.execution_steps set output = '"forged"'$$, 'rewrites no result')
  from unnest(array['owner@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, 'delete from public.execution_steps', 'deletes no step')
  from unnest(array['owner@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;

-- What the table itself holds true ---------------------------------------------------------------------------------------------------------

select throws_ok($$update public.execution_steps set output = '"again"' where execution_id = '01900000-0000-7000-8000-00000000a0e3'$$,
  '23000', null, 'a recorded step never changes again, whoever writes');
select throws_ok($$update public.execution_steps set run_at = now() where execution_id = '01900000-0000-7000-8000-00000000a0e2'$$,
  '23514', null, 'a step that does not wait has no time to go on at');
select throws_ok($$update public.execution_steps set status = 'failed' where execution_id = '01900000-0000-7000-8000-00000000a0e2'$$,
  '23514', null, 'a failed step says why');
select lives_ok($$delete from public.executions where id = '01900000-0000-7000-8000-00000000a0e3'$$, 'an execution can be deleted');
select is_empty($$select from public.execution_steps where execution_id = '01900000-0000-7000-8000-00000000a0e3'$$, 'and takes its steps along');

select * from finish();
rollback;
