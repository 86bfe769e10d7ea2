insert into auth.users (id, email)
select ('01960000-0000-7000-9000-' || lpad(n::text, 12, '0'))::uuid, 'owner' || n - 1 || '@crash.test' from generate_series(1, 2) n;
insert into public.tenants (id, name, subdomain, plan_id, limit_overrides)
select ('01960000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Tenant ' || n, 'crash-' || n, p.id,
       jsonb_build_object('requests_per_minute', null, 'concurrent_executions', case n when 2 then 60 end)
  from generate_series(1, 2) n join public.subscription_plans p on p.key = 'enterprise';
insert into public.roles (tenant_id, key, name, permissions, built_in)
select t.id, r.key, r.name, r.permissions, true from public.tenants t cross join private.built_in_roles r;
insert into public.memberships (tenant_id, user_id, role)
select t.id, u.id, 'owner' from public.tenants t join auth.users u on right(u.id::text, 12) = right(t.id::text, 12);

-- Whatever happens to a step or to the status of an execution, in the order in which it happened: one execution's changes are made by one
-- transaction after the other.
create schema crash;
create table crash.changes (
  seq bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  execution_id uuid not null,
  node_id text,
  was text,
  status text not null,
  attempt integer,
  revision bigint not null,
  run_at timestamptz,
  worker text
);
comment on column crash.changes.node_id is 'Null: the execution itself.';
comment on column crash.changes.worker is 'Who held the execution then.';

create function crash.note_step() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if tg_op = 'DELETE' then
    insert into crash.changes (execution_id, node_id, was, status, attempt, revision)
    values (old.execution_id, old.node_id, old.status, 'deleted', old.attempt, old.revision);
  else
    insert into crash.changes (execution_id, node_id, was, status, attempt, revision, run_at, worker)
    values (new.execution_id, new.node_id, case tg_op when 'UPDATE' then old.status end, new.status, new.attempt, new.revision, new.run_at,
            (select j.claimed_by from queue.jobs j where j.tenant_id = new.tenant_id and j.execution_id = new.execution_id));
  end if;
  return null;
end
$$;
create trigger _990_note_change after insert or update or delete on public.execution_steps
  for each row execute function crash.note_step();

create function crash.note_execution() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into crash.changes (execution_id, was, status, revision)
  values (new.id, old.status, new.status, new.revision);
  return null;
end
$$;
create trigger _990_note_change after update on public.executions
  for each row when (old.status is distinct from new.status) execute function crash.note_execution();
