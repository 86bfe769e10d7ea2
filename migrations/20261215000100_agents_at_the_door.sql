-- What an agent's model has called while it is asked through edge-api: the same functions as in a step, for the person who asks; and with which secrets.
--
--   edge.agent_functions ──► what the model is told of them; or why none can be called, before anything is paid
--   edge.call_agent_function ──► private.call_agent_function, with the claims of the session
--   edge.agent_secrets ──► what its tools authenticate with, sealed

create function edge.agent_functions(tenant uuid, names text[])
returns table (name text, description text, arguments jsonb)
language plpgsql
stable
-- Definer: edge-api has no rights on tables. It asks for those who hold models.call.
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  person constant uuid := auth.uid();
  problem text;
  unknown text;
begin
  perform private.demand(tenant, 'models.call');
  select min(n.name) into unknown from unnest(names) n (name) where not exists (select from private.agent_functions f where f.name = n.name);
  if unknown is not null then
    perform private.refuse(409, 'function_not_allowed', format('this agent calls the function %s, which no agent may call', unknown),
      null, 'the operator says which may be called');
  end if;
  -- Row-level security of the product is written for people, and a key is none.
  problem := case when person is null then 'an API key asks' else private.agent_function_person_problem(tenant, person) end;
  if problem is not null and cardinality(names) > 0 then
    perform private.refuse(403, 'person_required', format('this agent calls the function %s for the person who asks it: %s', names[1], problem),
      null, 'ask as a member of this tenant alone, with the access token of a session');
  end if;
  return query select f.name, f.description, f.arguments from private.agent_functions f where f.name = any (names);
end
$$;

comment on function edge.agent_functions is
  'What a model is told of functions that its agent calls for whoever asks. Refuses where one of them cannot be called at all: nobody may call it, or the caller is no person of this tenant alone.';

create function edge.call_agent_function(tenant uuid, called text, arguments jsonb)
returns table (answer jsonb, has_more boolean, refusal text)
language plpgsql
-- Definer: see edge.agent_functions. To choose; the call itself has the rights of the caller.
security definer
set search_path = ''
as $$
begin
  perform private.demand(tenant, 'models.call');
  return query
    select c.answer, c.has_more, c.refusal from private.call_agent_function(tenant, auth.uid(), null, called, arguments) c;
end
$$;

comment on function edge.call_agent_function is
  'Calls a function that agents may call, with arguments that a model wrote, with the claims of the session. See private.call_agent_function. To be called in a transaction of its own, repeatable read and with a time-out: '
  'unless the function writes, nothing can be written until the end of that.';

-- Secrets -------------------------------------------------------------------------------------------------------------------------

create function edge.agent_secrets(tenant uuid, agent uuid, wanted text[])
returns table (generation integer, wrapped bytea, master_key_id text, names text[], nonces bytea[], ciphertexts bytea[])
language plpgsql
stable
-- Definer: see edge.agent_functions. Whoever may ask an agent has it call what its maker has declared, who could use the secrets.
security definer
set search_path = ''
as $$
declare
  declared text;
begin
  perform private.demand(tenant, 'models.call');
  select concat_ws(' ', a.config -> 'tools', a.config -> 'mcp_servers') into declared
    from public.ai_agents a where a.tenant_id = tenant and a.id = agent;
  return query
    select s.generation, s.wrapped, s.master_key_id, s.names, s.nonces, s.ciphertexts
      from private.sealed(tenant, 'secret', array(
        select w.name from unnest(wanted) w (name)
         where w.name ~ '^[A-Za-z_][A-Za-z0-9_]*$' and declared ~ ('\msecrets\M') and declared ~ ('\m' || w.name || '\M')
      )) s;
end
$$;

comment on function edge.agent_secrets is
  'What edge-api needs to open secrets that the tools of an agent name: those of the wanted names that its config mentions and its tenant has, with the data key they are sealed under.';

comment on column public.ai_agents.config is
  'temperature (0 to 2), max_tokens, system_prompt, output_schema (JSON schema), max_rounds (1 to 32; 8 when not set), fallback_models (provider/model, at most 8), and tools: functions as OpenAI '
  'writes them, whose calls are the output of a step or go to who asks, and {type: http, name, allow, methods, headers, auth}, {type: search_documents, name, limit}, '
  '{type: start_workflow, workflow_id, name} or {type: rpc, function, name}, which are run here; mcp_servers: {name, url, headers, auth, allow}.';
