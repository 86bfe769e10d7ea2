-- The RPCs: what a frontend calls with supabase.rpc(...).
--
-- Each is a thin function in `public` that runs as its caller. What needs more rights than a caller has lives in `private`, checks the
-- permission itself and says so in its comment.

-- Tenants ------------------------------------------------------------------------------------------------------------------------

create function private.create_tenant(wanted_name text, wanted_subdomain text) returns public.tenants
language plpgsql
-- Definer: nobody is a member yet, so no policy can let the first row in.
security definer
set search_path = ''
as $$
declare
  caller uuid := (select auth.uid());
  created public.tenants;
begin
  if caller is null then
    perform private.refuse(401, 'not_signed_in', 'sign in before making a tenant');
  end if;

  begin
    insert into public.tenants (name, subdomain, plan_id)
    select wanted_name, lower(wanted_subdomain), p.id from public.subscription_plans p where p.key = 'starter'
    returning * into created;
  exception
    when unique_violation then
      perform private.refuse(409, 'subdomain_taken', format('the subdomain "%s" is taken', lower(wanted_subdomain)),
        null, 'choose another subdomain');
    when check_violation or not_null_violation then
      perform private.refuse(400, 'tenant_invalid', 'a tenant needs a name of 1 to 200 characters and a subdomain of a-z, 0-9 and -',
        null, 'for instance name "Acme" and subdomain "acme"');
  end;

  insert into public.roles (tenant_id, key, name, permissions, built_in)
  select created.id, r.key, r.name, r.permissions, true from private.built_in_roles r;
  insert into public.memberships (tenant_id, user_id, role) values (created.id, caller, 'owner');
  return created;
end
$$;

create function public.create_tenant(name text, subdomain text) returns public.tenants
language sql set search_path = '' as $$ select * from private.create_tenant(name, subdomain) $$;

comment on function public.create_tenant is 'Makes a tenant on the starter plan, with the caller as its owner.';

create function private.quota_status(tenant uuid)
returns table (meter text, kind text, quota_limit bigint, used bigint, reserved bigint, remaining bigint, period_start timestamptz, resets_at timestamptz)
language plpgsql
stable
-- Definer: reads the counters, for those who may see usage.
security definer
set search_path = ''
as $$
begin
  if (tenant = any (array(select private.tenants_with('usage.read')))) is not true then
    perform private.refuse(404, 'not_found', 'there is no such tenant, or you may not see its usage');
  end if;
  return query select * from aias.quota_status(tenant);
end
$$;

create function public.quota_status(tenant_id uuid)
returns table (meter text, kind text, quota_limit bigint, used bigint, reserved bigint, remaining bigint, period_start timestamptz, resets_at timestamptz)
language sql stable set search_path = '' as $$ select * from private.quota_status(tenant_id) $$;

comment on function public.quota_status is 'What a tenant has used of its plan in this billing period. A null limit means unlimited.';

-- Workflows ----------------------------------------------------------------------------------------------------------------------

create function public.workflow_problems(nodes jsonb, connections jsonb)
returns table (severity text, code text, node_id text, pointer text, message text)
language sql stable set search_path = '' as $$ select * from aias.workflow_problems(nodes, connections) $$;

comment on function public.workflow_problems is 'Everything that is wrong with a drawing, with JSON pointers, in a fixed order. For editors.';

create function public.activate_workflow(workflow_id uuid) returns public.workflows
language plpgsql
set search_path = ''
as $$
declare
  activated public.workflows;
begin
  update public.workflows w set status = 'active' where w.id = activate_workflow.workflow_id returning * into activated;
  if activated.id is null then
    if exists (select from public.workflows w where w.id = activate_workflow.workflow_id) then
      perform private.refuse(403, 'forbidden', 'your role may not activate workflows', null, 'ask for the permission workflows.write');
    end if;
    perform private.refuse(404, 'not_found', 'there is no such workflow');
  end if;
  return activated;
end
$$;

comment on function public.activate_workflow is
  'Checks and publishes a workflow so that it can be started. Answers 422 with every problem when it cannot run.';

-- Executions ---------------------------------------------------------------------------------------------------------------------

create function private.start_execution(wanted_workflow uuid, execution_input jsonb, key text) returns public.executions
language plpgsql
-- Definer: inserts executions and jobs and charges the plan, for those who hold workflows.execute.
security definer
set search_path = ''
as $$
declare
  workflow public.workflows;
  tenant_status text;
  execution public.executions;
begin
  begin
    select w.* into strict workflow
      from public.workflows w
     where w.id = wanted_workflow and w.tenant_id = any (array(select private.tenants_with('workflows.execute')));
  exception
    when no_data_found then
      if exists (
        select from public.workflows w
         where w.id = wanted_workflow and w.tenant_id = any (array(select private.tenants_with('workflows.read')))
      ) then
        perform private.refuse(403, 'forbidden', 'your role may not start executions', null, 'ask for the permission workflows.execute');
      end if;
      perform private.refuse(404, 'not_found', 'there is no such workflow');
    when too_many_rows then
      perform private.refuse(409, 'ambiguous_id', 'two of your tenants have a workflow with this id', null, 'give one of them a new id');
  end;

  select t.status into tenant_status from public.tenants t where t.id = workflow.tenant_id;
  if tenant_status <> 'active' then
    perform private.refuse(403, 'tenant_' || tenant_status, format('this tenant is %s and starts no executions', tenant_status));
  end if;
  if workflow.status <> 'active' then
    perform private.refuse(409, 'workflow_not_active', format('workflow "%s" is %s', workflow.name, workflow.status),
      null, 'activate it first: rpc activate_workflow');
  end if;
  if pg_column_size(execution_input) > 1048576 then
    perform private.refuse(413, 'input_too_large', 'the input of an execution is limited to 1 MiB',
      null, 'store large data elsewhere and pass a reference');
  end if;

  -- A call that is repeated is not counted, nor is it refused when the minute is used up: it starts nothing, and whoever repeats it
  -- because the answer was lost must get that answer. It is a read of one row, as a select through PostgREST is.
  select e.* into execution from public.executions e
   where e.tenant_id = workflow.tenant_id and e.workflow_id = workflow.id and e.idempotency_key = key;

  if execution.id is null then
    -- Only once it is known that the caller may start it: what a tenant's plan is, is not for strangers. And before anything is written.
    perform private.count_request(workflow.tenant_id);

    insert into public.executions (tenant_id, workflow_id, workflow_version, input, idempotency_key, started_by)
    values (workflow.tenant_id, workflow.id, workflow.version, coalesce(execution_input, '{}'), key, (select auth.uid()))
    on conflict on constraint execution_idempotency_key_is_unique do nothing
    returning * into execution;

    if execution.id is not null then
      -- After the insert: only what is new is charged, and a refusal takes the row back with it.
      perform aias.quota_take(workflow.tenant_id, 'executions', 1);
      insert into queue.jobs (tenant_id, execution_id) values (execution.tenant_id, execution.id);
      perform pg_notify('aias_jobs', '');
      return execution;
    end if;

    -- Another call with this key was faster.
    select e.* into execution from public.executions e
     where e.tenant_id = workflow.tenant_id and e.workflow_id = workflow.id and e.idempotency_key = key;
  end if;

  if execution.input is distinct from coalesce(execution_input, '{}') then
    perform private.refuse(409, 'idempotency_key_reused', 'this idempotency key was used before with another input',
      null, 'use a new key for a new execution');
  end if;
  return execution;
end
$$;

create function public.start_execution(workflow_id uuid, input jsonb default '{}', idempotency_key text default null)
returns public.executions
language sql set search_path = '' as $$ select * from private.start_execution(workflow_id, input, idempotency_key) $$;

comment on function public.start_execution is
  'Starts an active workflow. The same idempotency key returns the execution that it first started. '
  'Answers 402 when the plan''s executions are used up, and 429 when more are started in a minute than the plan allows.';

create function private.cancel_execution(wanted_execution uuid) returns public.executions
language plpgsql
-- Definer: changes executions and jobs, for those who hold executions.cancel.
security definer
set search_path = ''
as $$
declare
  execution public.executions;
  job queue.jobs;
begin
  begin
    select e.* into strict execution
      from public.executions e
     where e.id = wanted_execution and e.tenant_id = any (array(select private.tenants_with('executions.cancel')));
  exception
    when no_data_found then
      if exists (
        select from public.executions e
         where e.id = wanted_execution and e.tenant_id = any (array(select private.tenants_with('executions.read')))
      ) then
        perform private.refuse(403, 'forbidden', 'your role may not cancel executions', null, 'ask for the permission executions.cancel');
      end if;
      perform private.refuse(404, 'not_found', 'there is no such execution');
    when too_many_rows then
      perform private.refuse(409, 'ambiguous_id', 'two of your tenants have an execution with this id');
  end;

  -- The job first, then the execution: the order in which workers lock them.
  select j.* into job from queue.jobs j
   where j.tenant_id = execution.tenant_id and j.execution_id = execution.id
     for update;
  if job.execution_id is null then
    perform private.refuse(409, 'execution_finished', format('this execution is over; its status is %s', (
      select e.status from public.executions e where e.tenant_id = execution.tenant_id and e.id = execution.id)));
  end if;

  if job.claimed_by is null or job.run_at <= now() then
    -- Nobody works on it: it ends here.
    with unfinished as (
      select s.node_id, row_number() over (order by s.revision) as position
        from public.execution_steps s
       where s.tenant_id = execution.tenant_id and s.execution_id = execution.id and s.status in ('running', 'waiting')
    ),
    ended as (
      update public.execution_steps s
         set status = 'cancelled', run_at = null, finished_at = now(), revision = e.revision + u.position
        from unfinished u, public.executions e
       where s.tenant_id = execution.tenant_id and s.execution_id = execution.id and s.node_id = u.node_id
         and e.tenant_id = s.tenant_id and e.id = s.execution_id
      returning s.node_id
    )
    update public.executions e
       set status = 'cancelled', cancel_requested_at = now(), finished_at = now(),
           revision = e.revision + (select count(*) from ended) + 1
     where e.tenant_id = execution.tenant_id and e.id = execution.id
    returning e.* into execution;
    delete from queue.jobs j where j.tenant_id = execution.tenant_id and j.execution_id = execution.id;
    perform pg_notify('aias_executions', execution.id::text);
  else
    -- Its worker is told, stops what is in flight and records the end.
    update public.executions e
       set cancel_requested_at = coalesce(e.cancel_requested_at, now())
     where e.tenant_id = execution.tenant_id and e.id = execution.id
    returning e.* into execution;
    perform pg_notify('aias_cancellations', execution.id::text);
  end if;
  return execution;
end
$$;

create function public.cancel_execution(execution_id uuid) returns public.executions
language sql set search_path = '' as $$ select * from private.cancel_execution(execution_id) $$;

comment on function public.cancel_execution is
  'Ends an execution. One that a worker holds is cancelled by that worker a moment later; watch its status.';
