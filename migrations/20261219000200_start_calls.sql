-- What a start call computes before it waits for the disk. None of it is done otherwise than before, only with fewer queries: one with an executor of its own takes some
-- 30 us, and an expression a few; and a function in SQL is parsed and planned anew by each statement that calls it, before Postgres 18.

create or replace function private.workflow_to_start(wanted_workflow uuid) returns public.workflows
language plpgsql
stable
set search_path = ''
as $$
declare
  workflow public.workflows;
  readable_in uuid;
begin
  begin
    select w.* into strict workflow
      from public.workflows w
     where w.id = wanted_workflow and w.tenant_id = any (aias.tenants_with('workflows.execute'));
  exception
    when no_data_found then
      -- Whoever may read it learns why it cannot be started: the role, a second factor, or that the tenant is suspended.
      select w.tenant_id into readable_in from public.workflows w
       where w.id = wanted_workflow and w.tenant_id = any (array(select private.tenants_with('workflows.read')));
      if found then
        perform private.demand(readable_in, 'workflows.execute');
      end if;
      perform private.refuse(404, 'not_found', 'there is no such workflow');
    when too_many_rows then
      perform private.refuse(409, 'ambiguous_id', 'two of your tenants have a workflow with this id', null, 'give one of them a new id');
  end;

  if workflow.status <> 'active' then
    perform private.refuse(409, 'workflow_not_active', format('workflow "%s" is %s', workflow.name, workflow.status),
      null, 'activate it first: rpc activate_workflow');
  end if;
  return workflow;
end
$$;

create or replace function private.start_execution(wanted_workflow uuid, execution_input jsonb, key text, wanted_priority integer) returns public.executions
language plpgsql
-- Definer: inserts executions and jobs and charges the plan, for those who hold workflows.execute.
security definer
set search_path = ''
as $$
declare
  -- Of calls that return nothing: assigned they are evaluated as expressions, performed each is a query with an executor of its own.
  done text;
  caller uuid := auth.uid();
  workflow public.workflows := private.workflow_to_start(wanted_workflow);
  is_repeated boolean := false;
  execution public.executions;
begin
  done := private.check_input_size(execution_input);
  if length(key) not between 1 and 255 then
    perform private.refuse(400, 'idempotency_key_invalid', 'an idempotency key has 1 to 255 characters');
  end if;
  if wanted_priority not between -100 and 100 then
    perform private.refuse(400, 'priority_invalid', 'a priority is from -100 to 100', null, '0 is usual; a higher one is begun first');
  end if;

  -- A call that is repeated is not counted, nor is it refused when the minute is used up: it starts nothing, and whoever repeats it
  -- because the answer was lost must get that answer. It is a read of one row, as a select through PostgREST is.
  if key is not null then
    is_repeated := exists (
      select from private.execution_keys k where k.tenant_id = workflow.tenant_id and k.workflow_id = workflow.id and k.key = start_execution.key
    );
  end if;
  if not is_repeated then
    -- Only once it is known that the caller may start it: what a tenant's plan is, is not for strangers. And before anything is written.
    done := private.count_request(workflow.tenant_id);
  end if;
  execution := private.enqueue_execution(workflow, execution_input, key, caller, 'manual', priority => coalesce(wanted_priority, 0));
  if key is not null and execution.input is distinct from coalesce(execution_input, '{}') then
    perform private.refuse(409, 'idempotency_key_reused', 'this idempotency key was used before with another input',
      null, 'use a new key for a new execution');
  end if;
  return execution;
end
$$;

create or replace function public.start_execution(workflow_id uuid, input jsonb default '{}', idempotency_key text default null, priority integer default 0)
returns public.executions
language plpgsql set search_path = '' as $$ begin return private.start_execution(workflow_id, input, idempotency_key, priority); end $$;
