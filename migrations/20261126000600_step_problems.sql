-- What a workflow's graph alone cannot tell about its steps: whether what they name is there.

create function private.step_problems(tenant uuid, nodes jsonb)
returns table (severity text, code text, node_id text, pointer text, message text)
language sql
stable
set search_path = ''
as $$
  with drawn as (
    select d.node ->> 'id' as id, d.node ->> 'type' as type, d.node -> 'config' as config, format('/nodes/%s/config', d.position - 1) as pointer
      from jsonb_array_elements(case when jsonb_typeof(nodes) = 'array' then nodes else '[]' end) with ordinality as d (node, position)
  ),
  -- What is done with each item of a list names the same things.
  done as (
    select d.id, case when d.type = 'ai_processing' then 'chat' else d.config ->> 'kind' end as kind, d.config, d.pointer from drawn d
    union all
    select d.id, d.config #>> '{do,kind}', d.config -> 'do', d.pointer || '/do' from drawn d where d.type = 'action' and d.config ->> 'kind' = 'for_each'
  )
  select 'error', 'unknown_agent', d.id, d.pointer || '/agent_id',
         format('there is no agent %s in this tenant; choose one of its agents or name a model instead', d.config ->> 'agent_id')
    from done d
   where d.kind = 'chat'
     -- An id that is no uuid is named elsewhere.
     and d.config ->> 'agent_id' ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
     and not exists (select from public.ai_agents a where a.tenant_id = tenant and a.id = (d.config ->> 'agent_id')::uuid)
  union all
  -- It may be made later, and a workflow that calls itself is not there before it is.
  select 'warning', 'unknown_workflow', d.id, d.pointer || '/workflow_id',
         format('there is no workflow %s in this tenant yet; the step fails as long as there is none', d.config ->> 'workflow_id')
    from done d
   where d.kind = 'call_workflow'
     and d.config ->> 'workflow_id' ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
     and not exists (select from public.workflows w where w.tenant_id = tenant and w.id = (d.config ->> 'workflow_id')::uuid)
  union all
  select 'error', 'unknown_permission', d.id, d.pointer || '/permission',
         format('there is no permission "%s"; the table permissions lists them', d.config ->> 'permission')
    from done d
   where d.kind = 'approval' and jsonb_typeof(d.config -> 'permission') = 'string'
     and not exists (select from public.permissions p where p.key = d.config ->> 'permission')
$$;

comment on function private.step_problems is 'Agents, workflows and permissions that steps name and that are not there.';

create or replace function private.workflow_problems(tenant uuid, nodes jsonb, connections jsonb)
returns table (severity text, code text, node_id text, pointer text, message text)
language sql
stable
set search_path = ''
as $$
  select p.severity, p.code, p.node_id, p.pointer, p.message from aias.workflow_problems(nodes, connections) p
  union all
  -- What the graph alone cannot tell.
  select p.severity, p.code, p.node_id, p.pointer, p.message from private.step_problems(tenant, nodes) p
  union all
  select p.severity, p.code, p.node_id, p.pointer, p.message from private.trigger_problems(nodes) p
$$;
