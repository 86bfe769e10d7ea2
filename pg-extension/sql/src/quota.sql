create table aias.quota_meters (
  tenant_id uuid not null,
  meter text collate "C" not null,
  kind text not null constraint quota_kind_is_known check (kind in ('stock', 'flow')),
  quota_limit bigint constraint quota_limit_is_not_negative check (quota_limit >= 0),
  anchor timestamptz,
  used bigint not null default 0,
  period_start timestamptz not null default '-infinity',
  period_end timestamptz not null default 'infinity',
  primary key (tenant_id, meter)
) with (fillfactor = 50);
alter table aias.quota_meters enable row level security;
revoke all on aias.quota_meters from public;
select pg_catalog.pg_extension_config_dump('aias.quota_meters', '');

create table aias.quota_reservations (
  id uuid primary key,
  tenant_id uuid not null,
  meter text collate "C" not null,
  amount bigint not null,
  period_end timestamptz not null,
  expires_at timestamptz not null
);
create index quota_reservations_of_meter on aias.quota_reservations (tenant_id, meter);
alter table aias.quota_reservations enable row level security;
revoke all on aias.quota_reservations from public;
select pg_catalog.pg_extension_config_dump('aias.quota_reservations', '');

create function aias.quota_period(anchor timestamptz, at timestamptz, out period_start timestamptz, out period_end timestamptz)
language plpgsql immutable parallel safe set search_path = pg_catalog as $$
#variable_conflict use_column
declare
  a timestamp := anchor at time zone 'UTC';
  t timestamp := at at time zone 'UTC';
  n integer := (extract(year from t)::int - extract(year from a)::int) * 12 + extract(month from t)::int - extract(month from a)::int;
begin
  if a + make_interval(months => n) > t then n := n - 1; end if;
  period_start := (a + make_interval(months => n)) at time zone 'UTC';
  period_end := (a + make_interval(months => n + 1)) at time zone 'UTC';
end $$;

create function aias.quota_set(tenant uuid, meter text, kind text, quota_limit bigint, anchor timestamptz default null) returns void
language plpgsql security definer set search_path = pg_catalog as $$
#variable_conflict use_column
declare s timestamptz := '-infinity'; e timestamptz := 'infinity'; f timestamptz;
begin
  if tenant is null or meter is null or kind is null or kind not in ('stock', 'flow') or quota_limit < 0 then
    raise exception 'a quota needs a tenant, a meter, a kind (stock or flow) and a limit that is not negative' using errcode = '22023';
  end if;
  if kind = 'flow' then
    f := coalesce(anchor, (select m.anchor from aias.quota_meters m where m.tenant_id = tenant and m.meter = quota_set.meter), date_trunc('month', now(), 'UTC'));
    select p.period_start, p.period_end into s, e from aias.quota_period(f, clock_timestamp()) p;
  end if;
  insert into aias.quota_meters as m values (tenant, meter, kind, quota_limit, f, 0, s, e)
  on conflict (tenant_id, meter) do update set kind = excluded.kind, quota_limit = excluded.quota_limit, anchor = excluded.anchor,
    used = case when m.period_end <= excluded.period_start then 0 else m.used end,
    period_start = excluded.period_start, period_end = excluded.period_end;
end $$;

create function aias.quota_take(tenant uuid, meter text, amount bigint default 1) returns void
language plpgsql security definer set search_path = pg_catalog as $$
#variable_conflict use_column
declare m aias.quota_meters; v_used bigint; t timestamptz;
begin
  if amount is null or amount <= 0 then
    raise exception 'an amount to take must be positive' using errcode = '22023';
  end if;
  select * into m from aias.quota_meters q where q.tenant_id = tenant and q.meter = quota_take.meter for update;
  if not found then
    raise exception 'tenant % has no quota for meter %', tenant, coalesce(meter, '(null)') using errcode = '22023';
  end if;
  t := clock_timestamp();
  if m.period_end <= t then
    m.used := 0;
    select p.period_start, p.period_end into m.period_start, m.period_end from aias.quota_period(m.anchor, t) p;
  end if;
  if amount > m.quota_limit - m.used then
    raise exception using errcode = 'PGRST',
      message = json_build_object('code', 'quota_exceeded',
        'message', format('the plan allows %s of %s and %s are used; %s more were asked for', m.quota_limit, meter, m.used, amount),
        'details', json_build_object('meter', meter, 'limit', m.quota_limit, 'used', m.used, 'requested', amount,
          'resets_at', case when m.kind = 'flow' then m.period_end end)::text,
        'hint', 'wait until it resets, use less, or change the plan')::text,
      detail = json_build_object('status', 402, 'headers', json_build_object(
        'Retry-After', case when m.kind = 'flow' then greatest(1, ceil(extract(epoch from m.period_end - t)))::bigint::text else '60' end,
        'X-Quota-Limit', m.quota_limit::text, 'X-Quota-Remaining', greatest(0, m.quota_limit - m.used)::text,
        'X-Quota-Reset', case when m.kind = 'flow' then ceil(extract(epoch from m.period_end))::bigint::text else 'never' end))::text;
  end if;
  update aias.quota_meters q set used = m.used + amount, period_start = m.period_start, period_end = m.period_end
   where q.tenant_id = tenant and q.meter = quota_take.meter;
end $$;

create function aias.quota_give(tenant uuid, meter text, amount bigint) returns void
language plpgsql security definer set search_path = pg_catalog as $$
#variable_conflict use_column
begin
  if amount is null or amount <= 0 then
    raise exception 'an amount to give back must be positive' using errcode = '22023';
  end if;
  update aias.quota_meters q set used = greatest(0, q.used - amount) where q.tenant_id = tenant and q.meter = quota_give.meter;
  if not found then
    raise exception 'tenant % has no quota for meter %', tenant, coalesce(meter, '(null)') using errcode = '22023';
  end if;
end $$;

create function aias.quota_reserve(tenant uuid, meter text, amount bigint, lease interval default '10 minutes') returns uuid
language plpgsql security definer set search_path = pg_catalog as $$
#variable_conflict use_column
declare id uuid := aias.uuid7();
begin
  perform aias.quota_take(tenant, meter, amount);
  insert into aias.quota_reservations
  select id, tenant, quota_reserve.meter, amount, m.period_end, clock_timestamp() + lease
    from aias.quota_meters m where m.tenant_id = tenant and m.meter = quota_reserve.meter;
  return id;
end $$;

create function aias.quota_settle(reservation uuid, actual bigint) returns void
language plpgsql security definer set search_path = pg_catalog as $$
#variable_conflict use_column
declare r aias.quota_reservations;
begin
  if actual is null or actual < 0 then
    raise exception 'an amount to settle must not be negative' using errcode = '22023';
  end if;
  delete from aias.quota_reservations q where q.id = reservation returning * into r;
  if not found then
    raise exception 'there is no open reservation %', reservation using errcode = '22023';
  end if;
  update aias.quota_meters q set used = greatest(0, q.used - r.amount + actual)
   where q.tenant_id = r.tenant_id and q.meter = r.meter and q.period_end = r.period_end;
end $$;

create function aias.quota_release(reservation uuid) returns void
language sql security definer set search_path = pg_catalog as $$ select aias.quota_settle(reservation, 0) $$;

create function aias.quota_forget(tenant uuid) returns void
language sql security definer set search_path = pg_catalog as $$
  delete from aias.quota_reservations where tenant_id = quota_forget.tenant;
  delete from aias.quota_meters where tenant_id = quota_forget.tenant;
$$;

create function aias.quota_status(tenant uuid)
returns table (meter text, kind text, quota_limit bigint, used bigint, reserved bigint, remaining bigint, period_start timestamptz, resets_at timestamptz)
language sql stable security definer set search_path = pg_catalog as $$
  select m.meter, m.kind, m.quota_limit, u.used - r.held, r.reserved, greatest(0, m.quota_limit - u.used + r.held - r.reserved), nullif(p.period_start, '-infinity'), nullif(p.period_end, 'infinity')
    from aias.quota_meters m
    cross join lateral (
      select m.period_start, m.period_end where m.period_end > statement_timestamp()
      union all
      select n.period_start, n.period_end from aias.quota_period(m.anchor, statement_timestamp()) n where m.period_end <= statement_timestamp()) p
    cross join lateral (select case when m.period_end > statement_timestamp() then m.used else 0 end as used) u
    cross join lateral (
      select coalesce(sum(r.amount), 0)::bigint as held,
             coalesce(sum(r.amount) filter (where r.expires_at > statement_timestamp()), 0)::bigint as reserved
        from aias.quota_reservations r
       where r.tenant_id = m.tenant_id and r.meter = m.meter and r.period_end = p.period_end) r
   where m.tenant_id = tenant
   order by m.meter
$$;

revoke execute on function aias.quota_set, aias.quota_take, aias.quota_give, aias.quota_reserve, aias.quota_settle, aias.quota_release,
  aias.quota_forget, aias.quota_status from public;

-- Whoever installs the extension calls them, and decides who else may.
grant execute on function aias.quota_set, aias.quota_take, aias.quota_give, aias.quota_reserve, aias.quota_settle, aias.quota_release,
  aias.quota_forget, aias.quota_status to @extowner@;
