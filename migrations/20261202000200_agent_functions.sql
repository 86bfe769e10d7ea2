-- Functions of the product that an agent's model may have called: in the name of the person whom the execution runs for, so that row-level
-- security decides what it sees and changes.
--
--   private.allow_agent_function (the operator) ──► private.agent_functions: none by itself
--   queue.call_agent_function (a worker) ──► is it allowed, for whom; claims, read-only ──► queue.call_as_member, as authenticated ──► the function
--
-- What a model writes is an argument and nothing else: which function it is, and of which type each argument, is read from the catalogue. A function that is
-- owned by `authenticated` has the rights of that role while it runs and can take no others, not even back: Postgres lets nobody set a role
-- in there. So the worker's own role needs no way to become anybody.

create table private.agent_functions (
  name text primary key,
  -- As text, so that a dump of the table can be read before the function is there.
  signature text not null,
  description text not null,
  arguments jsonb not null,
  is_read_only boolean not null,
  constraint agent_function_name_is_a_word check (name ~ '^[a-zA-Z0-9_-]{1,64}$'),
  constraint agent_function_says_what_it_does check (length(btrim(description)) between 1 and 4000),
  constraint agent_function_arguments_are_a_schema check (jsonb_typeof(arguments) = 'object' and arguments ->> 'type' = 'object')
);
alter table private.agent_functions enable row level security;

comment on table private.agent_functions is 'What agents may call, by the operator''s leave: see private.allow_agent_function.';
comment on column private.agent_functions.name is 'What the config of a tool, {type: rpc, function}, calls it.';
comment on column private.agent_functions.arguments is 'A JSON schema for the model: an object whose properties are parameters of the function.';

create function private.agent_function_problem(callee regprocedure) returns text
language sql
stable
set search_path = ''
as $$
  select case
    when callee is null or p.oid is null then 'there is no such function'
    when n.nspname in ('private', 'queue', 'edge', 'audit', 'billing', 'aias', 'auth', 'information_schema') or n.nspname ~ '^pg_' then
      format('functions of schema %s are not for agents', n.nspname)
    -- It would see what its owner sees.
    when p.prosecdef then 'it runs as its owner'
    when not exists (select from unnest(p.proconfig) setting where setting ~ '^search_path=') then 'it does not pin its search_path'
    when p.prokind <> 'f' then 'it is no plain function'
    when p.prorettype::regtype::text in ('trigger', 'event_trigger', 'internal') then 'it cannot be called'
    when p.provariadic <> 0 then 'it takes any number of arguments'
    when exists (
      select from generate_series(1, p.pronargs) i where coalesce(p.proargnames[i], '') = ''
    ) then 'each of its parameters needs a name'
    -- It is called by name and types, and a default could make one of two into the other.
    when (select count(*) from pg_catalog.pg_proc same where same.pronamespace = p.pronamespace and same.proname = p.proname) > 1 then
      'another function has the same name'
    when not has_function_privilege('authenticated', p.oid, 'execute') or not has_schema_privilege('authenticated', n.oid, 'usage') then
      'the role authenticated may not call it'
  end
    from (select callee) asked
    left join pg_catalog.pg_proc p on p.oid = callee
    left join pg_catalog.pg_namespace n on n.oid = p.pronamespace
$$;

comment on function private.agent_function_problem is 'Why no agent can call a function, whoever allows it; null when one can.';

-- For the operator ------------------------------------------------------------------------------------------------------------------

create function private.allow_agent_function(
  callee regprocedure, description text, arguments jsonb, name text default null, is_read_only boolean default true
) returns void
language plpgsql
set search_path = ''
as $$
#variable_conflict use_column
declare
  problem constant text := private.agent_function_problem(callee);
  unknown text;
begin
  if problem is not null then
    raise exception 'no agent can call %: %', callee, problem using errcode = 'wrong_object_type';
  end if;
  select string_agg(k.name, ', ' order by k.name) into unknown
    from jsonb_object_keys(case when jsonb_typeof(arguments -> 'properties') = 'object' then arguments -> 'properties' else '{}' end) k (name)
   where not k.name = any ((select p.proargnames[1:p.pronargs] from pg_catalog.pg_proc p where p.oid = callee)::text[]);
  if unknown is not null then
    raise exception '% has no parameter %', callee, unknown using errcode = 'undefined_parameter';
  end if;
  insert into private.agent_functions as f (name, signature, description, arguments, is_read_only)
  select coalesce(allow_agent_function.name, p.proname::text), callee::text, allow_agent_function.description, allow_agent_function.arguments,
         allow_agent_function.is_read_only
    from pg_catalog.pg_proc p where p.oid = callee
  on conflict (name) do update
    set signature = excluded.signature, description = excluded.description, arguments = excluded.arguments, is_read_only = excluded.is_read_only;
end
$$;

comment on function private.allow_agent_function is
  'For the operator: lets agents of all tenants call a function, as the person whom their execution runs for. description and arguments, a JSON schema, are for the model. Unless '
  'is_read_only is false, it is called in a transaction that writes nothing. Not for functions that build SQL of their arguments, or that run as their owner.';

create function private.disallow_agent_function(name text) returns void
language sql
set search_path = ''
as $$ delete from private.agent_functions f where f.name = disallow_agent_function.name $$;

comment on function private.disallow_agent_function is 'For the operator: takes back what private.allow_agent_function has let agents do, from the next call on.';

-- For workers -----------------------------------------------------------------------------------------------------------------------

create function queue.agent_functions(names text[])
returns table (name text, description text, arguments jsonb)
language sql
stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  select f.name, f.description, f.arguments from private.agent_functions f where f.name = any (names)
$$;

comment on function queue.agent_functions is 'What a model is told of functions that its agent may call; those that no agent may call are missing.';

create function queue.call_as_member(callee regprocedure, arguments jsonb, most_rows integer) returns jsonb
language plpgsql
-- Definer: policies/services.sql gives it to authenticated, so that it has fewer rights than who calls it.
security definer
set search_path = ''
as $$
declare
  named text;
  columns text;
  answer jsonb;
begin
  if current_user <> 'authenticated' then
    raise exception 'queue.call_as_member is not owned by authenticated: apply all policies' using errcode = 'invalid_object_definition';
  end if;
  -- Only what was given: what was not has its default. Each by the type that the catalogue says, so that no text is read as SQL.
  select string_agg(format('%I => given.%I', p.name, p.name), ', ' order by p.position),
         string_agg(format('%I %s', p.name, format_type(p.type, null)), ', ' order by p.position)
    into named, columns
    from pg_catalog.pg_proc f
   cross join lateral unnest(f.proargnames[1:f.pronargs], f.proargtypes::oid[]) with ordinality p (name, type, position)
   where f.oid = callee and arguments ? p.name;
  execute format('select jsonb_agg(answered.line) from (select to_jsonb(line) as line from %s%s(%s) as line limit $2) answered',
    case when columns is not null then format('jsonb_to_record($1) as given (%s) cross join lateral ', columns) else '' end,
    callee::regproc, coalesce(named, ''))
    into answer using arguments, most_rows + 1;
  return coalesce(answer, '[]');
end
$$;

comment on function queue.call_as_member is 'Calls a function with the rights of the role authenticated and the claims of the session. Called by queue.call_agent_function.';

create function private.agent_function_person_problem(tenant uuid, person uuid) returns text
language sql
stable
set search_path = ''
as $$
  select case
    when not coalesce(bool_or(a.tenant_id = tenant), false) then 'the person that it is called for is no member any more'
    -- They may see the rows of all their tenants, and the agent is of one of them.
    when count(*) > 1 then 'the person that it is called for belongs to several tenants, whose data it could mix'
  end
    from private.access a
   where a.principal = person and a.ends_at > now()
$$;

comment on function private.agent_function_person_problem is 'Why agents of a tenant call no function for a person; null when they do.';

create function private.call_agent_function(tenant uuid, person uuid, claims jsonb, called text, arguments jsonb)
returns table (is_read_only boolean, answer jsonb, has_more boolean, refusal text)
language plpgsql
set search_path = ''
as $$
#variable_conflict use_variable
declare
  -- More than a model reads.
  most_rows constant integer := 100;
  most_bytes constant integer := 262144;
  function private.agent_functions;
  callee regprocedure;
  unknown text;
begin
  select f.* into function from private.agent_functions f where f.name = called;
  callee := to_regprocedure(function.signature);
  -- It may be another one by now than it was when it was allowed.
  if callee is null or private.agent_function_problem(callee) is not null then
    refusal := format('no agent may call %s', called);
    return next;
    return;
  end if;
  is_read_only := function.is_read_only;
  -- In one snapshot with the call, for whoever calls in a repeatable read.
  refusal := coalesce(private.agent_function_person_problem(tenant, person),
    case when jsonb_typeof(arguments) is distinct from 'object' then 'the arguments are no object' end);
  if refusal is null then
    select string_agg(k.name, ', ' order by k.name) into unknown
      from jsonb_object_keys(arguments) k (name)
     where not k.name = any (coalesce((select p.proargnames[1:p.pronargs] from pg_catalog.pg_proc p where p.oid = callee), '{}')::text[]);
    refusal := format('there is no argument %s', unknown);
    refusal := case when unknown is not null then refusal end;
  end if;
  if refusal is not null then
    return next;
    return;
  end if;
  if claims is not null then
    -- auth.uid() reads `request.jwt.claim.sub` first, so that has to be nothing.
    perform set_config('request.jwt.claims', claims::text, true), set_config('request.jwt.claim.sub', '', true);
  end if;
  if is_read_only then
    perform set_config('transaction_read_only', 'on', true);
  end if;
  answer := queue.call_as_member(callee, arguments, most_rows);
  has_more := jsonb_array_length(answer) > most_rows;
  if has_more then
    answer := answer - most_rows;
  end if;
  if octet_length(answer::text) > most_bytes then
    answer := null;
    refusal := format('the answer is longer than %s KiB: ask for less', most_bytes / 1024);
  end if;
  return next;
end
$$;

comment on function private.call_agent_function is
  'Calls a function that agents of a tenant may call, with arguments that a model wrote, for a person: with these claims, or where they are null with those of the session, which are the person''s then. '
  'At most 100 rows, as JSON; has_more when there are more. refusal is a sentence for the model. What the function itself refuses is its own error.';

create function queue.call_agent_function(tenant uuid, execution uuid, token bigint, called text, arguments jsonb)
returns table (held boolean, is_read_only boolean, answer jsonb, has_more boolean, refusal text)
language plpgsql
-- Definer: see queue.claim. To choose; the call itself has the rights of a member.
security definer
set search_path = ''
as $$
#variable_conflict use_variable
declare
  person uuid;
begin
  -- No lock: the lease has to be renewed meanwhile. Whoever has lost it throws the answer away.
  held := exists (
    select from queue.jobs j where j.tenant_id = tenant and j.execution_id = execution and j.fencing_token = token and j.state = 'claimed');
  if not held then
    return next;
    return;
  end if;
  select e.started_by into person from public.executions e where e.tenant_id = tenant and e.id = execution;
  if person is null then
    refusal := 'nobody started this execution who could be asked for: it was a key, a schedule, a webhook or an event';
    return next;
    return;
  end if;
  -- Claims of one factor: nobody has shown another.
  select c.is_read_only, c.answer, c.has_more, c.refusal into is_read_only, answer, has_more, refusal
    from private.call_agent_function(tenant, person, jsonb_build_object('sub', person, 'role', 'authenticated', 'aal', 'aal1'), called, arguments) c;
  return next;
end
$$;

comment on function queue.call_agent_function is
  'Calls a function that agents may call, with arguments that a model wrote, as the person who started the execution. At most 100 rows, as JSON; has_more when there are more. '
  'To be called in a transaction of its own, repeatable read and with a time-out; it sets the claims and, unless the function writes, lets nothing be written until the '
  'end of that. held is false when the lease is lost; refusal is a sentence for the model. What the function itself refuses is its own error.';

-- What an agent may declare ---------------------------------------------------------------------------------------------------------

create or replace function private.tool_problem(tool jsonb) returns text
language sql
immutable
set search_path = ''
as $$
  select case
    when jsonb_typeof(tool) <> 'object' then 'a tool is an object'
    when coalesce(tool ->> 'type', '') not in ('http', 'search_documents', 'start_workflow', 'rpc') then null
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
    when tool ->> 'type' = 'rpc' then case
      when jsonb_typeof(tool -> 'function') is distinct from 'string' or (tool ->> 'function') !~ '^[a-zA-Z0-9_-]{1,64}$' then
        'an rpc tool has the name of the function that it calls, in function'
    end
    when coalesce(tool ->> 'workflow_id', '') !~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' then
      'a start_workflow tool has the id of the workflow that it starts, in workflow_id'
    when tool ? 'input_schema' and jsonb_typeof(tool -> 'input_schema') not in ('object', 'null') then
      'the input_schema of a start_workflow tool is a JSON schema'
  end
$$;


create or replace function private.tools_problem(config jsonb) returns text
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
     cross join lateral (select coalesce(t.tool ->> 'name', t.tool #>> '{function,name}', case when t.tool ->> 'type' = 'rpc' then t.tool ->> 'function' end,
                                            t.tool ->> 'type') as name) n
     where n.name is not null
     group by n.name having count(*) > 1 order by n.name limit 1;
  end if;
  return problem;
end
$$;


create or replace function private.check_agent_tools() returns trigger
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
  if problem is null then
    select format('no agent may call the function %s', t.tool ->> 'function') into problem
      from jsonb_array_elements(case when jsonb_typeof(new.config -> 'tools') = 'array' then new.config -> 'tools' else '[]' end) t (tool)
     where t.tool ->> 'type' = 'rpc' and not exists (select from private.agent_functions f where f.name = t.tool ->> 'function')
     order by 1 limit 1;
  end if;
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

comment on column public.ai_agents.config is
  'temperature (0 to 2), max_tokens, system_prompt, output_schema (JSON schema), max_rounds (1 to 32; 8 when not set), fallback_models (provider/model, at most 8), and tools: functions as OpenAI '
  'writes them, whose calls are the output of a step, and {type: http, name, allow, methods, headers, auth}, {type: search_documents, name, limit}, '
  '{type: start_workflow, workflow_id, name} or {type: rpc, function, name}, which workers run; mcp_servers: {name, url, headers, auth, allow}.';
