-- RPCs that were there before, with what is new: a region when a tenant is made, and refusals that say why.

drop function public.create_tenant(text, text);
drop function private.create_tenant(text, text);

create function private.create_tenant(wanted_name text, wanted_subdomain text, wanted_region text) returns public.tenants
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
    insert into public.tenants (name, subdomain, region, plan_id)
    select wanted_name, lower(wanted_subdomain), wanted_region, p.id from public.subscription_plans p where p.key = 'starter'
    returning * into created;
  exception
    when unique_violation then
      perform private.refuse(409, 'subdomain_taken', format('the subdomain "%s" is taken', lower(wanted_subdomain)),
        null, 'choose another subdomain');
    when foreign_key_violation then
      perform private.refuse(400, 'unknown_region', format('there is no region "%s"', wanted_region), null, 'the table regions lists them');
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

create function public.create_tenant(name text, subdomain text, region text default 'default') returns public.tenants
language sql set search_path = '' as $$ select * from private.create_tenant(name, subdomain, region) $$;

comment on function public.create_tenant is 'Makes a tenant on the starter plan, with the caller as its owner. Its data stays in the region it is made in.';

create or replace function public.activate_workflow(workflow_id uuid) returns public.workflows
language plpgsql
set search_path = ''
as $$
declare
  activated public.workflows;
  readable_in uuid;
begin
  update public.workflows w set status = 'active' where w.id = activate_workflow.workflow_id returning * into activated;
  if activated.id is null then
    select w.tenant_id into readable_in from public.workflows w where w.id = activate_workflow.workflow_id;
    if found then
      perform private.demand(readable_in, 'workflows.write');
    end if;
    perform private.refuse(404, 'not_found', 'there is no such workflow');
  end if;
  return activated;
end
$$;

create or replace function private.start_execution(wanted_workflow uuid, execution_input jsonb, key text) returns public.executions
language plpgsql
-- Definer: inserts executions and jobs and charges the plan, for those who hold workflows.execute.
security definer
set search_path = ''
as $$
declare
  workflow public.workflows;
  readable_in uuid;
  execution public.executions;
begin
  begin
    select w.* into strict workflow
      from public.workflows w
     where w.id = wanted_workflow and w.tenant_id = any (array(select private.tenants_with('workflows.execute')));
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

create or replace function private.cancel_execution(wanted_execution uuid) returns public.executions
language plpgsql
-- Definer: changes executions and jobs, for those who hold executions.cancel.
security definer
set search_path = ''
as $$
declare
  execution public.executions;
  job queue.jobs;
  readable_in uuid;
begin
  begin
    select e.* into strict execution
      from public.executions e
     where e.id = wanted_execution and e.tenant_id = any (array(select private.tenants_with('executions.cancel')));
  exception
    when no_data_found then
      select e.tenant_id into readable_in from public.executions e
       where e.id = wanted_execution and e.tenant_id = any (array(select private.tenants_with('executions.read')));
      if found then
        perform private.demand(readable_in, 'executions.cancel');
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
  perform audit.record_event(execution.tenant_id, 'executions.cancel', 'executions', execution.id::text);
  return execution;
end
$$;
