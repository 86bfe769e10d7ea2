-- Executions and steps once more, by month: what is old leaves as whole partitions and not as millions of dead rows.
--
-- An id begins with the time at which it was made (aias.uuid7()), so a month is a range of ids, the primary key stays (tenant_id, id), and
-- "the newest first" is read from it. Partitions are in schema `history`, made ahead of time by queue.keep_history(); whatever belongs to
-- none of them, such as a row from another system with an old id, is in `…_other`.
--
--   public.executions ──► history.executions_2026_11, history.executions_2026_12, … history.executions_other
--
-- Steps have no foreign key to their execution: its check would be the dearest part of writing a step, and the only writer is
-- queue.record, which holds the execution's job meanwhile. They go with their execution, by a trigger.

create schema if not exists history;
revoke all on schema history from public;
comment on schema history is 'The partitions of public.executions and public.execution_steps. Read through these.';

alter table public.subscription_plans
  add column history_days integer,
  add column queue_weight integer not null default 1,
  add constraint plan_history_is_positive check (history_days > 0),
  add constraint plan_queue_weight_is_positive check (queue_weight between 1 and 1000);
update public.subscription_plans set history_days = 30, queue_weight = 1 where key = 'starter';
update public.subscription_plans set history_days = 180, queue_weight = 2 where key = 'professional';
update public.subscription_plans set history_days = null, queue_weight = 4 where key = 'enterprise';
comment on column public.subscription_plans.history_days is 'How long a finished execution is kept; null: until somebody deletes it.';
comment on column public.subscription_plans.queue_weight is
  'The share of the workers that a tenant gets while others wait too, in proportion to theirs.';

alter table public.workflows
  add column max_concurrency integer,
  add constraint workflow_max_concurrency_is_positive check (max_concurrency > 0);
comment on column public.workflows.max_concurrency is 'How many of its executions run at a time at most; null: as many as the plan lets.';

-- The tables ---------------------------------------------------------------------------------------------------------------------

alter table public.executions set schema history;
alter table public.execution_steps set schema history;

create table public.executions (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  id uuid not null default aias.uuid7(),
  workflow_id uuid not null,
  workflow_version integer not null,
  status text not null default 'queued',
  priority smallint not null default 0,
  input jsonb not null default '{}',
  output jsonb,
  error jsonb,
  idempotency_key text,
  origin text not null default 'manual',
  started_by uuid references public.users (id) on delete set null,
  parent_id uuid,
  parent_node text,
  parent_item integer,
  depth smallint not null default 0,
  retried_from uuid,
  revision bigint not null default 0,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  cancel_requested_at timestamptz,
  pause_requested_at timestamptz,
  primary key (tenant_id, id),
  constraint execution_runs_a_published_version foreign key (workflow_id, tenant_id, workflow_version)
    references public.workflow_versions (workflow_id, tenant_id, version) on delete cascade,
  constraint execution_idempotency_key_is_short check (length(idempotency_key) between 1 and 255),
  constraint execution_status_is_known check (status in ('queued', 'running', 'waiting', 'paused', 'succeeded', 'failed', 'cancelled')),
  constraint execution_is_finished_when_it_says_so check (
    (status in ('succeeded', 'failed', 'cancelled')) = (finished_at is not null)
  ),
  constraint failed_execution_says_why check (status <> 'failed' or error is not null),
  constraint execution_priority_is_small check (priority between -100 and 100),
  constraint execution_origin_is_known check (origin in ('manual', 'webhook', 'schedule', 'event', 'call', 'retry')),
  constraint called_execution_names_its_step check ((parent_id is null) = (parent_node is null))
) partition by range (id);
-- The workflow first: an index that began with the tenant could be taken for as good as the key where a month looks empty.
create index executions_workflow on public.executions (workflow_id, tenant_id, workflow_version);
create index executions_started_by on public.executions (started_by);
create index executions_parent on public.executions (tenant_id, parent_id) where parent_id is not null;
alter table public.executions enable row level security;

comment on table public.executions is 'One run of a workflow version.';
comment on column public.executions.priority is 'Those with a higher one are begun first, within the tenant.';
comment on column public.executions.output is 'Outputs of the last steps (those without a successor that ran), by node id.';
comment on column public.executions.error is '{code, message, node_id?}';
comment on column public.executions.origin is 'What started it: a person or an API call, a trigger, another execution''s step, or a retry.';
comment on column public.executions.parent_id is 'The execution whose step called it.';
comment on column public.executions.retried_from is 'The execution that it is another try of.';
comment on column public.executions.revision is 'Grows with every change of the execution or of a step; event streams resume by it.';

create table public.execution_steps (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  execution_id uuid not null,
  node_id text not null,
  item integer not null default -1,
  name text,
  kind text not null,
  status text not null,
  attempt integer not null default 1,
  handle text,
  input jsonb,
  output jsonb,
  error jsonb,
  run_at timestamptz,
  started_at timestamptz,
  finished_at timestamptz,
  model text,
  input_tokens bigint,
  output_tokens bigint,
  cost_usd numeric(18, 9),
  revision bigint not null,
  primary key (tenant_id, execution_id, node_id, item),
  constraint step_status_is_known check (status in ('running', 'waiting', 'succeeded', 'failed', 'skipped', 'cancelled')),
  constraint only_a_waiting_step_has_a_time check (status = 'waiting' or run_at is null),
  constraint failed_step_says_why check (status <> 'failed' or error is not null),
  constraint step_item_is_a_position check (item >= -1)
) partition by range (execution_id);
alter table public.execution_steps drop constraint execution_steps_tenant_id_fkey;
alter table public.execution_steps enable row level security;

comment on table public.execution_steps is 'One node''s part in an execution. A final status never changes again.';
comment on column public.execution_steps.item is 'Which item of a for_each, from 0; -1 for the node itself.';
comment on column public.execution_steps.input is 'The node''s config as rendered for this run, secrets masked.';
comment on column public.execution_steps.handle is 'The handle that a condition chose.';
comment on column public.execution_steps.error is '{code, message, details?}';
comment on column public.execution_steps.run_at is
  'When a waiting step goes on: the next attempt, the end of a delay, or the end of its patience; null when only what it waits for ends it.';

create trigger _100_keep_final before update on public.execution_steps
  for each row execute function private.keep_final_step();

-- Months -------------------------------------------------------------------------------------------------------------------------

create function private.first_id_at(instant timestamptz) returns uuid
language sql
immutable
set search_path = ''
as $$
  -- https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7: 48 bits of milliseconds come first.
  select (lpad(to_hex((extract(epoch from instant) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

comment on function private.first_id_at is 'Sorts before every id that was made at this instant or later.';

create function queue.make_partition(parent regclass, key name, first_day date) returns boolean
language plpgsql
set search_path = ''
-- A table is locked to attach a partition. Whoever cannot have it now comes back.
set lock_timeout = '2s'
as $$
declare
  parent_name name := (select c.relname from pg_catalog.pg_class c where c.oid = parent);
  part name := format('%s_%s', parent_name, to_char(first_day, 'YYYY_MM'));
  first_id uuid := private.first_id_at(first_day::timestamp at time zone 'UTC');
  end_id uuid := private.first_id_at((first_day + interval '1 month')::timestamp at time zone 'UTC');
begin
  if to_regclass(format('history.%I', part)) is not null then
    return false;
  end if;
  -- Half empty pages: a row grows when its execution ends, and then stays on its page, without new entries in indexes.
  execute format('create table history.%I (like %s including defaults including constraints including storage) with (fillfactor = %s)',
    part, parent, case parent_name when 'executions' then 50 else 100 end);
  execute format('alter table history.%I enable row level security', part);
  -- There may be some already, from before anybody made the month.
  execute format('with moved as (delete from history.%I where %I >= %L and %I < %L returning *) insert into history.%I select * from moved',
    parent_name || '_other', key, first_id, key, end_id, part);
  execute format('alter table %s attach partition history.%I for values from (%L) to (%L)', parent, part, first_id, end_id);
  execute format('comment on table history.%I is %L', part, format('%s of %s', parent_name, to_char(first_day, 'FMMonth YYYY')));
  return true;
end
$$;

comment on function queue.make_partition is 'Makes the partition of a month; false when it is there.';

create table history.executions_other partition of public.executions default;
create table history.execution_steps_other partition of public.execution_steps default;
alter table history.executions_other enable row level security;
alter table history.execution_steps_other enable row level security;
comment on table history.executions_other is 'Executions of no month that has a partition.';
comment on table history.execution_steps_other is 'Steps of executions of no month that has a partition.';

create function queue.keep_history() returns integer
language plpgsql
set search_path = ''
as $$
declare
  month date;
  made integer := 0;
begin
  -- One at a time; the others have nothing to do.
  if not pg_try_advisory_xact_lock(hashtextextended('queue.keep_history', 0)) then
    return 0;
  end if;
  for month in select generate_series(date_trunc('month', now() at time zone 'UTC'), now() at time zone 'UTC' + interval '3 months', '1 month')::date loop
    made := made + queue.make_partition('public.executions', 'id', month)::integer
                 + queue.make_partition('public.execution_steps', 'execution_id', month)::integer;
  end loop;
  return made;
end
$$;

comment on function queue.keep_history is 'Makes the partitions of this month and the next three. Answers how many.';

select queue.keep_history();

-- What was there before ----------------------------------------------------------------------------------------------------------

insert into public.executions (
  tenant_id, id, workflow_id, workflow_version, status, input, output, error, idempotency_key, started_by, revision, created_at, started_at,
  finished_at, cancel_requested_at)
select e.tenant_id, e.id, e.workflow_id, e.workflow_version, e.status, e.input, e.output, e.error, e.idempotency_key, e.started_by, e.revision,
       e.created_at, e.started_at, e.finished_at, e.cancel_requested_at
  from history.executions e;
insert into public.execution_steps (
  tenant_id, execution_id, node_id, name, kind, status, attempt, handle, input, output, error, run_at, started_at, finished_at, model,
  input_tokens, output_tokens, cost_usd, revision)
select s.tenant_id, s.execution_id, s.node_id, s.name, s.kind, s.status, s.attempt, s.handle, s.input, s.output, s.error, s.run_at, s.started_at,
       s.finished_at, s.model, s.input_tokens, s.output_tokens, s.cost_usd, s.revision
  from history.execution_steps s;

-- A key must be unique over all months, so keys have a table of their own.
create table private.execution_keys (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  workflow_id uuid not null,
  key text not null,
  execution_id uuid not null,
  primary key (tenant_id, workflow_id, key)
);
create index execution_keys_execution on private.execution_keys (tenant_id, execution_id);
alter table private.execution_keys enable row level security;
comment on table private.execution_keys is 'Idempotency keys of executions. They go with their execution.';

insert into private.execution_keys (tenant_id, workflow_id, key, execution_id)
select e.tenant_id, e.workflow_id, e.idempotency_key, e.id from public.executions e where e.idempotency_key is not null;

-- Their jobs are moved by the next migration.
alter table queue.jobs drop constraint job_belongs_to_an_execution;

-- What speaks of the old row type.
drop function public.start_execution(uuid, jsonb, text);
drop function private.start_execution(uuid, jsonb, text);
drop function public.cancel_execution(uuid);
drop function private.cancel_execution(uuid);

create or replace view private.tenant_data as
  select t.id as tenant_id, 'tenants' as source, to_jsonb(t) as line from public.tenants t
  union all
  select m.tenant_id, 'users', to_jsonb(u) from public.users u join public.memberships m on m.user_id = u.id
  union all
  select x.tenant_id, 'roles', to_jsonb(x) from public.roles x
  union all
  select x.tenant_id, 'memberships', to_jsonb(x) from public.memberships x
  union all
  select x.tenant_id, 'invitations', to_jsonb(x) from public.invitations x
  union all
  select x.tenant_id, 'api_keys', to_jsonb(x) from public.api_keys x
  union all
  select x.tenant_id, 'tenant_domains', to_jsonb(x) from public.tenant_domains x
  union all
  select x.tenant_id, 'ai_agents', to_jsonb(x) from public.ai_agents x
  union all
  select x.tenant_id, 'workflows', to_jsonb(x) from public.workflows x
  union all
  select x.tenant_id, 'workflow_versions', to_jsonb(x) from public.workflow_versions x
  union all
  select x.tenant_id, 'executions', to_jsonb(x) from public.executions x
  union all
  select x.tenant_id, 'execution_steps', to_jsonb(x) from public.execution_steps x
  union all
  select x.tenant_id, 'usage', to_jsonb(x) from public.usage x
  union all
  select x.tenant_id, 'audit_log', to_jsonb(x) - 'hash' || jsonb_build_object('hash', encode(x.hash, 'hex')) from audit.log x
  union all
  -- Not chained yet.
  select x.tenant_id, 'audit_log', to_jsonb(x) from audit.inbox x;

drop table history.execution_steps;
drop table history.executions;

-- Where there is Supabase Realtime, frontends may follow both tables; what they see is up to the policies.
do $$
begin
  if exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime' and not puballtables) then
    -- Under the tables' own names, not those of the months.
    alter publication supabase_realtime set (publish_via_partition_root = true);
    alter publication supabase_realtime add table public.executions, public.execution_steps;
  end if;
end
$$;
