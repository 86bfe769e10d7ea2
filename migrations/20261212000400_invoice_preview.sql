-- What the open period comes to so far, before Stripe makes an invoice of it.

create function billing.used_in_period(tenant uuid, since timestamptz, until timestamptz) returns table (meter text, used numeric)
language sql
stable
set search_path = ''
as $$
  with counted as (
    select greatest(billing.hour_of(since), coalesce(m.counted_through, '-infinity')) as through
      from (select) one left join billing.metered_tenants m on m.tenant_id = tenant
  )
  select m.key, coalesce((
           select sum(e.value) from billing.meter_events e, counted c
            where e.tenant_id = tenant and e.meter = m.key and e.hour >= since and e.hour < least(until, c.through) and e.state <> 'replaced'), 0)
         -- What is not counted yet: the last hour or two.
         + coalesce((
           select sum(h.used) from counted c, billing.hours_of(tenant, greatest(c.through, billing.hour_of(since + interval '59 minutes 59.999999 seconds')), until) h
            where h.meter = m.key), 0)
    from billing.meters m
$$;

comment on function billing.used_in_period is 'What is billed of a period by meters, up to now. An hour belongs to the period in which it begins.';

create function billing.price_of(of_subscription text, plan public.subscription_plans)
returns table (interval_unit text, unit_amount numeric, quantity bigint)
language sql
stable
set search_path = ''
as $$
  -- The item that is of this plan. What it costs is as the customer bought it, which may be before the plan's price changed.
  select coalesce(i.item #>> '{price,recurring,interval}', case when i.item #>> '{price,id}' = plan.stripe_price_yearly then 'year' else 'month' end),
         coalesce((i.item #>> '{price,unit_amount_decimal}')::numeric, (i.item #>> '{price,unit_amount}')::numeric,
                  case when coalesce(i.item #>> '{price,recurring,interval}', '') = 'year' or i.item #>> '{price,id}' = plan.stripe_price_yearly
                       then plan.price_yearly else plan.price_monthly end),
         coalesce((i.item ->> 'quantity')::bigint, 1)
    from billing.objects o
    cross join lateral jsonb_path_query(o.data, '$.items.data[*]') i (item)
   where o.account = '' and o.kind = 'subscription' and o.id = of_subscription
     and exists (select from billing.plan_prices p where p.plan_id = plan.id and p.price = i.item #>> '{price,id}')
   order by i.item #>> '{price,id}'
   limit 1
$$;

comment on function billing.price_of is 'What a subscription pays for its plan: month or year, in minor units a piece, how many.';

create function billing.invoice_preview(tenant uuid) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  s public.subscriptions;
  plan public.subscription_plans;
  price record;
  period record;
  is_trial boolean;
  lines jsonb;
  subtotal bigint;
begin
  select x.* into s from public.subscriptions x where x.tenant_id = tenant and x.decides and billing.standing(x.status) >= 2;
  if s.id is null then
    return jsonb_build_object('tenant_id', tenant, 'as_of', now(), 'subscription', null, 'currency', null, 'period', null, 'lines', '[]'::jsonb,
                              'subtotal', 0, 'tax', null, 'total_before_tax', 0);
  end if;
  select p.* into plan from public.subscription_plans p where p.id = s.plan_id;
  select x.* into price from billing.price_of(s.id, plan) x;
  -- Limits and what is included begin anew with it. Of a yearly subscription it is the month that is open.
  select q.period_start, q.period_end into period from public.tenants t, aias.quota_period(t.billing_anchor, now()) q where t.id = tenant;
  -- https://docs.stripe.com/billing/subscriptions/trials: until it ends there is an invoice for nothing.
  is_trial := s.status = 'trialing';

  select coalesce(jsonb_agg(l.line order by l.place, l.name), '[]'), coalesce(sum((l.line ->> 'amount')::bigint), 0)
    into lines, subtotal
    from (
      select 1 as place, plan.key as name, jsonb_build_object(
               'kind', 'plan', 'plan', plan.key, 'description', plan.name, 'interval', price.interval_unit, 'quantity', price.quantity,
               'unit_amount', price.unit_amount, 'is_trial', is_trial, 'period_start', s.current_period_start, 'period_end', s.current_period_end,
               'amount', case when is_trial then 0 else round(price.unit_amount * price.quantity)::bigint end) as line
       where price.unit_amount is not null
      union all
      select case m.line when 'overage' then 2 else 3 end, m.key, jsonb_build_object(
               'kind', m.line, 'meter', m.key, 'unit', m.unit, 'used', u.used, 'included', c.included, 'billable', b.billable,
               'unit_amount', c.unit_amount, 'is_trial', is_trial, 'period_start', period.period_start, 'period_end', period.period_end,
               'amount', case when is_trial then 0 else round(b.billable * c.unit_amount)::bigint end)
        from billing.meters m
        left join billing.meter_prices p on p.plan_id = plan.id and p.meter = m.key
        cross join lateral (select coalesce(p.unit_amount, m.unit_amount) as unit_amount, coalesce(p.included, 0) as included) c
        join billing.used_in_period(tenant, period.period_start, least(now(), period.period_end)) u on u.meter = m.key
        cross join lateral (select greatest(0, u.used - c.included) as billable) b
       where m.event_name is not null and c.unit_amount is not null
         -- Uses of another currency are on an invoice of that.
         and (m.line <> 'marketplace' or m.key = 'marketplace_' || coalesce(s.currency, plan.currency))
    ) l;
  return jsonb_build_object(
    'tenant_id', tenant, 'as_of', now(),
    'subscription', jsonb_build_object('id', s.id, 'status', s.status, 'trial_end', s.trial_end, 'cancel_at_period_end', s.cancel_at_period_end),
    'currency', coalesce(s.currency, plan.currency),
    'period', jsonb_build_object('start', period.period_start, 'end', period.period_end),
    'lines', lines, 'subtotal', subtotal,
    -- Stripe adds it, by where the customer is. It is not known here, and not nothing.
    'tax', null, 'total_before_tax', subtotal);
end
$$;

comment on function billing.invoice_preview is
  'What a tenant''s open period comes to so far, as JSON. Amounts are whole minor units, each line rounded once, halves away from zero; unit_amount may be a part of one. '
  'Before tax, discounts, credits and prorations, which only Stripe knows.';

create function private.invoice_preview(tenant uuid) returns jsonb
language plpgsql
stable
-- Definer: reads what is metered and mirrored, for those who may see what their tenant pays.
security definer
set search_path = ''
as $$
begin
  if private.held_in(tenant) & private.mask_of('{billing.read,billing.manage}') = 0 then
    perform private.demand(tenant, 'billing.read');
  end if;
  return billing.invoice_preview(tenant);
end
$$;

create function public.invoice_preview(tenant_id uuid) returns jsonb
language sql
stable
set search_path = ''
as $$ select private.invoice_preview(tenant_id) $$;

comment on function private.invoice_preview is 'See public.invoice_preview.';
comment on function public.invoice_preview is
  'What the tenant''s open billing period comes to so far, before tax: {currency, period, lines: [{kind: plan | overage | marketplace, …, amount}], subtotal, tax, total_before_tax}, in minor units. '
  'Wants billing.read or billing.manage.';
