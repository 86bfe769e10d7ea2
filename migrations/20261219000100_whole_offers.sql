-- An offer says all that an execution begins with. The worker that hears it computes at once as far as it can without an effect, and what it then records takes the job: a
-- transaction less, and nothing to look up. An offer binds nobody. Where a claim is quicker, what was computed is thrown away; when the
-- worker dies, the job is ready as before.

-- Whoever may listen to a channel hears what is said there, and Postgres asks nobody's leave for that. So the channel on which inputs are told has a name that
-- only workers are told.
alter table queue.state add column offers_channel text not null default 'aias_offers_' || replace(gen_random_uuid()::text, '-', '');
comment on column queue.state.offers_channel is 'Where offers are told. Whoever knows it can hear the inputs of executions, and have executions run with others.';

create function queue.offers_channel() returns text
language sql stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$ select s.offers_channel from queue.state s $$;

comment on function queue.offers_channel is 'Where offers are told. For queue.listen_to_offers: in a statement of its own the name could be seen by others.';

create function queue.listen_to_offers() returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format('listen %I', queue.offers_channel());
end
$$;

comment on function queue.listen_to_offers is 'Has this session hear what is offered: see queue.offer.';

drop function queue.offer;
drop function queue.take;

create function queue.offer(execution public.executions, is_capped boolean) returns void
language plpgsql
set search_path = ''
as $$
declare
  channel text;
  worker text;
  may_be_offered boolean;
  input text;
begin
  -- When: see queue.notify_workers. To any that has room, but rather to none that may have died: with a lease of 30 s an idle one is written down each 5 to 7 s.
  select s.offers_channel, w.worker, t.max_running is null into channel, worker, may_be_offered
    from queue.state s
    left join queue.tenants t on t.tenant_id = execution.tenant_id
    left join lateral (
      select k.worker, k.wants_notice from queue.workers k
       where k.seen_at > now() - interval '1 minute'
       order by k.wants_notice desc, k.seen_at > now() - interval '8 seconds' desc, random()
       limit 1
    ) w on true
   where w.wants_notice or w.worker is null or t.turn < s.turn_lately;
  if not found then
    return;
  end if;
  -- What a cap may hold back is decided by claims alone; and what is tried again comes with steps.
  if worker is null or not may_be_offered or is_capped or execution.origin = 'retry' then
    perform pg_notify('aias_jobs', '');
    return;
  end if;
  -- A notice has less than 8,000 bytes (src/backend/commands/async.c), and what is stored says roughly how much it is as text. A longer input is asked for.
  if pg_column_size(execution.input) < 7000 then
    input := execution.input;
  end if;
  perform pg_notify(channel, format('{"worker": %s, "tenant_id": "%s", "execution_id": "%s", "workflow_id": "%s", "workflow_version": %s, "depth": %s, "input": %s}',
    to_json(worker), execution.tenant_id, execution.id, execution.workflow_id, execution.workflow_version, execution.depth,
    case when octet_length(input) < 7000 then input else 'null' end));
end
$$;

comment on function queue.offer is
  'Wakes workers for a job that is ready from now on, as queue.notify_workers does. Where no cap has to be looked at, one is told all that it begins with: '
  '{worker, tenant_id, execution_id, workflow_id, workflow_version, depth, input}, with null for an input that is too long. The others hear it too, and look a moment later whether it was had. '
  'A hint: whoever misses it finds the job by claiming.';

create function queue.offered_input(tenant uuid, execution uuid) returns jsonb
language sql stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$ select e.input from public.executions e where e.tenant_id = tenant and e.id = execution $$;

comment on function queue.offered_input is 'An input that is too long for an offer.';

create or replace function private.enqueue_execution(
  workflow public.workflows, input jsonb, idempotency_key text, started_by uuid, origin text,
  parent_id uuid default null, parent_node text default null, parent_item integer default null, depth integer default 0,
  priority integer default 0
) returns public.executions
language plpgsql
set search_path = ''
as $$
#variable_conflict use_variable
declare
  execution public.executions;
  new_id uuid := aias.uuid7();
  -- Of calls that return nothing: assigned they are evaluated as expressions, performed each is a query with an executor of its own.
  done text;
begin
  if idempotency_key is not null then
    insert into private.execution_keys (tenant_id, workflow_id, key, execution_id)
    values (workflow.tenant_id, workflow.id, idempotency_key, new_id)
    on conflict on constraint execution_keys_pkey do nothing;
    if not found then
      select e.* into execution
        from private.execution_keys k
        join public.executions e on e.tenant_id = k.tenant_id and e.id = k.execution_id
       where k.tenant_id = workflow.tenant_id and k.workflow_id = workflow.id and k.key = idempotency_key;
      return execution;
    end if;
  end if;

  insert into public.executions as e (
    tenant_id, id, workflow_id, workflow_version, priority, input, idempotency_key, origin, started_by, parent_id, parent_node, parent_item, depth)
  values (
    workflow.tenant_id, new_id, workflow.id, workflow.version, priority, coalesce(input, '{}'), idempotency_key, origin, started_by,
    parent_id, parent_node, parent_item, depth)
  returning e.* into execution;
  -- After the insert: only what is new is charged, and a refusal takes the row back with it.
  done := aias.quota_take(workflow.tenant_id, 'executions', 1);
  insert into queue.jobs (tenant_id, execution_id, workflow_id, priority) values (workflow.tenant_id, new_id, workflow.id, priority);
  done := queue.open_lane(workflow.tenant_id, workflow.id, priority::smallint);
  done := queue.offer(execution, workflow.max_concurrency is not null);
  return execution;
end
$$;
