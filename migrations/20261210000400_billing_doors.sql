-- The doors of billing: edge-api keeps events, a worker applies them and asks Stripe, the operator replays.
--
-- Events are applied by one worker at a time, many in a transaction. Whoever else comes goes away again, so there is no order of locks to keep, and
-- who dies in the middle has done nothing: the next one begins with the same events.

create function edge.keep_stripe_events(bodies text[]) returns void
language sql
-- Definer: edge-api has no rights on tables. It has checked the signature of each.
security definer
set search_path = ''
as $$
  insert into billing.events (id, type, created, api_version, account, livemode, payload)
  select b.payload ->> 'id', b.payload ->> 'type', to_timestamp((b.payload ->> 'created')::bigint), b.payload ->> 'api_version',
         coalesce(b.payload ->> 'account', ''), coalesce((b.payload ->> 'livemode')::boolean, false), b.payload
    from (select u.body::jsonb as payload from unnest(bodies) u (body) offset 0) b
   -- Two who bring the same events wait for each other in one order, never in a circle.
   order by 1
  on conflict (id) do nothing
$$;

comment on function edge.keep_stripe_events is 'Keeps events by their ids, as Stripe has sent them. One that is there already is left as it is.';

-- Applying -----------------------------------------------------------------------------------------------------------------------

create function billing.is_mirrored(event_type text, object jsonb) returns boolean
language sql
immutable
set search_path = ''
as $$
  select object ->> 'id' is not null
     and object ->> 'object' in ('customer', 'product', 'price', 'subscription', 'invoice', 'invoice_payment', 'payment_intent', 'charge', 'refund',
                                 'checkout.session', 'dispute')
     -- A preview of an invoice that does not exist.
     and event_type <> 'invoice.upcoming'
$$;

create function billing.readable(kind text, data jsonb) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  attribute text;
  item jsonb;
begin
  if kind = 'subscription' then
    if not coalesce(data ->> 'status' in ('incomplete', 'incomplete_expired', 'trialing', 'active', 'past_due', 'unpaid', 'paused', 'canceled'), false) then
      raise exception 'a subscription of the unknown status %', data -> 'status';
    end if;
    foreach attribute in array array['current_period_start', 'current_period_end', 'billing_cycle_anchor', 'trial_end', 'cancel_at', 'canceled_at', 'ended_at'] loop
      perform billing.at(data, attribute);
    end loop;
    perform (data ->> 'cancel_at_period_end')::boolean;
    if jsonb_typeof(data #> '{items,data}') = 'array' then
      for item in select i from jsonb_array_elements(data #> '{items,data}') i loop
        perform (item ->> 'quantity')::bigint, billing.at(item, 'current_period_start'), billing.at(item, 'current_period_end');
      end loop;
    end if;
  elsif kind = 'invoice' then
    if not coalesce(data ->> 'status' in ('draft', 'open', 'paid', 'uncollectible', 'void'), false) then
      raise exception 'an invoice of the unknown status %', data -> 'status';
    end if;
    if data ->> 'currency' is null then
      raise exception 'an invoice without a currency';
    end if;
    foreach attribute in array array['subtotal', 'total', 'amount_due', 'amount_paid', 'amount_remaining'] loop
      perform (data ->> attribute)::bigint;
    end loop;
    foreach attribute in array array['period_start', 'period_end', 'due_date', 'next_payment_attempt'] loop
      perform billing.at(data, attribute);
    end loop;
    perform (data ->> 'attempt_count')::integer, billing.at(data #> '{status_transitions}', 'finalized_at'), billing.at(data #> '{status_transitions}', 'paid_at');
  else
    foreach attribute in array array['amount', 'amount_captured', 'amount_refunded', 'amount_received', 'amount_total'] loop
      perform (data ->> attribute)::bigint;
    end loop;
  end if;
  if kind in ('subscription', 'invoice') and billing.at(data, 'created') is null then
    raise exception 'nothing says when it was created';
  end if;
  return data;
end
$$;

comment on function billing.readable is
  'An object that all can be derived from, or an error. What is in the mirror is read with all else of its customer: there it would stop what the others tell.';

create function billing.id_of(reference jsonb) returns text
language sql
immutable
set search_path = ''
as $$ select case jsonb_typeof(reference) when 'string' then reference #>> '{}' when 'object' then reference ->> 'id' end $$;

comment on function billing.id_of is 'Whom an attribute names: Stripe writes an id, or the object itself where somebody had it expanded.';

create function billing.derive(customers text[], invoices text[], has_charges boolean) returns void
language plpgsql
set search_path = ''
as $$
declare
  moved constant uuid[] := billing.find_tenants(customers);
  tenants constant uuid[] := array(
    select c.tenant_id from billing.customers c where c.id = any (customers) union select unnest(moved));
begin
  if cardinality(tenants) = 0 then
    return;
  end if;
  perform billing.derive_subscriptions(tenants);
  perform billing.derive_tenants(tenants);
  if cardinality(moved) > 0 then
    perform billing.derive_invoices(moved);
  end if;
  -- A refund is told of the charge, and may be of any invoice.
  perform billing.derive_invoices(tenants, case when not has_charges then invoices end);
end
$$;

comment on function billing.derive is 'Has what follows for tenants follow from these customers'' objects, after these invoices or charges have changed.';

create function billing.apply(events text[], with_fetching boolean) returns void
language plpgsql
set search_path = ''
as $$
declare
  customers text[];
  invoices text[];
  has_charges boolean;
begin
  with told as (
    select e.account, e.payload #>> '{data,object,object}' as kind, e.payload #>> '{data,object,id}' as id, bool_or(e.livemode) as livemode,
           array_agg((e.type like '%.deleted', extract(epoch from e.created)::bigint, e.id)::billing.sighting) as seen
      from billing.events e
     where e.id = any (events) and billing.is_mirrored(e.type, e.payload #> '{data,object}')
     group by 1, 2, 3
  ), known as (
    select t.account, t.kind, t.id, t.livemode, o.data, o.fetched, o.fetched_second, o.seen as was, billing.newest(o.seen || t.seen) as seen
      from told t left join billing.objects o on o.account = t.account and o.kind = t.kind and o.id = t.id
  ), last as (
    select k.*, billing.last_of(k.seen) as event, (k.seen[1]).is_deletion as is_deletion, (k.seen[1]).second as second
      from known k
     where k.seen is distinct from k.was
  ), now as (
    select l.account, l.kind, l.id, l.livemode, l.seen, l.is_deletion or l.is_fetched and l.fetched is null as is_deleted,
           case when l.is_fetched and l.fetched is not null then l.fetched else coalesce(e.payload #> '{data,object}', l.data) end as data
      from (select x.*, not x.is_deletion and coalesce(x.fetched_second >= x.second, false) as is_fetched from last x) l
      left join billing.events e on e.id = l.event
  ), mirrored as (
    insert into billing.objects as o (account, kind, id, livemode, customer, data, is_deleted, seen, fetch_ticket, fetch_at)
    select n.account, n.kind, n.id, n.livemode, case when n.kind = 'customer' then n.id else billing.id_of(n.data -> 'customer') end,
           billing.readable(n.kind, n.data), n.is_deleted, n.seen, with_fetching::integer, case when with_fetching then now() end
      from now n
    on conflict (account, kind, id) do update set
      livemode = excluded.livemode, customer = excluded.customer, data = excluded.data, is_deleted = excluded.is_deleted, seen = excluded.seen,
      fetch_ticket = o.fetch_ticket + excluded.fetch_ticket, fetch_at = coalesce(excluded.fetch_at, o.fetch_at)
    returning o.account, o.kind, o.id, o.customer, o.data
  ), touched as (
    select m.kind, coalesce(m.customer, i.customer) as customer, case m.kind when 'invoice' then m.id when 'invoice_payment' then m.data ->> 'invoice' end as invoice
      from mirrored m
      left join billing.objects i on m.kind = 'invoice_payment' and i.account = '' and i.kind = 'invoice' and i.id = m.data ->> 'invoice'
     where m.account = ''
  )
  select array_agg(distinct t.customer) filter (where t.customer is not null), array_agg(distinct t.invoice) filter (where t.invoice is not null),
         bool_or(t.kind = 'charge')
    into customers, invoices, has_charges
    from touched t
   -- Nothing follows from the others but the mirror itself.
   where t.kind in ('customer', 'subscription', 'checkout.session', 'invoice', 'invoice_payment', 'charge');
  if with_fetching and invoices is not null then
    -- Where an invoice has changed its subscription mostly has, too, and the event that says so may be late.
    update billing.objects s set fetch_ticket = s.fetch_ticket + 1, fetch_at = now()
      from billing.objects i
     where i.account = '' and i.kind = 'invoice' and i.id = any (invoices)
       and s.account = '' and s.kind = 'subscription' and s.id = billing.subscription_of(i.data);
  end if;
  if customers is not null then
    perform billing.derive(customers, coalesce(invoices, '{}'), has_charges);
    perform billing.mail_about_failures(events);
  end if;
  update billing.events e
     set state = case when billing.is_mirrored(e.type, e.payload #> '{data,object}') then 'applied' else 'ignored' end,
         next_attempt_at = null, finished_at = now(), problem = null
   where e.id = any (events);
end
$$;

comment on function billing.apply is 'Brings the mirror to where these events leave it, and what follows from it. To be called by one at a time: billing.wait_for_turn.';

create function billing.wait_for_turn() returns void
language sql
set search_path = ''
as $$ select pg_advisory_xact_lock(hashtextextended('billing.apply', 0)) $$;

comment on function billing.wait_for_turn is 'Until we commit, nobody else changes the mirror.';

create function billing.note_failure(event text, reason text) returns void
language sql
set search_path = ''
as $$
  update billing.events e
     set attempts = e.attempts + 1, problem = reason,
         state = case when e.attempts < 11 then 'received' else 'dead' end,
         next_attempt_at = case when e.attempts < 11 then now() + interval '1 second' * (2 ^ e.attempts) end,
         finished_at = case when e.attempts < 11 then null else now() end
   where e.id = event
$$;

comment on function billing.note_failure is 'Has an event tried again after twice the time, and gives up after the twelfth try, which is after an hour.';

create function billing.passes_by_itself(state text) returns boolean
language sql
immutable
set search_path = ''
as $$
  -- Not of the event's making: a deadlock, a full disk, a server that stops. https://www.postgresql.org/docs/current/errcodes-appendix.html
  select left(state, 2) in ('08', '25', '40', '53', '55', '57', '58')
$$;

create function billing.apply_events(most integer, with_fetching boolean) returns integer
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
declare
  due text[];
  event text;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('billing.apply', 0)) then
    return 0;
  end if;
  due := array(
    select e.id from billing.events e where e.state = 'received' and e.next_attempt_at <= now() order by e.next_attempt_at limit most for update skip locked);
  if cardinality(due) = 0 then
    return 0;
  end if;
  begin
    perform billing.apply(due, with_fetching);
  exception when others then
    if billing.passes_by_itself(sqlstate) then
      raise;
    end if;
    -- One of them cannot be applied. So that the others are, each is tried by itself.
    foreach event in array due loop
      begin
        perform billing.apply(array[event], with_fetching);
      exception when others then
        if billing.passes_by_itself(sqlstate) then
          raise;
        end if;
        perform billing.note_failure(event, format('%s (%s)', sqlerrm, sqlstate));
      end;
    end loop;
  end;
  return cardinality(due);
end
$$;

comment on function billing.apply_events is
  'Applies up to so many events that are due, in one transaction; none while somebody else does. Answers how many were looked at. One that fails is tried again by itself, '
  'and is dead in the end. with_fetching has Stripe asked how their objects are now: billing.claim_fetches.';

create function billing.replay(event text) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  update billing.events e set state = 'received', attempts = 0, next_attempt_at = now(), finished_at = null, problem = null where e.id = event;
  return found;
end
$$;

comment on function billing.replay is 'Has an event applied once more, whatever has become of it. What it tells is counted once.';

create function billing.link_customer(tenant uuid, customer text) returns void
language plpgsql
set search_path = ''
as $$
declare
  before uuid;
begin
  perform billing.wait_for_turn();
  delete from billing.customers c where c.id = customer returning c.tenant_id into before;
  insert into billing.customers (tenant_id, id, known_by) values (tenant, customer, 'checkout');
  perform billing.derive_all(array_remove(array[tenant, before], null));
end
$$;

comment on function billing.link_customer is 'Says whose a customer is, for good, and has what the mirror knows of them follow.';

create function billing.derive_all(tenants uuid[]) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform billing.derive_subscriptions(tenants);
  perform billing.derive_tenants(tenants);
  perform billing.derive_invoices(tenants);
end
$$;

comment on function billing.derive_all is 'Derives all there is of these tenants. To be called by one at a time: billing.wait_for_turn.';

-- Asking Stripe ------------------------------------------------------------------------------------------------------------------
--
-- An answer is how the object was at some time between question and answer. Two that cross must not end with the older one, so a question has a
-- ticket, and the answer to the question that was asked last is the one that stays. An event makes the next question due: after the last event
-- comes a question, and its answer is how the object is.

create function billing.claim_fetches(most integer, of_livemode boolean, lease interval) returns table (account text, kind text, id text, ticket bigint)
language sql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  with due as (
    select o.account, o.kind, o.id from billing.objects o
     where o.fetch_at <= now() and o.livemode = of_livemode order by o.fetch_at limit most for update skip locked
  )
  update billing.objects o set fetch_ticket = o.fetch_ticket + 1, fetch_at = now() + lease
    from due d where o.account = d.account and o.kind = d.kind and o.id = d.id
  returning o.account, o.kind, o.id, o.fetch_ticket
$$;

comment on function billing.claim_fetches is
  'Objects that Stripe is to be asked about, each with a ticket for the answer. Who does not answer within the lease is asked again.';

create function billing.apply_fetched(
  object_account text, object_kind text, object_id text, ticket bigint, object jsonb, asked_second bigint
) returns boolean
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
declare
  known billing.objects;
  newest billing.sighting;
  is_gone constant boolean := object is null or coalesce((object ->> 'deleted')::boolean, false);
  invoice text;
begin
  perform billing.wait_for_turn();
  select o.* into known from billing.objects o
   where o.account = object_account and o.kind = object_kind and o.id = object_id for update;
  if known.id is null or apply_fetched.ticket <= known.fetched_ticket then
    return false;
  end if;
  if not is_gone then
    perform billing.readable(object_kind, object);
  end if;
  -- Without a sighting it is one that a reconciliation has found, and nobody has told of.
  newest := coalesce(known.seen[1], (false, 0, null)::billing.sighting);
  update billing.objects o
     set fetched = case when not is_gone then object end, fetched_second = asked_second, fetched_ticket = apply_fetched.ticket,
         fetch_at = case when o.fetch_ticket > apply_fetched.ticket then o.fetch_at end,
         is_deleted = newest.is_deletion or is_gone and asked_second >= newest.second or o.is_deleted and asked_second < newest.second,
         data = case when not newest.is_deletion and not is_gone and asked_second >= newest.second then object else o.data end
   where o.account = object_account and o.kind = object_kind and o.id = object_id
  returning o.* into known;
  if known.account = '' and known.customer is not null then
    invoice := case when known.kind = 'invoice' then known.id end;
    perform billing.derive(array[known.customer], array_remove(array[invoice], null), known.kind = 'charge');
  end if;
  return true;
end
$$;

comment on function billing.apply_fetched is
  'Takes Stripe''s answer: the object, or null when there is none. asked_second is the time of the answer by Stripe''s clock. False when it came too late: an answer to a later question is known.';

-- Housekeeping -------------------------------------------------------------------------------------------------------------------

create function billing.sweep(most integer) returns integer
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
declare
  due uuid[];
  reminded integer;
  forgotten integer;
begin
  perform billing.wait_for_turn();
  due := array(select a.tenant_id from billing.accounts a where a.derive_at <= now() order by a.derive_at limit most);
  if cardinality(due) > 0 then
    update billing.accounts a set derive_at = null where a.tenant_id = any (due);
    perform billing.derive_subscriptions(due), billing.derive_tenants(due);
  end if;
  reminded := billing.mail_about_trials(most);
  delete from billing.events e using (
    select x.id from billing.events x, billing.settings s
     where x.state in ('applied', 'ignored') and x.finished_at < now() - s.events_kept
     order by x.finished_at limit most for update of x skip locked
  ) old where e.id = old.id;
  get diagnostics forgotten = row_count;
  return cardinality(due) + reminded + forgotten;
end
$$;

comment on function billing.sweep is
  'Suspends tenants whose grace has ended, tells of trials that end, and forgets events that are old. Answers how many of all, at most so many of each.';

create function billing.inbox() returns table (received bigint, dead bigint, oldest_seconds double precision)
language sql
stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  select count(*) filter (where e.state = 'received'), count(*) filter (where e.state = 'dead'),
         coalesce(extract(epoch from now() - min(e.received_at) filter (where e.state = 'received')), 0)::double precision
    from billing.events e
   where e.state in ('received', 'dead')
$$;

comment on function billing.inbox is 'How many events are to be applied, how long the oldest of them has been waiting, and how many are dead.';

create view billing.dead_letters as
  select e.id, e.type, e.created, e.account, e.finished_at as died_at, e.problem from billing.events e where e.state = 'dead';

comment on view billing.dead_letters is 'Events that could not be applied, and why. select billing.replay(id) once that is mended.';
