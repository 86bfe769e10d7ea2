-- The doors of metering: a worker sends events, tells what became of them, asks Stripe for its sums, and takes Stripe's reports of errors.

-- Stripe's sums ------------------------------------------------------------------------------------------------------------------

create table billing.meter_days (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  meter text not null references billing.meters (key),
  customer text not null,
  day timestamptz not null,
  livemode boolean not null,
  ask_at timestamptz,
  asked_at timestamptz,
  asks integer not null default 0,
  ticket bigint not null default 0,
  primary key (tenant_id, meter, customer, day),
  constraint meter_day_begins_in_utc check (date_bin('1 day', day, '2000-01-01Z') = day)
);
create index meter_days_ask_at on billing.meter_days (ask_at) where ask_at is not null;
create index meter_days_meter on billing.meter_days (meter);
alter table billing.meter_days enable row level security;

comment on table billing.meter_days is 'Of which days Stripe is to be asked, or was asked, what its meters come to.';
comment on column billing.meter_days.ask_at is 'An hour after an event was sent, since Stripe adds up later than it answers; again later while its sums are others than ours.';

create table billing.meter_sums (
  tenant_id uuid not null,
  meter text not null,
  customer text not null,
  day timestamptz not null,
  hour timestamptz not null,
  value numeric not null,
  primary key (tenant_id, meter, customer, hour),
  constraint meter_sum_is_of_a_day foreign key (tenant_id, meter, customer, day)
    references billing.meter_days (tenant_id, meter, customer, day) on delete cascade
);
create index meter_sums_day on billing.meter_sums (tenant_id, meter, customer, day);
alter table billing.meter_sums enable row level security;
comment on table billing.meter_sums is 'What Stripe''s meters came to by hours, when it was asked; hours with nothing are left out.';

create function billing.day_of(instant timestamptz) returns timestamptz
language sql
immutable
set search_path = ''
as $$ select date_bin('1 day', instant, '2000-01-01Z') $$;

comment on function billing.day_of is 'When the day began that holds an instant, in UTC.';

create function billing.ask_for_sums(events billing.meter_events[], earliest timestamptz) returns void
language sql
set search_path = ''
as $$
  insert into billing.meter_days as d (tenant_id, meter, customer, day, livemode, ask_at)
  select distinct e.tenant_id, e.meter, e.customer, billing.day_of(e.hour), e.livemode, earliest from unnest(events) e order by 1, 2, 3, 4
  on conflict (tenant_id, meter, customer, day) do update set ask_at = excluded.ask_at, asks = 0
$$;

comment on function billing.ask_for_sums is 'Has Stripe asked what the days of these events come to, not before a time.';

-- Sending ------------------------------------------------------------------------------------------------------------------------

create function billing.give_meter_events_up(most integer) returns void
language plpgsql
set search_path = ''
as $$
declare
  ended billing.meter_events[];
begin
  with due as (
    select e.tenant_id, e.meter, e.hour, e.seq from billing.meter_events e
     where e.state = 'queued' and e.next_attempt_at <= now()
       -- https://docs.stripe.com/api/billing/meter-event/create: 35 days; an identifier is unique within at least 24 hours. A little less of
       -- either, since it takes time until Stripe has it.
       and (e.happened_at < now() - interval '35 days' + interval '10 minutes'
            or coalesce(e.maybe_taken_at, e.tried_at) < now() - interval '23 hours')
     order by e.next_attempt_at limit most for update skip locked
  ), given_up as (
    update billing.meter_events e
       set state = case when coalesce(e.maybe_taken_at, e.tried_at) is null then 'late' else 'unsure' end, next_attempt_at = null, finished_at = now()
      from due d where e.tenant_id = d.tenant_id and e.meter = d.meter and e.hour = d.hour and e.seq = d.seq
    returning e.*
  )
  select array_agg(row(g.*)::billing.meter_events) into ended from given_up g where g.state = 'unsure';
  if ended is not null then
    perform billing.ask_for_sums(ended, now() + interval '1 hour');
  end if;
end
$$;

comment on function billing.give_meter_events_up is 'Events that Stripe does not take any more are late; those that it may have taken so long ago that it may take them again are unsure.';

create function billing.claim_meter_events(most integer, of_livemode boolean, lease interval)
returns table (identifier text, ticket bigint, event_name text, customer text, value bigint, happened_at timestamptz)
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
begin
  perform billing.give_meter_events_up(most);
  return query
    with due as (
      select e.tenant_id, e.meter, e.hour, e.seq from billing.meter_events e
       where e.state = 'queued' and e.next_attempt_at <= now() and e.livemode = of_livemode
       order by e.next_attempt_at limit most for update skip locked
    )
    update billing.meter_events e
       set ticket = e.ticket + 1, attempts = e.attempts + 1, next_attempt_at = now() + lease,
           maybe_taken_at = coalesce(e.maybe_taken_at, e.tried_at), tried_at = now()
      from due d where e.tenant_id = d.tenant_id and e.meter = d.meter and e.hour = d.hour and e.seq = d.seq
    returning e.identifier, e.ticket, e.event_name, e.customer, e.value, e.happened_at;
end
$$;

comment on function billing.claim_meter_events is
  'Events to be sent within half of the lease, each with a ticket to record its outcome by. Who says nothing by the end of the lease has it sent again, with the same identifier.';

create function billing.record_meter_events(identifiers text[], tickets bigint[], outcomes text[], problems text[]) returns integer
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
declare
  recorded billing.meter_events[];
begin
  with said as (
    select s.* from unnest(identifiers, tickets, outcomes, problems) s (identifier, ticket, outcome, problem)
  ), held as (
    select e.identifier, s.outcome, s.problem
      from billing.meter_events e join said s on s.identifier = e.identifier and s.ticket = e.ticket
     where e.state = 'queued' order by e.identifier for update of e
  ), noted as (
    update billing.meter_events e
       set state = case when h.outcome in ('sent', 'refused', 'late') then h.outcome else 'queued' end,
           -- Not taken, by Stripe's own word: this try does not count for what it may have. Those before it do.
           tried_at = case when h.outcome = 'again' then null else e.tried_at end,
           next_attempt_at = case when h.outcome in ('again', 'unknown') then
             now() + least(interval '1 hour', interval '1 second' * 2 ^ least(e.attempts, 12)) * (0.5 + random() / 2) end,
           finished_at = case when h.outcome not in ('again', 'unknown') then now() end,
           problem = h.problem
      from held h where h.identifier = e.identifier
    returning e.*
  )
  select array_agg(row(n.*)::billing.meter_events) into recorded from noted n;
  if recorded is null then
    return 0;
  end if;
  perform billing.ask_for_sums(array(select r from unnest(recorded) r where r.state = 'sent'), now() + interval '1 hour');
  return cardinality(recorded);
end
$$;

comment on function billing.record_meter_events is
  'Writes what became of claimed events: sent, refused, late, again (not taken, to be tried again), unknown (nobody heard an answer). Answers of how many the ticket was still good.';

create function billing.settle_meter_event(meter_event text, was_taken boolean) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  update billing.meter_events e
     set state = case when was_taken then 'sent' else 'queued' end,
         finished_at = case when was_taken then now() end, next_attempt_at = case when not was_taken then now() end,
         tried_at = null, maybe_taken_at = null
   where e.identifier = meter_event and e.state = 'unsure';
  return found;
end
$$;

comment on function billing.settle_meter_event is 'Says of an event that is unsure whether Stripe has taken it. One that it has not is sent, or is late.';

create function billing.resend_meter_event(meter_event text) returns text
language plpgsql
set search_path = ''
as $$
declare
  old billing.meter_events;
  made text;
begin
  select e.* into old from billing.meter_events e where e.identifier = meter_event;
  -- As who counts, so that nobody else makes the next event of this hour.
  perform from billing.metered_tenants m where m.tenant_id = old.tenant_id for update;
  update billing.meter_events e set state = 'replaced' where e.identifier = meter_event and e.state = 'refused' returning * into old;
  if not found then
    return null;
  end if;
  insert into billing.meter_events (tenant_id, meter, hour, seq, identifier, event_name, customer, livemode, value, happened_at)
  select old.tenant_id, old.meter, old.hour, n.seq,
         concat_ws(':', old.tenant_id, old.meter, to_char(old.hour at time zone 'UTC', 'YYYYMMDDHH24'), n.seq),
         coalesce(m.event_name, old.event_name), coalesce(s.customer_id, old.customer), coalesce(s.livemode, old.livemode), old.value, old.happened_at
    from billing.meters m
    cross join lateral (
      select max(e.seq) + 1 as seq from billing.meter_events e where e.tenant_id = old.tenant_id and e.meter = old.meter and e.hour = old.hour) n
    left join lateral (
      select x.customer_id, x.livemode from billing.billable_spans x
       where x.tenant_id = old.tenant_id and x.since <= old.happened_at and x.until > old.happened_at
       order by x.decides desc, x.since desc limit 1
    ) s on true
   where m.key = old.meter
  returning identifier into made;
  return made;
end
$$;

comment on function billing.resend_meter_event is
  'Makes a new event in the place of a refused one, of the same amount, for the meter and customer as they are now. Its own identifier: Stripe may know the old one. Null when there is none that is refused.';

-- Asking for sums ----------------------------------------------------------------------------------------------------------------

create function billing.claim_meter_days(most integer, of_livemode boolean, lease interval)
returns table (tenant_id uuid, meter text, stripe_meter text, customer text, day timestamptz, ticket bigint)
language sql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  with due as (
    select d.tenant_id, d.meter, d.customer, d.day, m.stripe_meter
      from billing.meter_days d join billing.meters m on m.key = d.meter and m.stripe_meter is not null
     where d.ask_at <= now() and d.livemode = of_livemode order by d.ask_at limit most for update of d skip locked
  )
  update billing.meter_days d set ask_at = now() + lease, ticket = d.ticket + 1
    from due x where d.tenant_id = x.tenant_id and d.meter = x.meter and d.customer = x.customer and d.day = x.day
  returning d.tenant_id, d.meter, x.stripe_meter, d.customer, d.day, d.ticket
$$;

comment on function billing.claim_meter_days is 'Days of customers of which Stripe is to be asked what its meters come to by hours.';

create function billing.settle_unsure(whose uuid, of_meter text, of_customer text, of_day timestamptz) returns void
language plpgsql
set search_path = ''
as $$
begin
  with hours as (
    select e.hour, coalesce(sum(e.value) filter (where e.state = 'sent'), 0) as sent, sum(e.value) filter (where e.state = 'unsure') as unsure
      from billing.meter_events e
     where e.tenant_id = whose and e.meter = of_meter and e.customer = of_customer and e.hour >= of_day and e.hour < of_day + interval '1 day'
     group by e.hour
    -- While another may be under way there is no telling which of them the sum has in it.
    having bool_or(e.state = 'unsure') and not bool_or(e.state = 'queued' and e.tried_at is not null)
       -- Nor when Stripe may not have added up all of them yet.
       and max(coalesce(e.tried_at, '-infinity')) < now() - interval '30 minutes'
  )
  update billing.meter_events e
     set state = case s.value when h.sent then 'queued' else 'sent' end,
         next_attempt_at = case s.value when h.sent then now() end, finished_at = case when s.value <> h.sent then now() end,
         tried_at = null, maybe_taken_at = null
    from hours h
    cross join lateral (
      select coalesce(sum(m.value), 0) as value from billing.meter_sums m
       where m.tenant_id = whose and m.meter = of_meter and m.customer = of_customer and m.hour = h.hour) s
   where e.tenant_id = whose and e.meter = of_meter and e.customer = of_customer and e.hour = h.hour and e.state = 'unsure'
     -- All of them or none. A part can be any part, and is for the operator to say.
     and s.value in (h.sent, h.sent + h.unsure);
end
$$;

comment on function billing.settle_unsure is 'Finds out by Stripe''s sums of a day whether it has taken the events that are unsure.';

create function billing.apply_meter_day(
  of_tenant uuid, of_meter text, of_customer text, of_day timestamptz, of_ticket bigint, hours bigint[], sums double precision[]
) returns boolean
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
declare
  asked billing.meter_days;
  sent numeric;
  is_unsure boolean;
begin
  select d.* into asked from billing.meter_days d
   where d.tenant_id = of_tenant and d.meter = of_meter and d.customer = of_customer and d.day = of_day and d.ticket = of_ticket for update;
  if asked.tenant_id is null then
    return false;
  end if;
  delete from billing.meter_sums s where s.tenant_id = of_tenant and s.meter = of_meter and s.customer = of_customer and s.day = of_day;
  insert into billing.meter_sums (tenant_id, meter, customer, day, hour, value)
  select of_tenant, of_meter, of_customer, of_day, h.hour, sum(s.value::numeric)
    from unnest(hours, sums) s (second, value) cross join lateral (select to_timestamp(s.second) as hour) h
   where h.hour >= of_day and h.hour < of_day + interval '1 day' group by h.hour;
  perform billing.settle_unsure(of_tenant, of_meter, of_customer, of_day);
  select coalesce(sum(e.value) filter (where e.state = 'sent'), 0), coalesce(bool_or(e.state = 'unsure'), false) into sent, is_unsure
    from billing.meter_events e
   where e.tenant_id = of_tenant and e.meter = of_meter and e.customer = of_customer and e.hour >= of_day and e.hour < of_day + interval '1 day';
  update billing.meter_days d
     set asked_at = now(), asks = d.asks + 1,
         ask_at = case when d.asks < 8 and (is_unsure or sent <> (select coalesce(sum(s.value::numeric), 0) from unnest(sums) s (value)))
                       then now() + interval '1 hour' * 2 ^ d.asks end
   where d.tenant_id = of_tenant and d.meter = of_meter and d.customer = of_customer and d.day = of_day;
  return true;
end
$$;

comment on function billing.apply_meter_day is
  'Takes Stripe''s sums of a day, by hours, and has it asked again later when they are others than ours: eight times within two weeks. False when the ticket is not good any more.';

create function billing.meters_to_find() returns boolean
language sql
stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$ select exists (select from billing.meters m where m.event_name is not null and m.stripe_meter is null) $$;

comment on function billing.meters_to_find is 'Whether there are meters whose ids in Stripe are not known.';

create function billing.learn_meters(event_names text[], ids text[]) returns integer
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
declare
  found_some integer;
begin
  update billing.meters m set stripe_meter = f.id from unnest(event_names, ids) f (event_name, id)
   where f.event_name = m.event_name and m.stripe_meter is null;
  get diagnostics found_some = row_count;
  return found_some;
end
$$;

comment on function billing.learn_meters is 'Takes the ids of Stripe''s meters by their event names.';

-- Reports of errors --------------------------------------------------------------------------------------------------------------
--
-- Stripe looks at events more closely after it has answered. What it cannot count it reports by thin events, which are but a note that there is
-- something to be fetched: https://docs.stripe.com/api/v2/core/events/event-types, https://docs.stripe.com/event-destinations#thin-events.

create table billing.meter_reports (
  event text primary key,
  type text not null,
  livemode boolean not null,
  told_at timestamptz not null default now(),
  ask_at timestamptz default now(),
  ticket bigint not null default 0,
  data jsonb,
  marked integer not null default 0
);
create index meter_reports_ask_at on billing.meter_reports (ask_at) where ask_at is not null;
alter table billing.meter_reports enable row level security;

comment on table billing.meter_reports is 'What Stripe could not count of what it had taken. It names samples; billing.drift shows the whole.';
comment on column billing.meter_reports.data is '{reason: {error_count, error_types: [{code, error_count, sample_errors: [{error_message, request: {identifier}}]}]}, validation_start, validation_end}.';
comment on column billing.meter_reports.marked is 'How many events are refused because of it.';

create index events_of_meters on billing.events (received_at) where type in ('v1.billing.meter.error_report_triggered', 'v1.billing.meter.no_meter_found');

create or replace function edge.keep_stripe_events(bodies text[]) returns void
language sql
-- Definer: edge-api has no rights on tables. It has checked the signature of each.
security definer
set search_path = ''
as $$
  insert into billing.events (id, type, created, api_version, account, livemode, payload)
  select b.payload ->> 'id', b.payload ->> 'type',
         -- Seconds; a text in events of version 2: https://docs.stripe.com/api/v2/core/events/object.
         case when b.payload ->> 'created' ~ '^\d{4}-\d\d-\d\dT' then (b.payload ->> 'created')::timestamptz else to_timestamp((b.payload ->> 'created')::bigint) end,
         b.payload ->> 'api_version',
         coalesce(b.payload ->> 'account', ''), coalesce((b.payload ->> 'livemode')::boolean, false), b.payload
    from (select u.body::jsonb as payload from unnest(bodies) u (body) offset 0) b
   -- Two who bring the same events wait for each other in one order, never in a circle.
   order by 1
  on conflict (id) do nothing
$$;

comment on function edge.keep_stripe_events is 'Keeps events by their ids, as Stripe has sent them. One that is there already is left as it is.';

create function billing.claim_meter_reports(most integer, of_livemode boolean, lease interval) returns table (event text, ticket bigint)
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
begin
  insert into billing.meter_reports (event, type, livemode)
  select e.id, e.type, e.livemode from billing.events e
   where e.type in ('v1.billing.meter.error_report_triggered', 'v1.billing.meter.no_meter_found')
     and not exists (select from billing.meter_reports r where r.event = e.id)
   order by e.id limit most
  on conflict do nothing;
  return query
    with due as (
      select r.event from billing.meter_reports r where r.ask_at <= now() and r.livemode = of_livemode order by r.ask_at limit most for update skip locked
    )
    update billing.meter_reports r set ticket = r.ticket + 1, ask_at = now() + lease from due d where r.event = d.event
    returning r.event, r.ticket;
end
$$;

comment on function billing.claim_meter_reports is 'Reports of errors that are to be fetched from Stripe.';

create function billing.apply_meter_report(of_event text, of_ticket bigint, object jsonb) returns boolean
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
declare
  refused integer;
begin
  update billing.meter_reports r set data = object -> 'data', ask_at = null where r.event = of_event and r.ticket = of_ticket;
  if not found then
    return false;
  end if;
  with errors as (
    select distinct on (s.sample #>> '{request,identifier}') s.sample #>> '{request,identifier}' as identifier,
           concat_ws(': ', t.kind ->> 'code', s.sample ->> 'error_message') as problem
      from jsonb_path_query(object, '$.data.reason.error_types[*]') t (kind)
      cross join lateral jsonb_path_query(t.kind, '$.sample_errors[*]') s (sample)
     order by 1
  ), held as (
    select e.identifier, r.problem from billing.meter_events e join errors r on r.identifier = e.identifier
     where e.state in ('queued', 'sent', 'unsure') order by e.identifier for update of e
  )
  update billing.meter_events e
     set state = 'refused', problem = h.problem, next_attempt_at = null, finished_at = now()
    from held h where h.identifier = e.identifier;
  get diagnostics refused = row_count;
  update billing.meter_reports r set marked = refused where r.event = of_event;
  return true;
end
$$;

comment on function billing.apply_meter_report is 'Takes a report as Stripe has it, or null when it has none any more, and marks the events that it names as refused.';
