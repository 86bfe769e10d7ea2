-- Uses of listings are metered as all else is: each currency in which something is sold has a meter that counts minor units.

create index marketplace_charges_created_at on public.marketplace_charges (tenant_id, created_at);

create function billing.make_meter_of_currency() returns trigger
language plpgsql
-- Definer: sellers do not write meters.
security definer
set search_path = ''
as $$
begin
  insert into billing.meters (key, unit, line, unit_amount) values ('marketplace_' || new.currency, 'minor unit', 'marketplace', 1)
  on conflict (key) do nothing;
  return null;
end
$$;

comment on function billing.make_meter_of_currency is 'Where something is sold by use in a currency there is a meter for it. Nothing is sent until it has an event_name.';

create trigger _700_make_meter after insert or update of currency, price_kind on public.listings
  for each row when (new.price_kind = 'per_use') execute function billing.make_meter_of_currency();

create or replace function billing.metered(tenants uuid[], since timestamptz, until timestamptz)
returns table (tenant_id uuid, meter text, used_at timestamptz, quantity numeric)
language sql
stable
set search_path = ''
as $$
  select u.tenant_id, m.meter, u.created_at, m.quantity
    from public.usage u
    cross join lateral (values
      ('llm_tokens', (u.input_tokens + u.output_tokens)::numeric),
      -- What a tenant's own key has paid is not ours to bill, and what has no price costs nothing that is known.
      ('llm_cost', case when u.own_key then 0 else coalesce(u.cost_usd, 0) * 1000000 end)
    ) m (meter, quantity)
   where u.tenant_id = any (tenants) and u.created_at >= since and u.created_at < until
  union all
  select e.tenant_id, 'executions', e.created_at, 1
    from public.executions e
   -- By ids, which have an index; an id is made within its transaction.
   where e.tenant_id = any (tenants) and e.id >= private.first_id_at(since - interval '1 day') and e.id < private.first_id_at(until + interval '1 day')
     and e.created_at >= since and e.created_at < until
  union all
  select r.tenant_id, 'executions', r.used_at, r.amount
    from billing.removed_executions r
   where r.tenant_id = any (tenants) and r.used_at >= since and r.used_at < until
  union all
  -- What the operator takes off while the hour is open, or before it was counted, is not told. Later it is a credit, and stands in billing.drift.
  select c.tenant_id, 'marketplace_' || c.currency, c.created_at,
         c.amount - coalesce((select sum(r.amount) from billing.charge_refunds r where r.tenant_id = c.tenant_id and r.charge_id = c.id), 0)
    from public.marketplace_charges c
   where c.tenant_id = any (tenants) and c.created_at >= since and c.created_at < until
$$;

