-- Where what we have counted, what was sent, and what Stripe says are not the same.

create function billing.drift(period_start timestamptz, period_end timestamptz)
returns table (
  tenant_id uuid, meter text, counted numeric, queued numeric, sent numeric, refused numeric, late numeric, unsure numeric, asked numeric, stripe numeric
)
language sql
stable
set search_path = ''
as $$
  with span as (
    select billing.hour_of(period_start) as since, least(billing.hour_of(period_end), billing.closed_hours()) as until
  ), told as (
    select e.tenant_id, e.meter, e.hour, sum(e.value) as value
      from billing.meter_events e, span p
     where e.hour >= p.since and e.hour < p.until and e.state <> 'replaced'
     group by 1, 2, 3
  ), used as (
    select m.tenant_id, h.meter, h.hour, h.used as value
      from billing.metered_tenants m, span p, billing.hours_of(m.tenant_id, p.since, p.until) h
  ), hours as (
    select tenant_id, meter, sum(greatest(u.value, t.value)) as counted
      -- Old executions may be gone by now; what was told of them stays counted.
      from used u full join told t using (tenant_id, meter, hour)
     group by 1, 2
  ), asked_days as materialized (
    -- Stripe's sums count where it was asked after the last event of the day had gone.
    select d.tenant_id, d.meter, d.customer, d.day
      from billing.meter_days d, span p
     where d.day >= billing.day_of(p.since) and d.day < p.until
       and d.asked_at >= coalesce((
         select max(e.finished_at) from billing.meter_events e
          where e.tenant_id = d.tenant_id and e.meter = d.meter and e.customer = d.customer and e.state = 'sent'
            and e.hour >= d.day and e.hour < d.day + interval '1 day'), '-infinity')
  ), states as (
    select e.tenant_id, e.meter, e.state, sum(e.value) as value, sum(e.value) filter (where d.day is not null) as asked
      from billing.meter_events e
      cross join span p
      left join asked_days d on d.tenant_id = e.tenant_id and d.meter = e.meter and d.customer = e.customer and d.day = billing.day_of(e.hour)
     where e.hour >= p.since and e.hour < p.until and e.state <> 'replaced'
     group by 1, 2, 3
  ), says as (
    select s.tenant_id, s.meter, sum(s.value) as stripe
      from billing.meter_sums s
      join asked_days d on d.tenant_id = s.tenant_id and d.meter = s.meter and d.customer = s.customer and d.day = s.day
      cross join span p
     where s.hour >= p.since and s.hour < p.until
     group by 1, 2
  ), all_of_them as (
    select tenant_id, meter, coalesce(h.counted, 0) as counted, coalesce(e.queued, 0) as queued, coalesce(e.sent, 0) as sent,
           coalesce(e.refused, 0) as refused, coalesce(e.late, 0) as late, coalesce(e.unsure, 0) as unsure, e.asked,
           case when e.asked is not null or s.stripe is not null then coalesce(s.stripe, 0) end as stripe
      from hours h
      full join (
        select s.tenant_id, s.meter,
               sum(s.value) filter (where s.state = 'queued') as queued, sum(s.value) filter (where s.state = 'sent') as sent,
               sum(s.value) filter (where s.state = 'refused') as refused, sum(s.value) filter (where s.state = 'late') as late,
               sum(s.value) filter (where s.state = 'unsure') as unsure, sum(s.asked) filter (where s.state = 'sent') as asked
          from states s group by 1, 2
      ) e using (tenant_id, meter)
      full join says s using (tenant_id, meter)
  )
  select a.* from all_of_them a
   where a.counted <> a.sent or a.queued + a.refused + a.late + a.unsure <> 0 or a.stripe <> coalesce(a.asked, 0)
   order by a.tenant_id, a.meter
$$;

comment on function billing.drift is
  'Of the hours of a period that are over: what was counted by tenant and meter, what has become of it, and what Stripe says of the days that it was asked of (asked is what was sent of these). '
  'Only rows where something is not as it should be: none, when all that was used was sent, and Stripe has it.';

create function billing.subscription_drift() returns table (tenant_id uuid, subscription text, difference text)
language sql
stable
set search_path = ''
as $$
  select coalesce(x.tenant_id, s.tenant_id), coalesce(x.id, s.id),
         case when s.id is null then 'the tenant does not see it'
              when x.id is null then 'Stripe has none such'
              else 'the tenant sees it otherwise' end
    from billing.subscriptions x
    full join public.subscriptions s on s.tenant_id = x.tenant_id and s.id = x.id
   where s.id is null or x.id is null
      or (x.customer_id, x.status, x.plan_id, x.price_ids, x.quantity, x.currency, x.current_period_start, x.current_period_end, x.trial_end, x.cancel_at,
          x.cancel_at_period_end, x.canceled_at, x.ended_at, x.created_at)
         is distinct from
         (s.customer_id, s.status, s.plan_id, s.price_ids, s.quantity, s.currency, s.current_period_start, s.current_period_end, s.trial_end, s.cancel_at,
          s.cancel_at_period_end, s.canceled_at, s.ended_at, s.created_at)
  union all
  select t.id, s.id, 'the tenant has another plan'
    from public.subscriptions s
    join public.tenants t on t.id = s.tenant_id
   where s.decides and billing.standing(s.status) >= 2 and t.plan_id <> s.plan_id
   order by 1, 2, 3
$$;

comment on function billing.subscription_drift is 'Where public.subscriptions and the plans of tenants are others than the mirror of Stripe''s objects says. None, unless somebody has changed them by hand.';
