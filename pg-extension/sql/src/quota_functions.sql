-- Exact quotas. Those that write are called by functions of the schema that owns the tenants, never by API roles directly.
--
-- Those in C act on the extension's tables whoever calls them, and run what SQL they need as the tables' owner with search_path pinned
-- to pg_catalog. They do so only when they come to it: see src/quota/statement.rs for why they are not security definer.

create function aias.quota_set(tenant uuid, meter text, kind text, quota_limit bigint, anchor timestamptz default null) returns void
language c volatile as 'MODULE_PATHNAME', 'aias_quota_set';

create function aias.quota_override(tenant uuid, meter text, quota_limit bigint, until timestamptz default 'infinity') returns void
language c volatile as 'MODULE_PATHNAME', 'aias_quota_override';

create function aias.quota_override_end(tenant uuid, meter text) returns boolean
language c volatile as 'MODULE_PATHNAME', 'aias_quota_override_end';

create function aias.quota_addon(tenant uuid, meter text, name text, amount bigint, until timestamptz default 'infinity') returns void
language c volatile as 'MODULE_PATHNAME', 'aias_quota_addon';

create function aias.quota_addon_end(tenant uuid, meter text, name text) returns boolean
language c volatile as 'MODULE_PATHNAME', 'aias_quota_addon_end';

create function aias.quota_take(tenant uuid, meter text, amount bigint default 1) returns void
language c volatile as 'MODULE_PATHNAME', 'aias_quota_take';

create function aias.quota_take_all(tenant uuid, amounts jsonb) returns void
language c volatile as 'MODULE_PATHNAME', 'aias_quota_take_all';

create function aias.quota_give(tenant uuid, meter text, amount bigint default 1) returns void
language c volatile as 'MODULE_PATHNAME', 'aias_quota_give';

create function aias.quota_recount(tenant uuid, meter text, used bigint) returns void
language c volatile as 'MODULE_PATHNAME', 'aias_quota_recount';

create function aias.quota_reserve(tenant uuid, meter text, amount bigint, lease interval default '10 minutes') returns uuid
language c volatile as 'MODULE_PATHNAME', 'aias_quota_reserve';

create function aias.quota_settle(reservation uuid, actual bigint) returns void
language c volatile as 'MODULE_PATHNAME', 'aias_quota_settle';

create function aias.quota_spend(tenant uuid, meter text, reservation uuid, amount bigint, is_last boolean default false) returns void
language c volatile as 'MODULE_PATHNAME', 'aias_quota_spend';

create function aias.quota_release(reservation uuid) returns void
language c volatile as 'MODULE_PATHNAME', 'aias_quota_release';

create function aias.quota_sweep(most bigint default 1000) returns bigint
language c volatile as 'MODULE_PATHNAME', 'aias_quota_sweep';

create function aias.quota_forget(tenant uuid) returns void
language sql volatile security definer set search_path = pg_catalog as $$
  delete from aias.quota_reservations r where r.tenant_id = tenant;
  -- In slot order, as everybody who takes hold of more than one.
  delete from aias.quota_slots s using (
    select q.meter, q.slot from aias.quota_slots q where q.tenant_id = tenant order by q.meter, q.slot for update
  ) held where s.tenant_id = tenant and s.meter = held.meter and s.slot = held.slot;
  delete from aias.quota_meters m where m.tenant_id = tenant;
$$;

-- The statement's own time, so that the function is stable: what it shows is one instant. Slots whose period is over have nothing used
-- in the present one, whether or not anyone has touched them since.
create function aias.quota_usage(only_tenant uuid default null)
returns table (
  tenant_id uuid, meter text, kind text, quota_limit bigint, used bigint, reserved bigint, remaining bigint,
  period_start timestamptz, resets_at timestamptz
)
language sql stable security definer set search_path = pg_catalog as $$
  select m.tenant_id, m.meter, m.kind, l.quota_limit,
         s.counted - r.held,
         r.reserved,
         case when l.quota_limit is not null then greatest(0, l.quota_limit - (s.counted - r.held) - r.reserved) end,
         p.period_start,
         p.period_end
    from aias.quota_meters m
    left join lateral (
      select q.period_start, q.period_end from aias.quota_period(m.anchor, statement_timestamp()) q
    ) p on m.anchor is not null
    cross join lateral (
      select greatest(0, coalesce(sum(q.used) filter (where q.period_end > statement_timestamp()), 0))::bigint as counted
        from aias.quota_slots q
       where q.tenant_id = m.tenant_id and q.meter = m.meter
    ) s
    cross join lateral (
      select coalesce(sum(q.amount) filter (where not q.lapsed), 0)::bigint as held,
             coalesce(sum(q.amount) filter (where not q.lapsed and q.expires_at > statement_timestamp()), 0)::bigint as reserved
        from aias.quota_reservations q
       where q.tenant_id = m.tenant_id and q.meter = m.meter and q.period_end > statement_timestamp()
    ) r
    left join lateral (
      select least(9223372036854775807, b.quota_limit + b.addons)::bigint as quota_limit
        from (
          select case when count(*) filter (where a.kind = 'override') > 0 then max(a.amount) filter (where a.kind = 'override')
                      else m.quota_limit end as quota_limit,
                 coalesce(sum(a.amount) filter (where a.kind = 'addon'), 0) as addons
            from aias.quota_adjustments a
           where a.tenant_id = m.tenant_id and a.meter = m.meter and a.valid_until > statement_timestamp()
        ) b
       where b.quota_limit is not null
    ) l on true
   where only_tenant is null or m.tenant_id = only_tenant
   order by m.tenant_id, m.meter
$$;

create function aias.quota_status(tenant uuid)
returns table (
  meter text, kind text, quota_limit bigint, used bigint, reserved bigint, remaining bigint, period_start timestamptz, resets_at timestamptz
)
language sql stable security definer set search_path = pg_catalog as $$
  select u.meter, u.kind, u.quota_limit, u.used, u.reserved, u.remaining, u.period_start, u.resets_at
    from aias.quota_usage(coalesce(tenant, '00000000-0000-0000-0000-000000000000')) u
$$;

-- Whoever installs the extension calls them, and decides who else may.
revoke execute on function
  aias.quota_set, aias.quota_override, aias.quota_override_end, aias.quota_addon, aias.quota_addon_end,
  aias.quota_take, aias.quota_take_all, aias.quota_give, aias.quota_recount,
  aias.quota_reserve, aias.quota_settle, aias.quota_spend, aias.quota_release, aias.quota_sweep,
  aias.quota_forget, aias.quota_usage, aias.quota_status
  from public;
grant execute on function
  aias.quota_set, aias.quota_override, aias.quota_override_end, aias.quota_addon, aias.quota_addon_end,
  aias.quota_take, aias.quota_take_all, aias.quota_give, aias.quota_recount,
  aias.quota_reserve, aias.quota_settle, aias.quota_spend, aias.quota_release, aias.quota_sweep,
  aias.quota_forget, aias.quota_usage, aias.quota_status
  to @extowner@;
