-- In which order events happened, whatever order they came in.
--
-- Stripe delivers more than once and in no order (https://docs.stripe.com/webhooks#event-ordering), and says when in whole seconds. So what an
-- object is follows from the set of events that have told of it, and joining sets does not care for order or repetition:
--
--   1. A deletion is last, for ever.
--   2. The later second is later.
--   3. Within a second: an event that says what was before (data.previous_attributes) comes after the one that left it so. The longest such
--      chain is taken, and of equally long ones the one that fits best, above all where the second before ended.
--   4. What such a chain leaves open is decided by the status, since most of them are reached in one direction only, and at last by the ids.
--
-- Of the set only the newest two seconds are kept with the object, as ids of events: an older one can change nothing any more.

create function billing.newest(seen billing.sighting[]) returns billing.sighting[]
language sql
immutable
set search_path = ''
as $$
  select array_agg((s.is_deletion, s.second, s.event)::billing.sighting order by s.is_deletion desc, s.second desc, s.event)
    from (select distinct u.is_deletion, u.second, u.event, dense_rank() over (order by u.is_deletion desc, u.second desc) as nth
            from unnest(seen) u) s
   where s.nth <= 2
$$;

comment on function billing.newest is 'Of these sightings those of the newest two seconds, each once: what an object''s state can depend on.';

create function billing.agrees(data jsonb, attributes jsonb) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
declare
  attribute record;
begin
  for attribute in select a.key, a.value, coalesce(data -> a.key, 'null') as here from jsonb_each(attributes) a loop
    if jsonb_typeof(attribute.value) = 'object' and jsonb_typeof(attribute.here) = 'object' then
      if not billing.agrees(attribute.here, attribute.value) then
        return false;
      end if;
    elsif attribute.here <> attribute.value then
      return false;
    end if;
  end loop;
  return true;
end
$$;

comment on function billing.agrees is
  'Whether an object has these attributes. Of objects in it Stripe names only what changed; lists it repeats as a whole. What is not there counts as null.';

create function billing.undone(data jsonb, attributes jsonb) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  attribute record;
begin
  for attribute in select a.key, a.value, data -> a.key as here from jsonb_each(attributes) a loop
    data := data || jsonb_build_object(attribute.key,
      case when jsonb_typeof(attribute.value) = 'object' and jsonb_typeof(attribute.here) = 'object'
           then billing.undone(attribute.here, attribute.value) else attribute.value end);
  end loop;
  return data;
end
$$;

comment on function billing.undone is 'An object with these attributes as they were before: how it was before the event that tells both.';

create function billing.was(data jsonb, attributes jsonb, before jsonb) returns boolean
language sql
immutable
set search_path = ''
as $$ select jsonb_strip_nulls(billing.undone(data, attributes)) = jsonb_strip_nulls(before) $$;

create function billing.rank_of(status text) returns integer
language sql
immutable
set search_path = ''
as $$
  select coalesce(array_position(array[
    'draft', 'incomplete', 'requires_payment_method', 'requires_confirmation', 'requires_action', 'open', 'pending', 'warning_needs_response',
    'needs_response', 'warning_under_review', 'under_review', 'trialing', 'processing', 'requires_capture', 'active', 'past_due', 'unpaid', 'paused',
    'complete', 'failed', 'uncollectible', 'warning_closed', 'paid', 'succeeded', 'void', 'won', 'lost', 'expired', 'incomplete_expired', 'canceled'
  ], status), 0)
$$;

comment on function billing.rank_of is 'Of two that an object had within a second, and nothing tells their order, the one with the greater rank is taken for the later.';

create function billing.last_told(events text[], before text) returns text
language sql
stable
set search_path = ''
as $$
  with recursive told as (
    select e.id, e.payload #> '{data,object}' as data, e.type like '%.created' as is_creation,
           case when jsonb_typeof(e.payload #> '{data,previous_attributes}') = 'object' then e.payload #> '{data,previous_attributes}' else '{}' end as previous,
           billing.rank_of(e.payload #>> '{data,object,status}') as rank
      from billing.events e
     where e.id = any (events)
  ), start as (
    -- Where the second began: what was made in it, or how it was before.
    select coalesce((select t.data from told t where t.is_creation order by t.id limit 1),
                    (select e.payload #> '{data,object}' from billing.events e where e.id = before)) as data
  ), step as (
    select t.* from told t where t.previous <> '{}' and not t.is_creation
  ), many as (
    -- There are as many paths as permutations, if all agree with all. Nobody changes an object seven times in a second; a program may.
    select count(*) > 6 as are_too_many from step
  ), path as (
    select s.id, array[s.id] as steps, not m.are_too_many and coalesce(billing.agrees(start.data, s.previous), false) as from_start,
           -- How often all of the object fits, and not only what the event says has changed.
           (not m.are_too_many and coalesce(billing.was(s.data, s.previous, start.data), false))::integer as fits
      from step s, start, many m
    union all
    select n.id, p.steps || n.id, p.from_start, p.fits + billing.was(n.data, n.previous, l.data)::integer
      from path p
      join step l on l.id = p.id
      join step n on n.id <> all (p.steps) and billing.agrees(l.data, n.previous)
     where not (select m.are_too_many from many m)
  ), ending as (
    select p.id from path p join step s on s.id = p.id
     order by cardinality(p.steps) desc, p.fits desc, p.from_start desc,
              -- Of too many the one that nobody has found before.
              case when (select m.are_too_many from many m) then exists (select from step n where n.id <> s.id and billing.was(n.data, n.previous, s.data)) end,
              s.rank desc, p.id collate "C" desc
     limit 1
  )
  select t.id
    from told t
   where t.id in (select e.id from ending e)
      -- It says nothing of before, but has seen what a later one says was before it.
      or t.previous = '{}' and not exists (select from step s where billing.agrees(t.data, s.previous))
   order by t.is_creation, t.rank desc, t.id in (select e.id from ending e) desc, t.id collate "C" desc
   limit 1
$$;

comment on function billing.last_told is 'Which of these events, all of one object and one second, was the last. before is the last of the second before, where it is known.';

create function billing.last_of(seen billing.sighting[]) returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  newest_is_deletion boolean;
  newest_second bigint;
  events text[];
  earlier billing.sighting[];
begin
  select s.is_deletion, s.second into newest_is_deletion, newest_second from unnest(seen) s order by s.is_deletion desc, s.second desc limit 1;
  events := array(select s.event from unnest(seen) s where s.is_deletion = newest_is_deletion and s.second = newest_second);
  if cardinality(events) = 1 then
    return events[1];
  end if;
  earlier := array(
    select (s.is_deletion, s.second, s.event)::billing.sighting from unnest(seen) s
     where (s.is_deletion, s.second) <> (newest_is_deletion, newest_second));
  return coalesce(
    billing.last_told(events, case when cardinality(earlier) > 0 then billing.last_of(earlier) end),
    -- None of them is kept any more.
    (select max(e collate "C") from unnest(events) e));
end
$$;

comment on function billing.last_of is 'Which of these sightings is the last, by the rules at the head of this migration.';
