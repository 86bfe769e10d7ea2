-- What follows for tenants from the mirror of Stripe's objects.
--
-- All of it is derived anew from all objects of the tenant's customers, never changed step by step: so it does not matter which of them was
-- known first. The one thing that is remembered is what a tenant had before a subscription decided: billing.accounts.

-- Whose customer -----------------------------------------------------------------------------------------------------------------

create function billing.as_uuid(text) returns uuid
language sql
immutable
set search_path = ''
as $$ select case when $1 ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then $1::uuid end $$;

create function billing.find_tenants(customers text[]) returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  touched uuid[];
begin
  with evidence as (
    -- The operator's own words count for more than a session's: who follows a payment link can write any client_reference_id into its address.
    select o.customer, 1 as place, 'customer' as known_by, o.data #>> '{metadata,tenant_id}' as tenant, o.id
      from billing.objects o where o.account = '' and o.customer = any (customers) and o.kind = 'customer'
    union all
    select o.customer, 2, 'subscription', o.data #>> '{metadata,tenant_id}', o.id
      from billing.objects o where o.account = '' and o.customer = any (customers) and o.kind = 'subscription'
    union all
    select o.customer, 3, 'session', o.data ->> 'client_reference_id', o.id
      from billing.objects o where o.account = '' and o.customer = any (customers) and o.kind = 'checkout.session' and o.data ->> 'status' = 'complete'
  ), found as (
    select distinct on (e.customer) e.customer, e.known_by, t.id as tenant_id
      from evidence e
      join public.tenants t on t.id = billing.as_uuid(e.tenant)
     order by e.customer, e.place, e.id collate "C"
  ), lost as (
    delete from billing.customers c
     where c.id = any (customers) and c.known_by <> 'checkout'
       and not exists (select from found f where f.customer = c.id)
    returning c.tenant_id
  ), moved as (
    update billing.customers c set tenant_id = f.tenant_id, known_by = f.known_by
      from found f, billing.customers before
     where c.id = f.customer and c.known_by <> 'checkout' and (c.tenant_id, c.known_by) <> (f.tenant_id, f.known_by)
       and before.tenant_id = c.tenant_id and before.id = c.id
    returning c.tenant_id as now, before.tenant_id as was
  ), made as (
    insert into billing.customers (tenant_id, id, known_by)
    select f.tenant_id, f.customer, f.known_by from found f where not exists (select from billing.customers c where c.id = f.customer)
    returning tenant_id
  )
  select array_agg(x.tenant_id) into touched
    from (select l.tenant_id from lost l union all select m.now from moved m union all select m.was from moved m
          union all select m.tenant_id from made m) x;
  return coalesce(touched, '{}');
end
$$;

comment on function billing.find_tenants is
  'Whose these customers are, by what the mirror tells: metadata.tenant_id of the customer, else of its subscriptions, else the client_reference_id of a checkout session. '
  'Answers the tenants that have won or lost one.';

create view billing.customers_that_count as
  select c.tenant_id, c.id
    from billing.customers c
   where c.known_by <> 'session'
      or not exists (select from billing.customers better where better.tenant_id = c.tenant_id and better.known_by <> 'session');

comment on view billing.customers_that_count is
  'Customers by tenant. One that only a session''s client_reference_id speaks for counts while no other does: so nobody can put a subscription of theirs beside a tenant''s own.';

-- Subscriptions ------------------------------------------------------------------------------------------------------------------

create function billing.at(data jsonb, attribute text) returns timestamptz
language sql
immutable
set search_path = ''
as $$ select to_timestamp((data ->> attribute)::double precision) $$;

comment on function billing.at is 'A time in an object of Stripe, which are seconds since 1970.';

create view billing.subscriptions as
  select c.tenant_id, o.id, o.customer as customer_id,
         case when o.is_deleted and o.data ->> 'status' is distinct from 'incomplete_expired' then 'canceled' else o.data ->> 'status' end as status,
         (select p.plan_id from billing.plan_prices p join public.subscription_plans l on l.id = p.plan_id
           where p.price = any (i.price_ids)
             -- What is bought in the marketplace is no plan, whatever its price is named.
             and o.data #>> '{metadata,purchase_id}' is null
           order by l.price_monthly desc, l.key limit 1) as plan_id,
         coalesce(i.price_ids, '{}') as price_ids, i.quantity, o.data ->> 'currency' as currency,
         -- On the items since 2025-03-31.basil, on the subscription before.
         coalesce(billing.at(o.data, 'current_period_start'), i.period_start) as current_period_start,
         coalesce(billing.at(o.data, 'current_period_end'), i.period_end) as current_period_end,
         billing.at(o.data, 'trial_end') as trial_end, billing.at(o.data, 'cancel_at') as cancel_at,
         coalesce((o.data ->> 'cancel_at_period_end')::boolean, false) as cancel_at_period_end,
         billing.at(o.data, 'canceled_at') as canceled_at, billing.at(o.data, 'ended_at') as ended_at,
         billing.at(o.data, 'created') as created_at
    from billing.customers_that_count c
    join billing.objects o on o.account = '' and o.customer = c.id and o.kind = 'subscription'
    cross join lateral (
      -- Prices are called plans in API versions before 2020.
      select array_agg(x.price order by x.price) as price_ids, sum((x.item ->> 'quantity')::bigint)::bigint as quantity,
             max(billing.at(x.item, 'current_period_start')) as period_start, min(billing.at(x.item, 'current_period_end')) as period_end
        from (
          select e.item, coalesce(e.item #>> '{price,id}', e.item #>> '{plan,id}') as price
            from jsonb_array_elements(case when jsonb_typeof(o.data #> '{items,data}') = 'array' then o.data #> '{items,data}' else '[]' end) e (item)
        ) x
    ) i;

comment on view billing.subscriptions is
  'The mirrored subscriptions of tenants, in either shape (https://docs.stripe.com/changelog/basil/2025-03-31/deprecate-subscription-current-period-start-and-end).';

create function billing.standing(status text) returns integer
language sql
immutable
set search_path = ''
as $$
  select case status when 'active' then 4 when 'trialing' then 4 when 'past_due' then 3 when 'unpaid' then 2 when 'paused' then 2 when 'canceled' then 1 end
$$;

comment on function billing.standing is
  'How much a subscription entitles to: 4 its plan; 3 its plan for as long as the grace lasts; 2 its plan, suspended; 1 it has ended. None: it has never begun.';

create function billing.derive_subscriptions(tenants uuid[]) returns void
language plpgsql
set search_path = ''
as $$
declare
  grace constant interval := (select make_interval(days => s.grace_days) from billing.settings s);
begin
  delete from public.subscriptions s
   where s.tenant_id = any (tenants)
     and not exists (select from billing.subscriptions x where x.tenant_id = s.tenant_id and x.id = s.id);
  insert into public.subscriptions as s (
    tenant_id, id, customer_id, status, plan_id, price_ids, quantity, currency, current_period_start, current_period_end, trial_end, cancel_at,
    cancel_at_period_end, canceled_at, ended_at, grace_ends_at, decides, created_at)
  select x.tenant_id, x.id, x.customer_id, x.status, x.plan_id, x.price_ids, x.quantity, x.currency, x.current_period_start, x.current_period_end,
         x.trial_end, x.cancel_at, x.cancel_at_period_end, x.canceled_at, x.ended_at,
         case when x.status = 'past_due' then grace + coalesce(due.since, x.current_period_start, x.created_at) end,
         x.plan_id is not null and billing.standing(x.status) is not null
           and row_number() over (
             partition by x.tenant_id
             -- What entitles to most; of those the dearest plan, which is what the tenant pays for; then the newest.
             order by (x.plan_id is not null) desc, billing.standing(x.status) desc nulls last, p.price_monthly desc nulls last, p.key,
                      x.created_at desc, x.id collate "C" desc) = 1,
         x.created_at
    from billing.subscriptions x
    left join public.subscription_plans p on p.id = x.plan_id
    -- A payment is due since the oldest open invoice is.
    left join lateral (
      select min(coalesce(billing.at(o.data, 'due_date'), billing.at(o.data #> '{status_transitions}', 'finalized_at'), billing.at(o.data, 'created'))) as since
        from billing.objects o
       where x.status = 'past_due' and o.account = '' and o.customer = x.customer_id and o.kind = 'invoice' and not o.is_deleted
         and o.data ->> 'status' = 'open' and billing.subscription_of(o.data) = x.id
    ) due on true
   where x.tenant_id = any (tenants)
   order by x.tenant_id, x.id
  on conflict (tenant_id, id) do update set
    (customer_id, status, plan_id, price_ids, quantity, currency, current_period_start, current_period_end, trial_end, cancel_at,
     cancel_at_period_end, canceled_at, ended_at, grace_ends_at, decides, created_at)
    = (excluded.customer_id, excluded.status, excluded.plan_id, excluded.price_ids, excluded.quantity, excluded.currency, excluded.current_period_start,
       excluded.current_period_end, excluded.trial_end, excluded.cancel_at, excluded.cancel_at_period_end, excluded.canceled_at, excluded.ended_at,
       excluded.grace_ends_at, excluded.decides, excluded.created_at)
   where s.* is distinct from excluded.*;
end
$$;

comment on function billing.derive_subscriptions is 'Makes public.subscriptions of these tenants what the mirror says, and marks the one that decides.';

-- The tenant ---------------------------------------------------------------------------------------------------------------------

create function billing.derive_tenants(tenants uuid[]) returns void
language plpgsql
set search_path = ''
as $$
begin
  -- In their order, as others lock them who lock several.
  perform from public.tenants t where t.id = any (tenants) order by t.id for no key update;
  insert into billing.accounts as a (tenant_id, plan_before, anchor_before)
  select t.id, t.plan_id, t.billing_anchor
    from public.tenants t join public.subscriptions s on s.tenant_id = t.id and s.decides
   where t.id = any (tenants)
  on conflict (tenant_id) do update set plan_before = excluded.plan_before, anchor_before = excluded.anchor_before where a.plan_before is null;

  with decided as (
    select t.id as tenant_id, t.status, a.is_suspended,
           case when s.id is null and a.plan_before is null then t.plan_id
                -- A plan may have gone since.
                when s.id is null then coalesce(before.id, g.plan_without_subscription)
                when s.standing = 1 then g.plan_without_subscription
                else s.plan_id end as plan_id,
           -- An anchor that is ahead, at the end of a trial, begins no period yet.
           case when s.id is null then coalesce(a.anchor_before, t.billing_anchor)
                else coalesce(case when s.anchor <= s.current_period_start then s.anchor end, s.current_period_start, s.created_at) end as billing_anchor,
           coalesce(s.standing = 2 or s.standing = 3 and s.grace_ends_at <= now(), false) as is_to_be_suspended,
           case when s.standing = 3 and s.grace_ends_at > now() then s.grace_ends_at end as derive_at
      from billing.accounts a
      join public.tenants t on t.id = a.tenant_id
      cross join billing.settings g
      left join public.subscription_plans before on before.id = a.plan_before
      left join lateral (
        select p.id, p.plan_id, p.current_period_start, p.created_at, p.grace_ends_at, billing.standing(p.status) as standing,
               (select billing.at(o.data, 'billing_cycle_anchor') from billing.objects o where o.account = '' and o.kind = 'subscription' and o.id = p.id) as anchor
          from public.subscriptions p
         where p.tenant_id = a.tenant_id and p.decides
      ) s on true
     where a.tenant_id = any (tenants)
  ), remembered as (
    update billing.accounts a
       set is_suspended = d.is_to_be_suspended and (d.is_suspended or d.status = 'active'), derive_at = d.derive_at
      from decided d
     where a.tenant_id = d.tenant_id
       and (a.is_suspended, a.derive_at) is distinct from (d.is_to_be_suspended and (d.is_suspended or d.status = 'active'), d.derive_at)
  )
  update public.tenants t set plan_id = n.plan_id, billing_anchor = n.billing_anchor, status = n.status
    from (
      select d.tenant_id, d.plan_id, d.billing_anchor,
             case when d.is_to_be_suspended and d.status = 'active' then 'suspended'
                  when not d.is_to_be_suspended and d.is_suspended and d.status = 'suspended' then 'active'
                  else d.status end as status
        from decided d
    ) n
   where t.id = n.tenant_id and (t.plan_id, t.billing_anchor, t.status) is distinct from (n.plan_id, n.billing_anchor, n.status);
end
$$;

comment on function billing.derive_tenants is
  'Makes plan, status and billing anchor of these tenants what follows from the subscription that decides; its limits change with them, by the triggers of tenants. '
  'A tenant that no subscription has ever decided for keeps what it has. What the operator has suspended or somebody has cancelled stays so.';

-- Invoices -----------------------------------------------------------------------------------------------------------------------

create function billing.subscription_of(invoice jsonb) returns text
language sql
immutable
set search_path = ''
as $$
  -- Under parent since 2025-03-31.basil.
  select coalesce(invoice ->> 'subscription', invoice #>> '{parent,subscription_details,subscription}')
$$;

create function billing.derive_invoices(tenants uuid[], only_these text[] default null) returns void
language plpgsql
set search_path = ''
as $$
begin
  delete from public.invoices i
   where i.tenant_id = any (tenants) and (only_these is null or i.id = any (only_these))
     and not exists (
       select from billing.customers_that_count c
         join billing.objects o on o.account = '' and o.customer = c.id and o.kind = 'invoice' and o.id = i.id and not o.is_deleted
        where c.tenant_id = i.tenant_id);
  insert into public.invoices as i (
    tenant_id, id, customer_id, subscription_id, number, status, currency, subtotal, total, amount_due, amount_paid, amount_remaining, amount_refunded,
    period_start, period_end, due_at, finalized_at, paid_at, attempt_count, next_payment_attempt_at, hosted_invoice_url, invoice_pdf, created_at)
  select c.tenant_id, o.id, o.customer, billing.subscription_of(o.data), o.data ->> 'number', o.data ->> 'status', o.data ->> 'currency',
         coalesce((o.data ->> 'subtotal')::bigint, 0), coalesce((o.data ->> 'total')::bigint, 0), coalesce((o.data ->> 'amount_due')::bigint, 0),
         coalesce((o.data ->> 'amount_paid')::bigint, 0), coalesce((o.data ->> 'amount_remaining')::bigint, 0), coalesce(refunded.amount, 0),
         billing.at(o.data, 'period_start'), billing.at(o.data, 'period_end'), billing.at(o.data, 'due_date'),
         billing.at(o.data #> '{status_transitions}', 'finalized_at'), billing.at(o.data #> '{status_transitions}', 'paid_at'),
         coalesce((o.data ->> 'attempt_count')::integer, 0), billing.at(o.data, 'next_payment_attempt'), o.data ->> 'hosted_invoice_url', o.data ->> 'invoice_pdf', billing.at(o.data, 'created')
    from billing.customers_that_count c
    join billing.objects o on o.account = '' and o.customer = c.id and o.kind = 'invoice' and not o.is_deleted
    left join lateral (
      select sum((g.data ->> 'amount_refunded')::bigint)::bigint as amount
        from billing.objects g
       where g.account = '' and g.customer = o.customer and g.kind = 'charge'
         and (g.data ->> 'invoice' = o.id or g.id = o.data ->> 'charge' or g.data ->> 'payment_intent' = o.data ->> 'payment_intent'
              -- Since 2025-03-31.basil neither names the other; an object between them does.
              or g.data ->> 'payment_intent' in (
                select p.data #>> '{payment,payment_intent}' from billing.objects p
                 where p.account = '' and p.kind = 'invoice_payment' and p.data ->> 'invoice' = o.id))
    ) refunded on true
   where c.tenant_id = any (tenants) and (only_these is null or o.id = any (only_these))
   order by c.tenant_id, o.id
  on conflict (tenant_id, id) do update set
    (customer_id, subscription_id, number, status, currency, subtotal, total, amount_due, amount_paid, amount_remaining, amount_refunded,
     period_start, period_end, due_at, finalized_at, paid_at, attempt_count, next_payment_attempt_at, hosted_invoice_url, invoice_pdf, created_at)
    = (excluded.customer_id, excluded.subscription_id, excluded.number, excluded.status, excluded.currency, excluded.subtotal, excluded.total,
       excluded.amount_due, excluded.amount_paid, excluded.amount_remaining, excluded.amount_refunded, excluded.period_start, excluded.period_end,
       excluded.due_at, excluded.finalized_at, excluded.paid_at, excluded.attempt_count, excluded.next_payment_attempt_at,
       excluded.hosted_invoice_url, excluded.invoice_pdf, excluded.created_at)
   where i.* is distinct from excluded.*;
end
$$;

comment on function billing.derive_invoices is 'Makes public.invoices of these tenants what the mirror says: all, or only these.';

-- When something else changes what follows ---------------------------------------------------------------------------------------

create function billing.derive_later() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  -- Workers look for these: derived here, each change of a setting would be one long transaction.
  insert into billing.accounts as a (tenant_id, derive_at)
  select distinct s.tenant_id, now() from public.subscriptions s order by 1
  on conflict (tenant_id) do update set derive_at = excluded.derive_at;
  return null;
end
$$;

comment on function billing.derive_later is 'Has all tenants with subscriptions derived anew: what their prices mean, or how long the grace is, has changed.';

create trigger _100_derive_later after update on billing.settings
  for each statement execute function billing.derive_later();
create trigger _100_derive_later after insert or update or delete on billing.plan_prices
  for each statement execute function billing.derive_later();
