-- What a workflow's steps name and is not there: found when it is activated, by whatever road.

begin;
\ir ../fixtures/world.sql
select plan(16);

create function pg_temp.found(node jsonb) returns text language sql as $$
  select coalesce(string_agg(format('%s %s %s', p.severity, p.code, p.pointer), ', '), '')
    from private.step_problems('01900000-0000-7000-8000-00000000a000', jsonb_build_array('{"id": "s", "type": "trigger", "config": {"kind": "manual"}}'::jsonb, node)) p
$$;
select is(pg_temp.found(node::jsonb), wanted, node) from (values
  ('{"type": "ai_processing", "config": {"agent_id": "01900000-0000-7000-8000-00000000a0a1"}}', ''),
  ('{"type": "ai_processing", "config": {"agent_id": "01900000-0000-7000-8000-00000000b0a1"}}', 'error unknown_agent /nodes/1/config/agent_id'),
  ('{"type": "action", "config": {"kind": "for_each", "do": {"kind": "chat", "agent_id": "01900000-0000-7000-8000-00000000b0a1"}}}',
   'error unknown_agent /nodes/1/config/do/agent_id'),
  ('{"type": "ai_processing", "config": {"agent_id": "01900000-0000-7000-8000-00000000A0A1", "agent_version": 1}}', ''),
  ('{"type": "ai_processing", "config": {"agent_id": "01900000-0000-7000-8000-00000000a0a1", "agent_version": 2}}',
   'error unknown_agent_version /nodes/1/config/agent_version'),
  ('{"type": "action", "config": {"kind": "for_each", "do": {"kind": "chat", "agent_id": "01900000-0000-7000-8000-00000000a0a1", "agent_version": 99999999999}}}',
   'error unknown_agent_version /nodes/1/config/do/agent_version'),
  ('{"type": "ai_processing", "config": {"agent_id": "01900000-0000-7000-8000-00000000b0a1", "agent_version": 2}}', 'error unknown_agent /nodes/1/config/agent_id'),
  ('{"type": "action", "config": {"kind": "call_workflow", "workflow_id": "01900000-0000-7000-8000-00000000a0f1"}}', ''),
  ('{"type": "action", "config": {"kind": "call_workflow", "workflow_id": "01900000-0000-7000-8000-00000000b0f1"}}',
   'warning unknown_workflow /nodes/1/config/workflow_id'),
  ('{"type": "action", "config": {"kind": "for_each", "do": {"kind": "call_workflow", "workflow_id": "01900000-0000-7000-8000-00000000b0f1"}}}',
   'warning unknown_workflow /nodes/1/config/do/workflow_id'),
  ('{"type": "action", "config": {"kind": "approval"}}', ''),
  ('{"type": "action", "config": {"kind": "approval", "permission": "members.manage"}}', ''),
  ('{"type": "action", "config": {"kind": "approval", "permission": "no.such"}}', 'error unknown_permission /nodes/1/config/permission'),
  ('{"type": "action", "config": {"kind": "for_each", "do": 7}}', ''),
  ('{"type": "action", "config": "for_each"}', '')
) as cases (node, wanted);

select refused('editor@alpha.test', $$insert into public.workflows (tenant_id, name, status, nodes, connections)
  values ('01900000-0000-7000-8000-00000000a000', 'Sign', 'active',
    '[{"id": "s", "type": "trigger", "config": {"kind": "manual"}}, {"id": "a", "type": "action", "config": {"kind": "approval", "permission": "no.such"}}]',
    '[{"source": "s", "target": "a"}]')$$, 422, 'workflow_invalid', 'activates nothing that nobody could decide');

select * from finish();
rollback;
