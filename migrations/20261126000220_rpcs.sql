-- Starting and cancelling executions, over the new queue.

create function private.workflow_to_start(wanted_workflow uuid) returns public.workflows
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
  return workflow;
end
$$;

comment on function private.workflow_to_start is 'The workflow, if the caller may start it and it can be started; otherwise refuses with the reason.';

create function private.check_input_size(input jsonb) returns void
language plpgsql
stable
set search_path = ''
as $$
begin
  if pg_column_size(input) > 1048576 then
    perform private.refuse(413, 'input_too_large', 'the input of an execution is limited to 1 MiB',
      null, 'store large data elsewhere and pass a reference');
  end if;
end
$$;

create function private.start_execution(wanted_workflow uuid, execution_input jsonb, key text, wanted_priority integer) returns public.executions
language plpgsql
-- Definer: inserts executions and jobs and charges the plan, for those who hold workflows.execute.
security definer
set search_path = ''
as $$
declare
  workflow public.workflows := private.workflow_to_start(wanted_workflow);
  execution public.executions;
begin
  perform private.check_input_size(execution_input);
  if length(key) not between 1 and 255 then
    perform private.refuse(400, 'idempotency_key_invalid', 'an idempotency key has 1 to 255 characters');
  end if;
  if wanted_priority not between -100 and 100 then
    perform private.refuse(400, 'priority_invalid', 'a priority is from -100 to 100', null, '0 is usual; a higher one is begun first');
  end if;

  -- A call that is repeated is not counted, nor is it refused when the minute is used up: it starts nothing, and whoever repeats it
  -- because the answer was lost must get that answer. It is a read of one row, as a select through PostgREST is.
  if key is null or not exists (
    select from private.execution_keys k where k.tenant_id = workflow.tenant_id and k.workflow_id = workflow.id and k.key = start_execution.key
  ) then
    -- Only once it is known that the caller may start it: what a tenant's plan is, is not for strangers. And before anything is written.
    perform private.count_request(workflow.tenant_id);
  end if;
  execution := private.enqueue_execution(workflow, execution_input, key, (select auth.uid()), 'manual', priority => coalesce(wanted_priority, 0));
  if key is not null and execution.input is distinct from coalesce(execution_input, '{}') then
    perform private.refuse(409, 'idempotency_key_reused', 'this idempotency key was used before with another input',
      null, 'use a new key for a new execution');
  end if;
  return execution;
end
$$;

create function public.start_execution(workflow_id uuid, input jsonb default '{}', idempotency_key text default null, priority integer default 0)
returns public.executions
language sql set search_path = '' as $$ select * from private.start_execution(workflow_id, input, idempotency_key, priority) $$;

comment on function public.start_execution is
  'Starts an active workflow. The same idempotency key returns the execution that it first started. Those with a higher priority (-100 to 100) are begun '
  'first, within the tenant. Answers 402 when the plan''s executions are used up, and 429 when more are started in a minute than the plan allows.';

create function private.start_executions(wanted_workflow uuid, inputs jsonb[], wanted_priority integer) returns uuid[]
language plpgsql
-- Definer: see private.start_execution.
security definer
set search_path = ''
as $$
declare
  workflow public.workflows := private.workflow_to_start(wanted_workflow);
  started uuid[];
  wanted integer := coalesce(cardinality(inputs), 0);
begin
  if wanted not between 1 and 10000 then
    perform private.refuse(400, 'inputs_invalid', format('one call starts 1 to 10,000 executions, not %s', wanted), null, 'make several calls');
  end if;
  if wanted_priority not between -100 and 100 then
    perform private.refuse(400, 'priority_invalid', 'a priority is from -100 to 100', null, '0 is usual; a higher one is begun first');
  end if;
  perform private.check_input_size(i) from unnest(inputs) i;
  perform private.count_request(workflow.tenant_id);

  with made as (
    insert into public.executions (tenant_id, id, workflow_id, workflow_version, priority, input, started_by)
    select workflow.tenant_id, aias.uuid7(), workflow.id, workflow.version, coalesce(wanted_priority, 0), coalesce(i.input, '{}'), (select auth.uid())
      from unnest(inputs) with ordinality i (input, n) order by i.n
    returning id
  )
  -- Ids made in one session sort as they were made, and so as their inputs.
  select array_agg(m.id order by m.id) into started from made m;
  perform aias.quota_take(workflow.tenant_id, 'executions', wanted);
  insert into queue.jobs (tenant_id, execution_id, workflow_id, priority)
  select workflow.tenant_id, s.id, workflow.id, coalesce(wanted_priority, 0) from unnest(started) s (id);
  perform queue.open_lane(workflow.tenant_id, workflow.id, coalesce(wanted_priority, 0)::smallint);
  perform queue.notify_workers(workflow.tenant_id);
  return started;
end
$$;

create function public.start_executions(workflow_id uuid, inputs jsonb[], priority integer default 0) returns uuid[]
language sql set search_path = '' as $$ select private.start_executions(workflow_id, inputs, priority) $$;

comment on function public.start_executions is
  'Starts an active workflow once for each input, all of them or none. Answers the executions'' ids in the order of the inputs. At most 10,000 a call, '
  'which counts as one request.';

create function private.cancel_execution(wanted_execution uuid) returns public.executions
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

  if job.state <> 'claimed' or job.run_at <= now() then
    -- Nobody works on it: it ends here.
    with unfinished as (
      select s.node_id, s.item, row_number() over (order by s.revision) as position
        from public.execution_steps s
       where s.tenant_id = execution.tenant_id and s.execution_id = execution.id and s.status in ('running', 'waiting')
    ),
    ended as (
      update public.execution_steps s
         set status = 'cancelled', run_at = null, finished_at = now(), revision = e.revision + u.position
        from unfinished u, public.executions e
       where s.tenant_id = execution.tenant_id and s.execution_id = execution.id and s.node_id = u.node_id and s.item = u.item
         and e.tenant_id = s.tenant_id and e.id = s.execution_id
      returning s.node_id
    )
    update public.executions e
       set status = 'cancelled', cancel_requested_at = now(), finished_at = now(),
           revision = e.revision + (select count(*) from ended) + 1
     where e.tenant_id = execution.tenant_id and e.id = execution.id
    returning e.* into execution;
    delete from queue.jobs j where j.tenant_id = execution.tenant_id and j.execution_id = execution.id;
    if job.has_waits then
      perform queue.end_waits(execution.tenant_id, execution.id);
    end if;
    if execution.parent_id is not null then
      perform queue.answer_call(execution.tenant_id, execution.id);
    end if;
    perform pg_notify('aias_executions', execution.id::text);
  else
    -- Its worker is told, stops what is in flight and records the end.
    update public.executions e
       set cancel_requested_at = coalesce(e.cancel_requested_at, now())
     where e.tenant_id = execution.tenant_id and e.id = execution.id
    returning e.* into execution;
    perform pg_notify('aias_attention', execution.id::text);
  end if;
  perform audit.record_event(execution.tenant_id, 'executions.cancel', 'executions', execution.id::text);
  return execution;
end
$$;

create function public.cancel_execution(execution_id uuid) returns public.executions
language sql set search_path = '' as $$ select * from private.cancel_execution(execution_id) $$;

comment on function public.cancel_execution is
  'Ends an execution. One that a worker holds is cancelled by that worker a moment later; watch its status.';

create function edge.watch_executions(executions uuid[]) returns void
language sql
-- Definer: the service holds no rights on tables.
security definer
set search_path = ''
as $$
  insert into queue.watched (execution_id, until)
  select distinct e, now() + interval '1 minute' from unnest(executions) e order by 1
  on conflict (execution_id) do update set until = excluded.until;
  -- What another service is about to renew or to delete is left to it.
  delete from queue.watched w where w.execution_id in (
    select o.execution_id from queue.watched o where o.until < now() - interval '1 minute' for update skip locked
  )
$$;

comment on function edge.watch_executions is
  'For the next minute each change of these executions is told on the channel aias_executions. It tells nothing about them: their rows are read by those who may.';
