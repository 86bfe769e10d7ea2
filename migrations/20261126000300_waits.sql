-- What people and other systems say to an execution: events, decisions, pause and resume, another try; and executions that call others.
--
--   send_event, broadcast_event ─┐
--   decide_approval ─────────────┼─► queue.waits.delivered ─► the worker's next claim, or at once to whoever holds it
--   the end of a called one ─────┘
--
-- The step that waits is a row in queue.waits, written with the record that makes it wait; a called execution's by queue.start_child, in the
-- transaction that starts it. Whoever speaks to an execution locks its job first, as its worker does when it records.

-- Who may --------------------------------------------------------------------------------------------------------------------------

create function private.execution_to(wanted_execution uuid, permission text) returns public.executions
language plpgsql
stable
-- Definer: to say why not, it looks where the caller may not.
security definer
set search_path = ''
as $$
declare
  execution public.executions;
  readable_in uuid;
begin
  select e.* into strict execution
    from public.executions e
   where e.id = wanted_execution and e.tenant_id = any (array(select private.tenants_with(permission)));
  return execution;
exception
  when no_data_found then
    -- Whoever may read it learns why it cannot be done: the role, a second factor, or that the tenant is suspended.
    select e.tenant_id into readable_in from public.executions e
     where e.id = wanted_execution and e.tenant_id = any (array(select private.tenants_with('executions.read')));
    if found then
      perform private.demand(readable_in, permission);
    end if;
    perform private.refuse(404, 'not_found', 'there is no such execution');
  when too_many_rows then
    perform private.refuse(409, 'ambiguous_id', 'two of your tenants have an execution with this id');
end
$$;

comment on function private.execution_to is 'The execution, if the caller holds a permission where it is; otherwise refuses with the reason.';

create function private.lock_job(execution public.executions) returns queue.jobs
language plpgsql
set search_path = ''
as $$
declare
  job queue.jobs;
begin
  select j.* into job from queue.jobs j
   where j.tenant_id = execution.tenant_id and j.execution_id = execution.id
     for update;
  if job.execution_id is null then
    perform private.refuse(409, 'execution_finished', format('this execution is over; its status is %s', (
      select e.status from public.executions e where e.tenant_id = execution.tenant_id and e.id = execution.id)));
  end if;
  return job;
end
$$;

comment on function private.lock_job is 'The job of an execution that is not over, locked; refuses when it is.';

-- Events ---------------------------------------------------------------------------------------------------------------------------

create function private.check_event(event_name text, event_key text, payload jsonb) returns void
language plpgsql
stable
set search_path = ''
as $$
begin
  -- As long as a step may ask for.
  if event_name is null or length(event_name) not between 1 and 256 then
    perform private.refuse(400, 'event_invalid', 'an event has a name of 1 to 256 characters');
  end if;
  if length(event_key) not between 1 and 1024 then
    perform private.refuse(400, 'event_invalid', 'the key of an event has 1 to 1024 characters', null, 'leave it out where events need no telling apart');
  end if;
  if pg_column_size(payload) > 1048576 then
    perform private.refuse(413, 'payload_too_large', 'the payload of an event is limited to 1 MiB',
      null, 'store large data elsewhere and pass a reference');
  end if;
end
$$;

create function private.event_output(event_name text, event_key text, payload jsonb) returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object('event', event_name, 'key', event_key, 'payload', coalesce(payload, '{}'), 'received_at', now())
$$;

comment on function private.event_output is 'What a step that waited for an event has as its output.';

create function private.send_event(wanted_execution uuid, event_name text, payload jsonb, event_key text) returns boolean
language plpgsql
-- Definer: writes into the queue, for those who hold workflows.execute.
security definer
set search_path = ''
as $$
declare
  execution public.executions := private.execution_to(wanted_execution, 'workflows.execute');
  wait queue.waits;
begin
  perform private.check_event(event_name, event_key, payload);
  perform private.lock_job(execution);

  -- The step that has waited longest: one event is for one step.
  select w.* into wait from queue.waits w
   where w.tenant_id = execution.tenant_id and w.execution_id = execution.id and w.kind = 'event' and w.delivered is null
     and w.name = event_name and (w.key is null or w.key = event_key)
   order by w.created_at, w.node_id, w.item
   limit 1;
  if found then
    return queue.deliver(wait.tenant_id, wait.execution_id, wait.node_id, wait.item, private.event_output(event_name, event_key, payload));
  end if;

  if (select count(*) >= 1000 from queue.events e where e.tenant_id = execution.tenant_id and e.execution_id = execution.id) then
    perform private.refuse(409, 'too_many_events', 'this execution has 1000 events already that no step has waited for',
      null, 'send what its steps wait for');
  end if;
  insert into queue.events (tenant_id, execution_id, name, key, payload)
  values (execution.tenant_id, execution.id, event_name, event_key, coalesce(payload, '{}'));
  return false;
end
$$;

create function public.send_event(execution_id uuid, name text, payload jsonb default '{}', key text default null) returns boolean
language sql set search_path = '' as $$ select private.send_event(execution_id, name, payload, key) $$;

comment on function public.send_event is
  'Sends an event to an execution. True when a step waited for it, which goes on with it; false when none does yet: it is kept, up to 1000 of them, for '
  'a step that will. A step that names no key takes every event of its name.';

create function private.broadcast_event(tenant uuid, event_name text, payload jsonb, event_key text) returns integer
language plpgsql
-- Definer: see private.send_event.
security definer
set search_path = ''
as $$
declare
  wait record;
  output jsonb := private.event_output(event_name, event_key, payload);
  reached integer := 0;
begin
  perform private.demand(tenant, 'workflows.execute');
  perform private.check_event(event_name, event_key, payload);
  -- In the order in which everybody locks jobs.
  for wait in
    select w.execution_id, w.node_id, w.item from queue.waits w
     where w.tenant_id = tenant and w.kind = 'event' and w.delivered is null
       and w.name = event_name and (w.key is null or w.key = event_key)
     order by w.execution_id, w.node_id, w.item
  loop
    if queue.deliver(tenant, wait.execution_id, wait.node_id, wait.item, output) then
      reached := reached + 1;
    end if;
  end loop;
  return reached;
end
$$;

create function public.broadcast_event(tenant_id uuid, name text, payload jsonb default '{}', key text default null) returns integer
language sql set search_path = '' as $$ select private.broadcast_event(tenant_id, name, payload, key) $$;

comment on function public.broadcast_event is
  'Sends an event to every step in the tenant that waits for it now, and answers how many those are. It is not kept for steps that will wait later.';

-- Decisions ------------------------------------------------------------------------------------------------------------------------

create function private.may_decide(tenant uuid, wanted_permission text) returns boolean
language plpgsql
stable
set search_path = ''
as $$
declare
  mask bigint := private.mask_of(array[wanted_permission]);
begin
  if mask <> 0 then
    return private.held_in(tenant) & mask <> 0;
  end if;
  -- There is no such permission, so nobody has it. Somebody has to be able to decide all the same.
  return private.held_in(tenant) & private.mask_of('{workflows.execute}') <> 0
     and exists (select from public.memberships m where m.tenant_id = tenant and m.user_id = private.principal() and m.role = 'owner');
end
$$;

comment on function private.may_decide is 'Whether the caller may decide what asks for a permission. One that does not exist is held by owners.';

create function private.decide_approval(wanted_execution uuid, wanted_node text, is_approved boolean, remark text) returns public.executions
language plpgsql
-- Definer: writes into the queue, for those whom the step lets decide.
security definer
set search_path = ''
as $$
declare
  execution public.executions;
  wait queue.waits;
  wanted_permission text;
begin
  begin
    select e.* into strict execution from public.executions e
     where e.id = wanted_execution and e.tenant_id = any (array(select private.own_tenants()));
  exception
    when no_data_found then
      perform private.refuse(404, 'not_found', 'there is no such execution');
    when too_many_rows then
      perform private.refuse(409, 'ambiguous_id', 'two of your tenants have an execution with this id');
  end;

  -- The job first; and once it is locked nobody else decides.
  perform from queue.jobs j where j.tenant_id = execution.tenant_id and j.execution_id = execution.id for update;
  select w.* into wait from queue.waits w
   where w.tenant_id = execution.tenant_id and w.execution_id = execution.id and w.node_id = wanted_node and w.item = -1 and w.kind = 'approval';
  wanted_permission := coalesce(wait.permission, 'workflows.execute');
  if not private.may_decide(execution.tenant_id, wanted_permission) then
    -- Who may neither decide nor look does not learn that it is there.
    if not execution.tenant_id = any (array(select private.tenants_with('executions.read'))) then
      perform private.refuse(404, 'not_found', 'there is no such execution');
    end if;
    if private.mask_of(array[wanted_permission]) = 0 then
      perform private.refuse(403, 'forbidden', format('this step asks for the permission "%s", which does not exist', wanted_permission),
        null, 'an owner may decide; name a permission of the table permissions in the workflow');
    end if;
    perform private.demand(execution.tenant_id, wanted_permission);
  end if;

  perform private.lock_job(execution);
  if is_approved is null then
    perform private.refuse(400, 'decision_invalid', 'a decision is true or false');
  end if;
  if length(remark) > 8192 then
    perform private.refuse(400, 'decision_invalid', 'a comment has at most 8192 characters');
  end if;
  if wait.delivered is not null then
    perform private.refuse(409, 'already_decided', 'somebody else has decided this');
  end if;
  if wait.node_id is null then
    perform private.refuse(409, 'not_waiting', format('no step "%s" of this execution waits for a decision', wanted_node));
  end if;
  perform queue.deliver(execution.tenant_id, execution.id, wanted_node, -1, jsonb_build_object(
    'approved', is_approved, 'comment', remark, 'decided_by', private.principal(), 'decided_at', now()));
  perform audit.record_event(execution.tenant_id, 'executions.decide', 'executions', execution.id::text,
    jsonb_build_object('node_id', wanted_node, 'approved', is_approved, 'comment', remark));
  return execution;
end
$$;

create function public.decide_approval(execution_id uuid, node_id text, approved boolean, comment text default null) returns public.executions
language sql set search_path = '' as $$ select * from private.decide_approval(execution_id, node_id, approved, comment) $$;

comment on function public.decide_approval is
  'Approves or refuses what a step of kind approval waits for; the first decision stands. The caller needs the permission that the step names, or '
  'workflows.execute where it names none; where it names one that does not exist, only owners decide.';

-- Pause and resume -----------------------------------------------------------------------------------------------------------------

create function private.pause_execution(wanted_execution uuid) returns public.executions
language plpgsql
-- Definer: changes executions and jobs, for those who hold executions.cancel.
security definer
set search_path = ''
as $$
declare
  execution public.executions := private.execution_to(wanted_execution, 'executions.cancel');
  job queue.jobs := private.lock_job(execution);
begin
  if job.state = 'claimed' and job.run_at > now() then
    -- Its worker is told, lets what is out end and records the pause.
    update public.executions e
       set pause_requested_at = coalesce(e.pause_requested_at, now())
     where e.tenant_id = execution.tenant_id and e.id = execution.id
    returning e.* into execution;
    perform pg_notify('aias_attention', execution.id::text);
  elsif job.state <> 'paused' then
    -- Nobody works on it; and whoever still believes to is refused, since it is not claimed any more.
    update queue.jobs j set state = 'paused', ready_in = null, run_at = null, claimed_by = null
     where j.tenant_id = execution.tenant_id and j.execution_id = execution.id;
    update public.executions e
       set status = 'paused', pause_requested_at = null, revision = e.revision + 1
     where e.tenant_id = execution.tenant_id and e.id = execution.id
    returning e.* into execution;
    perform pg_notify('aias_executions', execution.id::text);
  else
    select e.* into execution from public.executions e where e.tenant_id = execution.tenant_id and e.id = execution.id;
    return execution;
  end if;
  perform audit.record_event(execution.tenant_id, 'executions.pause', 'executions', execution.id::text);
  return execution;
end
$$;

create function public.pause_execution(execution_id uuid) returns public.executions
language sql set search_path = '' as $$ select * from private.pause_execution(execution_id) $$;

comment on function public.pause_execution is
  'Pauses an execution: nothing new begins in it until it is resumed, and what comes for it meanwhile is kept. One that a worker holds is paused when the '
  'calls that are out have ended; watch its status. To pause one that is paused changes nothing.';

create function private.resume_execution(wanted_execution uuid) returns public.executions
language plpgsql
-- Definer: see private.pause_execution.
security definer
set search_path = ''
as $$
declare
  execution public.executions := private.execution_to(wanted_execution, 'executions.cancel');
  job queue.jobs := private.lock_job(execution);
begin
  if job.state <> 'paused' then
    select e.* into execution from public.executions e where e.tenant_id = execution.tenant_id and e.id = execution.id;
    if execution.pause_requested_at is not null then
      perform private.refuse(409, 'execution_pausing', 'this execution is about to pause: calls are still out',
        null, 'resume it when its status is paused');
    end if;
    perform private.refuse(409, 'execution_not_paused', format('this execution is not paused; its status is %s', execution.status));
  end if;
  update queue.jobs j set state = 'ready', ready_in = pg_current_xact_id(), run_at = null
   where j.tenant_id = execution.tenant_id and j.execution_id = execution.id;
  perform queue.open_lane(job.tenant_id, job.workflow_id, job.priority);
  perform queue.notify_workers(job.tenant_id);
  update public.executions e
     set status = 'waiting', pause_requested_at = null, revision = e.revision + 1
   where e.tenant_id = execution.tenant_id and e.id = execution.id
  returning e.* into execution;
  perform pg_notify('aias_executions', execution.id::text);
  perform audit.record_event(execution.tenant_id, 'executions.resume', 'executions', execution.id::text);
  return execution;
end
$$;

create function public.resume_execution(execution_id uuid) returns public.executions
language sql set search_path = '' as $$ select * from private.resume_execution(execution_id) $$;

comment on function public.resume_execution is
  'Lets a paused execution go on. What came for it and what was due meanwhile is taken up at once.';

-- Another try ----------------------------------------------------------------------------------------------------------------------

create function private.steps_to_repeat(plan jsonb, first_nodes text[]) returns table (node_id text, is_first boolean)
language sql
stable
set search_path = ''
as $$
  with recursive node as (
    select (n.position - 1)::integer as position, n.node ->> 'id' as id, n.node -> 'outgoing' as outgoing
      from jsonb_array_elements(plan -> 'nodes') with ordinality n (node, position)
  ),
  edge as (
    select n.position as source, (e ->> 'to')::integer as target from node n cross join lateral jsonb_array_elements(n.outgoing) e
  ),
  again (position) as (
    select n.position from node n where n.id = any (first_nodes)
    union
    select e.target from again a join edge e on e.source = a.position
  )
  select n.id, not exists (select from edge e join again b on b.position = e.source where e.target = n.position)
    from again a join node n using (position)
$$;

comment on function private.steps_to_repeat is
  'These nodes of a plan and all that come after them. is_first: nothing that comes before it is repeated.';

create function private.retry_execution(wanted_execution uuid, from_node text, new_input jsonb) returns public.executions
language plpgsql
-- Definer: see private.start_execution.
security definer
set search_path = ''
as $$
declare
  source public.executions := private.execution_to(wanted_execution, 'workflows.execute');
  workflow public.workflows;
  plan jsonb;
  execution public.executions;
  first_nodes text[];
  taken_over integer;
begin
  if source.finished_at is null then
    perform private.refuse(409, 'execution_not_finished', format('this execution is not over; its status is %s', source.status),
      null, 'cancel it first, or wait');
  end if;
  if from_node is not null and new_input is not null then
    perform private.refuse(400, 'retry_invalid', 'with another input everything runs again, so there is no node to begin from',
      null, 'give either input or from_node');
  end if;
  select w.* into workflow from public.workflows w where w.tenant_id = source.tenant_id and w.id = source.workflow_id;
  if workflow.status <> 'active' then
    perform private.refuse(409, 'workflow_not_active', format('workflow "%s" is %s', workflow.name, workflow.status),
      null, 'activate it first: rpc activate_workflow');
  end if;
  select v.plan into plan from public.workflow_versions v
   where v.tenant_id = source.tenant_id and v.workflow_id = source.workflow_id and v.version = source.workflow_version;
  if from_node is not null and not plan @> jsonb_build_object('nodes', jsonb_build_array(jsonb_build_object('id', from_node))) then
    perform private.refuse(400, 'unknown_node', format('version %s of this workflow has no node "%s"', source.workflow_version, from_node));
  end if;
  perform private.check_input_size(new_input);
  perform private.count_request(source.tenant_id);

  -- Not the version that is published now, but the one that this execution ran.
  workflow.version := source.workflow_version;
  execution := private.enqueue_execution(workflow, coalesce(new_input, source.input), null, (select auth.uid()), 'retry', priority => source.priority);
  update public.executions e set retried_from = source.id
   where e.tenant_id = execution.tenant_id and e.id = execution.id
  returning e.* into execution;
  perform audit.record_event(execution.tenant_id, 'executions.retry', 'executions', execution.id::text,
    jsonb_build_object('retried_from', source.id, 'from_node', from_node, 'has_new_input', new_input is not null));
  if new_input is not null then
    return execution;
  end if;

  -- What did not succeed runs again, and what comes after it; or what was asked for. A failure that the workflow coped with is a result
  -- like any other for the steps behind it, and stays one where it was not asked to be tried again.
  select array_agg(n.node ->> 'id') into first_nodes
    from jsonb_array_elements(plan -> 'nodes') n (node)
   where n.node ->> 'id' = from_node
      or not exists (
        select from public.execution_steps s
         where s.tenant_id = source.tenant_id and s.execution_id = source.id and s.node_id = n.node ->> 'id' and s.item = -1
           and (s.status in ('succeeded', 'skipped')
                or s.status = 'failed' and from_node is not null and n.node ->> 'on_error' in ('continue', 'branch'))
      );
  insert into public.execution_steps (
    tenant_id, execution_id, node_id, item, name, kind, status, attempt, handle, input, output, error, started_at, finished_at, revision)
  select execution.tenant_id, execution.id, s.node_id, s.item, s.name, s.kind, s.status, s.attempt, s.handle, s.input, s.output, s.error,
         s.started_at, s.finished_at, row_number() over (order by s.revision)
    from public.execution_steps s
    left join private.steps_to_repeat(plan, first_nodes) again on again.node_id = s.node_id
   where s.tenant_id = source.tenant_id and s.execution_id = source.id and s.status in ('succeeded', 'skipped', 'failed')
     and (again.node_id is null
          -- The list is the same as before, so what was done with its items need not be done again.
          or again.is_first and from_node is null and s.item >= 0 and s.status = 'succeeded');
  get diagnostics taken_over = row_count;
  update queue.jobs j set has_steps = true where j.tenant_id = execution.tenant_id and j.execution_id = execution.id and taken_over > 0;
  update public.executions e set revision = taken_over
   where e.tenant_id = execution.tenant_id and e.id = execution.id
  returning e.* into execution;
  return execution;
end
$$;

create function public.retry_execution(execution_id uuid, from_node text default null, input jsonb default null) returns public.executions
language sql set search_path = '' as $$ select * from private.retry_execution(execution_id, from_node, input) $$;

comment on function public.retry_execution is
  'Another try of an execution that is over: a new one of the same version, charged to the plan, that takes over what was done. Without from_node all that '
  'did not succeed runs again, of a list only the items that did not; with it that step and all behind it; with another input everything.';

-- Executions that call others --------------------------------------------------------------------------------------------------------

create function queue.start_child(
  tenant uuid, execution uuid, token bigint, node text, wait_item integer, wanted_workflow uuid, child_input jsonb, given_up uuid
) returns table (held boolean, child_id uuid, refusal text)
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
#variable_conflict use_variable
declare
  caller public.executions;
  workflow public.workflows;
  wait queue.waits;
begin
  held := true;
  perform from queue.jobs j
   where j.tenant_id = tenant and j.execution_id = execution and j.fencing_token = token and j.state = 'claimed'
     for update;
  if not found then
    held := false;
    return next;
    return;
  end if;

  select w.* into wait from queue.waits w
   where w.tenant_id = tenant and w.execution_id = execution and w.node_id = node and w.item = wait_item;
  if wait.child_id is distinct from given_up and wait.child_id is not null then
    -- An attempt before this one started it and could not say so. It may have ended since.
    child_id := wait.child_id;
    if wait.delivered is not null then
      perform queue.wake(tenant, execution);
    end if;
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
  if refusal is not null then
    return next;
    return;
  end if;
  perform private.check_input_size(child_input);
  child_id := (private.enqueue_execution(workflow, child_input, null, caller.started_by, 'call', execution, node, nullif(wait_item, -1),
    caller.depth + 1, caller.priority)).id;
  if wait.child_id is not null then
    perform queue.ask_to_end(tenant, wait.child_id);
  end if;
  insert into queue.waits as w (tenant_id, execution_id, node_id, item, kind, child_id)
  values (tenant, execution, node, wait_item, 'execution', child_id)
  on conflict on constraint waits_pkey do update set child_id = excluded.child_id, delivered = null, created_at = now();
  update queue.jobs j set has_waits = true where j.tenant_id = tenant and j.execution_id = execution;
  return next;
end
$$;

comment on function queue.start_child is
  'Starts the execution that a step calls, and registers that the step waits for its end. Repeating the call answers the same one, unless it is the one that '
  'was given up; that is asked to end. held is false when the lease is lost; refusal says why none was started: call_too_deep, called_workflow_not_found, '
  'called_workflow_not_active.';

create function queue.ask_to_end(tenant uuid, execution uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.executions e set cancel_requested_at = coalesce(e.cancel_requested_at, now())
   where e.tenant_id = tenant and e.id = execution and e.finished_at is null;
  if found then
    -- One that is paused does not go on, but it ends.
    update queue.jobs j set state = 'waiting' where j.tenant_id = tenant and j.execution_id = execution and j.state = 'paused';
    perform queue.wake(tenant, execution);
  end if;
end
$$;

comment on function queue.ask_to_end is 'Asks for the end of an execution that nobody waits for any more. Its own worker ends it.';

create or replace function queue.answer_call(tenant uuid, execution uuid) returns void
language plpgsql
set search_path = ''
as $$
declare
  child public.executions;
begin
  select e.* into child from public.executions e where e.tenant_id = tenant and e.id = execution;
  perform from queue.jobs j where j.tenant_id = tenant and j.execution_id = child.parent_id for update;
  -- Not when the step has given this one up and waits for another.
  if exists (
    select from queue.waits w
     where w.tenant_id = tenant and w.execution_id = child.parent_id and w.node_id = child.parent_node
       and w.item = coalesce(child.parent_item, -1) and w.child_id = child.id
  ) then
    perform queue.deliver(tenant, child.parent_id, child.parent_node, coalesce(child.parent_item, -1), jsonb_build_object(
      'execution_id', child.id, 'status', child.status, 'output', child.output, 'error', child.error));
  end if;
end
$$;
