-- Executions and their steps: what happened, as rows.
--
-- Clients read these tables and never write them. Both machines are drawn in workers/README.md and equal to the checks here.
--
--   execution:  queued ─► running ◄─► waiting          any of the three ─► succeeded | failed | cancelled
--   step:       running ◄─► waiting                    both ─► succeeded | failed | cancelled;   (none) ─► skipped

create table public.executions (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  id uuid not null default aias.uuid7(),
  workflow_id uuid not null,
  workflow_version integer not null,
  status text not null default 'queued',
  input jsonb not null default '{}',
  output jsonb,
  error jsonb,
  idempotency_key text,
  started_by uuid references public.users (id) on delete set null,
  revision bigint not null default 0,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  cancel_requested_at timestamptz,
  primary key (tenant_id, id),
  constraint execution_runs_a_published_version foreign key (tenant_id, workflow_id, workflow_version)
    references public.workflow_versions (tenant_id, workflow_id, version) on delete cascade,
  constraint execution_idempotency_key_is_unique unique (tenant_id, workflow_id, idempotency_key),
  constraint execution_idempotency_key_is_short check (length(idempotency_key) between 1 and 255),
  constraint execution_status_is_known check (status in ('queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled')),
  constraint execution_is_finished_when_it_says_so check (
    (status in ('succeeded', 'failed', 'cancelled')) = (finished_at is not null)
  ),
  constraint failed_execution_says_why check (status <> 'failed' or error is not null)
);
create index executions_workflow on public.executions (tenant_id, workflow_id, workflow_version);
create index executions_started_by on public.executions (started_by);
alter table public.executions enable row level security;

comment on table public.executions is 'One run of a workflow version.';
comment on column public.executions.output is 'Outputs of the last steps (those without a successor that ran), by node id.';
comment on column public.executions.error is '{code, message, node_id?}';
comment on column public.executions.revision is 'Grows with every change of the execution or of a step; event streams resume by it.';

create table public.execution_steps (
  tenant_id uuid not null,
  execution_id uuid not null,
  node_id text not null,
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
  primary key (tenant_id, execution_id, node_id),
  constraint step_belongs_to_an_execution foreign key (tenant_id, execution_id)
    references public.executions (tenant_id, id) on delete cascade,
  constraint step_status_is_known check (status in ('running', 'waiting', 'succeeded', 'failed', 'skipped', 'cancelled')),
  constraint waiting_step_has_a_time check ((status = 'waiting') = (run_at is not null)),
  constraint failed_step_says_why check (status <> 'failed' or error is not null)
);
-- The event stream asks for what changed since a revision, in order.
create index execution_steps_revision on public.execution_steps (tenant_id, execution_id, revision);
alter table public.execution_steps enable row level security;

comment on table public.execution_steps is 'One node''s part in an execution. A final status never changes again.';
comment on column public.execution_steps.input is 'The node''s config as rendered for this run, secrets masked.';
comment on column public.execution_steps.handle is 'The handle that a condition chose.';
comment on column public.execution_steps.error is '{code, message, details?}';
comment on column public.execution_steps.run_at is 'When a waiting step goes on: the next attempt, or the end of a delay.';

create function private.keep_final_step() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if old.status in ('succeeded', 'failed', 'skipped', 'cancelled') then
    raise exception 'step % of execution % is % and stays so', old.node_id, old.execution_id, old.status
      using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end
$$;

create trigger _100_keep_final before update on public.execution_steps
  for each row execute function private.keep_final_step();

create table private.llm_prices (
  provider text not null,
  model text not null,
  valid_from timestamptz not null,
  input_usd_per_million numeric not null,
  cached_input_usd_per_million numeric not null,
  output_usd_per_million numeric not null,
  primary key (provider, model, valid_from),
  constraint llm_prices_are_not_negative check (
    least(input_usd_per_million, cached_input_usd_per_million, output_usd_per_million) >= 0
  )
);
alter table private.llm_prices enable row level security;
comment on table private.llm_prices is 'USD per million tokens, from a date on. A model without a row has an unknown cost, not a cost of zero.';

-- List prices: https://platform.openai.com/docs/pricing, https://www.anthropic.com/pricing, https://ai.google.dev/pricing
insert into private.llm_prices values
  ('openai', 'gpt-4o', '2024-10-01Z', 2.50, 1.25, 10.00),
  ('openai', 'gpt-4o-mini', '2024-10-01Z', 0.15, 0.075, 0.60),
  ('openai', 'gpt-4.1', '2025-04-14Z', 2.00, 0.50, 8.00),
  ('openai', 'gpt-4.1-mini', '2025-04-14Z', 0.40, 0.10, 1.60),
  ('openai', 'gpt-4.1-nano', '2025-04-14Z', 0.10, 0.025, 0.40),
  ('anthropic', 'claude-3-5-haiku-latest', '2024-11-04Z', 0.80, 0.08, 4.00),
  ('anthropic', 'claude-3-5-sonnet-latest', '2024-10-22Z', 3.00, 0.30, 15.00),
  ('anthropic', 'claude-sonnet-4-0', '2025-05-22Z', 3.00, 0.30, 15.00),
  ('gemini', 'gemini-2.0-flash', '2025-02-05Z', 0.10, 0.025, 0.40),
  ('gemini', 'gemini-2.5-flash', '2025-06-17Z', 0.30, 0.075, 2.50);

create function private.llm_cost_usd(llm_provider text, llm_model text, at timestamptz, input bigint, cached bigint, output bigint)
returns numeric
language sql
stable
set search_path = ''
as $$
  select ((input - cached) * p.input_usd_per_million
          + cached * p.cached_input_usd_per_million
          + output * p.output_usd_per_million) / 1000000
    from private.llm_prices p
   where p.provider = llm_provider and p.model = llm_model and p.valid_from <= at
   order by p.valid_from desc
   limit 1
$$;

comment on function private.llm_cost_usd is 'List price of a call in USD; null when the model has no price.';

create table public.usage (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  id uuid not null default aias.uuid7(),
  idempotency_key text not null,
  execution_id uuid,
  node_id text,
  agent_id uuid,
  provider text not null,
  model text not null,
  input_tokens bigint not null default 0,
  cached_input_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  reasoning_tokens bigint not null default 0,
  cost_usd numeric(18, 9),
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  constraint usage_is_counted_once unique (tenant_id, idempotency_key),
  constraint usage_is_not_negative check (least(input_tokens, cached_input_tokens, output_tokens, reasoning_tokens) >= 0)
);
create index usage_execution on public.usage (tenant_id, execution_id);
alter table public.usage enable row level security;

comment on table public.usage is 'One row per LLM call, under a key that a replay repeats: nothing is billed twice.';
comment on column public.usage.cost_usd is 'List price; null when the model has no price.';
