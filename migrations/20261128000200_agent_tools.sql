-- Tools that an agent's model may have run: what their config has to say, and what a worker calls for them.

-- The config ------------------------------------------------------------------------------------------------------------------------

alter table public.ai_agents
  add constraint agent_max_rounds_is_between_1_and_32 check (
    not config ? 'max_rounds' or (config ->> 'max_rounds') ~ '^([1-9]|[12][0-9]|3[0-2])$'
  );

comment on column public.ai_agents.config is
  'temperature (0 to 2), max_tokens, system_prompt, output_schema (JSON schema), max_rounds (1 to 32; 8 when not set), and tools: functions as OpenAI '
  'writes them, whose calls are the output of a step, and {type: http, name, allow, methods, headers, auth}, {type: search_documents, name, limit} or '
  '{type: start_workflow, workflow_id, name}, which workers run; mcp_servers: {name, url, headers, auth, allow}.';

create function private.tool_problem(tool jsonb) returns text
language sql
immutable
set search_path = ''
as $$
  select case
    when jsonb_typeof(tool) <> 'object' then 'a tool is an object'
    when coalesce(tool ->> 'type', '') not in ('http', 'search_documents', 'start_workflow') then null
    when tool ? 'name' and (jsonb_typeof(tool -> 'name') <> 'string' or (tool ->> 'name') !~ '^[a-zA-Z0-9_-]{1,64}$') then
      'the name of a tool has 1 to 64 letters, digits, underscores and dashes'
    when tool ? 'description' and jsonb_typeof(tool -> 'description') <> 'string' then 'the description of a tool is text'
    when tool ->> 'type' = 'http' then case
      when jsonb_typeof(tool -> 'allow') is distinct from 'array' or tool -> 'allow' = '[]' then
        'an http tool has a list of the addresses that it may call, in allow'
      when exists (
        select from jsonb_array_elements(tool -> 'allow') a (url)
         where jsonb_typeof(a.url) <> 'string' or (a.url #>> '{}') !~ '^https?://[^/?#@\s]+/[^?#\s]*$'
      ) then 'each address in allow is like https://api.example.com/v1/: without a user, a query or a fragment, and with a path, if only a slash'
      when tool ? 'methods' and (jsonb_typeof(tool -> 'methods') <> 'array' or tool -> 'methods' = '[]' or exists (
        select from jsonb_array_elements(case when jsonb_typeof(tool -> 'methods') = 'array' then tool -> 'methods' else '[]' end) m (method)
         where jsonb_typeof(m.method) <> 'string' or upper(m.method #>> '{}') not in ('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE')
      )) then 'the methods of an http tool are a list of GET, HEAD, POST, PUT, PATCH and DELETE'
      when tool ? 'headers' and jsonb_typeof(tool -> 'headers') not in ('object', 'null') then 'the headers of an http tool are an object'
      when tool ? 'auth' and jsonb_typeof(tool -> 'auth') not in ('object', 'null') then 'auth of an http tool is an object'
    end
    when tool ->> 'type' = 'search_documents' then case
      when tool ? 'limit' and coalesce(tool ->> 'limit', '') !~ '^([1-9]|[1-4][0-9]|50)$' then 'the limit of a search_documents tool is between 1 and 50'
    end
    when coalesce(tool ->> 'workflow_id', '') !~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' then
      'a start_workflow tool has the id of the workflow that it starts, in workflow_id'
    when tool ? 'input_schema' and jsonb_typeof(tool -> 'input_schema') not in ('object', 'null') then
      'the input_schema of a start_workflow tool is a JSON schema'
  end
$$;

comment on function private.tool_problem is 'What is wrong with a tool of an agent that workers run, in a sentence; null when nothing is.';

create function private.mcp_server_problem(server jsonb) returns text
language sql
immutable
set search_path = ''
as $$
  select case
    when jsonb_typeof(server) <> 'object' then 'an MCP server is an object'
    when jsonb_typeof(server -> 'name') is distinct from 'string' or (server ->> 'name') !~ '^[a-zA-Z0-9_-]{1,32}$' then
      'the name of an MCP server has 1 to 32 letters, digits, underscores and dashes'
    when jsonb_typeof(server -> 'url') is distinct from 'string' or (server ->> 'url') !~ '^https?://[^/?#@\s]+([/?][^#\s]*)?$' then
      'the url of an MCP server begins with http:// or https:// and has no user and no fragment'
    when server ? 'headers' and jsonb_typeof(server -> 'headers') not in ('object', 'null') then 'the headers of an MCP server are an object'
    when server ? 'auth' and jsonb_typeof(server -> 'auth') not in ('object', 'null') then 'auth of an MCP server is an object'
    when server ? 'allow' and (jsonb_typeof(server -> 'allow') not in ('array', 'null') or jsonb_path_exists(server, '$.allow[*] ? (@.type() != "string")')) then
      'allow of an MCP server is a list of the names of its tools'
  end
$$;

comment on function private.mcp_server_problem is 'What is wrong with an MCP server of an agent, in a sentence; null when nothing is.';

create function private.mcp_servers_problem(config jsonb) returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  servers constant jsonb := nullif(config -> 'mcp_servers', 'null');
  problem text;
begin
  if servers is null then
    return null;
  end if;
  if jsonb_typeof(servers) <> 'array' or jsonb_array_length(servers) > 16 then
    return 'mcp_servers is a list of at most 16';
  end if;
  select private.mcp_server_problem(s.server) into problem
    from jsonb_array_elements(servers) with ordinality s (server, position)
   where private.mcp_server_problem(s.server) is not null
   order by s.position limit 1;
  if problem is null then
    select format('two MCP servers are called %s', s.server ->> 'name') into problem
      from jsonb_array_elements(servers) s (server)
     group by s.server ->> 'name' having count(*) > 1 order by 1 limit 1;
  end if;
  return problem;
end
$$;

comment on function private.mcp_servers_problem is 'What is wrong with the MCP servers in the config of an agent, in a sentence; null when nothing is.';

create function private.tools_problem(config jsonb) returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  problem text;
begin
  if config -> 'tools' is null or config -> 'tools' = 'null' then
    return null;
  end if;
  if jsonb_typeof(config -> 'tools') <> 'array' then
    return 'tools is a list';
  end if;
  select private.tool_problem(t.tool) into problem
    from jsonb_array_elements(config -> 'tools') with ordinality t (tool, position)
   where private.tool_problem(t.tool) is not null
   order by t.position limit 1;
  if problem is null then
    select format('two tools are called %s', n.name) into problem
      from jsonb_array_elements(config -> 'tools') t (tool)
     cross join lateral (select coalesce(t.tool ->> 'name', t.tool #>> '{function,name}', t.tool ->> 'type') as name) n
     where n.name is not null
     group by n.name having count(*) > 1 order by n.name limit 1;
  end if;
  return problem;
end
$$;

comment on function private.tools_problem is 'What is wrong with the tools in the config of an agent, in a sentence; null when nothing is.';

create function private.check_agent_tools() returns trigger
language plpgsql
-- Definer: the helpers are not the writer's to call.
security definer
set search_path = ''
as $$
declare
  problem text;
begin
  -- This runs before row-level security sees the row. Whoever may not write here is refused there.
  if current_setting('role') in ('anon', 'authenticated')
     and not new.tenant_id = any (array(select private.tenants_with('agents.write'))) then
    return new;
  end if;
  problem := coalesce(private.tools_problem(new.config), private.mcp_servers_problem(new.config));
  if problem is not null then
    perform private.refuse(400, 'agent_config_invalid', problem);
  end if;
  -- An agent does what its maker has declared for whoever asks it, so its maker has to be one who may: start workflows, and use secrets, which
  -- whoever publishes a workflow can.
  if private.principal() is not null
     and (tg_op = 'INSERT' or (new.config -> 'tools', new.config -> 'mcp_servers') is distinct from (old.config -> 'tools', old.config -> 'mcp_servers')) then
    if jsonb_path_exists(new.config, '$.tools[*] ? (@.type == "start_workflow")') then
      perform private.demand(new.tenant_id, 'workflows.execute');
    end if;
    if concat(new.config -> 'tools', new.config -> 'mcp_servers') ~ '\msecrets\M' then
      perform private.demand(new.tenant_id, 'workflows.write');
    end if;
  end if;
  return new;
end
$$;

create trigger _100_check_tools before insert or update of config on public.ai_agents
  for each row execute function private.check_agent_tools();

-- For workers -----------------------------------------------------------------------------------------------------------------------

create function queue.start_workflow(
  tenant uuid, execution uuid, token bigint, node text, item integer, attempt integer, place text, wanted_workflow uuid, input jsonb
) returns table (held boolean, started_id uuid, refusal text)
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
#variable_conflict use_variable
declare
  caller public.executions;
  workflow public.workflows;
begin
  held := true;
  perform from queue.jobs j
   where j.tenant_id = tenant and j.execution_id = execution and j.fencing_token = token and j.state = 'claimed'
     for share;
  if not found then
    held := false;
    return next;
    return;
  end if;
  select e.* into caller from public.executions e where e.tenant_id = tenant and e.id = execution;
  select w.* into workflow from public.workflows w where w.tenant_id = tenant and w.id = wanted_workflow;
  refusal := case
    when caller.depth >= 8 then 'call_too_deep'
    when workflow.id is null then 'called_workflow_not_found'
    when workflow.status <> 'active' then 'called_workflow_not_active'
  end;
  if refusal is null then
    perform private.check_input_size(input);
    -- Deep as a called one, so that agents which start each other come to an end; nobody waits for it, so it has no parent.
    started_id := (private.enqueue_execution(workflow, input,
      concat_ws(':', 'agent', execution, node, case when item >= 0 then item end, attempt, place),
      caller.started_by, 'call', null, null, null, caller.depth + 1, caller.priority)).id;
  end if;
  return next;
end
$$;

comment on function queue.start_workflow is
  'Starts an execution that the model of a step asked for, and that nobody waits for. Repeating the call of an attempt answers the same one. held is false when '
  'the lease is lost; refusal says why none was started, as that of queue.start_child.';
