-- Workflows: graphs that a frontend draws and a worker runs.
--
-- A draft may be half drawn. An active workflow has no error, by whatever road the row is written: a trigger names every problem, and
-- a check constraint stands behind it. Activating publishes an immutable version; executions pin the version they started with.
--
--   draft ──► active ◄──► paused          active, paused, draft ──► archived ──► draft

create table public.workflows (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  id uuid not null default aias.uuid7(),
  name text not null,
  description text,
  nodes jsonb not null default '[]',
  connections jsonb not null default '[]',
  status text not null default 'draft',
  version integer not null default 0,
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  constraint workflow_name_is_not_empty check (length(btrim(name)) between 1 and 200),
  constraint workflow_status_is_known check (status in ('draft', 'active', 'paused', 'archived')),
  constraint workflow_drawing_is_not_huge check (pg_column_size(nodes) <= 4194304 and pg_column_size(connections) <= 1048576),
  constraint active_workflow_has_no_problems check (status <> 'active' or aias.workflow_is_valid(nodes, connections))
);
create index workflows_created_by on public.workflows (created_by);
alter table public.workflows enable row level security;

comment on table public.workflows is 'A graph of steps, in the shape that React Flow draws.';
comment on column public.workflows.nodes is '[{id, type, position: {x, y}, config, name?, retry?, timeout?, on_error?}]';
comment on column public.workflows.connections is '[{source, target, sourceHandle?}]';
comment on column public.workflows.version is 'The last published version; 0 before the first activation. Kept by the database.';

create table public.workflow_versions (
  tenant_id uuid not null,
  workflow_id uuid not null,
  version integer not null,
  nodes jsonb not null,
  connections jsonb not null,
  plan jsonb not null,
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, workflow_id, version),
  constraint version_belongs_to_a_workflow foreign key (tenant_id, workflow_id)
    references public.workflows (tenant_id, id) on delete cascade,
  constraint version_is_positive check (version > 0)
);
create index workflow_versions_created_by on public.workflow_versions (created_by);
alter table public.workflow_versions enable row level security;

comment on table public.workflow_versions is 'What was published, never changed afterwards. Executions run one of these.';
comment on column public.workflow_versions.plan is 'The graph as a worker runs it, made by aias.workflow_plan.';

create function private.workflow_problems(tenant uuid, nodes jsonb, connections jsonb)
returns table (severity text, code text, node_id text, pointer text, message text)
language sql
stable
set search_path = ''
as $$
  select p.severity, p.code, p.node_id, p.pointer, p.message
    from aias.workflow_problems(nodes, connections) p
  union all
  -- What the graph alone cannot tell: whether the agents that it names are there. An id that is no uuid is named above.
  select 'error', 'unknown_agent', drawn.node ->> 'id', format('/nodes/%s/config/agent_id', drawn.position - 1),
         format('there is no agent %s in this tenant; choose one of its agents or name a model instead', drawn.node #>> '{config,agent_id}')
    from jsonb_array_elements(case when jsonb_typeof(nodes) = 'array' then nodes else '[]' end)
         with ordinality as drawn (node, position)
   where drawn.node ->> 'type' = 'ai_processing'
     and drawn.node #>> '{config,agent_id}' ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
     and not exists (
       select from public.ai_agents a where a.tenant_id = tenant and a.id = (drawn.node #>> '{config,agent_id}')::uuid
     )
$$;

comment on function private.workflow_problems is 'aias.workflow_problems, and what only the tenant''s other rows can tell.';

create function private.check_workflow() returns trigger
language plpgsql
-- Definer: reads the published versions and all agents of the tenant, whatever the writer may see.
security definer
set search_path = ''
as $$
declare
  found_problems jsonb;
  errors integer;
begin
  new.version := case when tg_op = 'UPDATE' then old.version else 0 end;
  if new.status <> 'active' then
    return new;
  end if;
  if tg_op = 'UPDATE' and old.status = 'active' and new.nodes = old.nodes and new.connections = old.connections then
    return new;
  end if;

  -- This runs before row-level security sees the row. Whoever may not write here is refused there; a list of problems would tell them
  -- which agents the tenant has.
  if current_setting('role') in ('anon', 'authenticated')
     and not new.tenant_id = any (array(select private.tenants_with('workflows.write'))) then
    return new;
  end if;

  select jsonb_agg(to_jsonb(p)), count(*) filter (where p.severity = 'error')
    into found_problems, errors
    from private.workflow_problems(new.tenant_id, new.nodes, new.connections) p;
  if errors > 0 then
    perform private.refuse(422, 'workflow_invalid',
      format('workflow "%s" cannot be active: it has %s %s', new.name, errors, case errors when 1 then 'problem' else 'problems' end),
      found_problems::text,
      'each entry of details has a JSON pointer to the place and says what to do');
  end if;

  if not exists (
    select from public.workflow_versions v
     where v.tenant_id = new.tenant_id and v.workflow_id = new.id and v.version = new.version
       and v.nodes = new.nodes and v.connections = new.connections
  ) then
    new.version := new.version + 1;
  end if;
  return new;
end
$$;

comment on function private.check_workflow is 'Refuses to activate a workflow with problems, naming all of them; numbers what is to be published.';

create function private.publish_workflow() returns trigger
language plpgsql
-- Definer: nobody else writes versions.
security definer
set search_path = ''
as $$
begin
  insert into public.workflow_versions (tenant_id, workflow_id, version, nodes, connections, plan, created_by)
  values (new.tenant_id, new.id, new.version, new.nodes, new.connections,
          aias.workflow_plan(new.nodes, new.connections), (select auth.uid()));
  return null;
end
$$;

comment on function private.publish_workflow is 'Writes the version that an activation numbered.';

create trigger _050_stamp_author before insert on public.workflows
  for each row execute function private.stamp_author();
create trigger _050_keep_columns before update on public.workflows
  for each row execute function private.keep_columns('created_by', 'created_at');
create trigger _060_keep_identity before update on public.workflows
  for each row
  when (new.tenant_id is distinct from old.tenant_id or new.id is distinct from old.id) execute function private.keep_identity();
create trigger _100_check before insert or update on public.workflows
  for each row execute function private.check_workflow();
create trigger _900_touch before update on public.workflows
  for each row execute function private.touch_updated_at();

create trigger _200_publish_new after insert on public.workflows
  for each row when (new.version > 0) execute function private.publish_workflow();
create trigger _200_publish after update on public.workflows
  for each row when (new.version <> old.version) execute function private.publish_workflow();

create trigger _300_take_stock after insert on public.workflows
  referencing new table as inserted for each statement execute function private.take_stock('workflows');
create trigger _300_give_stock_back after delete on public.workflows
  referencing old table as deleted for each statement execute function private.give_stock_back('workflows');
create trigger _300_empty_stock after truncate on public.workflows
  for each statement execute function private.empty_stock('workflows');
