-- Buying a plan, and changing what was bought: what edge-api asks the database before and after it asks Stripe.
--
-- Nothing of a subscription is decided here. Stripe is told what is wanted, and what it then says comes in by its events and by asking it, as
-- everything else does: so a tenant's plan has one source, however it was changed.

alter table public.subscription_plans
  add column trial_days integer not null default 0,
  add column is_per_seat boolean not null default false,
  -- https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-subscription_data-trial_period_days, and Stripe's two years.
  add constraint plan_has_a_trial_that_stripe_takes check (trial_days between 0 and 730);

comment on column public.subscription_plans.trial_days is 'How long a tenant''s first subscription is free of charge; 0: not at all.';
comment on column public.subscription_plans.is_per_seat is 'The price is for each seat, and there are as many seats as members at least. Otherwise it is for the tenant, whoever is in it.';

-- Checkouts ----------------------------------------------------------------------------------------------------------------------
--
-- A tenant has one open checkout: who asks for the same again is sent to it, and another one takes its place. Two that are both paid would be
-- two subscriptions.

create table billing.checkouts (
  tenant_id uuid primary key references public.tenants (id) on delete cascade,
  generation bigint not null default 1,
  wanted text,
  session text,
  to_expire text[] not null default '{}',
  constraint checkout_with_a_session_is_wanted check (session is null or wanted is not null)
);
alter table billing.checkouts enable row level security;

comment on table billing.checkouts is 'The checkout of a tenant that can be paid now.';
comment on column billing.checkouts.generation is 'Grows whenever something else is wanted. Part of the idempotency key that the session is made with, so one generation has one session.';
comment on column billing.checkouts.wanted is 'Hash of all that the session is made of; null when it is over.';
comment on column billing.checkouts.session is 'Its id in Stripe; null until that is known.';
comment on column billing.checkouts.to_expire is 'Sessions of earlier generations that may still be open.';

create function billing.customer_of(tenant uuid) returns text
language sql
stable
set search_path = ''
as $$
  select c.id
    from billing.customers_that_count k
    join billing.customers c on c.tenant_id = k.tenant_id and c.id = k.id
    left join billing.objects o on o.account = '' and o.kind = 'customer' and o.id = c.id
    left join public.subscriptions s on s.tenant_id = c.tenant_id and s.customer_id = c.id and s.decides
   where k.tenant_id = tenant and not coalesce(o.is_deleted, false)
   order by s.id is not null desc, c.known_by = 'checkout' desc, c.id collate "C"
   limit 1
$$;

comment on function billing.customer_of is 'The customer in Stripe that pays for a tenant; null when there is none yet, or none any more.';

create function billing.find_plan(wanted_key text, wanted_interval text) returns table (id uuid, key text, price text, is_per_seat boolean, trial_days integer)
language plpgsql
stable
set search_path = ''
as $$
declare
  plan public.subscription_plans;
begin
  select p.* into plan from public.subscription_plans p where p.key = wanted_key;
  if plan.id is null then
    perform private.refuse(404, 'no_such_plan', 'there is no plan of this name', null, 'the table subscription_plans lists them');
  end if;
  price := case wanted_interval when 'year' then plan.stripe_price_yearly else plan.stripe_price_monthly end;
  if price is null then
    perform private.refuse(409, 'plan_not_for_sale', format('the plan %s is not sold by the %s', plan.name, wanted_interval),
      null, 'what is free is what remains when a subscription is cancelled; otherwise ask the operator: cargo xtask stripe-sync-plans');
  end if;
  id := plan.id;
  key := plan.key;
  is_per_seat := plan.is_per_seat;
  trial_days := plan.trial_days;
  return next;
end
$$;

comment on function billing.find_plan is 'A plan and its price, or a refusal: 404 no_such_plan, 409 plan_not_for_sale.';

create function billing.demand_open(tenant uuid) returns void
language plpgsql
stable
set search_path = ''
as $$
begin
  -- billing.manage is in force in one that is closed, too: what is open has to be paid, and what goes on has to be cancelled.
  if exists (select from public.tenants t where t.id = tenant and t.status = 'cancelled') then
    perform private.refuse(403, 'tenant_cancelled', 'this tenant is cancelled: nothing is bought for it', null, 'reopen it first: rpc reopen_tenant');
  end if;
end
$$;

comment on function billing.demand_open is 'Passes while a tenant is not cancelled.';

create function billing.check_seats(tenant uuid, is_per_seat boolean, seats bigint) returns void
language plpgsql
stable
set search_path = ''
as $$
declare
  members constant bigint := (select count(*) from public.memberships m where m.tenant_id = tenant);
begin
  if not is_per_seat and seats <> 1 then
    perform private.refuse(400, 'plan_has_no_seats', 'this plan is for the whole tenant, whoever is in it', null, 'leave seats out');
  end if;
  if is_per_seat and seats < members then
    perform private.refuse(409, 'too_few_seats', format('%s members need as many seats', members),
      jsonb_build_object('seats', seats, 'members', members)::text, 'take more seats, or remove members first');
  end if;
end
$$;

comment on function billing.check_seats is 'Refuses fewer seats than there are members: 409 too_few_seats; and more than one of a plan without: 400 plan_has_no_seats.';

create function billing.payer(tenant uuid) returns table (customer text, name text, key text)
language sql
stable
set search_path = ''
as $$
  -- The key is the same for all who ask at once, and another one when a customer is gone: Stripe would answer it with that one for a day.
  select billing.customer_of(t.id), t.name, format('customer-%s-%s', t.id, (select count(*) from billing.customers c where c.tenant_id = t.id))
    from public.tenants t where t.id = tenant
$$;

comment on function billing.payer is
  'Who in Stripe is to pay; where that is null, the name of the customer to be made, and the idempotency key by which all who try at once make one.';

create function edge.customer_for_checkout(tenant uuid, plan_key text, billing_interval text) returns table (customer text, name text, key text)
language plpgsql
stable
-- Definer: see edge.secrets.
security definer
set search_path = ''
as $$
begin
  perform private.demand(tenant, 'billing.manage');
  perform billing.demand_open(tenant);
  -- Nobody becomes a customer by asking for what is not sold.
  perform billing.find_plan(plan_key, billing_interval);
  return query select * from billing.payer(tenant);
end
$$;

comment on function edge.customer_for_checkout is 'Who in Stripe is to pay, of a tenant that may buy this plan: see billing.payer.';

create function edge.link_customer(tenant uuid, customer text) returns text
language plpgsql
-- Definer: see edge.secrets.
security definer
set search_path = ''
as $$
declare
  known text;
begin
  perform private.demand(tenant, 'billing.manage');
  perform billing.wait_for_turn();
  known := billing.customer_of(tenant);
  if known is not null and exists (select from billing.customers c where c.id = known and c.known_by = 'checkout') then
    return known;
  end if;
  perform billing.link_customer(tenant, customer);
  perform audit.record_event(tenant, 'billing.customer_made', 'customers', customer);
  return customer;
end
$$;

comment on function edge.link_customer is 'Says that a customer of Stripe is this tenant''s, unless it has one: whoever comes later is told that one.';

create function edge.begin_checkout(tenant uuid, plan_key text, billing_interval text, seats bigint, asked text) returns jsonb
language plpgsql
-- Definer: see edge.secrets.
security definer
set search_path = ''
as $$
declare
  plan record;
  trial integer;
  customer text;
  wanted_now text;
  checkout billing.checkouts;
begin
  perform private.demand(tenant, 'billing.manage');
  perform billing.demand_open(tenant);
  select * into plan from billing.find_plan(plan_key, billing_interval);
  seats := coalesce(seats, case when plan.is_per_seat then (select count(*) from public.memberships m where m.tenant_id = tenant) else 1 end);
  perform billing.check_seats(tenant, plan.is_per_seat, seats);
  if exists (select from public.subscriptions s where s.tenant_id = tenant and s.decides and s.status <> 'canceled') then
    perform private.refuse(409, 'already_subscribed', 'this tenant has a subscription already', null,
      'change its plan: POST /v1/billing/subscription; or pay what is open: POST /v1/billing/portal');
  end if;
  -- Whatever has become of the subscription that had one.
  trial := case when not exists (select from public.subscriptions s where s.tenant_id = tenant and s.trial_end is not null) then plan.trial_days else 0 end;
  customer := billing.customer_of(tenant);
  wanted_now := encode(sha256(convert_to(jsonb_build_array(customer, plan.price, seats, trial, asked)::text, 'UTF8')), 'hex');
  -- Locks the row, or waits for who is making it.
  insert into billing.checkouts as c (tenant_id, wanted) values (tenant, wanted_now)
  on conflict (tenant_id) do update set
    generation = c.generation + (c.wanted is distinct from excluded.wanted)::integer,
    wanted = excluded.wanted,
    session = case when c.wanted = excluded.wanted then c.session end,
    to_expire = case when c.wanted is distinct from excluded.wanted and c.session is not null then c.to_expire || c.session else c.to_expire end
  returning * into checkout;
  return jsonb_build_object(
    'customer', customer, 'price', plan.price, 'seats', seats, 'trial_days', nullif(trial, 0),
    'generation', checkout.generation, 'session', checkout.session, 'to_expire', checkout.to_expire);
end
$$;

comment on function edge.begin_checkout is
  'What a checkout session is to be made of, for those who hold billing.manage. asked is all else that the session depends on. '
  'Refuses 409 already_subscribed while a subscription decides. seats null: as many as are needed.';

create function edge.record_checkout(tenant uuid, of_generation bigint, made text, expired text[]) returns boolean
language plpgsql
-- Definer: see edge.secrets.
security definer
set search_path = ''
as $$
begin
  perform private.demand(tenant, 'billing.manage');
  update billing.checkouts c
     set session = case when c.generation = of_generation and c.wanted is not null then made else c.session end,
         to_expire = array(select e from unnest(c.to_expire) e where e <> all (expired))
   where c.tenant_id = tenant and (c.generation, c.session) is distinct from (of_generation, made);
  if not exists (select from billing.checkouts c where c.tenant_id = tenant and c.generation = of_generation and c.session = made) then
    return false;
  end if;
  if found then
    perform audit.record_event(tenant, 'billing.checkout_begun', 'checkouts', made);
  end if;
  return true;
end
$$;

comment on function edge.record_checkout is 'Writes down which session a generation has, and which are expired. False when something else is wanted by now: then this one must not stay open.';

create function edge.end_checkout(tenant uuid, of_generation bigint) returns void
language plpgsql
-- Definer: see edge.secrets.
security definer
set search_path = ''
as $$
begin
  perform private.demand(tenant, 'billing.manage');
  update billing.checkouts c set wanted = null, session = null where c.tenant_id = tenant and c.generation = of_generation;
end
$$;

comment on function edge.end_checkout is 'Has the next checkout begin anew: the session of this generation is over.';

-- What was bought ----------------------------------------------------------------------------------------------------------------

create function edge.billing_customer(tenant uuid) returns text
language plpgsql
stable
-- Definer: see edge.secrets.
security definer
set search_path = ''
as $$
declare
  customer text;
begin
  perform private.demand(tenant, 'billing.manage');
  customer := billing.customer_of(tenant);
  if customer is null then
    perform private.refuse(409, 'no_customer', 'this tenant has bought nothing yet', null, 'begin with POST /v1/billing/checkout');
  end if;
  return customer;
end
$$;

comment on function edge.billing_customer is 'Whose portal is to be opened; 409 no_customer when nothing was ever bought.';

create function edge.subscription_to_change(tenant uuid) returns jsonb
language plpgsql
stable
-- Definer: see edge.secrets.
security definer
set search_path = ''
as $$
declare
  subscription text;
begin
  perform private.demand(tenant, 'billing.manage');
  select s.id into subscription from public.subscriptions s where s.tenant_id = tenant and s.decides and s.status <> 'canceled';
  if subscription is null then
    perform private.refuse(409, 'no_subscription', 'this tenant has no subscription to change', null, 'begin one: POST /v1/billing/checkout');
  end if;
  return jsonb_build_object(
    'id', subscription,
    'members', (select count(*) from public.memberships m where m.tenant_id = tenant),
    -- Also those that are sold no more: somebody pays them.
    'prices', (select coalesce(jsonb_object_agg(x.price, jsonb_build_object(
                        'plan', p.key, 'monthly', p.price_monthly, 'is_per_seat', p.is_per_seat)), '{}')
                 from billing.plan_prices x join public.subscription_plans p on p.id = x.plan_id));
end
$$;

comment on function edge.subscription_to_change is 'The subscription that decides, and which prices are which plan''s; 409 no_subscription.';

create function edge.plan_to_change_to(tenant uuid, plan_key text, billing_interval text) returns jsonb
language plpgsql
stable
-- Definer: see edge.secrets.
security definer
set search_path = ''
as $$
begin
  perform private.demand(tenant, 'billing.manage');
  perform billing.demand_open(tenant);
  return (select jsonb_build_object('key', f.key, 'price', f.price, 'is_per_seat', f.is_per_seat, 'monthly', p.price_monthly)
            from billing.find_plan(plan_key, billing_interval) f join public.subscription_plans p on p.id = f.id);
end
$$;

comment on function edge.plan_to_change_to is 'A plan that is sold: 404 no_such_plan, 409 plan_not_for_sale.';

create function edge.check_seats(tenant uuid, is_per_seat boolean, seats bigint) returns void
language plpgsql
stable
-- Definer: see edge.secrets.
security definer
set search_path = ''
as $$
begin
  perform private.demand(tenant, 'billing.manage');
  perform billing.check_seats(tenant, is_per_seat, seats);
end
$$;

comment on function edge.check_seats is 'See billing.check_seats.';

create function edge.subscription_changed(tenant uuid, subscription text, change jsonb) returns void
language plpgsql
-- Definer: see edge.secrets.
security definer
set search_path = ''
as $$
begin
  perform private.demand(tenant, 'billing.manage');
  -- Stripe's event may be late. A worker with a key asks at once, by the protocol of tickets; one without has the event.
  update billing.objects o set fetch_ticket = o.fetch_ticket + 1, fetch_at = now()
   where o.account = '' and o.kind = 'subscription' and o.id = subscription
     and exists (select from public.subscriptions s where s.tenant_id = tenant and s.id = o.id);
  perform audit.record_event(tenant, 'billing.subscription_changed', 'subscriptions', subscription, change);
end
$$;

comment on function edge.subscription_changed is 'Writes down who had a subscription changed, and has Stripe asked how it is now.';
