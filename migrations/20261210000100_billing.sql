-- Billing: what Stripe tells, what is known of its objects, and what tenants see of that.
--
--   POST /webhooks/stripe ──► billing.events ──(a worker)──► billing.objects ──► public.subscriptions, public.invoices, and the tenant's
--                             what was told,                 how Stripe's         plan, status and billing anchor, in the same transaction
--                             as it was told                 objects are now
--
-- Each arrow is a function of what stands left of it, and of nothing else: neither of the order in which it came there, nor of how often.
-- How that is done is in …0200 (objects) and …0300 (tenants).

create schema if not exists billing;
revoke all on schema billing from public;
comment on schema billing is 'What Stripe tells: the inbox of its webhooks and a mirror of its objects. Not exposed; members read public.subscriptions and public.invoices.';

-- Settings -----------------------------------------------------------------------------------------------------------------------

create table billing.settings (
  is_the_only_row boolean primary key default true,
  grace_days integer not null default 7,
  plan_without_subscription uuid not null references public.subscription_plans (id),
  events_kept interval not null default '30 days',
  constraint settings_are_one_row check (is_the_only_row),
  constraint grace_is_not_negative check (grace_days between 0 and 365),
  -- Stripe goes on delivering for three days.
  constraint events_are_kept_longer_than_they_are_delivered check (events_kept >= interval '4 days')
);
create index settings_plan on billing.settings (plan_without_subscription);
alter table billing.settings enable row level security;

comment on table billing.settings is 'What the operator decides about billing.';
comment on column billing.settings.grace_days is 'How long a tenant whose payment failed goes on as before; then it is suspended until it pays.';
comment on column billing.settings.plan_without_subscription is 'Where a tenant is whose subscription has ended.';
comment on column billing.settings.events_kept is 'How long events are kept after they were applied or ignored. What is dead is kept until somebody has it replayed.';

insert into billing.settings (plan_without_subscription) select p.id from public.subscription_plans p where p.key = 'starter';

-- The inbox ----------------------------------------------------------------------------------------------------------------------
--
--   received ──► applied | ignored          received ──► dead, after twelve attempts          any ──► received, by billing.replay

create table billing.events (
  id text primary key,
  type text not null,
  created timestamptz not null,
  api_version text,
  account text not null default '',
  livemode boolean not null,
  payload jsonb not null,
  received_at timestamptz not null default now(),
  state text not null default 'received',
  attempts integer not null default 0,
  next_attempt_at timestamptz default now(),
  problem text,
  finished_at timestamptz,
  constraint event_state_is_known check (state in ('received', 'applied', 'ignored', 'dead')),
  constraint event_that_is_received_is_due_some_time check ((state = 'received') = (next_attempt_at is not null)),
  constraint event_is_finished_when_it_says_so check ((state = 'received') = (finished_at is null)),
  constraint event_that_is_dead_says_why check (state <> 'dead' or problem is not null)
);
create index events_due on billing.events (next_attempt_at) where state = 'received';
create index events_over on billing.events (finished_at) where state in ('applied', 'ignored');
create index events_dead on billing.events (finished_at) where state = 'dead';
alter table billing.events enable row level security;

comment on table billing.events is
  'Stripe''s events by their own ids, as they were told. state: received, applied, ignored (of a kind that nothing here follows from), dead (tried twelve times; problem says why).';
comment on column billing.events.created is 'When it happened, by Stripe''s clock, in whole seconds.';
comment on column billing.events.account is 'The connected account that it is of; empty for the platform''s own.';

-- The mirror ---------------------------------------------------------------------------------------------------------------------

create type billing.sighting as (
  is_deletion boolean,
  second bigint,
  event text
);
comment on type billing.sighting is 'That an event has told of an object. Sightings are in the order in which objects change: deletions last, then by seconds.';

create table billing.objects (
  account text not null default '',
  kind text not null,
  id text not null,
  livemode boolean not null,
  customer text,
  data jsonb not null,
  is_deleted boolean not null default false,
  seen billing.sighting[] not null,
  fetched jsonb,
  fetched_second bigint,
  fetched_ticket bigint not null default 0,
  fetch_ticket bigint not null default 0,
  fetch_at timestamptz,
  primary key (account, kind, id)
);
create index objects_customer on billing.objects (customer, kind) where account = '';
create index objects_paid_invoice on billing.objects ((data ->> 'invoice')) where account = '' and kind = 'invoice_payment';
create index objects_fetch_at on billing.objects (fetch_at) where fetch_at is not null;
alter table billing.objects enable row level security;

comment on table billing.objects is 'Stripe''s objects as they are now: by its events, or by what it answered when it was asked.';
comment on column billing.objects.kind is 'What Stripe calls it: customer, subscription, invoice, checkout.session, …';
comment on column billing.objects.seen is 'The events of the newest two seconds that have told of it: the state is what the last of them tells. See billing.newest.';
comment on column billing.objects.fetched is 'What Stripe answered last, null when it has no such object; fetched_second says when, by its clock, and null that it was never asked.';
comment on column billing.objects.fetch_ticket is 'Grows with each event and with each question; an answer to a question with a smaller ticket than fetched_ticket is too late.';
comment on column billing.objects.fetch_at is 'When Stripe is to be asked how it is; null when that is known.';

-- Whose customer -----------------------------------------------------------------------------------------------------------------

create table billing.customers (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  id text not null,
  known_by text not null default 'checkout',
  primary key (tenant_id, id),
  constraint customer_is_of_one_tenant unique (id),
  constraint customer_is_known_by_something check (known_by in ('checkout', 'customer', 'subscription', 'session'))
);
alter table billing.customers enable row level security;

comment on table billing.customers is 'Which of Stripe''s customers is which tenant.';
comment on column billing.customers.known_by is
  'checkout: we made it, and nothing that Stripe tells changes it. Otherwise tenant_id in the metadata of the customer or of a subscription, or a checkout session''s client_reference_id.';

create table billing.accounts (
  tenant_id uuid primary key references public.tenants (id) on delete cascade,
  plan_before uuid,
  anchor_before timestamptz,
  is_suspended boolean not null default false,
  derive_at timestamptz,
  constraint account_remembers_both_or_nothing check ((plan_before is null) = (anchor_before is null))
);
create index accounts_derive_at on billing.accounts (derive_at) where derive_at is not null;
alter table billing.accounts enable row level security;

comment on table billing.accounts is 'What is remembered of tenants with subscriptions.';
comment on column billing.accounts.plan_before is 'The plan before a subscription first decided; null while none has. It is the tenant''s again when none does any more. No reference: a plan that nobody has can go, and between tenants and plans the API would find one way more.';
comment on column billing.accounts.is_suspended is 'It is billing that has suspended the tenant, so a payment lifts that. What the operator has suspended stays so.';
comment on column billing.accounts.derive_at is 'When time alone changes what follows: the end of the grace.';

-- Prices of plans ----------------------------------------------------------------------------------------------------------------

alter table public.subscription_plans
  add column stripe_price_monthly text,
  add column stripe_price_yearly text;
comment on column public.subscription_plans.stripe_price_monthly is 'The price in Stripe that is sold now. Prices of before stay known: billing.plan_prices.';
comment on column public.subscription_plans.stripe_price_yearly is 'See stripe_price_monthly.';

create table billing.plan_prices (
  price text primary key,
  plan_id uuid not null references public.subscription_plans (id) on delete cascade
);
create index plan_prices_plan on billing.plan_prices (plan_id);
alter table billing.plan_prices enable row level security;
comment on table billing.plan_prices is 'Which plan is bought with a price of Stripe: those that are sold now, and all that were. A price belongs to one plan.';

create function billing.remember_prices() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  insert into billing.plan_prices (price, plan_id)
  select distinct p.price, new.id from unnest(array[new.stripe_price_monthly, new.stripe_price_yearly]) p (price) where p.price is not null
  on conflict (price) do update set plan_id = excluded.plan_id where plan_prices.plan_id <> excluded.plan_id;
  return null;
end
$$;

comment on function billing.remember_prices is 'A price that a plan was sold at means this plan for as long as somebody pays it.';

create trigger _100_remember_prices after insert or update of stripe_price_monthly, stripe_price_yearly on public.subscription_plans
  for each row execute function billing.remember_prices();

-- What tenants see ---------------------------------------------------------------------------------------------------------------
--
-- Ids are Stripe's own: they are in its mails, on its invoices and in its dashboard.

create table public.subscriptions (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  id text not null,
  customer_id text not null,
  status text not null,
  plan_id uuid references public.subscription_plans (id) on delete set null,
  price_ids text[] not null default '{}',
  quantity bigint,
  currency text,
  current_period_start timestamptz,
  current_period_end timestamptz,
  trial_end timestamptz,
  cancel_at timestamptz,
  cancel_at_period_end boolean not null default false,
  canceled_at timestamptz,
  ended_at timestamptz,
  grace_ends_at timestamptz,
  decides boolean not null default false,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  constraint subscription_status_is_known check (
    status in ('incomplete', 'incomplete_expired', 'trialing', 'active', 'past_due', 'unpaid', 'paused', 'canceled')
  ),
  constraint subscription_has_a_grace_while_a_payment_is_due check ((status = 'past_due') = (grace_ends_at is not null))
);
create index subscriptions_plan_id on public.subscriptions (plan_id);
alter table public.subscriptions enable row level security;

comment on table public.subscriptions is 'The tenant''s subscriptions in Stripe. Derived: a change is made in Stripe.';
comment on column public.subscriptions.plan_id is 'The plan that its prices belong to; null when they belong to none.';
comment on column public.subscriptions.decides is 'Plan and status of the tenant follow from this one.';
comment on column public.subscriptions.grace_ends_at is 'A payment is due; when it is not made by then, the tenant is suspended until it is.';

create table public.invoices (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  id text not null,
  customer_id text not null,
  subscription_id text,
  number text,
  status text not null,
  currency text not null,
  subtotal bigint not null,
  total bigint not null,
  amount_due bigint not null,
  amount_paid bigint not null,
  amount_remaining bigint not null,
  amount_refunded bigint not null,
  period_start timestamptz,
  period_end timestamptz,
  due_at timestamptz,
  finalized_at timestamptz,
  paid_at timestamptz,
  attempt_count integer not null default 0,
  next_payment_attempt_at timestamptz,
  hosted_invoice_url text,
  invoice_pdf text,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  constraint invoice_status_is_known check (status in ('draft', 'open', 'paid', 'uncollectible', 'void'))
);
create index invoices_created_at on public.invoices (tenant_id, created_at desc);
alter table public.invoices enable row level security;

comment on table public.invoices is 'The tenant''s invoices in Stripe, in minor units of their currency. Derived: a change is made in Stripe.';
comment on column public.invoices.attempt_count is 'How often its payment was tried.';
comment on column public.invoices.hosted_invoice_url is 'Where it can be paid. Whoever has the address can see the invoice.';

create trigger _800_audit after insert or update or delete on public.subscriptions
  for each row execute function aias.record_change('tenant_id', 'id');
create trigger _800_audit after insert or update or delete on public.invoices
  for each row execute function aias.record_change('tenant_id', 'id');

create function billing.forget_tenant() returns trigger
language plpgsql
-- Definer: whoever may delete a tenant need not reach the mirror.
security definer
set search_path = ''
as $$
begin
  delete from billing.objects o using billing.customers c where c.tenant_id = old.id and o.account = '' and o.customer = c.id;
  return old;
end
$$;

comment on function billing.forget_tenant is
  'A tenant that goes takes the mirror of its objects along. What its events told is gone when they are no longer kept: billing.settings.events_kept.';

create trigger _100_forget_billing before delete on public.tenants
  for each row execute function billing.forget_tenant();

-- What a tenant owns, with its subscriptions and invoices.
create or replace view private.tenant_data as
  select t.id as tenant_id, 'tenants' as source, to_jsonb(t) as line from public.tenants t
  union all
  select m.tenant_id, 'users', to_jsonb(u) from public.users u join public.memberships m on m.user_id = u.id
  union all
  select x.tenant_id, 'roles', to_jsonb(x) from public.roles x
  union all
  select x.tenant_id, 'memberships', to_jsonb(x) from public.memberships x
  union all
  select x.tenant_id, 'invitations', to_jsonb(x) from public.invitations x
  union all
  select x.tenant_id, 'api_keys', to_jsonb(x) from public.api_keys x
  union all
  select x.tenant_id, 'tenant_domains', to_jsonb(x) from public.tenant_domains x
  union all
  select x.tenant_id, 'tenant_secrets', to_jsonb(x) - 'last_four' from public.tenant_secrets x
  union all
  select x.tenant_id, 'provider_keys', to_jsonb(x) - 'last_four' from public.provider_keys x
  union all
  select x.tenant_id, 'ai_agents', to_jsonb(x) from public.ai_agents x
  union all
  select x.tenant_id, 'agent_documents', to_jsonb(x) from public.agent_documents x
  union all
  select x.tenant_id, 'agent_versions', to_jsonb(x) from public.agent_versions x
  union all
  select x.tenant_id, 'rate_limits', to_jsonb(x) from public.rate_limits x
  union all
  select x.tenant_id, 'captured_calls', to_jsonb(x) from public.captured_calls x
  union all
  select x.tenant_id, 'workflows', to_jsonb(x) from public.workflows x
  union all
  select x.tenant_id, 'workflow_versions', to_jsonb(x) from public.workflow_versions x
  union all
  select x.tenant_id, 'executions', to_jsonb(x) from public.executions x
  union all
  select x.tenant_id, 'execution_steps', to_jsonb(x) from public.execution_steps x
  union all
  select x.tenant_id, 'usage', to_jsonb(x) from public.usage x
  union all
  select x.tenant_id, 'subscriptions', to_jsonb(x) from public.subscriptions x
  union all
  select x.tenant_id, 'invoices', to_jsonb(x) from public.invoices x
  union all
  select x.tenant_id, 'audit_log', to_jsonb(x) - 'hash' || jsonb_build_object('hash', encode(x.hash, 'hex')) from audit.log x
  union all
  -- Not chained yet.
  select x.tenant_id, 'audit_log', to_jsonb(x) from audit.inbox x;
