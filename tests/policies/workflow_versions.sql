-- public.workflow_versions: workflows.read sees; activation writes them and nobody else does.

begin;
\ir ../fixtures/world.sql
select plan(54);

-- owner, admin, editor, viewer: workflows.read -----------------------------------------------------------------------------------------

select sees(actor, 'select from public.workflow_versions', 1, 'reads the versions of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'viewer@alpha.test']) actor;
select sees('both@alpha.test', 'select from public.workflow_versions', 2, 'reads the versions of both of their tenants');

-- billing, auditor, blind, stranger, anon: nothing of workflows --------------------------------------------------------------------------

select denied(actor, 'select from public.workflow_versions', 'reads no version')
  from unnest(array['billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'stranger@gamma.test', 'anon']) actor;
select denied('owner@beta.test', $$select from public.workflow_versions where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
  'reads no version of Alpha');
select unreachable('anon', 'select from public.workflow_versions', 'cannot even ask for versions');

-- Nobody writes them, those who may activate included ------------------------------------------------------------------------------------

select denied(actor, $$insert into public.workflow_versions (tenant_id, workflow_id, version, nodes, connections, plan)
    values ('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0f1', 2, '[]', '[]', '{}')$$, 'publishes nothing by hand')
  from unnest(array['owner@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, $$update public.workflow_versions set plan = '{}'$$, 'rewrites no published version')
  from unnest(array['owner@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, 'delete from public.workflow_versions', 'takes no published version back')
  from unnest(array['owner@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;

select * from finish();
rollback;
