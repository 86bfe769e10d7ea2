-- Metering: what tenants use becomes events of Stripe's meters (https://docs.stripe.com/billing/subscriptions/usage-based).
--
--   public.usage, public.executions, … ──► billing.metered() ──(hours that are over)──► billing.meter_events ──(a worker)──► Stripe
--   what was used, as it happened          all sources, one shape                       what Stripe is told, once
--
-- An hour is counted by comparing: what its sources come to, less what its events have told already, is the next event. So it can be counted as
-- often as one likes, by whomever, and what comes late becomes a further event and never changes one that may have gone.

-- What is metered ----------------------------------------------------------------------------------------------------------------

create table billing.meters (
  key text primary key,
  unit text not null,
  event_name text,
  since timestamptz,
  line text not null default 'overage',
  unit_amount numeric,
  stripe_meter text,
  constraint meter_event_name_is_unique unique (event_name),
  -- With the tenant, the hour and the number of the event that is at most a hundred characters: Stripe's limit of an identifier.
  constraint meter_key_is_a_short_word check (key ~ '^[a-z][a-z0-9_]{0,38}$'),
  constraint meter_event_name_is_short check (length(event_name) between 1 and 100),
  constraint meter_that_is_sent_says_since_when check ((event_name is null) = (since is null)),
  constraint meter_line_is_known check (line in ('overage', 'marketplace')),
  constraint meter_unit_amount_is_not_negative check (unit_amount >= 0)
);
alter table billing.meters enable row level security;

comment on table billing.meters is 'What is metered. Where it is counted: billing.metered.';
comment on column billing.meters.event_name is 'The meter''s event_name in Stripe; null while nothing is sent. Its aggregation must be sum, and of raw events: pre-aggregated, a later event of an hour would take the place of the one before.';
comment on column billing.meters.since is 'What was used before goes nowhere.';
comment on column billing.meters.line is 'Among which lines of an invoice it stands.';
comment on column billing.meters.unit_amount is 'What a unit costs whatever the plan, in minor units. A price of the plan comes before it: billing.meter_prices.';
comment on column billing.meters.stripe_meter is 'Its id in Stripe: mtr_…. Workers look it up by the event_name.';

insert into billing.meters (key, unit) values
  ('executions', 'execution'),
  ('llm_tokens', 'token'),
  ('llm_cost', 'micro-USD');

create table billing.meter_prices (
  plan_id uuid not null references public.subscription_plans (id) on delete cascade,
  meter text not null references billing.meters (key) on delete cascade,
  unit_amount numeric not null,
  included bigint not null default 0,
  primary key (plan_id, meter),
  constraint meter_price_is_not_negative check (unit_amount >= 0),
  constraint included_amount_is_not_negative check (included >= 0)
);
create index meter_prices_meter on billing.meter_prices (meter);
alter table billing.meter_prices enable row level security;

comment on table billing.meter_prices is 'What a unit costs on a plan beyond what is included in a billing period, for invoice previews. Stripe bills by the prices of its own meters: they must say the same.';
comment on column billing.meter_prices.unit_amount is 'In minor units of the plan''s currency; may be a part of one.';

-- Where it is counted ------------------------------------------------------------------------------------------------------------

create table billing.removed_executions (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  id uuid not null default aias.uuid7(),
  used_at timestamptz not null,
  amount bigint not null,
  primary key (tenant_id, id)
);
create index removed_executions_used_at on billing.removed_executions (tenant_id, used_at);
alter table billing.removed_executions enable row level security;
comment on table billing.removed_executions is 'How many executions of a second are not there any more. They happened, and count.';

create function billing.keep_count_of_executions() returns trigger
language plpgsql
-- Definer: whoever deletes a workflow has no rights on what is counted.
security definer
set search_path = ''
as $$
begin
  insert into billing.removed_executions (tenant_id, used_at, amount)
  -- A subscription begins at a whole second, so none of them comes to lie on its other side.
  select g.tenant_id, date_trunc('second', g.created_at), count(*)
    from gone g
   -- What is older was counted long ago. A tenant that goes takes its executions along.
   where g.created_at > now() - interval '40 days' and exists (select from public.tenants t where t.id = g.tenant_id)
   group by 1, 2;
  return null;
end
$$;

comment on function billing.keep_count_of_executions is 'Deleting executions, or the workflow that they ran, does not make them not have happened.';

create trigger _200_keep_count after delete on public.executions
  referencing old table as gone for each statement execute function billing.keep_count_of_executions();

create function billing.metered(tenants uuid[], since timestamptz, until timestamptz)
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
$$;

comment on function billing.metered is
  'What these tenants have used from since until before until: all sources of all meters, whether or not they are sent anywhere. A further source is a further branch here, and a row of billing.meters.';

-- Whom it is billed to -----------------------------------------------------------------------------------------------------------

create view billing.billable_spans as
  select s.tenant_id, s.id, s.customer_id, s.decides, s.created_at as since, coalesce(s.ended_at, 'infinity') as until, o.livemode
    from public.subscriptions s
    join billing.objects o on o.account = '' and o.kind = 'subscription' and o.id = s.id
   where s.plan_id is not null and billing.standing(s.status) is not null;

comment on view billing.billable_spans is 'From when to when a tenant has had a subscription that could decide. What it uses at other times goes nowhere.';

-- The outbox ---------------------------------------------------------------------------------------------------------------------
--
--   queued ──► sent       Stripe has it: it said so, or that it has one with this identifier already
--   queued ──► refused    Stripe will never take it as it is: an archived meter, no such customer
--   queued ──► late       it is further back than Stripe takes it, 35 days, and was never sent
--   queued ──► unsure     it may have been taken, nobody heard the answer, and in a day Stripe forgets identifiers: to send it again could bill it twice
--   unsure ──► sent       Stripe's sum of that hour has it in it, or the operator says so: billing.settle_meter_event
--   unsure ──► queued     Stripe's sum is without it
--   sent   ──► refused    Stripe took it and found later that it cannot count it: v1.billing.meter.error_report_triggered
--   refused ─► replaced   by the operator, once the reason is mended: billing.resend_meter_event makes a further event of the same amount
--
-- A claim pushes next_attempt_at to the end of a lease and raises the ticket. That a try begins is written down before it does, so whoever dies
-- between Stripe's answer and our note of it leaves an event that is sent again with the same identifier, and Stripe takes it once.

create table billing.meter_events (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  meter text not null references billing.meters (key),
  hour timestamptz not null,
  seq integer not null,
  identifier text not null,
  event_name text not null,
  customer text not null,
  livemode boolean not null,
  value bigint not null,
  happened_at timestamptz not null,
  state text not null default 'queued',
  attempts integer not null default 0,
  ticket bigint not null default 0,
  next_attempt_at timestamptz default now(),
  tried_at timestamptz,
  maybe_taken_at timestamptz,
  problem text,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  primary key (tenant_id, meter, hour, seq),
  constraint meter_event_identifier_is_unique unique (identifier),
  constraint meter_event_identifier_is_short check (length(identifier) between 1 and 100),
  -- https://docs.stripe.com/changelog/dahlia/2026-04-22/billing-meter-event-values-validation
  constraint meter_event_value_has_at_most_15_digits check (value between 1 and 999999999999999),
  constraint meter_event_happened_in_its_hour check (happened_at >= hour and happened_at < hour + interval '1 hour'),
  constraint meter_event_state_is_known check (state in ('queued', 'sent', 'refused', 'late', 'unsure', 'replaced')),
  constraint meter_event_that_is_queued_is_due_some_time check ((state = 'queued') = (next_attempt_at is not null)),
  constraint meter_event_is_finished_when_it_says_so check ((state = 'queued') = (finished_at is null))
);
create index meter_events_due on billing.meter_events (next_attempt_at) where state = 'queued';
create index meter_events_hour on billing.meter_events (hour);
create index meter_events_meter on billing.meter_events (meter);
alter table billing.meter_events enable row level security;

comment on table billing.meter_events is 'What Stripe''s meters are told, by tenant, meter and hour. The events of an hour come to what was used in it.';
comment on column billing.meter_events.identifier is 'tenant:meter:hour:seq. Stripe takes one event of an identifier in at least 24 hours.';
comment on column billing.meter_events.happened_at is 'What Stripe is told: when the hour began, or the subscription in it. So an hour belongs to the billing period in which it begins.';
comment on column billing.meter_events.tried_at is 'When the last try began that did not end in an answer that it was not taken.';
comment on column billing.meter_events.maybe_taken_at is 'When the first such try began, if there were others since.';

create table billing.metered_tenants (
  tenant_id uuid primary key references public.tenants (id) on delete cascade,
  counted_through timestamptz,
  count_at timestamptz not null default now(),
  recount_at timestamptz not null default now()
);
create index metered_tenants_count_at on billing.metered_tenants (count_at);
alter table billing.metered_tenants enable row level security;

comment on table billing.metered_tenants is 'Up to which hour the use of tenants with subscriptions was counted. Whoever counts holds the row.';
comment on column billing.metered_tenants.recount_at is 'When all hours are counted anew that Stripe still takes. The last day is counted anew each time.';

-- Counting -----------------------------------------------------------------------------------------------------------------------

create function billing.hour_of(instant timestamptz) returns timestamptz
language sql
immutable
set search_path = ''
as $$ select date_bin('1 hour', instant, '2000-01-01Z') $$;

comment on function billing.hour_of is 'When the hour began that holds an instant, in UTC, whatever the time zone.';

create function billing.closed_hours() returns timestamptz
language sql
stable
set search_path = ''
-- Most of what is written late is so by seconds.
as $$ select billing.hour_of(now() - interval '5 minutes') $$;

comment on function billing.closed_hours is 'The hours before this one are over.';

create function billing.hours_of(tenant uuid, since timestamptz, until timestamptz)
returns table (meter text, hour timestamptz, used bigint)
language sql
stable
set search_path = ''
as $$
  -- Part of a unit is not told: Stripe takes whole numbers. It counts for its hour when there is more.
  select u.meter, billing.hour_of(u.used_at), floor(sum(u.quantity))::bigint
    from billing.metered(array[tenant], since, until) u
    join billing.meters m on m.key = u.meter and u.used_at >= m.since
   where exists (
     select from billing.billable_spans s where s.tenant_id = tenant and u.used_at >= s.since and u.used_at < s.until)
   group by 1, 2
$$;

comment on function billing.hours_of is 'What a tenant has used by meters and hours, of what is to be billed. Both ends are the beginnings of hours.';

create function billing.count_hours(tenant uuid, since timestamptz, until timestamptz) returns integer
language plpgsql
set search_path = ''
as $$
declare
  added integer;
begin
  with told as (
    select e.meter, e.hour, max(e.seq) as seq, sum(e.value) filter (where e.state <> 'replaced') as value
      from billing.meter_events e
     where e.tenant_id = tenant and e.hour >= since and e.hour < until
     group by 1, 2
  )
  insert into billing.meter_events (tenant_id, meter, hour, seq, identifier, event_name, customer, livemode, value, happened_at)
  select tenant, h.meter, h.hour, n.seq, concat_ws(':', tenant, h.meter, to_char(h.hour at time zone 'UTC', 'YYYYMMDDHH24'), n.seq), m.event_name,
         s.customer_id, s.livemode, least(h.used - coalesce(t.value, 0), 999999999999999), greatest(h.hour, s.since)
    from billing.hours_of(tenant, since, until) h
    join billing.meters m on m.key = h.meter
    left join told t on t.meter = h.meter and t.hour = h.hour
    cross join lateral (select coalesce(t.seq, 0) + 1 as seq) n
    cross join lateral (
      select x.customer_id, x.livemode, x.since
        from billing.billable_spans x
       where x.tenant_id = tenant and x.since < h.hour + interval '1 hour' and x.until > h.hour
       order by x.decides desc, x.since desc, x.id collate "C" desc
       limit 1
    ) s
   where h.used > coalesce(t.value, 0);
  get diagnostics added = row_count;
  return added;
end
$$;

comment on function billing.count_hours is 'Makes events of what was used in these hours and not told yet. To be called by who holds the tenant''s row of billing.metered_tenants.';

create function billing.count_usage(most integer) returns integer
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
declare
  closed constant timestamptz := billing.closed_hours();
  due uuid[];
begin
  insert into billing.metered_tenants (tenant_id)
  select distinct s.tenant_id from billing.billable_spans s
   where not exists (select from billing.metered_tenants m where m.tenant_id = s.tenant_id)
   order by 1 limit most
  on conflict do nothing;
  -- Held until we commit. What follows are statements of their own, so they see what those have written who held them before.
  due := array(
    select m.tenant_id from billing.metered_tenants m where m.count_at <= now() order by m.count_at limit most for update skip locked);
  perform billing.count_hours(m.tenant_id, since.hour, closed)
     from billing.metered_tenants m
     cross join lateral (
       select billing.hour_of(case
                when m.counted_through is null then (select min(s.since) from billing.billable_spans s where s.tenant_id = m.tenant_id)
                -- Whoever was away for long goes on where it was.
                when m.recount_at <= now() then least(m.counted_through, closed - interval '35 days')
                else least(m.counted_through, closed - interval '1 day') end) as hour
     ) since
    where m.tenant_id = any (due) and since.hour < closed;
  update billing.metered_tenants m
     set counted_through = closed,
         -- Spread, so that not all are counted in the first second of an hour.
         count_at = closed + interval '1 hour 5 minutes' + random() * interval '2 minutes',
         recount_at = case when m.recount_at <= now() then now() + (0.5 + random() / 2) * interval '1 day' else m.recount_at end
   where m.tenant_id = any (due);
  delete from billing.removed_executions r using (
    select x.tenant_id, x.id from billing.removed_executions x
     where x.used_at < now() - interval '41 days' and not exists (
       select from billing.metered_tenants m where m.tenant_id = x.tenant_id and coalesce(m.counted_through, '-infinity') <= x.used_at)
     limit most
  ) old where r.tenant_id = old.tenant_id and r.id = old.id;
  return cardinality(due);
end
$$;

comment on function billing.count_usage is
  'Counts the hours that are over, of up to so many tenants that are due, and answers of how many. Each hour a tenant''s last day is counted anew, and each day all that Stripe still takes: '
  'what was written late is found then.';
