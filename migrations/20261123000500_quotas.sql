-- Plan limits become quotas, and the tables that count as stock take from them.
--
-- The counting is the extension's (aias.quota_*): exact under any concurrency, given back by a rollback. This file says what is
-- counted, and keeps each tenant's limits equal to its plan and overrides.

create table private.meters (
  key text primary key,
  kind text not null,
  constraint meter_kind_is_known check (kind in ('stock', 'flow'))
);
alter table private.meters enable row level security;
comment on table private.meters is 'What is counted: a stock exists at a time, a flow happens during a billing period.';

insert into private.meters (key, kind) values
  ('workflows', 'stock'),
  ('users', 'stock'),
  ('storage_bytes', 'stock'),
  ('executions', 'flow'),
  ('llm_tokens', 'flow');

create function private.sync_limits(tenant public.tenants) returns void
language sql
set search_path = ''
as $$
  select aias.quota_set(
           tenant.id,
           m.key,
           m.kind,
           case when tenant.limit_overrides ? m.key then (tenant.limit_overrides ->> m.key)::bigint
                else (p.limits ->> m.key)::bigint end,
           case when m.kind = 'flow' then tenant.billing_anchor end
         )
    from private.meters m
    join public.subscription_plans p on p.id = tenant.plan_id
   order by m.key
$$;

comment on function private.sync_limits is 'Sets every quota of a tenant to what its plan and its overrides allow.';

create function private.sync_tenant_limits() returns trigger
language plpgsql
-- Definer: whoever may change a tenant need not be able to touch its counters.
security definer
set search_path = ''
as $$
begin
  perform private.sync_limits(new);
  return null;
end
$$;

create trigger _100_sync_limits after insert or update of plan_id, limit_overrides, billing_anchor on public.tenants
  for each row execute function private.sync_tenant_limits();

create function private.sync_plan_limits() returns trigger
language plpgsql
-- Definer: see private.sync_tenant_limits.
security definer
set search_path = ''
as $$
begin
  perform private.sync_limits(t) from public.tenants t where t.plan_id = new.id order by t.id;
  return null;
end
$$;

create trigger _100_sync_limits after update of limits on public.subscription_plans
  for each row when (old.limits is distinct from new.limits) execute function private.sync_plan_limits();

create function private.forget_quotas() returns trigger
language plpgsql
-- Definer: see private.sync_tenant_limits.
security definer
set search_path = ''
as $$
begin
  perform aias.quota_forget(old.id);
  return null;
end
$$;

create trigger _900_forget_quotas after delete on public.tenants
  for each row execute function private.forget_quotas();

create function private.forget_all_quotas() returns trigger
language plpgsql
-- Definer: see private.sync_tenant_limits.
security definer
set search_path = ''
as $$
begin
  perform aias.quota_forget(known.tenant_id) from (select distinct u.tenant_id from aias.quota_usage() u order by 1) known;
  return null;
end
$$;

create trigger _900_forget_all_quotas after truncate on public.tenants
  for each statement execute function private.forget_all_quotas();

-- One statement may insert many rows; each tenant among them is charged once, in tenant order, so that two such statements
-- cannot wait for each other in a circle.
create function private.take_stock() returns trigger
language plpgsql
-- Definer: the client that inserts has no rights on the counters.
security definer
set search_path = ''
as $$
begin
  perform aias.quota_take(added.tenant_id, tg_argv[0], added.amount)
     from (select tenant_id, count(*) as amount from inserted group by tenant_id order by tenant_id) added;
  return null;
end
$$;

create function private.give_stock_back() returns trigger
language plpgsql
-- Definer: see private.take_stock.
security definer
set search_path = ''
as $$
begin
  -- A tenant that goes takes its rows along, and by the time that this runs its counters are forgotten already.
  perform aias.quota_give(removed.tenant_id, tg_argv[0], removed.amount)
     from (select tenant_id, count(*) as amount from deleted group by tenant_id order by tenant_id) removed
    where exists (select from public.tenants t where t.id = removed.tenant_id);
  return null;
end
$$;

create function private.empty_stock() returns trigger
language plpgsql
-- Definer: see private.take_stock.
security definer
set search_path = ''
as $$
begin
  perform aias.quota_recount(t.id, tg_argv[0], 0) from public.tenants t order by t.id;
  return null;
end
$$;

comment on function private.take_stock is 'Charges inserted rows to the meter named by the trigger''s argument.';
comment on function private.give_stock_back is 'Gives deleted rows back to the meter named by the trigger''s argument.';

comment on function private.empty_stock is 'After a truncate: nobody has anything of the meter named by the trigger''s argument.';

create trigger _060_keep_identity before update on public.memberships
  for each row
  when (new.tenant_id is distinct from old.tenant_id or new.user_id is distinct from old.user_id) execute function private.keep_identity();
create trigger _200_take_stock after insert on public.memberships
  referencing new table as inserted for each statement execute function private.take_stock('users');
create trigger _200_give_stock_back after delete on public.memberships
  referencing old table as deleted for each statement execute function private.give_stock_back('users');
create trigger _200_empty_stock after truncate on public.memberships
  for each statement execute function private.empty_stock('users');

create function private.limit_of(tenant uuid, meter text) returns bigint
language sql
stable
set search_path = ''
as $$
  select case when t.limit_overrides ? meter then (t.limit_overrides ->> meter)::bigint
              else (p.limits ->> meter)::bigint end
    from public.tenants t
    join public.subscription_plans p on p.id = t.plan_id
   where t.id = tenant
$$;

comment on function private.limit_of is 'What a tenant''s plan and overrides allow of a meter; null means unlimited.';

create function private.count_request(tenant uuid) returns void
language plpgsql
set search_path = ''
as $$
declare
  allowed bigint := private.limit_of(tenant, 'requests_per_minute');
begin
  if allowed is not null then
    -- A million a second is as good as unlimited, and the most that can be told apart.
    perform aias.rate_limit_or_refuse('tenant:' || tenant, greatest(0, least(allowed, 60000000))::integer, interval '1 minute',
      meter => 'requests_per_minute');
  end if;
end
$$;

comment on function private.count_request is
  'Counts a request of a tenant, or refuses it with 429 when there were as many in the last minute as its plan allows. '
  'Where the extension is preloaded, a request counts whatever becomes of its transaction.';
