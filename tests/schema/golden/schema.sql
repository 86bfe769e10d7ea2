-- The schema, as `pg_dump` prints it. Made by a test; see tests/schema/golden.rs.

-- aias; Type: SCHEMA; Schema: -
CREATE SCHEMA aias;

-- audit; Type: SCHEMA; Schema: -
CREATE SCHEMA audit;

-- SCHEMA audit; Type: COMMENT; Schema: -
COMMENT ON SCHEMA audit IS 'The append-only log of changes and security events. Read through public.audit_log.';

-- auth; Type: SCHEMA; Schema: -
CREATE SCHEMA auth;

-- billing; Type: SCHEMA; Schema: -
CREATE SCHEMA billing;

-- SCHEMA billing; Type: COMMENT; Schema: -
COMMENT ON SCHEMA billing IS 'What Stripe tells: the inbox of its webhooks and a mirror of its objects. Not exposed; members read public.subscriptions and public.invoices.';

-- edge; Type: SCHEMA; Schema: -
CREATE SCHEMA edge;

-- SCHEMA edge; Type: COMMENT; Schema: -
COMMENT ON SCHEMA edge IS 'The few functions that edge-api calls as itself, before it knows who asks. Not exposed by PostgREST.';

-- extensions; Type: SCHEMA; Schema: -
CREATE SCHEMA extensions;

-- history; Type: SCHEMA; Schema: -
CREATE SCHEMA history;

-- SCHEMA history; Type: COMMENT; Schema: -
COMMENT ON SCHEMA history IS 'The partitions of public.executions and public.execution_steps. Read through these.';

-- private; Type: SCHEMA; Schema: -
CREATE SCHEMA private;

-- SCHEMA private; Type: COMMENT; Schema: -
COMMENT ON SCHEMA private IS 'Helpers behind policies, triggers and RPCs. Not exposed by PostgREST.';

-- queue; Type: SCHEMA; Schema: -
CREATE SCHEMA queue;

-- SCHEMA queue; Type: COMMENT; Schema: -
COMMENT ON SCHEMA queue IS 'Work that waits for a worker, and the functions that workers call. Not exposed by PostgREST.';

-- aias; Type: EXTENSION; Schema: -
CREATE EXTENSION IF NOT EXISTS aias WITH SCHEMA aias;

-- EXTENSION aias; Type: COMMENT; Schema: -
COMMENT ON EXTENSION aias IS 'Workflow validation and exact quotas for AIAS';

-- vector; Type: EXTENSION; Schema: -
CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA extensions;

-- EXTENSION vector; Type: COMMENT; Schema: -
COMMENT ON EXTENSION vector IS 'vector data type and ivfflat and hnsw access methods';

-- sighting; Type: TYPE; Schema: billing
CREATE TYPE billing.sighting AS (
	is_deletion boolean,
	second bigint,
	event text
);

-- TYPE sighting; Type: COMMENT; Schema: billing
COMMENT ON TYPE billing.sighting IS 'That an event has told of an object. Sightings are in the order in which objects change: deletions last, then by seconds.';

-- forget_tenant(); Type: FUNCTION; Schema: audit
CREATE FUNCTION audit.forget_tenant() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- After a truncate there is no tenant at all.
  perform set_config('aias.audit_may_delete', 'inbox', true);
  delete from audit.inbox i where tg_op = 'TRUNCATE' or i.tenant_id = old.id;
  perform set_config('aias.audit_may_delete', 'log', true);
  delete from audit.log l where tg_op = 'TRUNCATE' or l.tenant_id = old.id;
  perform set_config('aias.audit_may_delete', '', true);
  delete from audit.heads h where tg_op = 'TRUNCATE' or h.tenant_id = old.id;
  return null;
end
$$;

-- FUNCTION forget_tenant(); Type: COMMENT; Schema: audit
COMMENT ON FUNCTION audit.forget_tenant() IS 'A tenant that goes takes its log along: what is kept of it would be kept of its people.';

-- holds_secret(text); Type: FUNCTION; Schema: audit
CREATE FUNCTION audit.holds_secret(text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    RETURN ($1 ~* '\m(bearer|basic)\s+\S|(authorization|api[-_]?key|token|secret|passw\w*|cookie|credential|private[-_]?key)["'']?\s*[=:]\s*\S|://[^/\s@]+:[^/\s@]+@'::text);

-- link(bytea, bytea); Type: FUNCTION; Schema: audit
CREATE FUNCTION audit.link(hash_before bytea, payload bytea) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    RETURN sha256((hash_before || payload));

-- FUNCTION link(hash_before bytea, payload bytea); Type: COMMENT; Schema: audit
COMMENT ON FUNCTION audit.link(hash_before bytea, payload bytea) IS 'One step of a chain: the hash of an entry from the hash before it.';

-- lock_chains(); Type: FUNCTION; Schema: audit
CREATE FUNCTION audit.lock_chains() RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select pg_advisory_xact_lock(hashtextextended('audit.chain', 0)) $$;

-- FUNCTION lock_chains(); Type: COMMENT; Schema: audit
COMMENT ON FUNCTION audit.lock_chains() IS 'Waits until nobody chains, and until we commit nobody does.';

-- make_months(integer); Type: FUNCTION; Schema: audit
CREATE FUNCTION audit.make_months(ahead integer DEFAULT 3) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  month timestamptz;
  partition text;
begin
  for months in 0 .. ahead loop
    month := date_trunc('month', now() at time zone 'UTC') at time zone 'UTC';
    month := (month at time zone 'UTC' + make_interval(months => months)) at time zone 'UTC';
    partition := 'log_' || to_char(month at time zone 'UTC', 'YYYY_MM');
    if to_regclass('audit.' || partition) is null then
      begin
        execute format('create table audit.%I partition of audit.log for values from (%L) to (%L)', partition,
          month, (month at time zone 'UTC' + interval '1 month') at time zone 'UTC');
        execute format('alter table audit.%I enable row level security', partition);
        execute format('create trigger _010_append_only before update or delete or truncate on audit.%I
                          for each statement execute function audit.refuse_change()', partition);
      exception
        when duplicate_table then
          null; -- Another worker was faster.
        when check_violation then
          -- The month has begun in the default partition. Its entries are as good there.
          raise warning 'audit: % cannot be made, because audit.log_default has entries of that month', partition;
      end;
    end if;
  end loop;
end
$$;

-- FUNCTION make_months(ahead integer); Type: COMMENT; Schema: audit
COMMENT ON FUNCTION audit.make_months(ahead integer) IS 'Makes the partitions of this month and of those ahead. Workers call it again and again.';

-- masked(jsonb); Type: FUNCTION; Schema: audit
CREATE FUNCTION audit.masked(value jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  case jsonb_typeof(value)
    when 'object' then
      return coalesce((
        select jsonb_object_agg(e.key, case
                 -- A number of tokens is no secret, and neither is whether there is one.
                 when audit.sounds_secret(e.key) and jsonb_typeof(e.value) in ('string', 'object', 'array') then '"(masked)"'
                 else audit.masked(e.value) end)
          from jsonb_each(value) e), '{}');
    when 'array' then
      return coalesce((
        select jsonb_agg(case
                 -- [{"name": "Authorization", "value": "..."}]
                 when jsonb_typeof(e.item) = 'object' and audit.sounds_secret(coalesce(e.item ->> 'name', e.item ->> 'key'))
                   then e.item || '{"value": "(masked)"}'
                 else audit.masked(e.item) end order by e.position)
          from jsonb_array_elements(value) with ordinality e (item, position)), '[]');
    when 'string' then
      return case when audit.holds_secret(value #>> '{}') then '"(masked)"' else value end;
    else
      return value;
  end case;
end
$$;

-- FUNCTION masked(value jsonb); Type: COMMENT; Schema: audit
COMMENT ON FUNCTION audit.masked(value jsonb) IS 'A value without what sounds like a secret: authorization, api_key, token, password and the like.';

-- move_head(uuid, bigint, bytea); Type: FUNCTION; Schema: audit
CREATE FUNCTION audit.move_head(tenant uuid, last_seq bigint, last_hash bytea) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  insert into audit.heads as h (tenant_id, seq, hash) select tenant, last_seq, last_hash where tenant is not null
  on conflict (tenant_id) do update set seq = excluded.seq, hash = excluded.hash, chained_at = now()
$$;

-- FUNCTION move_head(tenant uuid, last_seq bigint, last_hash bytea); Type: COMMENT; Schema: audit
COMMENT ON FUNCTION audit.move_head(tenant uuid, last_seq bigint, last_hash bytea) IS 'Notes where a tenant''s chain ends now; nothing for no tenant.';

-- payload(uuid, bigint, uuid, timestamp with time zone, text, uuid, text, text, text, jsonb, jsonb, text); Type: FUNCTION; Schema: audit
CREATE FUNCTION audit.payload(tenant_id uuid, seq bigint, id uuid, at timestamp with time zone, actor_kind text, actor_id uuid, action text, subject text, subject_id text, before jsonb, after jsonb, request_id text) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  -- The time as microseconds: its text would depend on the session's zone.
  select convert_to(jsonb_build_array(
    tenant_id, seq, id, (extract(epoch from at) * 1000000)::bigint, actor_kind, actor_id, action, subject, subject_id, before, after, request_id
  )::text, 'UTF8')
$$;

-- FUNCTION payload(tenant_id uuid, seq bigint, id uuid, at timestamp with time zone, actor_kind text, actor_id uuid, action text, subject text, subject_id text, before jsonb, after jsonb, request_id text); Type: COMMENT; Schema: audit
COMMENT ON FUNCTION audit.payload(tenant_id uuid, seq bigint, id uuid, at timestamp with time zone, actor_kind text, actor_id uuid, action text, subject text, subject_id text, before jsonb, after jsonb, request_id text) IS 'All that an entry says, as the bytes that are hashed.';

-- record_event(uuid, text, text, text, jsonb); Type: FUNCTION; Schema: audit
CREATE FUNCTION audit.record_event(tenant uuid, event text, subject text, subject_id text, details jsonb DEFAULT NULL::jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  actor jsonb := private.actor();
begin
  insert into audit.inbox (tenant_id, actor_kind, actor_id, action, subject, subject_id, after, request_id)
  values (tenant, actor ->> 'kind', (actor ->> 'id')::uuid, event, record_event.subject, record_event.subject_id, details, private.request_id());
end
$$;

-- FUNCTION record_event(tenant uuid, event text, subject text, subject_id text, details jsonb); Type: COMMENT; Schema: audit
COMMENT ON FUNCTION audit.record_event(tenant uuid, event text, subject text, subject_id text, details jsonb) IS 'Writes an entry for what is no change of a row: a sign-in, a key''s first use, an export.';

-- record_sign_in(); Type: FUNCTION; Schema: audit
CREATE FUNCTION audit.record_sign_in() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  insert into audit.inbox (tenant_id, actor_kind, actor_id, action, subject, subject_id)
  select m.tenant_id, 'user', new.id, 'security.sign_in', 'users', new.id::text
    from public.memberships m where m.user_id = new.id;
  return null;
end
$$;

-- FUNCTION record_sign_in(); Type: COMMENT; Schema: audit
COMMENT ON FUNCTION audit.record_sign_in() IS 'A sign-in lands in the log of each tenant that the person belongs to.';

-- refuse_change(); Type: FUNCTION; Schema: audit
CREATE FUNCTION audit.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- Against slips. Whoever can switch this off is found by audit.verify.
  -- A month refuses for itself what names it; what goes through the log is the log's to refuse.
  if tg_op = 'DELETE' and current_setting('aias.audit_may_delete', true) = tg_table_name then
    return null;
  end if;
  raise exception 'the audit log is append-only' using errcode = 'integrity_constraint_violation',
    hint = 'entries go with their tenant, when it is erased';
end
$$;

-- sounds_secret(text); Type: FUNCTION; Schema: audit
CREATE FUNCTION audit.sounds_secret(text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    RETURN ($1 ~* '(authorization|api[-_]?key|token|secret|passw|cookie|credential|private[-_]?key)'::text);

-- told(jsonb); Type: FUNCTION; Schema: audit
CREATE FUNCTION audit.told(changed jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
declare
  told constant text := changed::text;
begin
  -- What most changes are: short, and without a word that could be a secret's.
  if length(told) <= 2000 and told !~* '(authorization|api[-_]?key|token|secret|passw|cookie|credential|private[-_]?key|bearer|basic|@)' then
    return changed;
  end if;
  return (
    select jsonb_object_agg(e.key,
             case when length(e.value::text) > 2000
                  -- A drawing of a workflow may have megabytes, and its versions keep it. The digest says whether it is the same.
                  then jsonb_build_object('omitted_bytes', octet_length(e.value::text), 'sha256', encode(sha256(convert_to(e.value::text, 'UTF8')), 'hex'))
                  else audit.masked(jsonb_build_object(e.key, e.value)) -> e.key end)
      from jsonb_each(changed) e);
end
$$;

-- FUNCTION told(changed jsonb); Type: COMMENT; Schema: audit
COMMENT ON FUNCTION audit.told(changed jsonb) IS 'Columns as the log keeps them: secrets masked, and of what is longer than 2,000 characters its length and digest.';

-- verify(uuid, bigint, bytea); Type: FUNCTION; Schema: audit
CREATE FUNCTION audit.verify(tenant uuid, known_seq bigint DEFAULT NULL::bigint, known_hash bytea DEFAULT NULL::bytea) RETURNS TABLE(seq bigint, id uuid, problem text, message text)
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
#variable_conflict use_column
declare
  genesis constant bytea := decode(repeat('00', 32), 'hex');
  head audit.heads;
  last record;
begin
  select * into head from audit.heads h where h.tenant_id = tenant;
  return query
    with entries as (
      select l.*, lag(l.seq) over o as seq_before, lag(l.hash) over o as hash_before
        from audit.log l where l.tenant_id = tenant
      window o as (order by l.seq, l.id)
    )
    select e.seq, e.id, found.problem, found.message
      from entries e, lateral (
        select 'missing' as problem, format('entries %s to %s are gone', coalesce(e.seq_before, 0) + 1, e.seq - 1) as message
         where e.seq > coalesce(e.seq_before, 0) + 1
        union all
        select 'inserted', format('there are two entries %s', e.seq)
         where e.seq = e.seq_before or e.seq < 1
        union all
        -- Behind a gap the hash before is not known; the gap is reported.
        select 'edited', 'the entry does not say what was hashed, or stands in another place'
         where e.seq = coalesce(e.seq_before, 0) + 1
           and e.hash <> audit.link(coalesce(e.hash_before, genesis), audit.payload(
                 e.tenant_id, e.seq, e.id, e.at, e.actor_kind, e.actor_id, e.action, e.subject, e.subject_id, e.before, e.after, e.request_id))
      ) found
     order by e.seq, e.id;
  select l.seq, l.id, l.hash into last from audit.log l where l.tenant_id = tenant order by l.seq desc, l.id desc limit 1;
  if coalesce(last.seq, 0) < coalesce(head.seq, 0) then
    return query select head.seq, null::uuid, 'truncated',
      format('the chain ends at %s and went to %s', coalesce(last.seq, 0), head.seq);
  elsif coalesce(last.seq, 0) > coalesce(head.seq, 0) then
    return query select last.seq, last.id, 'inserted', format('the chain goes to %s and ended at %s', last.seq, coalesce(head.seq, 0));
  elsif last.hash is distinct from head.hash then
    return query select last.seq, last.id, 'edited', 'the chain ends in another hash than it did';
  end if;
  if known_seq is not null and not exists (
    select from audit.log l where l.tenant_id = tenant and l.seq = known_seq and l.hash = known_hash
  ) then
    return query select known_seq, null::uuid, 'rewritten', format('entry %s had another hash when it was noted', known_seq);
  end if;
end
$$;

-- FUNCTION verify(tenant uuid, known_seq bigint, known_hash bytea); Type: COMMENT; Schema: audit
COMMENT ON FUNCTION audit.verify(tenant uuid, known_seq bigint, known_hash bytea) IS 'What is wrong with a tenant''s chain; no row when nothing is. missing: entries are gone. edited: an entry was changed or moved. inserted: there is one too many. truncated: the end is gone. rewritten: the chain is not the one whose end (seq, hash) was noted elsewhere before.';

-- wait_for_chainer(); Type: FUNCTION; Schema: audit
CREATE FUNCTION audit.wait_for_chainer() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- Before a tenant is locked: the chainer holds entries while it waits for their tenants.
  perform audit.lock_chains();
  return null;
end
$$;

-- jwt(); Type: FUNCTION; Schema: auth
CREATE FUNCTION auth.jwt() RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    RETURN (COALESCE(NULLIF(current_setting('request.jwt.claims'::text, true), ''::text), '{}'::text))::jsonb;

-- email(); Type: FUNCTION; Schema: auth
CREATE FUNCTION auth.email() RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO ''
    RETURN COALESCE(NULLIF(current_setting('request.jwt.claim.email'::text, true), ''::text), (auth.jwt() ->> 'email'::text));

-- role(); Type: FUNCTION; Schema: auth
CREATE FUNCTION auth.role() RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO ''
    RETURN COALESCE(NULLIF(current_setting('request.jwt.claim.role'::text, true), ''::text), (auth.jwt() ->> 'role'::text));

-- uid(); Type: FUNCTION; Schema: auth
CREATE FUNCTION auth.uid() RETURNS uuid
    LANGUAGE sql STABLE
    SET search_path TO ''
    RETURN (COALESCE(NULLIF(current_setting('request.jwt.claim.sub'::text, true), ''::text), (auth.jwt() ->> 'sub'::text)))::uuid;

-- agrees(jsonb, jsonb); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.agrees(data jsonb, attributes jsonb) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
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

-- FUNCTION agrees(data jsonb, attributes jsonb); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.agrees(data jsonb, attributes jsonb) IS 'Whether an object has these attributes. Of objects in it Stripe names only what changed; lists it repeats as a whole. What is not there counts as null.';

-- apply(text[], boolean); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.apply(events text[], with_fetching boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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
  if customers is not null then
    perform billing.derive(customers, coalesce(invoices, '{}'), has_charges);
  end if;
  update billing.events e
     set state = case when billing.is_mirrored(e.type, e.payload #> '{data,object}') then 'applied' else 'ignored' end,
         next_attempt_at = null, finished_at = now(), problem = null
   where e.id = any (events);
end
$$;

-- FUNCTION apply(events text[], with_fetching boolean); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.apply(events text[], with_fetching boolean) IS 'Brings the mirror to where these events leave it, and what follows from it. To be called by one at a time: billing.wait_for_turn.';

-- apply_events(integer, boolean); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.apply_events(most integer, with_fetching boolean) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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

-- FUNCTION apply_events(most integer, with_fetching boolean); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.apply_events(most integer, with_fetching boolean) IS 'Applies up to so many events that are due, in one transaction; none while somebody else does. Answers how many were looked at. One that fails is tried again by itself, and is dead in the end. with_fetching has Stripe asked how their objects are now: billing.claim_fetches.';

-- apply_fetched(text, text, text, bigint, jsonb, bigint); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.apply_fetched(object_account text, object_kind text, object_id text, ticket bigint, object jsonb, asked_second bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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
  newest := known.seen[1];
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

-- FUNCTION apply_fetched(object_account text, object_kind text, object_id text, ticket bigint, object jsonb, asked_second bigint); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.apply_fetched(object_account text, object_kind text, object_id text, ticket bigint, object jsonb, asked_second bigint) IS 'Takes Stripe''s answer: the object, or null when there is none. asked_second is the time of the answer by Stripe''s clock. False when it came too late: an answer to a later question is known.';

-- apply_meter_day(uuid, text, text, timestamp with time zone, bigint, bigint[], double precision[]); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.apply_meter_day(of_tenant uuid, of_meter text, of_customer text, of_day timestamp with time zone, of_ticket bigint, hours bigint[], sums double precision[]) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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

-- FUNCTION apply_meter_day(of_tenant uuid, of_meter text, of_customer text, of_day timestamp with time zone, of_ticket bigint, hours bigint[], sums double precision[]); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.apply_meter_day(of_tenant uuid, of_meter text, of_customer text, of_day timestamp with time zone, of_ticket bigint, hours bigint[], sums double precision[]) IS 'Takes Stripe''s sums of a day, by hours, and has it asked again later when they are others than ours: eight times within two weeks. False when the ticket is not good any more.';

-- apply_meter_report(text, bigint, jsonb); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.apply_meter_report(of_event text, of_ticket bigint, object jsonb) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
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
$_$;

-- FUNCTION apply_meter_report(of_event text, of_ticket bigint, object jsonb); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.apply_meter_report(of_event text, of_ticket bigint, object jsonb) IS 'Takes a report as Stripe has it, or null when it has none any more, and marks the events that it names as refused.';

-- as_uuid(text); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.as_uuid(text) RETURNS uuid
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $_$ select case when $1 ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then $1::uuid end $_$;

-- meter_events; Type: TABLE; Schema: billing
CREATE TABLE billing.meter_events (
    tenant_id uuid NOT NULL,
    meter text NOT NULL,
    hour timestamp with time zone NOT NULL,
    seq integer NOT NULL,
    identifier text NOT NULL,
    event_name text NOT NULL,
    customer text NOT NULL,
    livemode boolean NOT NULL,
    value bigint NOT NULL,
    happened_at timestamp with time zone NOT NULL,
    state text DEFAULT 'queued'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    ticket bigint DEFAULT 0 NOT NULL,
    next_attempt_at timestamp with time zone DEFAULT now(),
    tried_at timestamp with time zone,
    maybe_taken_at timestamp with time zone,
    problem text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT meter_event_happened_in_its_hour CHECK (((happened_at >= hour) AND (happened_at < (hour + '01:00:00'::interval)))),
    CONSTRAINT meter_event_identifier_is_short CHECK (((length(identifier) >= 1) AND (length(identifier) <= 100))),
    CONSTRAINT meter_event_is_finished_when_it_says_so CHECK (((state = 'queued'::text) = (finished_at IS NULL))),
    CONSTRAINT meter_event_state_is_known CHECK ((state = ANY (ARRAY['queued'::text, 'sent'::text, 'refused'::text, 'late'::text, 'unsure'::text, 'replaced'::text]))),
    CONSTRAINT meter_event_that_is_queued_is_due_some_time CHECK (((state = 'queued'::text) = (next_attempt_at IS NOT NULL))),
    CONSTRAINT meter_event_value_has_at_most_15_digits CHECK (((value >= 1) AND (value <= '999999999999999'::bigint)))
);

-- TABLE meter_events; Type: COMMENT; Schema: billing
COMMENT ON TABLE billing.meter_events IS 'What Stripe''s meters are told, by tenant, meter and hour. The events of an hour come to what was used in it.';

-- COLUMN meter_events.identifier; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.meter_events.identifier IS 'tenant:meter:hour:seq. Stripe takes one event of an identifier in at least 24 hours.';

-- COLUMN meter_events.happened_at; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.meter_events.happened_at IS 'What Stripe is told: when the hour began, or the subscription in it. So an hour belongs to the billing period in which it begins.';

-- COLUMN meter_events.tried_at; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.meter_events.tried_at IS 'When the last try began that did not end in an answer that it was not taken.';

-- COLUMN meter_events.maybe_taken_at; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.meter_events.maybe_taken_at IS 'When the first such try began, if there were others since.';

-- ask_for_sums(billing.meter_events[], timestamp with time zone); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.ask_for_sums(events billing.meter_events[], earliest timestamp with time zone) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  insert into billing.meter_days as d (tenant_id, meter, customer, day, livemode, ask_at)
  select distinct e.tenant_id, e.meter, e.customer, billing.day_of(e.hour), e.livemode, earliest from unnest(events) e order by 1, 2, 3, 4
  on conflict (tenant_id, meter, customer, day) do update set ask_at = excluded.ask_at, asks = 0
$$;

-- FUNCTION ask_for_sums(events billing.meter_events[], earliest timestamp with time zone); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.ask_for_sums(events billing.meter_events[], earliest timestamp with time zone) IS 'Has Stripe asked what the days of these events come to, not before a time.';

-- at(jsonb, text); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.at(data jsonb, attribute text) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$ select to_timestamp((data ->> attribute)::double precision) $$;

-- FUNCTION at(data jsonb, attribute text); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.at(data jsonb, attribute text) IS 'A time in an object of Stripe, which are seconds since 1970.';

-- claim_fetches(integer, boolean, interval); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.claim_fetches(most integer, of_livemode boolean, lease interval) RETURNS TABLE(account text, kind text, id text, ticket bigint)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  with due as (
    select o.account, o.kind, o.id from billing.objects o
     where o.fetch_at <= now() and o.livemode = of_livemode order by o.fetch_at limit most for update skip locked
  )
  update billing.objects o set fetch_ticket = o.fetch_ticket + 1, fetch_at = now() + lease
    from due d where o.account = d.account and o.kind = d.kind and o.id = d.id
  returning o.account, o.kind, o.id, o.fetch_ticket
$$;

-- FUNCTION claim_fetches(most integer, of_livemode boolean, lease interval); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.claim_fetches(most integer, of_livemode boolean, lease interval) IS 'Objects that Stripe is to be asked about, each with a ticket for the answer. Who does not answer within the lease is asked again.';

-- claim_meter_days(integer, boolean, interval); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.claim_meter_days(most integer, of_livemode boolean, lease interval) RETURNS TABLE(tenant_id uuid, meter text, stripe_meter text, customer text, day timestamp with time zone, ticket bigint)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  with due as (
    select d.tenant_id, d.meter, d.customer, d.day, m.stripe_meter
      from billing.meter_days d join billing.meters m on m.key = d.meter and m.stripe_meter is not null
     where d.ask_at <= now() and d.livemode = of_livemode order by d.ask_at limit most for update of d skip locked
  )
  update billing.meter_days d set ask_at = now() + lease, ticket = d.ticket + 1
    from due x where d.tenant_id = x.tenant_id and d.meter = x.meter and d.customer = x.customer and d.day = x.day
  returning d.tenant_id, d.meter, x.stripe_meter, d.customer, d.day, d.ticket
$$;

-- FUNCTION claim_meter_days(most integer, of_livemode boolean, lease interval); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.claim_meter_days(most integer, of_livemode boolean, lease interval) IS 'Days of customers of which Stripe is to be asked what its meters come to by hours.';

-- claim_meter_events(integer, boolean, interval); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.claim_meter_events(most integer, of_livemode boolean, lease interval) RETURNS TABLE(identifier text, ticket bigint, event_name text, customer text, value bigint, happened_at timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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

-- FUNCTION claim_meter_events(most integer, of_livemode boolean, lease interval); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.claim_meter_events(most integer, of_livemode boolean, lease interval) IS 'Events to be sent within half of the lease, each with a ticket to record its outcome by. Who says nothing by the end of the lease has it sent again, with the same identifier.';

-- claim_meter_reports(integer, boolean, interval); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.claim_meter_reports(most integer, of_livemode boolean, lease interval) RETURNS TABLE(event text, ticket bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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

-- FUNCTION claim_meter_reports(most integer, of_livemode boolean, lease interval); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.claim_meter_reports(most integer, of_livemode boolean, lease interval) IS 'Reports of errors that are to be fetched from Stripe.';

-- closed_hours(); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.closed_hours() RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$ select billing.hour_of(now() - interval '5 minutes') $$;

-- FUNCTION closed_hours(); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.closed_hours() IS 'The hours before this one are over.';

-- count_hours(uuid, timestamp with time zone, timestamp with time zone); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.count_hours(tenant uuid, since timestamp with time zone, until timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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

-- FUNCTION count_hours(tenant uuid, since timestamp with time zone, until timestamp with time zone); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.count_hours(tenant uuid, since timestamp with time zone, until timestamp with time zone) IS 'Makes events of what was used in these hours and not told yet. To be called by who holds the tenant''s row of billing.metered_tenants.';

-- count_usage(integer); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.count_usage(most integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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

-- FUNCTION count_usage(most integer); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.count_usage(most integer) IS 'Counts the hours that are over, of up to so many tenants that are due, and answers of how many. Each hour a tenant''s last day is counted anew, and each day all that Stripe still takes: what was written late is found then.';

-- day_of(timestamp with time zone); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.day_of(instant timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$ select date_bin('1 day', instant, '2000-01-01Z') $$;

-- FUNCTION day_of(instant timestamp with time zone); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.day_of(instant timestamp with time zone) IS 'When the day began that holds an instant, in UTC.';

-- derive(text[], text[], boolean); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.derive(customers text[], invoices text[], has_charges boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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

-- FUNCTION derive(customers text[], invoices text[], has_charges boolean); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.derive(customers text[], invoices text[], has_charges boolean) IS 'Has what follows for tenants follow from these customers'' objects, after these invoices or charges have changed.';

-- derive_all(uuid[]); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.derive_all(tenants uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  perform billing.derive_subscriptions(tenants);
  perform billing.derive_tenants(tenants);
  perform billing.derive_invoices(tenants);
end
$$;

-- FUNCTION derive_all(tenants uuid[]); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.derive_all(tenants uuid[]) IS 'Derives all there is of these tenants. To be called by one at a time: billing.wait_for_turn.';

-- derive_invoices(uuid[], text[]); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.derive_invoices(tenants uuid[], only_these text[] DEFAULT NULL::text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  delete from public.invoices i
   where i.tenant_id = any (tenants) and (only_these is null or i.id = any (only_these))
     and not exists (
       select from billing.customers_that_count c
         join billing.objects o on o.account = '' and o.customer = c.id and o.kind = 'invoice' and o.id = i.id and not o.is_deleted
        where c.tenant_id = i.tenant_id);
  insert into public.invoices as i (
    tenant_id, id, customer_id, subscription_id, number, status, currency, subtotal, total, amount_due, amount_paid, amount_remaining, amount_refunded,
    period_start, period_end, due_at, finalized_at, paid_at, next_payment_attempt_at, hosted_invoice_url, invoice_pdf, created_at)
  select c.tenant_id, o.id, o.customer, billing.subscription_of(o.data), o.data ->> 'number', o.data ->> 'status', o.data ->> 'currency',
         coalesce((o.data ->> 'subtotal')::bigint, 0), coalesce((o.data ->> 'total')::bigint, 0), coalesce((o.data ->> 'amount_due')::bigint, 0),
         coalesce((o.data ->> 'amount_paid')::bigint, 0), coalesce((o.data ->> 'amount_remaining')::bigint, 0), coalesce(refunded.amount, 0),
         billing.at(o.data, 'period_start'), billing.at(o.data, 'period_end'), billing.at(o.data, 'due_date'),
         billing.at(o.data #> '{status_transitions}', 'finalized_at'), billing.at(o.data #> '{status_transitions}', 'paid_at'),
         billing.at(o.data, 'next_payment_attempt'), o.data ->> 'hosted_invoice_url', o.data ->> 'invoice_pdf', billing.at(o.data, 'created')
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
     period_start, period_end, due_at, finalized_at, paid_at, next_payment_attempt_at, hosted_invoice_url, invoice_pdf, created_at)
    = (excluded.customer_id, excluded.subscription_id, excluded.number, excluded.status, excluded.currency, excluded.subtotal, excluded.total,
       excluded.amount_due, excluded.amount_paid, excluded.amount_remaining, excluded.amount_refunded, excluded.period_start, excluded.period_end,
       excluded.due_at, excluded.finalized_at, excluded.paid_at, excluded.next_payment_attempt_at, excluded.hosted_invoice_url, excluded.invoice_pdf,
       excluded.created_at)
   where i.* is distinct from excluded.*;
end
$$;

-- FUNCTION derive_invoices(tenants uuid[], only_these text[]); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.derive_invoices(tenants uuid[], only_these text[]) IS 'Makes public.invoices of these tenants what the mirror says: all, or only these.';

-- derive_later(); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.derive_later() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- Workers look for these: derived here, each change of a setting would be one long transaction.
  insert into billing.accounts as a (tenant_id, derive_at)
  select distinct s.tenant_id, now() from public.subscriptions s order by 1
  on conflict (tenant_id) do update set derive_at = excluded.derive_at;
  return null;
end
$$;

-- FUNCTION derive_later(); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.derive_later() IS 'Has all tenants with subscriptions derived anew: what their prices mean, or how long the grace is, has changed.';

-- derive_subscriptions(uuid[]); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.derive_subscriptions(tenants uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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

-- FUNCTION derive_subscriptions(tenants uuid[]); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.derive_subscriptions(tenants uuid[]) IS 'Makes public.subscriptions of these tenants what the mirror says, and marks the one that decides.';

-- derive_tenants(uuid[]); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.derive_tenants(tenants uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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

-- FUNCTION derive_tenants(tenants uuid[]); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.derive_tenants(tenants uuid[]) IS 'Makes plan, status and billing anchor of these tenants what follows from the subscription that decides; its limits change with them, by the triggers of tenants. A tenant that no subscription has ever decided for keeps what it has. What the operator has suspended or somebody has cancelled stays so.';

-- drift(timestamp with time zone, timestamp with time zone); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.drift(period_start timestamp with time zone, period_end timestamp with time zone) RETURNS TABLE(tenant_id uuid, meter text, counted numeric, queued numeric, sent numeric, refused numeric, late numeric, unsure numeric, asked numeric, stripe numeric)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
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

-- FUNCTION drift(period_start timestamp with time zone, period_end timestamp with time zone); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.drift(period_start timestamp with time zone, period_end timestamp with time zone) IS 'Of the hours of a period that are over: what was counted by tenant and meter, what has become of it, and what Stripe says of the days that it was asked of (asked is what was sent of these). Only rows where something is not as it should be: none, when all that was used was sent, and Stripe has it.';

-- find_tenants(text[]); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.find_tenants(customers text[]) RETURNS uuid[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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

-- FUNCTION find_tenants(customers text[]); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.find_tenants(customers text[]) IS 'Whose these customers are, by what the mirror tells: metadata.tenant_id of the customer, else of its subscriptions, else the client_reference_id of a checkout session. Answers the tenants that have won or lost one.';

-- forget_tenant(); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.forget_tenant() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  delete from billing.objects o using billing.customers c where c.tenant_id = old.id and o.account = '' and o.customer = c.id;
  return old;
end
$$;

-- FUNCTION forget_tenant(); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.forget_tenant() IS 'A tenant that goes takes the mirror of its objects along. What its events told is gone when they are no longer kept: billing.settings.events_kept.';

-- give_meter_events_up(integer); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.give_meter_events_up(most integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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

-- FUNCTION give_meter_events_up(most integer); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.give_meter_events_up(most integer) IS 'Events that Stripe does not take any more are late; those that it may have taken so long ago that it may take them again are unsure.';

-- hour_of(timestamp with time zone); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.hour_of(instant timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$ select date_bin('1 hour', instant, '2000-01-01Z') $$;

-- FUNCTION hour_of(instant timestamp with time zone); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.hour_of(instant timestamp with time zone) IS 'When the hour began that holds an instant, in UTC, whatever the time zone.';

-- hours_of(uuid, timestamp with time zone, timestamp with time zone); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.hours_of(tenant uuid, since timestamp with time zone, until timestamp with time zone) RETURNS TABLE(meter text, hour timestamp with time zone, used bigint)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  -- Part of a unit is not told: Stripe takes whole numbers. It counts for its hour when there is more.
  select u.meter, billing.hour_of(u.used_at), floor(sum(u.quantity))::bigint
    from billing.metered(array[tenant], since, until) u
    join billing.meters m on m.key = u.meter and u.used_at >= m.since
   where exists (
     select from billing.billable_spans s where s.tenant_id = tenant and u.used_at >= s.since and u.used_at < s.until)
   group by 1, 2
$$;

-- FUNCTION hours_of(tenant uuid, since timestamp with time zone, until timestamp with time zone); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.hours_of(tenant uuid, since timestamp with time zone, until timestamp with time zone) IS 'What a tenant has used by meters and hours, of what is to be billed. Both ends are the beginnings of hours.';

-- id_of(jsonb); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.id_of(reference jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$ select case jsonb_typeof(reference) when 'string' then reference #>> '{}' when 'object' then reference ->> 'id' end $$;

-- FUNCTION id_of(reference jsonb); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.id_of(reference jsonb) IS 'Whom an attribute names: Stripe writes an id, or the object itself where somebody had it expanded.';

-- invoice_preview(uuid); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.invoice_preview(tenant uuid) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
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

-- FUNCTION invoice_preview(tenant uuid); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.invoice_preview(tenant uuid) IS 'What a tenant''s open period comes to so far, as JSON. Amounts are whole minor units, each line rounded once, halves away from zero; unit_amount may be a part of one. Before tax, discounts, credits and prorations, which only Stripe knows.';

-- is_mirrored(text, jsonb); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.is_mirrored(event_type text, object jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select object ->> 'id' is not null
     and object ->> 'object' in ('customer', 'product', 'price', 'subscription', 'invoice', 'invoice_payment', 'payment_intent', 'charge', 'refund',
                                 'checkout.session', 'dispute')
     -- A preview of an invoice that does not exist.
     and event_type <> 'invoice.upcoming'
$$;

-- keep_count_of_executions(); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.keep_count_of_executions() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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

-- FUNCTION keep_count_of_executions(); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.keep_count_of_executions() IS 'Deleting executions, or the workflow that they ran, does not make them not have happened.';

-- last_of(billing.sighting[]); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.last_of(seen billing.sighting[]) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
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

-- FUNCTION last_of(seen billing.sighting[]); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.last_of(seen billing.sighting[]) IS 'Which of these sightings is the last, by the rules at the head of this migration.';

-- last_told(text[], text); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.last_told(events text[], before text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
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

-- FUNCTION last_told(events text[], before text); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.last_told(events text[], before text) IS 'Which of these events, all of one object and one second, was the last. before is the last of the second before, where it is known.';

-- learn_meters(text[], text[]); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.learn_meters(event_names text[], ids text[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  found_some integer;
begin
  update billing.meters m set stripe_meter = f.id from unnest(event_names, ids) f (event_name, id)
   where f.event_name = m.event_name and m.stripe_meter is null;
  get diagnostics found_some = row_count;
  return found_some;
end
$$;

-- FUNCTION learn_meters(event_names text[], ids text[]); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.learn_meters(event_names text[], ids text[]) IS 'Takes the ids of Stripe''s meters by their event names.';

-- link_customer(uuid, text); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.link_customer(tenant uuid, customer text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  before uuid;
begin
  perform billing.wait_for_turn();
  delete from billing.customers c where c.id = customer returning c.tenant_id into before;
  insert into billing.customers (tenant_id, id, known_by) values (tenant, customer, 'checkout');
  perform billing.derive_all(array_remove(array[tenant, before], null));
end
$$;

-- FUNCTION link_customer(tenant uuid, customer text); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.link_customer(tenant uuid, customer text) IS 'Says whose a customer is, for good, and has what the mirror knows of them follow.';

-- metered(uuid[], timestamp with time zone, timestamp with time zone); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.metered(tenants uuid[], since timestamp with time zone, until timestamp with time zone) RETURNS TABLE(tenant_id uuid, meter text, used_at timestamp with time zone, quantity numeric)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
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

-- FUNCTION metered(tenants uuid[], since timestamp with time zone, until timestamp with time zone); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.metered(tenants uuid[], since timestamp with time zone, until timestamp with time zone) IS 'What these tenants have used from since until before until: all sources of all meters, whether or not they are sent anywhere. A further source is a further branch here, and a row of billing.meters.';

-- meters_to_find(); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.meters_to_find() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$ select exists (select from billing.meters m where m.event_name is not null and m.stripe_meter is null) $$;

-- FUNCTION meters_to_find(); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.meters_to_find() IS 'Whether there are meters whose ids in Stripe are not known.';

-- newest(billing.sighting[]); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.newest(seen billing.sighting[]) RETURNS billing.sighting[]
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select array_agg((s.is_deletion, s.second, s.event)::billing.sighting order by s.is_deletion desc, s.second desc, s.event)
    from (select distinct u.is_deletion, u.second, u.event, dense_rank() over (order by u.is_deletion desc, u.second desc) as nth
            from unnest(seen) u) s
   where s.nth <= 2
$$;

-- FUNCTION newest(seen billing.sighting[]); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.newest(seen billing.sighting[]) IS 'Of these sightings those of the newest two seconds, each once: what an object''s state can depend on.';

-- note_failure(text, text); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.note_failure(event text, reason text) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  update billing.events e
     set attempts = e.attempts + 1, problem = reason,
         state = case when e.attempts < 11 then 'received' else 'dead' end,
         next_attempt_at = case when e.attempts < 11 then now() + interval '1 second' * (2 ^ e.attempts) end,
         finished_at = case when e.attempts < 11 then null else now() end
   where e.id = event
$$;

-- FUNCTION note_failure(event text, reason text); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.note_failure(event text, reason text) IS 'Has an event tried again after twice the time, and gives up after the twelfth try, which is after an hour.';

-- passes_by_itself(text); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.passes_by_itself(state text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  -- Not of the event's making: a deadlock, a full disk, a server that stops. https://www.postgresql.org/docs/current/errcodes-appendix.html
  select left(state, 2) in ('08', '25', '40', '53', '55', '57', '58')
$$;

-- subscription_plans; Type: TABLE; Schema: public
CREATE TABLE public.subscription_plans (
    id uuid DEFAULT aias.uuid7() NOT NULL,
    key text NOT NULL,
    name text NOT NULL,
    price_monthly integer NOT NULL,
    price_yearly integer NOT NULL,
    currency text DEFAULT 'usd'::text NOT NULL,
    features text[] DEFAULT '{}'::text[] NOT NULL,
    limits jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    history_days integer,
    queue_weight integer DEFAULT 1 NOT NULL,
    stripe_price_monthly text,
    stripe_price_yearly text,
    CONSTRAINT plan_history_is_positive CHECK ((history_days > 0)),
    CONSTRAINT plan_limits_name_every_meter CHECK ((limits ?& ARRAY['workflows'::text, 'users'::text, 'storage_bytes'::text, 'executions'::text, 'llm_tokens'::text, 'requests_per_minute'::text, 'concurrent_executions'::text])),
    CONSTRAINT plan_prices_are_not_negative CHECK (((price_monthly >= 0) AND (price_yearly >= 0))),
    CONSTRAINT plan_queue_weight_is_positive CHECK (((queue_weight >= 1) AND (queue_weight <= 1000)))
);

-- TABLE subscription_plans; Type: COMMENT; Schema: public
COMMENT ON TABLE public.subscription_plans IS 'What can be bought. Prices are in minor units of the currency.';

-- COLUMN subscription_plans.limits; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.subscription_plans.limits IS 'One number per meter; null means unlimited. Stocks: workflows, users, storage_bytes. Per billing period: executions, llm_tokens. Also requests_per_minute and concurrent_executions.';

-- COLUMN subscription_plans.history_days; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.subscription_plans.history_days IS 'How long a finished execution is kept; null: until somebody deletes it.';

-- COLUMN subscription_plans.queue_weight; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.subscription_plans.queue_weight IS 'The share of the workers that a tenant gets while others wait too, in proportion to theirs.';

-- COLUMN subscription_plans.stripe_price_monthly; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.subscription_plans.stripe_price_monthly IS 'The price in Stripe that is sold now. Prices of before stay known: billing.plan_prices.';

-- COLUMN subscription_plans.stripe_price_yearly; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.subscription_plans.stripe_price_yearly IS 'See stripe_price_monthly.';

-- price_of(text, public.subscription_plans); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.price_of(of_subscription text, plan public.subscription_plans) RETURNS TABLE(interval_unit text, unit_amount numeric, quantity bigint)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $_$
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
$_$;

-- FUNCTION price_of(of_subscription text, plan public.subscription_plans); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.price_of(of_subscription text, plan public.subscription_plans) IS 'What a subscription pays for its plan: month or year, in minor units a piece, how many.';

-- rank_of(text); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.rank_of(status text) RETURNS integer
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select coalesce(array_position(array[
    'draft', 'incomplete', 'requires_payment_method', 'requires_confirmation', 'requires_action', 'open', 'pending', 'warning_needs_response',
    'needs_response', 'warning_under_review', 'under_review', 'trialing', 'processing', 'requires_capture', 'active', 'past_due', 'unpaid', 'paused',
    'complete', 'failed', 'uncollectible', 'warning_closed', 'paid', 'succeeded', 'void', 'won', 'lost', 'expired', 'incomplete_expired', 'canceled'
  ], status), 0)
$$;

-- FUNCTION rank_of(status text); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.rank_of(status text) IS 'Of two that an object had within a second, and nothing tells their order, the one with the greater rank is taken for the later.';

-- readable(text, jsonb); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.readable(kind text, data jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
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
    perform billing.at(data #> '{status_transitions}', 'finalized_at'), billing.at(data #> '{status_transitions}', 'paid_at');
  elsif kind = 'charge' then
    perform (data ->> 'amount_refunded')::bigint;
  end if;
  if kind in ('subscription', 'invoice') and billing.at(data, 'created') is null then
    raise exception 'nothing says when it was created';
  end if;
  return data;
end
$$;

-- FUNCTION readable(kind text, data jsonb); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.readable(kind text, data jsonb) IS 'An object that all can be derived from, or an error. What is in the mirror is read with all else of its customer: there it would stop what the others tell.';

-- record_meter_events(text[], bigint[], text[], text[]); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.record_meter_events(identifiers text[], tickets bigint[], outcomes text[], problems text[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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

-- FUNCTION record_meter_events(identifiers text[], tickets bigint[], outcomes text[], problems text[]); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.record_meter_events(identifiers text[], tickets bigint[], outcomes text[], problems text[]) IS 'Writes what became of claimed events: sent, refused, late, again (not taken, to be tried again), unknown (nobody heard an answer). Answers of how many the ticket was still good.';

-- remember_prices(); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.remember_prices() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  insert into billing.plan_prices (price, plan_id)
  select distinct p.price, new.id from unnest(array[new.stripe_price_monthly, new.stripe_price_yearly]) p (price) where p.price is not null
  on conflict (price) do update set plan_id = excluded.plan_id where plan_prices.plan_id <> excluded.plan_id;
  return null;
end
$$;

-- FUNCTION remember_prices(); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.remember_prices() IS 'A price that a plan was sold at means this plan for as long as somebody pays it.';

-- replay(text); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.replay(event text) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update billing.events e set state = 'received', attempts = 0, next_attempt_at = now(), finished_at = null, problem = null where e.id = event;
  return found;
end
$$;

-- FUNCTION replay(event text); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.replay(event text) IS 'Has an event applied once more, whatever has become of it. What it tells is counted once.';

-- resend_meter_event(text); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.resend_meter_event(meter_event text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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

-- FUNCTION resend_meter_event(meter_event text); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.resend_meter_event(meter_event text) IS 'Makes a new event in the place of a refused one, of the same amount, for the meter and customer as they are now. Its own identifier: Stripe may know the old one. Null when there is none that is refused.';

-- settle_meter_event(text, boolean); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.settle_meter_event(meter_event text, was_taken boolean) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update billing.meter_events e
     set state = case when was_taken then 'sent' else 'queued' end,
         finished_at = case when was_taken then now() end, next_attempt_at = case when not was_taken then now() end,
         tried_at = null, maybe_taken_at = null
   where e.identifier = meter_event and e.state = 'unsure';
  return found;
end
$$;

-- FUNCTION settle_meter_event(meter_event text, was_taken boolean); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.settle_meter_event(meter_event text, was_taken boolean) IS 'Says of an event that is unsure whether Stripe has taken it. One that it has not is sent, or is late.';

-- settle_unsure(uuid, text, text, timestamp with time zone); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.settle_unsure(whose uuid, of_meter text, of_customer text, of_day timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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

-- FUNCTION settle_unsure(whose uuid, of_meter text, of_customer text, of_day timestamp with time zone); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.settle_unsure(whose uuid, of_meter text, of_customer text, of_day timestamp with time zone) IS 'Finds out by Stripe''s sums of a day whether it has taken the events that are unsure.';

-- standing(text); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.standing(status text) RETURNS integer
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select case status when 'active' then 4 when 'trialing' then 4 when 'past_due' then 3 when 'unpaid' then 2 when 'paused' then 2 when 'canceled' then 1 end
$$;

-- FUNCTION standing(status text); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.standing(status text) IS 'How much a subscription entitles to: 4 its plan; 3 its plan for as long as the grace lasts; 2 its plan, suspended; 1 it has ended. None: it has never begun.';

-- subscription_drift(); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.subscription_drift() RETURNS TABLE(tenant_id uuid, subscription text, difference text)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
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

-- FUNCTION subscription_drift(); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.subscription_drift() IS 'Where public.subscriptions and the plans of tenants are others than the mirror of Stripe''s objects says. None, unless somebody has changed them by hand.';

-- subscription_of(jsonb); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.subscription_of(invoice jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  -- Under parent since 2025-03-31.basil.
  select coalesce(invoice ->> 'subscription', invoice #>> '{parent,subscription_details,subscription}')
$$;

-- sweep(integer); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.sweep(most integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  due uuid[];
  forgotten integer;
begin
  perform billing.wait_for_turn();
  due := array(select a.tenant_id from billing.accounts a where a.derive_at <= now() order by a.derive_at limit most);
  if cardinality(due) > 0 then
    update billing.accounts a set derive_at = null where a.tenant_id = any (due);
    perform billing.derive_subscriptions(due), billing.derive_tenants(due);
  end if;
  delete from billing.events e using (
    select x.id from billing.events x, billing.settings s
     where x.state in ('applied', 'ignored') and x.finished_at < now() - s.events_kept
     order by x.finished_at limit most for update of x skip locked
  ) old where e.id = old.id;
  get diagnostics forgotten = row_count;
  return cardinality(due) + forgotten;
end
$$;

-- FUNCTION sweep(most integer); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.sweep(most integer) IS 'Suspends tenants whose grace has ended, and forgets events that are old. Answers how many of both, at most so many of each.';

-- undone(jsonb, jsonb); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.undone(data jsonb, attributes jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
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

-- FUNCTION undone(data jsonb, attributes jsonb); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.undone(data jsonb, attributes jsonb) IS 'An object with these attributes as they were before: how it was before the event that tells both.';

-- used_in_period(uuid, timestamp with time zone, timestamp with time zone); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.used_in_period(tenant uuid, since timestamp with time zone, until timestamp with time zone) RETURNS TABLE(meter text, used numeric)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
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

-- FUNCTION used_in_period(tenant uuid, since timestamp with time zone, until timestamp with time zone); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.used_in_period(tenant uuid, since timestamp with time zone, until timestamp with time zone) IS 'What is billed of a period by meters, up to now. An hour belongs to the period in which it begins.';

-- wait_for_turn(); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.wait_for_turn() RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select pg_advisory_xact_lock(hashtextextended('billing.apply', 0)) $$;

-- FUNCTION wait_for_turn(); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.wait_for_turn() IS 'Until we commit, nobody else changes the mirror.';

-- warn_of_limits(integer); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.warn_of_limits(most integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  last_looked_at uuid;
  these uuid[];
begin
  select w.looked_at into last_looked_at from billing.limit_watch w for update skip locked;
  if not found then
    return 0;
  end if;
  these := array(
    select t.id from public.tenants t where t.id > last_looked_at order by t.id limit most);
  with passed as (
    select t.id as tenant_id, t.name as tenant_name, q.meter, x.threshold, q.used, q.quota_limit, q.resets_at,
           -- A stock has no period. It is told of once in each of the tenant's own.
           coalesce(q.period_start, (select p.period_start from aias.quota_period(t.billing_anchor, now()) p)) as period_start
      from public.tenants t
      cross join lateral aias.quota_status(t.id) q
      join private.meters m on m.key = q.meter
      cross join (values (80), (100)) x (threshold)
     where t.id = any (these) and t.status = 'active' and q.quota_limit > 0 and q.used::numeric * 100 >= q.quota_limit::numeric * x.threshold
  ), told as (
    insert into billing.limit_warnings (tenant_id, meter, threshold, period_start)
    select p.tenant_id, p.meter, p.threshold, p.period_start from passed p order by 1, 2, 3
    on conflict do nothing
    returning tenant_id, meter, threshold, period_start
  ), worst as (
    -- Who is found to have passed both is told of the second.
    select distinct on (p.tenant_id, p.meter) p.*
      from passed p join told d using (tenant_id, meter, threshold, period_start)
     order by p.tenant_id, p.meter, p.threshold desc
  ), readers as (
    select distinct w.tenant_id, u.id, u.email
      from (select distinct x.tenant_id from worst x) w
      join private.access a on a.tenant_id = w.tenant_id and a.ends_at > now()
       and (a.granted | a.granted_with_second_factor) & private.mask_of('{billing.manage}') <> 0
      join public.users u on u.id = a.principal
  )
  insert into queue.mails (tenant_id, idempotency_key, template, recipient, expires_at, variables)
  select w.tenant_id, format('limit:%s:%s:%s:%s', w.meter, w.threshold, extract(epoch from w.period_start)::bigint, r.id), 'limit', r.email,
         -- A day later there may be nothing in it any more.
         coalesce(w.resets_at, now() + interval '1 day'),
         jsonb_build_object(
           'tenant_name', w.tenant_name, 'meter', w.meter, 'threshold', w.threshold::text,
           'used', ltrim(to_char(w.used, '999,999,999,999,999,999')), 'limit', ltrim(to_char(w.quota_limit, '999,999,999,999,999,999')),
           'resets_at', to_char(w.resets_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
    from worst w join readers r on r.tenant_id = w.tenant_id
   order by w.tenant_id, w.meter, r.id
  on conflict on constraint mail_is_promised_once do nothing;
  if found then
    perform pg_notify('aias_mails', '');
  end if;
  update billing.limit_watch w
     set looked_at = case when cardinality(these) < most then '00000000-0000-0000-0000-000000000000' else these[cardinality(these)] end;
  delete from billing.limit_warnings g where g.tenant_id = any (these) and g.warned_at < now() - interval '400 days';
  return cardinality(these);
end
$$;

-- FUNCTION warn_of_limits(most integer); Type: COMMENT; Schema: billing
COMMENT ON FUNCTION billing.warn_of_limits(most integer) IS 'Looks at the limits of the next tenants, at most so many, and has those who hold billing.manage told when 80 or 100 per cent are used. Answers at how many it has looked: fewer than most at the end of a round.';

-- was(jsonb, jsonb, jsonb); Type: FUNCTION; Schema: billing
CREATE FUNCTION billing.was(data jsonb, attributes jsonb, before jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$ select jsonb_strip_nulls(billing.undone(data, attributes)) = jsonb_strip_nulls(before) $$;

-- agent_functions(uuid, text[]); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.agent_functions(tenant uuid, names text[]) RETURNS TABLE(name text, description text, arguments jsonb)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
#variable_conflict use_column
declare
  person constant uuid := auth.uid();
  problem text;
  unknown text;
begin
  perform private.demand(tenant, 'models.call');
  select min(n.name) into unknown from unnest(names) n (name) where not exists (select from private.agent_functions f where f.name = n.name);
  if unknown is not null then
    perform private.refuse(409, 'function_not_allowed', format('this agent calls the function %s, which no agent may call', unknown),
      null, 'the operator says which may be called');
  end if;
  -- Row-level security of the product is written for people, and a key is none.
  problem := case when person is null then 'an API key asks' else private.agent_function_person_problem(tenant, person) end;
  if problem is not null and cardinality(names) > 0 then
    perform private.refuse(403, 'person_required', format('this agent calls the function %s for the person who asks it: %s', names[1], problem),
      null, 'ask as a member of this tenant alone, with the access token of a session');
  end if;
  return query select f.name, f.description, f.arguments from private.agent_functions f where f.name = any (names);
end
$$;

-- FUNCTION agent_functions(tenant uuid, names text[]); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.agent_functions(tenant uuid, names text[]) IS 'What a model is told of functions that its agent calls for whoever asks. Refuses where one of them cannot be called at all: nobody may call it, or the caller is no person of this tenant alone.';

-- agent_secrets(uuid, uuid, text[]); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.agent_secrets(tenant uuid, agent uuid, wanted text[]) RETURNS TABLE(generation integer, wrapped bytea, master_key_id text, names text[], nonces bytea[], ciphertexts bytea[])
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  declared text;
begin
  perform private.demand(tenant, 'models.call');
  select concat_ws(' ', a.config -> 'tools', a.config -> 'mcp_servers') into declared
    from public.ai_agents a where a.tenant_id = tenant and a.id = agent;
  return query
    select s.generation, s.wrapped, s.master_key_id, s.names, s.nonces, s.ciphertexts
      from private.sealed(tenant, 'secret', array(
        select w.name from unnest(wanted) w (name)
         where w.name ~ '^[A-Za-z_][A-Za-z0-9_]*$' and declared ~ ('\msecrets\M') and declared ~ ('\m' || w.name || '\M')
      )) s;
end
$_$;

-- FUNCTION agent_secrets(tenant uuid, agent uuid, wanted text[]); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.agent_secrets(tenant uuid, agent uuid, wanted text[]) IS 'What edge-api needs to open secrets that the tools of an agent name: those of the wanted names that its config mentions and its tenant has, with the data key they are sealed under.';

-- authenticate_key(bytea); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.authenticate_key(key_hash bytea) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  api_key public.api_keys;
begin
  select k.* into api_key
    from private.api_key_hashes h
    join public.api_keys k on k.tenant_id = h.tenant_id and k.id = h.key_id
   where h.hash = key_hash and k.revoked_at is null and (k.expires_at is null or k.expires_at > now());
  if api_key.id is null then
    return null;
  end if;
  if api_key.last_used_at is null or api_key.last_used_at < now() - interval '1 minute' then
    -- Skipped while another request of the same key is at it: nobody waits for a note.
    perform from public.api_keys k
      where k.tenant_id = api_key.tenant_id and k.id = api_key.id
        and k.last_used_at is not distinct from api_key.last_used_at
        for no key update skip locked;
    if found then
      update public.api_keys k set last_used_at = now() where k.tenant_id = api_key.tenant_id and k.id = api_key.id;
      if api_key.last_used_at is null then
        insert into audit.inbox (tenant_id, actor_kind, actor_id, action, subject, subject_id)
        values (api_key.tenant_id, 'api_key', api_key.id, 'security.key_first_used', 'api_keys', api_key.id::text);
      end if;
    end if;
  end if;
  return jsonb_strip_nulls(jsonb_build_object(
    'role', 'authenticated', 'api_key_id', api_key.id, 'tenant_id', api_key.tenant_id,
    'exp', floor(extract(epoch from nullif(api_key.expires_at, 'infinity')))));
end
$$;

-- FUNCTION authenticate_key(key_hash bytea); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.authenticate_key(key_hash bytea) IS 'The claims of a key, by the SHA-256 of its text; null when there is none, or it was revoked or is over. Notes its use, to the minute.';

-- begin_model_calls(uuid, text, bigint, bigint, integer, integer, text[], bigint, bigint, integer, jsonb); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.begin_model_calls(tenant uuid, wanted_model text, tokens bigint, more_tokens bigint, requests integer, more_requests integer, other_models text[], call_input_tokens bigint, call_output_tokens bigint, call_requests integer, known_limits jsonb) RETURNS TABLE(user_id uuid, api_key_id uuid, agent_id uuid, agent_model text, agent_config jsonb, generation integer, wrapped bytea, master_key_id text, key_providers text[], nonces bytea[], ciphertexts bytea[], block uuid, block_tokens bigint, block_seconds integer, block_requests integer, is_capped boolean, caps jsonb, requests_limit bigint, requests_remaining bigint, tokens_limit bigint, tokens_remaining bigint, limits jsonb, refusal_message text, refusal_detail text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
#variable_conflict use_column
declare
  chars_per_token constant integer := 4;
  agent_slug constant text := substring(wanted_model from '^agent:(.*)$');
  wanted_tokens bigint := tokens;
  in_agent bigint := 0;
  capped text[];
  models text[];
  rates public.rate_limits[];
  -- Of each of them: what is wanted and what more, and then what was counted.
  missing jsonb[];
  known jsonb;
  counted_requests bigint[];
  counted_tokens bigint[];
begin
  perform private.demand(tenant, 'models.call');
  user_id := auth.uid();
  api_key_id := case when user_id is null then private.principal() end;
  if agent_slug is not null then
    select a.id, a.model, a.config into agent_id, agent_model, agent_config
      from public.ai_agents a where a.tenant_id = tenant and a.slug = agent_slug;
    if not found then
      perform private.count_requests(tenant, requests, 0);
      perform private.refuse(404, 'agent_not_found', format('there is no agent with the slug %s', agent_slug), null,
        'GET /v1/models lists the agents of this tenant');
    end if;
  end if;
  models := coalesce(agent_model, wanted_model) || other_models;
  if cardinality(other_models) = 0 and jsonb_typeof(agent_config -> 'fallback_models') = 'array' then
    models := models || array(select jsonb_array_elements_text(agent_config -> 'fallback_models'));
  end if;
  in_agent := (coalesce(length(agent_config ->> 'system_prompt'), 0) + coalesce(length(agent_config ->> 'output_schema'), 0)) / chars_per_token;
  if wanted_tokens > 0 then
    wanted_tokens := wanted_tokens + in_agent;
  end if;
  rates := array(select l from private.rate_limits_of_call(tenant, api_key_id, models || wanted_model) l);
  counted_requests := array_fill(0::bigint, array[cardinality(rates)]);
  counted_tokens := counted_requests;
  for i in 1 .. cardinality(rates) loop
    select k into known from jsonb_array_elements(known_limits) k where k ->> 'id' = rates[i].id::text;
    if known is null then
      -- Of a limit that the asker does not know of yet it holds nothing.
      known := jsonb_build_object('requests', call_requests, 'more_requests', 0,
        'tokens', coalesce(call_input_tokens + in_agent + call_output_tokens, 0), 'more_tokens', 0);
    elsif known ->> 'tokens' <> '0' then
      known := jsonb_set(known, '{tokens}', to_jsonb((known ->> 'tokens')::bigint + in_agent));
    end if;
    missing[i] := known;
  end loop;
  -- Looked at first, so that whoever is refused is counted nowhere. Buckets are always counted in the same order, requests before tokens, so that two
  -- who count do not wait for each other where the buckets are rows.
  for i in 1 .. cardinality(rates) loop
    perform private.look_at_rate_limit(rates[i], 'requests_per_minute', (missing[i] ->> 'requests')::bigint);
  end loop;
  for i in 1 .. cardinality(rates) loop
    counted_requests[i] := private.count_in_rate_limit(rates[i], 'requests_per_minute',
      (missing[i] ->> 'requests')::bigint, (missing[i] ->> 'more_requests')::bigint);
  end loop;
  block_requests := private.count_requests(tenant, requests, more_requests);
  capped := private.capped_meters(tenant, agent_id, api_key_id);
  is_capped := cardinality(capped) > 0;
  begin
    if is_capped and call_input_tokens is not null then
      caps := private.set_dollars_aside(tenant, capped, models, call_input_tokens + in_agent, call_output_tokens);
    end if;
    for i in 1 .. cardinality(rates) loop
      perform private.look_at_rate_limit(rates[i], 'llm_tokens_per_minute', (missing[i] ->> 'tokens')::bigint);
    end loop;
    select s.block, s.tokens into block, block_tokens from private.set_tokens_aside(tenant, wanted_tokens, more_tokens) s;
    for i in 1 .. cardinality(rates) loop
      counted_tokens[i] := private.count_in_rate_limit(rates[i], 'llm_tokens_per_minute',
        (missing[i] ->> 'tokens')::bigint, (missing[i] ->> 'more_tokens')::bigint);
    end loop;
  exception
    -- Its requests are counted, and those for the calls that come next: the asker is told by a row, with which they are committed, and has them.
    when sqlstate 'PGRST' then
      get stacked diagnostics refusal_message = message_text, refusal_detail = pg_exception_detail;
      caps := null;
      block := null;
      block_tokens := 0;
      counted_tokens := array_fill(0::bigint, array[cardinality(rates)]);
  end;
  -- It counts in the period in which it was set aside, so it is used in that one; and not for so long that its lease may end before a call does.
  select floor(extract(epoch from least(interval '5 minutes', greatest(interval '0', p.period_end - clock_timestamp()))))::integer into block_seconds
    from public.tenants t, aias.quota_period(t.billing_anchor, clock_timestamp()) p
   where t.id = tenant;
  select s.generation, s.wrapped, s.master_key_id, s.names, s.nonces, s.ciphertexts
    into generation, wrapped, master_key_id, key_providers, nonces, ciphertexts
    from private.sealed(tenant, 'provider_key', array(select distinct split_part(m, '/', 1) from unnest(models) m)) s
   where cardinality(s.names) > 0;
  select l.allowed, l.remaining into requests_limit, requests_remaining from private.left_of_the_minute(tenant, 'requests_per_minute', 'tenant:') l;
  select l.allowed, l.remaining into tokens_limit, tokens_remaining from private.left_of_the_minute(tenant, 'llm_tokens_per_minute', 'tokens:') l;
  select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'requests', counted_requests[n], 'tokens', counted_tokens[n],
           'requests_limit', q.allowed, 'requests_remaining', q.remaining, 'tokens_limit', t.allowed, 'tokens_remaining', t.remaining) order by n), '[]')
    into limits
    from generate_subscripts(rates, 1) n
   cross join lateral (select (rates[n]).id) r
   cross join lateral private.left_of_rate_limit(rates[n], 'requests_per_minute') q
   cross join lateral private.left_of_rate_limit(rates[n], 'llm_tokens_per_minute') t;
  return next;
end
$_$;

-- FUNCTION begin_model_calls(tenant uuid, wanted_model text, tokens bigint, more_tokens bigint, requests integer, more_requests integer, other_models text[], call_input_tokens bigint, call_output_tokens bigint, call_requests integer, known_limits jsonb); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.begin_model_calls(tenant uuid, wanted_model text, tokens bigint, more_tokens bigint, requests integer, more_requests integer, other_models text[], call_input_tokens bigint, call_output_tokens bigint, call_requests integer, known_limits jsonb) IS 'Who calls a model, or agent:<slug>, one of the tenant''s, and whether they may; with the tenant''s own keys to the providers of it and of those that are asked when it fails, sealed, where there are some. Counts requests and sets tokens aside: what is wanted, or refuses; and up to so many more for the calls that come next. Asked for 0, it only looks. Where a spending cap holds, what the call will cost is set aside, too. Known limits are the rate limits that the asker holds some of: [{id, requests, more_requests, tokens, more_tokens}]; of others what the call wants is counted. A refusal of tokens or dollars is told in the row, because its requests are counted: refusal_message and refusal_detail, as private.refuse would raise them.';

-- cached_answer(uuid, bytea); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.cached_answer(tenant uuid, asked bytea) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform private.demand(tenant, 'models.call');
  return (
    select a.answer
      from private.cached_answers a
      join public.tenants t on t.id = a.tenant_id
     where a.tenant_id = tenant and a.hash = asked
       -- As long as the tenant wants it now, also when that was longer once.
       and a.kept_at > now() - make_interval(secs => t.answer_cache_seconds)
  );
end
$$;

-- FUNCTION cached_answer(tenant uuid, asked bytea); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.cached_answer(tenant uuid, asked bytea) IS 'What was answered to the same question lately; null when it is not known.';

-- call_agent_function(uuid, text, jsonb); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.call_agent_function(tenant uuid, called text, arguments jsonb) RETURNS TABLE(answer jsonb, has_more boolean, refusal text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform private.demand(tenant, 'models.call');
  return query
    select c.answer, c.has_more, c.refusal from private.call_agent_function(tenant, auth.uid(), null, called, arguments) c;
end
$$;

-- FUNCTION call_agent_function(tenant uuid, called text, arguments jsonb); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.call_agent_function(tenant uuid, called text, arguments jsonb) IS 'Calls a function that agents may call, with arguments that a model wrote, with the claims of the session. See private.call_agent_function. To be called in a transaction of its own, repeatable read and with a time-out: unless the function writes, nothing can be written until the end of that.';

-- call_webhook(text, jsonb, bytea, text, text, text, text); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.call_webhook(hook_token text, input jsonb, body bytea, idempotency_key text DEFAULT NULL::text, signature text DEFAULT NULL::text, signed_at text DEFAULT NULL::text, github_signature text DEFAULT NULL::text) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  hook private.webhooks;
  workflow public.workflows;
  tenant_status text;
  execution public.executions;
  delivery text;
  started uuid;
begin
  select h.* into hook from private.webhooks h where h.token_hash = sha256(convert_to(hook_token, 'UTF8'));
  select w.* into workflow from public.workflows w where w.tenant_id = hook.tenant_id and w.id = hook.workflow_id;
  if workflow.id is null or workflow.status = 'active' and not hook.is_published then
    perform private.refuse(404, 'no_such_hook', 'there is no webhook at this address');
  end if;
  -- Before anything else is told, and before it is counted: whoever has only the address cannot use up the tenant's requests.
  if hook.signed_by_drawing or hook.signing_secret is not null then
    perform private.check_hook_signature(hook, body, signature, signed_at, github_signature);
  end if;
  select t.status into tenant_status from public.tenants t where t.id = workflow.tenant_id;
  if tenant_status <> 'active' then
    perform private.refuse(403, 'tenant_' || tenant_status, format('this tenant is %s and starts no executions', tenant_status));
  end if;
  -- Not 404: a sender that has the address knows of it, and many systems take 404 as a reason never to come back.
  if workflow.status <> 'active' then
    perform private.refuse(409, 'workflow_not_active', 'the workflow behind this webhook is not active', null, 'activate it, and send the request again');
  end if;
  -- Senders choose their keys, so they have a space of their own. A signature that was sent twice was recorded by somebody, or repeated.
  delivery := 'webhook:' || case when length(idempotency_key) > 200 then encode(sha256(convert_to(idempotency_key, 'UTF8')), 'hex')
                            else coalesce(idempotency_key, 'signature:' || lower(signature)) end;
  -- A delivery that is repeated is not counted and starts nothing. Its headers may differ, so its input is not compared.
  select k.execution_id into started from private.execution_keys k
   where k.tenant_id = workflow.tenant_id and k.workflow_id = workflow.id and k.key = delivery;
  if started is null then
    perform private.count_request(workflow.tenant_id);
    execution := private.enqueue_execution(workflow, input, delivery, null, 'webhook');
    started := execution.id;
  end if;
  return started;
end
$$;

-- FUNCTION call_webhook(hook_token text, input jsonb, body bytea, idempotency_key text, signature text, signed_at text, github_signature text); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.call_webhook(hook_token text, input jsonb, body bytea, idempotency_key text, signature text, signed_at text, github_signature text) IS 'Starts the workflow at this address and answers the execution. The same idempotency key, or the same signature, starts one.';

-- delete_provider_key(uuid, text); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.delete_provider_key(tenant uuid, of_provider text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform private.demand(tenant, 'providers.manage');
  perform private.lock_secrets(tenant);
  delete from public.provider_keys k where k.tenant_id = tenant and k.provider = of_provider;
  if not found then
    perform private.refuse(404, 'not_found', 'there is no key of your own to this provider');
  end if;
  perform audit.record_event(tenant, 'security.provider_key_deleted', 'provider_keys', of_provider);
end
$$;

-- FUNCTION delete_provider_key(tenant uuid, of_provider text); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.delete_provider_key(tenant uuid, of_provider text) IS 'Ends a tenant''s own key: the next call is made with the platform''s.';

-- delete_secret(uuid, text); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.delete_secret(tenant uuid, secret text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform private.demand(tenant, 'secrets.manage');
  perform private.lock_secrets(tenant);
  delete from public.tenant_secrets s where s.tenant_id = tenant and s.name = secret;
  if not found then
    perform private.refuse(404, 'not_found', 'there is no such secret');
  end if;
  perform audit.record_event(tenant, 'security.secret_deleted', 'tenant_secrets', secret);
end
$$;

-- FUNCTION delete_secret(tenant uuid, secret text); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.delete_secret(tenant uuid, secret text) IS 'Ends a secret: the next call that uses it fails.';

-- domain_is_served(text, text); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.domain_is_served(domain text, base_domain text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select exists (select from edge.tenant_of_host(domain, base_domain))
$$;

-- FUNCTION domain_is_served(domain text, base_domain text); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.domain_is_served(domain text, base_domain text) IS 'Whether a certificate may be asked for that name.';

-- end_model_calls(jsonb, jsonb); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.end_model_calls(calls jsonb, last_blocks jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  spent record;
begin
  for spent in
    with call as (
      select distinct on (c.tenant_id, c.id) c.*, c.input_tokens + c.output_tokens as total
        from jsonb_to_recordset(calls) as c (
          id uuid, tenant_id uuid, blocks jsonb, caps jsonb, user_id uuid, api_key_id uuid, agent_id uuid, agent_version integer, provider text, model text,
          input_tokens bigint, cached_input_tokens bigint, cache_write_input_tokens bigint, output_tokens bigint, reasoning_tokens bigint,
          is_estimated boolean, own_key boolean, ended_at timestamptz)
        -- A tenant that is no more has no quota either.
        join public.tenants t on t.id = c.tenant_id
       order by c.tenant_id, c.id
    ), counted as (
      insert into public.usage (
        tenant_id, idempotency_key, user_id, api_key_id, agent_id, agent_version, provider, model,
        input_tokens, cached_input_tokens, cache_write_input_tokens, output_tokens, reasoning_tokens, is_estimated, own_key, cost_usd, created_at)
      select c.tenant_id, 'call:' || c.id, c.user_id, c.api_key_id, c.agent_id, c.agent_version, c.provider, c.model,
             c.input_tokens, c.cached_input_tokens, coalesce(c.cache_write_input_tokens, 0), c.output_tokens, c.reasoning_tokens, c.is_estimated, c.own_key,
             private.llm_cost_usd(c.provider, c.model, c.ended_at, c.input_tokens, c.cached_input_tokens, c.output_tokens,
                                  coalesce(c.cache_write_input_tokens, 0), c.reasoning_tokens),
             c.ended_at
        from call c
       where c.total > 0
       order by c.tenant_id, c.id
      on conflict on constraint usage_is_counted_once do nothing
      returning tenant_id, idempotency_key, cost_usd
    ), spent as (
      -- What was said before was spent before, too.
      select c.tenant_id, 'llm_tokens' as meter, b.id, b.tokens as amount, false as is_last
        from call c
        join counted u on u.tenant_id = c.tenant_id and u.idempotency_key = 'call:' || c.id
        cross join lateral jsonb_to_recordset(c.blocks) as b (id uuid, tokens bigint)
      union all
      select c.tenant_id, b.meter, b.id, coalesce(ceil(u.cost_usd * 1000000), 0)::bigint, true
        from call c
        left join counted u on u.tenant_id = c.tenant_id and u.idempotency_key = 'call:' || c.id
        cross join lateral jsonb_to_recordset(c.caps) as b (meter text, id uuid)
      union all
      select l.tenant_id, l.meter, l.id, 0, true
        from jsonb_to_recordset(last_blocks) as l (id uuid, tenant_id uuid, meter text)
    )
    select s.tenant_id, s.meter, s.id, sum(s.amount)::bigint as amount, bool_or(s.is_last) as is_last
      from spent s
     group by s.tenant_id, s.meter, s.id
     -- Always in the same order, so that two who settle do not wait for each other.
     order by s.tenant_id, s.meter, s.id
  loop
    perform aias.quota_spend(spent.tenant_id, spent.meter, spent.id, spent.amount, spent.is_last);
  end loop;
end
$$;

-- FUNCTION end_model_calls(calls jsonb, last_blocks jsonb); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.end_model_calls(calls jsonb, last_blocks jsonb) IS 'Writes down what calls took and spends the blocks that they took it from; a call that took nothing leaves no row. Each once, however often it is said. Gives back what is left of the last blocks.';

-- keep_answers(jsonb); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.keep_answers(answers jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  most constant integer := 5000;
  tenant uuid;
begin
  insert into private.cached_answers (tenant_id, hash, agent_id, answer, expires_at)
  select distinct on (c.tenant_id, c.hash) c.tenant_id, decode(c.hash, 'hex'), c.agent_id, c.answer, now() + make_interval(secs => t.answer_cache_seconds)
    from jsonb_to_recordset(answers) as c (tenant_id uuid, hash text, agent_id uuid, answer jsonb)
    join public.tenants t on t.id = c.tenant_id and t.answer_cache_seconds is not null
   where octet_length(c.answer::text) <= 65536
     and (c.agent_id is null or exists (select from public.ai_agents g where g.tenant_id = c.tenant_id and g.id = c.agent_id))
   -- Always in the same order, so that two who write do not wait for each other.
   order by c.tenant_id, c.hash
  on conflict (tenant_id, hash) do update
    set agent_id = excluded.agent_id, answer = excluded.answer, kept_at = now(), expires_at = excluded.expires_at;
  for tenant in select distinct (c ->> 'tenant_id')::uuid as id from jsonb_array_elements(answers) c order by id loop
    delete from private.cached_answers a
     where a.tenant_id = tenant
       and a.kept_at < (select o.kept_at from private.cached_answers o where o.tenant_id = tenant order by o.kept_at desc offset most - 1 limit 1);
  end loop;
end
$$;

-- FUNCTION keep_answers(answers jsonb); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.keep_answers(answers jsonb) IS 'Keeps answers for tenants that want it: [{tenant_id, hash, agent_id, answer}]. One that is too large is left out; of more than 5,000 the oldest go.';

-- keep_contents(jsonb); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.keep_contents(contents jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  insert into public.captured_calls (tenant_id, id, user_id, api_key_id, agent_id, model, asked, answered, is_whole, created_at, expires_at)
  select c.tenant_id, c.id, c.user_id, c.api_key_id, c.agent_id, c.model, c.asked, nullif(c.answered, 'null'), c.is_whole, c.ended_at,
         c.ended_at + make_interval(days => t.content_kept_days)
    from jsonb_to_recordset(contents) as c (
      tenant_id uuid, id uuid, user_id uuid, api_key_id uuid, agent_id uuid, model text, asked jsonb, answered jsonb, is_whole boolean, ended_at timestamptz)
    join public.tenants t on t.id = c.tenant_id and t.content_kept_days is not null
   where octet_length(c.asked::text) + coalesce(octet_length(c.answered::text), 0) <= 262144
   order by c.tenant_id, c.id
  on conflict (tenant_id, id) do nothing
$$;

-- FUNCTION keep_contents(contents jsonb); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.keep_contents(contents jsonb) IS 'Keeps what was asked and answered for tenants that want it, masked by edge-api: [{tenant_id, id, user_id, api_key_id, agent_id, model, asked, answered, is_whole, ended_at}].';

-- keep_stripe_events(text[]); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.keep_stripe_events(bodies text[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  insert into billing.events (id, type, created, api_version, account, livemode, payload)
  select b.payload ->> 'id', b.payload ->> 'type',
         -- Seconds; a text in events of version 2: https://docs.stripe.com/api/v2/core/events/object.
         case jsonb_typeof(b.payload -> 'created') when 'string' then (b.payload ->> 'created')::timestamptz else to_timestamp((b.payload ->> 'created')::bigint) end,
         b.payload ->> 'api_version',
         coalesce(b.payload ->> 'account', ''), coalesce((b.payload ->> 'livemode')::boolean, false), b.payload
    from (select u.body::jsonb as payload from unnest(bodies) u (body) offset 0) b
   -- Two who bring the same events wait for each other in one order, never in a circle.
   order by 1
  on conflict (id) do nothing
$$;

-- FUNCTION keep_stripe_events(bodies text[]); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.keep_stripe_events(bodies text[]) IS 'Keeps events by their ids, as Stripe has sent them. One that is there already is left as it is.';

-- kept_of_calls(uuid); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.kept_of_calls(tenant uuid, OUT answer_cache_seconds integer, OUT content_kept_days integer) RETURNS record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$ select t.answer_cache_seconds, t.content_kept_days from public.tenants t where t.id = tenant $$;

-- FUNCTION kept_of_calls(tenant uuid, OUT answer_cache_seconds integer, OUT content_kept_days integer); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.kept_of_calls(tenant uuid, OUT answer_cache_seconds integer, OUT content_kept_days integer) IS 'What a tenant wants to be kept of its calls of models.';

-- models(uuid); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.models(tenant uuid) RETURNS TABLE(model text, owner text, since timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
#variable_conflict use_column
begin
  perform private.demand(tenant, 'models.call');
  return query
    select p.provider || '/' || p.model, p.provider, min(p.valid_from) from private.llm_prices p group by p.provider, p.model
    union all
    select 'agent:' || a.slug, 'agent', a.created_at from public.ai_agents a where a.tenant_id = tenant
    order by 2, 1;
end
$$;

-- FUNCTION models(tenant uuid); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.models(tenant uuid) IS 'What may be named as model: those with a price, and the tenant''s agents.';

-- provider_keys; Type: TABLE; Schema: public
CREATE TABLE public.provider_keys (
    tenant_id uuid NOT NULL,
    provider text NOT NULL,
    last_four text,
    set_by uuid,
    set_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT last_four_are_four CHECK ((char_length(last_four) = 4)),
    CONSTRAINT provider_is_built_in CHECK ((provider = ANY (ARRAY['anthropic'::text, 'gemini'::text, 'openai'::text])))
);

-- TABLE provider_keys; Type: COMMENT; Schema: public
COMMENT ON TABLE public.provider_keys IS 'To which providers of models a tenant has keys of its own, without the keys. Set and deleted through edge-api: PUT and DELETE /v1/providers/{provider}.';

-- COLUMN provider_keys.provider; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.provider_keys.provider IS 'The part of a model''s name before the slash.';

-- COLUMN provider_keys.last_four; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.provider_keys.last_four IS 'The last four characters, to recognise it by; null where the key is shorter than 12.';

-- COLUMN provider_keys.set_by; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.provider_keys.set_by IS 'Null when that was an API key, and once the person is gone; the audit log knows.';

-- provider_keys(uuid); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.provider_keys(tenant uuid) RETURNS SETOF public.provider_keys
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform private.demand(tenant, 'providers.manage');
  return query select k.* from public.provider_keys k where k.tenant_id = tenant order by k.provider collate "C";
end
$$;

-- FUNCTION provider_keys(tenant uuid); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.provider_keys(tenant uuid) IS 'To which providers the tenant has keys of its own, without the keys.';

-- tenant_secrets; Type: TABLE; Schema: public
CREATE TABLE public.tenant_secrets (
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    last_four text,
    created_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_by uuid,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT last_four_are_four CHECK ((char_length(last_four) = 4)),
    CONSTRAINT secret_name_is_an_identifier CHECK ((name ~ '^[A-Za-z_][A-Za-z0-9_]{0,63}$'::text))
);

-- TABLE tenant_secrets; Type: COMMENT; Schema: public
COMMENT ON TABLE public.tenant_secrets IS 'The secrets that steps may use as secrets.<name>, without their values. Set and deleted through edge-api: PUT and DELETE /v1/secrets/{name}.';

-- COLUMN tenant_secrets.last_four; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.tenant_secrets.last_four IS 'The last four characters, to recognise it by; null where the value is shorter than 12.';

-- COLUMN tenant_secrets.created_by; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.tenant_secrets.created_by IS 'Null when that was an API key, and once the person is gone; the audit log knows.';

-- COLUMN tenant_secrets.updated_by; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.tenant_secrets.updated_by IS 'Who set the value that it has now; null as with created_by.';

-- secrets(uuid); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.secrets(tenant uuid) RETURNS SETOF public.tenant_secrets
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform private.demand(tenant, 'secrets.manage');
  return query select s.* from public.tenant_secrets s where s.tenant_id = tenant order by s.name collate "C";
end
$$;

-- FUNCTION secrets(tenant uuid); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.secrets(tenant uuid) IS 'The tenant''s secrets by name, without their values.';

-- set_provider_key(uuid, text, bytea, bytea, text, integer, bytea, text); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.set_provider_key(tenant uuid, of_provider text, nonce bytea, ciphertext bytea, last_four text, key_generation integer, new_key bytea, new_key_master text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
#variable_conflict use_column
declare
  is_there boolean;
  kept public.provider_keys;
begin
  perform private.demand(tenant, 'providers.manage');
  if not private.hold_key(tenant, set_provider_key.key_generation, new_key, new_key_master) then
    return null;
  end if;
  is_there := exists (select from public.provider_keys k where k.tenant_id = tenant and k.provider = of_provider);
  insert into public.provider_keys (tenant_id, provider, last_four, set_by)
  values (tenant, of_provider, set_provider_key.last_four, (select auth.uid()))
  on conflict (tenant_id, provider) do update set last_four = excluded.last_four, set_by = excluded.set_by, set_at = excluded.set_at
  returning * into kept;
  perform private.keep_value(tenant, 'provider_key', of_provider, set_provider_key.key_generation, set_provider_key.nonce, set_provider_key.ciphertext);
  perform audit.record_event(tenant, 'security.provider_key_set', 'provider_keys', of_provider, jsonb_build_object('replaced', is_there));
  return to_jsonb(kept);
end
$$;

-- FUNCTION set_provider_key(tenant uuid, of_provider text, nonce bytea, ciphertext bytea, last_four text, key_generation integer, new_key bytea, new_key_master text); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.set_provider_key(tenant uuid, of_provider text, nonce bytea, ciphertext bytea, last_four text, key_generation integer, new_key bytea, new_key_master text) IS 'Keeps a tenant''s own key to a provider, in the place of the one before. Otherwise as edge.set_secret.';

-- set_secret(uuid, text, bytea, bytea, text, integer, bytea, text); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.set_secret(tenant uuid, secret text, nonce bytea, ciphertext bytea, last_four text, key_generation integer, new_key bytea, new_key_master text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
#variable_conflict use_column
declare
  is_there boolean;
  kept public.tenant_secrets;
begin
  perform private.demand(tenant, 'secrets.manage');
  if not private.hold_key(tenant, set_secret.key_generation, new_key, new_key_master) then
    return null;
  end if;
  is_there := exists (select from public.tenant_secrets s where s.tenant_id = tenant and s.name = secret);
  if not is_there and (select count(*) from public.tenant_secrets s where s.tenant_id = tenant) >= 100 then
    perform private.refuse(409, 'too_many_secrets', 'a tenant has at most 100 secrets', null, 'delete those that no workflow uses');
  end if;
  insert into public.tenant_secrets as s (tenant_id, name, last_four, created_by, updated_by)
  values (tenant, secret, set_secret.last_four, (select auth.uid()), (select auth.uid()))
  on conflict (tenant_id, name) do update set last_four = excluded.last_four, updated_by = excluded.updated_by, updated_at = now()
  returning * into kept;
  perform private.keep_value(tenant, 'secret', secret, set_secret.key_generation, set_secret.nonce, set_secret.ciphertext);
  -- Not by the trigger that tells changes of rows: the log keeps for good what it is told, and the last characters are not for that.
  perform audit.record_event(tenant, 'security.secret_set', 'tenant_secrets', secret, jsonb_build_object('replaced', is_there));
  return to_jsonb(kept);
end
$$;

-- FUNCTION set_secret(tenant uuid, secret text, nonce bytea, ciphertext bytea, last_four text, key_generation integer, new_key bytea, new_key_master text); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.set_secret(tenant uuid, secret text, nonce bytea, ciphertext bytea, last_four text, key_generation integer, new_key bytea, new_key_master text) IS 'Keeps a value that was sealed under the data key of this generation, which comes along when it is the tenant''s first. Null: that is not the tenant''s key any more; read it again and seal again.';

-- tenant_key(uuid); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.tenant_key(tenant uuid) RETURNS TABLE(generation integer, wrapped bytea, master_key_id text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform private.demand(tenant, 'secrets.manage');
  return query select k.generation, k.wrapped, k.master_key_id from private.tenant_key(tenant) k;
end
$$;

-- FUNCTION tenant_key(tenant uuid); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.tenant_key(tenant uuid) IS 'The tenant''s data key, wrapped. No row: it has none yet.';

-- tenant_key_for_providers(uuid); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.tenant_key_for_providers(tenant uuid) RETURNS TABLE(generation integer, wrapped bytea, master_key_id text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform private.demand(tenant, 'providers.manage');
  return query select k.generation, k.wrapped, k.master_key_id from private.tenant_key(tenant) k;
end
$$;

-- FUNCTION tenant_key_for_providers(tenant uuid); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.tenant_key_for_providers(tenant uuid) IS 'As edge.tenant_key, for those who hold providers.manage.';

-- tenant_of_host(text, text); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.tenant_of_host(host text, base_domain text) RETURNS TABLE(tenant_id uuid, name text, subdomain text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select t.id, t.name, t.subdomain
    from public.tenants t
   where t.subdomain = case when right(host, length(base_domain) + 1) = '.' || base_domain
                            then left(host, length(host) - length(base_domain) - 1) end
     and t.status <> 'cancelled'
  union all
  select t.id, t.name, t.subdomain
    from public.tenant_domains d
    join public.tenants t on t.id = d.tenant_id
   where d.domain = host and d.verified_at is not null and t.status <> 'cancelled'
   limit 1
$$;

-- FUNCTION tenant_of_host(host text, base_domain text); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.tenant_of_host(host text, base_domain text) IS 'Whose host it is: <subdomain>.<base_domain>, or a verified domain of a tenant that is not cancelled.';

-- version_of_agent(uuid, uuid, text, jsonb); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.version_of_agent(tenant uuid, agent uuid, model text, config jsonb) RETURNS integer
    LANGUAGE sql STRICT SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select v.version
    from public.agent_versions v
   where v.tenant_id = tenant and v.agent_id = agent
     and v.model = version_of_agent.model and v.config = version_of_agent.config
   order by v.version desc
   limit 1
$$;

-- FUNCTION version_of_agent(tenant uuid, agent uuid, model text, config jsonb); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.version_of_agent(tenant uuid, agent uuid, model text, config jsonb) IS 'Which version of an agent has this model and config: the newest, where there are several. By what it says, hence whatever has become of the agent since it was read.';

-- watch_executions(uuid[]); Type: FUNCTION; Schema: edge
CREATE FUNCTION edge.watch_executions(executions uuid[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  insert into queue.watched (execution_id, until)
  select distinct e, now() + interval '1 minute' from unnest(executions) e order by 1
  on conflict (execution_id) do update set until = excluded.until;
  -- What another service is about to renew or to delete is left to it.
  delete from queue.watched w where w.execution_id in (
    select o.execution_id from queue.watched o where o.until < now() - interval '1 minute' for update skip locked
  )
$$;

-- FUNCTION watch_executions(executions uuid[]); Type: COMMENT; Schema: edge
COMMENT ON FUNCTION edge.watch_executions(executions uuid[]) IS 'For the next minute each change of these executions is told on the channel aias_executions. It tells nothing about them: their rows are read by those who may.';

-- memberships; Type: TABLE; Schema: public
CREATE TABLE public.memberships (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

-- TABLE memberships; Type: COMMENT; Schema: public
COMMENT ON TABLE public.memberships IS 'Who belongs to which tenant, in which role.';

-- accept_invitation(text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.accept_invitation(token text) RETURNS public.memberships
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  invitation public.invitations := private.invitation_of_token(token);
  membership public.memberships;
  tenant_status text;
begin
  select t.status into tenant_status from public.tenants t where t.id = invitation.tenant_id;
  if tenant_status <> 'active' then
    perform private.refuse(403, 'tenant_' || tenant_status, format('this tenant is %s and takes nobody in', tenant_status));
  end if;
  if not private.is_still_granted(invitation) then
    perform private.refuse_invitation();
  end if;
  update public.invitations i
     set accepted_at = now(), accepted_by = (select auth.uid())
   where i.tenant_id = invitation.tenant_id and i.id = invitation.id;
  begin
    insert into public.memberships (tenant_id, user_id, role)
    values (invitation.tenant_id, (select auth.uid()), invitation.role)
    returning * into membership;
  exception when unique_violation then
    perform private.refuse(409, 'already_member', 'you are a member already');
  end;
  return membership;
end
$$;

-- access_audit(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.access_audit() RETURNS TABLE(tenant_id uuid, principal uuid, kept text, derived text)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select coalesce(a.tenant_id, d.tenant_id), coalesce(a.principal, d.principal),
         format('%s %s %s', a.granted, a.granted_with_second_factor, a.ends_at),
         format('%s %s %s', d.granted, d.granted_with_second_factor, d.ends_at)
    from private.access a
    full join (
      select t.id as tenant_id, derived.* from public.tenants t cross join private.derived_access(t.id) derived
    ) d on d.tenant_id = a.tenant_id and d.principal = a.principal
   where (a.granted, a.granted_with_second_factor, a.ends_at) is distinct from (d.granted, d.granted_with_second_factor, d.ends_at)
$$;

-- FUNCTION access_audit(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.access_audit() IS 'Rows of private.access that are not what they are derived to be; none when all is well. Mended by select private.refresh_access(tenant_id).';

-- actor(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.actor() RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  claims jsonb := nullif(current_setting('request.jwt.claims', true), '');
  person text := coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''), claims ->> 'sub');
begin
  return case
    when claims ? 'api_key_id' then jsonb_build_object('kind', 'api_key', 'id', claims ->> 'api_key_id')
    when person is not null then jsonb_build_object('kind', 'user', 'id', person)
    else jsonb_build_object('kind', 'system', 'id', null)
  end;
end
$$;

-- FUNCTION actor(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.actor() IS 'Who acts, for the audit log: {kind: user | api_key | system, id}.';

-- tenant_domains; Type: TABLE; Schema: public
CREATE TABLE public.tenant_domains (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT aias.uuid7() NOT NULL,
    domain text NOT NULL,
    verification_token text NOT NULL,
    verified_at timestamp with time zone,
    checked_at timestamp with time zone,
    check_error text,
    created_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT domain_is_a_dns_name CHECK (((length(domain) <= 253) AND (domain ~ '^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$'::text)))
);

-- TABLE tenant_domains; Type: COMMENT; Schema: public
COMMENT ON TABLE public.tenant_domains IS 'Domains under which a tenant''s product is reached. Only a verified one is served.';

-- COLUMN tenant_domains.domain; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.tenant_domains.domain IS 'Lower case, international names in their ASCII form.';

-- COLUMN tenant_domains.verification_token; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.tenant_domains.verification_token IS 'To be published as TXT record _aias-challenge.<domain> with the text aias-verification=<token>. No secret: DNS is public.';

-- add_domain(uuid, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.add_domain(tenant uuid, wanted_domain text) RETURNS public.tenant_domains
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  added public.tenant_domains;
begin
  perform private.demand(tenant, 'tenant.manage');
  if not private.has_feature(tenant, 'custom_domain') then
    perform private.refuse(402, 'feature_not_in_plan', 'this tenant''s plan has no domains of its own', null, 'upgrade the plan');
  end if;
  -- Two that come at once are counted one after the other.
  perform from public.tenants t where t.id = tenant for no key update;
  if (select count(*) from public.tenant_domains d where d.tenant_id = tenant) >= 20 then
    perform private.refuse(409, 'too_many_domains', 'a tenant has at most 20 domains', null, 'remove those that are not used');
  end if;
  begin
    insert into public.tenant_domains (tenant_id, domain, verification_token, created_by)
    values (tenant, rtrim(lower(btrim(wanted_domain)), '.'), replace(gen_random_uuid()::text, '-', ''), (select auth.uid()))
    returning * into added;
  exception
    when unique_violation then
      perform private.refuse(409, 'domain_exists', 'this tenant has that domain already');
    when check_violation or not_null_violation then
      perform private.refuse(400, 'invalid_domain', 'this is no domain name', null, 'for instance app.example.com, without https:// and path');
  end;
  perform private.ask_for_domain_check(tenant, added.id);
  return added;
end
$$;

-- agent_function_person_problem(uuid, uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.agent_function_person_problem(tenant uuid, person uuid) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select case
    when not coalesce(bool_or(a.tenant_id = tenant), false) then 'the person that it is called for is no member any more'
    -- They may see the rows of all their tenants, and the agent is of one of them.
    when count(*) > 1 then 'the person that it is called for belongs to several tenants, whose data it could mix'
  end
    from private.access a
   where a.principal = person and a.ends_at > now()
$$;

-- FUNCTION agent_function_person_problem(tenant uuid, person uuid); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.agent_function_person_problem(tenant uuid, person uuid) IS 'Why agents of a tenant call no function for a person; null when they do.';

-- agent_function_problem(regprocedure); Type: FUNCTION; Schema: private
CREATE FUNCTION private.agent_function_problem(callee regprocedure) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select case
    when callee is null or p.oid is null then 'there is no such function'
    when n.nspname in ('private', 'queue', 'edge', 'audit', 'billing', 'aias', 'auth', 'information_schema') or n.nspname ~ '^pg_' then
      format('functions of schema %s are not for agents', n.nspname)
    -- It would see what its owner sees.
    when p.prosecdef then 'it runs as its owner'
    when not exists (select from unnest(p.proconfig) setting where setting ~ '^search_path=') then 'it does not pin its search_path'
    when p.prokind <> 'f' then 'it is no plain function'
    when p.prorettype::regtype::text in ('trigger', 'event_trigger', 'internal') then 'it cannot be called'
    when p.provariadic <> 0 then 'it takes any number of arguments'
    when exists (
      select from generate_series(1, p.pronargs) i where coalesce(p.proargnames[i], '') = ''
    ) then 'each of its parameters needs a name'
    -- It is called by name and types, and a default could make one of two into the other.
    when (select count(*) from pg_catalog.pg_proc same where same.pronamespace = p.pronamespace and same.proname = p.proname) > 1 then
      'another function has the same name'
    when not has_function_privilege('authenticated', p.oid, 'execute') or not has_schema_privilege('authenticated', n.oid, 'usage') then
      'the role authenticated may not call it'
  end
    from (select callee) asked
    left join pg_catalog.pg_proc p on p.oid = callee
    left join pg_catalog.pg_namespace n on n.oid = p.pronamespace
$$;

-- FUNCTION agent_function_problem(callee regprocedure); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.agent_function_problem(callee regprocedure) IS 'Why no agent can call a function, whoever allows it; null when one can.';

-- allow_agent_function(regprocedure, text, jsonb, text, boolean); Type: FUNCTION; Schema: private
CREATE FUNCTION private.allow_agent_function(callee regprocedure, description text, arguments jsonb, name text DEFAULT NULL::text, is_read_only boolean DEFAULT true) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
#variable_conflict use_column
declare
  problem constant text := private.agent_function_problem(callee);
  unknown text;
begin
  if problem is not null then
    raise exception 'no agent can call %: %', callee, problem using errcode = 'wrong_object_type';
  end if;
  select string_agg(k.name, ', ' order by k.name) into unknown
    from jsonb_object_keys(case when jsonb_typeof(arguments -> 'properties') = 'object' then arguments -> 'properties' else '{}' end) k (name)
   where not k.name = any ((select p.proargnames[1:p.pronargs] from pg_catalog.pg_proc p where p.oid = callee)::text[]);
  if unknown is not null then
    raise exception '% has no parameter %', callee, unknown using errcode = 'undefined_parameter';
  end if;
  insert into private.agent_functions as f (name, signature, description, arguments, is_read_only)
  select coalesce(allow_agent_function.name, p.proname::text), callee::text, allow_agent_function.description, allow_agent_function.arguments,
         allow_agent_function.is_read_only
    from pg_catalog.pg_proc p where p.oid = callee
  on conflict (name) do update
    set signature = excluded.signature, description = excluded.description, arguments = excluded.arguments, is_read_only = excluded.is_read_only;
end
$$;

-- FUNCTION allow_agent_function(callee regprocedure, description text, arguments jsonb, name text, is_read_only boolean); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.allow_agent_function(callee regprocedure, description text, arguments jsonb, name text, is_read_only boolean) IS 'For the operator: lets agents of all tenants call a function, as the person whom their execution runs for. description and arguments, a JSON schema, are for the model. Unless is_read_only is false, it is called in a transaction that writes nothing. Not for functions that build SQL of their arguments, or that run as their owner.';

-- ask_for_domain_check(uuid, uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.ask_for_domain_check(tenant uuid, wanted_domain uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  -- Every two minutes for an hour.
  insert into queue.domain_checks as c (tenant_id, domain_id, tries_left) values (tenant, wanted_domain, 30)
  on conflict (tenant_id, domain_id) do update set run_at = least(c.run_at, now()), tries_left = 30
$$;

-- ask_for_key_rotation(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.ask_for_key_rotation(tenant uuid) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update private.tenant_keys k set rotation_asked_at = now() where k.tenant_id = tenant;
  return found;
end
$$;

-- FUNCTION ask_for_key_rotation(tenant uuid); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.ask_for_key_rotation(tenant uuid) IS 'Has a worker make a new data key for a tenant and seal its secrets anew, within some ten minutes. False: it has no secrets, and so no key.';

-- broadcast_event(uuid, text, jsonb, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.broadcast_event(tenant uuid, event_name text, payload jsonb, event_key text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  wait record;
  output jsonb := private.event_output(event_name, event_key, payload);
  reached integer := 0;
begin
  perform private.demand(tenant, 'workflows.execute');
  perform private.check_event(event_name, event_key, payload);
  -- In the order in which everybody locks jobs.
  for wait in
    select w.execution_id, w.node_id, w.item from queue.waits w
     where w.tenant_id = tenant and w.kind = 'event' and w.delivered is null
       and w.name = event_name and (w.key is null or w.key = event_key)
     order by w.execution_id, w.node_id, w.item
  loop
    if queue.deliver(tenant, wait.execution_id, wait.node_id, wait.item, output) then
      reached := reached + 1;
    end if;
  end loop;
  return reached;
end
$$;

-- call_agent_function(uuid, uuid, jsonb, text, jsonb); Type: FUNCTION; Schema: private
CREATE FUNCTION private.call_agent_function(tenant uuid, person uuid, claims jsonb, called text, arguments jsonb) RETURNS TABLE(is_read_only boolean, answer jsonb, has_more boolean, refusal text)
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
#variable_conflict use_variable
declare
  -- More than a model reads.
  most_rows constant integer := 100;
  most_bytes constant integer := 262144;
  function private.agent_functions;
  callee regprocedure;
  unknown text;
begin
  select f.* into function from private.agent_functions f where f.name = called;
  callee := to_regprocedure(function.signature);
  -- It may be another one by now than it was when it was allowed.
  if callee is null or private.agent_function_problem(callee) is not null then
    refusal := format('no agent may call %s', called);
    return next;
    return;
  end if;
  is_read_only := function.is_read_only;
  -- In one snapshot with the call, for whoever calls in a repeatable read.
  refusal := coalesce(private.agent_function_person_problem(tenant, person),
    case when jsonb_typeof(arguments) is distinct from 'object' then 'the arguments are no object' end);
  if refusal is null then
    select string_agg(k.name, ', ' order by k.name) into unknown
      from jsonb_object_keys(arguments) k (name)
     where not k.name = any (coalesce((select p.proargnames[1:p.pronargs] from pg_catalog.pg_proc p where p.oid = callee), '{}')::text[]);
    refusal := format('there is no argument %s', unknown);
    refusal := case when unknown is not null then refusal end;
  end if;
  if refusal is not null then
    return next;
    return;
  end if;
  if claims is not null then
    -- auth.uid() reads `request.jwt.claim.sub` first, so that has to be nothing.
    perform set_config('request.jwt.claims', claims::text, true), set_config('request.jwt.claim.sub', '', true);
  end if;
  if is_read_only then
    perform set_config('transaction_read_only', 'on', true);
  end if;
  answer := queue.call_as_member(callee, arguments, most_rows);
  has_more := jsonb_array_length(answer) > most_rows;
  if has_more then
    answer := answer - most_rows;
  end if;
  if octet_length(answer::text) > most_bytes then
    answer := null;
    refusal := format('the answer is longer than %s KiB: ask for less', most_bytes / 1024);
  end if;
  return next;
end
$$;

-- FUNCTION call_agent_function(tenant uuid, person uuid, claims jsonb, called text, arguments jsonb); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.call_agent_function(tenant uuid, person uuid, claims jsonb, called text, arguments jsonb) IS 'Calls a function that agents of a tenant may call, with arguments that a model wrote, for a person: with these claims, or where they are null with those of the session, which are the person''s then. At most 100 rows, as JSON; has_more when there are more. refusal is a sentence for the model. What the function itself refuses is its own error.';

-- executions; Type: TABLE; Schema: public
CREATE TABLE public.executions (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT aias.uuid7() NOT NULL,
    workflow_id uuid NOT NULL,
    workflow_version integer NOT NULL,
    status text DEFAULT 'queued'::text NOT NULL,
    priority smallint DEFAULT 0 NOT NULL,
    input jsonb DEFAULT '{}'::jsonb NOT NULL,
    output jsonb,
    error jsonb,
    idempotency_key text,
    origin text DEFAULT 'manual'::text NOT NULL,
    started_by uuid,
    parent_id uuid,
    parent_node text,
    parent_item integer,
    depth smallint DEFAULT 0 NOT NULL,
    retried_from uuid,
    revision bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    pause_requested_at timestamp with time zone,
    CONSTRAINT called_execution_names_its_step CHECK (((parent_id IS NULL) = (parent_node IS NULL))),
    CONSTRAINT execution_idempotency_key_is_short CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 255))),
    CONSTRAINT execution_is_finished_when_it_says_so CHECK (((status = ANY (ARRAY['succeeded'::text, 'failed'::text, 'cancelled'::text])) = (finished_at IS NOT NULL))),
    CONSTRAINT execution_origin_is_known CHECK ((origin = ANY (ARRAY['manual'::text, 'webhook'::text, 'schedule'::text, 'event'::text, 'call'::text, 'retry'::text]))),
    CONSTRAINT execution_priority_is_small CHECK (((priority >= '-100'::integer) AND (priority <= 100))),
    CONSTRAINT execution_status_is_known CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'waiting'::text, 'paused'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text]))),
    CONSTRAINT failed_execution_says_why CHECK (((status <> 'failed'::text) OR (error IS NOT NULL)))
)
PARTITION BY RANGE (id);

-- TABLE executions; Type: COMMENT; Schema: public
COMMENT ON TABLE public.executions IS 'One run of a workflow version.';

-- COLUMN executions.priority; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.executions.priority IS 'Those with a higher one are begun first, within the tenant.';

-- COLUMN executions.output; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.executions.output IS 'Outputs of the last steps (those without a successor that ran), by node id.';

-- COLUMN executions.error; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.executions.error IS '{code, message, node_id?}';

-- COLUMN executions.origin; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.executions.origin IS 'What started it: a person or an API call, a trigger, another execution''s step, or a retry.';

-- COLUMN executions.parent_id; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.executions.parent_id IS 'The execution whose step called it.';

-- COLUMN executions.retried_from; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.executions.retried_from IS 'The execution that it is another try of.';

-- COLUMN executions.revision; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.executions.revision IS 'Grows with every change of the execution or of a step; event streams resume by it.';

-- cancel_execution(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.cancel_execution(wanted_execution uuid) RETURNS public.executions
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  execution public.executions;
  job queue.jobs;
  readable_in uuid;
begin
  begin
    select e.* into strict execution
      from public.executions e
     where e.id = wanted_execution and e.tenant_id = any (array(select private.tenants_with('executions.cancel')));
  exception
    when no_data_found then
      select e.tenant_id into readable_in from public.executions e
       where e.id = wanted_execution and e.tenant_id = any (array(select private.tenants_with('executions.read')));
      if found then
        perform private.demand(readable_in, 'executions.cancel');
      end if;
      perform private.refuse(404, 'not_found', 'there is no such execution');
    when too_many_rows then
      perform private.refuse(409, 'ambiguous_id', 'two of your tenants have an execution with this id');
  end;
  -- The job first, then the execution: the order in which workers lock them.
  select j.* into job from queue.jobs j
   where j.tenant_id = execution.tenant_id and j.execution_id = execution.id
     for update;
  if job.execution_id is null then
    perform private.refuse(409, 'execution_finished', format('this execution is over; its status is %s', (
      select e.status from public.executions e where e.tenant_id = execution.tenant_id and e.id = execution.id)));
  end if;
  if job.state <> 'claimed' or job.run_at <= now() then
    -- Nobody works on it: it ends here.
    with unfinished as (
      select s.node_id, s.item, row_number() over (order by s.revision) as position
        from public.execution_steps s
       where s.tenant_id = execution.tenant_id and s.execution_id = execution.id and s.status in ('running', 'waiting')
    ),
    ended as (
      update public.execution_steps s
         set status = 'cancelled', run_at = null, finished_at = now(), revision = e.revision + u.position
        from unfinished u, public.executions e
       where s.tenant_id = execution.tenant_id and s.execution_id = execution.id and s.node_id = u.node_id and s.item = u.item
         and e.tenant_id = s.tenant_id and e.id = s.execution_id
      returning s.node_id
    )
    update public.executions e
       set status = 'cancelled', cancel_requested_at = now(), finished_at = now(),
           revision = e.revision + (select count(*) from ended) + 1
     where e.tenant_id = execution.tenant_id and e.id = execution.id
    returning e.* into execution;
    delete from queue.jobs j where j.tenant_id = execution.tenant_id and j.execution_id = execution.id;
    if job.has_waits then
      perform queue.end_waits(execution.tenant_id, execution.id);
    end if;
    if execution.parent_id is not null then
      perform queue.answer_call(execution.tenant_id, execution.id);
    end if;
    perform pg_notify('aias_executions', execution.id::text);
  else
    -- Its worker is told, stops what is in flight and records the end.
    update public.executions e
       set cancel_requested_at = coalesce(e.cancel_requested_at, now())
     where e.tenant_id = execution.tenant_id and e.id = execution.id
    returning e.* into execution;
    perform pg_notify('aias_attention', execution.id::text);
  end if;
  perform audit.record_event(execution.tenant_id, 'executions.cancel', 'executions', execution.id::text);
  return execution;
end
$$;

-- capped_meters(uuid, uuid, uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.capped_meters(tenant uuid, agent uuid, api_key uuid) RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select coalesce(array_agg(s.meter order by s.meter), '{}')
    from aias.quota_status(tenant) s
   where s.meter = any (private.spending_meters(agent, api_key)) and s.quota_limit is not null
$$;

-- change_member_role(uuid, uuid, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.change_member_role(tenant uuid, member uuid, wanted_role text) RETURNS public.memberships
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  membership public.memberships := private.member_to_manage(tenant, member);
begin
  perform private.find_role(tenant, wanted_role);
  perform private.demand_grant(tenant, 'memberships', array[membership.role, wanted_role]);
  update public.memberships m set role = wanted_role
   where m.tenant_id = tenant and m.user_id = member and m.role <> wanted_role
  returning * into membership;
  select m.* into membership from public.memberships m where m.tenant_id = tenant and m.user_id = member;
  return membership;
end
$$;

-- charge_storage(uuid, bigint); Type: FUNCTION; Schema: private
CREATE FUNCTION private.charge_storage(tenant uuid, bytes bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if not exists (select from public.tenants t where t.id = tenant) then
    return;
  end if;
  if bytes > 0 then
    perform aias.quota_take(tenant, 'storage_bytes', bytes);
  elsif bytes < 0 then
    perform aias.quota_give(tenant, 'storage_bytes', -bytes);
  end if;
end
$$;

-- FUNCTION charge_storage(tenant uuid, bytes bigint); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.charge_storage(tenant uuid, bytes bigint) IS 'Takes bytes from a tenant''s storage, or gives them back when they are negative.';

-- check_agent_tools(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.check_agent_tools() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  problem text;
begin
  -- This runs before row-level security sees the row. Whoever may not write here is refused there.
  if current_setting('role') in ('anon', 'authenticated')
     and not new.tenant_id = any (array(select private.tenants_with('agents.write'))) then
    return new;
  end if;
  problem := coalesce(private.tools_problem(new.config), private.mcp_servers_problem(new.config));
  if problem is null then
    select format('no agent may call the function %s', t.tool ->> 'function') into problem
      from jsonb_array_elements(case when jsonb_typeof(new.config -> 'tools') = 'array' then new.config -> 'tools' else '[]' end) t (tool)
     where t.tool ->> 'type' = 'rpc' and not exists (select from private.agent_functions f where f.name = t.tool ->> 'function')
     order by 1 limit 1;
  end if;
  if problem is not null then
    perform private.refuse(400, 'agent_config_invalid', problem);
  end if;
  -- An agent does what its maker has declared for whoever asks it, so its maker has to be one who may: start workflows, and use secrets, which
  -- whoever publishes a workflow can.
  if private.principal() is not null
     and (tg_op = 'INSERT' or (new.config -> 'tools', new.config -> 'mcp_servers') is distinct from (old.config -> 'tools', old.config -> 'mcp_servers')) then
    if jsonb_path_exists(new.config, '$.tools[*] ? (@.type == "start_workflow")') then
      perform private.demand(new.tenant_id, 'workflows.execute');
    end if;
    if concat(new.config -> 'tools', new.config -> 'mcp_servers') ~ '\msecrets\M' then
      perform private.demand(new.tenant_id, 'workflows.write');
    end if;
  end if;
  return new;
end
$_$;

-- check_domain(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.check_domain(wanted_domain uuid) RETURNS public.tenant_domains
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  domain public.tenant_domains := private.domain_to_manage(wanted_domain);
begin
  perform aias.rate_limit_or_refuse('domain checks:' || domain.tenant_id, 30, interval '10 minutes', meter => 'domain_checks');
  perform private.ask_for_domain_check(domain.tenant_id, domain.id);
  return domain;
end
$$;

-- check_embedding_model(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.check_embedding_model() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  known text;
begin
  -- As private.check_agent_tools: whoever may not write here is refused by row-level security.
  if current_setting('role') in ('anon', 'authenticated')
     and not new.tenant_id = any (array(select private.tenants_with('agents.write'))) then
    return new;
  end if;
  if not exists (select from private.embedding_models m where m.model = new.embedding_model) then
    select string_agg(m.model, ', ' order by m.model) into known from private.embedding_models m;
    perform private.refuse(400, 'embedding_model_unknown', format('%s is no model that embeds documents here', new.embedding_model), null,
      format('these do: %s', known));
  end if;
  return new;
end
$$;

-- check_event(text, text, jsonb); Type: FUNCTION; Schema: private
CREATE FUNCTION private.check_event(event_name text, event_key text, payload jsonb) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  -- As long as a step may ask for.
  if event_name is null or length(event_name) not between 1 and 256 then
    perform private.refuse(400, 'event_invalid', 'an event has a name of 1 to 256 characters');
  end if;
  if length(event_key) not between 1 and 1024 then
    perform private.refuse(400, 'event_invalid', 'the key of an event has 1 to 1024 characters', null, 'leave it out where events need no telling apart');
  end if;
  if pg_column_size(payload) > 1048576 then
    perform private.refuse(413, 'payload_too_large', 'the payload of an event is limited to 1 MiB',
      null, 'store large data elsewhere and pass a reference');
  end if;
end
$$;

-- webhooks; Type: TABLE; Schema: private
CREATE TABLE private.webhooks (
    tenant_id uuid NOT NULL,
    workflow_id uuid NOT NULL,
    token text NOT NULL,
    token_hash bytea NOT NULL,
    is_published boolean DEFAULT false NOT NULL,
    signed_by_drawing boolean DEFAULT false NOT NULL,
    signing_secret text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    rotated_at timestamp with time zone
);

-- TABLE webhooks; Type: COMMENT; Schema: private
COMMENT ON TABLE private.webhooks IS 'The address of a workflow, kept while the workflow is there: pausing it must not change what was told to other systems.';

-- COLUMN webhooks.token; Type: COMMENT; Schema: private
COMMENT ON COLUMN private.webhooks.token IS 'As it stands in the address. Not only its hash: people copy the address from an editor long after it was made, and whoever can read this table can start the workflow anyway. API roles cannot; members with workflows.write are told it by rpc webhook_url.';

-- COLUMN webhooks.token_hash; Type: COMMENT; Schema: private
COMMENT ON COLUMN private.webhooks.token_hash IS 'SHA-256 of the token, by which it is looked up: how long the search of an index takes tells about the hash of what was sent, and nothing about a token.';

-- COLUMN webhooks.is_published; Type: COMMENT; Schema: private
COMMENT ON COLUMN private.webhooks.is_published IS 'Whether the version that was last published begins with a webhook.';

-- COLUMN webhooks.signed_by_drawing; Type: COMMENT; Schema: private
COMMENT ON COLUMN private.webhooks.signed_by_drawing IS 'What the published trigger says. Then no unsigned request is accepted, and before there is a secret, none at all.';

-- COLUMN webhooks.signing_secret; Type: COMMENT; Schema: private
COMMENT ON COLUMN private.webhooks.signing_secret IS 'The key of the HMAC, so it cannot be a hash. Shown once, by rpc enable_hook_signing; signatures are checked in here, so it never leaves the database again.';

-- check_hook_signature(private.webhooks, bytea, text, text, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.check_hook_signature(hook private.webhooks, body bytea, signature text, signed_at text, github_signature text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
declare
  given text := coalesce(signature, github_signature);
  signed bytea := body;
begin
  if given is null then
    perform private.refuse(401, 'signature_missing', 'this webhook takes signed requests only', null,
      'send X-Aias-Timestamp, and X-Aias-Signature: sha256=<HMAC-SHA256 of "<timestamp>.<body>" in hex>', '{"WWW-Authenticate": "HMAC-SHA256"}');
  end if;
  if signature is not null then
    -- As Stripe does it (https://docs.stripe.com/webhooks#verify-manually): the time is signed too, so what somebody has recorded is soon worth nothing.
    if coalesce(signed_at, '') !~ '^[0-9]{1,11}$'
       or abs(extract(epoch from clock_timestamp()) - signed_at::numeric) > 300 then
      perform private.refuse(401, 'signature_expired', 'X-Aias-Timestamp must be the time of signing in seconds since 1970, at most five minutes from now',
        null, 'sign each request anew, by a clock that is right', '{"WWW-Authenticate": "HMAC-SHA256"}');
    end if;
    signed := convert_to(signed_at || '.', 'UTF8') || body;
  end if;
  -- The digests are compared, of which nobody can choose a byte: how long that takes tells nothing.
  -- Without a secret there is nothing that would be right.
  if (sha256(convert_to('sha256=' || encode(private.hmac_sha256(convert_to(hook.signing_secret, 'UTF8'), signed), 'hex'), 'UTF8'))
      = sha256(convert_to(lower(given), 'UTF8'))) is not true then
    perform private.refuse(401, 'signature_invalid', 'the signature is not that of this body', null,
      'sign the bytes that are sent, with the secret that rpc enable_hook_signing has shown', '{"WWW-Authenticate": "HMAC-SHA256"}');
  end if;
end
$_$;

-- FUNCTION check_hook_signature(hook private.webhooks, body bytea, signature text, signed_at text, github_signature text); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.check_hook_signature(hook private.webhooks, body bytea, signature text, signed_at text, github_signature text) IS 'Refuses what is not signed with the webhook''s secret: X-Aias-Signature over time and body, or X-Hub-Signature-256 over the body, for senders that can do that only.';

-- check_input_size(jsonb); Type: FUNCTION; Schema: private
CREATE FUNCTION private.check_input_size(input jsonb) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  if pg_column_size(input) > 1048576 then
    perform private.refuse(413, 'input_too_large', 'the input of an execution is limited to 1 MiB',
      null, 'store large data elsewhere and pass a reference');
  end if;
end
$$;

-- check_workflow(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.check_workflow() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  found_problems jsonb;
  errors integer;
begin
  new.version := case when tg_op = 'UPDATE' then old.version else 0 end;
  if new.status <> 'active' then
    return new;
  end if;
  if tg_op = 'UPDATE' and old.status = 'active' and new.nodes = old.nodes and new.connections = old.connections then
    return new;
  end if;
  -- This runs before row-level security sees the row. Whoever may not write here is refused there; a list of problems would tell them
  -- which agents the tenant has.
  if current_setting('role') in ('anon', 'authenticated')
     and not new.tenant_id = any (array(select private.tenants_with('workflows.write'))) then
    return new;
  end if;
  select jsonb_agg(to_jsonb(p)), count(*) filter (where p.severity = 'error')
    into found_problems, errors
    from private.workflow_problems(new.tenant_id, new.nodes, new.connections) p;
  if errors > 0 then
    perform private.refuse(422, 'workflow_invalid',
      format('workflow "%s" cannot be active: it has %s %s', new.name, errors, case errors when 1 then 'problem' else 'problems' end),
      found_problems::text,
      'each entry of details has a JSON pointer to the place and says what to do');
  end if;
  if not exists (
    select from public.workflow_versions v
     where v.tenant_id = new.tenant_id and v.workflow_id = new.id and v.version = new.version
       and v.nodes = new.nodes and v.connections = new.connections
  ) then
    new.version := new.version + 1;
  end if;
  return new;
end
$$;

-- FUNCTION check_workflow(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.check_workflow() IS 'Refuses to activate a workflow with problems, naming all of them; numbers what is to be published.';

-- chunk_document(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.chunk_document() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  delete from private.document_chunks c where c.tenant_id = new.tenant_id and c.document_id = new.id;
  insert into private.document_chunks (tenant_id, document_id, position, agent_id, content, digest)
  select new.tenant_id, new.id, c.position, new.agent_id, c.content, sha256(convert_to(c.content, 'UTF8'))
    from unnest(private.chunks_of(new.content)) with ordinality c (content, position);
  -- What is no longer said leaves nothing.
  if tg_op = 'UPDATE' then
    delete from private.document_vectors v
     where v.tenant_id = new.tenant_id and v.document_id = new.id
       and not exists (
         select from private.document_chunks c where c.tenant_id = v.tenant_id and c.document_id = v.document_id and c.digest = v.digest);
  end if;
  return null;
end
$$;

-- chunks_of(text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.chunks_of(content text) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
declare
  -- Characters: some paragraphs, about 500 tokens.
  longest constant integer := 2000;
  chunks text[] := '{}';
  chunk text := '';
  rest text;
  piece text;
begin
  -- Whole paragraphs as far as they fit together; one that is longer is cut between words, or where there are none, anywhere.
  for rest in select btrim(p, E' \t\r\n') from regexp_split_to_table(content, '\n[ \t\r]*\n') p where p ~ '\S' loop
    if chunk <> '' and length(chunk) + 2 + length(rest) > longest then
      chunks := chunks || chunk;
      chunk := '';
    end if;
    while length(rest) > longest loop
      piece := left(rest, longest);
      piece := coalesce(substring(piece from '^(.*\S)\s'), piece);
      chunks := chunks || piece;
      rest := ltrim(substring(rest from length(piece) + 1), E' \t\r\n');
    end loop;
    if rest <> '' then
      chunk := case when chunk = '' then rest else chunk || E'\n\n' || rest end;
    end if;
  end loop;
  return case when chunk = '' then chunks else chunks || chunk end;
end
$$;

-- FUNCTION chunks_of(content text); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.chunks_of(content text) IS 'A text in pieces of at most 2000 characters, in its order, without what is only space.';

-- close_table(regclass); Type: FUNCTION; Schema: private
CREATE FUNCTION private.close_table(closed regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  policy_name name;
begin
  for policy_name in select polname from pg_catalog.pg_policy where polrelid = closed loop
    execute format('drop policy %I on %s', policy_name, closed);
  end loop;
  execute format('revoke all on table %s from public, anon, authenticated, service_role, aias_edge, aias_worker', closed);
end
$$;

-- FUNCTION close_table(closed regclass); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.close_table(closed regclass) IS 'Takes every policy and every API grant off a table, so that a file in policies/ can say from nothing who may do what.';

-- tenants; Type: TABLE; Schema: public
CREATE TABLE public.tenants (
    id uuid DEFAULT aias.uuid7() NOT NULL,
    name text NOT NULL,
    subdomain text NOT NULL,
    plan_id uuid NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    features text[] DEFAULT '{}'::text[] NOT NULL,
    limit_overrides jsonb DEFAULT '{}'::jsonb NOT NULL,
    billing_anchor timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    region text DEFAULT 'default'::text NOT NULL,
    requires_second_factor boolean DEFAULT false NOT NULL,
    cancelled_at timestamp with time zone,
    cancelled_by_owner boolean DEFAULT false NOT NULL,
    answer_cache_seconds integer,
    content_kept_days integer,
    CONSTRAINT answers_are_kept_for_a_while CHECK (((answer_cache_seconds >= 1) AND (answer_cache_seconds <= 2592000))),
    CONSTRAINT cancelled_tenant_says_since_when CHECK (((status = 'cancelled'::text) = (cancelled_at IS NOT NULL))),
    CONSTRAINT content_is_kept_for_a_while CHECK (((content_kept_days >= 1) AND (content_kept_days <= 365))),
    CONSTRAINT tenant_limit_overrides_are_an_object CHECK ((jsonb_typeof(limit_overrides) = 'object'::text)),
    CONSTRAINT tenant_name_is_not_empty CHECK (((length(btrim(name)) >= 1) AND (length(btrim(name)) <= 200))),
    CONSTRAINT tenant_status_is_known CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text, 'cancelled'::text]))),
    CONSTRAINT tenant_subdomain_is_a_dns_label CHECK ((subdomain ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text))
);

-- TABLE tenants; Type: COMMENT; Schema: public
COMMENT ON TABLE public.tenants IS 'One customer of the product: a company or a team.';

-- COLUMN tenants.status; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.tenants.status IS 'active; suspended: readable, and nothing can be changed; cancelled: readable by owners for 30 days, then erased.';

-- COLUMN tenants.features; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.tenants.features IS 'Features beside those of the plan.';

-- COLUMN tenants.limit_overrides; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.tenants.limit_overrides IS 'Limits that differ from the plan, by meter; null means unlimited.';

-- COLUMN tenants.billing_anchor; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.tenants.billing_anchor IS 'Start of the first billing period; later ones begin a month apart.';

-- COLUMN tenants.requires_second_factor; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.tenants.requires_second_factor IS 'Then changes, and anything about members, keys, billing and the audit log, want a session of level aal2.';

-- COLUMN tenants.cancelled_by_owner; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.tenants.cancelled_by_owner IS 'Then an owner may take it back. One that the operator had suspended or has cancelled is the operator''s to reopen.';

-- COLUMN tenants.answer_cache_seconds; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.tenants.answer_cache_seconds IS 'How long answers of models through the API are kept for whoever asks the same again, up to 30 days. Null: not at all.';

-- COLUMN tenants.content_kept_days; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.tenants.content_kept_days IS 'How many days what models were asked through the API, and what they answered, is kept in captured_calls, masked. Null: not at all.';

-- close_tenant(uuid, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.close_tenant(tenant uuid, typed_subdomain text) RETURNS public.tenants
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  closed public.tenants;
begin
  perform private.demand(tenant, 'tenant.close');
  update public.tenants t set status = 'cancelled' where t.id = tenant and t.subdomain = typed_subdomain and t.status <> 'cancelled'
  returning * into closed;
  if closed.id is null then
    select t.* into closed from public.tenants t where t.id = tenant;
    if closed.status = 'cancelled' then
      perform private.refuse(409, 'tenant_cancelled', 'this tenant is cancelled already');
    end if;
    perform private.refuse(400, 'wrong_subdomain', 'this is not the subdomain of the tenant that is to be cancelled', null, 'type it as it is');
  end if;
  return closed;
end
$$;

-- count_documents(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.count_documents() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- One change for each tenant, in tenant order, so that two statements cannot wait for each other in a circle.
  if tg_op = 'INSERT' then
    perform private.charge_storage(changed.tenant_id, changed.bytes)
       from (select i.tenant_id, sum(octet_length(i.content)) as bytes from inserted i group by 1 order by 1) changed;
  elsif tg_op = 'DELETE' then
    perform private.charge_storage(changed.tenant_id, -changed.bytes)
       from (select d.tenant_id, sum(octet_length(d.content)) as bytes from deleted d group by 1 order by 1) changed;
  else
    perform private.charge_storage(changed.tenant_id, changed.bytes)
       from (select moved.tenant_id, sum(moved.bytes) as bytes
               from (select i.tenant_id, octet_length(i.content) as bytes from inserted i
                     union all
                     select d.tenant_id, -octet_length(d.content) from deleted d) moved
              group by 1 order by 1) changed;
  end if;
  return null;
end
$$;

-- FUNCTION count_documents(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.count_documents() IS 'Charges documents to their tenants'' storage_bytes.';

-- rate_limits; Type: TABLE; Schema: public
CREATE TABLE public.rate_limits (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT aias.uuid7() NOT NULL,
    api_key_id uuid,
    model text,
    requests_per_minute integer,
    tokens_per_minute integer,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT rate_limit_is_of_a_key_or_a_model CHECK (((api_key_id IS NOT NULL) OR (model IS NOT NULL))),
    CONSTRAINT rate_limit_limits_something CHECK (((requests_per_minute IS NOT NULL) OR (tokens_per_minute IS NOT NULL))),
    CONSTRAINT rate_limit_names_a_model CHECK (((length(model) >= 1) AND (length(model) <= 256))),
    CONSTRAINT requests_per_minute_can_be_counted CHECK (((requests_per_minute >= 0) AND (requests_per_minute <= 60000000))),
    CONSTRAINT tokens_per_minute_can_be_counted CHECK (((tokens_per_minute >= 0) AND (tokens_per_minute <= 60000000)))
);

-- TABLE rate_limits; Type: COMMENT; Schema: public
COMMENT ON TABLE public.rate_limits IS 'How many requests and tokens a minute models may be asked through the API: with one key, of one model, or both. Set by the RPC set_rate_limit. The tenant''s own limits are requests_per_minute and llm_tokens_per_minute of its plan.';

-- COLUMN rate_limits.api_key_id; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.rate_limits.api_key_id IS 'Null: all who call, people too, together.';

-- COLUMN rate_limits.model; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.rate_limits.model IS 'As it is called: provider/model, or agent:<slug> for all calls of an agent. Null: all models together.';

-- COLUMN rate_limits.tokens_per_minute; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.rate_limits.tokens_per_minute IS 'By what calls may take and not by what they took, as OpenAI counts.';

-- count_in_rate_limit(public.rate_limits, text, bigint, bigint); Type: FUNCTION; Schema: private
CREATE FUNCTION private.count_in_rate_limit(rate public.rate_limits, meter text, wanted bigint, more bigint) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  -- At most this part of a minute goes to one asker beyond what it has a use for.
  part constant integer := 8;
  allowed constant integer := case meter when 'requests_per_minute' then rate.requests_per_minute else rate.tokens_per_minute end;
  -- A call that wants more than a minute has is let in by an empty bucket, and fills it.
  cost constant bigint := case when wanted > 0 then greatest(1, least(wanted, allowed)) else 0 end;
  ahead constant bigint := least(more, allowed / part, allowed - cost);
begin
  if allowed is null then
    return 0;
  end if;
  if ahead > 0 and aias.rate_limit(meter || ':' || rate.id, allowed, interval '1 minute', (cost + ahead)::integer) then
    return wanted + ahead;
  end if;
  if cost > 0 then
    perform aias.rate_limit_or_refuse(meter || ':' || rate.id, allowed, interval '1 minute', cost::integer,
      meter => concat(meter, ':key:' || rate.api_key_id, ':model:' || rate.model));
  end if;
  return wanted;
end
$$;

-- FUNCTION count_in_rate_limit(rate public.rate_limits, meter text, wanted bigint, more bigint); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.count_in_rate_limit(rate public.rate_limits, meter text, wanted bigint, more bigint) IS 'Counts what is wanted in the bucket of a rate limit, or refuses it with 429; the meter in its details says of which key and model the limit is. And up to so many more for the calls that come next, which are not refused but left out. Answers how many were counted.';

-- count_request(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.count_request(tenant uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  allowed bigint := private.limit_of(tenant, 'requests_per_minute');
begin
  if allowed is not null then
    -- A million a second is as good as unlimited, and the most that can be told apart.
    perform aias.rate_limit_or_refuse('tenant:' || tenant, greatest(0, least(allowed, 60000000))::integer, interval '1 minute',
      meter => 'requests_per_minute');
  end if;
end
$$;

-- FUNCTION count_request(tenant uuid); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.count_request(tenant uuid) IS 'Counts a request of a tenant, or refuses it with 429 when there were as many in the last minute as its plan allows. Where the extension is preloaded, a request counts whatever becomes of its transaction.';

-- count_requests(uuid, integer, integer); Type: FUNCTION; Schema: private
CREATE FUNCTION private.count_requests(tenant uuid, wanted integer, more integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  -- At most this part of a minute goes to one asker beyond what it has a use for.
  part constant integer := 8;
  allowed bigint := private.limit_of(tenant, 'requests_per_minute');
  ahead integer;
begin
  if allowed is null then
    return wanted + more;
  end if;
  -- A million a second is as good as unlimited, and the most that can be told apart.
  allowed := greatest(0, least(allowed, 60000000));
  ahead := least(more, allowed / part);
  if ahead > 0 and aias.rate_limit('tenant:' || tenant, allowed::integer, interval '1 minute', wanted + ahead) then
    return wanted + ahead;
  end if;
  if wanted > 0 then
    perform aias.rate_limit_or_refuse('tenant:' || tenant, allowed::integer, interval '1 minute', wanted, meter => 'requests_per_minute');
  end if;
  return wanted;
end
$$;

-- FUNCTION count_requests(tenant uuid, wanted integer, more integer); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.count_requests(tenant uuid, wanted integer, more integer) IS 'Counts requests of a tenant, or refuses them with 429, as private.count_request does; with up to so many more for those that come next, which are not refused but left out. Answers how many were counted.';

-- count_storage(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.count_storage() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- One change for each tenant, in tenant order, so that two statements cannot wait for each other in a circle.
  if tg_op = 'INSERT' then
    perform private.charge_storage(changed.tenant, changed.bytes)
       from (select private.tenant_of_object(name) as tenant, sum(private.size_of_object(metadata))::bigint as bytes
               from inserted group by 1 order by 1) changed
      where changed.tenant is not null;
  elsif tg_op = 'DELETE' then
    perform private.charge_storage(changed.tenant, -changed.bytes)
       from (select private.tenant_of_object(name) as tenant, sum(private.size_of_object(metadata))::bigint as bytes
               from deleted group by 1 order by 1) changed
      where changed.tenant is not null;
  else
    perform private.charge_storage(changed.tenant, changed.bytes)
       from (select moved.tenant, sum(moved.bytes)::bigint as bytes
               from (select private.tenant_of_object(name) as tenant, private.size_of_object(metadata) as bytes from inserted
                     union all
                     select private.tenant_of_object(name), -private.size_of_object(metadata) from deleted) moved
              group by 1 order by 1) changed
      where changed.tenant is not null;
  end if;
  return null;
end
$$;

-- FUNCTION count_storage(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.count_storage() IS 'Charges files to their tenants'' storage_bytes.';

-- count_tokens(uuid, bigint); Type: FUNCTION; Schema: private
CREATE FUNCTION private.count_tokens(tenant uuid, tokens bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  allowed bigint := private.limit_of(tenant, 'llm_tokens_per_minute');
begin
  if allowed is null or tokens <= 0 then
    return;
  end if;
  allowed := greatest(0, least(allowed, 60000000));
  -- A call that wants more than a minute has is let in by an empty bucket, and fills it.
  perform aias.rate_limit_or_refuse('tokens:' || tenant, allowed::integer, interval '1 minute', greatest(1, least(tokens, allowed))::integer,
    meter => 'llm_tokens_per_minute');
end
$$;

-- FUNCTION count_tokens(tenant uuid, tokens bigint); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.count_tokens(tenant uuid, tokens bigint) IS 'Counts tokens that are set aside for calls of models, or refuses them with 429 when there were as many in the last minute as llm_tokens_per_minute among the tenant''s limits allows. As OpenAI counts: by what calls may take, and not by what they took.';

-- create_api_key(uuid, text, text[], timestamp with time zone); Type: FUNCTION; Schema: private
CREATE FUNCTION private.create_api_key(tenant uuid, wanted_name text, wanted_scopes text[], wanted_expiry timestamp with time zone) RETURNS TABLE(tenant_id uuid, id uuid, name text, prefix text, scopes text[], expires_at timestamp with time zone, created_at timestamp with time zone, key text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
#variable_conflict use_column
declare
  made public.api_keys;
  unknown text[];
  -- gen_random_uuid() is made of the system's random bytes, 122 bits each.
  random bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
  secret text := rtrim(translate(encode(random, 'base64'), '+/', '-_'), '=');
  wanted_prefix text := 'aias_' || encode(substring(uuid_send(gen_random_uuid()) from 1 for 4), 'hex');
begin
  perform private.demand(tenant, 'keys.manage');
  unknown := array(select wanted from unnest(wanted_scopes) wanted except select p.key from public.permissions p order by 1);
  if cardinality(unknown) > 0 then
    perform private.refuse(400, 'unknown_permission', format('there is no permission %s', array_to_string(unknown, ', ')),
      null, 'the table permissions lists them');
  end if;
  if private.mask_of(wanted_scopes) & ~private.held_in(tenant) <> 0 then
    perform private.refuse_escalation(tenant, 'api_keys', private.mask_of(wanted_scopes) & ~private.held_in(tenant));
  end if;
  -- Or a key that is to end would live on in its successors.
  if coalesce(wanted_expiry, 'infinity') > (
    select a.ends_at from private.access a where a.tenant_id = tenant and a.principal = private.principal()
  ) then
    perform private.refuse_escalation(tenant, 'api_keys', 0, 'a key makes none that outlives it');
  end if;
  if wanted_expiry <= now() then
    perform private.refuse(400, 'expiry_in_the_past', 'a key that is over already is of no use', null, 'choose a time to come, or none');
  end if;
  perform private.lock_access(tenant);
  if (select count(*) from public.api_keys k where k.tenant_id = tenant and k.revoked_at is null) >= 100 then
    perform private.refuse(409, 'too_many_keys', 'a tenant has at most 100 keys', null, 'revoke those that nobody uses');
  end if;
  begin
    insert into public.api_keys (tenant_id, name, prefix, scopes, expires_at, created_by)
    values (tenant, wanted_name, wanted_prefix, array(select distinct s from unnest(wanted_scopes) s order by 1), nullif(wanted_expiry, 'infinity'),
            (select auth.uid()))
    returning * into made;
  exception when check_violation or not_null_violation then
    perform private.refuse(400, 'key_invalid', 'a key needs a name of 1 to 200 characters and at least one scope');
  end;
  insert into private.api_key_hashes (tenant_id, key_id, hash)
  values (tenant, made.id, sha256(convert_to(wanted_prefix || '_' || secret, 'UTF8')));
  return query
    select made.tenant_id, made.id, made.name, made.prefix, made.scopes, made.expires_at, made.created_at, wanted_prefix || '_' || secret;
end
$$;

-- create_tenant(text, text, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.create_tenant(wanted_name text, wanted_subdomain text, wanted_region text) RETURNS public.tenants
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  caller uuid := (select auth.uid());
  created public.tenants;
begin
  if caller is null then
    perform private.refuse(401, 'not_signed_in', 'sign in before making a tenant');
  end if;
  begin
    insert into public.tenants (name, subdomain, region, plan_id)
    select wanted_name, lower(wanted_subdomain), wanted_region, p.id from public.subscription_plans p where p.key = 'starter'
    returning * into created;
  exception
    when unique_violation then
      perform private.refuse(409, 'subdomain_taken', format('the subdomain "%s" is taken', lower(wanted_subdomain)),
        null, 'choose another subdomain');
    when foreign_key_violation then
      perform private.refuse(400, 'unknown_region', format('there is no region "%s"', wanted_region), null, 'the table regions lists them');
    when check_violation or not_null_violation then
      perform private.refuse(400, 'tenant_invalid', 'a tenant needs a name of 1 to 200 characters and a subdomain of a-z, 0-9 and -',
        null, 'for instance name "Acme" and subdomain "acme"');
  end;
  insert into public.roles (tenant_id, key, name, permissions, built_in)
  select created.id, r.key, r.name, r.permissions, true from private.built_in_roles r;
  insert into public.memberships (tenant_id, user_id, role) values (created.id, caller, 'owner');
  return created;
end
$$;

-- custom_access_token_hook(jsonb); Type: FUNCTION; Schema: private
CREATE FUNCTION private.custom_access_token_hook(event jsonb) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select jsonb_set(event, '{claims,app_metadata}',
           coalesce(event #> '{claims,app_metadata}', '{}') || jsonb_build_object('tenants', coalesce((
             select jsonb_agg(jsonb_build_object('id', m.tenant_id, 'role', m.role) order by m.tenant_id)
               from (
                 -- A token travels in a header, and headers are short.
                 select m.tenant_id, m.role from public.memberships m
                  where m.user_id = (event ->> 'user_id')::uuid order by m.created_at limit 50
               ) m), '[]')))
$$;

-- FUNCTION custom_access_token_hook(event jsonb); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.custom_access_token_hook(event jsonb) IS 'Writes the tenants of a person, 50 at most, as [{id, role}] into app_metadata.tenants. A hint for frontends, as old as the token: access is decided from tables.';

-- decide_approval(uuid, text, boolean, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.decide_approval(wanted_execution uuid, wanted_node text, is_approved boolean, remark text) RETURNS public.executions
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  execution public.executions;
  wait queue.waits;
  wanted_permission text;
begin
  begin
    select e.* into strict execution from public.executions e
     where e.id = wanted_execution and e.tenant_id = any (array(select private.own_tenants()));
  exception
    when no_data_found then
      perform private.refuse(404, 'not_found', 'there is no such execution');
    when too_many_rows then
      perform private.refuse(409, 'ambiguous_id', 'two of your tenants have an execution with this id');
  end;
  -- The job first; and once it is locked nobody else decides.
  perform from queue.jobs j where j.tenant_id = execution.tenant_id and j.execution_id = execution.id for update;
  select w.* into wait from queue.waits w
   where w.tenant_id = execution.tenant_id and w.execution_id = execution.id and w.node_id = wanted_node and w.item = -1 and w.kind = 'approval';
  wanted_permission := coalesce(wait.permission, 'workflows.execute');
  if not private.may_decide(execution.tenant_id, wanted_permission) then
    -- Who may neither decide nor look does not learn that it is there.
    if not execution.tenant_id = any (array(select private.tenants_with('executions.read'))) then
      perform private.refuse(404, 'not_found', 'there is no such execution');
    end if;
    if private.mask_of(array[wanted_permission]) = 0 then
      perform private.refuse(403, 'forbidden', format('this step asks for the permission "%s", which does not exist', wanted_permission),
        null, 'an owner may decide; name a permission of the table permissions in the workflow');
    end if;
    perform private.demand(execution.tenant_id, wanted_permission);
  end if;
  perform private.lock_job(execution);
  if is_approved is null then
    perform private.refuse(400, 'decision_invalid', 'a decision is true or false');
  end if;
  if length(remark) > 8192 then
    perform private.refuse(400, 'decision_invalid', 'a comment has at most 8192 characters');
  end if;
  if wait.delivered is not null then
    perform private.refuse(409, 'already_decided', 'somebody else has decided this');
  end if;
  if wait.node_id is null then
    perform private.refuse(409, 'not_waiting', format('no step "%s" of this execution waits for a decision', wanted_node));
  end if;
  perform queue.deliver(execution.tenant_id, execution.id, wanted_node, -1, jsonb_build_object(
    'approved', is_approved, 'comment', remark, 'decided_by', private.principal(), 'decided_at', now()));
  perform audit.record_event(execution.tenant_id, 'executions.decide', 'executions', execution.id::text,
    jsonb_build_object('node_id', wanted_node, 'approved', is_approved, 'comment', remark));
  return execution;
end
$$;

-- decline_invitation(text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.decline_invitation(token text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  invitation public.invitations := private.invitation_of_token(token);
begin
  update public.invitations i set declined_at = now() where i.tenant_id = invitation.tenant_id and i.id = invitation.id;
end
$$;

-- demand(uuid, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.demand(tenant uuid, permission text) RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  who uuid := private.principal();
  wanted bigint := private.mask_of(array[permission]);
  held private.access;
  tenant_status text;
begin
  if private.held_in(tenant) & wanted <> 0 then
    return;
  end if;
  select a.* into held from private.access a where a.principal = who and a.tenant_id = tenant and a.ends_at > now();
  if held.tenant_id is null then
    perform private.refuse(404, 'not_found', 'there is no such tenant');
  end if;
  if held.granted_with_second_factor & wanted <> 0 then
    perform private.refuse(403, 'second_factor_required', 'this tenant asks for a second factor to do this',
      null, 'verify a second factor in this session (aal2) and try again');
  end if;
  select t.status into tenant_status from public.tenants t where t.id = tenant;
  if tenant_status <> 'active' then
    perform private.refuse(403, 'tenant_' || tenant_status, format('this tenant is %s: it can be read and not be changed', tenant_status));
  end if;
  perform private.refuse(403, 'forbidden',
    format('your %s may not do this', case when who in (select m.user_id from public.memberships m where m.tenant_id = tenant) then 'role' else 'key' end),
    null, format('ask for the permission %s', permission));
end
$$;

-- FUNCTION demand(tenant uuid, permission text); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.demand(tenant uuid, permission text) IS 'Passes when the caller holds a permission in a tenant, and otherwise refuses with the reason.';

-- demand_grant(uuid, text, text[]); Type: FUNCTION; Schema: private
CREATE FUNCTION private.demand_grant(tenant uuid, attempt text, roles text[]) RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  missing bigint;
begin
  select coalesce(bit_or(private.mask_of(r.permissions)), 0) & ~private.held_in(tenant) into missing
    from public.roles r where r.tenant_id = tenant and r.key = any (roles);
  if missing <> 0 then
    perform private.refuse_escalation(tenant, attempt, missing);
  end if;
  -- An owner is more than the sum of the permissions.
  if 'owner' = any (roles) and not exists (
    select from public.memberships m where m.tenant_id = tenant and m.user_id = private.principal() and m.role = 'owner'
  ) then
    perform private.refuse_escalation(tenant, attempt, 0, 'only an owner makes or unmakes an owner');
  end if;
end
$$;

-- FUNCTION demand_grant(tenant uuid, attempt text, roles text[]); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.demand_grant(tenant uuid, attempt text, roles text[]) IS 'Passes when the caller holds all that these roles allow, and otherwise refuses with 403.';

-- derived_access(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.derived_access(tenant uuid) RETURNS TABLE(principal uuid, granted bigint, granted_with_second_factor bigint, ends_at timestamp with time zone)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  with state as (
    select t.status, t.requires_second_factor, t.cancelled_at + interval '30 days' as closes_at,
           private.mask_of(array(select p.key from public.permissions p where p.allowed_when_suspended)) as when_suspended,
           private.mask_of(array(select p.key from public.permissions p where p.allowed_without_second_factor)) as without_second_factor
      from public.tenants t where t.id = tenant
  ),
  role_masks as materialized (
    select r.key, private.mask_of(r.permissions) as mask from public.roles r where r.tenant_id = tenant
  ),
  holders as (
    select m.user_id as principal, r.mask, m.role = 'owner' as is_owner, true as is_person, 'infinity'::timestamptz as ends_at
      from public.memberships m
      join role_masks r on r.key = m.role
     where m.tenant_id = tenant
    union all
    select k.id, private.mask_of(k.scopes), false, false, coalesce(k.expires_at, 'infinity')
      from public.api_keys k
     where k.tenant_id = tenant and k.revoked_at is null
  ),
  in_force as (
    select h.principal, h.is_person, s.requires_second_factor, s.without_second_factor,
           case when s.status = 'active' then h.mask else h.mask & s.when_suspended end as mask,
           case when s.status = 'cancelled' then least(h.ends_at, s.closes_at) else h.ends_at end as ends_at
      from holders h cross join state s
     where s.status <> 'cancelled' or h.is_owner
  )
  select f.principal,
         -- A key is no session and has no factors: it is a credential of its own, which members with keys.manage (and both factors) can revoke.
         case when f.requires_second_factor and f.is_person then f.mask & f.without_second_factor else f.mask end,
         f.mask,
         f.ends_at
    from in_force f
$$;

-- FUNCTION derived_access(tenant uuid); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.derived_access(tenant uuid) IS 'What private.access is to hold of a tenant.';

-- disable_event_trigger(regclass); Type: FUNCTION; Schema: private
CREATE FUNCTION private.disable_event_trigger(source regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  execute format('drop trigger if exists _400_start_by_insert on %s', source);
  execute format('drop trigger if exists _400_start_by_update on %s', source);
  execute format('drop trigger if exists _400_start_by_delete on %s', source);
  delete from private.event_sources e using pg_catalog.pg_class c
   where c.oid = disable_event_trigger.source and e.source = c.relnamespace::regnamespace::text || '.' || c.relname;
end
$$;

-- FUNCTION disable_event_trigger(source regclass); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.disable_event_trigger(source regclass) IS 'For the operator: changes of a table start nothing any more. Workflows that are told of it stay as they are and cannot be published again.';

-- disable_hook_signing(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.disable_hook_signing(wanted_workflow uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  workflow public.workflows := private.workflow_to_write(wanted_workflow);
  hook private.webhooks := private.webhook_of(workflow);
begin
  if hook.signed_by_drawing then
    perform private.refuse(409, 'signing_is_drawn', 'the published trigger of this workflow says that requests are signed',
      null, 'take "signed" out of the trigger and publish it first');
  end if;
  update private.webhooks h set signing_secret = null where h.tenant_id = workflow.tenant_id and h.workflow_id = workflow.id;
  perform audit.record_event(workflow.tenant_id, 'security.hook_signing_disabled', 'workflows', workflow.id::text);
end
$$;

-- disallow_agent_function(text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.disallow_agent_function(name text) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ delete from private.agent_functions f where f.name = disallow_agent_function.name $$;

-- FUNCTION disallow_agent_function(name text); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.disallow_agent_function(name text) IS 'For the operator: takes back what private.allow_agent_function has let agents do, from the next call on.';

-- domain_to_manage(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.domain_to_manage(wanted_domain uuid) RETURNS public.tenant_domains
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  domain public.tenant_domains;
begin
  select d.* into domain from public.tenant_domains d
   where d.id = wanted_domain and d.tenant_id = any (array(select private.own_tenants()));
  if domain.id is null then
    perform private.refuse(404, 'not_found', 'there is no such domain');
  end if;
  perform private.demand(domain.tenant_id, 'tenant.manage');
  return domain;
end
$$;

-- embed_changed_documents(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.embed_changed_documents() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform private.want_embeddings(array_agg(i.tenant_id), array_agg(i.agent_id))
     from inserted i join deleted d on d.tenant_id = i.tenant_id and d.id = i.id
    where i.content <> d.content
   having count(*) > 0;
  return null;
end
$$;

-- embed_new_documents(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.embed_new_documents() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform private.want_embeddings(array_agg(i.tenant_id), array_agg(i.agent_id)) from inserted i;
  return null;
end
$$;

-- embedding_status(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.embedding_status(agent uuid) RETURNS TABLE(model text, state text, pieces bigint, embedded bigint, refused bigint, reason text, next_try_at timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  tenants uuid[];
begin
  select array_agg(a.tenant_id) into tenants
    from public.ai_agents a
   where a.id = agent and a.tenant_id = any (array(select private.tenants_with('agents.read')));
  if tenants is null then
    perform private.refuse(404, 'not_found', 'there is no such agent');
  end if;
  if cardinality(tenants) > 1 then
    perform private.refuse(409, 'ambiguous_id', 'two of your tenants have an agent with this id');
  end if;
  return query
    select a.embedding_model,
           case when a.embedding_model is null then 'off'
                when not private.has_vectors() then 'unavailable'
                when j.agent_id is null then 'complete'
                when j.gave_up_at is not null then 'failed'
                when j.reason is not null and j.claimed_by is null and j.run_at > now() then 'waiting'
                else 'queued' end,
           counted.pieces, counted.embedded, counted.refused,
           coalesce(j.reason, counted.refusal),
           case when j.gave_up_at is null and j.claimed_by is null then j.run_at end
      from public.ai_agents a
      left join queue.embedding_jobs j on j.tenant_id = a.tenant_id and j.agent_id = a.id
     cross join lateral (
       select count(*) as pieces, count(*) filter (where v.digest is not null and v.refusal is null) as embedded,
              count(v.refusal) as refused, min(v.refusal) as refusal
         from private.document_chunks c
         left join private.document_vectors v
           on v.tenant_id = c.tenant_id and v.document_id = c.document_id and v.digest = c.digest and v.model = a.embedding_model
        where c.tenant_id = a.tenant_id and c.agent_id = a.id) counted
     where a.tenant_id = tenants[1] and a.id = agent;
end
$$;

-- empty_stock(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.empty_stock() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform aias.quota_recount(t.id, tg_argv[0], 0) from public.tenants t order by t.id;
  return null;
end
$$;

-- FUNCTION empty_stock(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.empty_stock() IS 'After a truncate: nobody has anything of the meter named by the trigger''s argument.';

-- enable_event_trigger(regclass, text[], text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.enable_event_trigger(source regclass, hidden_columns text[] DEFAULT '{}'::text[], permission text DEFAULT NULL::text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
#variable_conflict use_column
declare
  table_schema text;
  table_name text;
  table_kind "char";
  key_columns text[];
  unknown text[];
begin
  select n.nspname, c.relname, c.relkind into table_schema, table_name, table_kind
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = source;
  if table_kind not in ('r', 'p') or table_schema in ('private', 'queue', 'audit', 'aias', 'edge', 'auth', 'pg_catalog')
     -- Each execution would start the next one.
     or table_schema = 'public' and table_name in ('executions', 'execution_steps', 'usage', 'workflow_versions') then
    raise exception '% cannot start workflows', source using errcode = 'wrong_object_type',
      hint = 'tables of the product can, and of ours those that people write';
  end if;
  if table_schema || '.' || table_name !~ '^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$' then
    raise exception 'a trigger''s config cannot write the name %', source using errcode = 'invalid_name';
  end if;
  if not exists (
    select from pg_catalog.pg_attribute a
     where a.attrelid = source and a.attname = 'tenant_id' and a.atttypid = 'uuid'::regtype and a.attnotnull and not a.attisdropped
  ) then
    raise exception '% has no column tenant_id uuid not null', source using errcode = 'undefined_column',
      hint = 'without it nobody knows whose workflows are to be told';
  end if;
  select array_agg(a.attname::text order by k.position) into key_columns
    from pg_catalog.pg_index i
    cross join unnest(i.indkey::smallint[]) with ordinality as k (attnum, position)
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
   where i.indrelid = source and i.indisprimary;
  if key_columns is null then
    raise exception '% has no primary key', source using errcode = 'invalid_table_definition',
      hint = 'by it what a row was finds what it is';
  end if;
  unknown := array(
    select h.name from unnest(hidden_columns) h (name)
    except select a.attname::text from pg_catalog.pg_attribute a where a.attrelid = source and a.attnum > 0 and not a.attisdropped);
  if cardinality(unknown) > 0 then
    raise exception '% has no column %', source, array_to_string(unknown, ', ') using errcode = 'undefined_column';
  end if;
  insert into private.event_sources as e (source, hidden_columns, permission)
  values (table_schema || '.' || table_name, enable_event_trigger.hidden_columns, enable_event_trigger.permission)
  on conflict (source) do update set hidden_columns = excluded.hidden_columns, permission = excluded.permission;
  execute format('create or replace trigger _400_start_by_insert after insert on %s referencing new table as new_rows
                    for each statement execute function private.start_by_event(%s)', source,
                 (select string_agg(quote_literal(c), ', ') from unnest(key_columns) c));
  execute format('create or replace trigger _400_start_by_update after update on %s referencing old table as old_rows new table as new_rows
                    for each statement execute function private.start_by_event(%s)', source,
                 (select string_agg(quote_literal(c), ', ') from unnest(key_columns) c));
  execute format('create or replace trigger _400_start_by_delete after delete on %s referencing old table as old_rows
                    for each statement execute function private.start_by_event(%s)', source,
                 (select string_agg(quote_literal(c), ', ') from unnest(key_columns) c));
end
$_$;

-- FUNCTION enable_event_trigger(source regclass, hidden_columns text[], permission text); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.enable_event_trigger(source regclass, hidden_columns text[], permission text) IS 'For the operator: lets changes of a table start workflows of the row''s tenant. It needs tenant_id uuid not null and a primary key; hidden_columns are told to nobody; permission is what whoever publishes such a workflow must hold. Called again, it says anew what is hidden. TRUNCATE starts nothing.';

-- enable_hook_signing(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.enable_hook_signing(wanted_workflow uuid) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  workflow public.workflows := private.workflow_to_write(wanted_workflow);
  hook private.webhooks := private.webhook_of(workflow);
  secret text := 'aias_hook_' || private.random_token();
begin
  update private.webhooks h set signing_secret = secret where h.tenant_id = workflow.tenant_id and h.workflow_id = workflow.id;
  perform audit.record_event(workflow.tenant_id, 'security.hook_signing_enabled', 'workflows', workflow.id::text,
    jsonb_build_object('replaced', hook.signing_secret is not null));
  return secret;
end
$$;

-- end_invitation(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.end_invitation() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  delete from private.invitation_tokens t where t.tenant_id = new.tenant_id and t.invitation_id = new.id;
  update queue.mails m set status = 'dropped', finished_at = now(), claimed_by = null
   where m.tenant_id = new.tenant_id and m.subject_id = new.id and m.template = 'invitation' and m.status = 'queued';
  return null;
end
$$;

-- FUNCTION end_invitation(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.end_invitation() IS 'An invitation that is over has no tokens and no mails left.';

-- workflows; Type: TABLE; Schema: public
CREATE TABLE public.workflows (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT aias.uuid7() NOT NULL,
    name text NOT NULL,
    description text,
    nodes jsonb DEFAULT '[]'::jsonb NOT NULL,
    connections jsonb DEFAULT '[]'::jsonb NOT NULL,
    status text DEFAULT 'draft'::text NOT NULL,
    version integer DEFAULT 0 NOT NULL,
    created_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    max_concurrency integer,
    CONSTRAINT active_workflow_has_no_problems CHECK (((status <> 'active'::text) OR aias.workflow_is_valid(nodes, connections))),
    CONSTRAINT workflow_drawing_is_not_huge CHECK (((pg_column_size(nodes) <= 4194304) AND (pg_column_size(connections) <= 1048576))),
    CONSTRAINT workflow_max_concurrency_is_positive CHECK ((max_concurrency > 0)),
    CONSTRAINT workflow_name_is_not_empty CHECK (((length(btrim(name)) >= 1) AND (length(btrim(name)) <= 200))),
    CONSTRAINT workflow_status_is_known CHECK ((status = ANY (ARRAY['draft'::text, 'active'::text, 'paused'::text, 'archived'::text])))
);

-- TABLE workflows; Type: COMMENT; Schema: public
COMMENT ON TABLE public.workflows IS 'A graph of steps, in the shape that React Flow draws.';

-- COLUMN workflows.nodes; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.workflows.nodes IS '[{id, type, position: {x, y}, config, name?, retry?, timeout?, on_error?}]';

-- COLUMN workflows.connections; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.workflows.connections IS '[{source, target, sourceHandle?}]';

-- COLUMN workflows.version; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.workflows.version IS 'The last published version; 0 before the first activation. Kept by the database.';

-- COLUMN workflows.max_concurrency; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.workflows.max_concurrency IS 'How many of its executions run at a time at most; null: as many as the plan lets.';

-- enqueue_execution(public.workflows, jsonb, text, uuid, text, uuid, text, integer, integer, integer); Type: FUNCTION; Schema: private
CREATE FUNCTION private.enqueue_execution(workflow public.workflows, input jsonb, idempotency_key text, started_by uuid, origin text, parent_id uuid DEFAULT NULL::uuid, parent_node text DEFAULT NULL::text, parent_item integer DEFAULT NULL::integer, depth integer DEFAULT 0, priority integer DEFAULT 0) RETURNS public.executions
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
#variable_conflict use_variable
declare
  execution public.executions;
  new_id uuid := aias.uuid7();
begin
  if idempotency_key is not null then
    insert into private.execution_keys (tenant_id, workflow_id, key, execution_id)
    values (workflow.tenant_id, workflow.id, idempotency_key, new_id)
    on conflict on constraint execution_keys_pkey do nothing;
    if not found then
      select e.* into execution
        from private.execution_keys k
        join public.executions e on e.tenant_id = k.tenant_id and e.id = k.execution_id
       where k.tenant_id = workflow.tenant_id and k.workflow_id = workflow.id and k.key = idempotency_key;
      return execution;
    end if;
  end if;
  insert into public.executions as e (
    tenant_id, id, workflow_id, workflow_version, priority, input, idempotency_key, origin, started_by, parent_id, parent_node, parent_item, depth)
  values (
    workflow.tenant_id, new_id, workflow.id, workflow.version, priority, coalesce(input, '{}'), idempotency_key, origin, started_by,
    parent_id, parent_node, parent_item, depth)
  returning e.* into execution;
  -- After the insert: only what is new is charged, and a refusal takes the row back with it.
  perform aias.quota_take(workflow.tenant_id, 'executions', 1);
  insert into queue.jobs (tenant_id, execution_id, workflow_id, priority) values (workflow.tenant_id, new_id, workflow.id, priority);
  perform queue.open_lane(workflow.tenant_id, workflow.id, priority::smallint);
  perform queue.notify_workers(workflow.tenant_id);
  return execution;
end
$$;

-- FUNCTION enqueue_execution(workflow public.workflows, input jsonb, idempotency_key text, started_by uuid, origin text, parent_id uuid, parent_node text, parent_item integer, depth integer, priority integer); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.enqueue_execution(workflow public.workflows, input jsonb, idempotency_key text, started_by uuid, origin text, parent_id uuid, parent_node text, parent_item integer, depth integer, priority integer) IS 'Starts a workflow, charged to its tenant. With a key that was used before it answers what that one started. Whether it may be started is up to the caller.';

-- erase_captured_calls(uuid, integer); Type: FUNCTION; Schema: private
CREATE FUNCTION private.erase_captured_calls(tenant uuid, batch integer) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  erased bigint;
begin
  delete from public.captured_calls c using (
    select x.tenant_id, x.id from public.captured_calls x where x.tenant_id = tenant limit batch
  ) piece where c.tenant_id = piece.tenant_id and c.id = piece.id;
  get diagnostics erased = row_count;
  return erased;
end
$$;

-- FUNCTION erase_captured_calls(tenant uuid, batch integer); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.erase_captured_calls(tenant uuid, batch integer) IS 'Erases a bounded piece of what was kept of a tenant''s calls, and answers how much.';

-- event_output(text, text, jsonb); Type: FUNCTION; Schema: private
CREATE FUNCTION private.event_output(event_name text, event_key text, payload jsonb) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select jsonb_build_object('event', event_name, 'key', event_key, 'payload', coalesce(payload, '{}'), 'received_at', now())
$$;

-- FUNCTION event_output(event_name text, event_key text, payload jsonb); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.event_output(event_name text, event_key text, payload jsonb) IS 'What a step that waited for an event has as its output.';

-- event_source(text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.event_source(written text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select case when position('.' in written) > 0 then written else 'public.' || written end
$$;

-- FUNCTION event_source(written text); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.event_source(written text) IS 'The table that a trigger''s config means, as schema.table.';

-- execution_to(uuid, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.execution_to(wanted_execution uuid, permission text) RETURNS public.executions
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  execution public.executions;
  readable_in uuid;
begin
  select e.* into strict execution
    from public.executions e
   where e.id = wanted_execution and e.tenant_id = any (array(select private.tenants_with(permission)));
  return execution;
exception
  when no_data_found then
    -- Whoever may read it learns why it cannot be done: the role, a second factor, or that the tenant is suspended.
    select e.tenant_id into readable_in from public.executions e
     where e.id = wanted_execution and e.tenant_id = any (array(select private.tenants_with('executions.read')));
    if found then
      perform private.demand(readable_in, permission);
    end if;
    perform private.refuse(404, 'not_found', 'there is no such execution');
  when too_many_rows then
    perform private.refuse(409, 'ambiguous_id', 'two of your tenants have an execution with this id');
end
$$;

-- FUNCTION execution_to(wanted_execution uuid, permission text); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.execution_to(wanted_execution uuid, permission text) IS 'The execution, if the caller holds a permission where it is; otherwise refuses with the reason.';

-- export_chunk(uuid, integer); Type: FUNCTION; Schema: private
CREATE FUNCTION private.export_chunk(wanted_export uuid, number integer) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  export public.tenant_exports;
begin
  select e.* into export from public.tenant_exports e
   where e.id = wanted_export and e.tenant_id = any (array(select private.own_tenants()));
  if export.id is null then
    perform private.refuse(404, 'not_found', 'there is no such export');
  end if;
  perform private.demand(export.tenant_id, 'tenant.export');
  if export.status = 'expired' then
    perform private.refuse(410, 'export_expired', 'this export is over', null, 'ask for a new one: rpc export_tenant');
  elsif export.status <> 'ready' then
    perform private.refuse(409, 'export_not_ready', format('this export is %s', export.status), null, 'watch the table tenant_exports');
  end if;
  return (
    select c.content from private.export_chunks c
     where c.tenant_id = export.tenant_id and c.export_id = export.id and c.number = export_chunk.number);
end
$$;

-- tenant_exports; Type: TABLE; Schema: public
CREATE TABLE public.tenant_exports (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT aias.uuid7() NOT NULL,
    status text DEFAULT 'queued'::text NOT NULL,
    lines bigint,
    bytes bigint,
    attempt integer DEFAULT 0 NOT NULL,
    error text,
    requested_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    expires_at timestamp with time zone,
    CONSTRAINT export_is_finished_when_it_says_so CHECK (((status = 'queued'::text) = (finished_at IS NULL))),
    CONSTRAINT export_status_is_known CHECK ((status = ANY (ARRAY['queued'::text, 'ready'::text, 'failed'::text, 'expired'::text]))),
    CONSTRAINT export_that_is_ready_expires CHECK (((status <> 'ready'::text) OR (expires_at IS NOT NULL)))
);

-- TABLE tenant_exports; Type: COMMENT; Schema: public
COMMENT ON TABLE public.tenant_exports IS 'Exports of all of a tenant''s data as NDJSON, one {"source", "line"} a row; kept for 7 days.';

-- export_tenant(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.export_tenant(tenant uuid) RETURNS public.tenant_exports
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  asked public.tenant_exports;
begin
  perform private.demand(tenant, 'tenant.export');
  -- Each reads all that there is.
  perform aias.rate_limit_or_refuse('exports:' || tenant, 10, interval '1 day', meter => 'exports');
  insert into public.tenant_exports (tenant_id, requested_by) values (tenant, (select auth.uid()))
  on conflict (tenant_id) where status = 'queued' do nothing
  returning * into asked;
  if asked.id is null then
    perform private.refuse(409, 'export_under_way', 'an export of this tenant is being made already', null, 'watch the table tenant_exports');
  end if;
  perform audit.record_event(tenant, 'security.export_requested', 'tenant_exports', asked.id::text);
  return asked;
end
$$;

-- roles; Type: TABLE; Schema: public
CREATE TABLE public.roles (
    tenant_id uuid NOT NULL,
    key text NOT NULL,
    name text NOT NULL,
    permissions text[] DEFAULT '{}'::text[] NOT NULL,
    built_in boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT role_key_is_a_word CHECK ((key ~ '^[a-z][a-z0-9_-]{0,62}$'::text))
);

-- TABLE roles; Type: COMMENT; Schema: public
COMMENT ON TABLE public.roles IS 'What the members of a tenant may do: the built-in roles, and the tenant''s own.';

-- find_role(uuid, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.find_role(tenant uuid, wanted text) RETURNS public.roles
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  found_role public.roles;
begin
  select r.* into found_role from public.roles r where r.tenant_id = tenant and r.key = wanted;
  if found_role.key is null then
    perform private.refuse(400, 'unknown_role', format('this tenant has no role %s', wanted), null, 'the table roles lists them');
  end if;
  return found_role;
end
$$;

-- first_id_at(timestamp with time zone); Type: FUNCTION; Schema: private
CREATE FUNCTION private.first_id_at(instant timestamp with time zone) RETURNS uuid
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  -- https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7: 48 bits of milliseconds come first.
  select (lpad(to_hex((extract(epoch from instant) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- FUNCTION first_id_at(instant timestamp with time zone); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.first_id_at(instant timestamp with time zone) IS 'Sorts before every id that was made at this instant or later.';

-- follow_embedding_model(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.follow_embedding_model() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  delete from private.document_vectors v
   where v.tenant_id = new.tenant_id and v.agent_id = new.id and (v.model is distinct from new.embedding_model or v.refusal is not null);
  if new.embedding_model is null then
    delete from queue.embedding_jobs j where j.tenant_id = new.tenant_id and j.agent_id = new.id;
    return null;
  end if;
  insert into queue.embedding_jobs as j (tenant_id, agent_id) values (new.tenant_id, new.id)
  on conflict (tenant_id, agent_id) do update
    -- Who has claimed it keeps it: taken away, its call would be paid for nothing.
    set run_at = case when j.claimed_by is null then now() else j.run_at end, attempts = 0, batch = 64, reason = null, gave_up_at = null;
  return null;
end
$$;

-- forget_all_quotas(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.forget_all_quotas() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform aias.quota_forget(known.tenant_id) from (select distinct u.tenant_id from aias.quota_usage() u order by 1) known;
  return null;
end
$$;

-- forget_answers_of_agent(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.forget_answers_of_agent() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  delete from private.cached_answers a where a.tenant_id = new.tenant_id and a.agent_id = new.id;
  return null;
end
$$;

-- forget_answers_of_tenant(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.forget_answers_of_tenant() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  delete from private.cached_answers a where a.tenant_id = new.id;
  return null;
end
$$;

-- forget_quotas(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.forget_quotas() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform aias.quota_forget(old.id);
  return null;
end
$$;

-- give_stock_back(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.give_stock_back() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- A tenant that goes takes its rows along, and by the time that this runs its counters are forgotten already.
  perform aias.quota_give(removed.tenant_id, tg_argv[0], removed.amount)
     from (select tenant_id, count(*) as amount from deleted group by tenant_id order by tenant_id) removed
    where exists (select from public.tenants t where t.id = removed.tenant_id);
  return null;
end
$$;

-- FUNCTION give_stock_back(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.give_stock_back() IS 'Gives deleted rows back to the meter named by the trigger''s argument.';

-- guard_role(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.guard_role() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  tenant uuid;
  unknown text[];
  missing bigint;
begin
  if tg_op = 'DELETE' then
    tenant := old.tenant_id;
  else
    tenant := new.tenant_id;
    unknown := array(select wanted from unnest(new.permissions) wanted except select p.key from public.permissions p order by 1);
    if cardinality(unknown) > 0 then
      perform private.refuse(400, 'unknown_permission', format('there is no permission %s', array_to_string(unknown, ', ')),
        null, 'the table permissions lists them');
    end if;
    new.permissions := array(select distinct wanted from unnest(new.permissions) wanted order by 1);
  end if;
  if private.is_caller() then
    -- This runs before row-level security sees an inserted row. Whoever may not write here is refused there, in words that tell nothing.
    if not tenant = any (array(select private.tenants_with('roles.manage'))) then
      return case tg_op when 'DELETE' then old else new end;
    end if;
    if (tg_op <> 'INSERT' and old.built_in) or (tg_op <> 'DELETE' and new.built_in) then
      perform private.refuse(403, 'built_in_role', 'a built-in role stays as it is', null, 'make a role of your own with the permissions you need');
    end if;
    missing := (case when tg_op = 'INSERT' then 0 else private.mask_of(old.permissions) end
                | case when tg_op = 'DELETE' then 0 else private.mask_of(new.permissions) end) & ~private.held_in(tenant);
    if missing <> 0 then
      perform private.refuse_escalation(tenant, 'roles', missing);
    end if;
  end if;
  if tg_op = 'DELETE' and exists (select from public.tenants t where t.id = tenant) then
    if exists (select from public.memberships m where m.tenant_id = tenant and m.role = old.key) then
      perform private.refuse(409, 'role_in_use', format('somebody has the role %s', old.key), null, 'give its members another role first');
    end if;
    -- Those who were invited as such have not come yet.
    update public.invitations i set revoked_at = now()
     where i.tenant_id = tenant and i.role = old.key
       and i.accepted_at is null and i.declined_at is null and i.revoked_at is null;
  end if;
  return case tg_op when 'DELETE' then old else new end;
end
$$;

-- FUNCTION guard_role(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.guard_role() IS 'A role names permissions that exist; clients leave built-in roles alone and grant only what they hold.';

-- guard_second_factor(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.guard_second_factor() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- Whoever asks it of others has one, or the next thing they know is that they are shut out. Nor does an API key take it off.
  if private.is_caller() and not private.has_second_factor() then
    perform private.refuse(403, 'second_factor_required', 'verify a second factor yourself before you require one, or no more',
      null, 'enroll one, verify it in this session (aal2) and try again');
  end if;
  return new;
end
$$;

-- guard_subdomain(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.guard_subdomain() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if private.is_caller() and exists (select from private.reserved_subdomains r where r.subdomain = new.subdomain) then
    perform private.refuse(409, 'subdomain_taken', format('the subdomain "%s" is taken', new.subdomain), null, 'choose another subdomain');
  end if;
  return new;
end
$$;

-- has_feature(uuid, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.has_feature(tenant uuid, feature text) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select exists (
    select from public.tenants t
      join public.subscription_plans p on p.id = t.plan_id
     where t.id = tenant and feature = any (p.features || t.features)
  )
$$;

-- FUNCTION has_feature(tenant uuid, feature text); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.has_feature(tenant uuid, feature text) IS 'Whether a tenant''s plan, or the operator beside the plan, gives it a feature.';

-- has_second_factor(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.has_second_factor() RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  -- https://supabase.com/docs/guides/auth/auth-mfa
  return coalesce(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'aal' = 'aal2', false);
end
$$;

-- FUNCTION has_second_factor(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.has_second_factor() IS 'Whether the session was signed in by two factors.';

-- has_vectors(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.has_vectors() RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select exists (
    select from pg_catalog.pg_attribute
     where attrelid = 'private.document_vectors'::regclass and attname = 'embedding' and not attisdropped)
$$;

-- FUNCTION has_vectors(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.has_vectors() IS 'Whether this database keeps vectors.';

-- held_in(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.held_in(tenant uuid) RETURNS bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  who uuid := private.principal();
begin
  return coalesce((
    select case when private.has_second_factor() then a.granted_with_second_factor else a.granted end
      from private.access a
     where a.principal = who and a.tenant_id = tenant and a.ends_at > now()
  ), 0);
end
$$;

-- FUNCTION held_in(tenant uuid); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.held_in(tenant uuid) IS 'The permissions that the caller holds in a tenant now, as bits; 0 in a tenant that does not exist.';

-- hmac_sha256(bytea, bytea); Type: FUNCTION; Schema: private
CREATE FUNCTION private.hmac_sha256(key bytea, message bytea) RETURNS bytea
    LANGUAGE plpgsql IMMUTABLE STRICT
    SET search_path TO ''
    AS $$
declare
  -- RFC 2104, with the hash that Postgres has built in; pgcrypto is not everywhere.
  block bytea := case when octet_length(key) > 64 then sha256(key) else key end;
  inner_pad bytea;
  outer_pad bytea;
begin
  block := block || decode(repeat('00', 64 - octet_length(block)), 'hex');
  inner_pad := block;
  outer_pad := block;
  for i in 0 .. 63 loop
    inner_pad := set_byte(inner_pad, i, get_byte(block, i) # 54);
    outer_pad := set_byte(outer_pad, i, get_byte(block, i) # 92);
  end loop;
  return sha256(outer_pad || sha256(inner_pad || message));
end
$$;

-- FUNCTION hmac_sha256(key bytea, message bytea); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.hmac_sha256(key bytea, message bytea) IS 'HMAC-SHA256 (RFC 2104).';

-- hold_key(uuid, integer, bytea, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.hold_key(tenant uuid, key_generation integer, new_key bytea, new_key_master text) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  known_generation integer;
begin
  perform private.lock_secrets(tenant);
  known_generation := (select max(k.generation) from private.tenant_keys k where k.tenant_id = tenant);
  if new_key is null and known_generation is distinct from key_generation or new_key is not null and known_generation is not null then
    -- Somebody else made the first key, or rotated it, after our caller looked.
    return false;
  end if;
  if new_key is not null then
    insert into private.tenant_keys (tenant_id, generation, wrapped, master_key_id) values (tenant, key_generation, new_key, new_key_master);
  end if;
  return true;
end
$$;

-- FUNCTION hold_key(tenant uuid, key_generation integer, new_key bytea, new_key_master text); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.hold_key(tenant uuid, key_generation integer, new_key bytea, new_key_master text) IS 'Locks the tenant''s secrets and says whether its data key is of this generation, having kept it when it comes along as the first.';

-- invitations; Type: TABLE; Schema: public
CREATE TABLE public.invitations (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT aias.uuid7() NOT NULL,
    email text NOT NULL,
    role text NOT NULL,
    invited_by uuid,
    granted_by uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone DEFAULT (now() + '7 days'::interval) NOT NULL,
    accepted_at timestamp with time zone,
    accepted_by uuid,
    declined_at timestamp with time zone,
    revoked_at timestamp with time zone,
    sent_at timestamp with time zone,
    delivery_error text,
    CONSTRAINT invitation_email_is_an_address CHECK (((email = lower(email)) AND (email ~ '^[^@[:space:][:cntrl:]<>(),;:\\"]+@[^@[:space:][:cntrl:]<>(),;:\\"]+$'::text) AND (length(email) <= 254))),
    CONSTRAINT invitation_ends_one_way CHECK ((num_nonnulls(accepted_at, declined_at, revoked_at) <= 1))
);

-- TABLE invitations; Type: COMMENT; Schema: public
COMMENT ON TABLE public.invitations IS 'Who was asked to join, and as what. Pending while none of accepted_at, declined_at and revoked_at is set.';

-- COLUMN invitations.role; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.invitations.role IS 'The role''s key. No foreign key: a role that goes withdraws its pending invitations, and history stays.';

-- COLUMN invitations.granted_by; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.invitations.granted_by IS 'The user or API key whose right to invite into this role it stands on, to its end: an invitation is worth nothing when they could not give it any more.';

-- COLUMN invitations.delivery_error; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.invitations.delivery_error IS 'Why the mail has not arrived yet, in the mail server''s words.';

-- invitation_of_token(text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.invitation_of_token(token text) RETURNS public.invitations
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  invitation public.invitations;
  account auth.users;
begin
  select u.* into account from auth.users u where u.id = (select auth.uid());
  if account.id is null then
    perform private.refuse(401, 'not_signed_in', 'sign in with the address that was invited');
  end if;
  select i.* into invitation
    from private.invitation_tokens t
    join public.invitations i on i.tenant_id = t.tenant_id and i.id = t.invitation_id
   where t.hash = sha256(convert_to(token, 'UTF8'))
     for no key update of i;
  -- A token of an invitation that is over is gone, and with it the difference to one that never was.
  -- Who waited for the lock above has the row as it is now, beside a token that was there before.
  if invitation.id is null or not private.is_pending(invitation) then
    perform private.refuse_invitation();
  end if;
  if lower(account.email) is distinct from invitation.email then
    perform private.refuse(403, 'wrong_account', 'this invitation was sent to another address', null, 'sign in with the address that was invited');
  end if;
  if account.email_confirmed_at is null then
    perform private.refuse(403, 'email_not_confirmed', 'confirm your e-mail address first');
  end if;
  if invitation.expires_at <= now() then
    perform private.refuse(410, 'invitation_expired', 'this invitation is over', null, 'ask for a new one');
  end if;
  return invitation;
end
$$;

-- FUNCTION invitation_of_token(token text); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.invitation_of_token(token text) IS 'The pending invitation behind a token, locked, when the caller''s confirmed address is the one that was invited.';

-- invitation_to_manage(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.invitation_to_manage(wanted_invitation uuid) RETURNS public.invitations
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  invitation public.invitations;
begin
  select i.* into invitation
    from public.invitations i
   where i.id = wanted_invitation and i.tenant_id = any (array(select private.own_tenants()))
     for no key update;
  if invitation.id is null then
    perform private.refuse(404, 'not_found', 'there is no such invitation');
  end if;
  perform private.demand(invitation.tenant_id, 'members.manage');
  if not private.is_pending(invitation) then
    perform private.refuse(409, 'invitation_over', 'this invitation was used, declined or withdrawn already');
  end if;
  return invitation;
end
$$;

-- invite_member(uuid, text, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.invite_member(tenant uuid, wanted_email text, wanted_role text) RETURNS public.invitations
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  address text := lower(btrim(wanted_email));
  invitation public.invitations;
begin
  perform private.demand(tenant, 'members.manage');
  perform private.find_role(tenant, wanted_role);
  perform private.demand_grant(tenant, 'invitations', array[wanted_role]);
  if exists (
    select from public.memberships m join public.users u on u.id = m.user_id where m.tenant_id = tenant and lower(u.email) = address
  ) then
    perform private.refuse(409, 'already_member', 'somebody with this address is a member already');
  end if;
  perform private.limit_invitations(tenant);
  -- One that nobody used in time makes room for a new one.
  update public.invitations i set revoked_at = now()
   where i.tenant_id = tenant and i.email = address and i.expires_at <= now()
     and i.accepted_at is null and i.declined_at is null and i.revoked_at is null;
  begin
    insert into public.invitations (tenant_id, email, role, invited_by, granted_by)
    values (tenant, address, wanted_role, (select auth.uid()), private.principal())
    returning * into invitation;
  exception
    when unique_violation then
      perform private.refuse(409, 'already_invited', 'somebody with this address is invited already',
        null, 'rpc resend_invitation sends the mail again, rpc revoke_invitation takes it back');
    when check_violation or not_null_violation then
      perform private.refuse(400, 'invalid_email', 'this is no e-mail address');
  end;
  perform private.mail_invitation(invitation);
  return invitation;
end
$$;

-- invoice_preview(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.invoice_preview(tenant uuid) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if private.held_in(tenant) & private.mask_of('{billing.read,billing.manage}') = 0 then
    perform private.demand(tenant, 'billing.read');
  end if;
  return billing.invoice_preview(tenant);
end
$$;

-- FUNCTION invoice_preview(tenant uuid); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.invoice_preview(tenant uuid) IS 'See public.invoice_preview.';

-- is_caller(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.is_caller() RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  -- The role that the request runs as, also inside a definer.
  select current_setting('role') in ('anon', 'authenticated')
$$;

-- FUNCTION is_caller(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.is_caller() IS 'Whether somebody from outside is behind this transaction, and not a worker or the operator.';

-- is_pending(public.invitations); Type: FUNCTION; Schema: private
CREATE FUNCTION private.is_pending(invitation public.invitations) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select num_nonnulls(invitation.accepted_at, invitation.declined_at, invitation.revoked_at) = 0
$$;

-- is_still_granted(public.invitations); Type: FUNCTION; Schema: private
CREATE FUNCTION private.is_still_granted(invitation public.invitations) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  -- Asked when it is used, and not kept true by triggers: the granter may have left, lost a role, had a role edited, or be a key that was
  -- revoked; the role may have been edited to allow more than was given.
  select exists (
    select from private.access a
      join public.roles r on r.tenant_id = a.tenant_id and r.key = invitation.role
     where a.tenant_id = invitation.tenant_id and a.principal = invitation.granted_by and a.ends_at > now()
       and (private.mask_of(r.permissions) | private.mask_of('{members.manage}')) & ~a.granted_with_second_factor = 0
       and (r.key <> 'owner' or exists (
         select from public.memberships m where m.tenant_id = a.tenant_id and m.user_id = a.principal and m.role = 'owner')))
$$;

-- FUNCTION is_still_granted(invitation public.invitations); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.is_still_granted(invitation public.invitations) IS 'Whether whoever gave an invitation could give it now.';

-- keep_agent_version(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.keep_agent_version() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  insert into public.agent_versions (tenant_id, agent_id, version, model, config, created_by)
  values (new.tenant_id, new.id, new.version, new.model, new.config, (select auth.uid()));
  return null;
end
$$;

-- FUNCTION keep_agent_version(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.keep_agent_version() IS 'Writes the version that a change of an agent numbered.';

-- keep_an_owner(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.keep_an_owner() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  orphan uuid;
begin
  -- Renewing access has made us the only one who changes this tenant's members, so whoever else has just left is seen here.
  select d.tenant_id into orphan
    from deleted d
    join public.tenants t on t.id = d.tenant_id
   where d.role = 'owner'
     and not exists (select from public.memberships m where m.tenant_id = d.tenant_id and m.role = 'owner')
   limit 1;
  if orphan is not null then
    perform private.refuse(409, 'last_owner', 'a tenant always has an owner', null, 'make somebody else an owner first: rpc transfer_ownership');
  end if;
  return null;
end
$$;

-- keep_columns(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.keep_columns() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  kept text;
begin
  -- Not left to column grants: a service that grants on whole tables would open them again.
  if current_user not in ('anon', 'authenticated') then
    return new;
  end if;
  foreach kept in array tg_argv loop
    if to_jsonb(new) -> kept is distinct from to_jsonb(old) -> kept then
      perform private.refuse(403, 'column_is_read_only', format('%s of %I is not changed by clients', kept, tg_table_name));
    end if;
  end loop;
  return new;
end
$$;

-- FUNCTION keep_columns(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.keep_columns() IS 'Refuses a change, by an API role, of the columns that the trigger''s arguments name.';

-- keep_dimensions(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.keep_dimensions() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if (new.model, new.dimensions) is distinct from (old.model, old.dimensions) then
    raise exception 'a model keeps its name and its dimensions: there may be vectors of it' using errcode = 'restrict_violation';
  end if;
  return new;
end
$$;

-- FUNCTION keep_dimensions(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.keep_dimensions() IS 'Refuses to change a model for embeddings.';

-- keep_final_step(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.keep_final_step() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if old.status in ('succeeded', 'failed', 'skipped', 'cancelled') then
    raise exception 'step % of execution % is % and stays so', old.node_id, old.execution_id, old.status
      using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end
$$;

-- keep_identity(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.keep_identity() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- Moving a row between tenants would carry its history along, and leave its quota behind. Copy it instead.
  perform private.refuse(409, 'identity_is_fixed',
    format('a row of %I keeps its tenant and its id', tg_table_name),
    null, 'insert a copy into the other tenant and delete this row');
  return null;
end
$$;

-- FUNCTION keep_identity(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.keep_identity() IS 'Refuses an update. The trigger''s condition says that it moves a row to another tenant or to another id.';

-- keep_value(uuid, text, text, integer, bytea, bytea); Type: FUNCTION; Schema: private
CREATE FUNCTION private.keep_value(tenant uuid, of_kind text, called text, key_generation integer, nonce bytea, ciphertext bytea) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  insert into private.secret_values as v (tenant_id, kind, name, key_generation, nonce, ciphertext)
  values (tenant, of_kind, called, keep_value.key_generation, keep_value.nonce, keep_value.ciphertext)
  on conflict (tenant_id, kind, name) do update
    set key_generation = excluded.key_generation, nonce = excluded.nonce, ciphertext = excluded.ciphertext
$$;

-- FUNCTION keep_value(tenant uuid, of_kind text, called text, key_generation integer, nonce bytea, ciphertext bytea); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.keep_value(tenant uuid, of_kind text, called text, key_generation integer, nonce bytea, ciphertext bytea) IS 'Keeps a sealed value, in the place of the one before. The caller holds the lock of private.hold_key.';

-- keep_version_as_it_is(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.keep_version_as_it_is() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- Only who made it may be forgotten.
  if (to_jsonb(new) - 'created_by') is distinct from (to_jsonb(old) - 'created_by') or new.created_by is not null then
    perform private.refuse(409, 'version_is_fixed', format('version %s of an agent does not change', old.version), null,
      'change the agent, which makes a new version');
  end if;
  return new;
end
$$;

-- FUNCTION keep_version_as_it_is(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.keep_version_as_it_is() IS 'Refuses every change of a version, by whatever road.';

-- key_of(jsonb, text[]); Type: FUNCTION; Schema: private
CREATE FUNCTION private.key_of(changed jsonb, key_columns text[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select jsonb_agg(changed -> k.name order by k.position) from unnest(key_columns) with ordinality as k (name, position)
$$;

-- FUNCTION key_of(changed jsonb, key_columns text[]); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.key_of(changed jsonb, key_columns text[]) IS 'The key of a row, by which what it was finds what it is.';

-- leave_tenant(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.leave_tenant(tenant uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if not exists (select from public.memberships m where m.tenant_id = tenant and m.user_id = (select auth.uid())) then
    perform private.refuse(404, 'not_found', 'there is no such tenant');
  end if;
  -- See private.member_to_manage.
  perform private.lock_access(tenant);
  delete from public.memberships m where m.tenant_id = tenant and m.user_id = (select auth.uid());
end
$$;

-- left_of_rate_limit(public.rate_limits, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.left_of_rate_limit(rate public.rate_limits, meter text, OUT allowed integer, OUT remaining bigint) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  allowed := case meter when 'requests_per_minute' then rate.requests_per_minute else rate.tokens_per_minute end;
  if allowed is not null then
    remaining := aias.rate_limit_remaining(meter || ':' || rate.id, allowed, interval '1 minute');
  end if;
end
$$;

-- FUNCTION left_of_rate_limit(rate public.rate_limits, meter text, OUT allowed integer, OUT remaining bigint); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.left_of_rate_limit(rate public.rate_limits, meter text, OUT allowed integer, OUT remaining bigint) IS 'requests_per_minute or llm_tokens_per_minute of a rate limit, and what is left of it; null where it does not limit those.';

-- left_of_the_minute(uuid, text, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.left_of_the_minute(tenant uuid, meter text, bucket text, OUT allowed bigint, OUT remaining bigint) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  allowed := private.limit_of(tenant, meter);
  if allowed is not null then
    allowed := greatest(0, least(allowed, 60000000));
    remaining := aias.rate_limit_remaining(bucket || tenant, allowed::integer, interval '1 minute');
  end if;
end
$$;

-- FUNCTION left_of_the_minute(tenant uuid, meter text, bucket text, OUT allowed bigint, OUT remaining bigint); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.left_of_the_minute(tenant uuid, meter text, bucket text, OUT allowed bigint, OUT remaining bigint) IS 'A limit of a minute, and what is left of it; null where there is none.';

-- limit_invitations(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.limit_invitations(tenant uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  -- Mails go to people who did not ask for them: not without end.
  select aias.rate_limit_or_refuse('invitations:' || tenant, 100, interval '1 hour', meter => 'invitations')
$$;

-- limit_of(uuid, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.limit_of(tenant uuid, meter text) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select case when t.limit_overrides ? meter then (t.limit_overrides ->> meter)::bigint
              else (p.limits ->> meter)::bigint end
    from public.tenants t
    join public.subscription_plans p on p.id = t.plan_id
   where t.id = tenant
$$;

-- FUNCTION limit_of(tenant uuid, meter text); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.limit_of(tenant uuid, meter text) IS 'What a tenant''s plan and overrides allow of a meter; null means unlimited.';

-- llm_cost_usd(text, text, timestamp with time zone, bigint, bigint, bigint, bigint, bigint); Type: FUNCTION; Schema: private
CREATE FUNCTION private.llm_cost_usd(llm_provider text, llm_model text, at timestamp with time zone, input bigint, cached bigint, output bigint, cache_write_tokens bigint DEFAULT 0, reasoning_tokens bigint DEFAULT 0) RETURNS numeric
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select (greatest(input - cached - cache_write_tokens, 0) * p.input_usd_per_million
          + cached * p.cached_input_usd_per_million
          + cache_write_tokens * coalesce(p.cache_write_usd_per_million, p.input_usd_per_million)
          + greatest(output - reasoning_tokens, 0) * p.output_usd_per_million
          + reasoning_tokens * coalesce(p.reasoning_usd_per_million, p.output_usd_per_million)) / 1000000
    from private.llm_prices p
   where p.provider = llm_provider and p.model = llm_model and p.valid_from <= at
   order by p.valid_from desc
   limit 1
$$;

-- FUNCTION llm_cost_usd(llm_provider text, llm_model text, at timestamp with time zone, input bigint, cached bigint, output bigint, cache_write_tokens bigint, reasoning_tokens bigint); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.llm_cost_usd(llm_provider text, llm_model text, at timestamp with time zone, input bigint, cached bigint, output bigint, cache_write_tokens bigint, reasoning_tokens bigint) IS 'List price of a call in USD; null when the model has no price.';

-- lock_access(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.lock_access(tenant uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  insert into private.access_epochs as e (tenant_id, epoch) values (tenant, 1)
  on conflict (tenant_id) do update set epoch = e.epoch + 1
$$;

-- FUNCTION lock_access(tenant uuid); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.lock_access(tenant uuid) IS 'From here on nobody else changes who may do what in this tenant until we commit. What others committed while we waited is seen by the next statement; a transaction whose snapshot is too old to see it fails with 40001.';

-- lock_access_of_person(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.lock_access_of_person() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- An account that goes takes its memberships along. Their tenants are locked before them, as by everybody who changes members.
  perform private.lock_access(m.tenant_id)
     from (select m.tenant_id from public.memberships m where m.user_id = old.id order by m.tenant_id) m;
  return old;
end
$$;

-- jobs; Type: TABLE; Schema: queue
CREATE TABLE queue.jobs (
    tenant_id uuid NOT NULL,
    execution_id uuid NOT NULL,
    workflow_id uuid NOT NULL,
    priority smallint DEFAULT 0 NOT NULL,
    claims_without_progress smallint DEFAULT 0 NOT NULL,
    state text DEFAULT 'ready'::text NOT NULL,
    ready_in xid8 DEFAULT pg_current_xact_id(),
    run_at timestamp with time zone,
    fencing_token bigint DEFAULT 0 NOT NULL,
    claimed_by text,
    has_steps boolean DEFAULT false NOT NULL,
    has_waits boolean DEFAULT false NOT NULL,
    is_woken boolean DEFAULT false NOT NULL,
    CONSTRAINT claimed_job_has_a_holder CHECK (((state = 'claimed'::text) = (claimed_by IS NOT NULL))),
    CONSTRAINT claimed_job_has_an_end CHECK (((state <> 'claimed'::text) OR (run_at IS NOT NULL))),
    CONSTRAINT job_state_is_known CHECK ((state = ANY (ARRAY['ready'::text, 'claimed'::text, 'waiting'::text, 'paused'::text]))),
    CONSTRAINT ready_job_has_a_place CHECK (((state = 'ready'::text) = (ready_in IS NOT NULL)))
)
WITH (autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_cost_delay='0');

-- TABLE jobs; Type: COMMENT; Schema: queue
COMMENT ON TABLE queue.jobs IS 'An execution that is not finished. Rows leave when it is.';

-- COLUMN jobs.claims_without_progress; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.jobs.claims_without_progress IS 'Claims since a result was last recorded; too many mean that it kills its workers.';

-- COLUMN jobs.ready_in; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.jobs.ready_in IS 'The transaction that made it ready: its place in the lane.';

-- COLUMN jobs.run_at; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.jobs.run_at IS 'When it is ready again: the end of a timer, or of the holder''s lease. Null: when somebody wakes it.';

-- COLUMN jobs.fencing_token; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.jobs.fencing_token IS 'Raised by every claim; a result that carries an older one is refused.';

-- COLUMN jobs.has_steps; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.jobs.has_steps IS 'Whether steps were recorded, so that a claim looks for them.';

-- COLUMN jobs.has_waits; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.jobs.has_waits IS 'Whether steps of it wait for something, so that a claim looks for what came.';

-- COLUMN jobs.is_woken; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.jobs.is_woken IS 'Something came for it while a worker held it.';

-- lock_job(public.executions); Type: FUNCTION; Schema: private
CREATE FUNCTION private.lock_job(execution public.executions) RETURNS queue.jobs
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  job queue.jobs;
begin
  select j.* into job from queue.jobs j
   where j.tenant_id = execution.tenant_id and j.execution_id = execution.id
     for update;
  if job.execution_id is null then
    perform private.refuse(409, 'execution_finished', format('this execution is over; its status is %s', (
      select e.status from public.executions e where e.tenant_id = execution.tenant_id and e.id = execution.id)));
  end if;
  return job;
end
$$;

-- FUNCTION lock_job(execution public.executions); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.lock_job(execution public.executions) IS 'The job of an execution that is not over, locked; refuses when it is.';

-- lock_secrets(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.lock_secrets(tenant uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select pg_advisory_xact_lock(hashtextextended('secrets:' || tenant, 0)) $$;

-- FUNCTION lock_secrets(tenant uuid); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.lock_secrets(tenant uuid) IS 'From here on nobody else changes secrets of this tenant, or their key, until we commit.';

-- look_at_invitation(text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.look_at_invitation(token text) RETURNS TABLE(tenant_name text, role text, role_name text, email text, invited_by text, expires_at timestamp with time zone)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select t.name, i.role, r.name, i.email, u.name, i.expires_at
    from private.invitation_of_token(token) i
    join public.tenants t on t.id = i.tenant_id
    left join public.roles r on r.tenant_id = i.tenant_id and r.key = i.role
    left join public.users u on u.id = i.invited_by
$$;

-- look_at_rate_limit(public.rate_limits, text, bigint); Type: FUNCTION; Schema: private
CREATE FUNCTION private.look_at_rate_limit(rate public.rate_limits, meter text, wanted bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  l record := private.left_of_rate_limit(rate, meter);
begin
  if l.remaining < greatest(1, least(wanted, l.allowed)) and wanted > 0 then
    perform private.count_in_rate_limit(rate, meter, wanted, 0);
  end if;
end
$$;

-- FUNCTION look_at_rate_limit(rate public.rate_limits, meter text, wanted bigint); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.look_at_rate_limit(rate public.rate_limits, meter text, wanted bigint) IS 'Refuses what private.count_in_rate_limit would refuse, and counts nothing.';

-- mail_invitation(public.invitations); Type: FUNCTION; Schema: private
CREATE FUNCTION private.mail_invitation(invitation public.invitations) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  insert into queue.mails (tenant_id, idempotency_key, template, recipient, subject_id, expires_at, variables)
  select invitation.tenant_id, format('invitation:%s:%s', invitation.id, extract(epoch from invitation.expires_at)), 'invitation',
         invitation.email, invitation.id, invitation.expires_at,
         jsonb_build_object(
           'tenant_name', t.name,
           'role_name', (select r.name from public.roles r where r.tenant_id = t.id and r.key = invitation.role),
           'invited_by', (select nullif(u.name, '') from public.users u where u.id = invitation.invited_by),
           'expires_at', to_char(invitation.expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
    from public.tenants t
   where t.id = invitation.tenant_id
  on conflict on constraint mail_is_promised_once do nothing;
  perform pg_notify('aias_mails', '');
end
$$;

-- FUNCTION mail_invitation(invitation public.invitations); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.mail_invitation(invitation public.invitations) IS 'Promises the mail of an invitation, once for each time that its end is set.';

-- mask_of(text[]); Type: FUNCTION; Schema: private
CREATE FUNCTION private.mask_of(permissions text[]) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select coalesce(bit_or(1::bigint << p.bit), 0) from public.permissions p where p.key = any (permissions)
$$;

-- FUNCTION mask_of(permissions text[]); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.mask_of(permissions text[]) IS 'A set of permissions as bits.';

-- master_keys_in_use(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.master_keys_in_use() RETURNS TABLE(master_key_id text, tenants bigint)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select k.master_key_id, count(*) from private.tenant_keys k group by 1 order by 1
$$;

-- FUNCTION master_keys_in_use(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.master_keys_in_use() IS 'Which master keys are still needed, and by how many tenants.';

-- may_decide(uuid, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.may_decide(tenant uuid, wanted_permission text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  mask bigint := private.mask_of(array[wanted_permission]);
begin
  if mask <> 0 then
    return private.held_in(tenant) & mask <> 0;
  end if;
  -- There is no such permission, so nobody has it. Somebody has to be able to decide all the same.
  return private.held_in(tenant) & private.mask_of('{workflows.execute}') <> 0
     and exists (select from public.memberships m where m.tenant_id = tenant and m.user_id = private.principal() and m.role = 'owner');
end
$$;

-- FUNCTION may_decide(tenant uuid, wanted_permission text); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.may_decide(tenant uuid, wanted_permission text) IS 'Whether the caller may decide what asks for a permission. One that does not exist is held by owners.';

-- mcp_server_problem(jsonb); Type: FUNCTION; Schema: private
CREATE FUNCTION private.mcp_server_problem(server jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $_$
  select case
    when jsonb_typeof(server) <> 'object' then 'an MCP server is an object'
    when jsonb_typeof(server -> 'name') is distinct from 'string' or (server ->> 'name') !~ '^[a-zA-Z0-9_-]{1,32}$' then
      'the name of an MCP server has 1 to 32 letters, digits, underscores and dashes'
    when jsonb_typeof(server -> 'url') is distinct from 'string' or (server ->> 'url') !~ '^https?://[^/?#@\s]+([/?][^#\s]*)?$' then
      'the url of an MCP server begins with http:// or https:// and has no user and no fragment'
    when server ? 'headers' and jsonb_typeof(server -> 'headers') not in ('object', 'null') then 'the headers of an MCP server are an object'
    when server ? 'auth' and jsonb_typeof(server -> 'auth') not in ('object', 'null') then 'auth of an MCP server is an object'
    when server ? 'allow' and (jsonb_typeof(server -> 'allow') not in ('array', 'null') or jsonb_path_exists(server, '$.allow[*] ? (@.type() != "string")')) then
      'allow of an MCP server is a list of the names of its tools'
  end
$_$;

-- FUNCTION mcp_server_problem(server jsonb); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.mcp_server_problem(server jsonb) IS 'What is wrong with an MCP server of an agent, in a sentence; null when nothing is.';

-- mcp_servers_problem(jsonb); Type: FUNCTION; Schema: private
CREATE FUNCTION private.mcp_servers_problem(config jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
declare
  servers constant jsonb := nullif(config -> 'mcp_servers', 'null');
  problem text;
begin
  if servers is null then
    return null;
  end if;
  if jsonb_typeof(servers) <> 'array' or jsonb_array_length(servers) > 16 then
    return 'mcp_servers is a list of at most 16';
  end if;
  select private.mcp_server_problem(s.server) into problem
    from jsonb_array_elements(servers) with ordinality s (server, position)
   where private.mcp_server_problem(s.server) is not null
   order by s.position limit 1;
  if problem is null then
    select format('two MCP servers are called %s', s.server ->> 'name') into problem
      from jsonb_array_elements(servers) s (server)
     group by s.server ->> 'name' having count(*) > 1 order by 1 limit 1;
  end if;
  return problem;
end
$$;

-- FUNCTION mcp_servers_problem(config jsonb); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.mcp_servers_problem(config jsonb) IS 'What is wrong with the MCP servers in the config of an agent, in a sentence; null when nothing is.';

-- member_to_manage(uuid, uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.member_to_manage(tenant uuid, member uuid) RETURNS public.memberships
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  membership public.memberships;
begin
  perform private.demand(tenant, 'members.manage');
  -- Everybody who changes members passes here first, and rows after it: no two of them wait for each other in a circle. What was allowed
  -- before the wait may not be after it.
  perform private.lock_access(tenant);
  perform private.demand(tenant, 'members.manage');
  select m.* into membership from public.memberships m where m.tenant_id = tenant and m.user_id = member for no key update;
  if membership.user_id is null then
    perform private.refuse(404, 'not_found', 'this tenant has no such member');
  end if;
  return membership;
end
$$;

-- my_tenants(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.my_tenants() RETURNS TABLE(tenant_id uuid, name text, subdomain text, status text, role text, permissions text[], requires_second_factor boolean, second_factor_missing boolean, access_ends_at timestamp with time zone)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select t.id, t.name, t.subdomain, t.status, m.role, private.permissions_in(private.held_in(t.id)),
         t.requires_second_factor, a.granted <> a.granted_with_second_factor and not private.has_second_factor(),
         nullif(a.ends_at, 'infinity')
    from private.access a
    join public.tenants t on t.id = a.tenant_id
    left join public.memberships m on m.tenant_id = t.id and m.user_id = a.principal
   where a.principal = private.principal() and a.ends_at > now()
   order by t.name, t.id
$$;

-- nearest_chunks(uuid, uuid, real[]); Type: FUNCTION; Schema: private
CREATE FUNCTION private.nearest_chunks(tenant uuid, agent uuid, question real[]) RETURNS TABLE(document_id uuid, "position" integer, place bigint)
    LANGUAGE plpgsql STABLE ROWS 50
    SET search_path TO ''
    AS $$
#variable_conflict use_column
begin
  if question is null or not private.has_vectors() then
    return;
  end if;
  return query
    -- Once, and not for each row that it is compared with.
    with asked as materialized (
      select question::extensions.vector as vector
    ),
    nearest as (
      select v.document_id, v.digest, v.embedding operator(extensions.<=>) a.vector as distance
        from asked a
        join private.document_vectors v on v.tenant_id = tenant and v.agent_id = agent and v.embedding is not null
       where v.model = (select g.embedding_model from public.ai_agents g where g.tenant_id = tenant and g.id = agent)
       order by 3
       -- As a number, so that the planner knows how few they are.
       limit 50
    )
    select c.document_id, c.position, row_number() over (order by n.distance, c.document_id, c.position)
      from nearest n
      join private.document_chunks c on c.tenant_id = tenant and c.document_id = n.document_id and c.digest = n.digest
     order by 3
     limit 50;
end
$$;

-- FUNCTION nearest_chunks(tenant uuid, agent uuid, question real[]); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.nearest_chunks(tenant uuid, agent uuid, question real[]) IS 'The 50 pieces of an agent''s documents whose vectors are nearest to one, by their cosine, with their places from 1. None where no vectors are kept.';

-- note_cancellation(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.note_cancellation() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  new.cancelled_at := case when new.status = 'cancelled' then coalesce(new.cancelled_at, now()) end;
  if tg_op = 'INSERT' then
    new.cancelled_by_owner := false;
  elsif old.status is distinct from new.status then
    -- Out of an active tenant only: to cancel and reopen a suspended one would lift the suspension.
    new.cancelled_by_owner := new.status = 'cancelled' and old.status = 'active' and private.is_caller();
  end if;
  return new;
end
$$;

-- FUNCTION note_cancellation(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.note_cancellation() IS 'Keeps cancelled_at beside the status, by whatever road the status changes.';

-- number_agent_version(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.number_agent_version() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- Whatever the writer sent: numbers have no gaps.
  new.version := case
    when tg_op = 'INSERT' then 1
    when (new.model, new.config) is distinct from (old.model, old.config) then old.version + 1
    else old.version
  end;
  return new;
end
$$;

-- FUNCTION number_agent_version(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.number_agent_version() IS 'Numbers what an agent says and does, anew with each change of its model or config.';

-- own_tenants(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.own_tenants() RETURNS SETOF uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 10
    SET search_path TO ''
    AS $$ begin return query select unnest(aias.own_tenants()); end $$;

-- FUNCTION own_tenants(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.own_tenants() IS 'What aias.own_tenants answers, as rows.';

-- pause_execution(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.pause_execution(wanted_execution uuid) RETURNS public.executions
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  execution public.executions := private.execution_to(wanted_execution, 'executions.cancel');
  job queue.jobs := private.lock_job(execution);
begin
  if job.state = 'claimed' and job.run_at > now() then
    -- Its worker is told, lets what is out end and records the pause.
    update public.executions e
       set pause_requested_at = coalesce(e.pause_requested_at, now())
     where e.tenant_id = execution.tenant_id and e.id = execution.id
    returning e.* into execution;
    perform pg_notify('aias_attention', execution.id::text);
  elsif job.state <> 'paused' then
    -- Nobody works on it; and whoever still believes to is refused, since it is not claimed any more.
    update queue.jobs j set state = 'paused', ready_in = null, run_at = null, claimed_by = null
     where j.tenant_id = execution.tenant_id and j.execution_id = execution.id;
    update public.executions e
       set status = 'paused', pause_requested_at = null, revision = e.revision + 1
     where e.tenant_id = execution.tenant_id and e.id = execution.id
    returning e.* into execution;
    perform pg_notify('aias_executions', execution.id::text);
  else
    select e.* into execution from public.executions e where e.tenant_id = execution.tenant_id and e.id = execution.id;
    return execution;
  end if;
  perform audit.record_event(execution.tenant_id, 'executions.pause', 'executions', execution.id::text);
  return execution;
end
$$;

-- permissions_in(bigint); Type: FUNCTION; Schema: private
CREATE FUNCTION private.permissions_in(mask bigint) RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select coalesce(array_agg(p.key order by p.key), '{}') from public.permissions p where mask & (1::bigint << p.bit) <> 0
$$;

-- FUNCTION permissions_in(mask bigint); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.permissions_in(mask bigint) IS 'Bits as a set of permissions.';

-- principal(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.principal() RETURNS uuid
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  claims jsonb := nullif(current_setting('request.jwt.claims', true), '');
begin
  -- `request.jwt.claim.sub` is what PostgREST before 9 set, and what auth.uid() still reads first.
  return coalesce(claims ->> 'api_key_id', nullif(current_setting('request.jwt.claim.sub', true), ''), claims ->> 'sub');
end
$$;

-- FUNCTION principal(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.principal() IS 'Who asks: the id of an API key, which edge-api puts into the claims and no Auth server does, or else of a user. Null: nobody.';

-- publish_trigger(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.publish_trigger() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  -- The trigger comes first in a plan.
  start jsonb := case when new.status = 'active' then (
    select v.plan #> '{nodes,0}' from public.workflow_versions v
     where v.tenant_id = new.tenant_id and v.workflow_id = new.id and v.version = new.version) end;
  config jsonb := start -> 'config';
  wanted_source text;
  wanted_permission text;
begin
  if start ->> 'kind' = 'webhook' then
    perform private.webhook_of(new);
    update private.webhooks h
       set is_published = true, signed_by_drawing = coalesce((config ->> 'signed')::boolean, false)
     where h.tenant_id = new.tenant_id and h.workflow_id = new.id;
  elsif start is not null then
    update private.webhooks h set is_published = false, signed_by_drawing = false
     where h.tenant_id = new.tenant_id and h.workflow_id = new.id and h.is_published;
  end if;
  if start ->> 'kind' = 'schedule' then
    insert into queue.schedules as s (tenant_id, workflow_id, version, cron, timezone, missed)
    values (new.tenant_id, new.id, new.version, config ->> 'cron', coalesce(config ->> 'timezone', 'UTC'), coalesce(config ->> 'missed', 'skip'))
    on conflict (tenant_id, workflow_id) do update
      set version = excluded.version, missed = excluded.missed, cron = excluded.cron, timezone = excluded.timezone,
          -- Other times begin now, and a worker that has just computed the old ones is refused. The same times go on as they were.
          handled_until = case when (s.cron, s.timezone) = (excluded.cron, excluded.timezone) then s.handled_until else now() end,
          next_run_at = case when (s.cron, s.timezone) = (excluded.cron, excluded.timezone) then s.next_run_at end,
          run_at = case when (s.cron, s.timezone) = (excluded.cron, excluded.timezone) then s.run_at else now() end,
          fencing_token = s.fencing_token + case when (s.cron, s.timezone) = (excluded.cron, excluded.timezone) then 0 else 1 end;
    perform pg_notify('aias_schedules', '');
  else
    delete from queue.schedules s where s.tenant_id = new.tenant_id and s.workflow_id = new.id;
  end if;
  delete from private.event_subscriptions s where s.tenant_id = new.tenant_id and s.workflow_id = new.id;
  if start ->> 'kind' = 'event' then
    wanted_source := private.event_source(config ->> 'table');
    select e.permission into wanted_permission from private.event_sources e where e.source = wanted_source;
    -- Whoever reads the workflow's executions will read these rows. Nobody publishes what they could not read themselves.
    if wanted_permission is not null and private.is_caller()
       and not new.tenant_id = any (array(select private.tenants_with(wanted_permission))) then
      perform private.refuse(403, 'forbidden', format('you may not read %s, and so not publish a workflow that is told of its rows', config ->> 'table'),
        null, format('ask for the permission %s', wanted_permission));
    end if;
    insert into private.event_subscriptions (tenant_id, workflow_id, version, source, operation)
    select new.tenant_id, new.id, new.version, wanted_source, o.operation
      from jsonb_array_elements_text(config -> 'operations') o (operation);
  end if;
  return null;
end
$$;

-- FUNCTION publish_trigger(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.publish_trigger() IS 'Keeps what starts a workflow equal to the trigger of its published version: its webhook, its schedule, the changes that it is told of.';

-- publish_workflow(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.publish_workflow() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  insert into public.workflow_versions (tenant_id, workflow_id, version, nodes, connections, plan, created_by)
  values (new.tenant_id, new.id, new.version, new.nodes, new.connections,
          aias.workflow_plan(new.nodes, new.connections), (select auth.uid()));
  return null;
end
$$;

-- FUNCTION publish_workflow(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.publish_workflow() IS 'Writes the version that an activation numbered.';

-- quota_audit(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.quota_audit() RETURNS TABLE(tenant_id uuid, meter text, used bigint, counted bigint, drift bigint)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  with counted (tenant_id, meter, amount) as (
    select w.tenant_id, 'workflows', count(*) from public.workflows w group by 1
    union all
    select m.tenant_id, 'users', count(*) from public.memberships m group by 1
    union all
    select s.tenant_id, 'storage_bytes', s.bytes from private.stored_bytes() s
  )
  select u.tenant_id, u.meter, u.used, coalesce(c.amount, 0), u.used - coalesce(c.amount, 0)
    from aias.quota_usage() u
    left join counted c on c.tenant_id = u.tenant_id and c.meter = u.meter
   where u.meter in ('workflows', 'users', 'storage_bytes') and u.used <> coalesce(c.amount, 0)
   order by u.tenant_id, u.meter
$$;

-- FUNCTION quota_audit(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.quota_audit() IS 'Stocks whose counter differs from their tables; no row when all is well. A row is mended by aias.quota_recount(tenant_id, meter, counted).';

-- quota_status(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.quota_status(tenant uuid) RETURNS TABLE(meter text, kind text, quota_limit bigint, used bigint, reserved bigint, remaining bigint, period_start timestamp with time zone, resets_at timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if (tenant = any (array(select private.tenants_with('usage.read')))) is not true then
    perform private.refuse(404, 'not_found', 'there is no such tenant, or you may not see its usage');
  end if;
  return query select * from aias.quota_status(tenant);
end
$$;

-- random_token(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.random_token() RETURNS text
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  -- 32 bytes, url-safe. gen_random_uuid() is made of the system's random bytes, 122 bits each.
  select rtrim(translate(encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64'), '+/', '-_'), '=')
$$;

-- FUNCTION random_token(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.random_token() IS '43 characters of base64url that nobody guesses.';

-- rate_limits_of_call(uuid, uuid, text[]); Type: FUNCTION; Schema: private
CREATE FUNCTION private.rate_limits_of_call(tenant uuid, api_key uuid, models text[]) RETURNS SETOF public.rate_limits
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select l.*
    from public.rate_limits l
   where l.tenant_id = tenant
     and (l.api_key_id is null or l.api_key_id = api_key)
     and (l.model is null or l.model = any (models))
   -- The narrowest first: who is over their own limit takes nothing from others.
   order by l.api_key_id is null or l.model is null, l.api_key_id is null, l.id
$$;

-- FUNCTION rate_limits_of_call(tenant uuid, api_key uuid, models text[]); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.rate_limits_of_call(tenant uuid, api_key uuid, models text[]) IS 'What a call with this key falls under, the narrowest first. It counts for every model that may come to answer it, or naming another one first would get around a limit.';

-- recount_storage(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.recount_storage() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- The files may be gone and the documents still there, or the other way round.
  perform aias.quota_recount(t.id, 'storage_bytes', coalesce(s.bytes, 0))
     from public.tenants t
     left join private.stored_bytes() s on s.tenant_id = t.id
    order by t.id;
  return null;
end
$$;

-- FUNCTION recount_storage(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.recount_storage() IS 'After a truncate of files or of documents: counts what is left.';

-- refresh_access(uuid, uuid[]); Type: FUNCTION; Schema: private
CREATE FUNCTION private.refresh_access(tenant uuid, only_principals uuid[] DEFAULT NULL::uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- A tenant that goes takes its rows along.
  if not exists (select from public.tenants t where t.id = tenant) then
    return;
  end if;
  perform private.lock_access(tenant);
  delete from private.access a
   where a.tenant_id = tenant
     and (only_principals is null or a.principal = any (only_principals))
     and not exists (select from private.derived_access(tenant) d where d.principal = a.principal);
  insert into private.access as a (tenant_id, principal, granted, granted_with_second_factor, ends_at)
  select tenant, d.principal, d.granted, d.granted_with_second_factor, d.ends_at
    from private.derived_access(tenant) d
   where only_principals is null or d.principal = any (only_principals)
  on conflict (tenant_id, principal) do update
    set granted = excluded.granted, granted_with_second_factor = excluded.granted_with_second_factor, ends_at = excluded.ends_at
    where (a.granted, a.granted_with_second_factor, a.ends_at)
          is distinct from (excluded.granted, excluded.granted_with_second_factor, excluded.ends_at);
end
$$;

-- FUNCTION refresh_access(tenant uuid, only_principals uuid[]); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.refresh_access(tenant uuid, only_principals uuid[]) IS 'Makes private.access of a tenant, or of some principals in it, what it is derived to be.';

-- refresh_all_access(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.refresh_all_access() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform private.refresh_access(t.id) from public.tenants t order by t.id;
  return null;
end
$$;

-- refresh_changed_access(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.refresh_changed_access() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  changed record;
begin
  -- In tenant order, so that two statements over many tenants cannot wait for each other in a circle.
  if tg_op = 'INSERT' then
    for changed in
      select c.tenant_id, array_agg(distinct to_jsonb(c) ->> tg_argv[0])::uuid[] as principals from inserted c group by 1 order by 1
    loop
      perform private.refresh_access(changed.tenant_id, changed.principals);
    end loop;
  elsif tg_op = 'DELETE' then
    for changed in
      select c.tenant_id, array_agg(distinct to_jsonb(c) ->> tg_argv[0])::uuid[] as principals from deleted c group by 1 order by 1
    loop
      perform private.refresh_access(changed.tenant_id, changed.principals);
    end loop;
  else
    for changed in
      select c.tenant_id, array_agg(distinct c.principal) as principals
        from (select i.tenant_id, (to_jsonb(i) ->> tg_argv[0])::uuid as principal from inserted i
              union select d.tenant_id, (to_jsonb(d) ->> tg_argv[0])::uuid from deleted d) c
       group by 1 order by 1
    loop
      perform private.refresh_access(changed.tenant_id, changed.principals);
    end loop;
  end if;
  return null;
end
$$;

-- FUNCTION refresh_changed_access(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.refresh_changed_access() IS 'Renews the access of the principals in the changed rows; the trigger''s argument names their column.';

-- refresh_tenant_access(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.refresh_tenant_access() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform private.refresh_access((to_jsonb(new) ->> tg_argv[0])::uuid);
  return null;
end
$$;

-- FUNCTION refresh_tenant_access(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.refresh_tenant_access() IS 'Renews the access of everybody in a tenant; the trigger''s argument names the column that names it.';

-- refuse(integer, text, text, text, text, jsonb); Type: FUNCTION; Schema: private
CREATE FUNCTION private.refuse(status integer, code text, message text, details text DEFAULT NULL::text, hint text DEFAULT NULL::text, headers jsonb DEFAULT '{}'::jsonb) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  raise exception using
    errcode = 'PGRST',
    message = json_build_object('code', code, 'message', message, 'details', details, 'hint', hint)::text,
    detail = json_build_object('status', status, 'headers', headers)::text;
end
$$;

-- FUNCTION refuse(status integer, code text, message text, details text, hint text, headers jsonb); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.refuse(status integer, code text, message text, details text, hint text, headers jsonb) IS 'Ends the transaction with an HTTP status and the body {code, message, details, hint}.';

-- refuse_escalation(uuid, text, bigint, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.refuse_escalation(tenant uuid, attempt text, missing bigint, reason text DEFAULT NULL::text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  names text[] := private.permissions_in(missing);
begin
  perform aias.note(jsonb_build_object(
    'action', 'security.escalation_denied', 'tenant_id', tenant, 'subject', attempt, 'missing', names,
    'actor', private.actor(), 'request_id', private.request_id()));
  perform private.refuse(403, 'escalation',
    coalesce(reason, format('nobody grants what they do not hold; you do not hold %s', array_to_string(names, ', '))),
    null, 'ask somebody who holds it');
end
$$;

-- FUNCTION refuse_escalation(tenant uuid, attempt text, missing bigint, reason text); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.refuse_escalation(tenant uuid, attempt text, missing bigint, reason text) IS 'Refuses with 403, and leaves a note that a rollback does not take back.';

-- refuse_invitation(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.refuse_invitation() RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select private.refuse(404, 'not_found', 'this invitation does not exist, or was used, declined or withdrawn', null, 'ask for a new one')
$$;

-- remove_domain(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.remove_domain(wanted_domain uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  domain public.tenant_domains := private.domain_to_manage(wanted_domain);
begin
  delete from public.tenant_domains d where d.tenant_id = domain.tenant_id and d.id = domain.id;
end
$$;

-- remove_member(uuid, uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.remove_member(tenant uuid, member uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  membership public.memberships := private.member_to_manage(tenant, member);
begin
  perform private.demand_grant(tenant, 'memberships', array[membership.role]);
  delete from public.memberships m where m.tenant_id = tenant and m.user_id = member;
end
$$;

-- reopen_tenant(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.reopen_tenant(tenant uuid) RETURNS public.tenants
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  reopened public.tenants;
begin
  perform private.demand(tenant, 'tenant.close');
  update public.tenants t set status = 'active' where t.id = tenant and t.status = 'cancelled' and t.cancelled_by_owner
  returning * into reopened;
  if reopened.id is null then
    perform private.refuse(409, 'tenant_not_cancelled', 'this tenant was not cancelled by an owner', null, 'ask the operator');
  end if;
  return reopened;
end
$$;

-- request_id(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.request_id() RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  -- https://docs.postgrest.org/en/stable/references/transactions.html#request-headers-cookies-and-jwt-claims
  headers constant text := nullif(current_setting('request.headers', true), '');
  id text;
begin
  if headers is null then
    return null;
  end if;
  id := headers::jsonb ->> 'x-request-id';
  -- What such ids are made of; a header can hold anything.
  if id ~ '[^A-Za-z0-9._:/+=@-]' then
    id := regexp_replace(id, '[^A-Za-z0-9._:/+=@-]', '', 'g');
  end if;
  return nullif(left(id, 128), '');
exception when invalid_text_representation then
  return null;
end
$$;

-- FUNCTION request_id(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.request_id() IS 'The request that this transaction serves, when the client or a gateway named it.';

-- resend_invitation(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.resend_invitation(wanted_invitation uuid) RETURNS public.invitations
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  invitation public.invitations := private.invitation_to_manage(wanted_invitation);
begin
  perform private.demand_grant(invitation.tenant_id, 'invitations', array[invitation.role]);
  perform private.limit_invitations(invitation.tenant_id);
  update public.invitations i
     set expires_at = now() + interval '7 days', delivery_error = null, invited_by = (select auth.uid()), granted_by = private.principal()
   where i.tenant_id = invitation.tenant_id and i.id = invitation.id
  returning * into invitation;
  perform private.mail_invitation(invitation);
  return invitation;
end
$$;

-- resume_execution(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.resume_execution(wanted_execution uuid) RETURNS public.executions
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  execution public.executions := private.execution_to(wanted_execution, 'executions.cancel');
  job queue.jobs := private.lock_job(execution);
begin
  if job.state <> 'paused' then
    select e.* into execution from public.executions e where e.tenant_id = execution.tenant_id and e.id = execution.id;
    if execution.pause_requested_at is not null then
      perform private.refuse(409, 'execution_pausing', 'this execution is about to pause: calls are still out',
        null, 'resume it when its status is paused');
    end if;
    perform private.refuse(409, 'execution_not_paused', format('this execution is not paused; its status is %s', execution.status));
  end if;
  update queue.jobs j set state = 'ready', ready_in = pg_current_xact_id(), run_at = null
   where j.tenant_id = execution.tenant_id and j.execution_id = execution.id;
  perform queue.open_lane(job.tenant_id, job.workflow_id, job.priority);
  perform queue.notify_workers(job.tenant_id);
  update public.executions e
     set status = 'waiting', pause_requested_at = null, revision = e.revision + 1
   where e.tenant_id = execution.tenant_id and e.id = execution.id
  returning e.* into execution;
  perform pg_notify('aias_executions', execution.id::text);
  perform audit.record_event(execution.tenant_id, 'executions.resume', 'executions', execution.id::text);
  return execution;
end
$$;

-- retry_embeddings_with_key(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.retry_embeddings_with_key() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  update queue.embedding_jobs j set run_at = now(), attempts = 0, reason = null, gave_up_at = null
    from public.ai_agents a
   where j.tenant_id = new.tenant_id and j.gave_up_at is not null
     and a.tenant_id = j.tenant_id and a.id = j.agent_id and split_part(a.embedding_model, '/', 1) = new.provider;
  return null;
end
$$;

-- FUNCTION retry_embeddings_with_key(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.retry_embeddings_with_key() IS 'A new key to a provider: what was given up for the old one is tried again.';

-- retry_execution(uuid, text, jsonb); Type: FUNCTION; Schema: private
CREATE FUNCTION private.retry_execution(wanted_execution uuid, from_node text, new_input jsonb) RETURNS public.executions
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  source public.executions := private.execution_to(wanted_execution, 'workflows.execute');
  workflow public.workflows;
  plan jsonb;
  execution public.executions;
  first_nodes text[];
  taken_over integer;
begin
  if source.finished_at is null then
    perform private.refuse(409, 'execution_not_finished', format('this execution is not over; its status is %s', source.status),
      null, 'cancel it first, or wait');
  end if;
  if from_node is not null and new_input is not null then
    perform private.refuse(400, 'retry_invalid', 'with another input everything runs again, so there is no node to begin from',
      null, 'give either input or from_node');
  end if;
  select w.* into workflow from public.workflows w where w.tenant_id = source.tenant_id and w.id = source.workflow_id;
  if workflow.status <> 'active' then
    perform private.refuse(409, 'workflow_not_active', format('workflow "%s" is %s', workflow.name, workflow.status),
      null, 'activate it first: rpc activate_workflow');
  end if;
  select v.plan into plan from public.workflow_versions v
   where v.tenant_id = source.tenant_id and v.workflow_id = source.workflow_id and v.version = source.workflow_version;
  if from_node is not null and not plan @> jsonb_build_object('nodes', jsonb_build_array(jsonb_build_object('id', from_node))) then
    perform private.refuse(400, 'unknown_node', format('version %s of this workflow has no node "%s"', source.workflow_version, from_node));
  end if;
  perform private.check_input_size(new_input);
  perform private.count_request(source.tenant_id);
  -- Not the version that is published now, but the one that this execution ran.
  workflow.version := source.workflow_version;
  execution := private.enqueue_execution(workflow, coalesce(new_input, source.input), null, (select auth.uid()), 'retry', priority => source.priority);
  update public.executions e set retried_from = source.id
   where e.tenant_id = execution.tenant_id and e.id = execution.id
  returning e.* into execution;
  perform audit.record_event(execution.tenant_id, 'executions.retry', 'executions', execution.id::text,
    jsonb_build_object('retried_from', source.id, 'from_node', from_node, 'has_new_input', new_input is not null));
  if new_input is not null then
    return execution;
  end if;
  -- What did not succeed runs again, and what comes after it; or what was asked for. A failure that the workflow coped with is a result
  -- like any other for the steps behind it, and stays one where it was not asked to be tried again.
  select array_agg(n.node ->> 'id') into first_nodes
    from jsonb_array_elements(plan -> 'nodes') n (node)
   where n.node ->> 'id' = from_node
      or not exists (
        select from public.execution_steps s
         where s.tenant_id = source.tenant_id and s.execution_id = source.id and s.node_id = n.node ->> 'id' and s.item = -1
           and (s.status in ('succeeded', 'skipped')
                or s.status = 'failed' and from_node is not null and n.node ->> 'on_error' in ('continue', 'branch'))
      );
  insert into public.execution_steps (
    tenant_id, execution_id, node_id, item, name, kind, status, attempt, handle, input, output, error, started_at, finished_at, revision)
  select execution.tenant_id, execution.id, s.node_id, s.item, s.name, s.kind, s.status, s.attempt, s.handle, s.input, s.output, s.error,
         s.started_at, s.finished_at, row_number() over (order by s.revision)
    from public.execution_steps s
    left join private.steps_to_repeat(plan, first_nodes) again on again.node_id = s.node_id
   where s.tenant_id = source.tenant_id and s.execution_id = source.id and s.status in ('succeeded', 'skipped', 'failed')
     and (again.node_id is null
          -- The list is the same as before, so what was done with its items need not be done again.
          or again.is_first and from_node is null and s.item >= 0 and s.status = 'succeeded');
  get diagnostics taken_over = row_count;
  update queue.jobs j set has_steps = true where j.tenant_id = execution.tenant_id and j.execution_id = execution.id and taken_over > 0;
  update public.executions e set revision = taken_over
   where e.tenant_id = execution.tenant_id and e.id = execution.id
  returning e.* into execution;
  return execution;
end
$$;

-- api_keys; Type: TABLE; Schema: public
CREATE TABLE public.api_keys (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT aias.uuid7() NOT NULL,
    name text NOT NULL,
    prefix text NOT NULL,
    scopes text[] NOT NULL,
    created_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT api_key_has_scopes CHECK ((cardinality(scopes) > 0)),
    CONSTRAINT api_key_name_is_not_empty CHECK (((length(btrim(name)) >= 1) AND (length(btrim(name)) <= 200)))
);

-- TABLE api_keys; Type: COMMENT; Schema: public
COMMENT ON TABLE public.api_keys IS 'Credentials of a tenant for edge-api. The key itself is shown once, when it is made, and kept nowhere. A key is the tenant''s: it outlives the membership of whoever made it, so that a product does not stop when somebody leaves; created_by says which to revoke then.';

-- COLUMN api_keys.prefix; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.api_keys.prefix IS 'How the key begins, to recognise it by.';

-- COLUMN api_keys.scopes; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.api_keys.scopes IS 'The permissions that it acts with.';

-- COLUMN api_keys.last_used_at; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.api_keys.last_used_at IS 'To the minute.';

-- revoke_api_key(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.revoke_api_key(wanted_key uuid) RETURNS public.api_keys
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  api_key public.api_keys;
begin
  select k.* into api_key from public.api_keys k
   where k.id = wanted_key and k.tenant_id = any (array(select private.own_tenants()))
     for no key update;
  if api_key.id is null then
    perform private.refuse(404, 'not_found', 'there is no such key');
  end if;
  perform private.demand(api_key.tenant_id, 'keys.manage');
  update public.api_keys k set revoked_at = coalesce(k.revoked_at, now())
   where k.tenant_id = api_key.tenant_id and k.id = api_key.id
  returning * into api_key;
  return api_key;
end
$$;

-- revoke_invitation(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.revoke_invitation(wanted_invitation uuid) RETURNS public.invitations
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  invitation public.invitations := private.invitation_to_manage(wanted_invitation);
begin
  update public.invitations i set revoked_at = now()
   where i.tenant_id = invitation.tenant_id and i.id = invitation.id
  returning * into invitation;
  return invitation;
end
$$;

-- rotate_webhook(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.rotate_webhook(wanted_workflow uuid) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  workflow public.workflows := private.workflow_to_write(wanted_workflow);
  hook private.webhooks := private.webhook_of(workflow);
  new_token text := private.random_token();
begin
  update private.webhooks h set token = new_token, token_hash = sha256(convert_to(new_token, 'UTF8')), rotated_at = now()
   where h.tenant_id = workflow.tenant_id and h.workflow_id = workflow.id;
  perform audit.record_event(workflow.tenant_id, 'security.webhook_rotated', 'workflows', workflow.id::text);
  return private.webhook_address(new_token);
end
$$;

-- sealed(uuid, text, text[]); Type: FUNCTION; Schema: private
CREATE FUNCTION private.sealed(tenant uuid, of_kind text, wanted text[]) RETURNS TABLE(generation integer, wrapped bytea, master_key_id text, names text[], nonces bytea[], ciphertexts bytea[])
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select k.generation, k.wrapped, k.master_key_id, coalesce(found.names, '{}'), coalesce(found.nonces, '{}'), coalesce(found.ciphertexts, '{}')
    from (select) always
    left join lateral private.tenant_key(tenant) k on true
    left join lateral (
      select array_agg(v.name order by v.name) as names, array_agg(v.nonce order by v.name) as nonces,
             array_agg(v.ciphertext order by v.name) as ciphertexts
        from private.secret_values v
       where v.tenant_id = tenant and v.kind = of_kind and v.name = any (wanted) and v.key_generation = k.generation
    ) found on true
$$;

-- FUNCTION sealed(tenant uuid, of_kind text, wanted text[]); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.sealed(tenant uuid, of_kind text, wanted text[]) IS 'One row: those of the wanted values of a kind that a tenant has, and the data key that they are sealed under, null where it has none.';

-- search_chunks(uuid, uuid, text, integer); Type: FUNCTION; Schema: private
CREATE FUNCTION private.search_chunks(tenant uuid, agent uuid, question text, at_most integer) RETURNS TABLE(document_id uuid, title text, "position" integer, content text, rank real)
    LANGUAGE sql STABLE ROWS 50
    SET search_path TO ''
    SET client_min_messages TO 'warning'
    AS $$
  with said as (
    select string_agg(w.lexeme, ' ') as words
      from unnest(to_tsvector('simple'::regconfig, left(question, 2000))) w
     -- Every text has the little words of English.
     where to_tsvector('english'::regconfig, w.lexeme) <> ''
  ),
  asked as (
    -- Any of the words: a question has more of them than its answer. Pieces that have most of them come first.
    select replace(plainto_tsquery('simple'::regconfig, coalesce(s.words, ''))::text, '&', '|')::tsquery
           || replace(plainto_tsquery('english'::regconfig, left(question, 2000))::text, '&', '|')::tsquery as words
      from said s
  )
  select c.document_id, d.title, c.position, c.content, ts_rank_cd(c.words, a.words, 1) as rank
    from asked a
    join private.document_chunks c on c.words @@ a.words
    join public.agent_documents d on d.tenant_id = c.tenant_id and d.id = c.document_id
   where c.tenant_id = tenant and c.agent_id = agent
   order by rank desc, c.document_id, c.position
   limit least(greatest(coalesce(at_most, 5), 1), 50)
$$;

-- FUNCTION search_chunks(tenant uuid, agent uuid, question text, at_most integer); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.search_chunks(tenant uuid, agent uuid, question text, at_most integer) IS 'The pieces of an agent''s documents that fit a question best. Whether they may be seen is up to the caller.';

-- search_chunks(uuid, uuid, text, integer, real[]); Type: FUNCTION; Schema: private
CREATE FUNCTION private.search_chunks(tenant uuid, agent uuid, question text, at_most integer, question_vector real[]) RETURNS TABLE(document_id uuid, title text, "position" integer, content text, rank real)
    LANGUAGE plpgsql STABLE ROWS 50
    SET search_path TO ''
    AS $$
#variable_conflict use_column
declare
  -- Of each list. What is in neither is not found.
  considered constant integer := 50;
  -- Cormack, Clarke, Buettcher: Reciprocal Rank Fusion, SIGIR 2009, https://doi.org/10.1145/1571941.1572114
  k constant integer := 60;
begin
  if question_vector is null or not private.has_vectors() then
    return query select s.* from private.search_chunks(tenant, agent, question, at_most) s;
    return;
  end if;
  return query
    with said as (
      select s.document_id, s.position, row_number() over (order by s.rank desc, s.document_id, s.position) as place
        from private.search_chunks(tenant, agent, question, considered) s
    ),
    fused as (
      select document_id, position, coalesce(1.0 / (k + said.place), 0) + coalesce(1.0 / (k + meant.place), 0) as score
        from said
        full join private.nearest_chunks(tenant, agent, question_vector) meant using (document_id, position)
    )
    select f.document_id, d.title, f.position, c.content, f.score::real
      from fused f
      join private.document_chunks c on c.tenant_id = tenant and c.document_id = f.document_id and c.position = f.position
      join public.agent_documents d on d.tenant_id = tenant and d.id = f.document_id
     order by f.score desc, f.document_id, f.position
     limit least(greatest(coalesce(at_most, 5), 1), 50);
end
$$;

-- FUNCTION search_chunks(tenant uuid, agent uuid, question text, at_most integer, question_vector real[]); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.search_chunks(tenant uuid, agent uuid, question text, at_most integer, question_vector real[]) IS 'The pieces of an agent''s documents that fit a question best, by its words and by its vector; without a vector as by its words alone. Whether they may be seen is up to the caller.';

-- search_documents(uuid, text, integer, real[]); Type: FUNCTION; Schema: private
CREATE FUNCTION private.search_documents(agent uuid, question text, at_most integer, question_vector real[]) RETURNS TABLE(document_id uuid, title text, "position" integer, content text, rank real)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  tenants uuid[];
  embedded_by text;
  wanted integer;
begin
  select array_agg(a.tenant_id) into tenants
    from public.ai_agents a
   where a.id = agent and a.tenant_id = any (array(select private.tenants_with('agents.read')));
  if tenants is null then
    perform private.refuse(404, 'not_found', 'there is no such agent');
  end if;
  if cardinality(tenants) > 1 then
    perform private.refuse(409, 'ambiguous_id', 'two of your tenants have an agent with this id');
  end if;
  if question_vector is not null then
    select m.model, m.dimensions into embedded_by, wanted
      from public.ai_agents a join private.embedding_models m on m.model = a.embedding_model
     where a.tenant_id = tenants[1] and a.id = agent;
    if embedded_by is null then
      question_vector := null;
    elsif array_ndims(question_vector) is distinct from 1 or cardinality(question_vector) <> wanted or array_position(question_vector, null) is not null
       or question_vector && array['NaN', 'Infinity', '-Infinity']::real[] then
      perform private.refuse(400, 'embedding_invalid', format('the vector of a question to this agent has %s numbers', wanted), null,
        format('have it made by %s, with POST /v1/embeddings; or leave it out', embedded_by));
    end if;
  end if;
  return query select s.* from private.search_chunks(tenants[1], agent, question, at_most, question_vector) s;
end
$$;

-- send_event(uuid, text, jsonb, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.send_event(wanted_execution uuid, event_name text, payload jsonb, event_key text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  execution public.executions := private.execution_to(wanted_execution, 'workflows.execute');
  wait queue.waits;
begin
  perform private.check_event(event_name, event_key, payload);
  perform private.lock_job(execution);
  -- The step that has waited longest: one event is for one step.
  select w.* into wait from queue.waits w
   where w.tenant_id = execution.tenant_id and w.execution_id = execution.id and w.kind = 'event' and w.delivered is null
     and w.name = event_name and (w.key is null or w.key = event_key)
   order by w.created_at, w.node_id, w.item
   limit 1;
  if found then
    return queue.deliver(wait.tenant_id, wait.execution_id, wait.node_id, wait.item, private.event_output(event_name, event_key, payload));
  end if;
  if (select count(*) >= 1000 from queue.events e where e.tenant_id = execution.tenant_id and e.execution_id = execution.id) then
    perform private.refuse(409, 'too_many_events', 'this execution has 1000 events already that no step has waited for',
      null, 'send what its steps wait for');
  end if;
  insert into queue.events (tenant_id, execution_id, name, key, payload)
  values (execution.tenant_id, execution.id, event_name, event_key, coalesce(payload, '{}'));
  return false;
end
$$;

-- set_dollars_aside(uuid, text[], text[], bigint, bigint); Type: FUNCTION; Schema: private
CREATE FUNCTION private.set_dollars_aside(tenant uuid, meters text[], models text[], input_tokens bigint, most_output_tokens bigint) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
declare
  lease constant interval := '15 minutes';
  -- Of the dearest of those that may answer.
  dollars numeric;
  unpriced text;
  caps jsonb;
begin
  select max(c.cost), min(c.model) filter (where c.cost is null) into dollars, unpriced
    from (
      select m.model, private.llm_cost_usd(split_part(m.model, '/', 1), substring(m.model from '/(.*)$'), now(), input_tokens, 0, most_output_tokens) as cost
        from unnest(models) m (model)
    ) c;
  if unpriced is not null then
    perform private.refuse(402, 'price_unknown', format('there is a spending cap, and nobody knows what %s costs', unpriced), null,
      'name a model that has a price, or ask the operator to enter one');
  end if;
  select jsonb_agg(jsonb_build_object('meter', m.meter,
           'id', aias.quota_reserve(tenant, m.meter, greatest(1, ceil(dollars * 1000000))::bigint, lease)) order by m.n)
    into caps
    from unnest(meters) with ordinality m (meter, n);
  return caps;
end
$_$;

-- FUNCTION set_dollars_aside(tenant uuid, meters text[], models text[], input_tokens bigint, most_output_tokens bigint); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.set_dollars_aside(tenant uuid, meters text[], models text[], input_tokens bigint, most_output_tokens bigint) IS 'What a call will probably cost, set aside from each of these meters for 15 minutes, or a refusal with 402. [{meter, id}].';

-- set_rate_limit(uuid, uuid, text, integer, integer); Type: FUNCTION; Schema: private
CREATE FUNCTION private.set_rate_limit(tenant uuid, api_key uuid, of_model text, requests integer, tokens integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
begin
  perform private.demand(tenant, 'keys.manage');
  if api_key is null and of_model is null then
    perform private.refuse(400, 'rate_limit_invalid', 'a rate limit is of a key, of a model, or of a key with a model', null,
      'the tenant''s own limits are its plan''s');
  end if;
  if of_model !~ '^(agent:|[^/]+/).+$' or length(of_model) > 256 then
    perform private.refuse(400, 'rate_limit_invalid', 'a model is named provider/model or agent:<slug>', null, 'GET /v1/models lists them');
  end if;
  if not (coalesce(requests, 0) between 0 and 60000000 and coalesce(tokens, 0) between 0 and 60000000) then
    perform private.refuse(400, 'rate_limit_invalid', 'a rate limit is from 0 to 60,000,000 a minute', null, 'null takes it away');
  end if;
  if api_key is not null and not exists (select from public.api_keys k where k.tenant_id = tenant and k.id = api_key) then
    perform private.refuse(404, 'not_found', 'there is no such key');
  end if;
  if requests is null and tokens is null then
    delete from public.rate_limits l
     where l.tenant_id = tenant and l.api_key_id is not distinct from api_key and l.model is not distinct from of_model;
    return;
  end if;
  insert into public.rate_limits (tenant_id, api_key_id, model, requests_per_minute, tokens_per_minute)
  values (tenant, api_key, of_model, requests, tokens)
  on conflict on constraint one_rate_limit_for_a_key_and_a_model do update
    set requests_per_minute = excluded.requests_per_minute, tokens_per_minute = excluded.tokens_per_minute;
end
$_$;

-- set_spending_cap(uuid, numeric, uuid, uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.set_spending_cap(tenant uuid, usd numeric, agent uuid, api_key uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  cap constant text := (private.spending_meters(agent, api_key))[case when agent is null and api_key is null then 1 else 2 end];
  anchor timestamptz;
  was record;
  spent numeric;
begin
  perform private.demand(tenant, 'billing.manage');
  if agent is not null and api_key is not null then
    perform private.refuse(400, 'spending_cap_invalid', 'a cap is of the tenant, of one agent or of one key', null, 'set two caps');
  end if;
  if usd < 0 or usd > 1000000000 or usd = 'NaN' then
    perform private.refuse(400, 'spending_cap_invalid', 'a spending cap is from 0 to 1,000,000,000 dollars a billing period', null, 'null takes it away');
  end if;
  if agent is not null and not exists (select from public.ai_agents a where a.tenant_id = tenant and a.id = agent) then
    perform private.refuse(404, 'agent_not_found', 'there is no such agent');
  end if;
  if api_key is not null and not exists (select from public.api_keys k where k.tenant_id = tenant and k.id = api_key) then
    perform private.refuse(404, 'not_found', 'there is no such key');
  end if;
  select t.billing_anchor into anchor from public.tenants t where t.id = tenant;
  select s.quota_limit, s.reserved into was from aias.quota_status(tenant) s where s.meter = cap;
  perform aias.quota_set(tenant, cap, 'flow', round(usd * 1000000)::bigint, anchor);
  if was.quota_limit is not null then
    return;
  end if;
  -- Without a cap nobody counts: what was spent in this period, and what is still set aside from an earlier cap.
  select sum(ceil(u.cost_usd * 1000000)) into spent
    from public.usage u
   where u.tenant_id = tenant
     and u.created_at >= (select p.period_start from aias.quota_period(anchor, now()) p)
     and (agent is null or u.agent_id = agent)
     and (api_key is null or u.api_key_id = api_key);
  perform aias.quota_recount(tenant, cap, coalesce(spent, 0)::bigint + coalesce(was.reserved, 0));
end
$$;

-- set_tokens_aside(uuid, bigint, bigint); Type: FUNCTION; Schema: private
CREATE FUNCTION private.set_tokens_aside(tenant uuid, wanted bigint, more bigint, OUT block uuid, OUT tokens bigint) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  -- At most this part of what is left goes to one asker beyond what it has a use for.
  part constant integer := 8;
  lease constant interval := '15 minutes';
  ahead bigint := 0;
begin
  more := least(more, private.limit_of(tenant, 'llm_tokens_per_minute') / part);
  if more > 0 then
    -- Nothing is said of what remains where there is no limit.
    select case when s.quota_limit is null then more else least(more, greatest(0, s.remaining - wanted) / part) end
      into ahead
      from aias.quota_status(tenant) s
     where s.meter = 'llm_tokens';
  end if;
  if ahead > 0 then
    begin
      tokens := wanted + ahead;
      block := aias.quota_reserve(tenant, 'llm_tokens', tokens, lease);
      perform private.count_tokens(tenant, tokens);
      return;
    exception
      -- Somebody else was quicker.
      when sqlstate 'PGRST' then
        null;
    end;
  end if;
  tokens := wanted;
  if wanted > 0 then
    block := aias.quota_reserve(tenant, 'llm_tokens', wanted, lease);
    perform private.count_tokens(tenant, wanted);
  end if;
end
$$;

-- FUNCTION set_tokens_aside(tenant uuid, wanted bigint, more bigint, OUT block uuid, OUT tokens bigint); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.set_tokens_aside(tenant uuid, wanted bigint, more bigint, OUT block uuid, OUT tokens bigint) IS 'A block of tokens for 15 minutes: so many or a refusal with 402, and up to so many more as far as there are plenty. No block when nothing was set aside.';

-- shorten_captured_calls(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.shorten_captured_calls() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- What is kept for longer than the tenant wants it now is over; the sweep takes it away.
  update public.captured_calls c
     set expires_at = coalesce(c.created_at + make_interval(days => new.content_kept_days), now())
   where c.tenant_id = new.id and c.expires_at > coalesce(c.created_at + make_interval(days => new.content_kept_days), now());
  return null;
end
$$;

-- size_of_object(jsonb); Type: FUNCTION; Schema: private
CREATE FUNCTION private.size_of_object(metadata jsonb) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  -- Null, or without a size, while an upload is under way.
  select case when jsonb_typeof(metadata -> 'size') = 'number'
              then least(greatest((metadata ->> 'size')::numeric, 0), 1e18)::bigint
              else 0 end
$$;

-- FUNCTION size_of_object(metadata jsonb); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.size_of_object(metadata jsonb) IS 'The bytes of a file, as Supabase Storage notes them.';

-- spending_meters(uuid, uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.spending_meters(agent uuid, api_key uuid) RETURNS text[]
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$ select array_remove(array['llm_micro_usd', 'llm_micro_usd:agent:' || agent, 'llm_micro_usd:key:' || api_key], null) $$;

-- stamp_author(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.stamp_author() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- Whoever signed in is the author; only the system itself (no JWT) may name another.
  new.created_by := coalesce((select auth.uid()), new.created_by);
  return new;
end
$$;

-- FUNCTION stamp_author(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.stamp_author() IS 'Writes the caller into created_by, whatever the client sent.';

-- start_by_event(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.start_by_event() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  changed_source constant text := tg_table_schema || '.' || tg_table_name;
  changed_operation constant text := lower(tg_op);
  key_columns constant text[] := tg_argv;
  -- Of one statement, and in a minute: what a loop through the outside world can start is bounded.
  most constant integer := 1000;
  hidden text[];
  changes refcursor;
  change record;
  told public.workflows;
  input jsonb;
  reason text;
  started integer := 0;
  skipped integer := 0;
begin
  -- Nothing subscribed, which is nearly always, costs this one look into an index.
  if not exists (select from private.event_subscriptions s where s.source = changed_source and s.operation = changed_operation) then
    return null;
  end if;
  select e.hidden_columns into hidden from private.event_sources e where e.source = changed_source;
  -- A transition table is there for its own operation only. A tenant that is gone already, with its rows going after it, or that is not active, starts nothing.
  if tg_op = 'INSERT' then
    open changes for
      select x.tenant_id, x.workflow_id, x.position, case when x.position <= most then to_jsonb(x.n) end as row_now, null::jsonb as row_before
        from (
          select s.tenant_id, s.workflow_id, n, row_number() over (partition by s.tenant_id, s.workflow_id) as position
            from new_rows n
            join private.event_subscriptions s on s.source = changed_source and s.operation = changed_operation and s.tenant_id = n.tenant_id
            join public.tenants t on t.id = s.tenant_id and t.status = 'active'
        ) x
       order by x.tenant_id, x.workflow_id, x.position;
  elsif tg_op = 'UPDATE' then
    open changes for
      select x.tenant_id, x.workflow_id, x.position, case when x.position <= most then to_jsonb(x.n) end as row_now,
             case when x.position <= most then to_jsonb(x.o) end as row_before
        from (
          select s.tenant_id, s.workflow_id, n, o, row_number() over (partition by s.tenant_id, s.workflow_id) as position
            from new_rows n
            join private.event_subscriptions s on s.source = changed_source and s.operation = changed_operation and s.tenant_id = n.tenant_id
            join public.tenants t on t.id = s.tenant_id and t.status = 'active'
            -- What a row of another tenant was is not told, whatever the table's key is.
            left join old_rows o on o.tenant_id = n.tenant_id
              and private.key_of(to_jsonb(o), key_columns) = private.key_of(to_jsonb(n), key_columns)
           -- An update that changes nothing is no event.
           where to_jsonb(n) - 'updated_at' is distinct from to_jsonb(o) - 'updated_at'
        ) x
       order by x.tenant_id, x.workflow_id, x.position;
  else
    open changes for
      select x.tenant_id, x.workflow_id, x.position, null::jsonb as row_now, case when x.position <= most then to_jsonb(x.o) end as row_before
        from (
          select s.tenant_id, s.workflow_id, o, row_number() over (partition by s.tenant_id, s.workflow_id) as position
            from old_rows o
            join private.event_subscriptions s on s.source = changed_source and s.operation = changed_operation and s.tenant_id = o.tenant_id
            join public.tenants t on t.id = s.tenant_id and t.status = 'active'
        ) x
       order by x.tenant_id, x.workflow_id, x.position;
  end if;
  loop
    fetch changes into change;
    if change.workflow_id is null or (change.tenant_id, change.workflow_id) is distinct from (told.tenant_id, told.id) then
      if skipped > 0 then
        perform audit.record_event(told.tenant_id, 'workflows.events_skipped', 'workflows', told.id::text, jsonb_build_object(
          'table', changed_source, 'operation', changed_operation, 'reason', reason, 'started', started, 'skipped', skipped));
      end if;
      exit when change.workflow_id is null;
      select w.* into told from public.workflows w where w.tenant_id = change.tenant_id and w.id = change.workflow_id;
      reason := null;
      started := 0;
      skipped := 0;
    end if;
    if told.status <> 'active' then
      continue;
    end if;
    if reason in ('quota_exceeded', 'too_many_rows', 'too_many_events') then
      skipped := skipped + 1;
      continue;
    end if;
    if change.position > most then
      reason := 'too_many_rows';
    elsif not aias.rate_limit('events:' || told.tenant_id || ':' || told.id, most, interval '1 minute') then
      reason := 'too_many_events';
    else
      input := jsonb_build_object(
        'table', case tg_table_schema when 'public' then tg_table_name::text else changed_source end,
        'operation', changed_operation,
        -- What sounds like a secret is masked, as in the audit log.
        'row', audit.masked(change.row_now - hidden), 'old', audit.masked(change.row_before - hidden));
      if pg_column_size(input) > 1048576 then
        reason := 'input_too_large';
      else
        begin
          perform private.enqueue_execution(told, input, null, null, 'event');
          started := started + 1;
          continue;
        exception when sqlstate 'PGRST' then
          -- The plan is used up: that is between the tenant and its plan, and no reason to undo what somebody has written.
          reason := sqlerrm::jsonb ->> 'code';
        end;
      end if;
    end if;
    skipped := skipped + 1;
  end loop;
  close changes;
  return null;
end
$$;

-- FUNCTION start_by_event(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.start_by_event() IS 'Starts the workflows that are told of a changed row, in the transaction that changes it. The trigger''s arguments name the columns of the row''s key. What the plan or a bound does not let start is left out and told to the audit log; it never undoes the change.';

-- start_execution(uuid, jsonb, text, integer); Type: FUNCTION; Schema: private
CREATE FUNCTION private.start_execution(wanted_workflow uuid, execution_input jsonb, key text, wanted_priority integer) RETURNS public.executions
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  workflow public.workflows := private.workflow_to_start(wanted_workflow);
  execution public.executions;
begin
  perform private.check_input_size(execution_input);
  if length(key) not between 1 and 255 then
    perform private.refuse(400, 'idempotency_key_invalid', 'an idempotency key has 1 to 255 characters');
  end if;
  if wanted_priority not between -100 and 100 then
    perform private.refuse(400, 'priority_invalid', 'a priority is from -100 to 100', null, '0 is usual; a higher one is begun first');
  end if;
  -- A call that is repeated is not counted, nor is it refused when the minute is used up: it starts nothing, and whoever repeats it
  -- because the answer was lost must get that answer. It is a read of one row, as a select through PostgREST is.
  if key is null or not exists (
    select from private.execution_keys k where k.tenant_id = workflow.tenant_id and k.workflow_id = workflow.id and k.key = start_execution.key
  ) then
    -- Only once it is known that the caller may start it: what a tenant's plan is, is not for strangers. And before anything is written.
    perform private.count_request(workflow.tenant_id);
  end if;
  execution := private.enqueue_execution(workflow, execution_input, key, (select auth.uid()), 'manual', priority => coalesce(wanted_priority, 0));
  if key is not null and execution.input is distinct from coalesce(execution_input, '{}') then
    perform private.refuse(409, 'idempotency_key_reused', 'this idempotency key was used before with another input',
      null, 'use a new key for a new execution');
  end if;
  return execution;
end
$$;

-- start_executions(uuid, jsonb[], integer); Type: FUNCTION; Schema: private
CREATE FUNCTION private.start_executions(wanted_workflow uuid, inputs jsonb[], wanted_priority integer) RETURNS uuid[]
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  workflow public.workflows := private.workflow_to_start(wanted_workflow);
  started uuid[];
  wanted integer := coalesce(cardinality(inputs), 0);
begin
  if wanted not between 1 and 10000 then
    perform private.refuse(400, 'inputs_invalid', format('one call starts 1 to 10,000 executions, not %s', wanted), null, 'make several calls');
  end if;
  if wanted_priority not between -100 and 100 then
    perform private.refuse(400, 'priority_invalid', 'a priority is from -100 to 100', null, '0 is usual; a higher one is begun first');
  end if;
  perform private.check_input_size(i) from unnest(inputs) i;
  perform private.count_request(workflow.tenant_id);
  with made as (
    insert into public.executions (tenant_id, id, workflow_id, workflow_version, priority, input, started_by)
    select workflow.tenant_id, aias.uuid7(), workflow.id, workflow.version, coalesce(wanted_priority, 0), coalesce(i.input, '{}'), (select auth.uid())
      from unnest(inputs) with ordinality i (input, n) order by i.n
    returning id
  )
  -- Ids made in one session sort as they were made, and so as their inputs.
  select array_agg(m.id order by m.id) into started from made m;
  perform aias.quota_take(workflow.tenant_id, 'executions', wanted);
  insert into queue.jobs (tenant_id, execution_id, workflow_id, priority)
  select workflow.tenant_id, s.id, workflow.id, coalesce(wanted_priority, 0) from unnest(started) s (id);
  perform queue.open_lane(workflow.tenant_id, workflow.id, coalesce(wanted_priority, 0)::smallint);
  perform queue.notify_workers(workflow.tenant_id);
  return started;
end
$$;

-- step_problems(uuid, jsonb); Type: FUNCTION; Schema: private
CREATE FUNCTION private.step_problems(tenant uuid, nodes jsonb) RETURNS TABLE(severity text, code text, node_id text, pointer text, message text)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $_$
  with drawn as (
    select d.node ->> 'id' as id, d.node ->> 'type' as type, d.node -> 'config' as config, format('/nodes/%s/config', d.position - 1) as pointer
      from jsonb_array_elements(case when jsonb_typeof(nodes) = 'array' then nodes else '[]' end) with ordinality as d (node, position)
  ),
  -- What is done with each item of a list names the same things.
  done as (
    select d.id, case when d.type = 'ai_processing' then 'chat' else d.config ->> 'kind' end as kind, d.config, d.pointer from drawn d
    union all
    select d.id, d.config #>> '{do,kind}', d.config -> 'do', d.pointer || '/do' from drawn d where d.type = 'action' and d.config ->> 'kind' = 'for_each'
  )
  select 'error', 'unknown_agent', d.id, d.pointer || '/agent_id',
         format('there is no agent %s in this tenant; choose one of its agents or name a model instead', d.config ->> 'agent_id')
    from done d
   where d.kind = 'chat'
     -- An id that is no uuid is named elsewhere.
     and d.config ->> 'agent_id' ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
     and not exists (select from public.ai_agents a where a.tenant_id = tenant and a.id = (d.config ->> 'agent_id')::uuid)
  union all
  -- What is no number of a version is named elsewhere. As text, since it may be any number.
  select 'error', 'unknown_agent_version', d.id, d.pointer || '/agent_version',
         format('agent "%s" has no version %s; its last is %s', a.name, d.config ->> 'agent_version', a.version)
    from done d
    join public.ai_agents a on a.tenant_id = tenant and a.id::text = lower(d.config ->> 'agent_id')
   where d.kind = 'chat' and d.config ->> 'agent_version' ~ '^[1-9][0-9]*$'
     and not exists (
       select from public.agent_versions v
        where v.tenant_id = tenant and v.agent_id = a.id and v.version::text = d.config ->> 'agent_version'
     )
  union all
  -- It may be made later, and a workflow that calls itself is not there before it is.
  select 'warning', 'unknown_workflow', d.id, d.pointer || '/workflow_id',
         format('there is no workflow %s in this tenant yet; the step fails as long as there is none', d.config ->> 'workflow_id')
    from done d
   where d.kind = 'call_workflow'
     and d.config ->> 'workflow_id' ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
     and not exists (select from public.workflows w where w.tenant_id = tenant and w.id = (d.config ->> 'workflow_id')::uuid)
  union all
  select 'error', 'unknown_permission', d.id, d.pointer || '/permission',
         format('there is no permission "%s"; the table permissions lists them', d.config ->> 'permission')
    from done d
   where d.kind = 'approval' and jsonb_typeof(d.config -> 'permission') = 'string'
     and not exists (select from public.permissions p where p.key = d.config ->> 'permission')
$_$;

-- FUNCTION step_problems(tenant uuid, nodes jsonb); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.step_problems(tenant uuid, nodes jsonb) IS 'Agents, their versions, workflows and permissions that steps name and that are not there.';

-- steps_to_repeat(jsonb, text[]); Type: FUNCTION; Schema: private
CREATE FUNCTION private.steps_to_repeat(plan jsonb, first_nodes text[]) RETURNS TABLE(node_id text, is_first boolean)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  with recursive node as (
    select (n.position - 1)::integer as position, n.node ->> 'id' as id, n.node -> 'outgoing' as outgoing
      from jsonb_array_elements(plan -> 'nodes') with ordinality n (node, position)
  ),
  edge as (
    select n.position as source, (e ->> 'to')::integer as target from node n cross join lateral jsonb_array_elements(n.outgoing) e
  ),
  again (position) as (
    select n.position from node n where n.id = any (first_nodes)
    union
    select e.target from again a join edge e on e.source = a.position
  )
  select n.id, not exists (select from edge e join again b on b.position = e.source where e.target = n.position)
    from again a join node n using (position)
$$;

-- FUNCTION steps_to_repeat(plan jsonb, first_nodes text[]); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.steps_to_repeat(plan jsonb, first_nodes text[]) IS 'These nodes of a plan and all that come after them. is_first: nothing that comes before it is repeated.';

-- stored_bytes(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.stored_bytes() RETURNS TABLE(tenant_id uuid, bytes bigint)
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
#variable_conflict use_column
begin
  if to_regclass('storage.objects') is null then
    return query select d.tenant_id, sum(octet_length(d.content))::bigint from public.agent_documents d group by 1;
  else
    return query
      select stored.tenant_id, sum(stored.bytes)::bigint
        from (select d.tenant_id, octet_length(d.content)::bigint as bytes from public.agent_documents d
              union all
              select private.tenant_of_object(o.name), private.size_of_object(o.metadata) from storage.objects o) stored
       where stored.tenant_id is not null
       group by 1;
  end if;
end
$$;

-- FUNCTION stored_bytes(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.stored_bytes() IS 'What each tenant''s files and documents come to.';

-- sweep_kept_of_calls(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.sweep_kept_of_calls() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  delete from private.cached_answers a using (
    select x.tenant_id, x.hash from private.cached_answers x where x.expires_at <= now() limit 1000 for update skip locked
  ) over where a.tenant_id = over.tenant_id and a.hash = over.hash;
  delete from public.captured_calls c using (
    select x.tenant_id, x.id from public.captured_calls x where x.expires_at <= now() limit 1000 for update skip locked
  ) over where c.tenant_id = over.tenant_id and c.id = over.id;
end
$$;

-- FUNCTION sweep_kept_of_calls(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.sweep_kept_of_calls() IS 'Removes what was kept of calls of models and is over, a bounded piece a call.';

-- sync_limits(public.tenants); Type: FUNCTION; Schema: private
CREATE FUNCTION private.sync_limits(tenant public.tenants) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select aias.quota_set(
           tenant.id,
           m.key,
           m.kind,
           case when tenant.limit_overrides ? m.key then (tenant.limit_overrides ->> m.key)::bigint
                else (p.limits ->> m.key)::bigint end,
           case when m.kind = 'flow' then tenant.billing_anchor end
         )
    from private.meters m
    join public.subscription_plans p on p.id = tenant.plan_id
   order by m.key
$$;

-- FUNCTION sync_limits(tenant public.tenants); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.sync_limits(tenant public.tenants) IS 'Sets every quota of a tenant to what its plan and its overrides allow.';

-- sync_plan_limits(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.sync_plan_limits() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform private.sync_limits(t) from public.tenants t where t.plan_id = new.id order by t.id;
  return null;
end
$$;

-- sync_profile(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.sync_profile() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  insert into public.users (id, email, name)
  values (
    new.id,
    coalesce(new.email, ''),
    coalesce(nullif(btrim(new.raw_user_meta_data ->> 'name'), ''), split_part(coalesce(new.email, ''), '@', 1))
  )
  on conflict (id) do update set email = excluded.email;
  return new;
end
$$;

-- FUNCTION sync_profile(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.sync_profile() IS 'Gives every account a profile, and follows a change of its e-mail address.';

-- sync_tenant_limits(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.sync_tenant_limits() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform private.sync_limits(new);
  return null;
end
$$;

-- take_stock(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.take_stock() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform aias.quota_take(added.tenant_id, tg_argv[0], added.amount)
     from (select tenant_id, count(*) as amount from inserted group by tenant_id order by tenant_id) added;
  return null;
end
$$;

-- FUNCTION take_stock(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.take_stock() IS 'Charges inserted rows to the meter named by the trigger''s argument.';

-- tenant_key(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.tenant_key(tenant uuid) RETURNS TABLE(generation integer, wrapped bytea, master_key_id text)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select k.generation, k.wrapped, k.master_key_id from private.tenant_keys k where k.tenant_id = tenant order by k.generation desc limit 1
$$;

-- FUNCTION tenant_key(tenant uuid); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.tenant_key(tenant uuid) IS 'The tenant''s data key, wrapped. No row: it has none yet.';

-- tenant_of_object(text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.tenant_of_object(name text) RETURNS uuid
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  -- In any case: a folder in capitals must not be one that is not counted.
  select case when name ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/' then left(name, 36)::uuid end
$$;

-- FUNCTION tenant_of_object(name text); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.tenant_of_object(name text) IS 'Whose file it is, by its first folder; null when nobody''s.';

-- tenants_asking_for_second_factor(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.tenants_asking_for_second_factor() RETURNS SETOF uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
    SET search_path TO ''
    AS $$ begin return query select unnest(aias.tenants_asking_for_second_factor()); end $$;

-- FUNCTION tenants_asking_for_second_factor(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.tenants_asking_for_second_factor() IS 'What aias.tenants_asking_for_second_factor answers, as rows.';

-- tenants_with(text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.tenants_with(permission text) RETURNS SETOF uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 10
    SET search_path TO ''
    AS $$ begin return query select unnest(aias.tenants_with(permission)); end $$;

-- FUNCTION tenants_with(permission text); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.tenants_with(permission text) IS 'What aias.tenants_with answers, as rows.';

-- tool_problem(jsonb); Type: FUNCTION; Schema: private
CREATE FUNCTION private.tool_problem(tool jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $_$
  select case
    when jsonb_typeof(tool) <> 'object' then 'a tool is an object'
    when coalesce(tool ->> 'type', '') not in ('http', 'search_documents', 'start_workflow', 'rpc') then null
    when tool ? 'name' and (jsonb_typeof(tool -> 'name') <> 'string' or (tool ->> 'name') !~ '^[a-zA-Z0-9_-]{1,64}$') then
      'the name of a tool has 1 to 64 letters, digits, underscores and dashes'
    when tool ? 'description' and jsonb_typeof(tool -> 'description') <> 'string' then 'the description of a tool is text'
    when tool ->> 'type' = 'http' then case
      when jsonb_typeof(tool -> 'allow') is distinct from 'array' or tool -> 'allow' = '[]' then
        'an http tool has a list of the addresses that it may call, in allow'
      when exists (
        select from jsonb_array_elements(tool -> 'allow') a (url)
         where jsonb_typeof(a.url) <> 'string' or (a.url #>> '{}') !~ '^https?://[^/?#@\s]+/[^?#\s]*$'
      ) then 'each address in allow is like https://api.example.com/v1/: without a user, a query or a fragment, and with a path, if only a slash'
      when tool ? 'methods' and (jsonb_typeof(tool -> 'methods') <> 'array' or tool -> 'methods' = '[]' or exists (
        select from jsonb_array_elements(case when jsonb_typeof(tool -> 'methods') = 'array' then tool -> 'methods' else '[]' end) m (method)
         where jsonb_typeof(m.method) <> 'string' or upper(m.method #>> '{}') not in ('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE')
      )) then 'the methods of an http tool are a list of GET, HEAD, POST, PUT, PATCH and DELETE'
      when tool ? 'headers' and jsonb_typeof(tool -> 'headers') not in ('object', 'null') then 'the headers of an http tool are an object'
      when tool ? 'auth' and jsonb_typeof(tool -> 'auth') not in ('object', 'null') then 'auth of an http tool is an object'
    end
    when tool ->> 'type' = 'search_documents' then case
      when tool ? 'limit' and coalesce(tool ->> 'limit', '') !~ '^([1-9]|[1-4][0-9]|50)$' then 'the limit of a search_documents tool is between 1 and 50'
    end
    when tool ->> 'type' = 'rpc' then case
      when jsonb_typeof(tool -> 'function') is distinct from 'string' or (tool ->> 'function') !~ '^[a-zA-Z0-9_-]{1,64}$' then
        'an rpc tool has the name of the function that it calls, in function'
    end
    when coalesce(tool ->> 'workflow_id', '') !~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' then
      'a start_workflow tool has the id of the workflow that it starts, in workflow_id'
    when tool ? 'input_schema' and jsonb_typeof(tool -> 'input_schema') not in ('object', 'null') then
      'the input_schema of a start_workflow tool is a JSON schema'
  end
$_$;

-- FUNCTION tool_problem(tool jsonb); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.tool_problem(tool jsonb) IS 'What is wrong with a tool of an agent that workers run, in a sentence; null when nothing is.';

-- tools_problem(jsonb); Type: FUNCTION; Schema: private
CREATE FUNCTION private.tools_problem(config jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
declare
  problem text;
begin
  if config -> 'tools' is null or config -> 'tools' = 'null' then
    return null;
  end if;
  if jsonb_typeof(config -> 'tools') <> 'array' then
    return 'tools is a list';
  end if;
  select private.tool_problem(t.tool) into problem
    from jsonb_array_elements(config -> 'tools') with ordinality t (tool, position)
   where private.tool_problem(t.tool) is not null
   order by t.position limit 1;
  if problem is null then
    select format('two tools are called %s', n.name) into problem
      from jsonb_array_elements(config -> 'tools') t (tool)
     cross join lateral (select coalesce(t.tool ->> 'name', t.tool #>> '{function,name}', case when t.tool ->> 'type' = 'rpc' then t.tool ->> 'function' end,
                                            t.tool ->> 'type') as name) n
     where n.name is not null
     group by n.name having count(*) > 1 order by n.name limit 1;
  end if;
  return problem;
end
$$;

-- FUNCTION tools_problem(config jsonb); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.tools_problem(config jsonb) IS 'What is wrong with the tools in the config of an agent, in a sentence; null when nothing is.';

-- touch_updated_at(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.touch_updated_at() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  new.updated_at := now();
  return new;
end
$$;

-- FUNCTION touch_updated_at(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.touch_updated_at() IS 'Keeps updated_at true, whatever the client sent.';

-- transfer_ownership(uuid, uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.transfer_ownership(tenant uuid, member uuid) RETURNS public.memberships
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  membership public.memberships := private.member_to_manage(tenant, member);
begin
  perform private.demand_grant(tenant, 'memberships', array['owner', membership.role]);
  if member = (select auth.uid()) then
    perform private.refuse(409, 'already_owner', 'you are an owner already');
  end if;
  update public.memberships m set role = 'owner' where m.tenant_id = tenant and m.user_id = member returning * into membership;
  update public.memberships m set role = 'admin' where m.tenant_id = tenant and m.user_id = (select auth.uid());
  return membership;
end
$$;

-- trigger_problems(jsonb); Type: FUNCTION; Schema: private
CREATE FUNCTION private.trigger_problems(nodes jsonb) RETURNS TABLE(severity text, code text, node_id text, pointer text, message text)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $_$
  select 'error', 'unknown_table', drawn.node ->> 'id', format('/nodes/%s/config/table', drawn.position - 1),
         format('changes of the table %s start no workflows; those of %s do', drawn.node #>> '{config,table}', (
           select string_agg(case when s.source like 'public.%' then substr(s.source, 8) else s.source end, ', ' order by s.source)
             from private.event_sources s))
    from jsonb_array_elements(case when jsonb_typeof(nodes) = 'array' then nodes else '[]' end)
         with ordinality as drawn (node, position)
   where drawn.node ->> 'type' = 'trigger'
     and drawn.node #>> '{config,kind}' = 'event'
     -- What is no name of a table is named elsewhere.
     and drawn.node #>> '{config,table}' ~ '^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$'
     and not exists (select from private.event_sources s where s.source = private.event_source(drawn.node #>> '{config,table}'))
$_$;

-- FUNCTION trigger_problems(nodes jsonb); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.trigger_problems(nodes jsonb) IS 'What is wrong with a trigger that only the operator''s settings can tell.';

-- use_vectors(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.use_vectors() RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  place text;
  its regprocedure;
begin
  lock table private.document_vectors in access exclusive mode;
  if private.has_vectors() then
    return true;
  end if;
  select n.nspname into place
    from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
   where e.extname = 'vector';
  if place is null then
    if not exists (select from pg_catalog.pg_available_extensions where name = 'vector') then
      return false;
    end if;
    begin
      create extension vector schema extensions;
    exception when insufficient_privilege then
      raise warning 'the extension vector is there, and % may not create it', current_user
        using hint = 'have it created in schema extensions, then: select private.use_vectors()';
      return false;
    end;
    -- What we make is nobody's to call until policies/ says so. This is not ours: others use it for tables of their own.
    for its in
      select d.objid from pg_catalog.pg_depend d join pg_catalog.pg_extension e on e.oid = d.refobjid
       where e.extname = 'vector' and d.refclassid = 'pg_catalog.pg_extension'::regclass and d.classid = 'pg_catalog.pg_proc'::regclass and d.deptype = 'e'
    loop
      execute format('grant execute on routine %s to public', its);
    end loop;
  elsif place <> 'extensions' then
    raise warning 'the extension vector is in schema % and not in extensions', place
      using hint = 'alter extension vector set schema extensions; select private.use_vectors()';
    return false;
  end if;
  -- Of vectors that there were, and that went with the extension.
  delete from private.document_vectors where refusal is null;
  -- Its length is its model's, hence not the column's.
  alter table private.document_vectors
    add column embedding extensions.vector,
    add constraint vector_or_refusal check ((embedding is null) = (refusal is not null));
  -- In the row where it fits: a search reads all of an agent's, and each would be looked up elsewhere in pieces.
  alter table private.document_vectors alter column embedding set storage main;
  perform private.want_embeddings(array_agg(d.tenant_id), array_agg(d.agent_id)) from public.agent_documents d;
  return true;
end
$$;

-- FUNCTION use_vectors(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.use_vectors() IS 'Begins to keep vectors of documents, where the extension vector can be had; answers whether they are kept. For the operator to call once the extension has come.';

-- verify_audit(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.verify_audit(tenant uuid) RETURNS TABLE(seq bigint, id uuid, problem text, message text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform private.demand(tenant, 'audit.read');
  return query select * from audit.verify(tenant);
end
$$;

-- want_embeddings(uuid[], uuid[]); Type: FUNCTION; Schema: private
CREATE FUNCTION private.want_embeddings(tenants uuid[], agents uuid[]) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  insert into queue.embedding_jobs as j (tenant_id, agent_id)
  select distinct a.tenant_id, a.id
    from unnest(tenants, agents) wanted (tenant_id, agent_id)
    join public.ai_agents a on a.tenant_id = wanted.tenant_id and a.id = wanted.agent_id and a.embedding_model is not null
   -- Always in the same order, so that two who write documents do not wait for each other.
   order by 1, 2
  -- Written even where nothing changes: whoever is about to find that the agent needs nothing has to wait for what is being written.
  on conflict (tenant_id, agent_id) do update
    set run_at = case when j.gave_up_at is null then j.run_at else now() end,
        attempts = case when j.gave_up_at is null then j.attempts else 0 end,
        reason = case when j.gave_up_at is null then j.reason end,
        gave_up_at = null
$$;

-- FUNCTION want_embeddings(tenants uuid[], agents uuid[]); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.want_embeddings(tenants uuid[], agents uuid[]) IS 'Has the pieces of these agents embedded that have no vector, where their agent wants vectors. What was given up is tried again.';

-- watch_storage(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.watch_storage() RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if to_regclass('storage.objects') is null then
    return false;
  end if;
  if exists (select from pg_catalog.pg_trigger where tgrelid = to_regclass('storage.objects') and tgname = 'aias_take_storage') then
    return true;
  end if;
  -- The first of these keeps writers out until the end of the transaction, so nothing is missed between it and the count.
  create trigger aias_take_storage after insert on storage.objects
    referencing new table as inserted for each statement execute function private.count_storage();
  create trigger aias_give_storage_back after delete on storage.objects
    referencing old table as deleted for each statement execute function private.count_storage();
  create trigger aias_change_storage after update on storage.objects
    referencing old table as deleted new table as inserted for each statement execute function private.count_storage();
  create trigger aias_empty_storage after truncate on storage.objects
    for each statement execute function private.recount_storage();
  perform aias.quota_recount(t.id, 'storage_bytes', coalesce(s.bytes, 0))
     from public.tenants t
     left join private.stored_bytes() s on s.tenant_id = t.id
    order by t.id;
  return true;
end
$$;

-- FUNCTION watch_storage(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.watch_storage() IS 'Counts the files that are there and from now on each change of them. Answers whether there is a storage to watch; may be called again.';

-- webhook_address(text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.webhook_address(token text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select coalesce(rtrim(nullif(current_setting('aias.edge_url', true), ''), '/'), '') || '/hooks/' || token
$$;

-- FUNCTION webhook_address(token text); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.webhook_address(token text) IS 'The address as other systems are told it. The database does not know where edge-api is, unless the operator says so: alter database ... set aias.edge_url = ''https://api.example.com''. Otherwise it is the path alone.';

-- webhook_of(public.workflows); Type: FUNCTION; Schema: private
CREATE FUNCTION private.webhook_of(workflow public.workflows) RETURNS private.webhooks
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  hook private.webhooks;
  new_token text := private.random_token();
begin
  insert into private.webhooks (tenant_id, workflow_id, token, token_hash)
  values (workflow.tenant_id, workflow.id, new_token, sha256(convert_to(new_token, 'UTF8')))
  on conflict (tenant_id, workflow_id) do nothing;
  select h.* into hook from private.webhooks h where h.tenant_id = workflow.tenant_id and h.workflow_id = workflow.id;
  return hook;
end
$$;

-- FUNCTION webhook_of(workflow public.workflows); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.webhook_of(workflow public.workflows) IS 'The webhook of a workflow; makes it when there is none.';

-- webhook_url(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.webhook_url(wanted_workflow uuid) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  workflow public.workflows := private.workflow_to_write(wanted_workflow);
  hook private.webhooks := private.webhook_of(workflow);
begin
  return private.webhook_address(hook.token);
end
$$;

-- workflow_problems(uuid, jsonb, jsonb); Type: FUNCTION; Schema: private
CREATE FUNCTION private.workflow_problems(tenant uuid, nodes jsonb, connections jsonb) RETURNS TABLE(severity text, code text, node_id text, pointer text, message text)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select p.severity, p.code, p.node_id, p.pointer, p.message from aias.workflow_problems(nodes, connections) p
  union all
  -- What the graph alone cannot tell.
  select p.severity, p.code, p.node_id, p.pointer, p.message from private.step_problems(tenant, nodes) p
  union all
  select p.severity, p.code, p.node_id, p.pointer, p.message from private.trigger_problems(nodes) p
$$;

-- FUNCTION workflow_problems(tenant uuid, nodes jsonb, connections jsonb); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.workflow_problems(tenant uuid, nodes jsonb, connections jsonb) IS 'aias.workflow_problems, and what only the tenant''s other rows can tell.';

-- workflow_to_start(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.workflow_to_start(wanted_workflow uuid) RETURNS public.workflows
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  workflow public.workflows;
  readable_in uuid;
begin
  begin
    select w.* into strict workflow
      from public.workflows w
     where w.id = wanted_workflow and w.tenant_id = any (array(select private.tenants_with('workflows.execute')));
  exception
    when no_data_found then
      -- Whoever may read it learns why it cannot be started: the role, a second factor, or that the tenant is suspended.
      select w.tenant_id into readable_in from public.workflows w
       where w.id = wanted_workflow and w.tenant_id = any (array(select private.tenants_with('workflows.read')));
      if found then
        perform private.demand(readable_in, 'workflows.execute');
      end if;
      perform private.refuse(404, 'not_found', 'there is no such workflow');
    when too_many_rows then
      perform private.refuse(409, 'ambiguous_id', 'two of your tenants have a workflow with this id', null, 'give one of them a new id');
  end;
  if workflow.status <> 'active' then
    perform private.refuse(409, 'workflow_not_active', format('workflow "%s" is %s', workflow.name, workflow.status),
      null, 'activate it first: rpc activate_workflow');
  end if;
  return workflow;
end
$$;

-- FUNCTION workflow_to_start(wanted_workflow uuid); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.workflow_to_start(wanted_workflow uuid) IS 'The workflow, if the caller may start it and it can be started; otherwise refuses with the reason.';

-- workflow_to_write(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.workflow_to_write(wanted_workflow uuid) RETURNS public.workflows
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  workflow public.workflows;
  readable_in uuid;
begin
  select w.* into strict workflow
    from public.workflows w
   where w.id = wanted_workflow and w.tenant_id = any (array(select private.tenants_with('workflows.write')));
  return workflow;
exception
  when no_data_found then
    select w.tenant_id into readable_in from public.workflows w
     where w.id = wanted_workflow and w.tenant_id = any (array(select private.tenants_with('workflows.read')));
    if found then
      perform private.demand(readable_in, 'workflows.write');
    end if;
    perform private.refuse(404, 'not_found', 'there is no such workflow');
  when too_many_rows then
    perform private.refuse(409, 'ambiguous_id', 'two of your tenants have a workflow with this id', null, 'give one of them a new id');
end
$$;

-- FUNCTION workflow_to_write(wanted_workflow uuid); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.workflow_to_write(wanted_workflow uuid) IS 'The workflow, when the caller holds workflows.write where it is; refuses otherwise.';

-- accept_invitation(text); Type: FUNCTION; Schema: public
CREATE FUNCTION public.accept_invitation(token text) RETURNS public.memberships
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.accept_invitation(token) $$;

-- FUNCTION accept_invitation(token text); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.accept_invitation(token text) IS 'Makes the caller a member, by the token that was mailed to the caller''s confirmed address. Answers 402 when the plan has no seat left.';

-- activate_workflow(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.activate_workflow(workflow_id uuid) RETURNS public.workflows
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  activated public.workflows;
  readable_in uuid;
begin
  update public.workflows w set status = 'active' where w.id = activate_workflow.workflow_id returning * into activated;
  if activated.id is null then
    select w.tenant_id into readable_in from public.workflows w where w.id = activate_workflow.workflow_id;
    if found then
      perform private.demand(readable_in, 'workflows.write');
    end if;
    perform private.refuse(404, 'not_found', 'there is no such workflow');
  end if;
  return activated;
end
$$;

-- FUNCTION activate_workflow(workflow_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.activate_workflow(workflow_id uuid) IS 'Checks and publishes a workflow so that it can be started. Answers 422 with every problem when it cannot run.';

-- add_domain(uuid, text); Type: FUNCTION; Schema: public
CREATE FUNCTION public.add_domain(tenant_id uuid, domain text) RETURNS public.tenant_domains
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.add_domain(tenant_id, domain) $$;

-- FUNCTION add_domain(tenant_id uuid, domain text); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.add_domain(tenant_id uuid, domain text) IS 'Claims a domain. Publish the TXT record _aias-challenge.<domain> = aias-verification=<verification_token>; it is looked for at once and for an hour.';

-- broadcast_event(uuid, text, jsonb, text); Type: FUNCTION; Schema: public
CREATE FUNCTION public.broadcast_event(tenant_id uuid, name text, payload jsonb DEFAULT '{}'::jsonb, key text DEFAULT NULL::text) RETURNS integer
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.broadcast_event(tenant_id, name, payload, key) $$;

-- FUNCTION broadcast_event(tenant_id uuid, name text, payload jsonb, key text); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.broadcast_event(tenant_id uuid, name text, payload jsonb, key text) IS 'Sends an event to every step in the tenant that waits for it now, and answers how many those are. It is not kept for steps that will wait later.';

-- cancel_execution(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.cancel_execution(execution_id uuid) RETURNS public.executions
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.cancel_execution(execution_id) $$;

-- FUNCTION cancel_execution(execution_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.cancel_execution(execution_id uuid) IS 'Ends an execution. One that a worker holds is cancelled by that worker a moment later; watch its status.';

-- change_member_role(uuid, uuid, text); Type: FUNCTION; Schema: public
CREATE FUNCTION public.change_member_role(tenant_id uuid, user_id uuid, role text) RETURNS public.memberships
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.change_member_role(tenant_id, user_id, role) $$;

-- FUNCTION change_member_role(tenant_id uuid, user_id uuid, role text); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.change_member_role(tenant_id uuid, user_id uuid, role text) IS 'Gives a member another role. The caller holds every permission of the old role and of the new one; only an owner makes or unmakes an owner.';

-- check_domain(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.check_domain(domain_id uuid) RETURNS public.tenant_domains
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.check_domain(domain_id) $$;

-- FUNCTION check_domain(domain_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.check_domain(domain_id uuid) IS 'Has the DNS of a domain looked at again, soon. Watch verified_at and check_error.';

-- close_tenant(uuid, text); Type: FUNCTION; Schema: public
CREATE FUNCTION public.close_tenant(tenant_id uuid, subdomain text) RETURNS public.tenants
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.close_tenant(tenant_id, subdomain) $$;

-- FUNCTION close_tenant(tenant_id uuid, subdomain text); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.close_tenant(tenant_id uuid, subdomain text) IS 'Cancels a tenant: from now on only owners read it, and after 30 days it is erased. Its subdomain is asked for so that it is not done by mistake.';

-- create_api_key(uuid, text, text[], timestamp with time zone); Type: FUNCTION; Schema: public
CREATE FUNCTION public.create_api_key(tenant_id uuid, name text, scopes text[], expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS TABLE(tenant_id uuid, id uuid, name text, prefix text, scopes text[], expires_at timestamp with time zone, created_at timestamp with time zone, key text)
    LANGUAGE sql
    SET search_path TO ''
    AS $_$ select * from private.create_api_key($1, $2, $3, $4) $_$;

-- FUNCTION create_api_key(tenant_id uuid, name text, scopes text[], expires_at timestamp with time zone); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.create_api_key(tenant_id uuid, name text, scopes text[], expires_at timestamp with time zone) IS 'Makes a key for edge-api that acts with these scopes, each of which the caller holds. The column key is shown this once and kept nowhere.';

-- create_tenant(text, text, text); Type: FUNCTION; Schema: public
CREATE FUNCTION public.create_tenant(name text, subdomain text, region text DEFAULT 'default'::text) RETURNS public.tenants
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.create_tenant(name, subdomain, region) $$;

-- FUNCTION create_tenant(name text, subdomain text, region text); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.create_tenant(name text, subdomain text, region text) IS 'Makes a tenant on the starter plan, with the caller as its owner. Its data stays in the region it is made in.';

-- decide_approval(uuid, text, boolean, text); Type: FUNCTION; Schema: public
CREATE FUNCTION public.decide_approval(execution_id uuid, node_id text, approved boolean, comment text DEFAULT NULL::text) RETURNS public.executions
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.decide_approval(execution_id, node_id, approved, comment) $$;

-- FUNCTION decide_approval(execution_id uuid, node_id text, approved boolean, comment text); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.decide_approval(execution_id uuid, node_id text, approved boolean, comment text) IS 'Approves or refuses what a step of kind approval waits for; the first decision stands. The caller needs the permission that the step names, or workflows.execute where it names none; where it names one that does not exist, only owners decide.';

-- decline_invitation(text); Type: FUNCTION; Schema: public
CREATE FUNCTION public.decline_invitation(token text) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.decline_invitation(token) $$;

-- FUNCTION decline_invitation(token text); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.decline_invitation(token text) IS 'Says no to an invitation.';

-- disable_hook_signing(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.disable_hook_signing(workflow_id uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.disable_hook_signing(workflow_id) $$;

-- FUNCTION disable_hook_signing(workflow_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.disable_hook_signing(workflow_id uuid) IS 'From now on the address alone is enough to start this workflow.';

-- embedding_status(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.embedding_status(agent_id uuid) RETURNS TABLE(model text, state text, pieces bigint, embedded bigint, refused bigint, reason text, next_try_at timestamp with time zone)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select * from private.embedding_status(agent_id)
$$;

-- FUNCTION embedding_status(agent_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.embedding_status(agent_id uuid) IS 'How far the pieces of an agent''s documents are embedded: off (it has no embedding_model), unavailable (this database keeps no vectors), queued, waiting (the last attempt failed or the plan has no tokens left: reason says why, next_try_at when it goes on), failed (given up; reason says why), complete. Pieces that the model refuses are counted as refused, and found by their words.';

-- enable_hook_signing(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.enable_hook_signing(workflow_id uuid) RETURNS text
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.enable_hook_signing(workflow_id) $$;

-- FUNCTION enable_hook_signing(workflow_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.enable_hook_signing(workflow_id uuid) IS 'From now on only signed requests start this workflow by its address. Answers the secret that they are signed with, this once. Called again, it makes a new secret.';

-- export_chunk(uuid, integer); Type: FUNCTION; Schema: public
CREATE FUNCTION public.export_chunk(export_id uuid, number integer) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$ select private.export_chunk(export_id, number) $$;

-- FUNCTION export_chunk(export_id uuid, number integer); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.export_chunk(export_id uuid, number integer) IS 'A piece of an export, whole lines of NDJSON, counted from 1; null after the last.';

-- export_tenant(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.export_tenant(tenant_id uuid) RETURNS public.tenant_exports
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.export_tenant(tenant_id) $$;

-- FUNCTION export_tenant(tenant_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.export_tenant(tenant_id uuid) IS 'Has all data of a tenant written to a file. Watch its row until status is ready; then read it with rpc export_chunk, or GET /v1/exports/{id} of edge-api.';

-- invite_member(uuid, text, text); Type: FUNCTION; Schema: public
CREATE FUNCTION public.invite_member(tenant_id uuid, email text, role text) RETURNS public.invitations
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.invite_member(tenant_id, email, role) $$;

-- FUNCTION invite_member(tenant_id uuid, email text, role text); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.invite_member(tenant_id uuid, email text, role text) IS 'Invites somebody by e-mail into a role whose every permission the caller holds. The mail carries a link with a token, good for 7 days and once.';

-- invoice_preview(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.invoice_preview(tenant_id uuid) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$ select private.invoice_preview(tenant_id) $$;

-- FUNCTION invoice_preview(tenant_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.invoice_preview(tenant_id uuid) IS 'What the tenant''s open billing period comes to so far, before tax: {currency, period, lines: [{kind: plan | overage | marketplace, …, amount}], subtotal, tax, total_before_tax}, in minor units. Wants billing.read or billing.manage.';

-- leave_tenant(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.leave_tenant(tenant_id uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.leave_tenant(tenant_id) $$;

-- FUNCTION leave_tenant(tenant_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.leave_tenant(tenant_id uuid) IS 'Ends the caller''s membership. Refused for the last owner.';

-- look_at_invitation(text); Type: FUNCTION; Schema: public
CREATE FUNCTION public.look_at_invitation(token text) RETURNS TABLE(tenant_name text, role text, role_name text, email text, invited_by text, expires_at timestamp with time zone)
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.look_at_invitation(token) $$;

-- FUNCTION look_at_invitation(token text); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.look_at_invitation(token text) IS 'What an invitation is to, for the page that asks whether to accept.';

-- my_tenants(); Type: FUNCTION; Schema: public
CREATE FUNCTION public.my_tenants() RETURNS TABLE(tenant_id uuid, name text, subdomain text, status text, role text, permissions text[], requires_second_factor boolean, second_factor_missing boolean, access_ends_at timestamp with time zone)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$ select * from private.my_tenants() $$;

-- FUNCTION my_tenants(); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.my_tenants() IS 'The caller''s tenants, with the permissions that are in force now: what a frontend shows or hides by. second_factor_missing: more with aal2.';

-- pause_execution(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.pause_execution(execution_id uuid) RETURNS public.executions
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.pause_execution(execution_id) $$;

-- FUNCTION pause_execution(execution_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.pause_execution(execution_id uuid) IS 'Pauses an execution: nothing new begins in it until it is resumed, and what comes for it meanwhile is kept. One that a worker holds is paused when the calls that are out have ended; watch its status. To pause one that is paused changes nothing.';

-- quota_status(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.quota_status(tenant_id uuid) RETURNS TABLE(meter text, kind text, quota_limit bigint, used bigint, reserved bigint, remaining bigint, period_start timestamp with time zone, resets_at timestamp with time zone)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$ select * from private.quota_status(tenant_id) $$;

-- FUNCTION quota_status(tenant_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.quota_status(tenant_id uuid) IS 'What a tenant has used of its plan in this billing period. A null limit means unlimited.';

-- remove_domain(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.remove_domain(domain_id uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.remove_domain(domain_id) $$;

-- FUNCTION remove_domain(domain_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.remove_domain(domain_id uuid) IS 'Gives a domain up; it is not served any more.';

-- remove_member(uuid, uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.remove_member(tenant_id uuid, user_id uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.remove_member(tenant_id, user_id) $$;

-- FUNCTION remove_member(tenant_id uuid, user_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.remove_member(tenant_id uuid, user_id uuid) IS 'Removes a member, who is out in the next statement. The caller holds all that the member''s role allows.';

-- reopen_tenant(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.reopen_tenant(tenant_id uuid) RETURNS public.tenants
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.reopen_tenant(tenant_id) $$;

-- FUNCTION reopen_tenant(tenant_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.reopen_tenant(tenant_id uuid) IS 'Takes a cancellation by an owner back, within 30 days.';

-- resend_invitation(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.resend_invitation(invitation_id uuid) RETURNS public.invitations
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.resend_invitation(invitation_id) $$;

-- FUNCTION resend_invitation(invitation_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.resend_invitation(invitation_id uuid) IS 'Mails an invitation again, in the caller''s name, good for another 7 days.';

-- ai_agents; Type: TABLE; Schema: public
CREATE TABLE public.ai_agents (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT aias.uuid7() NOT NULL,
    name text NOT NULL,
    slug text NOT NULL,
    description text,
    model text NOT NULL,
    config jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    embedding_model text,
    CONSTRAINT agent_config_is_an_object CHECK (((jsonb_typeof(config) = 'object'::text) AND (pg_column_size(config) <= 262144))),
    CONSTRAINT agent_max_rounds_is_between_1_and_32 CHECK (((NOT (config ? 'max_rounds'::text)) OR ((config ->> 'max_rounds'::text) ~ '^([1-9]|[12][0-9]|3[0-2])$'::text))),
    CONSTRAINT agent_max_tokens_is_a_positive_integer CHECK (((NOT (config ? 'max_tokens'::text)) OR ((config ->> 'max_tokens'::text) ~ '^[1-9][0-9]{0,6}$'::text))),
    CONSTRAINT agent_model_names_its_provider CHECK (((model ~ '^[a-z0-9_-]+/.+$'::text) AND (length(model) <= 200))),
    CONSTRAINT agent_name_is_not_empty CHECK (((length(btrim(name)) >= 1) AND (length(btrim(name)) <= 200))),
    CONSTRAINT agent_slug_is_a_word CHECK ((slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'::text)),
    CONSTRAINT agent_system_prompt_is_text CHECK (((NOT (config ? 'system_prompt'::text)) OR (jsonb_typeof((config -> 'system_prompt'::text)) = 'string'::text))),
    CONSTRAINT agent_temperature_is_between_0_and_2 CHECK (((NOT (config ? 'temperature'::text)) OR ((jsonb_typeof((config -> 'temperature'::text)) = 'number'::text) AND ((((config ->> 'temperature'::text))::numeric >= (0)::numeric) AND (((config ->> 'temperature'::text))::numeric <= (2)::numeric)))))
);

-- TABLE ai_agents; Type: COMMENT; Schema: public
COMMENT ON TABLE public.ai_agents IS 'A model with a role to play: used by workflow steps of type ai_processing.';

-- COLUMN ai_agents.model; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.ai_agents.model IS 'provider/model, for instance openai/gpt-4o-mini';

-- COLUMN ai_agents.config; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.ai_agents.config IS 'temperature (0 to 2), max_tokens, system_prompt, output_schema (JSON schema), max_rounds (1 to 32; 8 when not set), fallback_models (provider/model, at most 8), and tools: functions as OpenAI writes them, whose calls are the output of a step or go to who asks, and {type: http, name, allow, methods, headers, auth}, {type: search_documents, name, limit}, {type: start_workflow, workflow_id, name} or {type: rpc, function, name}, which are run here; mcp_servers: {name, url, headers, auth, allow}.';

-- COLUMN ai_agents.version; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.ai_agents.version IS 'The version in force, which model and config are of. Kept by the database.';

-- COLUMN ai_agents.embedding_model; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.ai_agents.embedding_model IS 'Which model embeds the agent''s documents, as provider/model. Null: none, and they are searched by their words. Another one embeds them anew; to write it again, even the same, tries again what was given up. No part of a version.';

-- restore_agent_version(uuid, integer); Type: FUNCTION; Schema: public
CREATE FUNCTION public.restore_agent_version(agent_id uuid, version integer) RETURNS public.ai_agents
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
#variable_conflict use_column
declare
  tenants uuid[];
  wanted public.agent_versions;
  restored public.ai_agents;
begin
  select array_agg(a.tenant_id) into tenants from public.ai_agents a where a.id = restore_agent_version.agent_id;
  if tenants is null then
    perform private.refuse(404, 'not_found', 'there is no such agent');
  end if;
  if cardinality(tenants) > 1 then
    perform private.refuse(409, 'ambiguous_id', 'two of your tenants have an agent with this id', null, 'update the row of the one that you mean');
  end if;
  perform private.demand(tenants[1], 'agents.write');
  select v.* into wanted
    from public.agent_versions v
   where v.tenant_id = tenants[1] and v.agent_id = restore_agent_version.agent_id and v.version = restore_agent_version.version;
  if not found then
    perform private.refuse(404, 'agent_version_not_found', format('the agent has no version %s', version), null,
      'the table agent_versions has those that there are');
  end if;
  update public.ai_agents a set model = wanted.model, config = wanted.config
   where a.tenant_id = wanted.tenant_id and a.id = wanted.agent_id
  returning a.* into restored;
  return restored;
end
$$;

-- FUNCTION restore_agent_version(agent_id uuid, version integer); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.restore_agent_version(agent_id uuid, version integer) IS 'Puts what an agent said and did in an old version in force again, as a new version; the one that is in force already stays as it is. By the rules of today: what the config may say, and what its writer has to hold, is asked anew.';

-- resume_execution(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.resume_execution(execution_id uuid) RETURNS public.executions
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.resume_execution(execution_id) $$;

-- FUNCTION resume_execution(execution_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.resume_execution(execution_id uuid) IS 'Lets a paused execution go on. What came for it and what was due meanwhile is taken up at once.';

-- retry_execution(uuid, text, jsonb); Type: FUNCTION; Schema: public
CREATE FUNCTION public.retry_execution(execution_id uuid, from_node text DEFAULT NULL::text, input jsonb DEFAULT NULL::jsonb) RETURNS public.executions
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.retry_execution(execution_id, from_node, input) $$;

-- FUNCTION retry_execution(execution_id uuid, from_node text, input jsonb); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.retry_execution(execution_id uuid, from_node text, input jsonb) IS 'Another try of an execution that is over: a new one of the same version, charged to the plan, that takes over what was done. Without from_node all that did not succeed runs again, of a list only the items that did not; with it that step and all behind it; with another input everything.';

-- revoke_api_key(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.revoke_api_key(key_id uuid) RETURNS public.api_keys
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.revoke_api_key(key_id) $$;

-- FUNCTION revoke_api_key(key_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.revoke_api_key(key_id uuid) IS 'Ends a key: its next request is refused. Doing it again changes nothing.';

-- revoke_invitation(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.revoke_invitation(invitation_id uuid) RETURNS public.invitations
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.revoke_invitation(invitation_id) $$;

-- FUNCTION revoke_invitation(invitation_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.revoke_invitation(invitation_id uuid) IS 'Withdraws an invitation: its link is worth nothing from here on.';

-- rotate_webhook(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.rotate_webhook(workflow_id uuid) RETURNS text
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.rotate_webhook(workflow_id) $$;

-- FUNCTION rotate_webhook(workflow_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.rotate_webhook(workflow_id uuid) IS 'Gives a workflow a new address. The old one is nobody''s from this moment on.';

-- search_documents(uuid, text, integer, real[]); Type: FUNCTION; Schema: public
CREATE FUNCTION public.search_documents(agent_id uuid, query text, at_most integer DEFAULT 5, query_embedding real[] DEFAULT NULL::real[]) RETURNS TABLE(document_id uuid, title text, "position" integer, content text, rank real)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select * from private.search_documents(agent_id, query, at_most, query_embedding)
$$;

-- FUNCTION search_documents(agent_id uuid, query text, at_most integer, query_embedding real[]); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.search_documents(agent_id uuid, query text, at_most integer, query_embedding real[]) IS 'The pieces of an agent''s documents that fit a question best, at most 50. By its words; with query_embedding, a vector of the question by the agent''s embedding_model (POST /v1/embeddings), also by its meaning, and as the agent''s own tool search_documents finds them. The vector is left out of account where the agent embeds nothing. rank orders the rows of one answer and says nothing else.';

-- send_event(uuid, text, jsonb, text); Type: FUNCTION; Schema: public
CREATE FUNCTION public.send_event(execution_id uuid, name text, payload jsonb DEFAULT '{}'::jsonb, key text DEFAULT NULL::text) RETURNS boolean
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.send_event(execution_id, name, payload, key) $$;

-- FUNCTION send_event(execution_id uuid, name text, payload jsonb, key text); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.send_event(execution_id uuid, name text, payload jsonb, key text) IS 'Sends an event to an execution. True when a step waited for it, which goes on with it; false when none does yet: it is kept, up to 1000 of them, for a step that will. A step that names no key takes every event of its name.';

-- set_rate_limit(uuid, uuid, text, integer, integer); Type: FUNCTION; Schema: public
CREATE FUNCTION public.set_rate_limit(tenant_id uuid, api_key_id uuid DEFAULT NULL::uuid, model text DEFAULT NULL::text, requests_per_minute integer DEFAULT NULL::integer, tokens_per_minute integer DEFAULT NULL::integer) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.set_rate_limit(tenant_id, api_key_id, model, requests_per_minute, tokens_per_minute) $$;

-- FUNCTION set_rate_limit(tenant_id uuid, api_key_id uuid, model text, requests_per_minute integer, tokens_per_minute integer); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.set_rate_limit(tenant_id uuid, api_key_id uuid, model text, requests_per_minute integer, tokens_per_minute integer) IS 'Limits how many requests and tokens a minute models may be asked through the API: with one key, of one model, or with one key of one model. Null for both takes the limit away. Calls beyond it are refused with 429; public.rate_limits shows what is set.';

-- set_spending_cap(uuid, numeric, uuid, uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.set_spending_cap(tenant_id uuid, usd numeric, agent_id uuid DEFAULT NULL::uuid, api_key_id uuid DEFAULT NULL::uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.set_spending_cap(tenant_id, usd, agent_id, api_key_id) $$;

-- FUNCTION set_spending_cap(tenant_id uuid, usd numeric, agent_id uuid, api_key_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.set_spending_cap(tenant_id uuid, usd numeric, agent_id uuid, api_key_id uuid) IS 'Caps what models may cost in a billing period: of the tenant, of one of its agents, or, through the API, of one of its keys. Null takes the cap away. Calls and steps that would pass it are refused with 402; quota_status shows what is spent of it, in millionths of a dollar.';

-- start_execution(uuid, jsonb, text, integer); Type: FUNCTION; Schema: public
CREATE FUNCTION public.start_execution(workflow_id uuid, input jsonb DEFAULT '{}'::jsonb, idempotency_key text DEFAULT NULL::text, priority integer DEFAULT 0) RETURNS public.executions
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.start_execution(workflow_id, input, idempotency_key, priority) $$;

-- FUNCTION start_execution(workflow_id uuid, input jsonb, idempotency_key text, priority integer); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.start_execution(workflow_id uuid, input jsonb, idempotency_key text, priority integer) IS 'Starts an active workflow. The same idempotency key returns the execution that it first started. Those with a higher priority (-100 to 100) are begun first, within the tenant. Answers 402 when the plan''s executions are used up, and 429 when more are started in a minute than the plan allows.';

-- start_executions(uuid, jsonb[], integer); Type: FUNCTION; Schema: public
CREATE FUNCTION public.start_executions(workflow_id uuid, inputs jsonb[], priority integer DEFAULT 0) RETURNS uuid[]
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.start_executions(workflow_id, inputs, priority) $$;

-- FUNCTION start_executions(workflow_id uuid, inputs jsonb[], priority integer); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.start_executions(workflow_id uuid, inputs jsonb[], priority integer) IS 'Starts an active workflow once for each input, all of them or none. Answers the executions'' ids in the order of the inputs. At most 10,000 a call, which counts as one request.';

-- transfer_ownership(uuid, uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.transfer_ownership(tenant_id uuid, user_id uuid) RETURNS public.memberships
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.transfer_ownership(tenant_id, user_id) $$;

-- FUNCTION transfer_ownership(tenant_id uuid, user_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.transfer_ownership(tenant_id uuid, user_id uuid) IS 'Makes a member the owner in the caller''s place; the caller becomes an admin. Answers the new owner''s membership.';

-- verify_audit(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.verify_audit(tenant_id uuid) RETURNS TABLE(seq bigint, id uuid, problem text, message text)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$ select * from private.verify_audit(tenant_id) $$;

-- FUNCTION verify_audit(tenant_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.verify_audit(tenant_id uuid) IS 'Checks the chain of a tenant''s audit log; no row when nothing was removed or edited.';

-- webhook_url(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.webhook_url(workflow_id uuid) RETURNS text
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.webhook_url(workflow_id) $$;

-- FUNCTION webhook_url(workflow_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.webhook_url(workflow_id uuid) IS 'Where other systems post to, to start this workflow; also before it is published, so that it can be told to them. Whoever has it can start the workflow: it is a secret. A path when the operator has not told the database the address of edge-api.';

-- workflow_problems(jsonb, jsonb); Type: FUNCTION; Schema: public
CREATE FUNCTION public.workflow_problems(nodes jsonb, connections jsonb) RETURNS TABLE(severity text, code text, node_id text, pointer text, message text)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$ select * from aias.workflow_problems(nodes, connections) $$;

-- FUNCTION workflow_problems(nodes jsonb, connections jsonb); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.workflow_problems(nodes jsonb, connections jsonb) IS 'Everything that is wrong with a drawing, with JSON pointers, in a fixed order. For editors.';

-- agent(uuid, uuid); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.agent(tenant uuid, agent uuid) RETURNS TABLE(id uuid, model text, config jsonb)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select a.id, a.model, a.config from public.ai_agents a where a.tenant_id = tenant and a.id = agent
$$;

-- FUNCTION agent(tenant uuid, agent uuid); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.agent(tenant uuid, agent uuid) IS 'The agent as it is now: for workers of before, which know of no versions.';

-- agent(uuid, uuid, integer); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.agent(tenant uuid, agent uuid, wanted_version integer) RETURNS TABLE(id uuid, version integer, model text, config jsonb)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select a.id, v.version, v.model, v.config
    from public.ai_agents a
    left join public.agent_versions v on v.tenant_id = a.tenant_id and v.agent_id = a.id and v.version = coalesce(wanted_version, a.version)
   where a.tenant_id = tenant and a.id = agent
$$;

-- FUNCTION agent(tenant uuid, agent uuid, wanted_version integer); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.agent(tenant uuid, agent uuid, wanted_version integer) IS 'The agent that an ai_processing step names, in this version or, where that is null, in the one in force. Without version, model and config: it has no such version.';

-- agent_functions(text[]); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.agent_functions(names text[]) RETURNS TABLE(name text, description text, arguments jsonb)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select f.name, f.description, f.arguments from private.agent_functions f where f.name = any (names)
$$;

-- FUNCTION agent_functions(names text[]); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.agent_functions(names text[]) IS 'What a model is told of functions that its agent may call; those that no agent may call are missing.';

-- answer_call(uuid, uuid); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.answer_call(tenant uuid, execution uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  child public.executions;
begin
  select e.* into child from public.executions e where e.tenant_id = tenant and e.id = execution;
  perform from queue.jobs j where j.tenant_id = tenant and j.execution_id = child.parent_id for update;
  -- Not when the step has given this one up and waits for another.
  if exists (
    select from queue.waits w
     where w.tenant_id = tenant and w.execution_id = child.parent_id and w.node_id = child.parent_node
       and w.item = coalesce(child.parent_item, -1) and w.child_id = child.id
  ) then
    perform queue.deliver(tenant, child.parent_id, child.parent_node, coalesce(child.parent_item, -1), jsonb_build_object(
      'execution_id', child.id, 'status', child.status, 'output', child.output, 'error', child.error));
  end if;
end
$$;

-- FUNCTION answer_call(tenant uuid, execution uuid); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.answer_call(tenant uuid, execution uuid) IS 'Tells the step that called an execution how that ended.';

-- ask_to_end(uuid, uuid); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.ask_to_end(tenant uuid, execution uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update public.executions e set cancel_requested_at = coalesce(e.cancel_requested_at, now())
   where e.tenant_id = tenant and e.id = execution and e.finished_at is null;
  if found then
    -- One that is paused does not go on, but it ends.
    update queue.jobs j set state = 'waiting' where j.tenant_id = tenant and j.execution_id = execution and j.state = 'paused';
    perform queue.wake(tenant, execution);
  end if;
end
$$;

-- FUNCTION ask_to_end(tenant uuid, execution uuid); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.ask_to_end(tenant uuid, execution uuid) IS 'Asks for the end of an execution that nobody waits for any more. Its own worker ends it.';

-- begin_embedding(uuid, uuid, bigint); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.begin_embedding(tenant uuid, agent uuid, token bigint) RETURNS TABLE(model text, dimensions integer, digests bytea[], texts text[], reservation uuid, generation integer, wrapped bytea, master_key_id text, names text[], nonces bytea[], ciphertexts bytea[])
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
#variable_conflict use_column
declare
  chars_per_token constant integer := 4;
  -- Longer than the lease of a job.
  kept_for constant interval := '15 minutes';
  -- More than those that end with a record: they ended with their workers.
  most_claims constant integer := 20;
  tokens bigint;
  capped text[];
  pieces integer;
  claims integer;
begin
  -- Whoever wants something embedded writes the job, and is waited for here: what it wants is seen below.
  select j.batch, j.attempts into pieces, claims
    from queue.embedding_jobs j
   where j.tenant_id = tenant and j.agent_id = agent and j.fencing_token = token
     for update;
  if not found then
    return;
  end if;
  if claims > most_claims then
    update queue.embedding_jobs j
       set gave_up_at = now(), claimed_by = null, reason = 'it was taken up many times, and none of the workers came back to say what became of it'
     where j.tenant_id = tenant and j.agent_id = agent;
    return;
  end if;
  select m.model, m.dimensions into model, dimensions
    from public.ai_agents a
    join private.embedding_models m on m.model = a.embedding_model
   where a.tenant_id = tenant and a.id = agent;
  select array_agg(missing.digest), array_agg(missing.content), sum(1 + length(missing.content) / chars_per_token)
    into digests, texts, tokens
    from (
      select c.digest, min(c.content) as content
        from private.document_chunks c
       where c.tenant_id = tenant and c.agent_id = agent
         and not exists (
           select from private.document_vectors v
            where v.tenant_id = c.tenant_id and v.document_id = c.document_id and v.digest = c.digest and v.model = begin_embedding.model)
       group by c.digest
       order by min(c.document_id::text), min(c.position)
       limit pieces) missing;
  if model is null or digests is null then
    delete from queue.embedding_jobs j where j.tenant_id = tenant and j.agent_id = agent;
    return;
  end if;
  begin
    reservation := aias.quota_reserve(tenant, 'llm_tokens', tokens, kept_for);
    capped := private.capped_meters(tenant, agent, null);
    if cardinality(capped) > 0 then
      insert into queue.capped_calls (tenant_id, reservation, caps)
      values (tenant, reservation, private.set_dollars_aside(tenant, capped, array[model], tokens, 0));
    end if;
  exception when sqlstate 'PGRST' then
    -- The plan or a cap has nothing left. That is no failure, and is looked at again until there is some.
    update queue.embedding_jobs j
       set run_at = now() + interval '5 minutes' * (0.75 + random() / 2), claimed_by = null, attempts = 0, reason = sqlerrm::jsonb ->> 'message'
     where j.tenant_id = tenant and j.agent_id = agent;
    return;
  end;
  select s.generation, s.wrapped, s.master_key_id, s.names, s.nonces, s.ciphertexts
    into generation, wrapped, master_key_id, names, nonces, ciphertexts
    from private.sealed(tenant, 'provider_key', array[split_part(model, '/', 1)]) s;
  return next;
end
$$;

-- FUNCTION begin_embedding(tenant uuid, agent uuid, token bigint); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.begin_embedding(tenant uuid, agent uuid, token bigint) IS 'The next texts of a claimed agent to be embedded, with the tokens set aside and the tenant''s own key to the model''s provider, sealed. No row: the lease is lost, nothing is left to embed, or the plan has no tokens, and the job is gone or put off.';

-- begin_wait(uuid, uuid, text, integer, jsonb); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.begin_wait(tenant uuid, execution uuid, node text, wait_item integer, wait jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  event queue.events;
begin
  if wait ->> 'kind' = 'event' then
    -- It may have come before anybody waited.
    delete from queue.events e
     where e.tenant_id = tenant and e.execution_id = execution
       and e.id = (select x.id from queue.events x
                    where x.tenant_id = tenant and x.execution_id = execution and x.name = wait ->> 'name'
                      and (wait ->> 'key' is null or x.key = wait ->> 'key')
                    order by x.id limit 1)
    returning e.* into event;
  end if;
  insert into queue.waits (tenant_id, execution_id, node_id, item, kind, name, key, permission, message, delivered)
  values (tenant, execution, node, wait_item, wait ->> 'kind', wait ->> 'name', wait ->> 'key', wait ->> 'permission', wait ->> 'message',
          case when event.id is not null then
            jsonb_build_object('event', event.name, 'key', event.key, 'payload', event.payload, 'received_at', event.created_at) end)
  on conflict (tenant_id, execution_id, node_id, item) do nothing;
  update queue.jobs j set has_waits = true, is_woken = j.is_woken or event.id is not null
   where j.tenant_id = tenant and j.execution_id = execution;
end
$$;

-- FUNCTION begin_wait(tenant uuid, execution uuid, node text, wait_item integer, wait jsonb); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.begin_wait(tenant uuid, execution uuid, node text, wait_item integer, wait jsonb) IS 'Registers what a step waits for; an event that came before is delivered at once. Called by queue.record.';

-- call_agent_function(uuid, uuid, bigint, text, jsonb); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.call_agent_function(tenant uuid, execution uuid, token bigint, called text, arguments jsonb) RETURNS TABLE(held boolean, is_read_only boolean, answer jsonb, has_more boolean, refusal text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
#variable_conflict use_variable
declare
  person uuid;
begin
  -- No lock: the lease has to be renewed meanwhile. Whoever has lost it throws the answer away.
  held := exists (
    select from queue.jobs j where j.tenant_id = tenant and j.execution_id = execution and j.fencing_token = token and j.state = 'claimed');
  if not held then
    return next;
    return;
  end if;
  select e.started_by into person from public.executions e where e.tenant_id = tenant and e.id = execution;
  if person is null then
    refusal := 'nobody started this execution who could be asked for: it was a key, a schedule, a webhook or an event';
    return next;
    return;
  end if;
  -- Claims of one factor: nobody has shown another.
  select c.is_read_only, c.answer, c.has_more, c.refusal into is_read_only, answer, has_more, refusal
    from private.call_agent_function(tenant, person, jsonb_build_object('sub', person, 'role', 'authenticated', 'aal', 'aal1'), called, arguments) c;
  return next;
end
$$;

-- FUNCTION call_agent_function(tenant uuid, execution uuid, token bigint, called text, arguments jsonb); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.call_agent_function(tenant uuid, execution uuid, token bigint, called text, arguments jsonb) IS 'Calls a function that agents may call, with arguments that a model wrote, as the person who started the execution. At most 100 rows, as JSON; has_more when there are more. To be called in a transaction of its own, repeatable read and with a time-out; it sets the claims and, unless the function writes, lets nothing be written until the end of that. held is false when the lease is lost; refusal is a sentence for the model. What the function itself refuses is its own error.';

-- call_as_member(regprocedure, jsonb, integer); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.call_as_member(callee regprocedure, arguments jsonb, most_rows integer) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  named text;
  columns text;
  answer jsonb;
begin
  if current_user <> 'authenticated' then
    raise exception 'queue.call_as_member is not owned by authenticated: apply all policies' using errcode = 'invalid_object_definition';
  end if;
  -- Only what was given: what was not has its default. Each by the type that the catalogue says, so that no text is read as SQL.
  select string_agg(format('%I => given.%I', p.name, p.name), ', ' order by p.position),
         string_agg(format('%I %s', p.name, format_type(p.type, null)), ', ' order by p.position)
    into named, columns
    from pg_catalog.pg_proc f
   cross join lateral unnest(f.proargnames[1:f.pronargs], f.proargtypes::oid[]) with ordinality p (name, type, position)
   where f.oid = callee and arguments ? p.name;
  execute format('select jsonb_agg(answered.line) from (select to_jsonb(line) as line from %s%s(%s) as line limit $2) answered',
    case when columns is not null then format('jsonb_to_record($1) as given (%s) cross join lateral ', columns) else '' end,
    callee::regproc, coalesce(named, ''))
    into answer using arguments, most_rows + 1;
  return coalesce(answer, '[]');
end
$_$;

-- FUNCTION call_as_member(callee regprocedure, arguments jsonb, most_rows integer); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.call_as_member(callee regprocedure, arguments jsonb, most_rows integer) IS 'Calls a function with the rights of the role authenticated and the claims of the session. Called by queue.call_agent_function.';

-- chain_audit(integer); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.chain_audit(max_entries integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  chained integer;
begin
  -- One at a time; the others have nothing to do. The lock goes with the transaction.
  if not pg_try_advisory_xact_lock(hashtextextended('audit.chain', 0)) then
    return 0;
  end if;
  -- Refusals took their own entries back; the notes that they left are entered now.
  insert into audit.inbox (tenant_id, at, actor_kind, actor_id, action, subject, after, request_id)
  select t.id, n.at, n.note #>> '{actor,kind}', (n.note #>> '{actor,id}')::uuid, n.note ->> 'action', n.note ->> 'subject',
         n.note - array['action', 'tenant_id', 'actor', 'request_id', 'subject'], n.note ->> 'request_id'
    from aias.take_notes(1000) n
    join public.tenants t on t.id = (n.note ->> 'tenant_id')::uuid;
  perform set_config('aias.audit_may_delete', 'inbox', true);
  -- Nobody else takes entries out: whoever erases a tenant waits for the lock above. So none has to be locked before it is deleted.
  with moved as (
    delete from audit.inbox i where i.ctid = any(array(select p.ctid from audit.inbox p limit max_entries)) returning i.*
  ),
  -- Held until we commit: a tenant that is being erased has either gone already, and its entries go here, or waits for us and takes
  -- them along.
  tenants as materialized (
    select t.id from public.tenants t where t.id in (select m.tenant_id from moved m) for key share
  ),
  numbered as (
    select m.*, coalesce(h.hash, decode(repeat('00', 32), 'hex')) as head,
           coalesce(h.seq, 0) + row_number() over (partition by m.tenant_id order by m.id) as seq
      from moved m
      join tenants t on t.id = m.tenant_id
      left join audit.heads h on h.tenant_id = m.tenant_id
  ),
  entered as (
    insert into audit.log (tenant_id, seq, id, at, actor_kind, actor_id, action, subject, subject_id, before, after, request_id, hash)
    select n.tenant_id, n.seq, n.id, n.at, n.actor_kind, n.actor_id, n.action, n.subject, n.subject_id, n.before, n.after, n.request_id,
           -- audit.payload, without the cost of calling it, and without a jsonb that is only made to be written.
           aias.chained(n.head, convert_to(json_build_array(
             n.tenant_id, n.seq, n.id, (extract(epoch from n.at) * 1000000)::bigint, n.actor_kind, n.actor_id, n.action, n.subject, n.subject_id,
             n.before, n.after, n.request_id
           )::text, 'UTF8')) over (partition by n.tenant_id order by n.id rows unbounded preceding)
      from numbered n
    returning tenant_id, seq, hash
  ),
  moved_heads as (
    insert into audit.heads as h (tenant_id, seq, hash)
    select distinct on (e.tenant_id) e.tenant_id, e.seq, e.hash from entered e order by e.tenant_id, e.seq desc
    on conflict (tenant_id) do update set seq = excluded.seq, hash = excluded.hash, chained_at = now()
  )
  select count(*) into chained from moved;
  perform set_config('aias.audit_may_delete', '', true);
  return chained;
end
$$;

-- FUNCTION chain_audit(max_entries integer); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.chain_audit(max_entries integer) IS 'Enters the notes of refusals, and moves up to max_entries from the inbox to the end of their tenants'' chains. Answers how many; 0 also while another worker is at it.';

-- claim(text, integer, interval, uuid[], uuid[], integer[], integer); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.claim(worker text, max_jobs integer, lease interval, held_tenants uuid[], held_workflows uuid[], held_counts integer[], kept integer DEFAULT 0) RETURNS TABLE(tenant_id uuid, execution_id uuid, fencing_token bigint, claims_without_progress smallint, workflow_id uuid, workflow_version integer, input jsonb, depth smallint, started_at timestamp with time zone, cancel_requested boolean, pause_requested boolean, steps jsonb, signals jsonb, was_capped boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
#variable_conflict use_column
declare
  picked record;
  horizon xid8 := pg_snapshot_xmin(pg_current_snapshot());
  claimed_tenants uuid[];
  claimed_workflows uuid[];
  claimed_executions uuid[];
begin
  -- One at a time: caps and turns are decided on what is true. A claim takes a few milliseconds and as many jobs as the worker has room for.
  perform pg_advisory_xact_lock(hashtextextended('queue.claim', 0));
  -- Nobody waits until a claim is on the disk: whatever is recorded of what it took is written after it, and takes it along. A server that
  -- dies before has forgotten the claim, and all that its worker could have done without a record is to think.
  perform set_config('synchronous_commit', 'off', true);
  perform queue.make_due_ready(lease);
  select * into picked from queue.pick(worker, max_jobs, kept, lease, held_tenants, held_workflows, held_counts);
  with locked as materialized (
    select j.tenant_id, j.execution_id
      from unnest(picked.tenants, picked.executions) p (tenant_id, execution_id)
      -- Each by its key: joined in any other way, this would be as much work as there are jobs.
      cross join lateral (
        select k.tenant_id, k.execution_id from queue.jobs k
         where k.tenant_id = p.tenant_id and k.execution_id = p.execution_id and k.state = 'ready'
           -- Somebody may be about to cancel it, for as long as he likes.
           for update skip locked
      ) j
  ),
  claimed as (
    update queue.jobs j
       set state = 'claimed', ready_in = null, run_at = now() + lease, fencing_token = j.fencing_token + 1, claimed_by = worker,
           claims_without_progress = j.claims_without_progress + 1, is_woken = false
      from locked l
     where j.tenant_id = l.tenant_id and j.execution_id = l.execution_id
    returning j.tenant_id, j.workflow_id, j.execution_id
  )
  select array_agg(c.tenant_id), array_agg(c.workflow_id), array_agg(c.execution_id)
    into claimed_tenants, claimed_workflows, claimed_executions
    from claimed c;
  -- Behind what is ready now, and behind what may still be on its way. About every thousand jobs: what a claim passes that was taken before
  -- costs it little, but each note leaves a dead row that claims pass too.
  if random() < cardinality(claimed_executions) / 1024.0 then
    update queue.lanes l
       set taken_to = least(horizon, coalesce((
             select j.ready_in from queue.jobs j
              where j.tenant_id = l.tenant_id and j.workflow_id = l.workflow_id and j.priority = l.priority and j.state = 'ready'
                -- As in queue.pick: what a restored lane remembers is worth nothing.
                and j.ready_in >= case when l.taken_to <= horizon then l.taken_to else '0' end
              order by j.ready_in limit 1
           ), horizon))
      from (
        select c.tenant_id, c.workflow_id from unnest(claimed_tenants, claimed_workflows) c (tenant_id, workflow_id)
         group by 1, 2 having random() < count(*)::double precision / cardinality(claimed_executions)
      ) taken
     where l.tenant_id = taken.tenant_id and l.workflow_id = taken.workflow_id;
  end if;
  insert into queue.workers as w (worker, wants_notice, was_capped, held_tenants, held_workflows, held_counts)
  select worker, coalesce(cardinality(claimed_executions), 0) < max_jobs - kept, coalesce(picked.was_capped, false),
         coalesce(array_agg(c.tenant_id order by c.tenant_id, c.workflow_id), '{}'),
         coalesce(array_agg(c.workflow_id order by c.tenant_id, c.workflow_id), '{}'),
         coalesce(array_agg(c.running order by c.tenant_id, c.workflow_id), '{}')
    from (
      select h.tenant_id, h.workflow_id, sum(h.running)::integer as running
        from (
          select * from unnest(claim.held_tenants, claim.held_workflows, claim.held_counts) o (tenant_id, workflow_id, running)
          union all
          select o.tenant_id, o.workflow_id, 1 from unnest(claimed_tenants, claimed_workflows) o (tenant_id, workflow_id)
        ) h
       group by h.tenant_id, h.workflow_id
    ) c
  on conflict (worker) do update
    set seen_at = now(), wants_notice = excluded.wants_notice, was_capped = excluded.was_capped,
        held_tenants = excluded.held_tenants, held_workflows = excluded.held_workflows, held_counts = excluded.held_counts
    -- Whoever took something was seen: what it holds counts until the last of its leases ends.
    where w.seen_at < now() - lease / 6 or claimed_executions is not null
       or (w.wants_notice, w.was_capped, w.held_tenants, w.held_workflows, w.held_counts)
          is distinct from (excluded.wants_notice, excluded.was_capped, excluded.held_tenants, excluded.held_workflows, excluded.held_counts);
  return query
    select j.tenant_id, j.execution_id, j.fencing_token, j.claims_without_progress,
           e.workflow_id, e.workflow_version, e.input, e.depth, coalesce(e.started_at, now()),
           e.cancel_requested_at is not null, e.pause_requested_at is not null,
           -- A function of its own: most have none, and a plan with all months in it takes its time to begin.
           case when j.has_steps then queue.recorded_steps(j.tenant_id, j.execution_id) end,
           case when j.has_waits then queue.signals(j.tenant_id, j.execution_id) end,
           coalesce(picked.was_capped, false)
      from unnest(claimed_tenants, claimed_executions) c (tenant_id, execution_id)
      join queue.jobs j on j.tenant_id = c.tenant_id and j.execution_id = c.execution_id
      join public.executions e on e.tenant_id = c.tenant_id and e.id = c.execution_id;
end
$$;

-- FUNCTION claim(worker text, max_jobs integer, lease interval, held_tenants uuid[], held_workflows uuid[], held_counts integer[], kept integer); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.claim(worker text, max_jobs integer, lease interval, held_tenants uuid[], held_workflows uuid[], held_counts integer[], kept integer) IS 'Takes up to max_jobs ready jobs for a lease, with everything that is needed to go on. held_*: how many executions of which workflow the worker holds already; kept: how many of max_jobs only tenants may have of whom it holds only a few. steps: those recorded so far, null for none; signals: what came for steps that wait; was_capped, the same in each: see queue.was_capped.';

-- claim_domain_checks(text, integer, interval); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.claim_domain_checks(worker text, max_checks integer, lease interval) RETURNS TABLE(tenant_id uuid, id uuid, domain text, verification_token text, fencing_token bigint)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  with due as (
    select c.tenant_id, c.domain_id from queue.domain_checks c
     where c.run_at <= now() order by c.run_at limit max_checks for update skip locked
  ),
  claimed as (
    update queue.domain_checks c
       set run_at = now() + lease, fencing_token = c.fencing_token + 1, claimed_by = worker
      from due where c.tenant_id = due.tenant_id and c.domain_id = due.domain_id
    returning c.tenant_id, c.domain_id, c.fencing_token
  )
  select c.tenant_id, c.domain_id, d.domain, d.verification_token, c.fencing_token
    from claimed c
    join public.tenant_domains d on d.tenant_id = c.tenant_id and d.id = c.domain_id
$$;

-- FUNCTION claim_domain_checks(worker text, max_checks integer, lease interval); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.claim_domain_checks(worker text, max_checks integer, lease interval) IS 'Takes domains whose DNS is to be looked at, for a lease.';

-- claim_embeddings(text, integer, interval); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.claim_embeddings(worker text, most integer, lease interval) RETURNS TABLE(tenant_id uuid, agent_id uuid, fencing_token bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
#variable_conflict use_column
begin
  if not private.has_vectors() then
    return;
  end if;
  return query
    with due as (
      select j.tenant_id, j.agent_id, j.run_at, row_number() over (partition by j.tenant_id order by j.run_at, j.agent_id) as turn
        from queue.embedding_jobs j
        join public.tenants t on t.id = j.tenant_id and t.status = 'active'
       where j.gave_up_at is null and j.run_at <= now()
    ),
    next as (
      select j.tenant_id, j.agent_id
        from queue.embedding_jobs j
        join due d on d.tenant_id = j.tenant_id and d.agent_id = j.agent_id
       where j.gave_up_at is null and j.run_at <= now()
       -- One of each tenant before a second of any.
       order by d.turn, d.run_at
       limit most
         for update of j skip locked
    )
    update queue.embedding_jobs j
       set run_at = now() + lease, claimed_by = worker, attempts = j.attempts + 1, fencing_token = nextval('queue.embedding_fencing_tokens')
      from next n
     where j.tenant_id = n.tenant_id and j.agent_id = n.agent_id
    returning j.tenant_id, j.agent_id, j.fencing_token;
end
$$;

-- FUNCTION claim_embeddings(worker text, most integer, lease interval); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.claim_embeddings(worker text, most integer, lease interval) IS 'Takes agents whose documents have pieces without a vector, for a lease; none where no vectors are kept.';

-- claim_mails(text, integer, interval); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.claim_mails(worker text, max_mails integer, lease interval) RETURNS TABLE(tenant_id uuid, id uuid, fencing_token bigint, attempt integer, idempotency_key text, template text, recipient text, variables jsonb, expires_at timestamp with time zone)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  with due as (
    select m.tenant_id, m.id from queue.mails m
     where m.status = 'queued' and m.run_at <= now()
     order by m.run_at
     limit max_mails
       for update skip locked
  )
  update queue.mails m
     set run_at = now() + lease, fencing_token = m.fencing_token + 1, attempt = m.attempt + 1, claimed_by = worker
    from due
   where m.tenant_id = due.tenant_id and m.id = due.id
  returning m.tenant_id, m.id, m.fencing_token, m.attempt, m.idempotency_key, m.template, m.recipient, m.variables, m.expires_at
$$;

-- FUNCTION claim_mails(worker text, max_mails integer, lease interval); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.claim_mails(worker text, max_mails integer, lease interval) IS 'Takes up to max_mails due mails for a lease. What is not recorded by its end is claimed again.';

-- claim_schedules(text, integer, interval); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.claim_schedules(worker text, max_schedules integer, lease interval) RETURNS TABLE(tenant_id uuid, workflow_id uuid, fencing_token bigint, cron text, timezone text, missed text, handled_until timestamp with time zone)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  with due as (
    select s.tenant_id, s.workflow_id from queue.schedules s
     where s.run_at <= now()
     order by s.run_at
     limit max_schedules
       for update skip locked
  )
  update queue.schedules s
     set run_at = now() + lease, fencing_token = s.fencing_token + 1, claimed_by = worker
    from due
   where s.tenant_id = due.tenant_id and s.workflow_id = due.workflow_id
  returning s.tenant_id, s.workflow_id, s.fencing_token, s.cron, s.timezone, s.missed, s.handled_until
$$;

-- FUNCTION claim_schedules(worker text, max_schedules integer, lease interval); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.claim_schedules(worker text, max_schedules integer, lease interval) IS 'Takes up to max_schedules due schedules for a lease. What is not recorded by its end is claimed again.';

-- deliver(uuid, uuid, text, integer, jsonb); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.deliver(tenant uuid, execution uuid, node text, wait_item integer, payload jsonb) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- The job first, as everywhere: whoever holds it may be recording the end of this very wait.
  perform from queue.jobs j where j.tenant_id = tenant and j.execution_id = execution for update;
  update queue.waits w set delivered = payload
   where w.tenant_id = tenant and w.execution_id = execution and w.node_id = node and w.item = wait_item and w.delivered is null;
  if not found then
    return false;
  end if;
  perform queue.wake(tenant, execution);
  return true;
end
$$;

-- FUNCTION deliver(tenant uuid, execution uuid, node text, wait_item integer, payload jsonb); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.deliver(tenant uuid, execution uuid, node text, wait_item integer, payload jsonb) IS 'Gives a waiting step what it waits for; false when it does not wait, or got something before.';

-- drop_empty_months(); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.drop_empty_months() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    SET lock_timeout TO '200ms'
    AS $_$
declare
  month record;
  is_empty boolean;
  dropped integer := 0;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('queue.keep_history', 0)) then
    return 0;
  end if;
  for month in
    select c.oid::regclass as part, i.inhparent::regclass as parent
      from pg_catalog.pg_inherits i
      join pg_catalog.pg_class c on c.oid = i.inhrelid
     where i.inhparent in ('public.executions'::regclass, 'public.execution_steps'::regclass)
       and c.relname ~ '_\d{4}_\d{2}$'
       -- Not this month's nor the last one's: somebody may be about to write there.
       and to_date(right(c.relname, 7), 'YYYY_MM') < date_trunc('month', now()) - interval '1 month'
     order by c.relname
  loop
    execute format('select not exists (select from %s)', month.part) into is_empty;
    if is_empty then
      execute format('lock table %s in access exclusive mode', month.parent);
      execute format('select not exists (select from %s)', month.part) into is_empty;
      if is_empty then
        execute format('drop table %s', month.part);
        dropped := dropped + 1;
      end if;
    end if;
  end loop;
  return dropped;
exception
  when lock_not_available then
    return 0;
end
$_$;

-- FUNCTION drop_empty_months(); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.drop_empty_months() IS 'Drops the partitions of months that have nothing left in them. Answers how many.';

-- drop_old_history(integer); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.drop_old_history(batch integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  dropped integer;
begin
  with due as (
    select e.tenant_id, e.id
      from public.subscription_plans p
      join public.tenants t on t.plan_id = p.id
      cross join lateral (
        select x.tenant_id, x.id from public.executions x
         where x.tenant_id = t.id and x.id < private.first_id_at(now() - p.history_days * interval '1 day') and x.finished_at is not null
           and x.finished_at < now() - p.history_days * interval '1 day'
         order by x.id limit batch
      ) e
     where p.history_days is not null
     limit batch
  )
  delete from public.executions e using due d where e.tenant_id = d.tenant_id and e.id = d.id;
  get diagnostics dropped = row_count;
  return dropped;
end
$$;

-- FUNCTION drop_old_history(batch integer); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.drop_old_history(batch integer) IS 'Deletes up to so many finished executions that are older than their tenant''s plan keeps them. Answers how many.';

-- end_waits(uuid, uuid); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.end_waits(tenant uuid, execution uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  child record;
begin
  for child in
    delete from queue.waits w where w.tenant_id = tenant and w.execution_id = execution returning w.child_id
  loop
    -- Nobody waits for them any more. Their own workers end them.
    if child.child_id is not null then
      perform queue.ask_to_end(tenant, child.child_id);
    end if;
  end loop;
  delete from queue.events e where e.tenant_id = tenant and e.execution_id = execution;
end
$$;

-- FUNCTION end_waits(tenant uuid, execution uuid); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.end_waits(tenant uuid, execution uuid) IS 'An execution is over: what its steps waited for does not matter any more, and the executions that they called are asked to end.';

-- erase_next_tenant(integer); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.erase_next_tenant(batch integer) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  due uuid;
  erased bigint;
begin
  -- Before any row: the chainer holds entries while it waits for their tenants, see queue.chain_audit.
  perform audit.lock_chains();
  select t.id into due from public.tenants t
   where t.status = 'cancelled' and t.cancelled_at <= now() - interval '30 days'
   -- Beside the checks of foreign keys, which share the tenant's key.
   order by t.cancelled_at limit 1 for no key update skip locked;
  if due is null then
    return null;
  end if;
  -- What there may be millions of goes first, a bounded piece a call, so that no transaction is long. Steps go with their executions.
  delete from public.executions e using (
    select x.tenant_id, x.id from public.executions x where x.tenant_id = due limit batch
  ) piece where e.tenant_id = piece.tenant_id and e.id = piece.id;
  get diagnostics erased = row_count;
  if erased > 0 then
    return due;
  end if;
  delete from public.usage u using (
    select x.tenant_id, x.id from public.usage x where x.tenant_id = due limit batch
  ) piece where u.tenant_id = piece.tenant_id and u.id = piece.id;
  get diagnostics erased = row_count;
  if erased > 0 then
    return due;
  end if;
  if private.erase_captured_calls(due, batch) > 0 then
    return due;
  end if;
  perform set_config('aias.audit_may_delete', 'log', true);
  delete from audit.log l using (
    select x.tenant_id, x.seq, x.at from audit.log x where x.tenant_id = due limit batch
  ) piece where l.tenant_id = piece.tenant_id and l.seq = piece.seq and l.at = piece.at;
  get diagnostics erased = row_count;
  perform set_config('aias.audit_may_delete', '', true);
  if erased > 0 then
    return due;
  end if;
  -- The rest hangs on the tenant's row.
  delete from public.tenants t where t.id = due;
  delete from aias.rate_limits r where r.key like '%:' || due::text;
  return due;
end
$$;

-- FUNCTION erase_next_tenant(batch integer); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.erase_next_tenant(batch integer) IS 'Erases a bounded piece of a tenant that was cancelled 30 days ago, and at last its row. Answers whose; null when none is due. Files in Storage are erased through Storage''s own API.';

-- fail_embeddings(uuid, uuid, bigint, uuid, jsonb, text, text, interval, bytea[]); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.fail_embeddings(tenant uuid, agent uuid, token bigint, reservation uuid, call jsonb, outcome text, why text, retry_after interval, digests bytea[]) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  -- With the waits below, some seven hours; and a model that refuses so many texts, each alone, one after the other, refuses something else.
  most_attempts constant integer := 15;
  most_refusals constant integer := 5;
  wanted constant text := queue.lock_embedded(tenant, agent, digests);
  job queue.embedding_jobs;
  is_alone constant boolean := cardinality(digests) = 1;
begin
  select j.* into job
    from queue.embedding_jobs j
   where j.tenant_id = fail_embeddings.tenant and j.agent_id = agent and j.fencing_token = token
     for update;
  perform queue.pay_embedding(tenant, reservation, case when job.agent_id is not null then call end, null, null);
  if job.agent_id is null then
    return false;
  end if;
  job.reason := why;
  if outcome = 'refused' and not is_alone then
    -- One of them is the cause. Halves find it.
    job.batch := greatest(1, cardinality(digests) / 2);
    job.attempts := 0;
    job.run_at := now();
  elsif outcome = 'refused' then
    job.run_at := now();
    if job.attempts >= most_refusals then
      job.gave_up_at := now();
    else
      insert into private.document_vectors as v (tenant_id, document_id, digest, agent_id, model, refusal)
      select distinct c.tenant_id, c.document_id, c.digest, c.agent_id, wanted, why
        from private.document_chunks c
       where c.tenant_id = fail_embeddings.tenant and c.agent_id = fail_embeddings.agent and c.digest = digests[1] and wanted is not null
      on conflict (tenant_id, document_id, digest) do nothing;
    end if;
  else
    job.run_at := now() + greatest(retry_after, least(interval '1 hour', interval '10 seconds' * 2 ^ job.attempts) * (0.5 + random() / 2));
    if outcome = 'failed' or job.attempts >= most_attempts then
      job.gave_up_at := now();
    end if;
  end if;
  update queue.embedding_jobs j
     set run_at = job.run_at, claimed_by = null, attempts = job.attempts, batch = job.batch, reason = job.reason, gave_up_at = job.gave_up_at
   where j.tenant_id = fail_embeddings.tenant and j.agent_id = agent;
  return true;
end
$$;

-- FUNCTION fail_embeddings(tenant uuid, agent uuid, token bigint, reservation uuid, call jsonb, outcome text, why text, retry_after interval, digests bytea[]); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.fail_embeddings(tenant uuid, agent uuid, token bigint, reservation uuid, call jsonb, outcome text, why text, retry_after interval, digests bytea[]) IS 'Writes down that texts of a claimed agent have no vectors, and why. `later`: tried again, ever later, 15 times. `refused`: the model takes some of them not: tried again in halves until it is known which, and that one has none. `failed`: no attempt would do. What the call took all the same is paid. False when the lease was lost.';

-- fail_export(uuid, uuid, text); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.fail_export(tenant uuid, export uuid, reason text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  update public.tenant_exports e
     set attempt = e.attempt + 1,
         error = reason,
         status = case when e.attempt + 1 >= 5 then 'failed' else e.status end,
         finished_at = case when e.attempt + 1 >= 5 then now() end,
         -- Others go first.
         created_at = case when e.attempt + 1 >= 5 then e.created_at else now() end
   where e.tenant_id = tenant and e.id = export and e.status = 'queued'
$$;

-- FUNCTION fail_export(tenant uuid, export uuid, reason text); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.fail_export(tenant uuid, export uuid, reason text) IS 'Notes that an attempt failed; after the fifth the export has.';

-- forget_executions(); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.forget_executions() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if tg_op = 'TRUNCATE' then
    truncate public.execution_steps;
    delete from queue.jobs;
    delete from queue.waits;
    delete from queue.events;
    delete from private.execution_keys;
    return null;
  end if;
  delete from queue.jobs j using gone g where j.tenant_id = g.tenant_id and j.execution_id = g.id;
  delete from queue.waits w using gone g where w.tenant_id = g.tenant_id and w.execution_id = g.id;
  delete from queue.events e using gone g where e.tenant_id = g.tenant_id and e.execution_id = g.id;
  delete from private.execution_keys k using gone g where k.tenant_id = g.tenant_id and k.execution_id = g.id;
  delete from public.execution_steps s using gone g where s.tenant_id = g.tenant_id and s.execution_id = g.id;
  return null;
end
$$;

-- forget_mail(); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.forget_mail() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  new.variables := new.variables - 'text' - 'html';
  return new;
end
$$;

-- FUNCTION forget_mail(); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.forget_mail() IS 'What a step has written to somebody is not kept longer than it takes to send it.';

-- keep_history(); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.keep_history() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  month date;
  made integer := 0;
begin
  -- One at a time; the others have nothing to do.
  if not pg_try_advisory_xact_lock(hashtextextended('queue.keep_history', 0)) then
    return 0;
  end if;
  for month in select generate_series(date_trunc('month', now() at time zone 'UTC'), now() at time zone 'UTC' + interval '3 months', '1 month')::date loop
    made := made + queue.make_partition('public.executions', 'id', month)::integer
                 + queue.make_partition('public.execution_steps', 'execution_id', month)::integer;
  end loop;
  return made;
end
$$;

-- FUNCTION keep_history(); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.keep_history() IS 'Makes the partitions of this month and the next three. Answers how many.';

-- keep_jobs(uuid[], uuid[], text[], timestamp with time zone[], boolean[]); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.keep_jobs(tenants uuid[], executions uuid[], statuses text[], run_ats timestamp with time zone[], cancels boolean[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
declare
  ready uuid[];
begin
  update queue.jobs j
     set claims_without_progress = 0, has_steps = true
    from unnest(tenants, executions, statuses) g (tenant_id, execution_id, status)
   where j.tenant_id = g.tenant_id and j.execution_id = g.execution_id and g.status = 'running'
     and (j.claims_without_progress, j.has_steps) is distinct from (0::smallint, true);
  with released as (
    update queue.jobs j
       set claims_without_progress = 0, has_steps = true, claimed_by = null, is_woken = false,
           -- Nobody holds it from here on: what came meanwhile is taken up by the next claim, at once.
           state = case when g.is_due then 'ready' else g.status end,
           ready_in = case when g.is_due then pg_current_xact_id() end,
           run_at = case when not g.is_due then g.run_at end
      from (
        select x.tenant_id, x.execution_id, x.status,
               case when x.status = 'waiting' and x.run_at is not null then greatest(x.run_at, clock_timestamp()) end as run_at,
               x.cancels or (x.status = 'waiting' and (k.is_woken or coalesce(x.run_at <= clock_timestamp(), false))) as is_due
          from unnest(tenants, executions, statuses, run_ats, cancels) x (tenant_id, execution_id, status, run_at, cancels)
          join queue.jobs k on k.tenant_id = x.tenant_id and k.execution_id = x.execution_id
         where x.status in ('waiting', 'paused')
      ) g
     where j.tenant_id = g.tenant_id and j.execution_id = g.execution_id
    returning j.tenant_id, j.workflow_id, j.priority, j.state
  )
  select array_agg(distinct r.tenant_id) into ready
    from released r
    cross join lateral queue.open_lane(r.tenant_id, r.workflow_id, r.priority)
   where r.state = 'ready';
  if ready is not null then
    perform queue.notify_workers(variadic ready);
  end if;
end
$$;

-- FUNCTION keep_jobs(tenants uuid[], executions uuid[], statuses text[], run_ats timestamp with time zone[], cancels boolean[]); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.keep_jobs(tenants uuid[], executions uuid[], statuses text[], run_ats timestamp with time zone[], cancels boolean[]) IS 'The jobs of executions that are not over: still held, or given back. Called by queue.record.';

-- keys_to_rewrap(text, uuid, integer); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.keys_to_rewrap(newest_master text, after uuid, most integer) RETURNS TABLE(tenant_id uuid, generation integer, wrapped bytea, master_key_id text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select k.tenant_id, k.generation, k.wrapped, k.master_key_id
    from private.tenant_keys k
   where k.master_key_id <> newest_master and (after is null or k.tenant_id > after)
   order by k.tenant_id limit most
$$;

-- FUNCTION keys_to_rewrap(newest_master text, after uuid, most integer); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.keys_to_rewrap(newest_master text, after uuid, most integer) IS 'Data keys that another master key than the newest wraps, by tenant, from one tenant on.';

-- lock_embedded(uuid, uuid, bytea[]); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.lock_embedded(tenant uuid, agent uuid, digests bytea[]) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  wanted text;
begin
  select a.embedding_model into wanted from public.ai_agents a where a.tenant_id = tenant and a.id = agent for share;
  -- Nobody edits them until these vectors are committed: an edit that does not see a vector could not take it away.
  perform from public.agent_documents d
    where d.tenant_id = tenant
      and d.id in (select c.document_id from private.document_chunks c where c.tenant_id = tenant and c.agent_id = agent and c.digest = any (digests))
    order by d.id
      for share;
  return wanted;
end
$$;

-- FUNCTION lock_embedded(tenant uuid, agent uuid, digests bytea[]); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.lock_embedded(tenant uuid, agent uuid, digests bytea[]) IS 'Holds an agent and those of its documents that say these texts as they are; answers which model is to embed them.';

-- mail_token(uuid, uuid, bigint, bytea); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.mail_token(tenant uuid, mail uuid, token bigint, token_hash bytea) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  invitation public.invitations;
begin
  select i.* into invitation
    from queue.mails m
    join public.invitations i on i.tenant_id = m.tenant_id and i.id = m.subject_id
   where m.tenant_id = tenant and m.id = mail and m.fencing_token = token and m.status = 'queued' and m.template = 'invitation'
     for no key update of i;
  if invitation.id is null or not private.is_pending(invitation) or invitation.expires_at <= now() then
    return false;
  end if;
  insert into private.invitation_tokens (tenant_id, hash, invitation_id) values (tenant, token_hash, invitation.id);
  return true;
end
$$;

-- FUNCTION mail_token(tenant uuid, mail uuid, token bigint, token_hash bytea); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.mail_token(tenant uuid, mail uuid, token bigint, token_hash bytea) IS 'Keeps the hash of the token that is about to be mailed. False when the invitation is not pending any more, or the lease is lost: then nothing is sent.';

-- make_due_ready(interval); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.make_due_ready(lease interval) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  began constant timestamptz := clock_timestamp();
  state queue.state;
  everywhere boolean;
  with_leases boolean;
  timers_from timestamptz;
  leases_from timestamptz;
  timers integer;
  leases integer;
begin
  select * into state from queue.state;
  -- What is due was entered before it was; some transactions take a while to commit what they entered. What took even longer is found by
  -- looking everywhere, now and then, and less often where that takes long. Between, the dead rows of what was due before are not passed
  -- again. Every claim leaves a lease behind, and a worker seldom dies: leases are looked at four times a second, not by every claim.
  everywhere := state.looked_everywhere_at < now() - greatest(interval '10 seconds', 100 * state.looking_took);
  with_leases := everywhere or state.leases_to < now() - interval '250 milliseconds';
  timers_from := case when everywhere then '-infinity' else state.timers_to - interval '1 second' end;
  leases_from := case when everywhere then '-infinity' else state.leases_to - interval '1 second' end;
  -- Nearly always nothing is due, and to find that out is one look into an index.
  if not everywhere
     and not exists (select from queue.jobs j where j.state = 'waiting' and j.run_at <= now() and j.run_at > timers_from)
     and not (with_leases and exists (select from queue.jobs j where j.state = 'claimed' and j.run_at <= now() and j.run_at > leases_from)) then
    if with_leases then
      update queue.state s set timers_to = now(), leases_to = now();
    end if;
    return 0;
  end if;
  with due as (
    select * from (
      select j.tenant_id, j.execution_id, j.state from queue.jobs j
       where j.state = 'waiting' and j.run_at <= now() and j.run_at > timers_from
       order by j.run_at limit 1000 for update skip locked
    ) t
    union all
    select * from (
      select j.tenant_id, j.execution_id, j.state from queue.jobs j
       where with_leases and j.state = 'claimed' and j.run_at <= now() and j.run_at > leases_from
       order by j.run_at limit 1000 for update skip locked
    ) l
  ),
  woken as (
    update queue.jobs j
       set state = 'ready', ready_in = pg_current_xact_id(), run_at = null, claimed_by = null
      from due d
     where j.tenant_id = d.tenant_id and j.execution_id = d.execution_id
    returning j.tenant_id, j.workflow_id, j.priority, d.state as was
  ),
  opened as (
    insert into queue.lanes (tenant_id, workflow_id, priority)
    select distinct w.tenant_id, w.workflow_id, w.priority from woken w
     where not exists (
       select from queue.lanes l where l.tenant_id = w.tenant_id and l.workflow_id = w.workflow_id and l.priority = w.priority
     )
  )
  select count(*) filter (where w.was = 'waiting'), count(*) filter (where w.was = 'claimed') into timers, leases from woken w;
  if everywhere then
    -- A lane may have been closed while somebody put a job into it. The lanes that have ready jobs, each found by one look into the index.
    insert into queue.lanes (tenant_id, workflow_id, priority)
    with recursive lane as (
      (select j.tenant_id, j.workflow_id, j.priority from queue.jobs j where j.state = 'ready' order by 1, 2, 3 limit 1)
      union all
      select n.* from lane l cross join lateral (
        select j.tenant_id, j.workflow_id, j.priority from queue.jobs j
         where j.state = 'ready' and (j.tenant_id, j.workflow_id, j.priority) > (l.tenant_id, l.workflow_id, l.priority)
         order by 1, 2, 3 limit 1
      ) n
    )
    select n.tenant_id, n.workflow_id, n.priority from lane n
     where not exists (
       select from queue.lanes l where l.tenant_id = n.tenant_id and l.workflow_id = n.workflow_id and l.priority = n.priority
     );
  end if;
  -- Not past what did not fit, nor for every timer.
  if with_leases then
    update queue.state s
       set timers_to = case when timers < 1000 then now() else s.timers_to end,
           leases_to = case when leases < 1000 then now() else s.leases_to end,
           looked_everywhere_at = case when everywhere and timers < 1000 and leases < 1000 then now() else s.looked_everywhere_at end,
           looking_took = case when everywhere then clock_timestamp() - began else s.looking_took end;
  end if;
  return timers + leases;
end
$$;

-- FUNCTION make_due_ready(lease interval); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.make_due_ready(lease interval) IS 'Makes jobs ready whose timer or lease has ended. Called by claims, one at a time.';

-- make_partition(regclass, name, date); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.make_partition(parent regclass, key name, first_day date) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    SET lock_timeout TO '2s'
    AS $$
declare
  parent_name name := (select c.relname from pg_catalog.pg_class c where c.oid = parent);
  part name := format('%s_%s', parent_name, to_char(first_day, 'YYYY_MM'));
  first_id uuid := private.first_id_at(first_day::timestamp at time zone 'UTC');
  end_id uuid := private.first_id_at((first_day + interval '1 month')::timestamp at time zone 'UTC');
begin
  if to_regclass(format('history.%I', part)) is not null then
    return false;
  end if;
  -- Half empty pages: a row grows when its execution ends, and then stays on its page, without new entries in indexes.
  execute format('create table history.%I (like %s including defaults including constraints including storage) with (fillfactor = %s)',
    part, parent, case parent_name when 'executions' then 50 else 100 end);
  execute format('alter table history.%I enable row level security', part);
  -- There may be some already, from before anybody made the month.
  execute format('with moved as (delete from history.%I where %I >= %L and %I < %L returning *) insert into history.%I select * from moved',
    parent_name || '_other', key, first_id, key, end_id, part);
  execute format('alter table %s attach partition history.%I for values from (%L) to (%L)', parent, part, first_id, end_id);
  execute format('comment on table history.%I is %L', part, format('%s of %s', parent_name, to_char(first_day, 'FMMonth YYYY')));
  return true;
end
$$;

-- FUNCTION make_partition(parent regclass, key name, first_day date); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.make_partition(parent regclass, key name, first_day date) IS 'Makes the partition of a month; false when it is there.';

-- next_due(); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.next_due() RETURNS timestamp with time zone
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select least(
    (select j.run_at from queue.jobs j where j.state = 'waiting' and j.run_at > s.timers_to - interval '1 second' order by j.run_at limit 1),
    (select j.run_at from queue.jobs j where j.state = 'claimed' and j.run_at > s.leases_to - interval '1 second' order by j.run_at limit 1))
    from queue.state s
$$;

-- FUNCTION next_due(); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.next_due() IS 'When the next timer or lease ends, so that an idle worker knows how long to sleep.';

-- next_export(); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.next_export() RETURNS TABLE(tenant_id uuid, id uuid)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select e.tenant_id, e.id from public.tenant_exports e where e.status = 'queued' order by e.created_at limit 1 for update skip locked
$$;

-- FUNCTION next_export(); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.next_export() IS 'Takes the next export for this transaction, in which queue.run_next_export makes it: who fails knows which one it was.';

-- next_key_to_rotate(uuid); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.next_key_to_rotate(after uuid) RETURNS TABLE(tenant_id uuid, generation integer, wrapped bytea, master_key_id text, kinds text[], names text[], nonces bytea[], ciphertexts bytea[])
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select k.tenant_id, k.generation, k.wrapped, k.master_key_id,
         coalesce(found.kinds, '{}'), coalesce(found.names, '{}'), coalesce(found.nonces, '{}'), coalesce(found.ciphertexts, '{}')
    from (
      select x.* from private.tenant_keys x
       where x.rotation_asked_at is not null and (after is null or x.tenant_id > after)
       order by x.tenant_id limit 1
    ) k
    left join lateral (
      select array_agg(v.kind order by v.kind, v.name) as kinds, array_agg(v.name order by v.kind, v.name) as names,
             array_agg(v.nonce order by v.kind, v.name) as nonces, array_agg(v.ciphertext order by v.kind, v.name) as ciphertexts
        from private.secret_values v where v.tenant_id = k.tenant_id
    ) found on true
$$;

-- FUNCTION next_key_to_rotate(after uuid); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.next_key_to_rotate(after uuid) IS 'The next tenant, after one, whose data key is to be rotated: the key, and all that it has sealed.';

-- next_mail_due(); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.next_mail_due() RETURNS timestamp with time zone
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select min(m.run_at) from queue.mails m where m.status = 'queued'
$$;

-- FUNCTION next_mail_due(); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.next_mail_due() IS 'When the next mail may be claimed.';

-- next_schedule_due(); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.next_schedule_due() RETURNS timestamp with time zone
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select nullif(min(s.run_at), 'infinity') from queue.schedules s
$$;

-- FUNCTION next_schedule_due(); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.next_schedule_due() IS 'When the next schedule may be claimed.';

-- notify_workers(uuid[]); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.notify_workers(VARIADIC tenants uuid[]) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  -- A commit with a notice waits for every other one (src/backend/commands/async.c), so none is sent to workers who come anyway. They come
  -- when they have gathered room for many; for a tenant that was not served for a while they come at once.
  select pg_notify('aias_jobs', '')
   where exists (select from queue.workers w where w.wants_notice and w.seen_at > now() - interval '1 minute')
      or exists (select from queue.tenants t cross join queue.state s where t.tenant_id = any (tenants) and t.turn < s.turn_lately)
      or not exists (select from queue.workers w where w.seen_at > now() - interval '1 minute')
$$;

-- FUNCTION notify_workers(VARIADIC tenants uuid[]); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.notify_workers(VARIADIC tenants uuid[]) IS 'Wakes the workers that have room, and all of them when one of these tenants was not served lately.';

-- open_lane(uuid, uuid, smallint); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.open_lane(tenant uuid, workflow uuid, lane_priority smallint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- Nothing is written, and nobody waited for, where the lane is open already.
  perform from queue.lanes l where l.tenant_id = tenant and l.workflow_id = workflow and l.priority = lane_priority;
  if not found then
    insert into queue.lanes (tenant_id, workflow_id, priority) values (tenant, workflow, lane_priority);
  end if;
end
$$;

-- FUNCTION open_lane(tenant uuid, workflow uuid, lane_priority smallint); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.open_lane(tenant uuid, workflow uuid, lane_priority smallint) IS 'Lets claims look for ready jobs here. Called after the job is written: a lane that is closed at the same moment is opened again by the next look everywhere.';

-- pay_embedding(uuid, uuid, jsonb, uuid, text); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.pay_embedding(tenant uuid, reservation uuid, call jsonb, execution uuid, node text, OUT cost numeric, OUT is_new boolean) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  input constant bigint := coalesce((call ->> 'input_tokens')::bigint, 0);
begin
  is_new := false;
  -- A tenant that is no more has no quota either.
  if input > 0 and exists (select from public.tenants t where t.id = tenant) then
    cost := private.llm_cost_usd(call ->> 'provider', call ->> 'model', now(), input, 0, 0);
    insert into public.usage (
      tenant_id, idempotency_key, execution_id, node_id, agent_id, provider, model, input_tokens, output_tokens, cost_usd, own_key, is_estimated)
    values (
      tenant, 'embedding:' || reservation, execution, node, (call ->> 'agent_id')::uuid, call ->> 'provider', call ->> 'model', input, 0, cost,
      coalesce((call ->> 'own_key')::boolean, false), coalesce((call ->> 'is_estimated')::boolean, false))
    on conflict on constraint usage_is_counted_once do nothing;
    is_new := found;
  end if;
  -- Settles nothing that is settled already.
  perform queue.settle_call(tenant, reservation, input, cost);
end
$$;

-- FUNCTION pay_embedding(tenant uuid, reservation uuid, call jsonb, execution uuid, node text, OUT cost numeric, OUT is_new boolean); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.pay_embedding(tenant uuid, reservation uuid, call jsonb, execution uuid, node text, OUT cost numeric, OUT is_new boolean) IS 'What a call for embeddings took: one usage row for what was set aside for it, however often it is said, and that settled. Without tokens it is given back.';

-- pick(text, integer, integer, interval, uuid[], uuid[], integer[]); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.pick(for_worker text, max_jobs integer, kept integer, lease interval, own_tenants uuid[], own_workflows uuid[], own_counts integer[], OUT tenants uuid[], OUT executions uuid[], OUT was_capped boolean) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
declare
  -- So many of a tenant's in one worker, and places are not kept from it.
  few constant integer := 4;
  -- Taken before anything is read: what is not visible below is at least this new.
  horizon xid8 := pg_snapshot_xmin(pg_current_snapshot());
  busy queue.lanes[];
  -- So many jobs of each lane at most, so that a claim reads some thousands at most.
  most_of_each integer;
  fetch_most integer;
  places integer;
  turns double precision[];
  tenant_room bigint;
  workflow_room bigint;
  held_here bigint;
begin
  -- The lanes that have something, where something may be begun. A restored database counts transactions from anew: what a lane
  -- remembers is worth nothing then.
  select array_agg(row(l.tenant_id, l.workflow_id, l.priority, '0', case when l.taken_to <= horizon then l.taken_to else '0' end, l.busy_at)::queue.lanes)
    into busy
    from (
      select x.tenant_id, x.workflow_id, x.priority, min(x.taken_to) as taken_to, max(x.busy_at) as busy_at
        from queue.lanes x group by x.tenant_id, x.workflow_id, x.priority
    ) l
   where exists (
     select from queue.jobs j
      where j.tenant_id = l.tenant_id and j.workflow_id = l.workflow_id and j.priority = l.priority and j.state = 'ready'
        and j.ready_in >= case when l.taken_to <= horizon then l.taken_to else '0' end
   );
  -- Lanes that have been empty for a while are closed. Now and then is enough.
  if exists (select from queue.lanes l where l.busy_at < now() - interval '10 seconds') then
    delete from queue.lanes l
     where l.busy_at < now() - interval '30 seconds'
       and not (l.tenant_id, l.workflow_id, l.priority) in (select b.tenant_id, b.workflow_id, b.priority from unnest(busy) b);
    update queue.lanes l set busy_at = now()
      from unnest(busy) b
     where b.busy_at < now() - interval '10 seconds'
       and l.tenant_id = b.tenant_id and l.workflow_id = b.workflow_id and l.priority = b.priority;
  end if;
  was_capped := false;
  if busy is null then
    return;
  end if;
  -- One lane is what a system has that is idle, or that drains one tenant's backlog. There is no turn to decide then, only the order within
  -- the lane, and a claim of one job is twice as fast.
  if cardinality(busy) = 1 then
    select coalesce(t.max_running - coalesce(h.of_tenant, 0), max_jobs), coalesce(w.max_concurrency - coalesce(h.of_workflow, 0), max_jobs), coalesce(o.running, 0)
      into tenant_room, workflow_room, held_here
      from queue.tenants t
      join public.workflows w on w.tenant_id = t.tenant_id and w.id = busy[1].workflow_id
      left join lateral (
        select sum(x.running) as of_tenant, sum(x.running) filter (where x.workflow_id = w.id) as of_workflow
          from (
            select o.* from queue.workers v cross join lateral unnest(v.held_tenants, v.held_workflows, v.held_counts) as o (tenant_id, workflow_id, running)
             where v.seen_at > now() - lease and v.worker <> for_worker
            union all
            select * from unnest(own_tenants, own_workflows, own_counts)
          ) x
         where x.tenant_id = t.tenant_id
      ) h on t.max_running is not null or w.max_concurrency is not null
      left join lateral (
        select sum(x.running) as running from unnest(own_tenants, own_counts) x (tenant_id, running) where x.tenant_id = t.tenant_id
      ) o on kept > 0
     where t.tenant_id = busy[1].tenant_id and t.is_active;
    if not found then
      return;
    end if;
    was_capped := least(tenant_room, workflow_room) < max_jobs;
    -- What is kept is used last, and only by those who have a few.
    places := greatest(0, least(tenant_room, workflow_room, greatest(max_jobs - kept, least(max_jobs, few - held_here))));
    select array_agg(n.tenant_id), array_agg(n.execution_id)
      into tenants, executions
      from (
        select j.tenant_id, j.execution_id
          from queue.jobs j
         where j.tenant_id = busy[1].tenant_id and j.workflow_id = busy[1].workflow_id and j.priority = busy[1].priority and j.state = 'ready'
           and j.ready_in >= busy[1].taken_to
         order by j.ready_in, j.execution_id
         limit places
      ) n;
    return;
  end if;
  -- First a few of each lane, so that a thousand lanes do not mean a thousand times as much reading; then, when that did not fill the
  -- batch, as many as there may be. The first few of a tenant are among the first few of each of its lanes, so its order is kept; only where
  -- more than some sixty lanes have jobs, a claim may take one that is not quite next.
  most_of_each := least(max_jobs, greatest(1, 8192 / cardinality(busy)));
  fetch_most := (
    select case when count(distinct b.tenant_id) <= 4 then max_jobs else least(max_jobs, 1 + 4 * max_jobs / count(distinct b.tenant_id)) end
      from unnest(busy) b
  );
  fetch_most := least(fetch_most, most_of_each);
  places := fetch_most;
  loop
    with running as (
      select h.tenant_id, h.workflow_id, h.running
        from queue.workers w cross join lateral unnest(w.held_tenants, w.held_workflows, w.held_counts) as h (tenant_id, workflow_id, running)
       where w.seen_at > now() - lease and w.worker <> for_worker
      union all
      select * from unnest(own_tenants, own_workflows, own_counts)
    ),
    lane as materialized (
      select b.*, t.weight, greatest(t.turn, s.turn) as turn,
             case when t.max_running is null then 2147483647 else
               t.max_running - coalesce((select sum(r.running) from running r where r.tenant_id = b.tenant_id), 0) end as tenant_room,
             case when w.max_concurrency is null then 2147483647 else
               w.max_concurrency - coalesce((select sum(r.running) from running r
                                              where r.tenant_id = b.tenant_id and r.workflow_id = b.workflow_id), 0) end as workflow_room,
             case when kept > 0 then
               coalesce((select sum(o.running) from unnest(own_tenants, own_counts) o (tenant_id, running) where o.tenant_id = b.tenant_id), 0)
               else 0 end as held_here
        from unnest(busy) b
        cross join queue.state s
        join queue.tenants t on t.tenant_id = b.tenant_id and t.is_active
        join public.workflows w on w.tenant_id = b.tenant_id and w.id = b.workflow_id
    ),
    candidate as (
      select l.tenant_id, l.workflow_id, l.weight, l.turn, l.tenant_room, l.workflow_room, l.held_here, j.priority, j.ready_in, j.execution_id
        from lane l
        cross join lateral (
          select j.priority, j.ready_in, j.execution_id
            from queue.jobs j
           where j.tenant_id = l.tenant_id and j.workflow_id = l.workflow_id and j.priority = l.priority and j.state = 'ready'
             and j.ready_in >= l.taken_to
           order by j.ready_in, j.execution_id
           limit greatest(0, least(fetch_most, l.tenant_room, l.workflow_room))
        ) j
    ),
    placed as (
      -- A workflow's cap holds over all its lanes.
      select c.*, row_number() over (partition by c.tenant_id, c.workflow_id order by c.priority desc, c.ready_in, c.execution_id) as place_in_workflow
        from candidate c
    ),
    ranked as (
      select p.*, row_number() over (partition by p.tenant_id order by p.priority desc, p.ready_in, p.execution_id) as place
        from placed p where p.place_in_workflow <= p.workflow_room
    ),
    in_turn as (
      -- Each tenant's jobs are as far apart as its weight says.
      select r.tenant_id, r.execution_id, r.place, r.turn + (r.place - 1)::double precision / r.weight as turn,
             r.held_here + r.place > few as is_one_of_many
        from ranked r
       where r.place <= least(r.tenant_room, places)
    ),
    chosen as (
      select t.tenant_id, t.execution_id, t.turn
        from (
          select i.*, row_number() over (order by i.turn, i.tenant_id, i.place) as number
            from in_turn i
        ) t
       -- What is kept is used last, and only by those who have a few.
       where t.number <= max_jobs - kept or not t.is_one_of_many
       order by t.turn, t.tenant_id, t.place
       limit max_jobs
    )
    select array_agg(c.tenant_id), array_agg(c.execution_id), array_agg(c.turn),
           (select bool_or(least(l.tenant_room, l.workflow_room) < fetch_most) from lane l)
      into tenants, executions, turns, was_capped
      from chosen c;
    exit when places >= max_jobs or coalesce(cardinality(executions), 0) >= max_jobs;
    fetch_most := most_of_each;
    places := max_jobs;
  end loop;
  -- Turns matter only while somebody else waits.
  if (select count(distinct b.tenant_id) > 1 from unnest(busy) b) then
    update queue.tenants t
       set turn = served.turn + 1.0 / t.weight
      from (select c.tenant_id, max(c.turn) as turn from unnest(tenants, turns) c (tenant_id, turn) group by 1) served
      -- Not one that somebody is changing: a turn more or less is not worth that everybody waits for his commit.
      cross join lateral (
        select k.tenant_id from queue.tenants k where k.tenant_id = served.tenant_id for no key update skip locked
      ) free
     where t.tenant_id = free.tenant_id;
    update queue.state s
       set turn = (select max(c) from unnest(turns) c),
           turn_lately = case when s.turn_noted_at < now() - interval '100 milliseconds' then s.turn else s.turn_lately end,
           turn_noted_at = case when s.turn_noted_at < now() - interval '100 milliseconds' then now() else s.turn_noted_at end
     where turns is not null;
  end if;
end
$$;

-- FUNCTION pick(for_worker text, max_jobs integer, kept integer, lease interval, own_tenants uuid[], own_workflows uuid[], own_counts integer[], OUT tenants uuid[], OUT executions uuid[], OUT was_capped boolean); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.pick(for_worker text, max_jobs integer, kept integer, lease interval, own_tenants uuid[], own_workflows uuid[], own_counts integer[], OUT tenants uuid[], OUT executions uuid[], OUT was_capped boolean) IS 'Which ready jobs come next: by tenant in turn, weighted; within a tenant by priority, then first come, first served; never more of a tenant or of a workflow than their caps leave room for. kept: of max_jobs, places for tenants of whom the worker has only a few. was_capped: there is more, held back by a cap. Called by claims, one at a time.';

-- plan(uuid, uuid, integer); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.plan(tenant uuid, workflow uuid, wanted_version integer) RETURNS TABLE(plan jsonb, tenant_name text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select v.plan, t.name
    from public.workflow_versions v
    join public.tenants t on t.id = v.tenant_id
   where v.tenant_id = tenant and v.workflow_id = workflow and v.version = wanted_version
$$;

-- FUNCTION plan(tenant uuid, workflow uuid, wanted_version integer); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.plan(tenant uuid, workflow uuid, wanted_version integer) IS 'The plan of a version, which never changes, so a worker may keep it.';

-- prepare_llm_call(uuid, uuid, bigint, bigint, text[]); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.prepare_llm_call(tenant uuid, execution uuid, token bigint, amount bigint, providers text[]) RETURNS TABLE(reservation uuid, generation integer, wrapped bytea, master_key_id text, names text[], nonces bytea[], ciphertexts bytea[])
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
#variable_conflict use_column
declare
  reserved uuid := queue.reserve_tokens(tenant, execution, token, amount);
begin
  if reserved is not null then
    return query
      select reserved, s.generation, s.wrapped, s.master_key_id, s.names, s.nonces, s.ciphertexts
        from private.sealed(tenant, 'provider_key', providers) s;
  end if;
end
$$;

-- FUNCTION prepare_llm_call(tenant uuid, execution uuid, token bigint, amount bigint, providers text[]); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.prepare_llm_call(tenant uuid, execution uuid, token bigint, amount bigint, providers text[]) IS 'The same for workers of before, which no spending cap holds.';

-- prepare_llm_call(uuid, uuid, bigint, uuid, text[], bigint, bigint); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.prepare_llm_call(tenant uuid, execution uuid, token bigint, agent uuid, models text[], input_tokens bigint, output_tokens bigint) RETURNS TABLE(reservation uuid, generation integer, wrapped bytea, master_key_id text, names text[], nonces bytea[], ciphertexts bytea[])
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
#variable_conflict use_column
declare
  reserved constant uuid := queue.reserve_tokens(tenant, execution, token, input_tokens + output_tokens);
  capped text[];
begin
  if reserved is null then
    return;
  end if;
  capped := private.capped_meters(tenant, agent, null);
  if cardinality(capped) > 0 then
    -- A refusal takes the tokens back with it.
    insert into queue.capped_calls (tenant_id, reservation, caps)
    values (tenant, reserved, private.set_dollars_aside(tenant, capped, models, input_tokens, output_tokens));
  end if;
  return query
    select reserved, s.generation, s.wrapped, s.master_key_id, s.names, s.nonces, s.ciphertexts
      from private.sealed(tenant, 'provider_key', array(select distinct split_part(m, '/', 1) from unnest(models) m where m like '%/%')) s;
end
$$;

-- FUNCTION prepare_llm_call(tenant uuid, execution uuid, token bigint, agent uuid, models text[], input_tokens bigint, output_tokens bigint); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.prepare_llm_call(tenant uuid, execution uuid, token bigint, agent uuid, models text[], input_tokens bigint, output_tokens bigint) IS 'What an LLM call of a claimed execution begins with: tokens set aside as by queue.reserve_tokens; what the dearest of these models would cost, from each spending cap of the tenant and of the agent, or a refusal with 402; and the tenant''s own keys to their providers, sealed, with the data key they are sealed under. No row: the lease is lost.';

-- prepare_query_embedding(uuid, uuid, bigint, uuid, bigint); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.prepare_query_embedding(tenant uuid, execution uuid, token bigint, agent uuid, input_tokens bigint) RETURNS TABLE(model text, dimensions integer, reservation uuid, generation integer, wrapped bytea, master_key_id text, names text[], nonces bytea[], ciphertexts bytea[])
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
#variable_conflict use_column
begin
  if not private.has_vectors() then
    return;
  end if;
  select m.model, m.dimensions into model, dimensions
    from public.ai_agents a join private.embedding_models m on m.model = a.embedding_model
   where a.tenant_id = tenant and a.id = agent
     -- Nothing is paid for comparing with nothing.
     and exists (
       select from private.document_vectors v
        where v.tenant_id = a.tenant_id and v.agent_id = a.id and v.model = a.embedding_model and v.refusal is null);
  if not found then
    return;
  end if;
  return query
    select prepare_query_embedding.model, prepare_query_embedding.dimensions, p.*
      from queue.prepare_llm_call(tenant, execution, token, agent, array[prepare_query_embedding.model], input_tokens, 0::bigint) p;
end
$$;

-- FUNCTION prepare_query_embedding(tenant uuid, execution uuid, token bigint, agent uuid, input_tokens bigint); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.prepare_query_embedding(tenant uuid, execution uuid, token bigint, agent uuid, input_tokens bigint) IS 'What embedding a question to an agent''s documents begins with: by which model, and else as queue.prepare_llm_call. No row: the lease is lost, or there is nothing to compare with.';

-- record(text, uuid[], uuid[], bigint[], text[], timestamp with time zone[], jsonb[], jsonb[], timestamp with time zone[], integer[], integer[], text[], integer[], text[], text[], text[], integer[], text[], jsonb[], jsonb[], jsonb[], timestamp with time zone[], timestamp with time zone[], timestamp with time zone[], jsonb[]); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.record(worker text, tenants uuid[], executions uuid[], tokens bigint[], statuses text[], run_ats timestamp with time zone[], outputs jsonb[], errors jsonb[], started_ats timestamp with time zone[], step_counts integer[], step_of integer[], nodes text[], items integer[], names text[], kinds text[], step_statuses text[], attempts integer[], handles text[], inputs jsonb[], step_outputs jsonb[], step_errors jsonb[], step_run_ats timestamp with time zone[], step_started_ats timestamp with time zone[], step_finished_ats timestamp with time zone[], extras jsonb[]) RETURNS TABLE(held boolean, written boolean, cancel_requested boolean, pause_requested boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
#variable_conflict use_column
declare
  held_positions bigint[];
  bases bigint[];
  cancels boolean[];
  pauses boolean[];
  called bigint[];
  ended_with_waits bigint[];
  has_extras constant boolean := cardinality(array_remove(extras, null)) > 0;
  have_waits boolean;
  models text[];
  agent_versions integer[];
  input_tokens bigint[];
  output_tokens bigint[];
  costs numeric[];
  extra record;
  counted record;
  position bigint;
begin
  -- In one order for everybody, so that two workers that record at once cannot wait for each other in a circle.
  with locked as materialized (
    select g.n, j.fencing_token = g.fencing_token and j.state = 'claimed' and j.claimed_by = worker as is_held, j.has_waits
      from (
        select * from unnest(tenants, executions, tokens) with ordinality x (tenant_id, execution_id, fencing_token, n)
         order by x.tenant_id, x.execution_id
      ) g
      -- Each by its key: joined in any other way, this would be as much work as there are jobs.
      cross join lateral (
        select k.fencing_token, k.state, k.claimed_by, k.has_waits from queue.jobs k where k.tenant_id = g.tenant_id and k.execution_id = g.execution_id for update
      ) j
  )
  select coalesce(array_agg(l.n) filter (where l.is_held), '{}'), coalesce(bool_or(l.has_waits), false) into held_positions, have_waits from locked l;
  if cardinality(held_positions) < cardinality(executions) then
    return query
      select g.n = any (held_positions), false, false, false from generate_series(1, cardinality(executions)) g (n) order by g.n;
    return;
  end if;
  with given as (
    select g.*, sum(g.steps) over (order by g.n) - g.steps as steps_before
      from unnest(tenants, executions, statuses, outputs, errors, started_ats, step_counts) with ordinality
             g (tenant_id, execution_id, status, output, error, started_at, steps, n)
  ),
  updated as (
    update public.executions e
       set status = g.status,
           output = g.output,
           error = g.error,
           started_at = coalesce(e.started_at, g.started_at),
           revision = e.revision + g.steps + 1,
           finished_at = case when g.status in ('succeeded', 'failed', 'cancelled') then now() end,
           pause_requested_at = case when g.status <> 'paused' then e.pause_requested_at end
      from given g
     where e.tenant_id = g.tenant_id and e.id = g.execution_id
    returning g.n, e.revision - g.steps - 1 - g.steps_before as base, e.cancel_requested_at is not null as cancels,
              e.pause_requested_at is not null as pauses, e.parent_id is not null and e.finished_at is not null as ends_a_call
  )
  select array_agg(u.base order by u.n), array_agg(u.cancels order by u.n), array_agg(u.pauses order by u.n),
         array_agg(u.n) filter (where u.ends_a_call)
    into bases, cancels, pauses, called
    from updated u;
  if has_extras then
    models := array_fill(null::text, array[cardinality(nodes)]);
    agent_versions := array_fill(null::integer, array[cardinality(nodes)]);
    input_tokens := array_fill(null::bigint, array[cardinality(nodes)]);
    output_tokens := input_tokens;
    costs := array_fill(null::numeric, array[cardinality(nodes)]);
    for extra in
      select x.*, tenants[x.of] as tenant_id, executions[x.of] as execution_id
        from unnest(step_of, nodes, items, attempts, extras) with ordinality x (of, node_id, item, attempt, more, n)
       where x.more is not null
    loop
      if jsonb_typeof(extra.more -> 'usage') = 'object' then
        models[extra.n] := (extra.more #>> '{usage,provider}') || '/' || (extra.more #>> '{usage,model}');
        agent_versions[extra.n] := (extra.more #>> '{usage,agent_version}')::integer;
        select * into counted
          from queue.record_usage(extra.tenant_id, extra.execution_id, extra.node_id, extra.item, extra.attempt, extra.more -> 'usage');
        -- Tokens are added to the step when their row is new, not when a call is repeated.
        if counted.is_new then
          input_tokens[extra.n] := (extra.more #>> '{usage,input_tokens}')::bigint;
          output_tokens[extra.n] := (extra.more #>> '{usage,output_tokens}')::bigint;
          costs[extra.n] := counted.cost;
        end if;
      end if;
      if extra.more ->> 'reservation' is not null then
        perform queue.settle_call(extra.tenant_id, (extra.more ->> 'reservation')::uuid,
          coalesce((extra.more #>> '{usage,input_tokens}')::bigint + (extra.more #>> '{usage,output_tokens}')::bigint, 0), costs[extra.n]);
      end if;
      if jsonb_typeof(extra.more -> 'wait') = 'object' then
        perform queue.begin_wait(extra.tenant_id, extra.execution_id, extra.node_id, extra.item, extra.more -> 'wait');
      end if;
    end loop;
  end if;
  insert into public.execution_steps as s (
    tenant_id, execution_id, node_id, item, name, kind, status, attempt, handle, input, output, error,
    run_at, started_at, finished_at, model, agent_version, input_tokens, output_tokens, cost_usd, revision)
  select tenants[x.of], executions[x.of], x.node_id, x.item, x.name, x.kind, x.status, x.attempt, x.handle, x.input, x.output, x.error,
         x.run_at, x.started_at, x.finished_at, models[x.n], agent_versions[x.n], input_tokens[x.n], output_tokens[x.n], costs[x.n], bases[x.of] + x.n
    from unnest(step_of, nodes, items, names, kinds, step_statuses, attempts, handles, inputs, step_outputs, step_errors,
                step_run_ats, step_started_ats, step_finished_ats) with ordinality
           x (of, node_id, item, name, kind, status, attempt, handle, input, output, error, run_at, started_at, finished_at, n)
  on conflict (tenant_id, execution_id, node_id, item) do update
    set status = excluded.status, attempt = excluded.attempt, handle = excluded.handle,
        input = coalesce(excluded.input, s.input), output = excluded.output, error = excluded.error,
        run_at = excluded.run_at,
        started_at = coalesce(excluded.started_at, s.started_at), finished_at = excluded.finished_at,
        model = coalesce(excluded.model, s.model),
        agent_version = coalesce(excluded.agent_version, s.agent_version),
        -- Attempts that failed have cost something too.
        input_tokens = nullif(coalesce(s.input_tokens, 0) + coalesce(excluded.input_tokens, 0), 0),
        output_tokens = nullif(coalesce(s.output_tokens, 0) + coalesce(excluded.output_tokens, 0), 0),
        cost_usd = case when excluded.cost_usd is null then s.cost_usd else coalesce(s.cost_usd, 0) + excluded.cost_usd end,
        revision = excluded.revision
    -- A worker that did not hear whether a call was committed repeats it as it was. It then meets its own steps:
    -- what is final stays, and so does a later attempt.
    where s.status in ('running', 'waiting') and excluded.attempt >= s.attempt;
  -- What a step waited for is over with the step.
  if have_waits then
    delete from queue.waits w
     using unnest(step_of, nodes, items, step_statuses) x (of, node_id, item, status)
     where x.status in ('succeeded', 'failed', 'skipped', 'cancelled') and w.kind <> 'execution'
       and w.tenant_id = tenants[x.of] and w.execution_id = executions[x.of] and w.node_id = x.node_id and w.item = x.item;
    delete from queue.waits w
     using unnest(step_of, nodes, items, step_statuses) x (of, node_id, item, status)
     where x.status in ('succeeded', 'failed', 'skipped') and w.kind = 'execution' and w.delivered is not null
       and w.tenant_id = tenants[x.of] and w.execution_id = executions[x.of] and w.node_id = x.node_id and w.item = x.item;
  end if;
  with gone as (
    delete from queue.jobs j
     using unnest(tenants, executions, statuses) with ordinality g (tenant_id, execution_id, status, n)
     where j.tenant_id = g.tenant_id and j.execution_id = g.execution_id and g.status in ('succeeded', 'failed', 'cancelled')
    returning g.n, j.has_waits
  )
  select array_agg(g.n) filter (where g.has_waits) into ended_with_waits from gone g;
  if statuses && array['waiting', 'paused', 'running'] then
    perform queue.keep_jobs(tenants, executions, statuses, run_ats, cancels);
  end if;
  foreach position in array coalesce(ended_with_waits, '{}') loop
    perform queue.end_waits(tenants[position], executions[position]);
  end loop;
  foreach position in array coalesce(called, '{}') loop
    perform queue.answer_call(tenants[position], executions[position]);
  end loop;
  perform pg_notify('aias_executions', w.execution_id::text) from queue.watched w where w.execution_id = any (executions);
  return query
    select true, true, cancels[g.n], pauses[g.n] from generate_series(1, cardinality(executions)) g (n);
end
$$;

-- FUNCTION record(worker text, tenants uuid[], executions uuid[], tokens bigint[], statuses text[], run_ats timestamp with time zone[], outputs jsonb[], errors jsonb[], started_ats timestamp with time zone[], step_counts integer[], step_of integer[], nodes text[], items integer[], names text[], kinds text[], step_statuses text[], attempts integer[], handles text[], inputs jsonb[], step_outputs jsonb[], step_errors jsonb[], step_run_ats timestamp with time zone[], step_started_ats timestamp with time zone[], step_finished_ats timestamp with time zone[], extras jsonb[]); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.record(worker text, tenants uuid[], executions uuid[], tokens bigint[], statuses text[], run_ats timestamp with time zone[], outputs jsonb[], errors jsonb[], started_ats timestamp with time zone[], step_counts integer[], step_of integer[], nodes text[], items integer[], names text[], kinds text[], step_statuses text[], attempts integer[], handles text[], inputs jsonb[], step_outputs jsonb[], step_errors jsonb[], step_run_ats timestamp with time zone[], step_started_ats timestamp with time zone[], step_finished_ats timestamp with time zone[], extras jsonb[]) IS 'Writes what a worker found out, for many executions in one transaction. Status running keeps the lease, waiting gives it up until run_at (null: until somebody wakes it), paused gives it up until it is resumed, the others end the execution. Answers a row for each execution, in their order. When one is not held any more, nothing is written, and the call is to be made again without it. extras: {usage, reservation, wait}. Repeating a call changes nothing.';

-- record_domain_check(uuid, uuid, bigint, boolean, text); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.record_domain_check(tenant uuid, domain_id uuid, token bigint, verified boolean, error text DEFAULT NULL::text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  checked queue.domain_checks;
  claimed_domain text;
begin
  select c.* into checked from queue.domain_checks c
   where c.tenant_id = tenant and c.domain_id = record_domain_check.domain_id and c.fencing_token = token
     for update;
  if checked.domain_id is null then
    return false;
  end if;
  if verified then
    select d.domain into claimed_domain from public.tenant_domains d where d.tenant_id = tenant and d.id = checked.domain_id;
    -- Two tenants cannot have one name. Whoever can write its DNS now has it now.
    perform pg_advisory_xact_lock(hashtextextended('tenant_domains ' || claimed_domain, 0));
    update public.tenant_domains d
       set verified_at = null, check_error = 'another tenant has proven that this domain is theirs'
     where d.domain = claimed_domain and d.verified_at is not null and (d.tenant_id, d.id) <> (tenant, checked.domain_id);
    update public.tenant_domains d
       set verified_at = coalesce(d.verified_at, now()), checked_at = now(), check_error = null
     where d.tenant_id = tenant and d.id = checked.domain_id;
  else
    -- One that is verified stays so: a name server that does not answer must not take a product down.
    update public.tenant_domains d set checked_at = now(), check_error = error
     where d.tenant_id = tenant and d.id = checked.domain_id;
  end if;
  if verified or checked.tries_left <= 1 then
    delete from queue.domain_checks c where c.tenant_id = tenant and c.domain_id = checked.domain_id;
  else
    update queue.domain_checks c set run_at = now() + interval '2 minutes', tries_left = c.tries_left - 1, claimed_by = null
     where c.tenant_id = tenant and c.domain_id = checked.domain_id;
  end if;
  return true;
end
$$;

-- FUNCTION record_domain_check(tenant uuid, domain_id uuid, token bigint, verified boolean, error text); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.record_domain_check(tenant uuid, domain_id uuid, token bigint, verified boolean, error text) IS 'Writes what DNS said of a claimed domain. False when the lease was lost.';

-- record_embeddings(uuid, uuid, bigint, uuid, jsonb, bytea[], real[]); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.record_embeddings(tenant uuid, agent uuid, token bigint, reservation uuid, call jsonb, digests bytea[], vectors real[]) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  made_by constant text := (call ->> 'provider') || '/' || (call ->> 'model');
  wanted constant text := queue.lock_embedded(tenant, agent, digests);
  is_held boolean;
  length_of_each integer;
begin
  update queue.embedding_jobs j
     set run_at = now(), claimed_by = null, attempts = 0, reason = null, batch = least(64, j.batch * 2)
   where j.tenant_id = record_embeddings.tenant and j.agent_id = agent and j.fencing_token = token;
  is_held := found;
  -- Somebody else has them embedded, or there is nothing left to embed: a tenant pays for each text once.
  perform queue.pay_embedding(tenant, reservation, case when is_held then call end, null, null);
  if not is_held then
    return false;
  end if;
  -- The agent may want another model by now, and what was embedded is edited or deleted.
  if wanted = made_by and private.has_vectors() then
    select m.dimensions into length_of_each from private.embedding_models m where m.model = made_by;
    if cardinality(vectors) is distinct from cardinality(digests) * length_of_each then
      raise exception 'vectors of % are of % numbers each', made_by, length_of_each using errcode = 'data_exception';
    end if;
    insert into private.document_vectors as v (tenant_id, document_id, digest, agent_id, model, embedding)
    select distinct on (c.document_id, c.digest) c.tenant_id, c.document_id, c.digest, c.agent_id, made_by,
           vectors[(d.n - 1) * length_of_each + 1 : d.n * length_of_each]::extensions.vector
      from unnest(digests) with ordinality d (digest, n)
      join private.document_chunks c on c.tenant_id = record_embeddings.tenant and c.agent_id = record_embeddings.agent and c.digest = d.digest
     order by c.document_id, c.digest
    on conflict (tenant_id, document_id, digest) do update set model = excluded.model, refusal = null, embedding = excluded.embedding;
  end if;
  return true;
end
$$;

-- FUNCTION record_embeddings(tenant uuid, agent uuid, token bigint, reservation uuid, call jsonb, digests bytea[], vectors real[]); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.record_embeddings(tenant uuid, agent uuid, token bigint, reservation uuid, call jsonb, digests bytea[], vectors real[]) IS 'Keeps the vectors of a claimed agent''s texts, one after the other in one array, and writes down what the call took; by a worker that says it twice, once. False when the lease was lost: then nothing is kept, and the tenant pays nothing.';

-- record_mail(text, uuid, uuid, bigint, text, text, timestamp with time zone); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.record_mail(worker text, tenant uuid, mail uuid, token bigint, outcome text, error text DEFAULT NULL::text, retry_at timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  recorded queue.mails;
begin
  -- The invitation first, then the mail: the order in which an invitation ends.
  perform from public.invitations i
    where i.tenant_id = tenant
      and i.id = (select m.subject_id from queue.mails m where m.tenant_id = tenant and m.id = mail and m.template = 'invitation')
      for no key update;
  update queue.mails m
     set status = case outcome when 'retry' then 'queued' else outcome end,
         run_at = case outcome when 'retry' then coalesce(retry_at, now()) else m.run_at end,
         finished_at = case outcome when 'retry' then null else now() end,
         claimed_by = null,
         error = record_mail.error
   where m.tenant_id = tenant and m.id = mail and m.fencing_token = token and m.claimed_by = worker and m.status = 'queued'
  returning * into recorded;
  if recorded.id is null then
    return false;
  end if;
  if recorded.template = 'invitation' and outcome <> 'dropped' then
    update public.invitations i
       set sent_at = case when outcome = 'sent' then now() else i.sent_at end,
           delivery_error = case when outcome = 'sent' then null else record_mail.error end
     where i.tenant_id = tenant and i.id = recorded.subject_id;
  end if;
  return true;
end
$$;

-- FUNCTION record_mail(worker text, tenant uuid, mail uuid, token bigint, outcome text, error text, retry_at timestamp with time zone); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.record_mail(worker text, tenant uuid, mail uuid, token bigint, outcome text, error text, retry_at timestamp with time zone) IS 'Writes what became of a claimed mail: sent, retry (at retry_at), dead or dropped. False when the lease was lost.';

-- record_query_embedding(uuid, uuid, text, integer, integer, uuid, jsonb); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.record_query_embedding(tenant uuid, execution uuid, node text, item integer, attempt integer, reservation uuid, call jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  paid record;
begin
  select * into paid from queue.pay_embedding(tenant, reservation, call, execution, node);
  if not paid.is_new then
    return;
  end if;
  update public.execution_steps s
     set input_tokens = coalesce(s.input_tokens, 0) + (call ->> 'input_tokens')::bigint,
         cost_usd = case when paid.cost is null then s.cost_usd else coalesce(s.cost_usd, 0) + paid.cost end
   where s.tenant_id = record_query_embedding.tenant and s.execution_id = execution and s.node_id = node and s.item = record_query_embedding.item
     and s.attempt = record_query_embedding.attempt
     -- What has ended never changes; a step that was cancelled meanwhile has its usage row.
     and s.status in ('running', 'waiting');
end
$$;

-- FUNCTION record_query_embedding(tenant uuid, execution uuid, node text, item integer, attempt integer, reservation uuid, call jsonb); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.record_query_embedding(tenant uuid, execution uuid, node text, item integer, attempt integer, reservation uuid, call jsonb) IS 'What embedding a question took: its usage row, what was set aside settled, and added to the step. Repeating a call changes nothing. Without tokens everything is given back.';

-- record_round(uuid, uuid, text, integer, integer, uuid, jsonb); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.record_round(tenant uuid, execution uuid, node text, item integer, attempt integer, reservation uuid, call jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  counted record;
begin
  -- A tenant that is no more has no quota either.
  if not exists (select from public.tenants t where t.id = tenant) then
    return;
  end if;
  select * into counted from queue.record_usage(tenant, execution, node, item, attempt, call);
  if not counted.is_new then
    -- Said before: then it was settled before, too.
    return;
  end if;
  perform queue.settle_call(tenant, reservation, (call ->> 'input_tokens')::bigint + (call ->> 'output_tokens')::bigint, counted.cost);
  update public.execution_steps s
     set model = (call ->> 'provider') || '/' || (call ->> 'model'),
         agent_version = coalesce((call ->> 'agent_version')::integer, s.agent_version),
         input_tokens = coalesce(s.input_tokens, 0) + (call ->> 'input_tokens')::bigint,
         output_tokens = coalesce(s.output_tokens, 0) + (call ->> 'output_tokens')::bigint,
         cost_usd = case when counted.cost is null then s.cost_usd else coalesce(s.cost_usd, 0) + counted.cost end
   where s.tenant_id = record_round.tenant and s.execution_id = execution and s.node_id = node and s.item = record_round.item
     -- What has ended never changes; a step that was cancelled meanwhile has its usage row.
     and s.status in ('running', 'waiting');
end
$$;

-- FUNCTION record_round(tenant uuid, execution uuid, node text, item integer, attempt integer, reservation uuid, call jsonb); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.record_round(tenant uuid, execution uuid, node text, item integer, attempt integer, reservation uuid, call jsonb) IS 'What a round of a step took that another round follows: its usage row, its tokens settled, and added to the step. Repeating a call changes nothing.';

-- record_usage(uuid, uuid, text, integer, integer, jsonb); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.record_usage(tenant uuid, execution uuid, node text, item integer, attempt integer, call jsonb, OUT cost numeric, OUT is_new boolean) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  input bigint := (call ->> 'input_tokens')::bigint;
  cached bigint := coalesce((call ->> 'cached_input_tokens')::bigint, 0);
  cache_write bigint := coalesce((call ->> 'cache_write_input_tokens')::bigint, 0);
  output bigint := (call ->> 'output_tokens')::bigint;
  reasoning bigint := coalesce((call ->> 'reasoning_tokens')::bigint, 0);
  round integer := (call ->> 'round')::integer;
begin
  cost := private.llm_cost_usd(call ->> 'provider', call ->> 'model', now(), input, cached, output, cache_write, reasoning);
  insert into public.usage (
    tenant_id, idempotency_key, execution_id, node_id, agent_id, agent_version, provider, model,
    input_tokens, cached_input_tokens, cache_write_input_tokens, output_tokens, reasoning_tokens, cost_usd, own_key)
  values (
    -- The first round is called as the only one of a step without tools, by whatever worker.
    tenant, concat_ws(':', 'execution', execution, node, case when item >= 0 then item end, attempt, case when round > 1 then 'round' || round end),
    execution, node, (call ->> 'agent_id')::uuid, (call ->> 'agent_version')::integer, call ->> 'provider', call ->> 'model',
    input, cached, cache_write, output, reasoning, cost,
    coalesce((call ->> 'own_key')::boolean, false))
  on conflict on constraint usage_is_counted_once do nothing;
  is_new := found;
end
$$;

-- FUNCTION record_usage(tenant uuid, execution uuid, node text, item integer, attempt integer, call jsonb, OUT cost numeric, OUT is_new boolean); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.record_usage(tenant uuid, execution uuid, node text, item integer, attempt integer, call jsonb, OUT cost numeric, OUT is_new boolean) IS 'Writes one usage row per attempt and round of a step, however often it is called; is_new says whether this call did.';

-- recorded_steps(uuid, uuid); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.recorded_steps(tenant uuid, execution uuid) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select jsonb_agg(jsonb_build_object(
             'node_id', s.node_id, 'item', nullif(s.item, -1), 'status', s.status, 'attempt', s.attempt, 'handle', s.handle,
             'output', s.output, 'error', s.error, 'run_at', s.run_at) order by s.revision)
      from public.execution_steps s
     where s.tenant_id = tenant and s.execution_id = execution
  );
end
$$;

-- FUNCTION recorded_steps(tenant uuid, execution uuid); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.recorded_steps(tenant uuid, execution uuid) IS 'The steps of an execution that are recorded, in their order.';

-- renew(text, uuid[], uuid[], bigint[], interval); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.renew(worker text, tenants uuid[], executions uuid[], tokens bigint[], lease interval) RETURNS TABLE(tenant_id uuid, execution_id uuid, cancel_requested boolean, pause_requested boolean, signals jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
#variable_conflict use_column
begin
  return query
    with still_held as materialized (
      select h.tenant_id, h.execution_id
        from (
          select * from unnest(tenants, executions, tokens) x (tenant_id, execution_id, fencing_token) order by x.tenant_id, x.execution_id
        ) h
        cross join lateral (
          select k.fencing_token, k.state, k.claimed_by from queue.jobs k where k.tenant_id = h.tenant_id and k.execution_id = h.execution_id for update
        ) j
       where j.fencing_token = h.fencing_token and j.state = 'claimed' and j.claimed_by = worker
    ),
    renewed as (
      update queue.jobs j
         set run_at = now() + lease
        from still_held s
       where j.tenant_id = s.tenant_id and j.execution_id = s.execution_id
      returning j.tenant_id, j.execution_id, j.has_waits
    )
    select r.tenant_id, r.execution_id, e.cancel_requested_at is not null, e.pause_requested_at is not null,
           case when r.has_waits then queue.signals(r.tenant_id, r.execution_id) end
      from renewed r
      join public.executions e on e.tenant_id = r.tenant_id and e.id = r.execution_id;
  -- After the jobs, as a claim does: in the other order the two could wait for each other, over a lease that has just ended.
  update queue.workers w set seen_at = now() where w.worker = renew.worker;
end
$$;

-- FUNCTION renew(worker text, tenants uuid[], executions uuid[], tokens bigint[], lease interval); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.renew(worker text, tenants uuid[], executions uuid[], tokens bigint[], lease interval) IS 'Prolongs leases, and tells what came for those executions. What is missing from the answer is no longer held.';

-- reserve_tokens(uuid, uuid, bigint, bigint); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.reserve_tokens(tenant uuid, execution uuid, token bigint, amount bigint) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if not exists (
    select from queue.jobs j where j.tenant_id = tenant and j.execution_id = execution and j.fencing_token = token and j.state = 'claimed'
  ) then
    return null;
  end if;
  return aias.quota_reserve(tenant, 'llm_tokens', amount, interval '15 minutes');
end
$$;

-- FUNCTION reserve_tokens(tenant uuid, execution uuid, token bigint, amount bigint); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.reserve_tokens(tenant uuid, execution uuid, token bigint, amount bigint) IS 'Sets tokens aside before an LLM call; refused when the plan has none left. Null when the lease is lost. queue.record settles it.';

-- rewrap_key(uuid, integer, bytea, bytea, text); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.rewrap_key(tenant uuid, key_generation integer, wrapped_before bytea, wrapped_now bytea, master text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- Only what was read: a rotation, or another worker, may have been faster.
  update private.tenant_keys k
     set wrapped = wrapped_now, master_key_id = master, rewrapped_at = now()
   where k.tenant_id = tenant and k.generation = key_generation and k.wrapped = wrapped_before;
  return found;
end
$$;

-- FUNCTION rewrap_key(tenant uuid, key_generation integer, wrapped_before bytea, wrapped_now bytea, master text); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.rewrap_key(tenant uuid, key_generation integer, wrapped_before bytea, wrapped_now bytea, master text) IS 'Keeps the same data key as another master key has wrapped it. False: it is not as it was read any more.';

-- rotate_key(uuid, integer, bytea, text, text[], text[], bytea[], bytea[], bytea[]); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.rotate_key(tenant uuid, generation_before integer, wrapped_now bytea, master text, value_kinds text[], value_names text[], nonces_before bytea[], nonces bytea[], ciphertexts bytea[]) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
#variable_conflict use_column
begin
  perform private.lock_secrets(tenant);
  if generation_before is distinct from (select max(k.generation) from private.tenant_keys k where k.tenant_id = tenant)
    -- A nonce is drawn for each sealing, so it tells whether a value is the one that was read.
    or exists (
      select from (select v.kind, v.name, v.nonce from private.secret_values v where v.tenant_id = tenant) kept
        full join unnest(value_kinds, value_names, nonces_before) read (kind, name, nonce) on read.kind = kept.kind and read.name = kept.name
       where read.nonce is distinct from kept.nonce)
  then
    return false;
  end if;
  insert into private.tenant_keys (tenant_id, generation, wrapped, master_key_id) values (tenant, generation_before + 1, wrapped_now, master);
  update private.secret_values v
     set key_generation = generation_before + 1, nonce = sealed.nonce, ciphertext = sealed.ciphertext
    from unnest(value_kinds, value_names, rotate_key.nonces, rotate_key.ciphertexts) sealed (kind, name, nonce, ciphertext)
   where v.tenant_id = tenant and v.kind = sealed.kind and v.name = sealed.name;
  delete from private.tenant_keys k where k.tenant_id = tenant and k.generation = generation_before;
  perform audit.record_event(tenant, 'security.secret_key_rotated', 'tenant_secrets', null, jsonb_build_object('generation', generation_before + 1));
  return true;
end
$$;

-- FUNCTION rotate_key(tenant uuid, generation_before integer, wrapped_now bytea, master text, value_kinds text[], value_names text[], nonces_before bytea[], nonces bytea[], ciphertexts bytea[]); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.rotate_key(tenant uuid, generation_before integer, wrapped_now bytea, master text, value_kinds text[], value_names text[], nonces_before bytea[], nonces bytea[], ciphertexts bytea[]) IS 'Replaces a tenant''s data key and everything that it has sealed, at once. False: something was set, deleted or rotated since it was read; nothing is changed then.';

-- run_next_export(); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.run_next_export() RETURNS TABLE(tenant_id uuid, id uuid, lines bigint, bytes bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
#variable_conflict use_column
declare
  export public.tenant_exports;
  datum record;
  pending text[] := '{}';
  pending_bytes bigint := 0;
  chunks integer := 0;
  line text;
begin
  -- The row is held until the end: who dies lets go of it, and another begins again.
  select e.* into export from public.tenant_exports e
   where e.status = 'queued' order by e.created_at limit 1 for update skip locked;
  if export.id is null then
    return;
  end if;
  lines := 0;
  bytes := 0;
  for datum in select d.source, d.line from private.tenant_data d where d.tenant_id = export.tenant_id loop
    line := jsonb_build_object('source', datum.source, 'line', datum.line)::text;
    pending := pending || line;
    pending_bytes := pending_bytes + octet_length(line) + 1;
    lines := lines + 1;
    if pending_bytes >= 1048576 then
      chunks := chunks + 1;
      insert into private.export_chunks (tenant_id, export_id, number, content)
      values (export.tenant_id, export.id, chunks, array_to_string(pending, chr(10)) || chr(10));
      bytes := bytes + pending_bytes;
      pending := '{}';
      pending_bytes := 0;
    end if;
  end loop;
  if pending_bytes > 0 then
    insert into private.export_chunks (tenant_id, export_id, number, content)
    values (export.tenant_id, export.id, chunks + 1, array_to_string(pending, chr(10)) || chr(10));
    bytes := bytes + pending_bytes;
  end if;
  update public.tenant_exports e
     set status = 'ready', lines = run_next_export.lines, bytes = run_next_export.bytes, error = null,
         finished_at = now(), expires_at = now() + interval '7 days'
   where e.tenant_id = export.tenant_id and e.id = export.id;
  perform audit.record_event(export.tenant_id, 'security.exported', 'tenant_exports', export.id::text,
    jsonb_build_object('lines', lines, 'bytes', bytes, 'requested_by', export.requested_by));
  tenant_id := export.tenant_id;
  id := export.id;
  return next;
end
$$;

-- FUNCTION run_next_export(); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.run_next_export() IS 'Writes one whole export. Called in a transaction of isolation level repeatable read, so that it shows one instant. No row: there is nothing to do.';

-- run_schedule(text, uuid, uuid, bigint, timestamp with time zone[], timestamp with time zone, timestamp with time zone, text); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.run_schedule(worker text, tenant uuid, workflow uuid, token bigint, instants timestamp with time zone[], handled_until timestamp with time zone, next_run_at timestamp with time zone, note text DEFAULT NULL::text, OUT accepted boolean, OUT started integer, OUT refused text) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
#variable_conflict use_column
declare
  scheduled public.workflows;
  schedule queue.schedules;
  tenant_status text;
  instant timestamptz;
  last_started timestamptz;
begin
  accepted := false;
  started := 0;
  -- The workflow before its schedule: the order in which both go when the workflow is deleted.
  select w.* into scheduled from public.workflows w where w.tenant_id = run_schedule.tenant and w.id = run_schedule.workflow for key share;
  select s.* into schedule from queue.schedules s
   where s.tenant_id = run_schedule.tenant and s.workflow_id = run_schedule.workflow
     and s.fencing_token = run_schedule.token and s.claimed_by = run_schedule.worker
     for update;
  if schedule.workflow_id is null then
    return;
  end if;
  accepted := true;
  select t.status into tenant_status from public.tenants t where t.id = run_schedule.tenant;
  if tenant_status <> 'active' and cardinality(instants) > 0 then
    refused := format('this tenant is %s and starts no executions', tenant_status);
  elsif scheduled.status = 'active' then
    foreach instant in array instants loop
      continue when instant <= schedule.handled_until;
      begin
        perform private.enqueue_execution(scheduled,
          jsonb_build_object('scheduled_at', to_char(instant at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'timezone', schedule.timezone),
          'schedule:' || to_char(instant at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), null, 'schedule');
        started := started + 1;
        last_started := instant;
      exception when sqlstate 'PGRST' then
        -- The plan says no. It is told where people look, and the schedule goes on with its next time.
        refused := sqlerrm::jsonb ->> 'message';
        exit;
      end;
    end loop;
  end if;
  update queue.schedules s
     set handled_until = greatest(s.handled_until, run_schedule.handled_until),
         next_run_at = run_schedule.next_run_at,
         run_at = coalesce(run_schedule.next_run_at, 'infinity'),
         claimed_by = null,
         last_run_at = coalesce(last_started, s.last_run_at),
         last_error = case when coalesce(refused, note) is not null then coalesce(refused, note) when started > 0 then null else s.last_error end,
         last_error_at = case when coalesce(refused, note) is not null then now() when started > 0 then null else s.last_error_at end
   where s.tenant_id = run_schedule.tenant and s.workflow_id = run_schedule.workflow;
end
$$;

-- FUNCTION run_schedule(worker text, tenant uuid, workflow uuid, token bigint, instants timestamp with time zone[], handled_until timestamp with time zone, next_run_at timestamp with time zone, note text, OUT accepted boolean, OUT started integer, OUT refused text); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.run_schedule(worker text, tenant uuid, workflow uuid, token bigint, instants timestamp with time zone[], handled_until timestamp with time zone, next_run_at timestamp with time zone, note text, OUT accepted boolean, OUT started integer, OUT refused text) IS 'Starts one execution for each of the instants and moves the schedule on, in one transaction: each instant starts one execution, whoever comes how often. accepted is false when the lease was lost; refused says why not all were started.';

-- search_documents(uuid, uuid, text, integer); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.search_documents(tenant uuid, agent uuid, question text, at_most integer) RETURNS TABLE(document_id uuid, title text, "position" integer, content text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select s.document_id, s.title, s.position, s.content from private.search_chunks(tenant, agent, question, at_most) s
$$;

-- FUNCTION search_documents(tenant uuid, agent uuid, question text, at_most integer); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.search_documents(tenant uuid, agent uuid, question text, at_most integer) IS 'The same for workers of before, by words alone.';

-- search_documents(uuid, uuid, text, integer, real[]); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.search_documents(tenant uuid, agent uuid, question text, at_most integer, question_vector real[]) RETURNS TABLE(document_id uuid, title text, "position" integer, content text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select s.document_id, s.title, s.position, s.content from private.search_chunks(tenant, agent, question, at_most, question_vector) s
$$;

-- FUNCTION search_documents(tenant uuid, agent uuid, question text, at_most integer, question_vector real[]); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.search_documents(tenant uuid, agent uuid, question text, at_most integer, question_vector real[]) IS 'What the tool search_documents of an agent finds, by a question and its vector, where it has one.';

-- secrets(uuid, uuid, bigint, text[]); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.secrets(tenant uuid, execution uuid, token bigint, wanted text[]) RETURNS TABLE(generation integer, wrapped bytea, master_key_id text, names text[], nonces bytea[], ciphertexts bytea[])
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select s.generation, s.wrapped, s.master_key_id, s.names, s.nonces, s.ciphertexts
    from queue.jobs j, private.sealed(tenant, 'secret', wanted) s
   where j.tenant_id = tenant and j.execution_id = execution and j.fencing_token = token and j.state = 'claimed'
$$;

-- FUNCTION secrets(tenant uuid, execution uuid, token bigint, wanted text[]); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.secrets(tenant uuid, execution uuid, token bigint, wanted text[]) IS 'What a step of a claimed execution needs to open secrets: those of the wanted names that its tenant has, with the data key they are sealed under. No row: the lease is lost.';

-- send_mail(uuid, uuid, bigint, text, text[], text, text, text, integer); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.send_mail(tenant uuid, execution uuid, token bigint, node text, recipients text[], subject text, body_text text, body_html text, item integer DEFAULT NULL::integer) RETURNS TABLE(mail_id uuid, accepted_at timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
#variable_conflict use_column
declare
  -- Not the attempt: a step whose worker died after this begins again as its next attempt, and its mail must not go twice.
  key text := format('execution:%s:%s', execution, send_mail.node) || coalesce(':' || send_mail.item, '');
  sender public.tenants;
begin
  if not exists (
    select from queue.jobs j where j.tenant_id = tenant and j.execution_id = execution and j.fencing_token = token and j.state = 'claimed'
  ) then
    return;
  end if;
  return query select m.id, m.created_at from queue.mails m where m.tenant_id = tenant and m.idempotency_key = key;
  if found then
    return;
  end if;
  select t.* into sender from public.tenants t where t.id = tenant;
  if sender.status <> 'active' then
    perform private.refuse(403, 'tenant_' || sender.status, format('this tenant is %s and sends no mails', sender.status));
  end if;
  -- They go out in the operator's name. Each recipient counts. The operator may say in the limits of plans and tenants how many there may be.
  perform aias.rate_limit_or_refuse('mails:' || tenant, greatest(0, least(coalesce(private.limit_of(tenant, 'mails_per_hour'), 100), 1000000))::integer,
    interval '1 hour', cost => cardinality(recipients), meter => 'mails_per_hour');
  return query
    insert into queue.mails (tenant_id, idempotency_key, template, recipient, subject_id, variables)
    values (tenant, key, 'workflow', recipients[1], execution, jsonb_build_object(
      'to', to_jsonb(recipients), 'subject', send_mail.subject, 'text', body_text, 'html', body_html, 'sender', sender.name))
    returning id, created_at;
  perform pg_notify('aias_mails', '');
end
$$;

-- FUNCTION send_mail(tenant uuid, execution uuid, token bigint, node text, recipients text[], subject text, body_text text, body_html text, item integer); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.send_mail(tenant uuid, execution uuid, token bigint, node text, recipients text[], subject text, body_text text, body_html text, item integer) IS 'Puts a step''s mail into the outbox, once for each step of an execution however often it is called. No row: the lease is lost. Refused when the tenant has mailed too much within the hour.';

-- settle_call(uuid, uuid, bigint, numeric); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.settle_call(tenant uuid, reservation uuid, tokens bigint, dollars numeric) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
#variable_conflict use_variable
begin
  begin
    perform aias.quota_settle(reservation, tokens);
  exception when invalid_parameter_value then
    -- It is settled already: by the call that this one repeats, or long after it lapsed.
    null;
  end;
  -- Once, by the row that goes; and for nothing where nobody knows a price.
  with settled as (
    delete from queue.capped_calls c where c.tenant_id = tenant and c.reservation = settle_call.reservation returning c.caps
  )
  select count(aias.quota_spend(tenant, cap.meter, cap.id, ceil(coalesce(dollars, 0) * 1000000)::bigint, true))
    into tokens
    from (select b.meter, b.id from settled s, jsonb_to_recordset(s.caps) as b (meter text, id uuid) order by b.meter) cap;
end
$$;

-- FUNCTION settle_call(tenant uuid, reservation uuid, tokens bigint, dollars numeric); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.settle_call(tenant uuid, reservation uuid, tokens bigint, dollars numeric) IS 'A call is over: what it took of tokens and dollars stays taken, and the rest of what was set aside is given back. Called by queue.record and queue.record_round.';

-- signals(uuid, uuid); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.signals(tenant uuid, execution uuid) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select jsonb_agg(jsonb_build_object('node_id', w.node_id, 'item', nullif(w.item, -1), 'payload', w.delivered) order by w.node_id, w.item)
    from queue.waits w
   where w.tenant_id = tenant and w.execution_id = execution and w.delivered is not null
$$;

-- FUNCTION signals(tenant uuid, execution uuid); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.signals(tenant uuid, execution uuid) IS 'What came for steps of an execution that wait.';

-- start_child(uuid, uuid, bigint, text, integer, uuid, jsonb, uuid); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.start_child(tenant uuid, execution uuid, token bigint, node text, wait_item integer, wanted_workflow uuid, child_input jsonb, given_up uuid) RETURNS TABLE(held boolean, child_id uuid, refusal text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
#variable_conflict use_variable
declare
  caller public.executions;
  workflow public.workflows;
  wait queue.waits;
begin
  held := true;
  perform from queue.jobs j
   where j.tenant_id = tenant and j.execution_id = execution and j.fencing_token = token and j.state = 'claimed'
     for update;
  if not found then
    held := false;
    return next;
    return;
  end if;
  select w.* into wait from queue.waits w
   where w.tenant_id = tenant and w.execution_id = execution and w.node_id = node and w.item = wait_item;
  if wait.child_id is distinct from given_up and wait.child_id is not null then
    -- An attempt before this one started it and could not say so. It may have ended since.
    child_id := wait.child_id;
    if wait.delivered is not null then
      perform queue.wake(tenant, execution);
    end if;
    return next;
    return;
  end if;
  select e.* into caller from public.executions e where e.tenant_id = tenant and e.id = execution;
  select w.* into workflow from public.workflows w where w.tenant_id = tenant and w.id = wanted_workflow;
  refusal := case
    when caller.depth >= 8 then 'call_too_deep'
    when workflow.id is null then 'called_workflow_not_found'
    when workflow.status <> 'active' then 'called_workflow_not_active'
  end;
  if refusal is not null then
    return next;
    return;
  end if;
  perform private.check_input_size(child_input);
  child_id := (private.enqueue_execution(workflow, child_input, null, caller.started_by, 'call', execution, node, nullif(wait_item, -1),
    caller.depth + 1, caller.priority)).id;
  if wait.child_id is not null then
    perform queue.ask_to_end(tenant, wait.child_id);
  end if;
  insert into queue.waits as w (tenant_id, execution_id, node_id, item, kind, child_id)
  values (tenant, execution, node, wait_item, 'execution', child_id)
  on conflict on constraint waits_pkey do update set child_id = excluded.child_id, delivered = null, created_at = now();
  update queue.jobs j set has_waits = true where j.tenant_id = tenant and j.execution_id = execution;
  return next;
end
$$;

-- FUNCTION start_child(tenant uuid, execution uuid, token bigint, node text, wait_item integer, wanted_workflow uuid, child_input jsonb, given_up uuid); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.start_child(tenant uuid, execution uuid, token bigint, node text, wait_item integer, wanted_workflow uuid, child_input jsonb, given_up uuid) IS 'Starts the execution that a step calls, and registers that the step waits for its end. Repeating the call answers the same one, unless it is the one that was given up; that is asked to end. held is false when the lease is lost; refusal says why none was started: call_too_deep, called_workflow_not_found, called_workflow_not_active.';

-- start_workflow(uuid, uuid, bigint, text, integer, integer, text, uuid, jsonb); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.start_workflow(tenant uuid, execution uuid, token bigint, node text, item integer, attempt integer, place text, wanted_workflow uuid, input jsonb) RETURNS TABLE(held boolean, started_id uuid, refusal text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
#variable_conflict use_variable
declare
  caller public.executions;
  workflow public.workflows;
begin
  held := true;
  perform from queue.jobs j
   where j.tenant_id = tenant and j.execution_id = execution and j.fencing_token = token and j.state = 'claimed'
     for share;
  if not found then
    held := false;
    return next;
    return;
  end if;
  select e.* into caller from public.executions e where e.tenant_id = tenant and e.id = execution;
  select w.* into workflow from public.workflows w where w.tenant_id = tenant and w.id = wanted_workflow;
  refusal := case
    when caller.depth >= 8 then 'call_too_deep'
    when workflow.id is null then 'called_workflow_not_found'
    when workflow.status <> 'active' then 'called_workflow_not_active'
  end;
  if refusal is null then
    perform private.check_input_size(input);
    -- Deep as a called one, so that agents which start each other come to an end; nobody waits for it, so it has no parent.
    started_id := (private.enqueue_execution(workflow, input,
      concat_ws(':', 'agent', execution, node, case when item >= 0 then item end, attempt, place),
      caller.started_by, 'call', null, null, null, caller.depth + 1, caller.priority)).id;
  end if;
  return next;
end
$$;

-- FUNCTION start_workflow(tenant uuid, execution uuid, token bigint, node text, item integer, attempt integer, place text, wanted_workflow uuid, input jsonb); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.start_workflow(tenant uuid, execution uuid, token bigint, node text, item integer, attempt integer, place text, wanted_workflow uuid, input jsonb) IS 'Starts an execution that the model of a step asked for, and that nobody waits for. Repeating the call of an attempt answers the same one. held is false when the lease is lost; refusal says why none was started, as that of queue.start_child.';

-- sweep(); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.sweep() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- Bounded, so that it never holds anything up; what is left is for the next time.
  perform aias.quota_sweep(1000), aias.rate_limit_sweep(1000);
  perform audit.make_months();
  with over as (
    select e.tenant_id, e.id from public.tenant_exports e
     where e.status = 'ready' and e.expires_at <= now() limit 10 for update skip locked
  ),
  dropped as (
    delete from private.export_chunks c using over o where c.tenant_id = o.tenant_id and c.export_id = o.id
  )
  update public.tenant_exports e set status = 'expired' from over o where e.tenant_id = o.tenant_id and e.id = o.id;
  delete from queue.mails m using (
    select x.tenant_id, x.id from queue.mails x where x.finished_at < now() - interval '30 days' limit 1000 for update skip locked
  ) old where m.tenant_id = old.tenant_id and m.id = old.id;
  -- Of calls whose worker did not come to say what they took: what was set aside for them is long given back.
  delete from queue.capped_calls c using (
    select x.tenant_id, x.reservation from queue.capped_calls x where x.created_at < now() - interval '1 day' limit 1000 for update skip locked
  ) old where c.tenant_id = old.tenant_id and c.reservation = old.reservation;
  perform private.sweep_kept_of_calls();
end
$$;

-- FUNCTION sweep(); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.sweep() IS 'Gives back tokens whose reservation lapsed; removes counts, files, mails and answers that do not matter any more; makes the months to come. Any number of workers may call it at once.';

-- sync_changed_tenant(); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.sync_changed_tenant() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform queue.sync_tenant(new);
  return null;
end
$$;

-- sync_tenant(public.tenants); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.sync_tenant(tenant public.tenants) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  insert into queue.tenants as q (tenant_id, is_active, max_running, weight)
  select tenant.id, tenant.status = 'active',
         -- No cap stays none: least() passes over a null.
         case when l.cap is not null then least(l.cap, 2147483647)::integer end, p.queue_weight
    from public.subscription_plans p
    cross join private.limit_of(tenant.id, 'concurrent_executions') l (cap)
   where p.id = tenant.plan_id
  on conflict (tenant_id) do update set is_active = excluded.is_active, max_running = excluded.max_running, weight = excluded.weight
    where (q.is_active, q.max_running, q.weight) is distinct from (excluded.is_active, excluded.max_running, excluded.weight)
$$;

-- FUNCTION sync_tenant(tenant public.tenants); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.sync_tenant(tenant public.tenants) IS 'Makes queue.tenants say what the tenant''s plan, overrides and status say.';

-- sync_tenants_of_plan(); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.sync_tenants_of_plan() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform queue.sync_tenant(t) from public.tenants t where t.plan_id = new.id order by t.id;
  return null;
end
$$;

-- tend_history(integer); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.tend_history(batch integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  dropped integer;
begin
  perform queue.keep_history();
  dropped := queue.drop_old_history(batch);
  perform queue.drop_empty_months();
  -- Workers that are no more: whatever they held has long been taken up by others.
  delete from queue.workers w where w.seen_at < now() - interval '1 hour';
  return dropped;
end
$$;

-- FUNCTION tend_history(batch integer); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.tend_history(batch integer) IS 'Makes the months to come, deletes up to so many executions that are older than their plan keeps them, and drops months with nothing left. Answers how many were deleted.';

-- wake(uuid, uuid); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.wake(tenant uuid, execution uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  job queue.jobs;
begin
  select j.* into job from queue.jobs j where j.tenant_id = tenant and j.execution_id = execution for update;
  if job.state = 'waiting' then
    update queue.jobs j set state = 'ready', ready_in = pg_current_xact_id(), run_at = null
     where j.tenant_id = tenant and j.execution_id = execution;
    perform queue.open_lane(tenant, job.workflow_id, job.priority);
    perform queue.notify_workers(tenant);
  elsif job.state = 'claimed' then
    update queue.jobs j set is_woken = true where j.tenant_id = tenant and j.execution_id = execution;
    perform pg_notify('aias_attention', execution::text);
  end if;
end
$$;

-- FUNCTION wake(tenant uuid, execution uuid); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.wake(tenant uuid, execution uuid) IS 'Something came for an execution: it is ready, or whoever holds it looks.';

-- was_capped(text); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.was_capped(of_worker text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select coalesce((select w.was_capped from queue.workers w where w.worker = of_worker), false)
$$;

-- FUNCTION was_capped(of_worker text); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.was_capped(of_worker text) IS 'Whether a worker''s last claim left something that is ready and held back by a cap: then it claims again as soon as something of its own has ended.';

-- heads; Type: TABLE; Schema: audit
CREATE TABLE audit.heads (
    tenant_id uuid NOT NULL,
    seq bigint NOT NULL,
    hash bytea NOT NULL,
    chained_at timestamp with time zone DEFAULT now() NOT NULL
);

-- TABLE heads; Type: COMMENT; Schema: audit
COMMENT ON TABLE audit.heads IS 'The end of each tenant''s chain: what audit.verify measures a truncated tail against.';

-- inbox; Type: TABLE; Schema: audit
CREATE TABLE audit.inbox (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT aias.uuid7() NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    actor_kind text NOT NULL,
    actor_id uuid,
    action text NOT NULL,
    subject text NOT NULL,
    subject_id text,
    before jsonb,
    after jsonb,
    request_id text
)
WITH (autovacuum_vacuum_scale_factor='0.05', autovacuum_vacuum_threshold='5000');

-- TABLE inbox; Type: COMMENT; Schema: audit
COMMENT ON TABLE audit.inbox IS 'Entries that are not chained yet. No foreign key: writers of one tenant would meet on its row. They go with the tenant, by a trigger.';

-- log; Type: TABLE; Schema: audit
CREATE TABLE audit.log (
    tenant_id uuid NOT NULL,
    seq bigint NOT NULL,
    id uuid DEFAULT aias.uuid7() NOT NULL,
    at timestamp with time zone NOT NULL,
    actor_kind text NOT NULL,
    actor_id uuid,
    action text NOT NULL,
    subject text NOT NULL,
    subject_id text,
    before jsonb,
    after jsonb,
    request_id text,
    hash bytea NOT NULL
)
PARTITION BY RANGE (at);

-- TABLE log; Type: COMMENT; Schema: audit
COMMENT ON TABLE audit.log IS 'Entries for good, by month. seq has no gaps in a tenant.';

-- COLUMN log.hash; Type: COMMENT; Schema: audit
COMMENT ON COLUMN audit.log.hash IS 'SHA-256 of the hash of seq - 1 (32 zero bytes before the first) and of audit.payload of this entry.';

-- log_default; Type: TABLE; Schema: audit
CREATE TABLE audit.log_default (
    tenant_id uuid CONSTRAINT log_tenant_id_not_null NOT NULL,
    seq bigint CONSTRAINT log_seq_not_null NOT NULL,
    id uuid DEFAULT aias.uuid7() CONSTRAINT log_id_not_null NOT NULL,
    at timestamp with time zone CONSTRAINT log_at_not_null NOT NULL,
    actor_kind text CONSTRAINT log_actor_kind_not_null NOT NULL,
    actor_id uuid,
    action text CONSTRAINT log_action_not_null NOT NULL,
    subject text CONSTRAINT log_subject_not_null NOT NULL,
    subject_id text,
    before jsonb,
    after jsonb,
    request_id text,
    hash bytea CONSTRAINT log_hash_not_null NOT NULL
);

-- TABLE log_default; Type: COMMENT; Schema: audit
COMMENT ON TABLE audit.log_default IS 'For an entry whose month has no partition, so that nothing is ever refused. Empty while audit.make_months() is called in time.';

-- users; Type: TABLE; Schema: auth
CREATE TABLE auth.users (
    id uuid NOT NULL,
    instance_id uuid,
    aud character varying(255) DEFAULT 'authenticated'::character varying,
    role character varying(255) DEFAULT 'authenticated'::character varying,
    email character varying(255),
    phone text,
    encrypted_password character varying(255),
    email_confirmed_at timestamp with time zone,
    phone_confirmed_at timestamp with time zone,
    confirmed_at timestamp with time zone GENERATED ALWAYS AS (LEAST(email_confirmed_at, phone_confirmed_at)) STORED,
    invited_at timestamp with time zone,
    confirmation_token character varying(255),
    confirmation_sent_at timestamp with time zone,
    recovery_token character varying(255),
    recovery_sent_at timestamp with time zone,
    email_change character varying(255),
    email_change_token_new character varying(255),
    email_change_token_current character varying(255),
    email_change_sent_at timestamp with time zone,
    email_change_confirm_status smallint DEFAULT 0,
    phone_change text,
    phone_change_token character varying(255),
    phone_change_sent_at timestamp with time zone,
    reauthentication_token character varying(255),
    reauthentication_sent_at timestamp with time zone,
    raw_app_meta_data jsonb DEFAULT '{}'::jsonb,
    raw_user_meta_data jsonb DEFAULT '{}'::jsonb,
    is_super_admin boolean,
    is_sso_user boolean DEFAULT false NOT NULL,
    is_anonymous boolean DEFAULT false NOT NULL,
    banned_until timestamp with time zone,
    last_sign_in_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now(),
    updated_at timestamp with time zone DEFAULT now(),
    deleted_at timestamp with time zone
);

-- accounts; Type: TABLE; Schema: billing
CREATE TABLE billing.accounts (
    tenant_id uuid NOT NULL,
    plan_before uuid,
    anchor_before timestamp with time zone,
    is_suspended boolean DEFAULT false NOT NULL,
    derive_at timestamp with time zone,
    CONSTRAINT account_remembers_both_or_nothing CHECK (((plan_before IS NULL) = (anchor_before IS NULL)))
);

-- TABLE accounts; Type: COMMENT; Schema: billing
COMMENT ON TABLE billing.accounts IS 'What is remembered of tenants with subscriptions.';

-- COLUMN accounts.plan_before; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.accounts.plan_before IS 'The plan before a subscription first decided; null while none has. It is the tenant''s again when none does any more. No reference: a plan that nobody has can go, and between tenants and plans the API would find one way more.';

-- COLUMN accounts.is_suspended; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.accounts.is_suspended IS 'It is billing that has suspended the tenant, so a payment lifts that. What the operator has suspended stays so.';

-- COLUMN accounts.derive_at; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.accounts.derive_at IS 'When time alone changes what follows: the end of the grace.';

-- objects; Type: TABLE; Schema: billing
CREATE TABLE billing.objects (
    account text DEFAULT ''::text NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    livemode boolean NOT NULL,
    customer text,
    data jsonb NOT NULL,
    is_deleted boolean DEFAULT false NOT NULL,
    seen billing.sighting[] NOT NULL,
    fetched jsonb,
    fetched_second bigint,
    fetched_ticket bigint DEFAULT 0 NOT NULL,
    fetch_ticket bigint DEFAULT 0 NOT NULL,
    fetch_at timestamp with time zone
);

-- TABLE objects; Type: COMMENT; Schema: billing
COMMENT ON TABLE billing.objects IS 'Stripe''s objects as they are now: by its events, or by what it answered when it was asked.';

-- COLUMN objects.kind; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.objects.kind IS 'What Stripe calls it: customer, subscription, invoice, checkout.session, …';

-- COLUMN objects.seen; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.objects.seen IS 'The events of the newest two seconds that have told of it: the state is what the last of them tells. See billing.newest.';

-- COLUMN objects.fetched; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.objects.fetched IS 'What Stripe answered last, null when it has no such object; fetched_second says when, by its clock, and null that it was never asked.';

-- COLUMN objects.fetch_ticket; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.objects.fetch_ticket IS 'Grows with each event and with each question; an answer to a question with a smaller ticket than fetched_ticket is too late.';

-- COLUMN objects.fetch_at; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.objects.fetch_at IS 'When Stripe is to be asked how it is; null when that is known.';

-- subscriptions; Type: TABLE; Schema: public
CREATE TABLE public.subscriptions (
    tenant_id uuid NOT NULL,
    id text NOT NULL,
    customer_id text NOT NULL,
    status text NOT NULL,
    plan_id uuid,
    price_ids text[] DEFAULT '{}'::text[] NOT NULL,
    quantity bigint,
    currency text,
    current_period_start timestamp with time zone,
    current_period_end timestamp with time zone,
    trial_end timestamp with time zone,
    cancel_at timestamp with time zone,
    cancel_at_period_end boolean DEFAULT false NOT NULL,
    canceled_at timestamp with time zone,
    ended_at timestamp with time zone,
    grace_ends_at timestamp with time zone,
    decides boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT subscription_has_a_grace_while_a_payment_is_due CHECK (((status = 'past_due'::text) = (grace_ends_at IS NOT NULL))),
    CONSTRAINT subscription_status_is_known CHECK ((status = ANY (ARRAY['incomplete'::text, 'incomplete_expired'::text, 'trialing'::text, 'active'::text, 'past_due'::text, 'unpaid'::text, 'paused'::text, 'canceled'::text])))
);

-- TABLE subscriptions; Type: COMMENT; Schema: public
COMMENT ON TABLE public.subscriptions IS 'The tenant''s subscriptions in Stripe. Derived: a change is made in Stripe.';

-- COLUMN subscriptions.plan_id; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.subscriptions.plan_id IS 'The plan that its prices belong to; null when they belong to none.';

-- COLUMN subscriptions.grace_ends_at; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.subscriptions.grace_ends_at IS 'A payment is due; when it is not made by then, the tenant is suspended until it is.';

-- COLUMN subscriptions.decides; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.subscriptions.decides IS 'Plan and status of the tenant follow from this one.';

-- billable_spans; Type: VIEW; Schema: billing
CREATE VIEW billing.billable_spans AS
 SELECT s.tenant_id,
    s.id,
    s.customer_id,
    s.decides,
    s.created_at AS since,
    COALESCE(s.ended_at, 'infinity'::timestamp with time zone) AS until,
    o.livemode
   FROM (public.subscriptions s
     JOIN billing.objects o ON (((o.account = ''::text) AND (o.kind = 'subscription'::text) AND (o.id = s.id))))
  WHERE ((s.plan_id IS NOT NULL) AND (billing.standing(s.status) IS NOT NULL));

-- VIEW billable_spans; Type: COMMENT; Schema: billing
COMMENT ON VIEW billing.billable_spans IS 'From when to when a tenant has had a subscription that could decide. What it uses at other times goes nowhere.';

-- customers; Type: TABLE; Schema: billing
CREATE TABLE billing.customers (
    tenant_id uuid NOT NULL,
    id text NOT NULL,
    known_by text DEFAULT 'checkout'::text NOT NULL,
    CONSTRAINT customer_is_known_by_something CHECK ((known_by = ANY (ARRAY['checkout'::text, 'customer'::text, 'subscription'::text, 'session'::text])))
);

-- TABLE customers; Type: COMMENT; Schema: billing
COMMENT ON TABLE billing.customers IS 'Which of Stripe''s customers is which tenant.';

-- COLUMN customers.known_by; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.customers.known_by IS 'checkout: we made it, and nothing that Stripe tells changes it. Otherwise tenant_id in the metadata of the customer or of a subscription, or a checkout session''s client_reference_id.';

-- customers_that_count; Type: VIEW; Schema: billing
CREATE VIEW billing.customers_that_count AS
 SELECT tenant_id,
    id
   FROM billing.customers c
  WHERE ((known_by <> 'session'::text) OR (NOT (EXISTS ( SELECT
           FROM billing.customers better
          WHERE ((better.tenant_id = c.tenant_id) AND (better.known_by <> 'session'::text))))));

-- VIEW customers_that_count; Type: COMMENT; Schema: billing
COMMENT ON VIEW billing.customers_that_count IS 'Customers by tenant. One that only a session''s client_reference_id speaks for counts while no other does: so nobody can put a subscription of theirs beside a tenant''s own.';

-- events; Type: TABLE; Schema: billing
CREATE TABLE billing.events (
    id text NOT NULL,
    type text NOT NULL,
    created timestamp with time zone NOT NULL,
    api_version text,
    account text DEFAULT ''::text NOT NULL,
    livemode boolean NOT NULL,
    payload jsonb NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    state text DEFAULT 'received'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_attempt_at timestamp with time zone DEFAULT now(),
    problem text,
    finished_at timestamp with time zone,
    CONSTRAINT event_is_finished_when_it_says_so CHECK (((state = 'received'::text) = (finished_at IS NULL))),
    CONSTRAINT event_state_is_known CHECK ((state = ANY (ARRAY['received'::text, 'applied'::text, 'ignored'::text, 'dead'::text]))),
    CONSTRAINT event_that_is_dead_says_why CHECK (((state <> 'dead'::text) OR (problem IS NOT NULL))),
    CONSTRAINT event_that_is_received_is_due_some_time CHECK (((state = 'received'::text) = (next_attempt_at IS NOT NULL)))
);

-- TABLE events; Type: COMMENT; Schema: billing
COMMENT ON TABLE billing.events IS 'Stripe''s events by their own ids, as they were told. state: received, applied, ignored (of a kind that nothing here follows from), dead (tried twelve times; problem says why).';

-- COLUMN events.created; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.events.created IS 'When it happened, by Stripe''s clock, in whole seconds.';

-- COLUMN events.account; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.events.account IS 'The connected account that it is of; empty for the platform''s own.';

-- dead_letters; Type: VIEW; Schema: billing
CREATE VIEW billing.dead_letters AS
 SELECT id,
    type,
    created,
    account,
    finished_at AS died_at,
    problem
   FROM billing.events e
  WHERE (state = 'dead'::text);

-- VIEW dead_letters; Type: COMMENT; Schema: billing
COMMENT ON VIEW billing.dead_letters IS 'Events that could not be applied, and why. select billing.replay(id) once that is mended.';

-- limit_warnings; Type: TABLE; Schema: billing
CREATE TABLE billing.limit_warnings (
    tenant_id uuid NOT NULL,
    meter text NOT NULL,
    threshold integer NOT NULL,
    period_start timestamp with time zone NOT NULL,
    warned_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT warning_threshold_is_known CHECK ((threshold = ANY (ARRAY[80, 100])))
);

-- TABLE limit_warnings; Type: COMMENT; Schema: billing
COMMENT ON TABLE billing.limit_warnings IS 'What tenants have been told of their limits: once for each meter, threshold and billing period.';

-- COLUMN limit_warnings.threshold; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.limit_warnings.threshold IS 'Per cent of the limit.';

-- limit_watch; Type: TABLE; Schema: billing
CREATE TABLE billing.limit_watch (
    is_the_only_row boolean DEFAULT true NOT NULL,
    looked_at uuid DEFAULT '00000000-0000-0000-0000-000000000000'::uuid NOT NULL,
    CONSTRAINT limit_watch_is_one_row CHECK (is_the_only_row)
);

-- TABLE limit_watch; Type: COMMENT; Schema: billing
COMMENT ON TABLE billing.limit_watch IS 'Whose limits were looked at last. Whoever looks holds the row.';

-- meter_days; Type: TABLE; Schema: billing
CREATE TABLE billing.meter_days (
    tenant_id uuid NOT NULL,
    meter text NOT NULL,
    customer text NOT NULL,
    day timestamp with time zone NOT NULL,
    livemode boolean NOT NULL,
    ask_at timestamp with time zone,
    asked_at timestamp with time zone,
    asks integer DEFAULT 0 NOT NULL,
    ticket bigint DEFAULT 0 NOT NULL,
    CONSTRAINT meter_day_begins_in_utc CHECK ((date_bin('1 day'::interval, day, '2000-01-01 00:00:00+00'::timestamp with time zone) = day))
);

-- TABLE meter_days; Type: COMMENT; Schema: billing
COMMENT ON TABLE billing.meter_days IS 'Of which days Stripe is to be asked, or was asked, what its meters come to.';

-- COLUMN meter_days.ask_at; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.meter_days.ask_at IS 'An hour after an event was sent, since Stripe adds up later than it answers; again later while its sums are others than ours.';

-- meter_prices; Type: TABLE; Schema: billing
CREATE TABLE billing.meter_prices (
    plan_id uuid NOT NULL,
    meter text NOT NULL,
    unit_amount numeric NOT NULL,
    included bigint DEFAULT 0 NOT NULL,
    CONSTRAINT included_amount_is_not_negative CHECK ((included >= 0)),
    CONSTRAINT meter_price_is_not_negative CHECK ((unit_amount >= (0)::numeric))
);

-- TABLE meter_prices; Type: COMMENT; Schema: billing
COMMENT ON TABLE billing.meter_prices IS 'What a unit costs on a plan beyond what is included in a billing period, for invoice previews. Stripe bills by the prices of its own meters: they must say the same.';

-- COLUMN meter_prices.unit_amount; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.meter_prices.unit_amount IS 'In minor units of the plan''s currency; may be a part of one.';

-- meter_reports; Type: TABLE; Schema: billing
CREATE TABLE billing.meter_reports (
    event text NOT NULL,
    type text NOT NULL,
    livemode boolean NOT NULL,
    told_at timestamp with time zone DEFAULT now() NOT NULL,
    ask_at timestamp with time zone DEFAULT now(),
    ticket bigint DEFAULT 0 NOT NULL,
    data jsonb,
    marked integer DEFAULT 0 NOT NULL
);

-- TABLE meter_reports; Type: COMMENT; Schema: billing
COMMENT ON TABLE billing.meter_reports IS 'What Stripe could not count of what it had taken. It names samples; billing.drift shows the whole.';

-- COLUMN meter_reports.data; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.meter_reports.data IS '{reason: {error_count, error_types: [{code, error_count, sample_errors: [{error_message, request: {identifier}}]}]}, validation_start, validation_end}.';

-- COLUMN meter_reports.marked; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.meter_reports.marked IS 'How many events are refused because of it.';

-- meter_sums; Type: TABLE; Schema: billing
CREATE TABLE billing.meter_sums (
    tenant_id uuid NOT NULL,
    meter text NOT NULL,
    customer text NOT NULL,
    day timestamp with time zone NOT NULL,
    hour timestamp with time zone NOT NULL,
    value numeric NOT NULL
);

-- TABLE meter_sums; Type: COMMENT; Schema: billing
COMMENT ON TABLE billing.meter_sums IS 'What Stripe''s meters came to by hours, when it was asked; hours with nothing are left out.';

-- metered_tenants; Type: TABLE; Schema: billing
CREATE TABLE billing.metered_tenants (
    tenant_id uuid NOT NULL,
    counted_through timestamp with time zone,
    count_at timestamp with time zone DEFAULT now() NOT NULL,
    recount_at timestamp with time zone DEFAULT now() NOT NULL
);

-- TABLE metered_tenants; Type: COMMENT; Schema: billing
COMMENT ON TABLE billing.metered_tenants IS 'Up to which hour the use of tenants with subscriptions was counted. Whoever counts holds the row.';

-- COLUMN metered_tenants.recount_at; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.metered_tenants.recount_at IS 'When all hours are counted anew that Stripe still takes. The last day is counted anew each time.';

-- meters; Type: TABLE; Schema: billing
CREATE TABLE billing.meters (
    key text NOT NULL,
    unit text NOT NULL,
    event_name text,
    since timestamp with time zone,
    line text DEFAULT 'overage'::text NOT NULL,
    unit_amount numeric,
    stripe_meter text,
    CONSTRAINT meter_event_name_is_short CHECK (((length(event_name) >= 1) AND (length(event_name) <= 100))),
    CONSTRAINT meter_key_is_a_short_word CHECK ((key ~ '^[a-z][a-z0-9_]{0,38}$'::text)),
    CONSTRAINT meter_line_is_known CHECK ((line = ANY (ARRAY['overage'::text, 'marketplace'::text]))),
    CONSTRAINT meter_that_is_sent_says_since_when CHECK (((event_name IS NULL) = (since IS NULL))),
    CONSTRAINT meter_unit_amount_is_not_negative CHECK ((unit_amount >= (0)::numeric))
);

-- TABLE meters; Type: COMMENT; Schema: billing
COMMENT ON TABLE billing.meters IS 'What is metered. Where it is counted: billing.metered.';

-- COLUMN meters.event_name; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.meters.event_name IS 'The meter''s event_name in Stripe; null while nothing is sent. Its aggregation must be sum, and of raw events: pre-aggregated, a later event of an hour would take the place of the one before.';

-- COLUMN meters.since; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.meters.since IS 'What was used before goes nowhere.';

-- COLUMN meters.line; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.meters.line IS 'Among which lines of an invoice it stands.';

-- COLUMN meters.unit_amount; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.meters.unit_amount IS 'What a unit costs whatever the plan, in minor units. A price of the plan comes before it: billing.meter_prices.';

-- COLUMN meters.stripe_meter; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.meters.stripe_meter IS 'Its id in Stripe: mtr_…. Workers look it up by the event_name.';

-- plan_prices; Type: TABLE; Schema: billing
CREATE TABLE billing.plan_prices (
    price text NOT NULL,
    plan_id uuid NOT NULL
);

-- TABLE plan_prices; Type: COMMENT; Schema: billing
COMMENT ON TABLE billing.plan_prices IS 'Which plan is bought with a price of Stripe: those that are sold now, and all that were. A price belongs to one plan.';

-- removed_executions; Type: TABLE; Schema: billing
CREATE TABLE billing.removed_executions (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT aias.uuid7() NOT NULL,
    used_at timestamp with time zone NOT NULL,
    amount bigint NOT NULL
);

-- TABLE removed_executions; Type: COMMENT; Schema: billing
COMMENT ON TABLE billing.removed_executions IS 'How many executions of a second are not there any more. They happened, and count.';

-- settings; Type: TABLE; Schema: billing
CREATE TABLE billing.settings (
    is_the_only_row boolean DEFAULT true NOT NULL,
    grace_days integer DEFAULT 7 NOT NULL,
    plan_without_subscription uuid NOT NULL,
    events_kept interval DEFAULT '30 days'::interval NOT NULL,
    CONSTRAINT events_are_kept_longer_than_they_are_delivered CHECK ((events_kept >= '4 days'::interval)),
    CONSTRAINT grace_is_not_negative CHECK (((grace_days >= 0) AND (grace_days <= 365))),
    CONSTRAINT settings_are_one_row CHECK (is_the_only_row)
);

-- TABLE settings; Type: COMMENT; Schema: billing
COMMENT ON TABLE billing.settings IS 'What the operator decides about billing.';

-- COLUMN settings.grace_days; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.settings.grace_days IS 'How long a tenant whose payment failed goes on as before; then it is suspended until it pays.';

-- COLUMN settings.plan_without_subscription; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.settings.plan_without_subscription IS 'Where a tenant is whose subscription has ended.';

-- COLUMN settings.events_kept; Type: COMMENT; Schema: billing
COMMENT ON COLUMN billing.settings.events_kept IS 'How long events are kept after they were applied or ignored. What is dead is kept until somebody has it replayed.';

-- subscriptions; Type: VIEW; Schema: billing
CREATE VIEW billing.subscriptions AS
 SELECT c.tenant_id,
    o.id,
    o.customer AS customer_id,
        CASE
            WHEN (o.is_deleted AND ((o.data ->> 'status'::text) IS DISTINCT FROM 'incomplete_expired'::text)) THEN 'canceled'::text
            ELSE (o.data ->> 'status'::text)
        END AS status,
    ( SELECT p.plan_id
           FROM (billing.plan_prices p
             JOIN public.subscription_plans l ON ((l.id = p.plan_id)))
          WHERE (p.price = ANY (i.price_ids))
          ORDER BY l.price_monthly DESC, l.key
         LIMIT 1) AS plan_id,
    COALESCE(i.price_ids, '{}'::text[]) AS price_ids,
    i.quantity,
    (o.data ->> 'currency'::text) AS currency,
    COALESCE(billing.at(o.data, 'current_period_start'::text), i.period_start) AS current_period_start,
    COALESCE(billing.at(o.data, 'current_period_end'::text), i.period_end) AS current_period_end,
    billing.at(o.data, 'trial_end'::text) AS trial_end,
    billing.at(o.data, 'cancel_at'::text) AS cancel_at,
    COALESCE(((o.data ->> 'cancel_at_period_end'::text))::boolean, false) AS cancel_at_period_end,
    billing.at(o.data, 'canceled_at'::text) AS canceled_at,
    billing.at(o.data, 'ended_at'::text) AS ended_at,
    billing.at(o.data, 'created'::text) AS created_at
   FROM ((billing.customers_that_count c
     JOIN billing.objects o ON (((o.account = ''::text) AND (o.customer = c.id) AND (o.kind = 'subscription'::text))))
     CROSS JOIN LATERAL ( SELECT array_agg((x.item #>> '{price,id}'::text[]) ORDER BY (x.item #>> '{price,id}'::text[])) AS price_ids,
            (sum(((x.item ->> 'quantity'::text))::bigint))::bigint AS quantity,
            max(billing.at(x.item, 'current_period_start'::text)) AS period_start,
            min(billing.at(x.item, 'current_period_end'::text)) AS period_end
           FROM jsonb_array_elements(
                CASE
                    WHEN (jsonb_typeof((o.data #> '{items,data}'::text[])) = 'array'::text) THEN (o.data #> '{items,data}'::text[])
                    ELSE '[]'::jsonb
                END) x(item)) i);

-- VIEW subscriptions; Type: COMMENT; Schema: billing
COMMENT ON VIEW billing.subscriptions IS 'The mirrored subscriptions of tenants, in either shape (https://docs.stripe.com/changelog/basil/2025-03-31/deprecate-subscription-current-period-start-and-end).';

-- execution_steps; Type: TABLE; Schema: public
CREATE TABLE public.execution_steps (
    tenant_id uuid NOT NULL,
    execution_id uuid NOT NULL,
    node_id text NOT NULL,
    item integer DEFAULT '-1'::integer NOT NULL,
    name text,
    kind text NOT NULL,
    status text NOT NULL,
    attempt integer DEFAULT 1 NOT NULL,
    handle text,
    input jsonb,
    output jsonb,
    error jsonb,
    run_at timestamp with time zone,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    model text,
    input_tokens bigint,
    output_tokens bigint,
    cost_usd numeric(18,9),
    revision bigint NOT NULL,
    agent_version integer,
    CONSTRAINT failed_step_says_why CHECK (((status <> 'failed'::text) OR (error IS NOT NULL))),
    CONSTRAINT only_a_waiting_step_has_a_time CHECK (((status = 'waiting'::text) OR (run_at IS NULL))),
    CONSTRAINT step_item_is_a_position CHECK ((item >= '-1'::integer)),
    CONSTRAINT step_status_is_known CHECK ((status = ANY (ARRAY['running'::text, 'waiting'::text, 'succeeded'::text, 'failed'::text, 'skipped'::text, 'cancelled'::text])))
)
PARTITION BY RANGE (execution_id);

-- TABLE execution_steps; Type: COMMENT; Schema: public
COMMENT ON TABLE public.execution_steps IS 'One node''s part in an execution. A final status never changes again.';

-- COLUMN execution_steps.item; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.execution_steps.item IS 'Which item of a for_each, from 0; -1 for the node itself.';

-- COLUMN execution_steps.handle; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.execution_steps.handle IS 'The handle that a condition chose.';

-- COLUMN execution_steps.input; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.execution_steps.input IS 'The node''s config as rendered for this run, secrets masked.';

-- COLUMN execution_steps.error; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.execution_steps.error IS '{code, message, details?}';

-- COLUMN execution_steps.run_at; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.execution_steps.run_at IS 'When a waiting step goes on: the next attempt, the end of a delay, or the end of its patience; null when only what it waits for ends it.';

-- COLUMN execution_steps.agent_version; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.execution_steps.agent_version IS 'The version of the agent that the last attempt asked. No reference: history outlives what it is of.';

-- execution_steps_2026_11; Type: TABLE; Schema: history
CREATE TABLE history.execution_steps_2026_11 (
    tenant_id uuid CONSTRAINT execution_steps_tenant_id_not_null NOT NULL,
    execution_id uuid CONSTRAINT execution_steps_execution_id_not_null NOT NULL,
    node_id text CONSTRAINT execution_steps_node_id_not_null NOT NULL,
    item integer DEFAULT '-1'::integer CONSTRAINT execution_steps_item_not_null NOT NULL,
    name text,
    kind text CONSTRAINT execution_steps_kind_not_null NOT NULL,
    status text CONSTRAINT execution_steps_status_not_null NOT NULL,
    attempt integer DEFAULT 1 CONSTRAINT execution_steps_attempt_not_null NOT NULL,
    handle text,
    input jsonb,
    output jsonb,
    error jsonb,
    run_at timestamp with time zone,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    model text,
    input_tokens bigint,
    output_tokens bigint,
    cost_usd numeric(18,9),
    revision bigint CONSTRAINT execution_steps_revision_not_null NOT NULL,
    agent_version integer,
    CONSTRAINT failed_step_says_why CHECK (((status <> 'failed'::text) OR (error IS NOT NULL))),
    CONSTRAINT only_a_waiting_step_has_a_time CHECK (((status = 'waiting'::text) OR (run_at IS NULL))),
    CONSTRAINT step_item_is_a_position CHECK ((item >= '-1'::integer)),
    CONSTRAINT step_status_is_known CHECK ((status = ANY (ARRAY['running'::text, 'waiting'::text, 'succeeded'::text, 'failed'::text, 'skipped'::text, 'cancelled'::text])))
)
WITH (fillfactor='100');

-- TABLE execution_steps_2026_11; Type: COMMENT; Schema: history
COMMENT ON TABLE history.execution_steps_2026_11 IS 'execution_steps of November 2026';

-- execution_steps_2026_12; Type: TABLE; Schema: history
CREATE TABLE history.execution_steps_2026_12 (
    tenant_id uuid CONSTRAINT execution_steps_tenant_id_not_null NOT NULL,
    execution_id uuid CONSTRAINT execution_steps_execution_id_not_null NOT NULL,
    node_id text CONSTRAINT execution_steps_node_id_not_null NOT NULL,
    item integer DEFAULT '-1'::integer CONSTRAINT execution_steps_item_not_null NOT NULL,
    name text,
    kind text CONSTRAINT execution_steps_kind_not_null NOT NULL,
    status text CONSTRAINT execution_steps_status_not_null NOT NULL,
    attempt integer DEFAULT 1 CONSTRAINT execution_steps_attempt_not_null NOT NULL,
    handle text,
    input jsonb,
    output jsonb,
    error jsonb,
    run_at timestamp with time zone,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    model text,
    input_tokens bigint,
    output_tokens bigint,
    cost_usd numeric(18,9),
    revision bigint CONSTRAINT execution_steps_revision_not_null NOT NULL,
    agent_version integer,
    CONSTRAINT failed_step_says_why CHECK (((status <> 'failed'::text) OR (error IS NOT NULL))),
    CONSTRAINT only_a_waiting_step_has_a_time CHECK (((status = 'waiting'::text) OR (run_at IS NULL))),
    CONSTRAINT step_item_is_a_position CHECK ((item >= '-1'::integer)),
    CONSTRAINT step_status_is_known CHECK ((status = ANY (ARRAY['running'::text, 'waiting'::text, 'succeeded'::text, 'failed'::text, 'skipped'::text, 'cancelled'::text])))
)
WITH (fillfactor='100');

-- TABLE execution_steps_2026_12; Type: COMMENT; Schema: history
COMMENT ON TABLE history.execution_steps_2026_12 IS 'execution_steps of December 2026';

-- execution_steps_2027_01; Type: TABLE; Schema: history
CREATE TABLE history.execution_steps_2027_01 (
    tenant_id uuid CONSTRAINT execution_steps_tenant_id_not_null NOT NULL,
    execution_id uuid CONSTRAINT execution_steps_execution_id_not_null NOT NULL,
    node_id text CONSTRAINT execution_steps_node_id_not_null NOT NULL,
    item integer DEFAULT '-1'::integer CONSTRAINT execution_steps_item_not_null NOT NULL,
    name text,
    kind text CONSTRAINT execution_steps_kind_not_null NOT NULL,
    status text CONSTRAINT execution_steps_status_not_null NOT NULL,
    attempt integer DEFAULT 1 CONSTRAINT execution_steps_attempt_not_null NOT NULL,
    handle text,
    input jsonb,
    output jsonb,
    error jsonb,
    run_at timestamp with time zone,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    model text,
    input_tokens bigint,
    output_tokens bigint,
    cost_usd numeric(18,9),
    revision bigint CONSTRAINT execution_steps_revision_not_null NOT NULL,
    agent_version integer,
    CONSTRAINT failed_step_says_why CHECK (((status <> 'failed'::text) OR (error IS NOT NULL))),
    CONSTRAINT only_a_waiting_step_has_a_time CHECK (((status = 'waiting'::text) OR (run_at IS NULL))),
    CONSTRAINT step_item_is_a_position CHECK ((item >= '-1'::integer)),
    CONSTRAINT step_status_is_known CHECK ((status = ANY (ARRAY['running'::text, 'waiting'::text, 'succeeded'::text, 'failed'::text, 'skipped'::text, 'cancelled'::text])))
)
WITH (fillfactor='100');

-- TABLE execution_steps_2027_01; Type: COMMENT; Schema: history
COMMENT ON TABLE history.execution_steps_2027_01 IS 'execution_steps of January 2027';

-- execution_steps_2027_02; Type: TABLE; Schema: history
CREATE TABLE history.execution_steps_2027_02 (
    tenant_id uuid CONSTRAINT execution_steps_tenant_id_not_null NOT NULL,
    execution_id uuid CONSTRAINT execution_steps_execution_id_not_null NOT NULL,
    node_id text CONSTRAINT execution_steps_node_id_not_null NOT NULL,
    item integer DEFAULT '-1'::integer CONSTRAINT execution_steps_item_not_null NOT NULL,
    name text,
    kind text CONSTRAINT execution_steps_kind_not_null NOT NULL,
    status text CONSTRAINT execution_steps_status_not_null NOT NULL,
    attempt integer DEFAULT 1 CONSTRAINT execution_steps_attempt_not_null NOT NULL,
    handle text,
    input jsonb,
    output jsonb,
    error jsonb,
    run_at timestamp with time zone,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    model text,
    input_tokens bigint,
    output_tokens bigint,
    cost_usd numeric(18,9),
    revision bigint CONSTRAINT execution_steps_revision_not_null NOT NULL,
    agent_version integer,
    CONSTRAINT failed_step_says_why CHECK (((status <> 'failed'::text) OR (error IS NOT NULL))),
    CONSTRAINT only_a_waiting_step_has_a_time CHECK (((status = 'waiting'::text) OR (run_at IS NULL))),
    CONSTRAINT step_item_is_a_position CHECK ((item >= '-1'::integer)),
    CONSTRAINT step_status_is_known CHECK ((status = ANY (ARRAY['running'::text, 'waiting'::text, 'succeeded'::text, 'failed'::text, 'skipped'::text, 'cancelled'::text])))
)
WITH (fillfactor='100');

-- TABLE execution_steps_2027_02; Type: COMMENT; Schema: history
COMMENT ON TABLE history.execution_steps_2027_02 IS 'execution_steps of February 2027';

-- execution_steps_other; Type: TABLE; Schema: history
CREATE TABLE history.execution_steps_other (
    tenant_id uuid CONSTRAINT execution_steps_tenant_id_not_null NOT NULL,
    execution_id uuid CONSTRAINT execution_steps_execution_id_not_null NOT NULL,
    node_id text CONSTRAINT execution_steps_node_id_not_null NOT NULL,
    item integer DEFAULT '-1'::integer CONSTRAINT execution_steps_item_not_null NOT NULL,
    name text,
    kind text CONSTRAINT execution_steps_kind_not_null NOT NULL,
    status text CONSTRAINT execution_steps_status_not_null NOT NULL,
    attempt integer DEFAULT 1 CONSTRAINT execution_steps_attempt_not_null NOT NULL,
    handle text,
    input jsonb,
    output jsonb,
    error jsonb,
    run_at timestamp with time zone,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    model text,
    input_tokens bigint,
    output_tokens bigint,
    cost_usd numeric(18,9),
    revision bigint CONSTRAINT execution_steps_revision_not_null NOT NULL,
    agent_version integer,
    CONSTRAINT failed_step_says_why CHECK (((status <> 'failed'::text) OR (error IS NOT NULL))),
    CONSTRAINT only_a_waiting_step_has_a_time CHECK (((status = 'waiting'::text) OR (run_at IS NULL))),
    CONSTRAINT step_item_is_a_position CHECK ((item >= '-1'::integer)),
    CONSTRAINT step_status_is_known CHECK ((status = ANY (ARRAY['running'::text, 'waiting'::text, 'succeeded'::text, 'failed'::text, 'skipped'::text, 'cancelled'::text])))
);

-- TABLE execution_steps_other; Type: COMMENT; Schema: history
COMMENT ON TABLE history.execution_steps_other IS 'Steps of executions of no month that has a partition.';

-- executions_2026_11; Type: TABLE; Schema: history
CREATE TABLE history.executions_2026_11 (
    tenant_id uuid CONSTRAINT executions_tenant_id_not_null NOT NULL,
    id uuid DEFAULT aias.uuid7() CONSTRAINT executions_id_not_null NOT NULL,
    workflow_id uuid CONSTRAINT executions_workflow_id_not_null NOT NULL,
    workflow_version integer CONSTRAINT executions_workflow_version_not_null NOT NULL,
    status text DEFAULT 'queued'::text CONSTRAINT executions_status_not_null NOT NULL,
    priority smallint DEFAULT 0 CONSTRAINT executions_priority_not_null NOT NULL,
    input jsonb DEFAULT '{}'::jsonb CONSTRAINT executions_input_not_null NOT NULL,
    output jsonb,
    error jsonb,
    idempotency_key text,
    origin text DEFAULT 'manual'::text CONSTRAINT executions_origin_not_null NOT NULL,
    started_by uuid,
    parent_id uuid,
    parent_node text,
    parent_item integer,
    depth smallint DEFAULT 0 CONSTRAINT executions_depth_not_null NOT NULL,
    retried_from uuid,
    revision bigint DEFAULT 0 CONSTRAINT executions_revision_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT executions_created_at_not_null NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    pause_requested_at timestamp with time zone,
    CONSTRAINT called_execution_names_its_step CHECK (((parent_id IS NULL) = (parent_node IS NULL))),
    CONSTRAINT execution_idempotency_key_is_short CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 255))),
    CONSTRAINT execution_is_finished_when_it_says_so CHECK (((status = ANY (ARRAY['succeeded'::text, 'failed'::text, 'cancelled'::text])) = (finished_at IS NOT NULL))),
    CONSTRAINT execution_origin_is_known CHECK ((origin = ANY (ARRAY['manual'::text, 'webhook'::text, 'schedule'::text, 'event'::text, 'call'::text, 'retry'::text]))),
    CONSTRAINT execution_priority_is_small CHECK (((priority >= '-100'::integer) AND (priority <= 100))),
    CONSTRAINT execution_status_is_known CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'waiting'::text, 'paused'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text]))),
    CONSTRAINT failed_execution_says_why CHECK (((status <> 'failed'::text) OR (error IS NOT NULL)))
)
WITH (fillfactor='50');

-- TABLE executions_2026_11; Type: COMMENT; Schema: history
COMMENT ON TABLE history.executions_2026_11 IS 'executions of November 2026';

-- executions_2026_12; Type: TABLE; Schema: history
CREATE TABLE history.executions_2026_12 (
    tenant_id uuid CONSTRAINT executions_tenant_id_not_null NOT NULL,
    id uuid DEFAULT aias.uuid7() CONSTRAINT executions_id_not_null NOT NULL,
    workflow_id uuid CONSTRAINT executions_workflow_id_not_null NOT NULL,
    workflow_version integer CONSTRAINT executions_workflow_version_not_null NOT NULL,
    status text DEFAULT 'queued'::text CONSTRAINT executions_status_not_null NOT NULL,
    priority smallint DEFAULT 0 CONSTRAINT executions_priority_not_null NOT NULL,
    input jsonb DEFAULT '{}'::jsonb CONSTRAINT executions_input_not_null NOT NULL,
    output jsonb,
    error jsonb,
    idempotency_key text,
    origin text DEFAULT 'manual'::text CONSTRAINT executions_origin_not_null NOT NULL,
    started_by uuid,
    parent_id uuid,
    parent_node text,
    parent_item integer,
    depth smallint DEFAULT 0 CONSTRAINT executions_depth_not_null NOT NULL,
    retried_from uuid,
    revision bigint DEFAULT 0 CONSTRAINT executions_revision_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT executions_created_at_not_null NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    pause_requested_at timestamp with time zone,
    CONSTRAINT called_execution_names_its_step CHECK (((parent_id IS NULL) = (parent_node IS NULL))),
    CONSTRAINT execution_idempotency_key_is_short CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 255))),
    CONSTRAINT execution_is_finished_when_it_says_so CHECK (((status = ANY (ARRAY['succeeded'::text, 'failed'::text, 'cancelled'::text])) = (finished_at IS NOT NULL))),
    CONSTRAINT execution_origin_is_known CHECK ((origin = ANY (ARRAY['manual'::text, 'webhook'::text, 'schedule'::text, 'event'::text, 'call'::text, 'retry'::text]))),
    CONSTRAINT execution_priority_is_small CHECK (((priority >= '-100'::integer) AND (priority <= 100))),
    CONSTRAINT execution_status_is_known CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'waiting'::text, 'paused'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text]))),
    CONSTRAINT failed_execution_says_why CHECK (((status <> 'failed'::text) OR (error IS NOT NULL)))
)
WITH (fillfactor='50');

-- TABLE executions_2026_12; Type: COMMENT; Schema: history
COMMENT ON TABLE history.executions_2026_12 IS 'executions of December 2026';

-- executions_2027_01; Type: TABLE; Schema: history
CREATE TABLE history.executions_2027_01 (
    tenant_id uuid CONSTRAINT executions_tenant_id_not_null NOT NULL,
    id uuid DEFAULT aias.uuid7() CONSTRAINT executions_id_not_null NOT NULL,
    workflow_id uuid CONSTRAINT executions_workflow_id_not_null NOT NULL,
    workflow_version integer CONSTRAINT executions_workflow_version_not_null NOT NULL,
    status text DEFAULT 'queued'::text CONSTRAINT executions_status_not_null NOT NULL,
    priority smallint DEFAULT 0 CONSTRAINT executions_priority_not_null NOT NULL,
    input jsonb DEFAULT '{}'::jsonb CONSTRAINT executions_input_not_null NOT NULL,
    output jsonb,
    error jsonb,
    idempotency_key text,
    origin text DEFAULT 'manual'::text CONSTRAINT executions_origin_not_null NOT NULL,
    started_by uuid,
    parent_id uuid,
    parent_node text,
    parent_item integer,
    depth smallint DEFAULT 0 CONSTRAINT executions_depth_not_null NOT NULL,
    retried_from uuid,
    revision bigint DEFAULT 0 CONSTRAINT executions_revision_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT executions_created_at_not_null NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    pause_requested_at timestamp with time zone,
    CONSTRAINT called_execution_names_its_step CHECK (((parent_id IS NULL) = (parent_node IS NULL))),
    CONSTRAINT execution_idempotency_key_is_short CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 255))),
    CONSTRAINT execution_is_finished_when_it_says_so CHECK (((status = ANY (ARRAY['succeeded'::text, 'failed'::text, 'cancelled'::text])) = (finished_at IS NOT NULL))),
    CONSTRAINT execution_origin_is_known CHECK ((origin = ANY (ARRAY['manual'::text, 'webhook'::text, 'schedule'::text, 'event'::text, 'call'::text, 'retry'::text]))),
    CONSTRAINT execution_priority_is_small CHECK (((priority >= '-100'::integer) AND (priority <= 100))),
    CONSTRAINT execution_status_is_known CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'waiting'::text, 'paused'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text]))),
    CONSTRAINT failed_execution_says_why CHECK (((status <> 'failed'::text) OR (error IS NOT NULL)))
)
WITH (fillfactor='50');

-- TABLE executions_2027_01; Type: COMMENT; Schema: history
COMMENT ON TABLE history.executions_2027_01 IS 'executions of January 2027';

-- executions_2027_02; Type: TABLE; Schema: history
CREATE TABLE history.executions_2027_02 (
    tenant_id uuid CONSTRAINT executions_tenant_id_not_null NOT NULL,
    id uuid DEFAULT aias.uuid7() CONSTRAINT executions_id_not_null NOT NULL,
    workflow_id uuid CONSTRAINT executions_workflow_id_not_null NOT NULL,
    workflow_version integer CONSTRAINT executions_workflow_version_not_null NOT NULL,
    status text DEFAULT 'queued'::text CONSTRAINT executions_status_not_null NOT NULL,
    priority smallint DEFAULT 0 CONSTRAINT executions_priority_not_null NOT NULL,
    input jsonb DEFAULT '{}'::jsonb CONSTRAINT executions_input_not_null NOT NULL,
    output jsonb,
    error jsonb,
    idempotency_key text,
    origin text DEFAULT 'manual'::text CONSTRAINT executions_origin_not_null NOT NULL,
    started_by uuid,
    parent_id uuid,
    parent_node text,
    parent_item integer,
    depth smallint DEFAULT 0 CONSTRAINT executions_depth_not_null NOT NULL,
    retried_from uuid,
    revision bigint DEFAULT 0 CONSTRAINT executions_revision_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT executions_created_at_not_null NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    pause_requested_at timestamp with time zone,
    CONSTRAINT called_execution_names_its_step CHECK (((parent_id IS NULL) = (parent_node IS NULL))),
    CONSTRAINT execution_idempotency_key_is_short CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 255))),
    CONSTRAINT execution_is_finished_when_it_says_so CHECK (((status = ANY (ARRAY['succeeded'::text, 'failed'::text, 'cancelled'::text])) = (finished_at IS NOT NULL))),
    CONSTRAINT execution_origin_is_known CHECK ((origin = ANY (ARRAY['manual'::text, 'webhook'::text, 'schedule'::text, 'event'::text, 'call'::text, 'retry'::text]))),
    CONSTRAINT execution_priority_is_small CHECK (((priority >= '-100'::integer) AND (priority <= 100))),
    CONSTRAINT execution_status_is_known CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'waiting'::text, 'paused'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text]))),
    CONSTRAINT failed_execution_says_why CHECK (((status <> 'failed'::text) OR (error IS NOT NULL)))
)
WITH (fillfactor='50');

-- TABLE executions_2027_02; Type: COMMENT; Schema: history
COMMENT ON TABLE history.executions_2027_02 IS 'executions of February 2027';

-- executions_other; Type: TABLE; Schema: history
CREATE TABLE history.executions_other (
    tenant_id uuid CONSTRAINT executions_tenant_id_not_null NOT NULL,
    id uuid DEFAULT aias.uuid7() CONSTRAINT executions_id_not_null NOT NULL,
    workflow_id uuid CONSTRAINT executions_workflow_id_not_null NOT NULL,
    workflow_version integer CONSTRAINT executions_workflow_version_not_null NOT NULL,
    status text DEFAULT 'queued'::text CONSTRAINT executions_status_not_null NOT NULL,
    priority smallint DEFAULT 0 CONSTRAINT executions_priority_not_null NOT NULL,
    input jsonb DEFAULT '{}'::jsonb CONSTRAINT executions_input_not_null NOT NULL,
    output jsonb,
    error jsonb,
    idempotency_key text,
    origin text DEFAULT 'manual'::text CONSTRAINT executions_origin_not_null NOT NULL,
    started_by uuid,
    parent_id uuid,
    parent_node text,
    parent_item integer,
    depth smallint DEFAULT 0 CONSTRAINT executions_depth_not_null NOT NULL,
    retried_from uuid,
    revision bigint DEFAULT 0 CONSTRAINT executions_revision_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT executions_created_at_not_null NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    pause_requested_at timestamp with time zone,
    CONSTRAINT called_execution_names_its_step CHECK (((parent_id IS NULL) = (parent_node IS NULL))),
    CONSTRAINT execution_idempotency_key_is_short CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 255))),
    CONSTRAINT execution_is_finished_when_it_says_so CHECK (((status = ANY (ARRAY['succeeded'::text, 'failed'::text, 'cancelled'::text])) = (finished_at IS NOT NULL))),
    CONSTRAINT execution_origin_is_known CHECK ((origin = ANY (ARRAY['manual'::text, 'webhook'::text, 'schedule'::text, 'event'::text, 'call'::text, 'retry'::text]))),
    CONSTRAINT execution_priority_is_small CHECK (((priority >= '-100'::integer) AND (priority <= 100))),
    CONSTRAINT execution_status_is_known CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'waiting'::text, 'paused'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text]))),
    CONSTRAINT failed_execution_says_why CHECK (((status <> 'failed'::text) OR (error IS NOT NULL)))
);

-- TABLE executions_other; Type: COMMENT; Schema: history
COMMENT ON TABLE history.executions_other IS 'Executions of no month that has a partition.';

-- access; Type: TABLE; Schema: private
CREATE TABLE private.access (
    tenant_id uuid NOT NULL,
    principal uuid NOT NULL,
    granted bigint NOT NULL,
    granted_with_second_factor bigint NOT NULL,
    ends_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL
);

-- TABLE access; Type: COMMENT; Schema: private
COMMENT ON TABLE private.access IS 'What a user or an API key may do in a tenant now. Derived, and renewed by triggers on what it is derived from; private.access_audit() compares.';

-- access_epochs; Type: TABLE; Schema: private
CREATE TABLE private.access_epochs (
    tenant_id uuid NOT NULL,
    epoch bigint NOT NULL
);

-- TABLE access_epochs; Type: COMMENT; Schema: private
COMMENT ON TABLE private.access_epochs IS 'One row a tenant, changed by whatever renews its access: two transactions that change a tenant''s members, roles, keys or status pass one by one.';

-- agent_functions; Type: TABLE; Schema: private
CREATE TABLE private.agent_functions (
    name text NOT NULL,
    signature text NOT NULL,
    description text NOT NULL,
    arguments jsonb NOT NULL,
    is_read_only boolean NOT NULL,
    CONSTRAINT agent_function_arguments_are_a_schema CHECK (((jsonb_typeof(arguments) = 'object'::text) AND ((arguments ->> 'type'::text) = 'object'::text))),
    CONSTRAINT agent_function_name_is_a_word CHECK ((name ~ '^[a-zA-Z0-9_-]{1,64}$'::text)),
    CONSTRAINT agent_function_says_what_it_does CHECK (((length(btrim(description)) >= 1) AND (length(btrim(description)) <= 4000)))
);

-- TABLE agent_functions; Type: COMMENT; Schema: private
COMMENT ON TABLE private.agent_functions IS 'What agents may call, by the operator''s leave: see private.allow_agent_function.';

-- COLUMN agent_functions.name; Type: COMMENT; Schema: private
COMMENT ON COLUMN private.agent_functions.name IS 'What the config of a tool, {type: rpc, function}, calls it.';

-- COLUMN agent_functions.arguments; Type: COMMENT; Schema: private
COMMENT ON COLUMN private.agent_functions.arguments IS 'A JSON schema for the model: an object whose properties are parameters of the function.';

-- api_key_hashes; Type: TABLE; Schema: private
CREATE TABLE private.api_key_hashes (
    tenant_id uuid NOT NULL,
    key_id uuid NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT api_key_hash_is_sha256 CHECK ((length(hash) = 32))
);

-- TABLE api_key_hashes; Type: COMMENT; Schema: private
COMMENT ON TABLE private.api_key_hashes IS 'SHA-256 of each key. A key has 244 random bits, so a fast hash is as good as a slow one: there is nothing to guess.';

-- built_in_roles; Type: TABLE; Schema: private
CREATE TABLE private.built_in_roles (
    key text NOT NULL,
    name text NOT NULL,
    permissions text[] NOT NULL
);

-- TABLE built_in_roles; Type: COMMENT; Schema: private
COMMENT ON TABLE private.built_in_roles IS 'The roles that every new tenant starts with.';

-- cached_answers; Type: TABLE; Schema: private
CREATE TABLE private.cached_answers (
    tenant_id uuid NOT NULL,
    hash bytea NOT NULL,
    agent_id uuid,
    answer jsonb NOT NULL,
    kept_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT cached_answer_is_not_huge CHECK ((octet_length((answer)::text) <= 65536)),
    CONSTRAINT hash_is_sha256 CHECK ((octet_length(hash) = 32))
);

-- TABLE cached_answers; Type: COMMENT; Schema: private
COMMENT ON TABLE private.cached_answers IS 'What models have answered, by a hash of what they were asked: at most 5,000 answers of a tenant, the latest, of at most 64 KiB each.';

-- document_chunks; Type: TABLE; Schema: private
CREATE TABLE private.document_chunks (
    tenant_id uuid NOT NULL,
    document_id uuid NOT NULL,
    "position" integer NOT NULL,
    agent_id uuid NOT NULL,
    content text NOT NULL,
    words tsvector GENERATED ALWAYS AS ((to_tsvector('simple'::regconfig, content) || to_tsvector('english'::regconfig, content))) STORED NOT NULL,
    digest bytea NOT NULL
);

-- TABLE document_chunks; Type: COMMENT; Schema: private
COMMENT ON TABLE private.document_chunks IS 'The pieces of agents'' documents, to be searched. Kept by a trigger on them.';

-- COLUMN document_chunks.digest; Type: COMMENT; Schema: private
COMMENT ON COLUMN private.document_chunks.digest IS 'SHA-256 of the content in UTF-8: which vector is this piece''s.';

-- document_vectors; Type: TABLE; Schema: private
CREATE TABLE private.document_vectors (
    tenant_id uuid NOT NULL,
    document_id uuid NOT NULL,
    digest bytea NOT NULL,
    agent_id uuid NOT NULL,
    model text NOT NULL,
    refusal text,
    embedding extensions.vector,
    CONSTRAINT vector_or_refusal CHECK (((embedding IS NULL) = (refusal IS NOT NULL))),
    CONSTRAINT who_refuses_says_why CHECK ((refusal <> ''::text))
);
ALTER TABLE ONLY private.document_vectors ALTER COLUMN embedding SET STORAGE MAIN;

-- TABLE document_vectors; Type: COMMENT; Schema: private
COMMENT ON TABLE private.document_vectors IS 'The vectors of the pieces of agents'' documents, by their text: what is edited keeps those of the pieces that stayed as they were.';

-- COLUMN document_vectors.refusal; Type: COMMENT; Schema: private
COMMENT ON COLUMN private.document_vectors.refusal IS 'Why this text has no vector and will get none: the model has refused it alone.';

-- embedding_models; Type: TABLE; Schema: private
CREATE TABLE private.embedding_models (
    model text NOT NULL,
    dimensions integer NOT NULL,
    CONSTRAINT dimensions_fit_a_vector CHECK (((dimensions >= 1) AND (dimensions <= 16000))),
    CONSTRAINT embedding_model_names_its_provider CHECK ((model ~ '^[a-z0-9_-]+/.+$'::text))
);

-- TABLE embedding_models; Type: COMMENT; Schema: private
COMMENT ON TABLE private.embedding_models IS 'The models that may embed documents. The operator adds others, also of a server of their own: openai-compatible/model.';

-- COLUMN embedding_models.model; Type: COMMENT; Schema: private
COMMENT ON COLUMN private.embedding_models.model IS 'provider/model';

-- COLUMN embedding_models.dimensions; Type: COMMENT; Schema: private
COMMENT ON COLUMN private.embedding_models.dimensions IS 'How long its vectors are where nobody asks for others. Fixed: vectors of two lengths cannot be compared.';

-- event_sources; Type: TABLE; Schema: private
CREATE TABLE private.event_sources (
    source text NOT NULL,
    hidden_columns text[] DEFAULT '{}'::text[] NOT NULL,
    permission text
);

-- TABLE event_sources; Type: COMMENT; Schema: private
COMMENT ON TABLE private.event_sources IS 'Tables whose changes may start workflows, as schema.table. Written by private.enable_event_trigger.';

-- COLUMN event_sources.permission; Type: COMMENT; Schema: private
COMMENT ON COLUMN private.event_sources.permission IS 'What a member must hold to publish a workflow that is told of this table''s rows.';

-- event_subscriptions; Type: TABLE; Schema: private
CREATE TABLE private.event_subscriptions (
    tenant_id uuid NOT NULL,
    workflow_id uuid NOT NULL,
    version integer NOT NULL,
    source text NOT NULL,
    operation text NOT NULL,
    CONSTRAINT subscription_operation_is_known CHECK ((operation = ANY (ARRAY['insert'::text, 'update'::text, 'delete'::text])))
);

-- TABLE event_subscriptions; Type: COMMENT; Schema: private
COMMENT ON TABLE private.event_subscriptions IS 'Active workflows that begin with the change of a row.';

-- execution_keys; Type: TABLE; Schema: private
CREATE TABLE private.execution_keys (
    tenant_id uuid NOT NULL,
    workflow_id uuid NOT NULL,
    key text NOT NULL,
    execution_id uuid NOT NULL
);

-- TABLE execution_keys; Type: COMMENT; Schema: private
COMMENT ON TABLE private.execution_keys IS 'Idempotency keys of executions. They go with their execution.';

-- export_chunks; Type: TABLE; Schema: private
CREATE TABLE private.export_chunks (
    tenant_id uuid NOT NULL,
    export_id uuid NOT NULL,
    number integer NOT NULL,
    content text NOT NULL
);

-- TABLE export_chunks; Type: COMMENT; Schema: private
COMMENT ON TABLE private.export_chunks IS 'The files: whole lines, about a megabyte a chunk.';

-- invitation_tokens; Type: TABLE; Schema: private
CREATE TABLE private.invitation_tokens (
    tenant_id uuid NOT NULL,
    hash bytea NOT NULL,
    invitation_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT invitation_token_hash_is_sha256 CHECK ((length(hash) = 32))
);

-- TABLE invitation_tokens; Type: COMMENT; Schema: private
COMMENT ON TABLE private.invitation_tokens IS 'SHA-256 of the tokens that were mailed, one a sending. They go when the invitation is over. The tokens themselves are kept nowhere.';

-- llm_prices; Type: TABLE; Schema: private
CREATE TABLE private.llm_prices (
    provider text NOT NULL,
    model text NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    input_usd_per_million numeric NOT NULL,
    cached_input_usd_per_million numeric NOT NULL,
    output_usd_per_million numeric NOT NULL,
    cache_write_usd_per_million numeric,
    reasoning_usd_per_million numeric,
    CONSTRAINT llm_prices_are_not_negative CHECK ((LEAST(input_usd_per_million, cached_input_usd_per_million, output_usd_per_million) >= (0)::numeric)),
    CONSTRAINT llm_prices_of_parts_are_not_negative CHECK ((LEAST(cache_write_usd_per_million, reasoning_usd_per_million) >= (0)::numeric))
);

-- TABLE llm_prices; Type: COMMENT; Schema: private
COMMENT ON TABLE private.llm_prices IS 'USD per million tokens, from a date on. A model without a row has an unknown cost, not a cost of zero.';

-- COLUMN llm_prices.cache_write_usd_per_million; Type: COMMENT; Schema: private
COMMENT ON COLUMN private.llm_prices.cache_write_usd_per_million IS 'Input that the provider keeps for the next time. Null: as other input.';

-- COLUMN llm_prices.reasoning_usd_per_million; Type: COMMENT; Schema: private
COMMENT ON COLUMN private.llm_prices.reasoning_usd_per_million IS 'Output that is thought and not said. Null: as other output.';

-- meters; Type: TABLE; Schema: private
CREATE TABLE private.meters (
    key text NOT NULL,
    kind text NOT NULL,
    CONSTRAINT meter_kind_is_known CHECK ((kind = ANY (ARRAY['stock'::text, 'flow'::text])))
);

-- TABLE meters; Type: COMMENT; Schema: private
COMMENT ON TABLE private.meters IS 'What is counted: a stock exists at a time, a flow happens during a billing period.';

-- reserved_subdomains; Type: TABLE; Schema: private
CREATE TABLE private.reserved_subdomains (
    subdomain text NOT NULL
);

-- TABLE reserved_subdomains; Type: COMMENT; Schema: private
COMMENT ON TABLE private.reserved_subdomains IS 'Names under the base domain that are the operator''s: who had one of them would be taken for the operator. The operator adds and removes.';

-- secret_values; Type: TABLE; Schema: private
CREATE TABLE private.secret_values (
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    key_generation integer NOT NULL,
    nonce bytea NOT NULL,
    ciphertext bytea NOT NULL,
    kind text DEFAULT 'secret'::text NOT NULL,
    secret text GENERATED ALWAYS AS (
CASE
    WHEN (kind = 'secret'::text) THEN name
    ELSE NULL::text
END) STORED,
    provider text GENERATED ALWAYS AS (
CASE
    WHEN (kind = 'provider_key'::text) THEN name
    ELSE NULL::text
END) STORED,
    CONSTRAINT ciphertext_has_a_tag CHECK (((octet_length(ciphertext) >= 17) AND (octet_length(ciphertext) <= 65536))),
    CONSTRAINT nonce_has_96_bits CHECK ((octet_length(nonce) = 12)),
    CONSTRAINT value_is_of_a_known_kind CHECK ((kind = ANY (ARRAY['secret'::text, 'provider_key'::text])))
);

-- TABLE secret_values; Type: COMMENT; Schema: private
COMMENT ON TABLE private.secret_values IS 'Values, AES-256-GCM under the tenant''s data key, bound to tenant, kind and name: a row that is copied elsewhere does not open.';

-- agent_documents; Type: TABLE; Schema: public
CREATE TABLE public.agent_documents (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT aias.uuid7() NOT NULL,
    agent_id uuid NOT NULL,
    title text NOT NULL,
    content text NOT NULL,
    created_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT document_is_not_huge CHECK ((octet_length(content) <= 1048576)),
    CONSTRAINT document_says_something CHECK ((content ~ '\S'::text)),
    CONSTRAINT document_title_is_not_empty CHECK (((length(btrim(title)) >= 1) AND (length(btrim(title)) <= 300)))
);

-- TABLE agent_documents; Type: COMMENT; Schema: public
COMMENT ON TABLE public.agent_documents IS 'A text that an agent may look up: its tool search_documents finds pieces of it.';

-- COLUMN agent_documents.content; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.agent_documents.content IS 'Plain text or Markdown, at most 1 MiB.';

-- agent_versions; Type: TABLE; Schema: public
CREATE TABLE public.agent_versions (
    tenant_id uuid NOT NULL,
    agent_id uuid NOT NULL,
    version integer NOT NULL,
    model text NOT NULL,
    config jsonb NOT NULL,
    created_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT agent_version_is_positive CHECK ((version > 0))
);

-- TABLE agent_versions; Type: COMMENT; Schema: public
COMMENT ON TABLE public.agent_versions IS 'What an agent said and did from one change to the next, never changed afterwards. Rpc restore_agent_version puts one in force again.';

-- COLUMN agent_versions.created_by; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.agent_versions.created_by IS 'Who made the change; null when it was the system, an API key, or somebody who is no more.';

-- captured_calls; Type: TABLE; Schema: public
CREATE TABLE public.captured_calls (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT aias.uuid7() NOT NULL,
    user_id uuid,
    api_key_id uuid,
    agent_id uuid,
    model text NOT NULL,
    asked jsonb NOT NULL,
    answered jsonb,
    is_whole boolean NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT captured_call_is_not_huge CHECK (((octet_length((asked)::text) + COALESCE(octet_length((answered)::text), 0)) <= 262144))
);

-- TABLE captured_calls; Type: COMMENT; Schema: public
COMMENT ON TABLE public.captured_calls IS 'What models were asked through the API and what they answered, where the tenant has content_kept_days. Addresses, numbers and keys that can be recognised are masked before they are written.';

-- COLUMN captured_calls.id; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.captured_calls.id IS 'The call''s: the idempotency_key of its row of usage is call:<id>.';

-- COLUMN captured_calls.user_id; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.captured_calls.user_id IS 'Who called. No reference: as with usage, what was asked outlives who asked it.';

-- COLUMN captured_calls.asked; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.captured_calls.asked IS 'With an agent''s settings in it: {system, messages, tools}. Pictures are left out.';

-- COLUMN captured_calls.answered; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.captured_calls.answered IS '{text, tool_calls}, as far as it came; null when nothing came.';

-- COLUMN captured_calls.is_whole; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.captured_calls.is_whole IS 'The answer came to its end, and nothing was cut off because it was too long to be kept.';

-- invoices; Type: TABLE; Schema: public
CREATE TABLE public.invoices (
    tenant_id uuid NOT NULL,
    id text NOT NULL,
    customer_id text NOT NULL,
    subscription_id text,
    number text,
    status text NOT NULL,
    currency text NOT NULL,
    subtotal bigint NOT NULL,
    total bigint NOT NULL,
    amount_due bigint NOT NULL,
    amount_paid bigint NOT NULL,
    amount_remaining bigint NOT NULL,
    amount_refunded bigint NOT NULL,
    period_start timestamp with time zone,
    period_end timestamp with time zone,
    due_at timestamp with time zone,
    finalized_at timestamp with time zone,
    paid_at timestamp with time zone,
    next_payment_attempt_at timestamp with time zone,
    hosted_invoice_url text,
    invoice_pdf text,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT invoice_status_is_known CHECK ((status = ANY (ARRAY['draft'::text, 'open'::text, 'paid'::text, 'uncollectible'::text, 'void'::text])))
);

-- TABLE invoices; Type: COMMENT; Schema: public
COMMENT ON TABLE public.invoices IS 'The tenant''s invoices in Stripe, in minor units of their currency. Derived: a change is made in Stripe.';

-- COLUMN invoices.hosted_invoice_url; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.invoices.hosted_invoice_url IS 'Where it can be paid. Whoever has the address can see the invoice.';

-- usage; Type: TABLE; Schema: public
CREATE TABLE public.usage (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT aias.uuid7() NOT NULL,
    idempotency_key text NOT NULL,
    execution_id uuid,
    node_id text,
    agent_id uuid,
    provider text NOT NULL,
    model text NOT NULL,
    input_tokens bigint DEFAULT 0 NOT NULL,
    cached_input_tokens bigint DEFAULT 0 NOT NULL,
    output_tokens bigint DEFAULT 0 NOT NULL,
    reasoning_tokens bigint DEFAULT 0 NOT NULL,
    cost_usd numeric(18,9),
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    own_key boolean DEFAULT false NOT NULL,
    user_id uuid,
    api_key_id uuid,
    is_estimated boolean DEFAULT false NOT NULL,
    cache_write_input_tokens bigint DEFAULT 0 NOT NULL,
    agent_version integer,
    CONSTRAINT usage_is_not_negative CHECK ((LEAST(input_tokens, cached_input_tokens, output_tokens, reasoning_tokens) >= 0)),
    CONSTRAINT usage_of_the_cache_is_not_negative CHECK ((cache_write_input_tokens >= 0))
);

-- TABLE usage; Type: COMMENT; Schema: public
COMMENT ON TABLE public.usage IS 'One row per LLM call, under a key that a replay repeats: nothing is billed twice.';

-- COLUMN usage.cost_usd; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.usage.cost_usd IS 'List price; null when the model has no price.';

-- COLUMN usage.own_key; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.usage.own_key IS 'Whether the call was made with the tenant''s own key, so that the provider bills the tenant; cost_usd is the list price all the same.';

-- COLUMN usage.user_id; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.usage.user_id IS 'Who called, through edge-api. No reference: what was used outlives who used it.';

-- COLUMN usage.api_key_id; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.usage.api_key_id IS 'The API key that called, through edge-api.';

-- COLUMN usage.is_estimated; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.usage.is_estimated IS 'The provider did not come to say what was used, because the call was broken off or it never says: counted from the text.';

-- COLUMN usage.cache_write_input_tokens; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.usage.cache_write_input_tokens IS 'Of the input tokens: those that the provider has written to its cache.';

-- COLUMN usage.agent_version; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.usage.agent_version IS 'The version of the agent that a step or a call through the API asked; null where none was asked.';

-- users; Type: TABLE; Schema: public
CREATE TABLE public.users (
    id uuid NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

-- TABLE users; Type: COMMENT; Schema: public
COMMENT ON TABLE public.users IS 'Profile of a person who can sign in. Made and kept by triggers on auth.users.';

-- workflow_versions; Type: TABLE; Schema: public
CREATE TABLE public.workflow_versions (
    tenant_id uuid NOT NULL,
    workflow_id uuid NOT NULL,
    version integer NOT NULL,
    nodes jsonb NOT NULL,
    connections jsonb NOT NULL,
    plan jsonb NOT NULL,
    created_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT version_is_positive CHECK ((version > 0))
);

-- TABLE workflow_versions; Type: COMMENT; Schema: public
COMMENT ON TABLE public.workflow_versions IS 'What was published, never changed afterwards. Executions run one of these.';

-- COLUMN workflow_versions.plan; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.workflow_versions.plan IS 'The graph as a worker runs it, made by aias.workflow_plan.';

-- tenant_data; Type: VIEW; Schema: private
CREATE VIEW private.tenant_data AS
 SELECT t.id AS tenant_id,
    'tenants'::text AS source,
    to_jsonb(t.*) AS line
   FROM public.tenants t
UNION ALL
 SELECT m.tenant_id,
    'users'::text AS source,
    to_jsonb(u.*) AS line
   FROM (public.users u
     JOIN public.memberships m ON ((m.user_id = u.id)))
UNION ALL
 SELECT x.tenant_id,
    'roles'::text AS source,
    to_jsonb(x.*) AS line
   FROM public.roles x
UNION ALL
 SELECT x.tenant_id,
    'memberships'::text AS source,
    to_jsonb(x.*) AS line
   FROM public.memberships x
UNION ALL
 SELECT x.tenant_id,
    'invitations'::text AS source,
    to_jsonb(x.*) AS line
   FROM public.invitations x
UNION ALL
 SELECT x.tenant_id,
    'api_keys'::text AS source,
    to_jsonb(x.*) AS line
   FROM public.api_keys x
UNION ALL
 SELECT x.tenant_id,
    'tenant_domains'::text AS source,
    to_jsonb(x.*) AS line
   FROM public.tenant_domains x
UNION ALL
 SELECT x.tenant_id,
    'tenant_secrets'::text AS source,
    (to_jsonb(x.*) - 'last_four'::text) AS line
   FROM public.tenant_secrets x
UNION ALL
 SELECT x.tenant_id,
    'provider_keys'::text AS source,
    (to_jsonb(x.*) - 'last_four'::text) AS line
   FROM public.provider_keys x
UNION ALL
 SELECT x.tenant_id,
    'ai_agents'::text AS source,
    to_jsonb(x.*) AS line
   FROM public.ai_agents x
UNION ALL
 SELECT x.tenant_id,
    'agent_documents'::text AS source,
    to_jsonb(x.*) AS line
   FROM public.agent_documents x
UNION ALL
 SELECT x.tenant_id,
    'agent_versions'::text AS source,
    to_jsonb(x.*) AS line
   FROM public.agent_versions x
UNION ALL
 SELECT x.tenant_id,
    'rate_limits'::text AS source,
    to_jsonb(x.*) AS line
   FROM public.rate_limits x
UNION ALL
 SELECT x.tenant_id,
    'captured_calls'::text AS source,
    to_jsonb(x.*) AS line
   FROM public.captured_calls x
UNION ALL
 SELECT x.tenant_id,
    'workflows'::text AS source,
    to_jsonb(x.*) AS line
   FROM public.workflows x
UNION ALL
 SELECT x.tenant_id,
    'workflow_versions'::text AS source,
    to_jsonb(x.*) AS line
   FROM public.workflow_versions x
UNION ALL
 SELECT x.tenant_id,
    'executions'::text AS source,
    to_jsonb(x.*) AS line
   FROM public.executions x
UNION ALL
 SELECT x.tenant_id,
    'execution_steps'::text AS source,
    to_jsonb(x.*) AS line
   FROM public.execution_steps x
UNION ALL
 SELECT x.tenant_id,
    'usage'::text AS source,
    to_jsonb(x.*) AS line
   FROM public.usage x
UNION ALL
 SELECT x.tenant_id,
    'subscriptions'::text AS source,
    to_jsonb(x.*) AS line
   FROM public.subscriptions x
UNION ALL
 SELECT x.tenant_id,
    'invoices'::text AS source,
    to_jsonb(x.*) AS line
   FROM public.invoices x
UNION ALL
 SELECT x.tenant_id,
    'audit_log'::text AS source,
    ((to_jsonb(x.*) - 'hash'::text) || jsonb_build_object('hash', encode(x.hash, 'hex'::text))) AS line
   FROM audit.log x
UNION ALL
 SELECT x.tenant_id,
    'audit_log'::text AS source,
    to_jsonb(x.*) AS line
   FROM audit.inbox x;

-- VIEW tenant_data; Type: COMMENT; Schema: private
COMMENT ON VIEW private.tenant_data IS 'Every row that a tenant owns, as {source, line}: what an export holds. A test sees to it that no table of tenants is forgotten.';

-- tenant_keys; Type: TABLE; Schema: private
CREATE TABLE private.tenant_keys (
    tenant_id uuid NOT NULL,
    generation integer NOT NULL,
    wrapped bytea NOT NULL,
    master_key_id text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    rewrapped_at timestamp with time zone,
    rotation_asked_at timestamp with time zone,
    CONSTRAINT key_generation_counts_from_one CHECK ((generation >= 1)),
    CONSTRAINT wrapped_key_is_not_empty CHECK (((octet_length(wrapped) >= 1) AND (octet_length(wrapped) <= 8192)))
);

-- TABLE tenant_keys; Type: COMMENT; Schema: private
COMMENT ON TABLE private.tenant_keys IS 'The data key of each tenant, wrapped by a master key that the database does not have. One a tenant, of the highest generation; made with the first secret.';

-- COLUMN tenant_keys.generation; Type: COMMENT; Schema: private
COMMENT ON COLUMN private.tenant_keys.generation IS 'Counts from 1; a rotation takes the next, seals everything anew and lets go of the one before.';

-- COLUMN tenant_keys.rotation_asked_at; Type: COMMENT; Schema: private
COMMENT ON COLUMN private.tenant_keys.rotation_asked_at IS 'Since when a worker is to rotate it; see private.ask_for_key_rotation.';

-- audit_log; Type: VIEW; Schema: public
CREATE VIEW public.audit_log WITH (security_invoker='true') AS
 SELECT l.tenant_id,
    l.id,
    l.at,
    l.actor_kind,
    l.actor_id,
    l.action,
    l.subject,
    l.subject_id,
    l.before,
    l.after,
    l.request_id,
    l.seq,
    encode(l.hash, 'hex'::text) AS hash
   FROM audit.log l
UNION ALL
 SELECT i.tenant_id,
    i.id,
    i.at,
    i.actor_kind,
    i.actor_id,
    i.action,
    i.subject,
    i.subject_id,
    i.before,
    i.after,
    i.request_id,
    NULL::bigint AS seq,
    NULL::text AS hash
   FROM audit.inbox i;

-- VIEW audit_log; Type: COMMENT; Schema: public
COMMENT ON VIEW public.audit_log IS 'Who changed what, and every security event. before and after hold what changed, secrets masked. seq and hash are null for the moment until an entry is chained.';

-- permissions; Type: TABLE; Schema: public
CREATE TABLE public.permissions (
    key text NOT NULL,
    description text NOT NULL,
    "bit" smallint NOT NULL,
    allowed_when_suspended boolean DEFAULT false NOT NULL,
    allowed_without_second_factor boolean DEFAULT false NOT NULL,
    CONSTRAINT permission_bit_fits_a_bigint CHECK ((("bit" >= 0) AND ("bit" <= 62)))
);

-- TABLE permissions; Type: COMMENT; Schema: public
COMMENT ON TABLE public.permissions IS 'Everything a role can allow.';

-- COLUMN permissions."bit"; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.permissions."bit" IS 'Its place in private.access. Never given to another permission.';

-- COLUMN permissions.allowed_when_suspended; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.permissions.allowed_when_suspended IS 'In force while the tenant is suspended, and for owners while it is cancelled.';

-- COLUMN permissions.allowed_without_second_factor; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.permissions.allowed_without_second_factor IS 'In force with one factor although the tenant requires two: what only reads, and not members, keys, billing or the audit log.';

-- regions; Type: TABLE; Schema: public
CREATE TABLE public.regions (
    key text NOT NULL,
    name text NOT NULL,
    CONSTRAINT region_key_is_a_word CHECK ((key ~ '^[a-z][a-z0-9-]{0,62}$'::text))
);

-- TABLE regions; Type: COMMENT; Schema: public
COMMENT ON TABLE public.regions IS 'Where data can live. The operator adds rows; a tenant chooses one when it is made and keeps it, since moving data is no update of a row.';

-- schedules; Type: TABLE; Schema: queue
CREATE TABLE queue.schedules (
    tenant_id uuid NOT NULL,
    workflow_id uuid NOT NULL,
    version integer NOT NULL,
    cron text NOT NULL,
    timezone text NOT NULL,
    missed text NOT NULL,
    handled_until timestamp with time zone DEFAULT now() NOT NULL,
    next_run_at timestamp with time zone,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    fencing_token bigint DEFAULT 0 NOT NULL,
    claimed_by text,
    last_run_at timestamp with time zone,
    last_error text,
    last_error_at timestamp with time zone,
    CONSTRAINT schedule_missed_is_known CHECK ((missed = ANY (ARRAY['skip'::text, 'once'::text, 'all'::text])))
);

-- TABLE schedules; Type: COMMENT; Schema: queue
COMMENT ON TABLE queue.schedules IS 'Active workflows that begin with a schedule. Rows leave when the workflow is not active any more, and what was to come while it is paused is not missed.';

-- COLUMN schedules.handled_until; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.schedules.handled_until IS 'Times up to here have been dealt with: started, or left out.';

-- COLUMN schedules.next_run_at; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.schedules.next_run_at IS 'The next time; null until a worker has computed it, a moment after publishing.';

-- COLUMN schedules.last_error; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.schedules.last_error IS 'Why the last run was not started, or that some were left out; null when it was started.';

-- workflow_schedules; Type: VIEW; Schema: public
CREATE VIEW public.workflow_schedules WITH (security_invoker='true') AS
 SELECT tenant_id,
    workflow_id,
    version,
    cron,
    timezone,
    missed,
    next_run_at,
    last_run_at,
    last_error,
    last_error_at
   FROM queue.schedules s;

-- VIEW workflow_schedules; Type: COMMENT; Schema: public
COMMENT ON VIEW public.workflow_schedules IS 'When active workflows run next by their schedules, when they last did, and why they did not.';

-- capped_calls; Type: TABLE; Schema: queue
CREATE TABLE queue.capped_calls (
    tenant_id uuid NOT NULL,
    reservation uuid NOT NULL,
    caps jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

-- TABLE capped_calls; Type: COMMENT; Schema: queue
COMMENT ON TABLE queue.capped_calls IS 'Calls of steps that a spending cap holds, from when their tokens are set aside until what they took is written down.';

-- COLUMN capped_calls.reservation; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.capped_calls.reservation IS 'Of tokens.';

-- COLUMN capped_calls.caps; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.capped_calls.caps IS '[{meter, id}]: the reservations of dollars, as private.set_dollars_aside makes them.';

-- domain_checks; Type: TABLE; Schema: queue
CREATE TABLE queue.domain_checks (
    tenant_id uuid NOT NULL,
    domain_id uuid NOT NULL,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    tries_left integer NOT NULL,
    fencing_token bigint DEFAULT 0 NOT NULL,
    claimed_by text
);

-- TABLE domain_checks; Type: COMMENT; Schema: queue
COMMENT ON TABLE queue.domain_checks IS 'Domains whose DNS a worker is to look at. A record takes its time to spread, so it looks several times.';

-- embedding_fencing_tokens; Type: SEQUENCE; Schema: queue
CREATE SEQUENCE queue.embedding_fencing_tokens
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

-- embedding_jobs; Type: TABLE; Schema: queue
CREATE TABLE queue.embedding_jobs (
    tenant_id uuid NOT NULL,
    agent_id uuid NOT NULL,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    fencing_token bigint DEFAULT 0 NOT NULL,
    claimed_by text,
    attempts integer DEFAULT 0 NOT NULL,
    batch integer DEFAULT 64 NOT NULL,
    reason text,
    gave_up_at timestamp with time zone,
    CONSTRAINT attempts_are_counted CHECK ((attempts >= 0)),
    CONSTRAINT batch_is_some CHECK (((batch >= 1) AND (batch <= 64))),
    CONSTRAINT who_gives_up_says_why CHECK (((gave_up_at IS NULL) OR (reason IS NOT NULL)))
);

-- TABLE embedding_jobs; Type: COMMENT; Schema: queue
COMMENT ON TABLE queue.embedding_jobs IS 'Agents whose documents have pieces without a vector. A row goes when there are none.';

-- COLUMN embedding_jobs.run_at; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.embedding_jobs.run_at IS 'When it is due; while it is claimed, the end of the lease.';

-- COLUMN embedding_jobs.attempts; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.embedding_jobs.attempts IS 'How often it was claimed since something of it was embedded.';

-- COLUMN embedding_jobs.batch; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.embedding_jobs.batch IS 'How many pieces the next call takes. Halved when a model refuses some, until it is known which; doubled when it takes them.';

-- COLUMN embedding_jobs.reason; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.embedding_jobs.reason IS 'Why there is nothing new: what the last attempt failed for, or what it waits for.';

-- events; Type: TABLE; Schema: queue
CREATE TABLE queue.events (
    tenant_id uuid NOT NULL,
    execution_id uuid NOT NULL,
    id uuid DEFAULT aias.uuid7() NOT NULL,
    name text NOT NULL,
    key text,
    payload jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

-- TABLE events; Type: COMMENT; Schema: queue
COMMENT ON TABLE queue.events IS 'Events sent to an execution that does not wait for them yet.';

-- lanes; Type: TABLE; Schema: queue
CREATE TABLE queue.lanes (
    tenant_id uuid NOT NULL,
    workflow_id uuid NOT NULL,
    priority smallint NOT NULL,
    opened_in xid8 DEFAULT pg_current_xact_id() NOT NULL,
    taken_to xid8 DEFAULT '0'::xid8 NOT NULL,
    busy_at timestamp with time zone DEFAULT now() NOT NULL
)
WITH (fillfactor='50');

-- TABLE lanes; Type: COMMENT; Schema: queue
COMMENT ON TABLE queue.lanes IS 'Where there are ready jobs, or were a moment ago.';

-- COLUMN lanes.opened_in; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.lanes.opened_in IS 'Who opens a lane at the same moment as another, opens it once more: nobody waits for somebody else''s commit.';

-- COLUMN lanes.taken_to; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.lanes.taken_to IS 'No ready job is older than this transaction.';

-- mails; Type: TABLE; Schema: queue
CREATE TABLE queue.mails (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT aias.uuid7() NOT NULL,
    idempotency_key text NOT NULL,
    template text NOT NULL,
    recipient text NOT NULL,
    subject_id uuid,
    variables jsonb DEFAULT '{}'::jsonb NOT NULL,
    status text DEFAULT 'queued'::text NOT NULL,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    attempt integer DEFAULT 0 NOT NULL,
    fencing_token bigint DEFAULT 0 NOT NULL,
    claimed_by text,
    error text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT mail_is_finished_when_it_says_so CHECK (((status = ANY (ARRAY['sent'::text, 'dead'::text, 'dropped'::text])) = (finished_at IS NOT NULL))),
    CONSTRAINT mail_status_is_known CHECK ((status = ANY (ARRAY['queued'::text, 'sent'::text, 'dead'::text, 'dropped'::text]))),
    CONSTRAINT mail_template_is_known CHECK ((template = ANY (ARRAY['invitation'::text, 'workflow'::text, 'limit'::text])))
);

-- TABLE mails; Type: COMMENT; Schema: queue
COMMENT ON TABLE queue.mails IS 'The outbox. Holds no token: a worker makes one for each sending, and only its hash comes back.';

-- COLUMN mails.subject_id; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.mails.subject_id IS 'What it is about: the invitation.';

-- COLUMN mails.variables; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.mails.variables IS 'What the template shows. For workflow: {to, subject, text, html, sender}, the mail itself, as the step has rendered it.';

-- COLUMN mails.expires_at; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.mails.expires_at IS 'From then on it makes no sense to send it.';

-- COLUMN mails.error; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.mails.error IS 'What the mail server last said.';

-- state; Type: TABLE; Schema: queue
CREATE TABLE queue.state (
    one boolean DEFAULT true NOT NULL,
    timers_to timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    leases_to timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    looked_everywhere_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    looking_took interval DEFAULT '00:00:00'::interval NOT NULL,
    turn double precision DEFAULT 0 NOT NULL,
    turn_lately double precision DEFAULT 0 NOT NULL,
    turn_noted_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    CONSTRAINT there_is_one_state CHECK (one)
)
WITH (fillfactor='50');

-- TABLE state; Type: COMMENT; Schema: queue
COMMENT ON TABLE queue.state IS 'One row: up to when timers and leases have been looked through, and whose turn it is.';

-- COLUMN state.looking_took; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.state.looking_took IS 'How long it took to look everywhere, the last time.';

-- COLUMN state.turn; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.state.turn IS 'Where the last claim stopped. A tenant that had nothing for a while begins here: what it did not use is not saved up.';

-- COLUMN state.turn_lately; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.state.turn_lately IS 'Where claims stopped a tenth of a second ago, or earlier. A tenant whose turn is before that has not been served since.';

-- tenants; Type: TABLE; Schema: queue
CREATE TABLE queue.tenants (
    tenant_id uuid NOT NULL,
    is_active boolean NOT NULL,
    max_running integer,
    weight integer NOT NULL,
    turn double precision DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');

-- TABLE tenants; Type: COMMENT; Schema: queue
COMMENT ON TABLE queue.tenants IS 'What claims ask of each tenant. All but turn is kept equal to the tenant''s plan, overrides and status by triggers.';

-- COLUMN tenants.turn; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.tenants.turn IS 'How much it was served while others waited, divided by its weight: start-time fair queueing (Goyal, Vin, Cheng, 1996). The least comes next.';

-- waits; Type: TABLE; Schema: queue
CREATE TABLE queue.waits (
    tenant_id uuid NOT NULL,
    execution_id uuid NOT NULL,
    node_id text NOT NULL,
    item integer DEFAULT '-1'::integer NOT NULL,
    kind text NOT NULL,
    name text,
    key text,
    permission text,
    message text,
    child_id uuid,
    delivered jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT wait_for_an_event_names_it CHECK (((kind <> 'event'::text) OR (name IS NOT NULL))),
    CONSTRAINT wait_for_an_execution_names_it CHECK (((kind = 'execution'::text) = (child_id IS NOT NULL))),
    CONSTRAINT wait_kind_is_known CHECK ((kind = ANY (ARRAY['event'::text, 'approval'::text, 'execution'::text])))
);

-- TABLE waits; Type: COMMENT; Schema: queue
COMMENT ON TABLE queue.waits IS 'What steps wait for besides time. A row leaves when its step is recorded as ended.';

-- COLUMN waits.delivered; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.waits.delivered IS 'What came; the next worker takes it up.';

-- watched; Type: TABLE; Schema: queue
CREATE UNLOGGED TABLE queue.watched (
    execution_id uuid NOT NULL,
    until timestamp with time zone NOT NULL
);

-- TABLE watched; Type: COMMENT; Schema: queue
COMMENT ON TABLE queue.watched IS 'Executions whose changes somebody wants to hear of at once. Nothing is sent about any other.';

-- workers; Type: TABLE; Schema: queue
CREATE TABLE queue.workers (
    worker text NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    wants_notice boolean DEFAULT true NOT NULL,
    was_capped boolean DEFAULT false NOT NULL,
    held_tenants uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    held_workflows uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    held_counts integer[] DEFAULT '{}'::integer[] NOT NULL
)
WITH (fillfactor='50');

-- TABLE workers; Type: COMMENT; Schema: queue
COMMENT ON TABLE queue.workers IS 'What each worker held when it last claimed. It may have finished some of it since, so caps counted by this are never exceeded.';

-- COLUMN workers.wants_notice; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.workers.wants_notice IS 'Its last claim found less than it had room for. While nobody wants notice, nobody is sent any.';

-- COLUMN workers.was_capped; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.workers.was_capped IS 'Its last claim left something that a cap holds back.';

-- log_default; Type: TABLE ATTACH; Schema: audit
ALTER TABLE ONLY audit.log ATTACH PARTITION audit.log_default DEFAULT;

-- execution_steps_2026_11; Type: TABLE ATTACH; Schema: history
ALTER TABLE ONLY public.execution_steps ATTACH PARTITION history.execution_steps_2026_11 FOR VALUES FROM ('01a19467-e800-0000-0000-000000000000') TO ('01a22ee6-b000-0000-0000-000000000000');

-- execution_steps_2026_12; Type: TABLE ATTACH; Schema: history
ALTER TABLE ONLY public.execution_steps ATTACH PARTITION history.execution_steps_2026_12 FOR VALUES FROM ('01a22ee6-b000-0000-0000-000000000000') TO ('01a2ce8b-d400-0000-0000-000000000000');

-- execution_steps_2027_01; Type: TABLE ATTACH; Schema: history
ALTER TABLE ONLY public.execution_steps ATTACH PARTITION history.execution_steps_2027_01 FOR VALUES FROM ('01a2ce8b-d400-0000-0000-000000000000') TO ('01a36e30-f800-0000-0000-000000000000');

-- execution_steps_2027_02; Type: TABLE ATTACH; Schema: history
ALTER TABLE ONLY public.execution_steps ATTACH PARTITION history.execution_steps_2027_02 FOR VALUES FROM ('01a36e30-f800-0000-0000-000000000000') TO ('01a3fe63-0800-0000-0000-000000000000');

-- execution_steps_other; Type: TABLE ATTACH; Schema: history
ALTER TABLE ONLY public.execution_steps ATTACH PARTITION history.execution_steps_other DEFAULT;

-- executions_2026_11; Type: TABLE ATTACH; Schema: history
ALTER TABLE ONLY public.executions ATTACH PARTITION history.executions_2026_11 FOR VALUES FROM ('01a19467-e800-0000-0000-000000000000') TO ('01a22ee6-b000-0000-0000-000000000000');

-- executions_2026_12; Type: TABLE ATTACH; Schema: history
ALTER TABLE ONLY public.executions ATTACH PARTITION history.executions_2026_12 FOR VALUES FROM ('01a22ee6-b000-0000-0000-000000000000') TO ('01a2ce8b-d400-0000-0000-000000000000');

-- executions_2027_01; Type: TABLE ATTACH; Schema: history
ALTER TABLE ONLY public.executions ATTACH PARTITION history.executions_2027_01 FOR VALUES FROM ('01a2ce8b-d400-0000-0000-000000000000') TO ('01a36e30-f800-0000-0000-000000000000');

-- executions_2027_02; Type: TABLE ATTACH; Schema: history
ALTER TABLE ONLY public.executions ATTACH PARTITION history.executions_2027_02 FOR VALUES FROM ('01a36e30-f800-0000-0000-000000000000') TO ('01a3fe63-0800-0000-0000-000000000000');

-- executions_other; Type: TABLE ATTACH; Schema: history
ALTER TABLE ONLY public.executions ATTACH PARTITION history.executions_other DEFAULT;

-- heads heads_pkey; Type: CONSTRAINT; Schema: audit
ALTER TABLE ONLY audit.heads
    ADD CONSTRAINT heads_pkey PRIMARY KEY (tenant_id);

-- inbox inbox_pkey; Type: CONSTRAINT; Schema: audit
ALTER TABLE ONLY audit.inbox
    ADD CONSTRAINT inbox_pkey PRIMARY KEY (tenant_id, id);

-- log log_pkey; Type: CONSTRAINT; Schema: audit
ALTER TABLE ONLY audit.log
    ADD CONSTRAINT log_pkey PRIMARY KEY (tenant_id, seq, at);

-- log_default log_default_pkey; Type: CONSTRAINT; Schema: audit
ALTER TABLE ONLY audit.log_default
    ADD CONSTRAINT log_default_pkey PRIMARY KEY (tenant_id, seq, at);

-- users users_phone_key; Type: CONSTRAINT; Schema: auth
ALTER TABLE ONLY auth.users
    ADD CONSTRAINT users_phone_key UNIQUE (phone);

-- users users_pkey; Type: CONSTRAINT; Schema: auth
ALTER TABLE ONLY auth.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

-- accounts accounts_pkey; Type: CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (tenant_id);

-- customers customer_is_of_one_tenant; Type: CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.customers
    ADD CONSTRAINT customer_is_of_one_tenant UNIQUE (id);

-- customers customers_pkey; Type: CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (tenant_id, id);

-- events events_pkey; Type: CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id);

-- limit_warnings limit_warnings_pkey; Type: CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.limit_warnings
    ADD CONSTRAINT limit_warnings_pkey PRIMARY KEY (tenant_id, meter, threshold, period_start);

-- limit_watch limit_watch_pkey; Type: CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.limit_watch
    ADD CONSTRAINT limit_watch_pkey PRIMARY KEY (is_the_only_row);

-- meter_days meter_days_pkey; Type: CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.meter_days
    ADD CONSTRAINT meter_days_pkey PRIMARY KEY (tenant_id, meter, customer, day);

-- meter_events meter_event_identifier_is_unique; Type: CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.meter_events
    ADD CONSTRAINT meter_event_identifier_is_unique UNIQUE (identifier);

-- meters meter_event_name_is_unique; Type: CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.meters
    ADD CONSTRAINT meter_event_name_is_unique UNIQUE (event_name);

-- meter_events meter_events_pkey; Type: CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.meter_events
    ADD CONSTRAINT meter_events_pkey PRIMARY KEY (tenant_id, meter, hour, seq);

-- meter_prices meter_prices_pkey; Type: CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.meter_prices
    ADD CONSTRAINT meter_prices_pkey PRIMARY KEY (plan_id, meter);

-- meter_reports meter_reports_pkey; Type: CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.meter_reports
    ADD CONSTRAINT meter_reports_pkey PRIMARY KEY (event);

-- meter_sums meter_sums_pkey; Type: CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.meter_sums
    ADD CONSTRAINT meter_sums_pkey PRIMARY KEY (tenant_id, meter, customer, hour);

-- metered_tenants metered_tenants_pkey; Type: CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.metered_tenants
    ADD CONSTRAINT metered_tenants_pkey PRIMARY KEY (tenant_id);

-- meters meters_pkey; Type: CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.meters
    ADD CONSTRAINT meters_pkey PRIMARY KEY (key);

-- objects objects_pkey; Type: CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.objects
    ADD CONSTRAINT objects_pkey PRIMARY KEY (account, kind, id);

-- plan_prices plan_prices_pkey; Type: CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.plan_prices
    ADD CONSTRAINT plan_prices_pkey PRIMARY KEY (price);

-- removed_executions removed_executions_pkey; Type: CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.removed_executions
    ADD CONSTRAINT removed_executions_pkey PRIMARY KEY (tenant_id, id);

-- settings settings_pkey; Type: CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.settings
    ADD CONSTRAINT settings_pkey PRIMARY KEY (is_the_only_row);

-- execution_steps execution_steps_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.execution_steps
    ADD CONSTRAINT execution_steps_pkey PRIMARY KEY (tenant_id, execution_id, node_id, item);

-- execution_steps_2026_11 execution_steps_2026_11_pkey; Type: CONSTRAINT; Schema: history
ALTER TABLE ONLY history.execution_steps_2026_11
    ADD CONSTRAINT execution_steps_2026_11_pkey PRIMARY KEY (tenant_id, execution_id, node_id, item);

-- execution_steps_2026_12 execution_steps_2026_12_pkey; Type: CONSTRAINT; Schema: history
ALTER TABLE ONLY history.execution_steps_2026_12
    ADD CONSTRAINT execution_steps_2026_12_pkey PRIMARY KEY (tenant_id, execution_id, node_id, item);

-- execution_steps_2027_01 execution_steps_2027_01_pkey; Type: CONSTRAINT; Schema: history
ALTER TABLE ONLY history.execution_steps_2027_01
    ADD CONSTRAINT execution_steps_2027_01_pkey PRIMARY KEY (tenant_id, execution_id, node_id, item);

-- execution_steps_2027_02 execution_steps_2027_02_pkey; Type: CONSTRAINT; Schema: history
ALTER TABLE ONLY history.execution_steps_2027_02
    ADD CONSTRAINT execution_steps_2027_02_pkey PRIMARY KEY (tenant_id, execution_id, node_id, item);

-- execution_steps_other execution_steps_other_pkey; Type: CONSTRAINT; Schema: history
ALTER TABLE ONLY history.execution_steps_other
    ADD CONSTRAINT execution_steps_other_pkey PRIMARY KEY (tenant_id, execution_id, node_id, item);

-- executions executions_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.executions
    ADD CONSTRAINT executions_pkey PRIMARY KEY (tenant_id, id);

-- executions_2026_11 executions_2026_11_pkey; Type: CONSTRAINT; Schema: history
ALTER TABLE ONLY history.executions_2026_11
    ADD CONSTRAINT executions_2026_11_pkey PRIMARY KEY (tenant_id, id);

-- executions_2026_12 executions_2026_12_pkey; Type: CONSTRAINT; Schema: history
ALTER TABLE ONLY history.executions_2026_12
    ADD CONSTRAINT executions_2026_12_pkey PRIMARY KEY (tenant_id, id);

-- executions_2027_01 executions_2027_01_pkey; Type: CONSTRAINT; Schema: history
ALTER TABLE ONLY history.executions_2027_01
    ADD CONSTRAINT executions_2027_01_pkey PRIMARY KEY (tenant_id, id);

-- executions_2027_02 executions_2027_02_pkey; Type: CONSTRAINT; Schema: history
ALTER TABLE ONLY history.executions_2027_02
    ADD CONSTRAINT executions_2027_02_pkey PRIMARY KEY (tenant_id, id);

-- executions_other executions_other_pkey; Type: CONSTRAINT; Schema: history
ALTER TABLE ONLY history.executions_other
    ADD CONSTRAINT executions_other_pkey PRIMARY KEY (tenant_id, id);

-- access_epochs access_epochs_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.access_epochs
    ADD CONSTRAINT access_epochs_pkey PRIMARY KEY (tenant_id);

-- access access_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.access
    ADD CONSTRAINT access_pkey PRIMARY KEY (tenant_id, principal);

-- agent_functions agent_functions_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.agent_functions
    ADD CONSTRAINT agent_functions_pkey PRIMARY KEY (name);

-- api_key_hashes api_key_hash_is_unique; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.api_key_hashes
    ADD CONSTRAINT api_key_hash_is_unique UNIQUE (hash);

-- api_key_hashes api_key_hashes_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.api_key_hashes
    ADD CONSTRAINT api_key_hashes_pkey PRIMARY KEY (tenant_id, key_id);

-- built_in_roles built_in_roles_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.built_in_roles
    ADD CONSTRAINT built_in_roles_pkey PRIMARY KEY (key);

-- cached_answers cached_answers_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.cached_answers
    ADD CONSTRAINT cached_answers_pkey PRIMARY KEY (tenant_id, hash);

-- document_chunks document_chunks_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.document_chunks
    ADD CONSTRAINT document_chunks_pkey PRIMARY KEY (tenant_id, document_id, "position");

-- document_vectors document_vectors_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.document_vectors
    ADD CONSTRAINT document_vectors_pkey PRIMARY KEY (tenant_id, document_id, digest);

-- embedding_models embedding_models_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.embedding_models
    ADD CONSTRAINT embedding_models_pkey PRIMARY KEY (model);

-- event_sources event_sources_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.event_sources
    ADD CONSTRAINT event_sources_pkey PRIMARY KEY (source);

-- event_subscriptions event_subscriptions_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.event_subscriptions
    ADD CONSTRAINT event_subscriptions_pkey PRIMARY KEY (tenant_id, workflow_id, operation);

-- execution_keys execution_keys_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.execution_keys
    ADD CONSTRAINT execution_keys_pkey PRIMARY KEY (tenant_id, workflow_id, key);

-- export_chunks export_chunks_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.export_chunks
    ADD CONSTRAINT export_chunks_pkey PRIMARY KEY (tenant_id, export_id, number);

-- invitation_tokens invitation_token_hash_is_unique; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.invitation_tokens
    ADD CONSTRAINT invitation_token_hash_is_unique UNIQUE (hash);

-- invitation_tokens invitation_tokens_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.invitation_tokens
    ADD CONSTRAINT invitation_tokens_pkey PRIMARY KEY (tenant_id, hash);

-- llm_prices llm_prices_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.llm_prices
    ADD CONSTRAINT llm_prices_pkey PRIMARY KEY (provider, model, valid_from);

-- meters meters_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.meters
    ADD CONSTRAINT meters_pkey PRIMARY KEY (key);

-- reserved_subdomains reserved_subdomains_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.reserved_subdomains
    ADD CONSTRAINT reserved_subdomains_pkey PRIMARY KEY (subdomain);

-- secret_values secret_values_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.secret_values
    ADD CONSTRAINT secret_values_pkey PRIMARY KEY (tenant_id, kind, name);

-- tenant_keys tenant_keys_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.tenant_keys
    ADD CONSTRAINT tenant_keys_pkey PRIMARY KEY (tenant_id, generation);

-- webhooks webhook_token_is_unique; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.webhooks
    ADD CONSTRAINT webhook_token_is_unique UNIQUE (token_hash);

-- webhooks webhooks_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.webhooks
    ADD CONSTRAINT webhooks_pkey PRIMARY KEY (tenant_id, workflow_id);

-- agent_documents agent_documents_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.agent_documents
    ADD CONSTRAINT agent_documents_pkey PRIMARY KEY (tenant_id, id);

-- ai_agents agent_fallback_models_name_their_providers; Type: CHECK CONSTRAINT; Schema: public
ALTER TABLE public.ai_agents
    ADD CONSTRAINT agent_fallback_models_name_their_providers CHECK (((NOT (config ? 'fallback_models'::text)) OR ((jsonb_typeof((config -> 'fallback_models'::text)) = 'array'::text) AND (jsonb_array_length((config -> 'fallback_models'::text)) <= 8) AND (NOT jsonb_path_exists(config, 'strict $."fallback_models"[*]?(@.type() != "string" || !(@ like_regex "^[a-z0-9_-]+/.+$"))'::jsonpath))))) NOT VALID;

-- ai_agents agent_slug_is_unique; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.ai_agents
    ADD CONSTRAINT agent_slug_is_unique UNIQUE (tenant_id, slug);

-- agent_versions agent_versions_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.agent_versions
    ADD CONSTRAINT agent_versions_pkey PRIMARY KEY (tenant_id, agent_id, version);

-- ai_agents ai_agents_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.ai_agents
    ADD CONSTRAINT ai_agents_pkey PRIMARY KEY (tenant_id, id);

-- api_keys api_keys_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (tenant_id, id);

-- captured_calls captured_calls_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.captured_calls
    ADD CONSTRAINT captured_calls_pkey PRIMARY KEY (tenant_id, id);

-- tenant_domains domain_is_claimed_once_by_a_tenant; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.tenant_domains
    ADD CONSTRAINT domain_is_claimed_once_by_a_tenant UNIQUE (tenant_id, domain);

-- invitations invitations_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_pkey PRIMARY KEY (tenant_id, id);

-- invoices invoices_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.invoices
    ADD CONSTRAINT invoices_pkey PRIMARY KEY (tenant_id, id);

-- memberships memberships_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_pkey PRIMARY KEY (tenant_id, user_id);

-- rate_limits one_rate_limit_for_a_key_and_a_model; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.rate_limits
    ADD CONSTRAINT one_rate_limit_for_a_key_and_a_model UNIQUE NULLS NOT DISTINCT (tenant_id, api_key_id, model);

-- permissions permission_bit_is_unique; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.permissions
    ADD CONSTRAINT permission_bit_is_unique UNIQUE ("bit");

-- permissions permissions_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.permissions
    ADD CONSTRAINT permissions_pkey PRIMARY KEY (key);

-- subscription_plans plan_key_is_unique; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.subscription_plans
    ADD CONSTRAINT plan_key_is_unique UNIQUE (key);

-- provider_keys provider_keys_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.provider_keys
    ADD CONSTRAINT provider_keys_pkey PRIMARY KEY (tenant_id, provider);

-- rate_limits rate_limits_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.rate_limits
    ADD CONSTRAINT rate_limits_pkey PRIMARY KEY (tenant_id, id);

-- regions regions_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.regions
    ADD CONSTRAINT regions_pkey PRIMARY KEY (key);

-- roles roles_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.roles
    ADD CONSTRAINT roles_pkey PRIMARY KEY (tenant_id, key);

-- subscription_plans subscription_plans_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.subscription_plans
    ADD CONSTRAINT subscription_plans_pkey PRIMARY KEY (id);

-- subscriptions subscriptions_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.subscriptions
    ADD CONSTRAINT subscriptions_pkey PRIMARY KEY (tenant_id, id);

-- tenant_domains tenant_domains_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.tenant_domains
    ADD CONSTRAINT tenant_domains_pkey PRIMARY KEY (tenant_id, id);

-- tenant_exports tenant_exports_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.tenant_exports
    ADD CONSTRAINT tenant_exports_pkey PRIMARY KEY (tenant_id, id);

-- tenant_secrets tenant_secrets_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.tenant_secrets
    ADD CONSTRAINT tenant_secrets_pkey PRIMARY KEY (tenant_id, name);

-- tenants tenant_subdomain_is_unique; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenant_subdomain_is_unique UNIQUE (subdomain);

-- tenants tenants_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (id);

-- usage usage_is_counted_once; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.usage
    ADD CONSTRAINT usage_is_counted_once UNIQUE (tenant_id, idempotency_key);

-- usage usage_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.usage
    ADD CONSTRAINT usage_pkey PRIMARY KEY (tenant_id, id);

-- users users_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

-- workflow_versions workflow_versions_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.workflow_versions
    ADD CONSTRAINT workflow_versions_pkey PRIMARY KEY (tenant_id, workflow_id, version);

-- workflows workflows_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.workflows
    ADD CONSTRAINT workflows_pkey PRIMARY KEY (tenant_id, id);

-- capped_calls capped_calls_pkey; Type: CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.capped_calls
    ADD CONSTRAINT capped_calls_pkey PRIMARY KEY (tenant_id, reservation);

-- domain_checks domain_checks_pkey; Type: CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.domain_checks
    ADD CONSTRAINT domain_checks_pkey PRIMARY KEY (tenant_id, domain_id);

-- embedding_jobs embedding_jobs_pkey; Type: CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.embedding_jobs
    ADD CONSTRAINT embedding_jobs_pkey PRIMARY KEY (tenant_id, agent_id);

-- events events_pkey; Type: CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (tenant_id, execution_id, id);

-- jobs jobs_pkey; Type: CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (tenant_id, execution_id);

-- lanes lanes_pkey; Type: CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.lanes
    ADD CONSTRAINT lanes_pkey PRIMARY KEY (tenant_id, workflow_id, priority, opened_in);

-- mails mail_is_promised_once; Type: CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.mails
    ADD CONSTRAINT mail_is_promised_once UNIQUE (tenant_id, idempotency_key);

-- mails mails_pkey; Type: CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.mails
    ADD CONSTRAINT mails_pkey PRIMARY KEY (tenant_id, id);

-- schedules schedules_pkey; Type: CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.schedules
    ADD CONSTRAINT schedules_pkey PRIMARY KEY (tenant_id, workflow_id);

-- state state_pkey; Type: CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.state
    ADD CONSTRAINT state_pkey PRIMARY KEY (one);

-- tenants tenants_pkey; Type: CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (tenant_id);

-- waits waits_pkey; Type: CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.waits
    ADD CONSTRAINT waits_pkey PRIMARY KEY (tenant_id, execution_id, node_id, item);

-- watched watched_pkey; Type: CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.watched
    ADD CONSTRAINT watched_pkey PRIMARY KEY (execution_id);

-- workers workers_pkey; Type: CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (worker);

-- log_tenant_at; Type: INDEX; Schema: audit
CREATE INDEX log_tenant_at ON ONLY audit.log USING btree (tenant_id, at);

-- log_default_tenant_id_at_idx; Type: INDEX; Schema: audit
CREATE INDEX log_default_tenant_id_at_idx ON audit.log_default USING btree (tenant_id, at);

-- log_subject; Type: INDEX; Schema: audit
CREATE INDEX log_subject ON ONLY audit.log USING btree (tenant_id, subject, subject_id);

-- log_default_tenant_id_subject_subject_id_idx; Type: INDEX; Schema: audit
CREATE INDEX log_default_tenant_id_subject_subject_id_idx ON audit.log_default USING btree (tenant_id, subject, subject_id);

-- users_email_partial_key; Type: INDEX; Schema: auth
CREATE UNIQUE INDEX users_email_partial_key ON auth.users USING btree (email) WHERE (is_sso_user = false);

-- accounts_derive_at; Type: INDEX; Schema: billing
CREATE INDEX accounts_derive_at ON billing.accounts USING btree (derive_at) WHERE (derive_at IS NOT NULL);

-- events_dead; Type: INDEX; Schema: billing
CREATE INDEX events_dead ON billing.events USING btree (finished_at) WHERE (state = 'dead'::text);

-- events_due; Type: INDEX; Schema: billing
CREATE INDEX events_due ON billing.events USING btree (next_attempt_at) WHERE (state = 'received'::text);

-- events_of_meters; Type: INDEX; Schema: billing
CREATE INDEX events_of_meters ON billing.events USING btree (received_at) WHERE (type = ANY (ARRAY['v1.billing.meter.error_report_triggered'::text, 'v1.billing.meter.no_meter_found'::text]));

-- events_over; Type: INDEX; Schema: billing
CREATE INDEX events_over ON billing.events USING btree (finished_at) WHERE (state = ANY (ARRAY['applied'::text, 'ignored'::text]));

-- meter_days_ask_at; Type: INDEX; Schema: billing
CREATE INDEX meter_days_ask_at ON billing.meter_days USING btree (ask_at) WHERE (ask_at IS NOT NULL);

-- meter_days_meter; Type: INDEX; Schema: billing
CREATE INDEX meter_days_meter ON billing.meter_days USING btree (meter);

-- meter_events_due; Type: INDEX; Schema: billing
CREATE INDEX meter_events_due ON billing.meter_events USING btree (next_attempt_at) WHERE (state = 'queued'::text);

-- meter_events_hour; Type: INDEX; Schema: billing
CREATE INDEX meter_events_hour ON billing.meter_events USING btree (hour);

-- meter_events_meter; Type: INDEX; Schema: billing
CREATE INDEX meter_events_meter ON billing.meter_events USING btree (meter);

-- meter_prices_meter; Type: INDEX; Schema: billing
CREATE INDEX meter_prices_meter ON billing.meter_prices USING btree (meter);

-- meter_reports_ask_at; Type: INDEX; Schema: billing
CREATE INDEX meter_reports_ask_at ON billing.meter_reports USING btree (ask_at) WHERE (ask_at IS NOT NULL);

-- meter_sums_day; Type: INDEX; Schema: billing
CREATE INDEX meter_sums_day ON billing.meter_sums USING btree (tenant_id, meter, customer, day);

-- metered_tenants_count_at; Type: INDEX; Schema: billing
CREATE INDEX metered_tenants_count_at ON billing.metered_tenants USING btree (count_at);

-- objects_customer; Type: INDEX; Schema: billing
CREATE INDEX objects_customer ON billing.objects USING btree (customer, kind) WHERE (account = ''::text);

-- objects_fetch_at; Type: INDEX; Schema: billing
CREATE INDEX objects_fetch_at ON billing.objects USING btree (fetch_at) WHERE (fetch_at IS NOT NULL);

-- objects_paid_invoice; Type: INDEX; Schema: billing
CREATE INDEX objects_paid_invoice ON billing.objects USING btree (((data ->> 'invoice'::text))) WHERE ((account = ''::text) AND (kind = 'invoice_payment'::text));

-- plan_prices_plan; Type: INDEX; Schema: billing
CREATE INDEX plan_prices_plan ON billing.plan_prices USING btree (plan_id);

-- removed_executions_used_at; Type: INDEX; Schema: billing
CREATE INDEX removed_executions_used_at ON billing.removed_executions USING btree (tenant_id, used_at);

-- settings_plan; Type: INDEX; Schema: billing
CREATE INDEX settings_plan ON billing.settings USING btree (plan_without_subscription);

-- executions_started_by; Type: INDEX; Schema: public
CREATE INDEX executions_started_by ON ONLY public.executions USING btree (started_by);

-- executions_2026_11_started_by_idx; Type: INDEX; Schema: history
CREATE INDEX executions_2026_11_started_by_idx ON history.executions_2026_11 USING btree (started_by);

-- executions_parent; Type: INDEX; Schema: public
CREATE INDEX executions_parent ON ONLY public.executions USING btree (tenant_id, parent_id) WHERE (parent_id IS NOT NULL);

-- executions_2026_11_tenant_id_parent_id_idx; Type: INDEX; Schema: history
CREATE INDEX executions_2026_11_tenant_id_parent_id_idx ON history.executions_2026_11 USING btree (tenant_id, parent_id) WHERE (parent_id IS NOT NULL);

-- executions_workflow; Type: INDEX; Schema: public
CREATE INDEX executions_workflow ON ONLY public.executions USING btree (workflow_id, tenant_id, workflow_version);

-- executions_2026_11_workflow_id_tenant_id_workflow_version_idx; Type: INDEX; Schema: history
CREATE INDEX executions_2026_11_workflow_id_tenant_id_workflow_version_idx ON history.executions_2026_11 USING btree (workflow_id, tenant_id, workflow_version);

-- executions_2026_12_started_by_idx; Type: INDEX; Schema: history
CREATE INDEX executions_2026_12_started_by_idx ON history.executions_2026_12 USING btree (started_by);

-- executions_2026_12_tenant_id_parent_id_idx; Type: INDEX; Schema: history
CREATE INDEX executions_2026_12_tenant_id_parent_id_idx ON history.executions_2026_12 USING btree (tenant_id, parent_id) WHERE (parent_id IS NOT NULL);

-- executions_2026_12_workflow_id_tenant_id_workflow_version_idx; Type: INDEX; Schema: history
CREATE INDEX executions_2026_12_workflow_id_tenant_id_workflow_version_idx ON history.executions_2026_12 USING btree (workflow_id, tenant_id, workflow_version);

-- executions_2027_01_started_by_idx; Type: INDEX; Schema: history
CREATE INDEX executions_2027_01_started_by_idx ON history.executions_2027_01 USING btree (started_by);

-- executions_2027_01_tenant_id_parent_id_idx; Type: INDEX; Schema: history
CREATE INDEX executions_2027_01_tenant_id_parent_id_idx ON history.executions_2027_01 USING btree (tenant_id, parent_id) WHERE (parent_id IS NOT NULL);

-- executions_2027_01_workflow_id_tenant_id_workflow_version_idx; Type: INDEX; Schema: history
CREATE INDEX executions_2027_01_workflow_id_tenant_id_workflow_version_idx ON history.executions_2027_01 USING btree (workflow_id, tenant_id, workflow_version);

-- executions_2027_02_started_by_idx; Type: INDEX; Schema: history
CREATE INDEX executions_2027_02_started_by_idx ON history.executions_2027_02 USING btree (started_by);

-- executions_2027_02_tenant_id_parent_id_idx; Type: INDEX; Schema: history
CREATE INDEX executions_2027_02_tenant_id_parent_id_idx ON history.executions_2027_02 USING btree (tenant_id, parent_id) WHERE (parent_id IS NOT NULL);

-- executions_2027_02_workflow_id_tenant_id_workflow_version_idx; Type: INDEX; Schema: history
CREATE INDEX executions_2027_02_workflow_id_tenant_id_workflow_version_idx ON history.executions_2027_02 USING btree (workflow_id, tenant_id, workflow_version);

-- executions_other_started_by_idx; Type: INDEX; Schema: history
CREATE INDEX executions_other_started_by_idx ON history.executions_other USING btree (started_by);

-- executions_other_tenant_id_parent_id_idx; Type: INDEX; Schema: history
CREATE INDEX executions_other_tenant_id_parent_id_idx ON history.executions_other USING btree (tenant_id, parent_id) WHERE (parent_id IS NOT NULL);

-- executions_other_workflow_id_tenant_id_workflow_version_idx; Type: INDEX; Schema: history
CREATE INDEX executions_other_workflow_id_tenant_id_workflow_version_idx ON history.executions_other USING btree (workflow_id, tenant_id, workflow_version);

-- access_asking; Type: INDEX; Schema: private
CREATE INDEX access_asking ON private.access USING btree (principal) INCLUDE (tenant_id) WHERE (granted <> granted_with_second_factor);

-- access_principal; Type: INDEX; Schema: private
CREATE UNIQUE INDEX access_principal ON private.access USING btree (principal, tenant_id) INCLUDE (granted, granted_with_second_factor, ends_at);

-- cached_answers_agent; Type: INDEX; Schema: private
CREATE INDEX cached_answers_agent ON private.cached_answers USING btree (tenant_id, agent_id);

-- cached_answers_expires_at; Type: INDEX; Schema: private
CREATE INDEX cached_answers_expires_at ON private.cached_answers USING btree (expires_at);

-- cached_answers_kept_at; Type: INDEX; Schema: private
CREATE INDEX cached_answers_kept_at ON private.cached_answers USING btree (tenant_id, kept_at);

-- document_chunks_agent; Type: INDEX; Schema: private
CREATE INDEX document_chunks_agent ON private.document_chunks USING btree (tenant_id, agent_id);

-- document_chunks_digest; Type: INDEX; Schema: private
CREATE INDEX document_chunks_digest ON private.document_chunks USING btree (tenant_id, document_id, digest);

-- document_chunks_words; Type: INDEX; Schema: private
CREATE INDEX document_chunks_words ON private.document_chunks USING gin (words);

-- document_vectors_agent; Type: INDEX; Schema: private
CREATE INDEX document_vectors_agent ON private.document_vectors USING btree (tenant_id, agent_id, model);

-- event_sources_permission; Type: INDEX; Schema: private
CREATE INDEX event_sources_permission ON private.event_sources USING btree (permission);

-- event_subscriptions_source; Type: INDEX; Schema: private
CREATE INDEX event_subscriptions_source ON private.event_subscriptions USING btree (source, operation, tenant_id);

-- event_subscriptions_version; Type: INDEX; Schema: private
CREATE INDEX event_subscriptions_version ON private.event_subscriptions USING btree (tenant_id, workflow_id, version);

-- execution_keys_execution; Type: INDEX; Schema: private
CREATE INDEX execution_keys_execution ON private.execution_keys USING btree (tenant_id, execution_id);

-- invitation_tokens_invitation; Type: INDEX; Schema: private
CREATE INDEX invitation_tokens_invitation ON private.invitation_tokens USING btree (tenant_id, invitation_id);

-- secret_values_key; Type: INDEX; Schema: private
CREATE INDEX secret_values_key ON private.secret_values USING btree (tenant_id, key_generation);

-- secret_values_provider; Type: INDEX; Schema: private
CREATE INDEX secret_values_provider ON private.secret_values USING btree (tenant_id, provider);

-- secret_values_secret; Type: INDEX; Schema: private
CREATE INDEX secret_values_secret ON private.secret_values USING btree (tenant_id, secret);

-- tenant_keys_master_key; Type: INDEX; Schema: private
CREATE INDEX tenant_keys_master_key ON private.tenant_keys USING btree (master_key_id, tenant_id);

-- tenant_keys_rotation; Type: INDEX; Schema: private
CREATE INDEX tenant_keys_rotation ON private.tenant_keys USING btree (tenant_id) WHERE (rotation_asked_at IS NOT NULL);

-- agent_documents_agent; Type: INDEX; Schema: public
CREATE INDEX agent_documents_agent ON public.agent_documents USING btree (tenant_id, agent_id);

-- agent_documents_created_by; Type: INDEX; Schema: public
CREATE INDEX agent_documents_created_by ON public.agent_documents USING btree (created_by);

-- agent_versions_created_by; Type: INDEX; Schema: public
CREATE INDEX agent_versions_created_by ON public.agent_versions USING btree (created_by);

-- ai_agents_created_by; Type: INDEX; Schema: public
CREATE INDEX ai_agents_created_by ON public.ai_agents USING btree (created_by);

-- ai_agents_embedding_model; Type: INDEX; Schema: public
CREATE INDEX ai_agents_embedding_model ON public.ai_agents USING btree (embedding_model);

-- api_keys_created_by; Type: INDEX; Schema: public
CREATE INDEX api_keys_created_by ON public.api_keys USING btree (created_by);

-- captured_calls_created_at; Type: INDEX; Schema: public
CREATE INDEX captured_calls_created_at ON public.captured_calls USING btree (tenant_id, created_at DESC);

-- captured_calls_expires_at; Type: INDEX; Schema: public
CREATE INDEX captured_calls_expires_at ON public.captured_calls USING btree (expires_at);

-- invitations_accepted_by; Type: INDEX; Schema: public
CREATE INDEX invitations_accepted_by ON public.invitations USING btree (accepted_by);

-- invitations_invited_by; Type: INDEX; Schema: public
CREATE INDEX invitations_invited_by ON public.invitations USING btree (invited_by);

-- invitations_pending; Type: INDEX; Schema: public
CREATE UNIQUE INDEX invitations_pending ON public.invitations USING btree (tenant_id, email) WHERE ((accepted_at IS NULL) AND (declined_at IS NULL) AND (revoked_at IS NULL));

-- invitations_role; Type: INDEX; Schema: public
CREATE INDEX invitations_role ON public.invitations USING btree (tenant_id, role);

-- invoices_created_at; Type: INDEX; Schema: public
CREATE INDEX invoices_created_at ON public.invoices USING btree (tenant_id, created_at DESC);

-- memberships_tenant_id_role; Type: INDEX; Schema: public
CREATE INDEX memberships_tenant_id_role ON public.memberships USING btree (tenant_id, role);

-- memberships_user_id; Type: INDEX; Schema: public
CREATE INDEX memberships_user_id ON public.memberships USING btree (user_id) INCLUDE (tenant_id, role);

-- provider_keys_set_by; Type: INDEX; Schema: public
CREATE INDEX provider_keys_set_by ON public.provider_keys USING btree (set_by);

-- subscriptions_plan_id; Type: INDEX; Schema: public
CREATE INDEX subscriptions_plan_id ON public.subscriptions USING btree (plan_id);

-- tenant_domains_created_by; Type: INDEX; Schema: public
CREATE INDEX tenant_domains_created_by ON public.tenant_domains USING btree (created_by);

-- tenant_domains_verified; Type: INDEX; Schema: public
CREATE UNIQUE INDEX tenant_domains_verified ON public.tenant_domains USING btree (domain) WHERE (verified_at IS NOT NULL);

-- tenant_exports_expires_at; Type: INDEX; Schema: public
CREATE INDEX tenant_exports_expires_at ON public.tenant_exports USING btree (expires_at) WHERE (status = 'ready'::text);

-- tenant_exports_queued; Type: INDEX; Schema: public
CREATE UNIQUE INDEX tenant_exports_queued ON public.tenant_exports USING btree (tenant_id) WHERE (status = 'queued'::text);

-- tenant_exports_requested_by; Type: INDEX; Schema: public
CREATE INDEX tenant_exports_requested_by ON public.tenant_exports USING btree (requested_by);

-- tenant_exports_waiting; Type: INDEX; Schema: public
CREATE INDEX tenant_exports_waiting ON public.tenant_exports USING btree (created_at) WHERE (status = 'queued'::text);

-- tenant_secrets_created_by; Type: INDEX; Schema: public
CREATE INDEX tenant_secrets_created_by ON public.tenant_secrets USING btree (created_by);

-- tenant_secrets_updated_by; Type: INDEX; Schema: public
CREATE INDEX tenant_secrets_updated_by ON public.tenant_secrets USING btree (updated_by);

-- tenants_cancelled_at; Type: INDEX; Schema: public
CREATE INDEX tenants_cancelled_at ON public.tenants USING btree (cancelled_at) WHERE (cancelled_at IS NOT NULL);

-- tenants_plan_id; Type: INDEX; Schema: public
CREATE INDEX tenants_plan_id ON public.tenants USING btree (plan_id);

-- tenants_region; Type: INDEX; Schema: public
CREATE INDEX tenants_region ON public.tenants USING btree (region);

-- usage_created_at; Type: INDEX; Schema: public
CREATE INDEX usage_created_at ON public.usage USING btree (tenant_id, created_at);

-- usage_execution; Type: INDEX; Schema: public
CREATE INDEX usage_execution ON public.usage USING btree (tenant_id, execution_id) WHERE (execution_id IS NOT NULL);

-- workflow_versions_created_by; Type: INDEX; Schema: public
CREATE INDEX workflow_versions_created_by ON public.workflow_versions USING btree (created_by);

-- workflows_created_by; Type: INDEX; Schema: public
CREATE INDEX workflows_created_by ON public.workflows USING btree (created_by);

-- capped_calls_created_at; Type: INDEX; Schema: queue
CREATE INDEX capped_calls_created_at ON queue.capped_calls USING btree (created_at);

-- domain_checks_run_at; Type: INDEX; Schema: queue
CREATE INDEX domain_checks_run_at ON queue.domain_checks USING btree (run_at);

-- embedding_jobs_due; Type: INDEX; Schema: queue
CREATE INDEX embedding_jobs_due ON queue.embedding_jobs USING btree (run_at) WHERE (gave_up_at IS NULL);

-- jobs_leases; Type: INDEX; Schema: queue
CREATE INDEX jobs_leases ON queue.jobs USING btree (run_at) WHERE (state = 'claimed'::text);

-- jobs_ready; Type: INDEX; Schema: queue
CREATE INDEX jobs_ready ON queue.jobs USING btree (tenant_id, workflow_id, priority, ready_in, execution_id) WHERE (state = 'ready'::text);

-- jobs_timers; Type: INDEX; Schema: queue
CREATE INDEX jobs_timers ON queue.jobs USING btree (run_at) WHERE (state = 'waiting'::text);

-- mails_finished_at; Type: INDEX; Schema: queue
CREATE INDEX mails_finished_at ON queue.mails USING btree (finished_at) WHERE (status <> 'queued'::text);

-- mails_run_at; Type: INDEX; Schema: queue
CREATE INDEX mails_run_at ON queue.mails USING btree (run_at) WHERE (status = 'queued'::text);

-- schedules_run_at; Type: INDEX; Schema: queue
CREATE INDEX schedules_run_at ON queue.schedules USING btree (run_at);

-- schedules_version; Type: INDEX; Schema: queue
CREATE INDEX schedules_version ON queue.schedules USING btree (tenant_id, workflow_id, version);

-- waits_for_events; Type: INDEX; Schema: queue
CREATE INDEX waits_for_events ON queue.waits USING btree (tenant_id, name, key) WHERE ((kind = 'event'::text) AND (delivered IS NULL));

-- log_default_pkey; Type: INDEX ATTACH; Schema: audit
ALTER INDEX audit.log_pkey ATTACH PARTITION audit.log_default_pkey;

-- log_default_tenant_id_at_idx; Type: INDEX ATTACH; Schema: audit
ALTER INDEX audit.log_tenant_at ATTACH PARTITION audit.log_default_tenant_id_at_idx;

-- log_default_tenant_id_subject_subject_id_idx; Type: INDEX ATTACH; Schema: audit
ALTER INDEX audit.log_subject ATTACH PARTITION audit.log_default_tenant_id_subject_subject_id_idx;

-- execution_steps_2026_11_pkey; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.execution_steps_pkey ATTACH PARTITION history.execution_steps_2026_11_pkey;

-- execution_steps_2026_12_pkey; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.execution_steps_pkey ATTACH PARTITION history.execution_steps_2026_12_pkey;

-- execution_steps_2027_01_pkey; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.execution_steps_pkey ATTACH PARTITION history.execution_steps_2027_01_pkey;

-- execution_steps_2027_02_pkey; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.execution_steps_pkey ATTACH PARTITION history.execution_steps_2027_02_pkey;

-- execution_steps_other_pkey; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.execution_steps_pkey ATTACH PARTITION history.execution_steps_other_pkey;

-- executions_2026_11_pkey; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.executions_pkey ATTACH PARTITION history.executions_2026_11_pkey;

-- executions_2026_11_started_by_idx; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.executions_started_by ATTACH PARTITION history.executions_2026_11_started_by_idx;

-- executions_2026_11_tenant_id_parent_id_idx; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.executions_parent ATTACH PARTITION history.executions_2026_11_tenant_id_parent_id_idx;

-- executions_2026_11_workflow_id_tenant_id_workflow_version_idx; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.executions_workflow ATTACH PARTITION history.executions_2026_11_workflow_id_tenant_id_workflow_version_idx;

-- executions_2026_12_pkey; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.executions_pkey ATTACH PARTITION history.executions_2026_12_pkey;

-- executions_2026_12_started_by_idx; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.executions_started_by ATTACH PARTITION history.executions_2026_12_started_by_idx;

-- executions_2026_12_tenant_id_parent_id_idx; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.executions_parent ATTACH PARTITION history.executions_2026_12_tenant_id_parent_id_idx;

-- executions_2026_12_workflow_id_tenant_id_workflow_version_idx; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.executions_workflow ATTACH PARTITION history.executions_2026_12_workflow_id_tenant_id_workflow_version_idx;

-- executions_2027_01_pkey; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.executions_pkey ATTACH PARTITION history.executions_2027_01_pkey;

-- executions_2027_01_started_by_idx; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.executions_started_by ATTACH PARTITION history.executions_2027_01_started_by_idx;

-- executions_2027_01_tenant_id_parent_id_idx; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.executions_parent ATTACH PARTITION history.executions_2027_01_tenant_id_parent_id_idx;

-- executions_2027_01_workflow_id_tenant_id_workflow_version_idx; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.executions_workflow ATTACH PARTITION history.executions_2027_01_workflow_id_tenant_id_workflow_version_idx;

-- executions_2027_02_pkey; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.executions_pkey ATTACH PARTITION history.executions_2027_02_pkey;

-- executions_2027_02_started_by_idx; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.executions_started_by ATTACH PARTITION history.executions_2027_02_started_by_idx;

-- executions_2027_02_tenant_id_parent_id_idx; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.executions_parent ATTACH PARTITION history.executions_2027_02_tenant_id_parent_id_idx;

-- executions_2027_02_workflow_id_tenant_id_workflow_version_idx; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.executions_workflow ATTACH PARTITION history.executions_2027_02_workflow_id_tenant_id_workflow_version_idx;

-- executions_other_pkey; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.executions_pkey ATTACH PARTITION history.executions_other_pkey;

-- executions_other_started_by_idx; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.executions_started_by ATTACH PARTITION history.executions_other_started_by_idx;

-- executions_other_tenant_id_parent_id_idx; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.executions_parent ATTACH PARTITION history.executions_other_tenant_id_parent_id_idx;

-- executions_other_workflow_id_tenant_id_workflow_version_idx; Type: INDEX ATTACH; Schema: history
ALTER INDEX public.executions_workflow ATTACH PARTITION history.executions_other_workflow_id_tenant_id_workflow_version_idx;

-- inbox _010_append_only; Type: TRIGGER; Schema: audit
CREATE TRIGGER _010_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON audit.inbox FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();

-- log _010_append_only; Type: TRIGGER; Schema: audit
CREATE TRIGGER _010_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON audit.log FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();

-- log_default _010_append_only; Type: TRIGGER; Schema: audit
CREATE TRIGGER _010_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON audit.log_default FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();

-- users aias_100_sync_profile; Type: TRIGGER; Schema: auth
CREATE TRIGGER aias_100_sync_profile AFTER INSERT OR UPDATE OF email ON auth.users FOR EACH ROW EXECUTE FUNCTION private.sync_profile();

-- users aias_800_record_sign_in; Type: TRIGGER; Schema: auth
CREATE TRIGGER aias_800_record_sign_in AFTER UPDATE OF last_sign_in_at ON auth.users FOR EACH ROW WHEN ((new.last_sign_in_at IS DISTINCT FROM old.last_sign_in_at)) EXECUTE FUNCTION audit.record_sign_in();

-- plan_prices _100_derive_later; Type: TRIGGER; Schema: billing
CREATE TRIGGER _100_derive_later AFTER INSERT OR DELETE OR UPDATE ON billing.plan_prices FOR EACH STATEMENT EXECUTE FUNCTION billing.derive_later();

-- settings _100_derive_later; Type: TRIGGER; Schema: billing
CREATE TRIGGER _100_derive_later AFTER UPDATE ON billing.settings FOR EACH STATEMENT EXECUTE FUNCTION billing.derive_later();

-- embedding_models _050_keep_dimensions; Type: TRIGGER; Schema: private
CREATE TRIGGER _050_keep_dimensions BEFORE UPDATE ON private.embedding_models FOR EACH ROW EXECUTE FUNCTION private.keep_dimensions();

-- tenants _010_wait_for_chainer; Type: TRIGGER; Schema: public
CREATE TRIGGER _010_wait_for_chainer BEFORE DELETE ON public.tenants FOR EACH STATEMENT EXECUTE FUNCTION audit.wait_for_chainer();

-- agent_versions _050_keep_as_it_is; Type: TRIGGER; Schema: public
CREATE TRIGGER _050_keep_as_it_is BEFORE UPDATE ON public.agent_versions FOR EACH ROW WHEN ((new.* IS DISTINCT FROM old.*)) EXECUTE FUNCTION private.keep_version_as_it_is();

-- agent_documents _050_keep_columns; Type: TRIGGER; Schema: public
CREATE TRIGGER _050_keep_columns BEFORE UPDATE ON public.agent_documents FOR EACH ROW EXECUTE FUNCTION private.keep_columns('agent_id', 'created_by', 'created_at');

-- ai_agents _050_keep_columns; Type: TRIGGER; Schema: public
CREATE TRIGGER _050_keep_columns BEFORE UPDATE ON public.ai_agents FOR EACH ROW EXECUTE FUNCTION private.keep_columns('created_by', 'created_at');

-- roles _050_keep_columns; Type: TRIGGER; Schema: public
CREATE TRIGGER _050_keep_columns BEFORE UPDATE ON public.roles FOR EACH ROW EXECUTE FUNCTION private.keep_columns('created_at');

-- tenants _050_keep_columns; Type: TRIGGER; Schema: public
CREATE TRIGGER _050_keep_columns BEFORE UPDATE ON public.tenants FOR EACH ROW EXECUTE FUNCTION private.keep_columns('id', 'plan_id', 'status', 'features', 'limit_overrides', 'billing_anchor', 'created_at', 'region', 'cancelled_at', 'cancelled_by_owner');

-- users _050_keep_columns; Type: TRIGGER; Schema: public
CREATE TRIGGER _050_keep_columns BEFORE UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION private.keep_columns('id', 'email', 'created_at');

-- workflows _050_keep_columns; Type: TRIGGER; Schema: public
CREATE TRIGGER _050_keep_columns BEFORE UPDATE ON public.workflows FOR EACH ROW EXECUTE FUNCTION private.keep_columns('created_by', 'created_at');

-- agent_documents _050_stamp_author; Type: TRIGGER; Schema: public
CREATE TRIGGER _050_stamp_author BEFORE INSERT ON public.agent_documents FOR EACH ROW EXECUTE FUNCTION private.stamp_author();

-- ai_agents _050_stamp_author; Type: TRIGGER; Schema: public
CREATE TRIGGER _050_stamp_author BEFORE INSERT ON public.ai_agents FOR EACH ROW EXECUTE FUNCTION private.stamp_author();

-- workflows _050_stamp_author; Type: TRIGGER; Schema: public
CREATE TRIGGER _050_stamp_author BEFORE INSERT ON public.workflows FOR EACH ROW EXECUTE FUNCTION private.stamp_author();

-- agent_documents _060_keep_identity; Type: TRIGGER; Schema: public
CREATE TRIGGER _060_keep_identity BEFORE UPDATE ON public.agent_documents FOR EACH ROW WHEN (((new.tenant_id IS DISTINCT FROM old.tenant_id) OR (new.id IS DISTINCT FROM old.id))) EXECUTE FUNCTION private.keep_identity();

-- ai_agents _060_keep_identity; Type: TRIGGER; Schema: public
CREATE TRIGGER _060_keep_identity BEFORE UPDATE ON public.ai_agents FOR EACH ROW WHEN (((new.tenant_id IS DISTINCT FROM old.tenant_id) OR (new.id IS DISTINCT FROM old.id))) EXECUTE FUNCTION private.keep_identity();

-- invitations _060_keep_identity; Type: TRIGGER; Schema: public
CREATE TRIGGER _060_keep_identity BEFORE UPDATE ON public.invitations FOR EACH ROW WHEN (((new.tenant_id IS DISTINCT FROM old.tenant_id) OR (new.id IS DISTINCT FROM old.id))) EXECUTE FUNCTION private.keep_identity();

-- memberships _060_keep_identity; Type: TRIGGER; Schema: public
CREATE TRIGGER _060_keep_identity BEFORE UPDATE ON public.memberships FOR EACH ROW WHEN (((new.tenant_id IS DISTINCT FROM old.tenant_id) OR (new.user_id IS DISTINCT FROM old.user_id))) EXECUTE FUNCTION private.keep_identity();

-- roles _060_keep_identity; Type: TRIGGER; Schema: public
CREATE TRIGGER _060_keep_identity BEFORE UPDATE ON public.roles FOR EACH ROW WHEN (((new.tenant_id IS DISTINCT FROM old.tenant_id) OR (new.key IS DISTINCT FROM old.key))) EXECUTE FUNCTION private.keep_identity();

-- tenant_domains _060_keep_identity; Type: TRIGGER; Schema: public
CREATE TRIGGER _060_keep_identity BEFORE UPDATE ON public.tenant_domains FOR EACH ROW WHEN (((new.tenant_id IS DISTINCT FROM old.tenant_id) OR (new.id IS DISTINCT FROM old.id) OR (new.domain IS DISTINCT FROM old.domain))) EXECUTE FUNCTION private.keep_identity();

-- workflows _060_keep_identity; Type: TRIGGER; Schema: public
CREATE TRIGGER _060_keep_identity BEFORE UPDATE ON public.workflows FOR EACH ROW WHEN (((new.tenant_id IS DISTINCT FROM old.tenant_id) OR (new.id IS DISTINCT FROM old.id))) EXECUTE FUNCTION private.keep_identity();

-- tenants _060_note_cancellation; Type: TRIGGER; Schema: public
CREATE TRIGGER _060_note_cancellation BEFORE INSERT OR UPDATE OF status, cancelled_at ON public.tenants FOR EACH ROW EXECUTE FUNCTION private.note_cancellation();

-- tenants _070_guard_subdomain_of_changed; Type: TRIGGER; Schema: public
CREATE TRIGGER _070_guard_subdomain_of_changed BEFORE UPDATE OF subdomain ON public.tenants FOR EACH ROW WHEN ((new.subdomain IS DISTINCT FROM old.subdomain)) EXECUTE FUNCTION private.guard_subdomain();

-- tenants _070_guard_subdomain_of_new; Type: TRIGGER; Schema: public
CREATE TRIGGER _070_guard_subdomain_of_new BEFORE INSERT ON public.tenants FOR EACH ROW EXECUTE FUNCTION private.guard_subdomain();

-- workflows _100_check; Type: TRIGGER; Schema: public
CREATE TRIGGER _100_check BEFORE INSERT OR UPDATE ON public.workflows FOR EACH ROW EXECUTE FUNCTION private.check_workflow();

-- ai_agents _100_check_tools; Type: TRIGGER; Schema: public
CREATE TRIGGER _100_check_tools BEFORE INSERT OR UPDATE OF config ON public.ai_agents FOR EACH ROW EXECUTE FUNCTION private.check_agent_tools();

-- tenants _100_forget_billing; Type: TRIGGER; Schema: public
CREATE TRIGGER _100_forget_billing BEFORE DELETE ON public.tenants FOR EACH ROW EXECUTE FUNCTION billing.forget_tenant();

-- roles _100_guard; Type: TRIGGER; Schema: public
CREATE TRIGGER _100_guard BEFORE INSERT OR DELETE OR UPDATE ON public.roles FOR EACH ROW EXECUTE FUNCTION private.guard_role();

-- tenants _100_guard_second_factor; Type: TRIGGER; Schema: public
CREATE TRIGGER _100_guard_second_factor BEFORE UPDATE OF requires_second_factor ON public.tenants FOR EACH ROW WHEN ((new.requires_second_factor IS DISTINCT FROM old.requires_second_factor)) EXECUTE FUNCTION private.guard_second_factor();

-- execution_steps _100_keep_final; Type: TRIGGER; Schema: public
CREATE TRIGGER _100_keep_final BEFORE UPDATE ON public.execution_steps FOR EACH ROW EXECUTE FUNCTION private.keep_final_step();

-- users _100_lock_access; Type: TRIGGER; Schema: public
CREATE TRIGGER _100_lock_access BEFORE DELETE ON public.users FOR EACH ROW EXECUTE FUNCTION private.lock_access_of_person();

-- subscription_plans _100_remember_prices; Type: TRIGGER; Schema: public
CREATE TRIGGER _100_remember_prices AFTER INSERT OR UPDATE OF stripe_price_monthly, stripe_price_yearly ON public.subscription_plans FOR EACH ROW EXECUTE FUNCTION billing.remember_prices();

-- subscription_plans _100_sync_limits; Type: TRIGGER; Schema: public
CREATE TRIGGER _100_sync_limits AFTER UPDATE OF limits ON public.subscription_plans FOR EACH ROW WHEN ((old.limits IS DISTINCT FROM new.limits)) EXECUTE FUNCTION private.sync_plan_limits();

-- tenants _100_sync_limits; Type: TRIGGER; Schema: public
CREATE TRIGGER _100_sync_limits AFTER INSERT OR UPDATE OF plan_id, limit_overrides, billing_anchor ON public.tenants FOR EACH ROW EXECUTE FUNCTION private.sync_tenant_limits();

-- ai_agents _110_check_embedding_model; Type: TRIGGER; Schema: public
CREATE TRIGGER _110_check_embedding_model BEFORE INSERT OR UPDATE OF embedding_model ON public.ai_agents FOR EACH ROW WHEN ((new.embedding_model IS NOT NULL)) EXECUTE FUNCTION private.check_embedding_model();

-- ai_agents _110_number_version; Type: TRIGGER; Schema: public
CREATE TRIGGER _110_number_version BEFORE INSERT OR UPDATE ON public.ai_agents FOR EACH ROW EXECUTE FUNCTION private.number_agent_version();

-- subscription_plans _150_sync_queue; Type: TRIGGER; Schema: public
CREATE TRIGGER _150_sync_queue AFTER UPDATE OF limits, queue_weight ON public.subscription_plans FOR EACH ROW WHEN (((old.limits IS DISTINCT FROM new.limits) OR (old.queue_weight IS DISTINCT FROM new.queue_weight))) EXECUTE FUNCTION queue.sync_tenants_of_plan();

-- tenants _150_sync_queue; Type: TRIGGER; Schema: public
CREATE TRIGGER _150_sync_queue AFTER INSERT OR UPDATE OF status, plan_id, limit_overrides ON public.tenants FOR EACH ROW EXECUTE FUNCTION queue.sync_changed_tenant();

-- agent_documents _200_chunk; Type: TRIGGER; Schema: public
CREATE TRIGGER _200_chunk AFTER INSERT ON public.agent_documents FOR EACH ROW EXECUTE FUNCTION private.chunk_document();

-- agent_documents _200_chunk_again; Type: TRIGGER; Schema: public
CREATE TRIGGER _200_chunk_again AFTER UPDATE ON public.agent_documents FOR EACH ROW WHEN (((new.content IS DISTINCT FROM old.content) OR (new.agent_id IS DISTINCT FROM old.agent_id))) EXECUTE FUNCTION private.chunk_document();

-- memberships _200_empty_stock; Type: TRIGGER; Schema: public
CREATE TRIGGER _200_empty_stock AFTER TRUNCATE ON public.memberships FOR EACH STATEMENT EXECUTE FUNCTION private.empty_stock('users');

-- invitations _200_end; Type: TRIGGER; Schema: public
CREATE TRIGGER _200_end AFTER UPDATE OF accepted_at, declined_at, revoked_at ON public.invitations FOR EACH ROW WHEN (((num_nonnulls(old.accepted_at, old.declined_at, old.revoked_at) = 0) AND (num_nonnulls(new.accepted_at, new.declined_at, new.revoked_at) > 0))) EXECUTE FUNCTION private.end_invitation();

-- memberships _200_give_stock_back; Type: TRIGGER; Schema: public
CREATE TRIGGER _200_give_stock_back AFTER DELETE ON public.memberships REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION private.give_stock_back('users');

-- executions _200_keep_count; Type: TRIGGER; Schema: public
CREATE TRIGGER _200_keep_count AFTER DELETE ON public.executions REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION billing.keep_count_of_executions();

-- ai_agents _200_keep_first_version; Type: TRIGGER; Schema: public
CREATE TRIGGER _200_keep_first_version AFTER INSERT ON public.ai_agents FOR EACH ROW EXECUTE FUNCTION private.keep_agent_version();

-- ai_agents _200_keep_version; Type: TRIGGER; Schema: public
CREATE TRIGGER _200_keep_version AFTER UPDATE ON public.ai_agents FOR EACH ROW WHEN ((new.version <> old.version)) EXECUTE FUNCTION private.keep_agent_version();

-- workflows _200_publish; Type: TRIGGER; Schema: public
CREATE TRIGGER _200_publish AFTER UPDATE ON public.workflows FOR EACH ROW WHEN ((new.version <> old.version)) EXECUTE FUNCTION private.publish_workflow();

-- workflows _200_publish_new; Type: TRIGGER; Schema: public
CREATE TRIGGER _200_publish_new AFTER INSERT ON public.workflows FOR EACH ROW WHEN ((new.version > 0)) EXECUTE FUNCTION private.publish_workflow();

-- memberships _200_take_stock; Type: TRIGGER; Schema: public
CREATE TRIGGER _200_take_stock AFTER INSERT ON public.memberships REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION private.take_stock('users');

-- agent_documents _250_embed; Type: TRIGGER; Schema: public
CREATE TRIGGER _250_embed AFTER INSERT ON public.agent_documents REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION private.embed_new_documents();

-- agent_documents _250_embed_again; Type: TRIGGER; Schema: public
CREATE TRIGGER _250_embed_again AFTER UPDATE ON public.agent_documents REFERENCING OLD TABLE AS deleted NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION private.embed_changed_documents();

-- ai_agents _250_follow_embedding_model; Type: TRIGGER; Schema: public
CREATE TRIGGER _250_follow_embedding_model AFTER UPDATE OF embedding_model ON public.ai_agents FOR EACH ROW EXECUTE FUNCTION private.follow_embedding_model();

-- workflows _250_publish_trigger; Type: TRIGGER; Schema: public
CREATE TRIGGER _250_publish_trigger AFTER UPDATE ON public.workflows FOR EACH ROW WHEN (((old.status IS DISTINCT FROM new.status) OR (old.version IS DISTINCT FROM new.version))) EXECUTE FUNCTION private.publish_trigger();

-- workflows _250_publish_trigger_of_new; Type: TRIGGER; Schema: public
CREATE TRIGGER _250_publish_trigger_of_new AFTER INSERT ON public.workflows FOR EACH ROW WHEN ((new.status = 'active'::text)) EXECUTE FUNCTION private.publish_trigger();

-- provider_keys _250_retry_embeddings; Type: TRIGGER; Schema: public
CREATE TRIGGER _250_retry_embeddings AFTER INSERT OR UPDATE ON public.provider_keys FOR EACH ROW EXECUTE FUNCTION private.retry_embeddings_with_key();

-- agent_documents _300_change_stock; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_change_stock AFTER UPDATE ON public.agent_documents REFERENCING OLD TABLE AS deleted NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION private.count_documents();

-- agent_documents _300_empty_stock; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_empty_stock AFTER TRUNCATE ON public.agent_documents FOR EACH STATEMENT EXECUTE FUNCTION private.recount_storage();

-- workflows _300_empty_stock; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_empty_stock AFTER TRUNCATE ON public.workflows FOR EACH STATEMENT EXECUTE FUNCTION private.empty_stock('workflows');

-- executions _300_forget_all_executions; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_forget_all_executions AFTER TRUNCATE ON public.executions FOR EACH STATEMENT EXECUTE FUNCTION queue.forget_executions();

-- executions _300_forget_executions; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_forget_executions AFTER DELETE ON public.executions REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION queue.forget_executions();

-- agent_documents _300_give_stock_back; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_give_stock_back AFTER DELETE ON public.agent_documents REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION private.count_documents();

-- workflows _300_give_stock_back; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_give_stock_back AFTER DELETE ON public.workflows REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION private.give_stock_back('workflows');

-- roles _300_refresh_access; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_refresh_access AFTER UPDATE OF permissions ON public.roles FOR EACH ROW WHEN ((old.permissions IS DISTINCT FROM new.permissions)) EXECUTE FUNCTION private.refresh_tenant_access('tenant_id');

-- tenants _300_refresh_access; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_refresh_access AFTER UPDATE OF status, requires_second_factor, cancelled_at ON public.tenants FOR EACH ROW WHEN ((((old.status IS DISTINCT FROM new.status) OR (old.requires_second_factor IS DISTINCT FROM new.requires_second_factor)) OR (old.cancelled_at IS DISTINCT FROM new.cancelled_at))) EXECUTE FUNCTION private.refresh_tenant_access('id');

-- api_keys _300_refresh_access_of_all; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_refresh_access_of_all AFTER TRUNCATE ON public.api_keys FOR EACH STATEMENT EXECUTE FUNCTION private.refresh_all_access();

-- memberships _300_refresh_access_of_all; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_refresh_access_of_all AFTER TRUNCATE ON public.memberships FOR EACH STATEMENT EXECUTE FUNCTION private.refresh_all_access();

-- permissions _300_refresh_access_of_all; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_refresh_access_of_all AFTER UPDATE ON public.permissions FOR EACH ROW WHEN ((((old."bit" IS DISTINCT FROM new."bit") OR (old.allowed_when_suspended IS DISTINCT FROM new.allowed_when_suspended)) OR (old.allowed_without_second_factor IS DISTINCT FROM new.allowed_without_second_factor))) EXECUTE FUNCTION private.refresh_all_access();

-- api_keys _300_refresh_access_of_changed; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_refresh_access_of_changed AFTER UPDATE OF scopes, expires_at, revoked_at ON public.api_keys FOR EACH ROW EXECUTE FUNCTION private.refresh_tenant_access('tenant_id');

-- memberships _300_refresh_access_of_changed; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_refresh_access_of_changed AFTER UPDATE ON public.memberships REFERENCING OLD TABLE AS deleted NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION private.refresh_changed_access('user_id');

-- api_keys _300_refresh_access_of_gone; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_refresh_access_of_gone AFTER DELETE ON public.api_keys REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION private.refresh_changed_access('id');

-- memberships _300_refresh_access_of_gone; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_refresh_access_of_gone AFTER DELETE ON public.memberships REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION private.refresh_changed_access('user_id');

-- api_keys _300_refresh_access_of_new; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_refresh_access_of_new AFTER INSERT ON public.api_keys REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION private.refresh_changed_access('id');

-- memberships _300_refresh_access_of_new; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_refresh_access_of_new AFTER INSERT ON public.memberships REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION private.refresh_changed_access('user_id');

-- agent_documents _300_take_stock; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_take_stock AFTER INSERT ON public.agent_documents REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION private.count_documents();

-- workflows _300_take_stock; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_take_stock AFTER INSERT ON public.workflows REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION private.take_stock('workflows');

-- memberships _400_keep_an_owner_by_delete; Type: TRIGGER; Schema: public
CREATE TRIGGER _400_keep_an_owner_by_delete AFTER DELETE ON public.memberships REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION private.keep_an_owner();

-- memberships _400_keep_an_owner_by_update; Type: TRIGGER; Schema: public
CREATE TRIGGER _400_keep_an_owner_by_update AFTER UPDATE ON public.memberships REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION private.keep_an_owner();

-- ai_agents _400_start_by_delete; Type: TRIGGER; Schema: public
CREATE TRIGGER _400_start_by_delete AFTER DELETE ON public.ai_agents REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION private.start_by_event('tenant_id', 'id');

-- memberships _400_start_by_delete; Type: TRIGGER; Schema: public
CREATE TRIGGER _400_start_by_delete AFTER DELETE ON public.memberships REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION private.start_by_event('tenant_id', 'user_id');

-- workflows _400_start_by_delete; Type: TRIGGER; Schema: public
CREATE TRIGGER _400_start_by_delete AFTER DELETE ON public.workflows REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION private.start_by_event('tenant_id', 'id');

-- ai_agents _400_start_by_insert; Type: TRIGGER; Schema: public
CREATE TRIGGER _400_start_by_insert AFTER INSERT ON public.ai_agents REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION private.start_by_event('tenant_id', 'id');

-- memberships _400_start_by_insert; Type: TRIGGER; Schema: public
CREATE TRIGGER _400_start_by_insert AFTER INSERT ON public.memberships REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION private.start_by_event('tenant_id', 'user_id');

-- workflows _400_start_by_insert; Type: TRIGGER; Schema: public
CREATE TRIGGER _400_start_by_insert AFTER INSERT ON public.workflows REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION private.start_by_event('tenant_id', 'id');

-- ai_agents _400_start_by_update; Type: TRIGGER; Schema: public
CREATE TRIGGER _400_start_by_update AFTER UPDATE ON public.ai_agents REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION private.start_by_event('tenant_id', 'id');

-- memberships _400_start_by_update; Type: TRIGGER; Schema: public
CREATE TRIGGER _400_start_by_update AFTER UPDATE ON public.memberships REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION private.start_by_event('tenant_id', 'user_id');

-- workflows _400_start_by_update; Type: TRIGGER; Schema: public
CREATE TRIGGER _400_start_by_update AFTER UPDATE ON public.workflows REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION private.start_by_event('tenant_id', 'id');

-- agent_documents _800_audit; Type: TRIGGER; Schema: public
CREATE TRIGGER _800_audit AFTER INSERT OR DELETE OR UPDATE ON public.agent_documents FOR EACH ROW EXECUTE FUNCTION aias.record_change('tenant_id', 'id');

-- ai_agents _800_audit; Type: TRIGGER; Schema: public
CREATE TRIGGER _800_audit AFTER INSERT OR DELETE OR UPDATE ON public.ai_agents FOR EACH ROW EXECUTE FUNCTION aias.record_change('tenant_id', 'id');

-- api_keys _800_audit; Type: TRIGGER; Schema: public
CREATE TRIGGER _800_audit AFTER INSERT OR DELETE ON public.api_keys FOR EACH ROW EXECUTE FUNCTION aias.record_change('tenant_id', 'id');

-- invitations _800_audit; Type: TRIGGER; Schema: public
CREATE TRIGGER _800_audit AFTER INSERT OR DELETE OR UPDATE ON public.invitations FOR EACH ROW EXECUTE FUNCTION aias.record_change('tenant_id', 'id');

-- invoices _800_audit; Type: TRIGGER; Schema: public
CREATE TRIGGER _800_audit AFTER INSERT OR DELETE OR UPDATE ON public.invoices FOR EACH ROW EXECUTE FUNCTION aias.record_change('tenant_id', 'id');

-- memberships _800_audit; Type: TRIGGER; Schema: public
CREATE TRIGGER _800_audit AFTER INSERT OR DELETE OR UPDATE ON public.memberships FOR EACH ROW EXECUTE FUNCTION aias.record_change('tenant_id', 'user_id');

-- rate_limits _800_audit; Type: TRIGGER; Schema: public
CREATE TRIGGER _800_audit AFTER INSERT OR DELETE OR UPDATE ON public.rate_limits FOR EACH ROW EXECUTE FUNCTION aias.record_change('tenant_id', 'id');

-- roles _800_audit; Type: TRIGGER; Schema: public
CREATE TRIGGER _800_audit AFTER INSERT OR DELETE OR UPDATE ON public.roles FOR EACH ROW EXECUTE FUNCTION aias.record_change('tenant_id', 'key');

-- subscriptions _800_audit; Type: TRIGGER; Schema: public
CREATE TRIGGER _800_audit AFTER INSERT OR DELETE OR UPDATE ON public.subscriptions FOR EACH ROW EXECUTE FUNCTION aias.record_change('tenant_id', 'id');

-- tenant_domains _800_audit; Type: TRIGGER; Schema: public
CREATE TRIGGER _800_audit AFTER INSERT OR DELETE OR UPDATE ON public.tenant_domains FOR EACH ROW EXECUTE FUNCTION aias.record_change('tenant_id', 'id');

-- tenants _800_audit; Type: TRIGGER; Schema: public
CREATE TRIGGER _800_audit AFTER INSERT OR DELETE OR UPDATE ON public.tenants FOR EACH ROW EXECUTE FUNCTION aias.record_change('id', 'id');

-- workflows _800_audit; Type: TRIGGER; Schema: public
CREATE TRIGGER _800_audit AFTER INSERT OR DELETE OR UPDATE ON public.workflows FOR EACH ROW EXECUTE FUNCTION aias.record_change('tenant_id', 'id');

-- api_keys _800_audit_changed; Type: TRIGGER; Schema: public
CREATE TRIGGER _800_audit_changed AFTER UPDATE ON public.api_keys FOR EACH ROW WHEN (((to_jsonb(old.*) - 'last_used_at'::text) IS DISTINCT FROM (to_jsonb(new.*) - 'last_used_at'::text))) EXECUTE FUNCTION aias.record_change('tenant_id', 'id');

-- ai_agents _800_forget_answers; Type: TRIGGER; Schema: public
CREATE TRIGGER _800_forget_answers AFTER UPDATE ON public.ai_agents FOR EACH ROW EXECUTE FUNCTION private.forget_answers_of_agent();

-- tenants _800_forget_answers; Type: TRIGGER; Schema: public
CREATE TRIGGER _800_forget_answers AFTER UPDATE ON public.tenants FOR EACH ROW WHEN (((new.answer_cache_seconds IS NULL) AND (old.answer_cache_seconds IS NOT NULL))) EXECUTE FUNCTION private.forget_answers_of_tenant();

-- tenants _800_shorten_captured_calls; Type: TRIGGER; Schema: public
CREATE TRIGGER _800_shorten_captured_calls AFTER UPDATE ON public.tenants FOR EACH ROW WHEN (((old.content_kept_days IS NOT NULL) AND (new.content_kept_days IS DISTINCT FROM old.content_kept_days))) EXECUTE FUNCTION private.shorten_captured_calls();

-- tenants _900_forget_all_quotas; Type: TRIGGER; Schema: public
CREATE TRIGGER _900_forget_all_quotas AFTER TRUNCATE ON public.tenants FOR EACH STATEMENT EXECUTE FUNCTION private.forget_all_quotas();

-- tenants _900_forget_quotas; Type: TRIGGER; Schema: public
CREATE TRIGGER _900_forget_quotas AFTER DELETE ON public.tenants FOR EACH ROW EXECUTE FUNCTION private.forget_quotas();

-- agent_documents _900_touch; Type: TRIGGER; Schema: public
CREATE TRIGGER _900_touch BEFORE UPDATE ON public.agent_documents FOR EACH ROW EXECUTE FUNCTION private.touch_updated_at();

-- ai_agents _900_touch; Type: TRIGGER; Schema: public
CREATE TRIGGER _900_touch BEFORE UPDATE ON public.ai_agents FOR EACH ROW EXECUTE FUNCTION private.touch_updated_at();

-- rate_limits _900_touch; Type: TRIGGER; Schema: public
CREATE TRIGGER _900_touch BEFORE UPDATE ON public.rate_limits FOR EACH ROW EXECUTE FUNCTION private.touch_updated_at();

-- tenants _900_touch; Type: TRIGGER; Schema: public
CREATE TRIGGER _900_touch BEFORE UPDATE ON public.tenants FOR EACH ROW EXECUTE FUNCTION private.touch_updated_at();

-- users _900_touch; Type: TRIGGER; Schema: public
CREATE TRIGGER _900_touch BEFORE UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION private.touch_updated_at();

-- workflows _900_touch; Type: TRIGGER; Schema: public
CREATE TRIGGER _900_touch BEFORE UPDATE ON public.workflows FOR EACH ROW EXECUTE FUNCTION private.touch_updated_at();

-- tenants _910_forget_all_audit; Type: TRIGGER; Schema: public
CREATE TRIGGER _910_forget_all_audit AFTER TRUNCATE ON public.tenants FOR EACH STATEMENT EXECUTE FUNCTION audit.forget_tenant();

-- tenants _910_forget_audit; Type: TRIGGER; Schema: public
CREATE TRIGGER _910_forget_audit AFTER DELETE ON public.tenants FOR EACH ROW EXECUTE FUNCTION audit.forget_tenant();

-- mails _100_forget; Type: TRIGGER; Schema: queue
CREATE TRIGGER _100_forget BEFORE UPDATE ON queue.mails FOR EACH ROW WHEN (((new.template = 'workflow'::text) AND (new.status <> 'queued'::text))) EXECUTE FUNCTION queue.forget_mail();

-- accounts accounts_tenant_id_fkey; Type: FK CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.accounts
    ADD CONSTRAINT accounts_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- customers customers_tenant_id_fkey; Type: FK CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.customers
    ADD CONSTRAINT customers_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- limit_warnings limit_warnings_tenant_id_fkey; Type: FK CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.limit_warnings
    ADD CONSTRAINT limit_warnings_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- meter_days meter_days_meter_fkey; Type: FK CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.meter_days
    ADD CONSTRAINT meter_days_meter_fkey FOREIGN KEY (meter) REFERENCES billing.meters(key);

-- meter_days meter_days_tenant_id_fkey; Type: FK CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.meter_days
    ADD CONSTRAINT meter_days_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- meter_events meter_events_meter_fkey; Type: FK CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.meter_events
    ADD CONSTRAINT meter_events_meter_fkey FOREIGN KEY (meter) REFERENCES billing.meters(key);

-- meter_events meter_events_tenant_id_fkey; Type: FK CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.meter_events
    ADD CONSTRAINT meter_events_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- meter_prices meter_prices_meter_fkey; Type: FK CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.meter_prices
    ADD CONSTRAINT meter_prices_meter_fkey FOREIGN KEY (meter) REFERENCES billing.meters(key) ON DELETE CASCADE;

-- meter_prices meter_prices_plan_id_fkey; Type: FK CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.meter_prices
    ADD CONSTRAINT meter_prices_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES public.subscription_plans(id) ON DELETE CASCADE;

-- meter_sums meter_sum_is_of_a_day; Type: FK CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.meter_sums
    ADD CONSTRAINT meter_sum_is_of_a_day FOREIGN KEY (tenant_id, meter, customer, day) REFERENCES billing.meter_days(tenant_id, meter, customer, day) ON DELETE CASCADE;

-- metered_tenants metered_tenants_tenant_id_fkey; Type: FK CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.metered_tenants
    ADD CONSTRAINT metered_tenants_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- plan_prices plan_prices_plan_id_fkey; Type: FK CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.plan_prices
    ADD CONSTRAINT plan_prices_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES public.subscription_plans(id) ON DELETE CASCADE;

-- removed_executions removed_executions_tenant_id_fkey; Type: FK CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.removed_executions
    ADD CONSTRAINT removed_executions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- settings settings_plan_without_subscription_fkey; Type: FK CONSTRAINT; Schema: billing
ALTER TABLE ONLY billing.settings
    ADD CONSTRAINT settings_plan_without_subscription_fkey FOREIGN KEY (plan_without_subscription) REFERENCES public.subscription_plans(id);

-- access_epochs access_epochs_tenant_id_fkey; Type: FK CONSTRAINT; Schema: private
ALTER TABLE ONLY private.access_epochs
    ADD CONSTRAINT access_epochs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- access access_tenant_id_fkey; Type: FK CONSTRAINT; Schema: private
ALTER TABLE ONLY private.access
    ADD CONSTRAINT access_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- cached_answers cached_answer_is_of_an_agent; Type: FK CONSTRAINT; Schema: private
ALTER TABLE ONLY private.cached_answers
    ADD CONSTRAINT cached_answer_is_of_an_agent FOREIGN KEY (tenant_id, agent_id) REFERENCES public.ai_agents(tenant_id, id) ON DELETE CASCADE;

-- cached_answers cached_answers_tenant_id_fkey; Type: FK CONSTRAINT; Schema: private
ALTER TABLE ONLY private.cached_answers
    ADD CONSTRAINT cached_answers_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- document_chunks chunk_belongs_to_a_document; Type: FK CONSTRAINT; Schema: private
ALTER TABLE ONLY private.document_chunks
    ADD CONSTRAINT chunk_belongs_to_a_document FOREIGN KEY (tenant_id, document_id) REFERENCES public.agent_documents(tenant_id, id) ON DELETE CASCADE;

-- export_chunks chunk_belongs_to_an_export; Type: FK CONSTRAINT; Schema: private
ALTER TABLE ONLY private.export_chunks
    ADD CONSTRAINT chunk_belongs_to_an_export FOREIGN KEY (tenant_id, export_id) REFERENCES public.tenant_exports(tenant_id, id) ON DELETE CASCADE;

-- event_sources event_sources_permission_fkey; Type: FK CONSTRAINT; Schema: private
ALTER TABLE ONLY private.event_sources
    ADD CONSTRAINT event_sources_permission_fkey FOREIGN KEY (permission) REFERENCES public.permissions(key);

-- execution_keys execution_keys_tenant_id_fkey; Type: FK CONSTRAINT; Schema: private
ALTER TABLE ONLY private.execution_keys
    ADD CONSTRAINT execution_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- api_key_hashes hash_belongs_to_a_key; Type: FK CONSTRAINT; Schema: private
ALTER TABLE ONLY private.api_key_hashes
    ADD CONSTRAINT hash_belongs_to_a_key FOREIGN KEY (tenant_id, key_id) REFERENCES public.api_keys(tenant_id, id) ON DELETE CASCADE;

-- event_subscriptions subscription_belongs_to_a_version; Type: FK CONSTRAINT; Schema: private
ALTER TABLE ONLY private.event_subscriptions
    ADD CONSTRAINT subscription_belongs_to_a_version FOREIGN KEY (tenant_id, workflow_id, version) REFERENCES public.workflow_versions(tenant_id, workflow_id, version) ON DELETE CASCADE;

-- tenant_keys tenant_keys_tenant_id_fkey; Type: FK CONSTRAINT; Schema: private
ALTER TABLE ONLY private.tenant_keys
    ADD CONSTRAINT tenant_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- invitation_tokens token_belongs_to_an_invitation; Type: FK CONSTRAINT; Schema: private
ALTER TABLE ONLY private.invitation_tokens
    ADD CONSTRAINT token_belongs_to_an_invitation FOREIGN KEY (tenant_id, invitation_id) REFERENCES public.invitations(tenant_id, id) ON DELETE CASCADE;

-- secret_values value_belongs_to_a_provider_key; Type: FK CONSTRAINT; Schema: private
ALTER TABLE ONLY private.secret_values
    ADD CONSTRAINT value_belongs_to_a_provider_key FOREIGN KEY (tenant_id, provider) REFERENCES public.provider_keys(tenant_id, provider) ON DELETE CASCADE;

-- secret_values value_belongs_to_a_secret; Type: FK CONSTRAINT; Schema: private
ALTER TABLE ONLY private.secret_values
    ADD CONSTRAINT value_belongs_to_a_secret FOREIGN KEY (tenant_id, secret) REFERENCES public.tenant_secrets(tenant_id, name) ON DELETE CASCADE;

-- secret_values value_is_sealed_by_a_key; Type: FK CONSTRAINT; Schema: private
ALTER TABLE ONLY private.secret_values
    ADD CONSTRAINT value_is_sealed_by_a_key FOREIGN KEY (tenant_id, key_generation) REFERENCES private.tenant_keys(tenant_id, generation) DEFERRABLE INITIALLY DEFERRED;

-- document_vectors vector_belongs_to_a_document; Type: FK CONSTRAINT; Schema: private
ALTER TABLE ONLY private.document_vectors
    ADD CONSTRAINT vector_belongs_to_a_document FOREIGN KEY (tenant_id, document_id) REFERENCES public.agent_documents(tenant_id, id) ON DELETE CASCADE;

-- webhooks webhook_belongs_to_a_workflow; Type: FK CONSTRAINT; Schema: private
ALTER TABLE ONLY private.webhooks
    ADD CONSTRAINT webhook_belongs_to_a_workflow FOREIGN KEY (tenant_id, workflow_id) REFERENCES public.workflows(tenant_id, id) ON DELETE CASCADE;

-- agent_documents agent_documents_created_by_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.agent_documents
    ADD CONSTRAINT agent_documents_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.users(id) ON DELETE SET NULL;

-- ai_agents agent_embedding_model_is_known; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.ai_agents
    ADD CONSTRAINT agent_embedding_model_is_known FOREIGN KEY (embedding_model) REFERENCES private.embedding_models(model);

-- agent_versions agent_versions_created_by_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.agent_versions
    ADD CONSTRAINT agent_versions_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.users(id) ON DELETE SET NULL;

-- ai_agents ai_agents_created_by_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.ai_agents
    ADD CONSTRAINT ai_agents_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.users(id) ON DELETE SET NULL;

-- ai_agents ai_agents_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.ai_agents
    ADD CONSTRAINT ai_agents_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- api_keys api_keys_created_by_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.users(id) ON DELETE SET NULL;

-- api_keys api_keys_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- captured_calls captured_calls_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.captured_calls
    ADD CONSTRAINT captured_calls_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- agent_documents document_belongs_to_an_agent; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.agent_documents
    ADD CONSTRAINT document_belongs_to_an_agent FOREIGN KEY (tenant_id, agent_id) REFERENCES public.ai_agents(tenant_id, id) ON DELETE CASCADE;

-- executions execution_runs_a_published_version; Type: FK CONSTRAINT; Schema: public
ALTER TABLE public.executions
    ADD CONSTRAINT execution_runs_a_published_version FOREIGN KEY (workflow_id, tenant_id, workflow_version) REFERENCES public.workflow_versions(workflow_id, tenant_id, version) ON DELETE CASCADE;

-- executions executions_started_by_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE public.executions
    ADD CONSTRAINT executions_started_by_fkey FOREIGN KEY (started_by) REFERENCES public.users(id) ON DELETE SET NULL;

-- executions executions_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE public.executions
    ADD CONSTRAINT executions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- invitations invitations_accepted_by_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_accepted_by_fkey FOREIGN KEY (accepted_by) REFERENCES public.users(id) ON DELETE SET NULL;

-- invitations invitations_invited_by_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_invited_by_fkey FOREIGN KEY (invited_by) REFERENCES public.users(id) ON DELETE SET NULL;

-- invitations invitations_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- invoices invoices_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.invoices
    ADD CONSTRAINT invoices_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- memberships membership_role_exists; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT membership_role_exists FOREIGN KEY (tenant_id, role) REFERENCES public.roles(tenant_id, key);

-- memberships memberships_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- memberships memberships_user_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

-- provider_keys provider_keys_set_by_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.provider_keys
    ADD CONSTRAINT provider_keys_set_by_fkey FOREIGN KEY (set_by) REFERENCES public.users(id) ON DELETE SET NULL;

-- provider_keys provider_keys_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.provider_keys
    ADD CONSTRAINT provider_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- rate_limits rate_limit_belongs_to_a_key; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.rate_limits
    ADD CONSTRAINT rate_limit_belongs_to_a_key FOREIGN KEY (tenant_id, api_key_id) REFERENCES public.api_keys(tenant_id, id) ON DELETE CASCADE;

-- rate_limits rate_limits_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.rate_limits
    ADD CONSTRAINT rate_limits_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- roles roles_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.roles
    ADD CONSTRAINT roles_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- subscriptions subscriptions_plan_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.subscriptions
    ADD CONSTRAINT subscriptions_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES public.subscription_plans(id) ON DELETE SET NULL;

-- subscriptions subscriptions_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.subscriptions
    ADD CONSTRAINT subscriptions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- tenant_domains tenant_domains_created_by_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.tenant_domains
    ADD CONSTRAINT tenant_domains_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.users(id) ON DELETE SET NULL;

-- tenant_domains tenant_domains_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.tenant_domains
    ADD CONSTRAINT tenant_domains_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- tenant_exports tenant_exports_requested_by_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.tenant_exports
    ADD CONSTRAINT tenant_exports_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES public.users(id) ON DELETE SET NULL;

-- tenant_exports tenant_exports_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.tenant_exports
    ADD CONSTRAINT tenant_exports_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- tenants tenant_region_is_known; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenant_region_is_known FOREIGN KEY (region) REFERENCES public.regions(key);

-- tenant_secrets tenant_secrets_created_by_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.tenant_secrets
    ADD CONSTRAINT tenant_secrets_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.users(id) ON DELETE SET NULL;

-- tenant_secrets tenant_secrets_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.tenant_secrets
    ADD CONSTRAINT tenant_secrets_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- tenant_secrets tenant_secrets_updated_by_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.tenant_secrets
    ADD CONSTRAINT tenant_secrets_updated_by_fkey FOREIGN KEY (updated_by) REFERENCES public.users(id) ON DELETE SET NULL;

-- tenants tenants_plan_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES public.subscription_plans(id);

-- usage usage_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.usage
    ADD CONSTRAINT usage_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- users users_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_id_fkey FOREIGN KEY (id) REFERENCES auth.users(id) ON DELETE CASCADE;

-- workflow_versions version_belongs_to_a_workflow; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.workflow_versions
    ADD CONSTRAINT version_belongs_to_a_workflow FOREIGN KEY (tenant_id, workflow_id) REFERENCES public.workflows(tenant_id, id) ON DELETE CASCADE;

-- agent_versions version_belongs_to_an_agent; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.agent_versions
    ADD CONSTRAINT version_belongs_to_an_agent FOREIGN KEY (tenant_id, agent_id) REFERENCES public.ai_agents(tenant_id, id) ON DELETE CASCADE;

-- workflow_versions workflow_versions_created_by_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.workflow_versions
    ADD CONSTRAINT workflow_versions_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.users(id) ON DELETE SET NULL;

-- workflows workflows_created_by_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.workflows
    ADD CONSTRAINT workflows_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.users(id) ON DELETE SET NULL;

-- workflows workflows_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.workflows
    ADD CONSTRAINT workflows_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- capped_calls capped_calls_tenant_id_fkey; Type: FK CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.capped_calls
    ADD CONSTRAINT capped_calls_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- domain_checks check_belongs_to_a_domain; Type: FK CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.domain_checks
    ADD CONSTRAINT check_belongs_to_a_domain FOREIGN KEY (tenant_id, domain_id) REFERENCES public.tenant_domains(tenant_id, id) ON DELETE CASCADE;

-- embedding_jobs embedding_job_belongs_to_an_agent; Type: FK CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.embedding_jobs
    ADD CONSTRAINT embedding_job_belongs_to_an_agent FOREIGN KEY (tenant_id, agent_id) REFERENCES public.ai_agents(tenant_id, id) ON DELETE CASCADE;

-- lanes lanes_tenant_id_fkey; Type: FK CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.lanes
    ADD CONSTRAINT lanes_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES queue.tenants(tenant_id) ON DELETE CASCADE;

-- mails mails_tenant_id_fkey; Type: FK CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.mails
    ADD CONSTRAINT mails_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- schedules schedule_belongs_to_a_version; Type: FK CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.schedules
    ADD CONSTRAINT schedule_belongs_to_a_version FOREIGN KEY (tenant_id, workflow_id, version) REFERENCES public.workflow_versions(tenant_id, workflow_id, version) ON DELETE CASCADE;

-- tenants tenants_tenant_id_fkey; Type: FK CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.tenants
    ADD CONSTRAINT tenants_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- heads; Type: ROW SECURITY; Schema: audit
ALTER TABLE audit.heads ENABLE ROW LEVEL SECURITY;

-- inbox; Type: ROW SECURITY; Schema: audit
ALTER TABLE audit.inbox ENABLE ROW LEVEL SECURITY;

-- log; Type: ROW SECURITY; Schema: audit
ALTER TABLE audit.log ENABLE ROW LEVEL SECURITY;

-- log_default; Type: ROW SECURITY; Schema: audit
ALTER TABLE audit.log_default ENABLE ROW LEVEL SECURITY;

-- log members with audit.read read the log; Type: POLICY; Schema: audit
CREATE POLICY "members with audit.read read the log" ON audit.log FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('audit.read'::text) AS tenants_with)));

-- inbox members with audit.read read what is to be chained; Type: POLICY; Schema: audit
CREATE POLICY "members with audit.read read what is to be chained" ON audit.inbox FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('audit.read'::text) AS tenants_with)));

-- accounts; Type: ROW SECURITY; Schema: billing
ALTER TABLE billing.accounts ENABLE ROW LEVEL SECURITY;

-- customers; Type: ROW SECURITY; Schema: billing
ALTER TABLE billing.customers ENABLE ROW LEVEL SECURITY;

-- events; Type: ROW SECURITY; Schema: billing
ALTER TABLE billing.events ENABLE ROW LEVEL SECURITY;

-- limit_warnings; Type: ROW SECURITY; Schema: billing
ALTER TABLE billing.limit_warnings ENABLE ROW LEVEL SECURITY;

-- limit_watch; Type: ROW SECURITY; Schema: billing
ALTER TABLE billing.limit_watch ENABLE ROW LEVEL SECURITY;

-- meter_days; Type: ROW SECURITY; Schema: billing
ALTER TABLE billing.meter_days ENABLE ROW LEVEL SECURITY;

-- meter_events; Type: ROW SECURITY; Schema: billing
ALTER TABLE billing.meter_events ENABLE ROW LEVEL SECURITY;

-- meter_prices; Type: ROW SECURITY; Schema: billing
ALTER TABLE billing.meter_prices ENABLE ROW LEVEL SECURITY;

-- meter_reports; Type: ROW SECURITY; Schema: billing
ALTER TABLE billing.meter_reports ENABLE ROW LEVEL SECURITY;

-- meter_sums; Type: ROW SECURITY; Schema: billing
ALTER TABLE billing.meter_sums ENABLE ROW LEVEL SECURITY;

-- metered_tenants; Type: ROW SECURITY; Schema: billing
ALTER TABLE billing.metered_tenants ENABLE ROW LEVEL SECURITY;

-- meters; Type: ROW SECURITY; Schema: billing
ALTER TABLE billing.meters ENABLE ROW LEVEL SECURITY;

-- objects; Type: ROW SECURITY; Schema: billing
ALTER TABLE billing.objects ENABLE ROW LEVEL SECURITY;

-- plan_prices; Type: ROW SECURITY; Schema: billing
ALTER TABLE billing.plan_prices ENABLE ROW LEVEL SECURITY;

-- removed_executions; Type: ROW SECURITY; Schema: billing
ALTER TABLE billing.removed_executions ENABLE ROW LEVEL SECURITY;

-- settings; Type: ROW SECURITY; Schema: billing
ALTER TABLE billing.settings ENABLE ROW LEVEL SECURITY;

-- execution_steps_2026_11; Type: ROW SECURITY; Schema: history
ALTER TABLE history.execution_steps_2026_11 ENABLE ROW LEVEL SECURITY;

-- execution_steps_2026_12; Type: ROW SECURITY; Schema: history
ALTER TABLE history.execution_steps_2026_12 ENABLE ROW LEVEL SECURITY;

-- execution_steps_2027_01; Type: ROW SECURITY; Schema: history
ALTER TABLE history.execution_steps_2027_01 ENABLE ROW LEVEL SECURITY;

-- execution_steps_2027_02; Type: ROW SECURITY; Schema: history
ALTER TABLE history.execution_steps_2027_02 ENABLE ROW LEVEL SECURITY;

-- execution_steps_other; Type: ROW SECURITY; Schema: history
ALTER TABLE history.execution_steps_other ENABLE ROW LEVEL SECURITY;

-- executions_2026_11; Type: ROW SECURITY; Schema: history
ALTER TABLE history.executions_2026_11 ENABLE ROW LEVEL SECURITY;

-- executions_2026_12; Type: ROW SECURITY; Schema: history
ALTER TABLE history.executions_2026_12 ENABLE ROW LEVEL SECURITY;

-- executions_2027_01; Type: ROW SECURITY; Schema: history
ALTER TABLE history.executions_2027_01 ENABLE ROW LEVEL SECURITY;

-- executions_2027_02; Type: ROW SECURITY; Schema: history
ALTER TABLE history.executions_2027_02 ENABLE ROW LEVEL SECURITY;

-- executions_other; Type: ROW SECURITY; Schema: history
ALTER TABLE history.executions_other ENABLE ROW LEVEL SECURITY;

-- access; Type: ROW SECURITY; Schema: private
ALTER TABLE private.access ENABLE ROW LEVEL SECURITY;

-- access_epochs; Type: ROW SECURITY; Schema: private
ALTER TABLE private.access_epochs ENABLE ROW LEVEL SECURITY;

-- agent_functions; Type: ROW SECURITY; Schema: private
ALTER TABLE private.agent_functions ENABLE ROW LEVEL SECURITY;

-- api_key_hashes; Type: ROW SECURITY; Schema: private
ALTER TABLE private.api_key_hashes ENABLE ROW LEVEL SECURITY;

-- built_in_roles; Type: ROW SECURITY; Schema: private
ALTER TABLE private.built_in_roles ENABLE ROW LEVEL SECURITY;

-- cached_answers; Type: ROW SECURITY; Schema: private
ALTER TABLE private.cached_answers ENABLE ROW LEVEL SECURITY;

-- document_chunks; Type: ROW SECURITY; Schema: private
ALTER TABLE private.document_chunks ENABLE ROW LEVEL SECURITY;

-- document_vectors; Type: ROW SECURITY; Schema: private
ALTER TABLE private.document_vectors ENABLE ROW LEVEL SECURITY;

-- embedding_models; Type: ROW SECURITY; Schema: private
ALTER TABLE private.embedding_models ENABLE ROW LEVEL SECURITY;

-- event_sources; Type: ROW SECURITY; Schema: private
ALTER TABLE private.event_sources ENABLE ROW LEVEL SECURITY;

-- event_subscriptions; Type: ROW SECURITY; Schema: private
ALTER TABLE private.event_subscriptions ENABLE ROW LEVEL SECURITY;

-- execution_keys; Type: ROW SECURITY; Schema: private
ALTER TABLE private.execution_keys ENABLE ROW LEVEL SECURITY;

-- export_chunks; Type: ROW SECURITY; Schema: private
ALTER TABLE private.export_chunks ENABLE ROW LEVEL SECURITY;

-- invitation_tokens; Type: ROW SECURITY; Schema: private
ALTER TABLE private.invitation_tokens ENABLE ROW LEVEL SECURITY;

-- llm_prices; Type: ROW SECURITY; Schema: private
ALTER TABLE private.llm_prices ENABLE ROW LEVEL SECURITY;

-- meters; Type: ROW SECURITY; Schema: private
ALTER TABLE private.meters ENABLE ROW LEVEL SECURITY;

-- reserved_subdomains; Type: ROW SECURITY; Schema: private
ALTER TABLE private.reserved_subdomains ENABLE ROW LEVEL SECURITY;

-- secret_values; Type: ROW SECURITY; Schema: private
ALTER TABLE private.secret_values ENABLE ROW LEVEL SECURITY;

-- tenant_keys; Type: ROW SECURITY; Schema: private
ALTER TABLE private.tenant_keys ENABLE ROW LEVEL SECURITY;

-- webhooks; Type: ROW SECURITY; Schema: private
ALTER TABLE private.webhooks ENABLE ROW LEVEL SECURITY;

-- agent_documents; Type: ROW SECURITY; Schema: public
ALTER TABLE public.agent_documents ENABLE ROW LEVEL SECURITY;

-- agent_versions; Type: ROW SECURITY; Schema: public
ALTER TABLE public.agent_versions ENABLE ROW LEVEL SECURITY;

-- ai_agents; Type: ROW SECURITY; Schema: public
ALTER TABLE public.ai_agents ENABLE ROW LEVEL SECURITY;

-- subscription_plans anyone reads the plans; Type: POLICY; Schema: public
CREATE POLICY "anyone reads the plans" ON public.subscription_plans FOR SELECT TO anon, authenticated USING (true);

-- regions anyone reads the regions; Type: POLICY; Schema: public
CREATE POLICY "anyone reads the regions" ON public.regions FOR SELECT TO anon, authenticated USING (true);

-- api_keys; Type: ROW SECURITY; Schema: public
ALTER TABLE public.api_keys ENABLE ROW LEVEL SECURITY;

-- captured_calls; Type: ROW SECURITY; Schema: public
ALTER TABLE public.captured_calls ENABLE ROW LEVEL SECURITY;

-- tenants changes of a tenant wait for a second factor; Type: POLICY; Schema: public
CREATE POLICY "changes of a tenant wait for a second factor" ON public.tenants AS RESTRICTIVE FOR UPDATE TO authenticated USING ((id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[]))) WITH CHECK ((id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- ai_agents changes of agents wait for a second factor; Type: POLICY; Schema: public
CREATE POLICY "changes of agents wait for a second factor" ON public.ai_agents AS RESTRICTIVE FOR UPDATE TO authenticated USING ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[]))) WITH CHECK ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- agent_documents changes of documents wait for a second factor; Type: POLICY; Schema: public
CREATE POLICY "changes of documents wait for a second factor" ON public.agent_documents AS RESTRICTIVE FOR UPDATE TO authenticated USING ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[]))) WITH CHECK ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- roles changes of roles wait for a second factor; Type: POLICY; Schema: public
CREATE POLICY "changes of roles wait for a second factor" ON public.roles AS RESTRICTIVE FOR UPDATE TO authenticated USING ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[]))) WITH CHECK ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- workflows changes of workflows wait for a second factor; Type: POLICY; Schema: public
CREATE POLICY "changes of workflows wait for a second factor" ON public.workflows AS RESTRICTIVE FOR UPDATE TO authenticated USING ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[]))) WITH CHECK ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- ai_agents deleting agents waits for a second factor; Type: POLICY; Schema: public
CREATE POLICY "deleting agents waits for a second factor" ON public.ai_agents AS RESTRICTIVE FOR DELETE TO authenticated USING ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- agent_documents deleting documents waits for a second factor; Type: POLICY; Schema: public
CREATE POLICY "deleting documents waits for a second factor" ON public.agent_documents AS RESTRICTIVE FOR DELETE TO authenticated USING ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- roles deleting roles waits for a second factor; Type: POLICY; Schema: public
CREATE POLICY "deleting roles waits for a second factor" ON public.roles AS RESTRICTIVE FOR DELETE TO authenticated USING ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- workflows deleting workflows waits for a second factor; Type: POLICY; Schema: public
CREATE POLICY "deleting workflows waits for a second factor" ON public.workflows AS RESTRICTIVE FOR DELETE TO authenticated USING ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- execution_steps; Type: ROW SECURITY; Schema: public
ALTER TABLE public.execution_steps ENABLE ROW LEVEL SECURITY;

-- executions; Type: ROW SECURITY; Schema: public
ALTER TABLE public.executions ENABLE ROW LEVEL SECURITY;

-- invitations; Type: ROW SECURITY; Schema: public
ALTER TABLE public.invitations ENABLE ROW LEVEL SECURITY;

-- invoices; Type: ROW SECURITY; Schema: public
ALTER TABLE public.invoices ENABLE ROW LEVEL SECURITY;

-- roles members read the roles of their tenants; Type: POLICY; Schema: public
CREATE POLICY "members read the roles of their tenants" ON public.roles FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.own_tenants() AS own_tenants)));

-- memberships members read their own and their fellows' memberships; Type: POLICY; Schema: public
CREATE POLICY "members read their own and their fellows' memberships" ON public.memberships FOR SELECT TO authenticated USING (((user_id = ( SELECT auth.uid() AS uid)) OR aias.among(tenant_id, ( SELECT aias.tenants_with('members.read'::text) AS tenants_with))));

-- tenants members read their tenants; Type: POLICY; Schema: public
CREATE POLICY "members read their tenants" ON public.tenants FOR SELECT TO authenticated USING (aias.among(id, ( SELECT aias.own_tenants() AS own_tenants)));

-- ai_agents members with agents.read read agents; Type: POLICY; Schema: public
CREATE POLICY "members with agents.read read agents" ON public.ai_agents FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('agents.read'::text) AS tenants_with)));

-- agent_documents members with agents.read read documents; Type: POLICY; Schema: public
CREATE POLICY "members with agents.read read documents" ON public.agent_documents FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('agents.read'::text) AS tenants_with)));

-- agent_versions members with agents.read read versions of agents; Type: POLICY; Schema: public
CREATE POLICY "members with agents.read read versions of agents" ON public.agent_versions FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('agents.read'::text) AS tenants_with)));

-- ai_agents members with agents.write change agents; Type: POLICY; Schema: public
CREATE POLICY "members with agents.write change agents" ON public.ai_agents FOR UPDATE TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('agents.write'::text) AS tenants_with))) WITH CHECK (aias.among(tenant_id, ( SELECT aias.tenants_with('agents.write'::text) AS tenants_with)));

-- agent_documents members with agents.write change documents; Type: POLICY; Schema: public
CREATE POLICY "members with agents.write change documents" ON public.agent_documents FOR UPDATE TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('agents.write'::text) AS tenants_with))) WITH CHECK (aias.among(tenant_id, ( SELECT aias.tenants_with('agents.write'::text) AS tenants_with)));

-- ai_agents members with agents.write delete agents; Type: POLICY; Schema: public
CREATE POLICY "members with agents.write delete agents" ON public.ai_agents FOR DELETE TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('agents.write'::text) AS tenants_with)));

-- agent_documents members with agents.write delete documents; Type: POLICY; Schema: public
CREATE POLICY "members with agents.write delete documents" ON public.agent_documents FOR DELETE TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('agents.write'::text) AS tenants_with)));

-- ai_agents members with agents.write make agents; Type: POLICY; Schema: public
CREATE POLICY "members with agents.write make agents" ON public.ai_agents FOR INSERT TO authenticated WITH CHECK (aias.among(tenant_id, ( SELECT aias.tenants_with('agents.write'::text) AS tenants_with)));

-- agent_documents members with agents.write make documents; Type: POLICY; Schema: public
CREATE POLICY "members with agents.write make documents" ON public.agent_documents FOR INSERT TO authenticated WITH CHECK (aias.among(tenant_id, ( SELECT aias.tenants_with('agents.write'::text) AS tenants_with)));

-- captured_calls members with audit.read read what models were asked; Type: POLICY; Schema: public
CREATE POLICY "members with audit.read read what models were asked" ON public.captured_calls FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('audit.read'::text) AS tenants_with)));

-- invoices members with billing.read read invoices; Type: POLICY; Schema: public
CREATE POLICY "members with billing.read read invoices" ON public.invoices FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('billing.read'::text) AS tenants_with)));

-- subscriptions members with billing.read read subscriptions; Type: POLICY; Schema: public
CREATE POLICY "members with billing.read read subscriptions" ON public.subscriptions FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('billing.read'::text) AS tenants_with)));

-- executions members with executions.read read executions; Type: POLICY; Schema: public
CREATE POLICY "members with executions.read read executions" ON public.executions FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('executions.read'::text) AS tenants_with)));

-- execution_steps members with executions.read read steps; Type: POLICY; Schema: public
CREATE POLICY "members with executions.read read steps" ON public.execution_steps FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('executions.read'::text) AS tenants_with)));

-- api_keys members with keys.manage read keys; Type: POLICY; Schema: public
CREATE POLICY "members with keys.manage read keys" ON public.api_keys FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('keys.manage'::text) AS tenants_with)));

-- rate_limits members with keys.manage read rate limits; Type: POLICY; Schema: public
CREATE POLICY "members with keys.manage read rate limits" ON public.rate_limits FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('keys.manage'::text) AS tenants_with)));

-- invitations members with members.manage read invitations; Type: POLICY; Schema: public
CREATE POLICY "members with members.manage read invitations" ON public.invitations FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('members.manage'::text) AS tenants_with)));

-- provider_keys members with providers.manage read which own keys there are; Type: POLICY; Schema: public
CREATE POLICY "members with providers.manage read which own keys there are" ON public.provider_keys FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('providers.manage'::text) AS tenants_with)));

-- roles members with roles.manage change roles; Type: POLICY; Schema: public
CREATE POLICY "members with roles.manage change roles" ON public.roles FOR UPDATE TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('roles.manage'::text) AS tenants_with))) WITH CHECK (aias.among(tenant_id, ( SELECT aias.tenants_with('roles.manage'::text) AS tenants_with)));

-- roles members with roles.manage delete roles; Type: POLICY; Schema: public
CREATE POLICY "members with roles.manage delete roles" ON public.roles FOR DELETE TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('roles.manage'::text) AS tenants_with)));

-- roles members with roles.manage make roles; Type: POLICY; Schema: public
CREATE POLICY "members with roles.manage make roles" ON public.roles FOR INSERT TO authenticated WITH CHECK (aias.among(tenant_id, ( SELECT aias.tenants_with('roles.manage'::text) AS tenants_with)));

-- tenant_secrets members with secrets.manage read what secrets there are; Type: POLICY; Schema: public
CREATE POLICY "members with secrets.manage read what secrets there are" ON public.tenant_secrets FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('secrets.manage'::text) AS tenants_with)));

-- tenant_exports members with tenant.export read exports; Type: POLICY; Schema: public
CREATE POLICY "members with tenant.export read exports" ON public.tenant_exports FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('tenant.export'::text) AS tenants_with)));

-- tenant_domains members with tenant.manage read domains; Type: POLICY; Schema: public
CREATE POLICY "members with tenant.manage read domains" ON public.tenant_domains FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('tenant.manage'::text) AS tenants_with)));

-- usage members with usage.read read usage; Type: POLICY; Schema: public
CREATE POLICY "members with usage.read read usage" ON public.usage FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('usage.read'::text) AS tenants_with)));

-- workflow_versions members with workflows.read read published versions; Type: POLICY; Schema: public
CREATE POLICY "members with workflows.read read published versions" ON public.workflow_versions FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('workflows.read'::text) AS tenants_with)));

-- workflows members with workflows.read read workflows; Type: POLICY; Schema: public
CREATE POLICY "members with workflows.read read workflows" ON public.workflows FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('workflows.read'::text) AS tenants_with)));

-- workflows members with workflows.write change workflows; Type: POLICY; Schema: public
CREATE POLICY "members with workflows.write change workflows" ON public.workflows FOR UPDATE TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('workflows.write'::text) AS tenants_with))) WITH CHECK (aias.among(tenant_id, ( SELECT aias.tenants_with('workflows.write'::text) AS tenants_with)));

-- workflows members with workflows.write delete workflows; Type: POLICY; Schema: public
CREATE POLICY "members with workflows.write delete workflows" ON public.workflows FOR DELETE TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('workflows.write'::text) AS tenants_with)));

-- workflows members with workflows.write make workflows; Type: POLICY; Schema: public
CREATE POLICY "members with workflows.write make workflows" ON public.workflows FOR INSERT TO authenticated WITH CHECK (aias.among(tenant_id, ( SELECT aias.tenants_with('workflows.write'::text) AS tenants_with)));

-- memberships; Type: ROW SECURITY; Schema: public
ALTER TABLE public.memberships ENABLE ROW LEVEL SECURITY;

-- ai_agents new agents wait for a second factor; Type: POLICY; Schema: public
CREATE POLICY "new agents wait for a second factor" ON public.ai_agents AS RESTRICTIVE FOR INSERT TO authenticated WITH CHECK ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- agent_documents new documents wait for a second factor; Type: POLICY; Schema: public
CREATE POLICY "new documents wait for a second factor" ON public.agent_documents AS RESTRICTIVE FOR INSERT TO authenticated WITH CHECK ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- roles new roles wait for a second factor; Type: POLICY; Schema: public
CREATE POLICY "new roles wait for a second factor" ON public.roles AS RESTRICTIVE FOR INSERT TO authenticated WITH CHECK ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- workflows new workflows wait for a second factor; Type: POLICY; Schema: public
CREATE POLICY "new workflows wait for a second factor" ON public.workflows AS RESTRICTIVE FOR INSERT TO authenticated WITH CHECK ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- users people change their own profile; Type: POLICY; Schema: public
CREATE POLICY "people change their own profile" ON public.users FOR UPDATE TO authenticated USING ((id = ( SELECT auth.uid() AS uid))) WITH CHECK ((id = ( SELECT auth.uid() AS uid)));

-- users people read themselves and their fellow members; Type: POLICY; Schema: public
CREATE POLICY "people read themselves and their fellow members" ON public.users FOR SELECT TO authenticated USING (((id = ( SELECT auth.uid() AS uid)) OR (id = ANY (ARRAY( SELECT m.user_id
   FROM public.memberships m
  WHERE aias.among(m.tenant_id, ( SELECT aias.tenants_with('members.read'::text) AS tenants_with)))))));

-- permissions; Type: ROW SECURITY; Schema: public
ALTER TABLE public.permissions ENABLE ROW LEVEL SECURITY;

-- provider_keys; Type: ROW SECURITY; Schema: public
ALTER TABLE public.provider_keys ENABLE ROW LEVEL SECURITY;

-- rate_limits; Type: ROW SECURITY; Schema: public
ALTER TABLE public.rate_limits ENABLE ROW LEVEL SECURITY;

-- tenant_domains reading domains waits for a second factor; Type: POLICY; Schema: public
CREATE POLICY "reading domains waits for a second factor" ON public.tenant_domains AS RESTRICTIVE FOR SELECT TO authenticated USING ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- tenant_exports reading exports waits for a second factor; Type: POLICY; Schema: public
CREATE POLICY "reading exports waits for a second factor" ON public.tenant_exports AS RESTRICTIVE FOR SELECT TO authenticated USING ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- invitations reading invitations waits for a second factor; Type: POLICY; Schema: public
CREATE POLICY "reading invitations waits for a second factor" ON public.invitations AS RESTRICTIVE FOR SELECT TO authenticated USING ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- invoices reading invoices waits for a second factor; Type: POLICY; Schema: public
CREATE POLICY "reading invoices waits for a second factor" ON public.invoices AS RESTRICTIVE FOR SELECT TO authenticated USING ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- api_keys reading keys waits for a second factor; Type: POLICY; Schema: public
CREATE POLICY "reading keys waits for a second factor" ON public.api_keys AS RESTRICTIVE FOR SELECT TO authenticated USING ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- memberships reading members waits for a second factor; Type: POLICY; Schema: public
CREATE POLICY "reading members waits for a second factor" ON public.memberships AS RESTRICTIVE FOR SELECT TO authenticated USING (((user_id = ( SELECT auth.uid() AS uid)) OR (tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[]))));

-- rate_limits reading rate limits waits for a second factor; Type: POLICY; Schema: public
CREATE POLICY "reading rate limits waits for a second factor" ON public.rate_limits AS RESTRICTIVE FOR SELECT TO authenticated USING ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- subscriptions reading subscriptions waits for a second factor; Type: POLICY; Schema: public
CREATE POLICY "reading subscriptions waits for a second factor" ON public.subscriptions AS RESTRICTIVE FOR SELECT TO authenticated USING ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- captured_calls reading what models were asked waits for a second factor; Type: POLICY; Schema: public
CREATE POLICY "reading what models were asked waits for a second factor" ON public.captured_calls AS RESTRICTIVE FOR SELECT TO authenticated USING ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- tenant_secrets reading what secrets there are waits for a second factor; Type: POLICY; Schema: public
CREATE POLICY "reading what secrets there are waits for a second factor" ON public.tenant_secrets AS RESTRICTIVE FOR SELECT TO authenticated USING ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- provider_keys reading which own keys there are waits for a second factor; Type: POLICY; Schema: public
CREATE POLICY "reading which own keys there are waits for a second factor" ON public.provider_keys AS RESTRICTIVE FOR SELECT TO authenticated USING ((tenant_id <> ALL (( SELECT aias.tenants_asking_for_second_factor() AS tenants_asking_for_second_factor)::uuid[])));

-- regions; Type: ROW SECURITY; Schema: public
ALTER TABLE public.regions ENABLE ROW LEVEL SECURITY;

-- roles; Type: ROW SECURITY; Schema: public
ALTER TABLE public.roles ENABLE ROW LEVEL SECURITY;

-- permissions signed-in people read the permissions; Type: POLICY; Schema: public
CREATE POLICY "signed-in people read the permissions" ON public.permissions FOR SELECT TO authenticated USING (true);

-- subscription_plans; Type: ROW SECURITY; Schema: public
ALTER TABLE public.subscription_plans ENABLE ROW LEVEL SECURITY;

-- subscriptions; Type: ROW SECURITY; Schema: public
ALTER TABLE public.subscriptions ENABLE ROW LEVEL SECURITY;

-- tenant_domains; Type: ROW SECURITY; Schema: public
ALTER TABLE public.tenant_domains ENABLE ROW LEVEL SECURITY;

-- tenant_exports; Type: ROW SECURITY; Schema: public
ALTER TABLE public.tenant_exports ENABLE ROW LEVEL SECURITY;

-- tenant_secrets; Type: ROW SECURITY; Schema: public
ALTER TABLE public.tenant_secrets ENABLE ROW LEVEL SECURITY;

-- tenants; Type: ROW SECURITY; Schema: public
ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY;

-- tenants those who manage a tenant change it; Type: POLICY; Schema: public
CREATE POLICY "those who manage a tenant change it" ON public.tenants FOR UPDATE TO authenticated USING (aias.among(id, ( SELECT aias.tenants_with('tenant.manage'::text) AS tenants_with))) WITH CHECK (aias.among(id, ( SELECT aias.tenants_with('tenant.manage'::text) AS tenants_with)));

-- usage; Type: ROW SECURITY; Schema: public
ALTER TABLE public.usage ENABLE ROW LEVEL SECURITY;

-- users; Type: ROW SECURITY; Schema: public
ALTER TABLE public.users ENABLE ROW LEVEL SECURITY;

-- workflow_versions; Type: ROW SECURITY; Schema: public
ALTER TABLE public.workflow_versions ENABLE ROW LEVEL SECURITY;

-- workflows; Type: ROW SECURITY; Schema: public
ALTER TABLE public.workflows ENABLE ROW LEVEL SECURITY;

-- capped_calls; Type: ROW SECURITY; Schema: queue
ALTER TABLE queue.capped_calls ENABLE ROW LEVEL SECURITY;

-- domain_checks; Type: ROW SECURITY; Schema: queue
ALTER TABLE queue.domain_checks ENABLE ROW LEVEL SECURITY;

-- embedding_jobs; Type: ROW SECURITY; Schema: queue
ALTER TABLE queue.embedding_jobs ENABLE ROW LEVEL SECURITY;

-- events; Type: ROW SECURITY; Schema: queue
ALTER TABLE queue.events ENABLE ROW LEVEL SECURITY;

-- jobs; Type: ROW SECURITY; Schema: queue
ALTER TABLE queue.jobs ENABLE ROW LEVEL SECURITY;

-- lanes; Type: ROW SECURITY; Schema: queue
ALTER TABLE queue.lanes ENABLE ROW LEVEL SECURITY;

-- mails; Type: ROW SECURITY; Schema: queue
ALTER TABLE queue.mails ENABLE ROW LEVEL SECURITY;

-- schedules members with workflows.read read schedules; Type: POLICY; Schema: queue
CREATE POLICY "members with workflows.read read schedules" ON queue.schedules FOR SELECT TO authenticated USING (aias.among(tenant_id, ( SELECT aias.tenants_with('workflows.read'::text) AS tenants_with)));

-- schedules; Type: ROW SECURITY; Schema: queue
ALTER TABLE queue.schedules ENABLE ROW LEVEL SECURITY;

-- state; Type: ROW SECURITY; Schema: queue
ALTER TABLE queue.state ENABLE ROW LEVEL SECURITY;

-- tenants; Type: ROW SECURITY; Schema: queue
ALTER TABLE queue.tenants ENABLE ROW LEVEL SECURITY;

-- waits; Type: ROW SECURITY; Schema: queue
ALTER TABLE queue.waits ENABLE ROW LEVEL SECURITY;

-- watched; Type: ROW SECURITY; Schema: queue
ALTER TABLE queue.watched ENABLE ROW LEVEL SECURITY;

-- workers; Type: ROW SECURITY; Schema: queue
ALTER TABLE queue.workers ENABLE ROW LEVEL SECURITY;

-- SCHEMA aias; Type: ACL; Schema: -
GRANT USAGE ON SCHEMA aias TO authenticated;

-- SCHEMA auth; Type: ACL; Schema: -
GRANT USAGE ON SCHEMA auth TO anon;
GRANT USAGE ON SCHEMA auth TO authenticated;
GRANT USAGE ON SCHEMA auth TO service_role;

-- SCHEMA billing; Type: ACL; Schema: -
GRANT USAGE ON SCHEMA billing TO aias_worker;

-- SCHEMA edge; Type: ACL; Schema: -
GRANT USAGE ON SCHEMA edge TO aias_edge;

-- SCHEMA private; Type: ACL; Schema: -
GRANT USAGE ON SCHEMA private TO authenticated;

-- SCHEMA public; Type: ACL; Schema: -
GRANT USAGE ON SCHEMA public TO anon;
GRANT USAGE ON SCHEMA public TO authenticated;
GRANT USAGE ON SCHEMA public TO service_role;

-- SCHEMA queue; Type: ACL; Schema: -
GRANT USAGE ON SCHEMA queue TO aias_worker;

-- FUNCTION among(tenant uuid, tenants uuid[]); Type: ACL; Schema: aias
GRANT ALL ON FUNCTION aias.among(tenant uuid, tenants uuid[]) TO authenticated;

-- FUNCTION own_tenants(); Type: ACL; Schema: aias
GRANT ALL ON FUNCTION aias.own_tenants() TO authenticated;

-- FUNCTION tenants_asking_for_second_factor(); Type: ACL; Schema: aias
GRANT ALL ON FUNCTION aias.tenants_asking_for_second_factor() TO authenticated;

-- FUNCTION tenants_with(permission text); Type: ACL; Schema: aias
GRANT ALL ON FUNCTION aias.tenants_with(permission text) TO authenticated;

-- FUNCTION uuid7(); Type: ACL; Schema: aias
GRANT ALL ON FUNCTION aias.uuid7() TO authenticated;

-- FUNCTION workflow_is_valid(nodes jsonb, connections jsonb); Type: ACL; Schema: aias
GRANT ALL ON FUNCTION aias.workflow_is_valid(nodes jsonb, connections jsonb) TO authenticated;

-- FUNCTION workflow_problems(nodes jsonb, connections jsonb); Type: ACL; Schema: aias
GRANT ALL ON FUNCTION aias.workflow_problems(nodes jsonb, connections jsonb) TO authenticated;

-- FUNCTION forget_tenant(); Type: ACL; Schema: audit
REVOKE ALL ON FUNCTION audit.forget_tenant() FROM PUBLIC;

-- FUNCTION holds_secret(text); Type: ACL; Schema: audit
REVOKE ALL ON FUNCTION audit.holds_secret(text) FROM PUBLIC;

-- FUNCTION link(hash_before bytea, payload bytea); Type: ACL; Schema: audit
REVOKE ALL ON FUNCTION audit.link(hash_before bytea, payload bytea) FROM PUBLIC;

-- FUNCTION lock_chains(); Type: ACL; Schema: audit
REVOKE ALL ON FUNCTION audit.lock_chains() FROM PUBLIC;

-- FUNCTION make_months(ahead integer); Type: ACL; Schema: audit
REVOKE ALL ON FUNCTION audit.make_months(ahead integer) FROM PUBLIC;

-- FUNCTION masked(value jsonb); Type: ACL; Schema: audit
REVOKE ALL ON FUNCTION audit.masked(value jsonb) FROM PUBLIC;

-- FUNCTION move_head(tenant uuid, last_seq bigint, last_hash bytea); Type: ACL; Schema: audit
REVOKE ALL ON FUNCTION audit.move_head(tenant uuid, last_seq bigint, last_hash bytea) FROM PUBLIC;

-- FUNCTION payload(tenant_id uuid, seq bigint, id uuid, at timestamp with time zone, actor_kind text, actor_id uuid, action text, subject text, subject_id text, before jsonb, after jsonb, request_id text); Type: ACL; Schema: audit
REVOKE ALL ON FUNCTION audit.payload(tenant_id uuid, seq bigint, id uuid, at timestamp with time zone, actor_kind text, actor_id uuid, action text, subject text, subject_id text, before jsonb, after jsonb, request_id text) FROM PUBLIC;

-- FUNCTION record_event(tenant uuid, event text, subject text, subject_id text, details jsonb); Type: ACL; Schema: audit
REVOKE ALL ON FUNCTION audit.record_event(tenant uuid, event text, subject text, subject_id text, details jsonb) FROM PUBLIC;

-- FUNCTION record_sign_in(); Type: ACL; Schema: audit
REVOKE ALL ON FUNCTION audit.record_sign_in() FROM PUBLIC;

-- FUNCTION refuse_change(); Type: ACL; Schema: audit
REVOKE ALL ON FUNCTION audit.refuse_change() FROM PUBLIC;

-- FUNCTION sounds_secret(text); Type: ACL; Schema: audit
REVOKE ALL ON FUNCTION audit.sounds_secret(text) FROM PUBLIC;

-- FUNCTION told(changed jsonb); Type: ACL; Schema: audit
REVOKE ALL ON FUNCTION audit.told(changed jsonb) FROM PUBLIC;

-- FUNCTION verify(tenant uuid, known_seq bigint, known_hash bytea); Type: ACL; Schema: audit
REVOKE ALL ON FUNCTION audit.verify(tenant uuid, known_seq bigint, known_hash bytea) FROM PUBLIC;

-- FUNCTION wait_for_chainer(); Type: ACL; Schema: audit
REVOKE ALL ON FUNCTION audit.wait_for_chainer() FROM PUBLIC;

-- FUNCTION jwt(); Type: ACL; Schema: auth
REVOKE ALL ON FUNCTION auth.jwt() FROM PUBLIC;
GRANT ALL ON FUNCTION auth.jwt() TO anon;
GRANT ALL ON FUNCTION auth.jwt() TO authenticated;
GRANT ALL ON FUNCTION auth.jwt() TO service_role;

-- FUNCTION email(); Type: ACL; Schema: auth
REVOKE ALL ON FUNCTION auth.email() FROM PUBLIC;
GRANT ALL ON FUNCTION auth.email() TO anon;
GRANT ALL ON FUNCTION auth.email() TO authenticated;
GRANT ALL ON FUNCTION auth.email() TO service_role;

-- FUNCTION role(); Type: ACL; Schema: auth
REVOKE ALL ON FUNCTION auth.role() FROM PUBLIC;
GRANT ALL ON FUNCTION auth.role() TO anon;
GRANT ALL ON FUNCTION auth.role() TO authenticated;
GRANT ALL ON FUNCTION auth.role() TO service_role;

-- FUNCTION uid(); Type: ACL; Schema: auth
REVOKE ALL ON FUNCTION auth.uid() FROM PUBLIC;
GRANT ALL ON FUNCTION auth.uid() TO anon;
GRANT ALL ON FUNCTION auth.uid() TO authenticated;
GRANT ALL ON FUNCTION auth.uid() TO service_role;

-- FUNCTION agrees(data jsonb, attributes jsonb); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.agrees(data jsonb, attributes jsonb) FROM PUBLIC;

-- FUNCTION apply(events text[], with_fetching boolean); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.apply(events text[], with_fetching boolean) FROM PUBLIC;

-- FUNCTION apply_events(most integer, with_fetching boolean); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.apply_events(most integer, with_fetching boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION billing.apply_events(most integer, with_fetching boolean) TO aias_worker;

-- FUNCTION apply_fetched(object_account text, object_kind text, object_id text, ticket bigint, object jsonb, asked_second bigint); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.apply_fetched(object_account text, object_kind text, object_id text, ticket bigint, object jsonb, asked_second bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION billing.apply_fetched(object_account text, object_kind text, object_id text, ticket bigint, object jsonb, asked_second bigint) TO aias_worker;

-- FUNCTION apply_meter_day(of_tenant uuid, of_meter text, of_customer text, of_day timestamp with time zone, of_ticket bigint, hours bigint[], sums double precision[]); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.apply_meter_day(of_tenant uuid, of_meter text, of_customer text, of_day timestamp with time zone, of_ticket bigint, hours bigint[], sums double precision[]) FROM PUBLIC;
GRANT ALL ON FUNCTION billing.apply_meter_day(of_tenant uuid, of_meter text, of_customer text, of_day timestamp with time zone, of_ticket bigint, hours bigint[], sums double precision[]) TO aias_worker;

-- FUNCTION apply_meter_report(of_event text, of_ticket bigint, object jsonb); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.apply_meter_report(of_event text, of_ticket bigint, object jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION billing.apply_meter_report(of_event text, of_ticket bigint, object jsonb) TO aias_worker;

-- FUNCTION as_uuid(text); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.as_uuid(text) FROM PUBLIC;

-- FUNCTION ask_for_sums(events billing.meter_events[], earliest timestamp with time zone); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.ask_for_sums(events billing.meter_events[], earliest timestamp with time zone) FROM PUBLIC;

-- FUNCTION at(data jsonb, attribute text); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.at(data jsonb, attribute text) FROM PUBLIC;

-- FUNCTION claim_fetches(most integer, of_livemode boolean, lease interval); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.claim_fetches(most integer, of_livemode boolean, lease interval) FROM PUBLIC;
GRANT ALL ON FUNCTION billing.claim_fetches(most integer, of_livemode boolean, lease interval) TO aias_worker;

-- FUNCTION claim_meter_days(most integer, of_livemode boolean, lease interval); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.claim_meter_days(most integer, of_livemode boolean, lease interval) FROM PUBLIC;
GRANT ALL ON FUNCTION billing.claim_meter_days(most integer, of_livemode boolean, lease interval) TO aias_worker;

-- FUNCTION claim_meter_events(most integer, of_livemode boolean, lease interval); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.claim_meter_events(most integer, of_livemode boolean, lease interval) FROM PUBLIC;
GRANT ALL ON FUNCTION billing.claim_meter_events(most integer, of_livemode boolean, lease interval) TO aias_worker;

-- FUNCTION claim_meter_reports(most integer, of_livemode boolean, lease interval); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.claim_meter_reports(most integer, of_livemode boolean, lease interval) FROM PUBLIC;
GRANT ALL ON FUNCTION billing.claim_meter_reports(most integer, of_livemode boolean, lease interval) TO aias_worker;

-- FUNCTION closed_hours(); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.closed_hours() FROM PUBLIC;

-- FUNCTION count_hours(tenant uuid, since timestamp with time zone, until timestamp with time zone); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.count_hours(tenant uuid, since timestamp with time zone, until timestamp with time zone) FROM PUBLIC;

-- FUNCTION count_usage(most integer); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.count_usage(most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION billing.count_usage(most integer) TO aias_worker;

-- FUNCTION day_of(instant timestamp with time zone); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.day_of(instant timestamp with time zone) FROM PUBLIC;

-- FUNCTION derive(customers text[], invoices text[], has_charges boolean); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.derive(customers text[], invoices text[], has_charges boolean) FROM PUBLIC;

-- FUNCTION derive_all(tenants uuid[]); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.derive_all(tenants uuid[]) FROM PUBLIC;

-- FUNCTION derive_invoices(tenants uuid[], only_these text[]); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.derive_invoices(tenants uuid[], only_these text[]) FROM PUBLIC;

-- FUNCTION derive_later(); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.derive_later() FROM PUBLIC;

-- FUNCTION derive_subscriptions(tenants uuid[]); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.derive_subscriptions(tenants uuid[]) FROM PUBLIC;

-- FUNCTION derive_tenants(tenants uuid[]); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.derive_tenants(tenants uuid[]) FROM PUBLIC;

-- FUNCTION drift(period_start timestamp with time zone, period_end timestamp with time zone); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.drift(period_start timestamp with time zone, period_end timestamp with time zone) FROM PUBLIC;

-- FUNCTION find_tenants(customers text[]); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.find_tenants(customers text[]) FROM PUBLIC;

-- FUNCTION forget_tenant(); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.forget_tenant() FROM PUBLIC;

-- FUNCTION give_meter_events_up(most integer); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.give_meter_events_up(most integer) FROM PUBLIC;

-- FUNCTION hour_of(instant timestamp with time zone); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.hour_of(instant timestamp with time zone) FROM PUBLIC;

-- FUNCTION hours_of(tenant uuid, since timestamp with time zone, until timestamp with time zone); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.hours_of(tenant uuid, since timestamp with time zone, until timestamp with time zone) FROM PUBLIC;

-- FUNCTION id_of(reference jsonb); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.id_of(reference jsonb) FROM PUBLIC;

-- FUNCTION invoice_preview(tenant uuid); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.invoice_preview(tenant uuid) FROM PUBLIC;

-- FUNCTION is_mirrored(event_type text, object jsonb); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.is_mirrored(event_type text, object jsonb) FROM PUBLIC;

-- FUNCTION keep_count_of_executions(); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.keep_count_of_executions() FROM PUBLIC;

-- FUNCTION last_of(seen billing.sighting[]); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.last_of(seen billing.sighting[]) FROM PUBLIC;

-- FUNCTION last_told(events text[], before text); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.last_told(events text[], before text) FROM PUBLIC;

-- FUNCTION learn_meters(event_names text[], ids text[]); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.learn_meters(event_names text[], ids text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION billing.learn_meters(event_names text[], ids text[]) TO aias_worker;

-- FUNCTION link_customer(tenant uuid, customer text); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.link_customer(tenant uuid, customer text) FROM PUBLIC;

-- FUNCTION metered(tenants uuid[], since timestamp with time zone, until timestamp with time zone); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.metered(tenants uuid[], since timestamp with time zone, until timestamp with time zone) FROM PUBLIC;

-- FUNCTION meters_to_find(); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.meters_to_find() FROM PUBLIC;
GRANT ALL ON FUNCTION billing.meters_to_find() TO aias_worker;

-- FUNCTION newest(seen billing.sighting[]); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.newest(seen billing.sighting[]) FROM PUBLIC;

-- FUNCTION note_failure(event text, reason text); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.note_failure(event text, reason text) FROM PUBLIC;

-- FUNCTION passes_by_itself(state text); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.passes_by_itself(state text) FROM PUBLIC;

-- TABLE subscription_plans; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.subscription_plans TO anon;
GRANT SELECT ON TABLE public.subscription_plans TO authenticated;

-- FUNCTION price_of(of_subscription text, plan public.subscription_plans); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.price_of(of_subscription text, plan public.subscription_plans) FROM PUBLIC;

-- FUNCTION rank_of(status text); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.rank_of(status text) FROM PUBLIC;

-- FUNCTION readable(kind text, data jsonb); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.readable(kind text, data jsonb) FROM PUBLIC;

-- FUNCTION record_meter_events(identifiers text[], tickets bigint[], outcomes text[], problems text[]); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.record_meter_events(identifiers text[], tickets bigint[], outcomes text[], problems text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION billing.record_meter_events(identifiers text[], tickets bigint[], outcomes text[], problems text[]) TO aias_worker;

-- FUNCTION remember_prices(); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.remember_prices() FROM PUBLIC;

-- FUNCTION replay(event text); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.replay(event text) FROM PUBLIC;

-- FUNCTION resend_meter_event(meter_event text); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.resend_meter_event(meter_event text) FROM PUBLIC;

-- FUNCTION settle_meter_event(meter_event text, was_taken boolean); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.settle_meter_event(meter_event text, was_taken boolean) FROM PUBLIC;

-- FUNCTION settle_unsure(whose uuid, of_meter text, of_customer text, of_day timestamp with time zone); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.settle_unsure(whose uuid, of_meter text, of_customer text, of_day timestamp with time zone) FROM PUBLIC;

-- FUNCTION standing(status text); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.standing(status text) FROM PUBLIC;

-- FUNCTION subscription_drift(); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.subscription_drift() FROM PUBLIC;

-- FUNCTION subscription_of(invoice jsonb); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.subscription_of(invoice jsonb) FROM PUBLIC;

-- FUNCTION sweep(most integer); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.sweep(most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION billing.sweep(most integer) TO aias_worker;

-- FUNCTION undone(data jsonb, attributes jsonb); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.undone(data jsonb, attributes jsonb) FROM PUBLIC;

-- FUNCTION used_in_period(tenant uuid, since timestamp with time zone, until timestamp with time zone); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.used_in_period(tenant uuid, since timestamp with time zone, until timestamp with time zone) FROM PUBLIC;

-- FUNCTION wait_for_turn(); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.wait_for_turn() FROM PUBLIC;

-- FUNCTION warn_of_limits(most integer); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.warn_of_limits(most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION billing.warn_of_limits(most integer) TO aias_worker;

-- FUNCTION was(data jsonb, attributes jsonb, before jsonb); Type: ACL; Schema: billing
REVOKE ALL ON FUNCTION billing.was(data jsonb, attributes jsonb, before jsonb) FROM PUBLIC;

-- FUNCTION agent_functions(tenant uuid, names text[]); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.agent_functions(tenant uuid, names text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.agent_functions(tenant uuid, names text[]) TO aias_edge;

-- FUNCTION agent_secrets(tenant uuid, agent uuid, wanted text[]); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.agent_secrets(tenant uuid, agent uuid, wanted text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.agent_secrets(tenant uuid, agent uuid, wanted text[]) TO aias_edge;

-- FUNCTION authenticate_key(key_hash bytea); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.authenticate_key(key_hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.authenticate_key(key_hash bytea) TO aias_edge;

-- FUNCTION begin_model_calls(tenant uuid, wanted_model text, tokens bigint, more_tokens bigint, requests integer, more_requests integer, other_models text[], call_input_tokens bigint, call_output_tokens bigint, call_requests integer, known_limits jsonb); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.begin_model_calls(tenant uuid, wanted_model text, tokens bigint, more_tokens bigint, requests integer, more_requests integer, other_models text[], call_input_tokens bigint, call_output_tokens bigint, call_requests integer, known_limits jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.begin_model_calls(tenant uuid, wanted_model text, tokens bigint, more_tokens bigint, requests integer, more_requests integer, other_models text[], call_input_tokens bigint, call_output_tokens bigint, call_requests integer, known_limits jsonb) TO aias_edge;

-- FUNCTION cached_answer(tenant uuid, asked bytea); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.cached_answer(tenant uuid, asked bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.cached_answer(tenant uuid, asked bytea) TO aias_edge;

-- FUNCTION call_agent_function(tenant uuid, called text, arguments jsonb); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.call_agent_function(tenant uuid, called text, arguments jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.call_agent_function(tenant uuid, called text, arguments jsonb) TO aias_edge;

-- FUNCTION call_webhook(hook_token text, input jsonb, body bytea, idempotency_key text, signature text, signed_at text, github_signature text); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.call_webhook(hook_token text, input jsonb, body bytea, idempotency_key text, signature text, signed_at text, github_signature text) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.call_webhook(hook_token text, input jsonb, body bytea, idempotency_key text, signature text, signed_at text, github_signature text) TO aias_edge;

-- FUNCTION delete_provider_key(tenant uuid, of_provider text); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.delete_provider_key(tenant uuid, of_provider text) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.delete_provider_key(tenant uuid, of_provider text) TO aias_edge;

-- FUNCTION delete_secret(tenant uuid, secret text); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.delete_secret(tenant uuid, secret text) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.delete_secret(tenant uuid, secret text) TO aias_edge;

-- FUNCTION domain_is_served(domain text, base_domain text); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.domain_is_served(domain text, base_domain text) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.domain_is_served(domain text, base_domain text) TO aias_edge;

-- FUNCTION end_model_calls(calls jsonb, last_blocks jsonb); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.end_model_calls(calls jsonb, last_blocks jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.end_model_calls(calls jsonb, last_blocks jsonb) TO aias_edge;

-- FUNCTION keep_answers(answers jsonb); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.keep_answers(answers jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.keep_answers(answers jsonb) TO aias_edge;

-- FUNCTION keep_contents(contents jsonb); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.keep_contents(contents jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.keep_contents(contents jsonb) TO aias_edge;

-- FUNCTION keep_stripe_events(bodies text[]); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.keep_stripe_events(bodies text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.keep_stripe_events(bodies text[]) TO aias_edge;

-- FUNCTION kept_of_calls(tenant uuid, OUT answer_cache_seconds integer, OUT content_kept_days integer); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.kept_of_calls(tenant uuid, OUT answer_cache_seconds integer, OUT content_kept_days integer) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.kept_of_calls(tenant uuid, OUT answer_cache_seconds integer, OUT content_kept_days integer) TO aias_edge;

-- FUNCTION models(tenant uuid); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.models(tenant uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.models(tenant uuid) TO aias_edge;

-- TABLE provider_keys; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.provider_keys TO authenticated;

-- FUNCTION provider_keys(tenant uuid); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.provider_keys(tenant uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.provider_keys(tenant uuid) TO aias_edge;

-- TABLE tenant_secrets; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.tenant_secrets TO authenticated;

-- FUNCTION secrets(tenant uuid); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.secrets(tenant uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.secrets(tenant uuid) TO aias_edge;

-- FUNCTION set_provider_key(tenant uuid, of_provider text, nonce bytea, ciphertext bytea, last_four text, key_generation integer, new_key bytea, new_key_master text); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.set_provider_key(tenant uuid, of_provider text, nonce bytea, ciphertext bytea, last_four text, key_generation integer, new_key bytea, new_key_master text) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.set_provider_key(tenant uuid, of_provider text, nonce bytea, ciphertext bytea, last_four text, key_generation integer, new_key bytea, new_key_master text) TO aias_edge;

-- FUNCTION set_secret(tenant uuid, secret text, nonce bytea, ciphertext bytea, last_four text, key_generation integer, new_key bytea, new_key_master text); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.set_secret(tenant uuid, secret text, nonce bytea, ciphertext bytea, last_four text, key_generation integer, new_key bytea, new_key_master text) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.set_secret(tenant uuid, secret text, nonce bytea, ciphertext bytea, last_four text, key_generation integer, new_key bytea, new_key_master text) TO aias_edge;

-- FUNCTION tenant_key(tenant uuid); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.tenant_key(tenant uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.tenant_key(tenant uuid) TO aias_edge;

-- FUNCTION tenant_key_for_providers(tenant uuid); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.tenant_key_for_providers(tenant uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.tenant_key_for_providers(tenant uuid) TO aias_edge;

-- FUNCTION tenant_of_host(host text, base_domain text); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.tenant_of_host(host text, base_domain text) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.tenant_of_host(host text, base_domain text) TO aias_edge;

-- FUNCTION version_of_agent(tenant uuid, agent uuid, model text, config jsonb); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.version_of_agent(tenant uuid, agent uuid, model text, config jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.version_of_agent(tenant uuid, agent uuid, model text, config jsonb) TO aias_edge;

-- FUNCTION watch_executions(executions uuid[]); Type: ACL; Schema: edge
REVOKE ALL ON FUNCTION edge.watch_executions(executions uuid[]) FROM PUBLIC;
GRANT ALL ON FUNCTION edge.watch_executions(executions uuid[]) TO aias_edge;

-- TABLE memberships; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.memberships TO authenticated;

-- FUNCTION accept_invitation(token text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.accept_invitation(token text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.accept_invitation(token text) TO authenticated;

-- FUNCTION access_audit(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.access_audit() FROM PUBLIC;

-- FUNCTION actor(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.actor() FROM PUBLIC;

-- TABLE tenant_domains; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.tenant_domains TO authenticated;

-- FUNCTION add_domain(tenant uuid, wanted_domain text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.add_domain(tenant uuid, wanted_domain text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.add_domain(tenant uuid, wanted_domain text) TO authenticated;

-- FUNCTION agent_function_person_problem(tenant uuid, person uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.agent_function_person_problem(tenant uuid, person uuid) FROM PUBLIC;

-- FUNCTION agent_function_problem(callee regprocedure); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.agent_function_problem(callee regprocedure) FROM PUBLIC;

-- FUNCTION allow_agent_function(callee regprocedure, description text, arguments jsonb, name text, is_read_only boolean); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.allow_agent_function(callee regprocedure, description text, arguments jsonb, name text, is_read_only boolean) FROM PUBLIC;

-- FUNCTION ask_for_domain_check(tenant uuid, wanted_domain uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.ask_for_domain_check(tenant uuid, wanted_domain uuid) FROM PUBLIC;

-- FUNCTION ask_for_key_rotation(tenant uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.ask_for_key_rotation(tenant uuid) FROM PUBLIC;

-- FUNCTION broadcast_event(tenant uuid, event_name text, payload jsonb, event_key text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.broadcast_event(tenant uuid, event_name text, payload jsonb, event_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.broadcast_event(tenant uuid, event_name text, payload jsonb, event_key text) TO authenticated;

-- FUNCTION call_agent_function(tenant uuid, person uuid, claims jsonb, called text, arguments jsonb); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.call_agent_function(tenant uuid, person uuid, claims jsonb, called text, arguments jsonb) FROM PUBLIC;

-- TABLE executions; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.executions TO authenticated;

-- FUNCTION cancel_execution(wanted_execution uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.cancel_execution(wanted_execution uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.cancel_execution(wanted_execution uuid) TO authenticated;

-- FUNCTION capped_meters(tenant uuid, agent uuid, api_key uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.capped_meters(tenant uuid, agent uuid, api_key uuid) FROM PUBLIC;

-- FUNCTION change_member_role(tenant uuid, member uuid, wanted_role text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.change_member_role(tenant uuid, member uuid, wanted_role text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.change_member_role(tenant uuid, member uuid, wanted_role text) TO authenticated;

-- FUNCTION charge_storage(tenant uuid, bytes bigint); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.charge_storage(tenant uuid, bytes bigint) FROM PUBLIC;

-- FUNCTION check_agent_tools(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.check_agent_tools() FROM PUBLIC;

-- FUNCTION check_domain(wanted_domain uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.check_domain(wanted_domain uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.check_domain(wanted_domain uuid) TO authenticated;

-- FUNCTION check_embedding_model(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.check_embedding_model() FROM PUBLIC;

-- FUNCTION check_event(event_name text, event_key text, payload jsonb); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.check_event(event_name text, event_key text, payload jsonb) FROM PUBLIC;

-- FUNCTION check_hook_signature(hook private.webhooks, body bytea, signature text, signed_at text, github_signature text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.check_hook_signature(hook private.webhooks, body bytea, signature text, signed_at text, github_signature text) FROM PUBLIC;

-- FUNCTION check_input_size(input jsonb); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.check_input_size(input jsonb) FROM PUBLIC;

-- FUNCTION check_workflow(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.check_workflow() FROM PUBLIC;

-- FUNCTION chunk_document(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.chunk_document() FROM PUBLIC;

-- FUNCTION chunks_of(content text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.chunks_of(content text) FROM PUBLIC;

-- FUNCTION close_table(closed regclass); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.close_table(closed regclass) FROM PUBLIC;

-- TABLE tenants; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.tenants TO authenticated;

-- COLUMN tenants.name; Type: ACL; Schema: public
GRANT UPDATE(name) ON TABLE public.tenants TO authenticated;

-- COLUMN tenants.subdomain; Type: ACL; Schema: public
GRANT UPDATE(subdomain) ON TABLE public.tenants TO authenticated;

-- COLUMN tenants.requires_second_factor; Type: ACL; Schema: public
GRANT UPDATE(requires_second_factor) ON TABLE public.tenants TO authenticated;

-- COLUMN tenants.answer_cache_seconds; Type: ACL; Schema: public
GRANT UPDATE(answer_cache_seconds) ON TABLE public.tenants TO authenticated;

-- COLUMN tenants.content_kept_days; Type: ACL; Schema: public
GRANT UPDATE(content_kept_days) ON TABLE public.tenants TO authenticated;

-- FUNCTION close_tenant(tenant uuid, typed_subdomain text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.close_tenant(tenant uuid, typed_subdomain text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.close_tenant(tenant uuid, typed_subdomain text) TO authenticated;

-- FUNCTION count_documents(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.count_documents() FROM PUBLIC;

-- TABLE rate_limits; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.rate_limits TO authenticated;

-- FUNCTION count_in_rate_limit(rate public.rate_limits, meter text, wanted bigint, more bigint); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.count_in_rate_limit(rate public.rate_limits, meter text, wanted bigint, more bigint) FROM PUBLIC;

-- FUNCTION count_request(tenant uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.count_request(tenant uuid) FROM PUBLIC;

-- FUNCTION count_requests(tenant uuid, wanted integer, more integer); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.count_requests(tenant uuid, wanted integer, more integer) FROM PUBLIC;

-- FUNCTION count_storage(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.count_storage() FROM PUBLIC;

-- FUNCTION count_tokens(tenant uuid, tokens bigint); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.count_tokens(tenant uuid, tokens bigint) FROM PUBLIC;

-- FUNCTION create_api_key(tenant uuid, wanted_name text, wanted_scopes text[], wanted_expiry timestamp with time zone); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.create_api_key(tenant uuid, wanted_name text, wanted_scopes text[], wanted_expiry timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION private.create_api_key(tenant uuid, wanted_name text, wanted_scopes text[], wanted_expiry timestamp with time zone) TO authenticated;

-- FUNCTION create_tenant(wanted_name text, wanted_subdomain text, wanted_region text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.create_tenant(wanted_name text, wanted_subdomain text, wanted_region text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.create_tenant(wanted_name text, wanted_subdomain text, wanted_region text) TO authenticated;

-- FUNCTION custom_access_token_hook(event jsonb); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.custom_access_token_hook(event jsonb) FROM PUBLIC;

-- FUNCTION decide_approval(wanted_execution uuid, wanted_node text, is_approved boolean, remark text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.decide_approval(wanted_execution uuid, wanted_node text, is_approved boolean, remark text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.decide_approval(wanted_execution uuid, wanted_node text, is_approved boolean, remark text) TO authenticated;

-- FUNCTION decline_invitation(token text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.decline_invitation(token text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.decline_invitation(token text) TO authenticated;

-- FUNCTION demand(tenant uuid, permission text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.demand(tenant uuid, permission text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.demand(tenant uuid, permission text) TO authenticated;

-- FUNCTION demand_grant(tenant uuid, attempt text, roles text[]); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.demand_grant(tenant uuid, attempt text, roles text[]) FROM PUBLIC;

-- FUNCTION derived_access(tenant uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.derived_access(tenant uuid) FROM PUBLIC;

-- FUNCTION disable_event_trigger(source regclass); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.disable_event_trigger(source regclass) FROM PUBLIC;

-- FUNCTION disable_hook_signing(wanted_workflow uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.disable_hook_signing(wanted_workflow uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.disable_hook_signing(wanted_workflow uuid) TO authenticated;

-- FUNCTION disallow_agent_function(name text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.disallow_agent_function(name text) FROM PUBLIC;

-- FUNCTION domain_to_manage(wanted_domain uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.domain_to_manage(wanted_domain uuid) FROM PUBLIC;

-- FUNCTION embed_changed_documents(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.embed_changed_documents() FROM PUBLIC;

-- FUNCTION embed_new_documents(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.embed_new_documents() FROM PUBLIC;

-- FUNCTION embedding_status(agent uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.embedding_status(agent uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.embedding_status(agent uuid) TO authenticated;

-- FUNCTION empty_stock(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.empty_stock() FROM PUBLIC;

-- FUNCTION enable_event_trigger(source regclass, hidden_columns text[], permission text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.enable_event_trigger(source regclass, hidden_columns text[], permission text) FROM PUBLIC;

-- FUNCTION enable_hook_signing(wanted_workflow uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.enable_hook_signing(wanted_workflow uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.enable_hook_signing(wanted_workflow uuid) TO authenticated;

-- FUNCTION end_invitation(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.end_invitation() FROM PUBLIC;

-- TABLE workflows; Type: ACL; Schema: public
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.workflows TO authenticated;

-- FUNCTION enqueue_execution(workflow public.workflows, input jsonb, idempotency_key text, started_by uuid, origin text, parent_id uuid, parent_node text, parent_item integer, depth integer, priority integer); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.enqueue_execution(workflow public.workflows, input jsonb, idempotency_key text, started_by uuid, origin text, parent_id uuid, parent_node text, parent_item integer, depth integer, priority integer) FROM PUBLIC;

-- FUNCTION erase_captured_calls(tenant uuid, batch integer); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.erase_captured_calls(tenant uuid, batch integer) FROM PUBLIC;

-- FUNCTION event_output(event_name text, event_key text, payload jsonb); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.event_output(event_name text, event_key text, payload jsonb) FROM PUBLIC;

-- FUNCTION event_source(written text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.event_source(written text) FROM PUBLIC;

-- FUNCTION execution_to(wanted_execution uuid, permission text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.execution_to(wanted_execution uuid, permission text) FROM PUBLIC;

-- FUNCTION export_chunk(wanted_export uuid, number integer); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.export_chunk(wanted_export uuid, number integer) FROM PUBLIC;
GRANT ALL ON FUNCTION private.export_chunk(wanted_export uuid, number integer) TO authenticated;

-- TABLE tenant_exports; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.tenant_exports TO authenticated;

-- FUNCTION export_tenant(tenant uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.export_tenant(tenant uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.export_tenant(tenant uuid) TO authenticated;

-- TABLE roles; Type: ACL; Schema: public
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.roles TO authenticated;

-- FUNCTION find_role(tenant uuid, wanted text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.find_role(tenant uuid, wanted text) FROM PUBLIC;

-- FUNCTION first_id_at(instant timestamp with time zone); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.first_id_at(instant timestamp with time zone) FROM PUBLIC;

-- FUNCTION follow_embedding_model(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.follow_embedding_model() FROM PUBLIC;

-- FUNCTION forget_all_quotas(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.forget_all_quotas() FROM PUBLIC;

-- FUNCTION forget_answers_of_agent(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.forget_answers_of_agent() FROM PUBLIC;

-- FUNCTION forget_answers_of_tenant(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.forget_answers_of_tenant() FROM PUBLIC;

-- FUNCTION forget_quotas(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.forget_quotas() FROM PUBLIC;

-- FUNCTION give_stock_back(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.give_stock_back() FROM PUBLIC;

-- FUNCTION guard_role(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.guard_role() FROM PUBLIC;

-- FUNCTION guard_second_factor(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.guard_second_factor() FROM PUBLIC;

-- FUNCTION guard_subdomain(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.guard_subdomain() FROM PUBLIC;

-- FUNCTION has_feature(tenant uuid, feature text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.has_feature(tenant uuid, feature text) FROM PUBLIC;

-- FUNCTION has_second_factor(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.has_second_factor() FROM PUBLIC;
GRANT ALL ON FUNCTION private.has_second_factor() TO authenticated;

-- FUNCTION has_vectors(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.has_vectors() FROM PUBLIC;

-- FUNCTION held_in(tenant uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.held_in(tenant uuid) FROM PUBLIC;

-- FUNCTION hmac_sha256(key bytea, message bytea); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.hmac_sha256(key bytea, message bytea) FROM PUBLIC;

-- FUNCTION hold_key(tenant uuid, key_generation integer, new_key bytea, new_key_master text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.hold_key(tenant uuid, key_generation integer, new_key bytea, new_key_master text) FROM PUBLIC;

-- TABLE invitations; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.invitations TO authenticated;

-- FUNCTION invitation_of_token(token text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.invitation_of_token(token text) FROM PUBLIC;

-- FUNCTION invitation_to_manage(wanted_invitation uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.invitation_to_manage(wanted_invitation uuid) FROM PUBLIC;

-- FUNCTION invite_member(tenant uuid, wanted_email text, wanted_role text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.invite_member(tenant uuid, wanted_email text, wanted_role text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.invite_member(tenant uuid, wanted_email text, wanted_role text) TO authenticated;

-- FUNCTION invoice_preview(tenant uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.invoice_preview(tenant uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.invoice_preview(tenant uuid) TO authenticated;

-- FUNCTION is_caller(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.is_caller() FROM PUBLIC;
GRANT ALL ON FUNCTION private.is_caller() TO authenticated;

-- FUNCTION is_pending(invitation public.invitations); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.is_pending(invitation public.invitations) FROM PUBLIC;

-- FUNCTION is_still_granted(invitation public.invitations); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.is_still_granted(invitation public.invitations) FROM PUBLIC;

-- FUNCTION keep_agent_version(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.keep_agent_version() FROM PUBLIC;

-- FUNCTION keep_an_owner(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.keep_an_owner() FROM PUBLIC;

-- FUNCTION keep_columns(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.keep_columns() FROM PUBLIC;

-- FUNCTION keep_dimensions(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.keep_dimensions() FROM PUBLIC;

-- FUNCTION keep_final_step(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.keep_final_step() FROM PUBLIC;

-- FUNCTION keep_identity(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.keep_identity() FROM PUBLIC;

-- FUNCTION keep_value(tenant uuid, of_kind text, called text, key_generation integer, nonce bytea, ciphertext bytea); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.keep_value(tenant uuid, of_kind text, called text, key_generation integer, nonce bytea, ciphertext bytea) FROM PUBLIC;

-- FUNCTION keep_version_as_it_is(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.keep_version_as_it_is() FROM PUBLIC;

-- FUNCTION key_of(changed jsonb, key_columns text[]); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.key_of(changed jsonb, key_columns text[]) FROM PUBLIC;

-- FUNCTION leave_tenant(tenant uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.leave_tenant(tenant uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.leave_tenant(tenant uuid) TO authenticated;

-- FUNCTION left_of_rate_limit(rate public.rate_limits, meter text, OUT allowed integer, OUT remaining bigint); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.left_of_rate_limit(rate public.rate_limits, meter text, OUT allowed integer, OUT remaining bigint) FROM PUBLIC;

-- FUNCTION left_of_the_minute(tenant uuid, meter text, bucket text, OUT allowed bigint, OUT remaining bigint); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.left_of_the_minute(tenant uuid, meter text, bucket text, OUT allowed bigint, OUT remaining bigint) FROM PUBLIC;

-- FUNCTION limit_invitations(tenant uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.limit_invitations(tenant uuid) FROM PUBLIC;

-- FUNCTION limit_of(tenant uuid, meter text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.limit_of(tenant uuid, meter text) FROM PUBLIC;

-- FUNCTION llm_cost_usd(llm_provider text, llm_model text, at timestamp with time zone, input bigint, cached bigint, output bigint, cache_write_tokens bigint, reasoning_tokens bigint); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.llm_cost_usd(llm_provider text, llm_model text, at timestamp with time zone, input bigint, cached bigint, output bigint, cache_write_tokens bigint, reasoning_tokens bigint) FROM PUBLIC;

-- FUNCTION lock_access(tenant uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.lock_access(tenant uuid) FROM PUBLIC;

-- FUNCTION lock_access_of_person(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.lock_access_of_person() FROM PUBLIC;

-- FUNCTION lock_job(execution public.executions); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.lock_job(execution public.executions) FROM PUBLIC;

-- FUNCTION lock_secrets(tenant uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.lock_secrets(tenant uuid) FROM PUBLIC;

-- FUNCTION look_at_invitation(token text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.look_at_invitation(token text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.look_at_invitation(token text) TO authenticated;

-- FUNCTION look_at_rate_limit(rate public.rate_limits, meter text, wanted bigint); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.look_at_rate_limit(rate public.rate_limits, meter text, wanted bigint) FROM PUBLIC;

-- FUNCTION mail_invitation(invitation public.invitations); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.mail_invitation(invitation public.invitations) FROM PUBLIC;

-- FUNCTION mask_of(permissions text[]); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.mask_of(permissions text[]) FROM PUBLIC;

-- FUNCTION master_keys_in_use(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.master_keys_in_use() FROM PUBLIC;

-- FUNCTION may_decide(tenant uuid, wanted_permission text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.may_decide(tenant uuid, wanted_permission text) FROM PUBLIC;

-- FUNCTION mcp_server_problem(server jsonb); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.mcp_server_problem(server jsonb) FROM PUBLIC;

-- FUNCTION mcp_servers_problem(config jsonb); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.mcp_servers_problem(config jsonb) FROM PUBLIC;

-- FUNCTION member_to_manage(tenant uuid, member uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.member_to_manage(tenant uuid, member uuid) FROM PUBLIC;

-- FUNCTION my_tenants(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.my_tenants() FROM PUBLIC;
GRANT ALL ON FUNCTION private.my_tenants() TO authenticated;

-- FUNCTION nearest_chunks(tenant uuid, agent uuid, question real[]); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.nearest_chunks(tenant uuid, agent uuid, question real[]) FROM PUBLIC;

-- FUNCTION note_cancellation(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.note_cancellation() FROM PUBLIC;

-- FUNCTION number_agent_version(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.number_agent_version() FROM PUBLIC;

-- FUNCTION own_tenants(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.own_tenants() FROM PUBLIC;
GRANT ALL ON FUNCTION private.own_tenants() TO authenticated;

-- FUNCTION pause_execution(wanted_execution uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.pause_execution(wanted_execution uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.pause_execution(wanted_execution uuid) TO authenticated;

-- FUNCTION permissions_in(mask bigint); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.permissions_in(mask bigint) FROM PUBLIC;

-- FUNCTION principal(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.principal() FROM PUBLIC;
GRANT ALL ON FUNCTION private.principal() TO authenticated;

-- FUNCTION publish_trigger(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.publish_trigger() FROM PUBLIC;

-- FUNCTION publish_workflow(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.publish_workflow() FROM PUBLIC;

-- FUNCTION quota_audit(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.quota_audit() FROM PUBLIC;

-- FUNCTION quota_status(tenant uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.quota_status(tenant uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.quota_status(tenant uuid) TO authenticated;

-- FUNCTION random_token(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.random_token() FROM PUBLIC;

-- FUNCTION rate_limits_of_call(tenant uuid, api_key uuid, models text[]); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.rate_limits_of_call(tenant uuid, api_key uuid, models text[]) FROM PUBLIC;

-- FUNCTION recount_storage(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.recount_storage() FROM PUBLIC;

-- FUNCTION refresh_access(tenant uuid, only_principals uuid[]); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.refresh_access(tenant uuid, only_principals uuid[]) FROM PUBLIC;

-- FUNCTION refresh_all_access(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.refresh_all_access() FROM PUBLIC;

-- FUNCTION refresh_changed_access(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.refresh_changed_access() FROM PUBLIC;

-- FUNCTION refresh_tenant_access(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.refresh_tenant_access() FROM PUBLIC;

-- FUNCTION refuse(status integer, code text, message text, details text, hint text, headers jsonb); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.refuse(status integer, code text, message text, details text, hint text, headers jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION private.refuse(status integer, code text, message text, details text, hint text, headers jsonb) TO authenticated;

-- FUNCTION refuse_escalation(tenant uuid, attempt text, missing bigint, reason text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.refuse_escalation(tenant uuid, attempt text, missing bigint, reason text) FROM PUBLIC;

-- FUNCTION refuse_invitation(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.refuse_invitation() FROM PUBLIC;

-- FUNCTION remove_domain(wanted_domain uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.remove_domain(wanted_domain uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.remove_domain(wanted_domain uuid) TO authenticated;

-- FUNCTION remove_member(tenant uuid, member uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.remove_member(tenant uuid, member uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.remove_member(tenant uuid, member uuid) TO authenticated;

-- FUNCTION reopen_tenant(tenant uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.reopen_tenant(tenant uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.reopen_tenant(tenant uuid) TO authenticated;

-- FUNCTION request_id(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.request_id() FROM PUBLIC;

-- FUNCTION resend_invitation(wanted_invitation uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.resend_invitation(wanted_invitation uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.resend_invitation(wanted_invitation uuid) TO authenticated;

-- FUNCTION resume_execution(wanted_execution uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.resume_execution(wanted_execution uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.resume_execution(wanted_execution uuid) TO authenticated;

-- FUNCTION retry_embeddings_with_key(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.retry_embeddings_with_key() FROM PUBLIC;

-- FUNCTION retry_execution(wanted_execution uuid, from_node text, new_input jsonb); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.retry_execution(wanted_execution uuid, from_node text, new_input jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION private.retry_execution(wanted_execution uuid, from_node text, new_input jsonb) TO authenticated;

-- TABLE api_keys; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.api_keys TO authenticated;

-- FUNCTION revoke_api_key(wanted_key uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.revoke_api_key(wanted_key uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.revoke_api_key(wanted_key uuid) TO authenticated;

-- FUNCTION revoke_invitation(wanted_invitation uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.revoke_invitation(wanted_invitation uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.revoke_invitation(wanted_invitation uuid) TO authenticated;

-- FUNCTION rotate_webhook(wanted_workflow uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.rotate_webhook(wanted_workflow uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.rotate_webhook(wanted_workflow uuid) TO authenticated;

-- FUNCTION sealed(tenant uuid, of_kind text, wanted text[]); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.sealed(tenant uuid, of_kind text, wanted text[]) FROM PUBLIC;

-- FUNCTION search_chunks(tenant uuid, agent uuid, question text, at_most integer); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.search_chunks(tenant uuid, agent uuid, question text, at_most integer) FROM PUBLIC;

-- FUNCTION search_chunks(tenant uuid, agent uuid, question text, at_most integer, question_vector real[]); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.search_chunks(tenant uuid, agent uuid, question text, at_most integer, question_vector real[]) FROM PUBLIC;

-- FUNCTION search_documents(agent uuid, question text, at_most integer, question_vector real[]); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.search_documents(agent uuid, question text, at_most integer, question_vector real[]) FROM PUBLIC;
GRANT ALL ON FUNCTION private.search_documents(agent uuid, question text, at_most integer, question_vector real[]) TO authenticated;

-- FUNCTION send_event(wanted_execution uuid, event_name text, payload jsonb, event_key text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.send_event(wanted_execution uuid, event_name text, payload jsonb, event_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.send_event(wanted_execution uuid, event_name text, payload jsonb, event_key text) TO authenticated;

-- FUNCTION set_dollars_aside(tenant uuid, meters text[], models text[], input_tokens bigint, most_output_tokens bigint); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.set_dollars_aside(tenant uuid, meters text[], models text[], input_tokens bigint, most_output_tokens bigint) FROM PUBLIC;

-- FUNCTION set_rate_limit(tenant uuid, api_key uuid, of_model text, requests integer, tokens integer); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.set_rate_limit(tenant uuid, api_key uuid, of_model text, requests integer, tokens integer) FROM PUBLIC;
GRANT ALL ON FUNCTION private.set_rate_limit(tenant uuid, api_key uuid, of_model text, requests integer, tokens integer) TO authenticated;

-- FUNCTION set_spending_cap(tenant uuid, usd numeric, agent uuid, api_key uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.set_spending_cap(tenant uuid, usd numeric, agent uuid, api_key uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.set_spending_cap(tenant uuid, usd numeric, agent uuid, api_key uuid) TO authenticated;

-- FUNCTION set_tokens_aside(tenant uuid, wanted bigint, more bigint, OUT block uuid, OUT tokens bigint); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.set_tokens_aside(tenant uuid, wanted bigint, more bigint, OUT block uuid, OUT tokens bigint) FROM PUBLIC;

-- FUNCTION shorten_captured_calls(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.shorten_captured_calls() FROM PUBLIC;

-- FUNCTION size_of_object(metadata jsonb); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.size_of_object(metadata jsonb) FROM PUBLIC;

-- FUNCTION spending_meters(agent uuid, api_key uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.spending_meters(agent uuid, api_key uuid) FROM PUBLIC;

-- FUNCTION stamp_author(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.stamp_author() FROM PUBLIC;

-- FUNCTION start_by_event(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.start_by_event() FROM PUBLIC;

-- FUNCTION start_execution(wanted_workflow uuid, execution_input jsonb, key text, wanted_priority integer); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.start_execution(wanted_workflow uuid, execution_input jsonb, key text, wanted_priority integer) FROM PUBLIC;
GRANT ALL ON FUNCTION private.start_execution(wanted_workflow uuid, execution_input jsonb, key text, wanted_priority integer) TO authenticated;

-- FUNCTION start_executions(wanted_workflow uuid, inputs jsonb[], wanted_priority integer); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.start_executions(wanted_workflow uuid, inputs jsonb[], wanted_priority integer) FROM PUBLIC;
GRANT ALL ON FUNCTION private.start_executions(wanted_workflow uuid, inputs jsonb[], wanted_priority integer) TO authenticated;

-- FUNCTION step_problems(tenant uuid, nodes jsonb); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.step_problems(tenant uuid, nodes jsonb) FROM PUBLIC;

-- FUNCTION steps_to_repeat(plan jsonb, first_nodes text[]); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.steps_to_repeat(plan jsonb, first_nodes text[]) FROM PUBLIC;

-- FUNCTION stored_bytes(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.stored_bytes() FROM PUBLIC;

-- FUNCTION sweep_kept_of_calls(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.sweep_kept_of_calls() FROM PUBLIC;

-- FUNCTION sync_limits(tenant public.tenants); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.sync_limits(tenant public.tenants) FROM PUBLIC;

-- FUNCTION sync_plan_limits(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.sync_plan_limits() FROM PUBLIC;

-- FUNCTION sync_profile(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.sync_profile() FROM PUBLIC;

-- FUNCTION sync_tenant_limits(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.sync_tenant_limits() FROM PUBLIC;

-- FUNCTION take_stock(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.take_stock() FROM PUBLIC;

-- FUNCTION tenant_key(tenant uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.tenant_key(tenant uuid) FROM PUBLIC;

-- FUNCTION tenant_of_object(name text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.tenant_of_object(name text) FROM PUBLIC;

-- FUNCTION tenants_asking_for_second_factor(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.tenants_asking_for_second_factor() FROM PUBLIC;

-- FUNCTION tenants_with(permission text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.tenants_with(permission text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.tenants_with(permission text) TO authenticated;

-- FUNCTION tool_problem(tool jsonb); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.tool_problem(tool jsonb) FROM PUBLIC;

-- FUNCTION tools_problem(config jsonb); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.tools_problem(config jsonb) FROM PUBLIC;

-- FUNCTION touch_updated_at(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.touch_updated_at() FROM PUBLIC;

-- FUNCTION transfer_ownership(tenant uuid, member uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.transfer_ownership(tenant uuid, member uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.transfer_ownership(tenant uuid, member uuid) TO authenticated;

-- FUNCTION trigger_problems(nodes jsonb); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.trigger_problems(nodes jsonb) FROM PUBLIC;

-- FUNCTION use_vectors(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.use_vectors() FROM PUBLIC;

-- FUNCTION verify_audit(tenant uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.verify_audit(tenant uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.verify_audit(tenant uuid) TO authenticated;

-- FUNCTION want_embeddings(tenants uuid[], agents uuid[]); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.want_embeddings(tenants uuid[], agents uuid[]) FROM PUBLIC;

-- FUNCTION watch_storage(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.watch_storage() FROM PUBLIC;

-- FUNCTION webhook_address(token text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.webhook_address(token text) FROM PUBLIC;

-- FUNCTION webhook_of(workflow public.workflows); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.webhook_of(workflow public.workflows) FROM PUBLIC;

-- FUNCTION webhook_url(wanted_workflow uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.webhook_url(wanted_workflow uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.webhook_url(wanted_workflow uuid) TO authenticated;

-- FUNCTION workflow_problems(tenant uuid, nodes jsonb, connections jsonb); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.workflow_problems(tenant uuid, nodes jsonb, connections jsonb) FROM PUBLIC;

-- FUNCTION workflow_to_start(wanted_workflow uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.workflow_to_start(wanted_workflow uuid) FROM PUBLIC;

-- FUNCTION workflow_to_write(wanted_workflow uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.workflow_to_write(wanted_workflow uuid) FROM PUBLIC;

-- FUNCTION accept_invitation(token text); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.accept_invitation(token text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.accept_invitation(token text) TO authenticated;

-- FUNCTION activate_workflow(workflow_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.activate_workflow(workflow_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.activate_workflow(workflow_id uuid) TO authenticated;

-- FUNCTION add_domain(tenant_id uuid, domain text); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.add_domain(tenant_id uuid, domain text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.add_domain(tenant_id uuid, domain text) TO authenticated;

-- FUNCTION broadcast_event(tenant_id uuid, name text, payload jsonb, key text); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.broadcast_event(tenant_id uuid, name text, payload jsonb, key text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.broadcast_event(tenant_id uuid, name text, payload jsonb, key text) TO authenticated;

-- FUNCTION cancel_execution(execution_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.cancel_execution(execution_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.cancel_execution(execution_id uuid) TO authenticated;

-- FUNCTION change_member_role(tenant_id uuid, user_id uuid, role text); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.change_member_role(tenant_id uuid, user_id uuid, role text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.change_member_role(tenant_id uuid, user_id uuid, role text) TO authenticated;

-- FUNCTION check_domain(domain_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.check_domain(domain_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.check_domain(domain_id uuid) TO authenticated;

-- FUNCTION close_tenant(tenant_id uuid, subdomain text); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.close_tenant(tenant_id uuid, subdomain text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.close_tenant(tenant_id uuid, subdomain text) TO authenticated;

-- FUNCTION create_api_key(tenant_id uuid, name text, scopes text[], expires_at timestamp with time zone); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.create_api_key(tenant_id uuid, name text, scopes text[], expires_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION public.create_api_key(tenant_id uuid, name text, scopes text[], expires_at timestamp with time zone) TO authenticated;

-- FUNCTION create_tenant(name text, subdomain text, region text); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.create_tenant(name text, subdomain text, region text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.create_tenant(name text, subdomain text, region text) TO authenticated;

-- FUNCTION decide_approval(execution_id uuid, node_id text, approved boolean, comment text); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.decide_approval(execution_id uuid, node_id text, approved boolean, comment text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.decide_approval(execution_id uuid, node_id text, approved boolean, comment text) TO authenticated;

-- FUNCTION decline_invitation(token text); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.decline_invitation(token text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.decline_invitation(token text) TO authenticated;

-- FUNCTION disable_hook_signing(workflow_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.disable_hook_signing(workflow_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.disable_hook_signing(workflow_id uuid) TO authenticated;

-- FUNCTION embedding_status(agent_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.embedding_status(agent_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.embedding_status(agent_id uuid) TO authenticated;

-- FUNCTION enable_hook_signing(workflow_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.enable_hook_signing(workflow_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.enable_hook_signing(workflow_id uuid) TO authenticated;

-- FUNCTION export_chunk(export_id uuid, number integer); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.export_chunk(export_id uuid, number integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.export_chunk(export_id uuid, number integer) TO authenticated;

-- FUNCTION export_tenant(tenant_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.export_tenant(tenant_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.export_tenant(tenant_id uuid) TO authenticated;

-- FUNCTION invite_member(tenant_id uuid, email text, role text); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.invite_member(tenant_id uuid, email text, role text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.invite_member(tenant_id uuid, email text, role text) TO authenticated;

-- FUNCTION invoice_preview(tenant_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.invoice_preview(tenant_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.invoice_preview(tenant_id uuid) TO authenticated;

-- FUNCTION leave_tenant(tenant_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.leave_tenant(tenant_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.leave_tenant(tenant_id uuid) TO authenticated;

-- FUNCTION look_at_invitation(token text); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.look_at_invitation(token text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.look_at_invitation(token text) TO authenticated;

-- FUNCTION my_tenants(); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.my_tenants() FROM PUBLIC;
GRANT ALL ON FUNCTION public.my_tenants() TO authenticated;

-- FUNCTION pause_execution(execution_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.pause_execution(execution_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.pause_execution(execution_id uuid) TO authenticated;

-- FUNCTION quota_status(tenant_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.quota_status(tenant_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.quota_status(tenant_id uuid) TO authenticated;

-- FUNCTION remove_domain(domain_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.remove_domain(domain_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.remove_domain(domain_id uuid) TO authenticated;

-- FUNCTION remove_member(tenant_id uuid, user_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.remove_member(tenant_id uuid, user_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.remove_member(tenant_id uuid, user_id uuid) TO authenticated;

-- FUNCTION reopen_tenant(tenant_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.reopen_tenant(tenant_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.reopen_tenant(tenant_id uuid) TO authenticated;

-- FUNCTION resend_invitation(invitation_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.resend_invitation(invitation_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.resend_invitation(invitation_id uuid) TO authenticated;

-- TABLE ai_agents; Type: ACL; Schema: public
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.ai_agents TO authenticated;

-- FUNCTION restore_agent_version(agent_id uuid, version integer); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.restore_agent_version(agent_id uuid, version integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.restore_agent_version(agent_id uuid, version integer) TO authenticated;

-- FUNCTION resume_execution(execution_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.resume_execution(execution_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.resume_execution(execution_id uuid) TO authenticated;

-- FUNCTION retry_execution(execution_id uuid, from_node text, input jsonb); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.retry_execution(execution_id uuid, from_node text, input jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.retry_execution(execution_id uuid, from_node text, input jsonb) TO authenticated;

-- FUNCTION revoke_api_key(key_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.revoke_api_key(key_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.revoke_api_key(key_id uuid) TO authenticated;

-- FUNCTION revoke_invitation(invitation_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.revoke_invitation(invitation_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.revoke_invitation(invitation_id uuid) TO authenticated;

-- FUNCTION rotate_webhook(workflow_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.rotate_webhook(workflow_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.rotate_webhook(workflow_id uuid) TO authenticated;

-- FUNCTION search_documents(agent_id uuid, query text, at_most integer, query_embedding real[]); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.search_documents(agent_id uuid, query text, at_most integer, query_embedding real[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.search_documents(agent_id uuid, query text, at_most integer, query_embedding real[]) TO authenticated;

-- FUNCTION send_event(execution_id uuid, name text, payload jsonb, key text); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.send_event(execution_id uuid, name text, payload jsonb, key text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.send_event(execution_id uuid, name text, payload jsonb, key text) TO authenticated;

-- FUNCTION set_rate_limit(tenant_id uuid, api_key_id uuid, model text, requests_per_minute integer, tokens_per_minute integer); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.set_rate_limit(tenant_id uuid, api_key_id uuid, model text, requests_per_minute integer, tokens_per_minute integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.set_rate_limit(tenant_id uuid, api_key_id uuid, model text, requests_per_minute integer, tokens_per_minute integer) TO authenticated;

-- FUNCTION set_spending_cap(tenant_id uuid, usd numeric, agent_id uuid, api_key_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.set_spending_cap(tenant_id uuid, usd numeric, agent_id uuid, api_key_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.set_spending_cap(tenant_id uuid, usd numeric, agent_id uuid, api_key_id uuid) TO authenticated;

-- FUNCTION start_execution(workflow_id uuid, input jsonb, idempotency_key text, priority integer); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.start_execution(workflow_id uuid, input jsonb, idempotency_key text, priority integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.start_execution(workflow_id uuid, input jsonb, idempotency_key text, priority integer) TO authenticated;

-- FUNCTION start_executions(workflow_id uuid, inputs jsonb[], priority integer); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.start_executions(workflow_id uuid, inputs jsonb[], priority integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.start_executions(workflow_id uuid, inputs jsonb[], priority integer) TO authenticated;

-- FUNCTION transfer_ownership(tenant_id uuid, user_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.transfer_ownership(tenant_id uuid, user_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.transfer_ownership(tenant_id uuid, user_id uuid) TO authenticated;

-- FUNCTION verify_audit(tenant_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.verify_audit(tenant_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.verify_audit(tenant_id uuid) TO authenticated;

-- FUNCTION webhook_url(workflow_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.webhook_url(workflow_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.webhook_url(workflow_id uuid) TO authenticated;

-- FUNCTION workflow_problems(nodes jsonb, connections jsonb); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.workflow_problems(nodes jsonb, connections jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.workflow_problems(nodes jsonb, connections jsonb) TO authenticated;

-- FUNCTION agent(tenant uuid, agent uuid); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.agent(tenant uuid, agent uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.agent(tenant uuid, agent uuid) TO aias_worker;

-- FUNCTION agent(tenant uuid, agent uuid, wanted_version integer); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.agent(tenant uuid, agent uuid, wanted_version integer) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.agent(tenant uuid, agent uuid, wanted_version integer) TO aias_worker;

-- FUNCTION agent_functions(names text[]); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.agent_functions(names text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.agent_functions(names text[]) TO aias_worker;

-- FUNCTION answer_call(tenant uuid, execution uuid); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.answer_call(tenant uuid, execution uuid) FROM PUBLIC;

-- FUNCTION ask_to_end(tenant uuid, execution uuid); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.ask_to_end(tenant uuid, execution uuid) FROM PUBLIC;

-- FUNCTION begin_embedding(tenant uuid, agent uuid, token bigint); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.begin_embedding(tenant uuid, agent uuid, token bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.begin_embedding(tenant uuid, agent uuid, token bigint) TO aias_worker;

-- FUNCTION begin_wait(tenant uuid, execution uuid, node text, wait_item integer, wait jsonb); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.begin_wait(tenant uuid, execution uuid, node text, wait_item integer, wait jsonb) FROM PUBLIC;

-- FUNCTION call_agent_function(tenant uuid, execution uuid, token bigint, called text, arguments jsonb); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.call_agent_function(tenant uuid, execution uuid, token bigint, called text, arguments jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.call_agent_function(tenant uuid, execution uuid, token bigint, called text, arguments jsonb) TO aias_worker;

-- FUNCTION call_as_member(callee regprocedure, arguments jsonb, most_rows integer); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.call_as_member(callee regprocedure, arguments jsonb, most_rows integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION queue.call_as_member(callee regprocedure, arguments jsonb, most_rows integer) FROM authenticated;
GRANT ALL ON FUNCTION queue.call_as_member(callee regprocedure, arguments jsonb, most_rows integer) TO postgres;

-- FUNCTION chain_audit(max_entries integer); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.chain_audit(max_entries integer) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.chain_audit(max_entries integer) TO aias_worker;

-- FUNCTION claim(worker text, max_jobs integer, lease interval, held_tenants uuid[], held_workflows uuid[], held_counts integer[], kept integer); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.claim(worker text, max_jobs integer, lease interval, held_tenants uuid[], held_workflows uuid[], held_counts integer[], kept integer) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.claim(worker text, max_jobs integer, lease interval, held_tenants uuid[], held_workflows uuid[], held_counts integer[], kept integer) TO aias_worker;

-- FUNCTION claim_domain_checks(worker text, max_checks integer, lease interval); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.claim_domain_checks(worker text, max_checks integer, lease interval) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.claim_domain_checks(worker text, max_checks integer, lease interval) TO aias_worker;

-- FUNCTION claim_embeddings(worker text, most integer, lease interval); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.claim_embeddings(worker text, most integer, lease interval) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.claim_embeddings(worker text, most integer, lease interval) TO aias_worker;

-- FUNCTION claim_mails(worker text, max_mails integer, lease interval); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.claim_mails(worker text, max_mails integer, lease interval) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.claim_mails(worker text, max_mails integer, lease interval) TO aias_worker;

-- FUNCTION claim_schedules(worker text, max_schedules integer, lease interval); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.claim_schedules(worker text, max_schedules integer, lease interval) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.claim_schedules(worker text, max_schedules integer, lease interval) TO aias_worker;

-- FUNCTION deliver(tenant uuid, execution uuid, node text, wait_item integer, payload jsonb); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.deliver(tenant uuid, execution uuid, node text, wait_item integer, payload jsonb) FROM PUBLIC;

-- FUNCTION drop_empty_months(); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.drop_empty_months() FROM PUBLIC;

-- FUNCTION drop_old_history(batch integer); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.drop_old_history(batch integer) FROM PUBLIC;

-- FUNCTION end_waits(tenant uuid, execution uuid); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.end_waits(tenant uuid, execution uuid) FROM PUBLIC;

-- FUNCTION erase_next_tenant(batch integer); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.erase_next_tenant(batch integer) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.erase_next_tenant(batch integer) TO aias_worker;

-- FUNCTION fail_embeddings(tenant uuid, agent uuid, token bigint, reservation uuid, call jsonb, outcome text, why text, retry_after interval, digests bytea[]); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.fail_embeddings(tenant uuid, agent uuid, token bigint, reservation uuid, call jsonb, outcome text, why text, retry_after interval, digests bytea[]) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.fail_embeddings(tenant uuid, agent uuid, token bigint, reservation uuid, call jsonb, outcome text, why text, retry_after interval, digests bytea[]) TO aias_worker;

-- FUNCTION fail_export(tenant uuid, export uuid, reason text); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.fail_export(tenant uuid, export uuid, reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.fail_export(tenant uuid, export uuid, reason text) TO aias_worker;

-- FUNCTION forget_executions(); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.forget_executions() FROM PUBLIC;

-- FUNCTION forget_mail(); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.forget_mail() FROM PUBLIC;

-- FUNCTION keep_history(); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.keep_history() FROM PUBLIC;

-- FUNCTION keep_jobs(tenants uuid[], executions uuid[], statuses text[], run_ats timestamp with time zone[], cancels boolean[]); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.keep_jobs(tenants uuid[], executions uuid[], statuses text[], run_ats timestamp with time zone[], cancels boolean[]) FROM PUBLIC;

-- FUNCTION keys_to_rewrap(newest_master text, after uuid, most integer); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.keys_to_rewrap(newest_master text, after uuid, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.keys_to_rewrap(newest_master text, after uuid, most integer) TO aias_worker;

-- FUNCTION lock_embedded(tenant uuid, agent uuid, digests bytea[]); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.lock_embedded(tenant uuid, agent uuid, digests bytea[]) FROM PUBLIC;

-- FUNCTION mail_token(tenant uuid, mail uuid, token bigint, token_hash bytea); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.mail_token(tenant uuid, mail uuid, token bigint, token_hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.mail_token(tenant uuid, mail uuid, token bigint, token_hash bytea) TO aias_worker;

-- FUNCTION make_due_ready(lease interval); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.make_due_ready(lease interval) FROM PUBLIC;

-- FUNCTION make_partition(parent regclass, key name, first_day date); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.make_partition(parent regclass, key name, first_day date) FROM PUBLIC;

-- FUNCTION next_due(); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.next_due() FROM PUBLIC;
GRANT ALL ON FUNCTION queue.next_due() TO aias_worker;

-- FUNCTION next_export(); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.next_export() FROM PUBLIC;
GRANT ALL ON FUNCTION queue.next_export() TO aias_worker;

-- FUNCTION next_key_to_rotate(after uuid); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.next_key_to_rotate(after uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.next_key_to_rotate(after uuid) TO aias_worker;

-- FUNCTION next_mail_due(); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.next_mail_due() FROM PUBLIC;
GRANT ALL ON FUNCTION queue.next_mail_due() TO aias_worker;

-- FUNCTION next_schedule_due(); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.next_schedule_due() FROM PUBLIC;
GRANT ALL ON FUNCTION queue.next_schedule_due() TO aias_worker;

-- FUNCTION notify_workers(VARIADIC tenants uuid[]); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.notify_workers(VARIADIC tenants uuid[]) FROM PUBLIC;

-- FUNCTION open_lane(tenant uuid, workflow uuid, lane_priority smallint); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.open_lane(tenant uuid, workflow uuid, lane_priority smallint) FROM PUBLIC;

-- FUNCTION pay_embedding(tenant uuid, reservation uuid, call jsonb, execution uuid, node text, OUT cost numeric, OUT is_new boolean); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.pay_embedding(tenant uuid, reservation uuid, call jsonb, execution uuid, node text, OUT cost numeric, OUT is_new boolean) FROM PUBLIC;

-- FUNCTION pick(for_worker text, max_jobs integer, kept integer, lease interval, own_tenants uuid[], own_workflows uuid[], own_counts integer[], OUT tenants uuid[], OUT executions uuid[], OUT was_capped boolean); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.pick(for_worker text, max_jobs integer, kept integer, lease interval, own_tenants uuid[], own_workflows uuid[], own_counts integer[], OUT tenants uuid[], OUT executions uuid[], OUT was_capped boolean) FROM PUBLIC;

-- FUNCTION plan(tenant uuid, workflow uuid, wanted_version integer); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.plan(tenant uuid, workflow uuid, wanted_version integer) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.plan(tenant uuid, workflow uuid, wanted_version integer) TO aias_worker;

-- FUNCTION prepare_llm_call(tenant uuid, execution uuid, token bigint, amount bigint, providers text[]); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.prepare_llm_call(tenant uuid, execution uuid, token bigint, amount bigint, providers text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.prepare_llm_call(tenant uuid, execution uuid, token bigint, amount bigint, providers text[]) TO aias_worker;

-- FUNCTION prepare_llm_call(tenant uuid, execution uuid, token bigint, agent uuid, models text[], input_tokens bigint, output_tokens bigint); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.prepare_llm_call(tenant uuid, execution uuid, token bigint, agent uuid, models text[], input_tokens bigint, output_tokens bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.prepare_llm_call(tenant uuid, execution uuid, token bigint, agent uuid, models text[], input_tokens bigint, output_tokens bigint) TO aias_worker;

-- FUNCTION prepare_query_embedding(tenant uuid, execution uuid, token bigint, agent uuid, input_tokens bigint); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.prepare_query_embedding(tenant uuid, execution uuid, token bigint, agent uuid, input_tokens bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.prepare_query_embedding(tenant uuid, execution uuid, token bigint, agent uuid, input_tokens bigint) TO aias_worker;

-- FUNCTION record(worker text, tenants uuid[], executions uuid[], tokens bigint[], statuses text[], run_ats timestamp with time zone[], outputs jsonb[], errors jsonb[], started_ats timestamp with time zone[], step_counts integer[], step_of integer[], nodes text[], items integer[], names text[], kinds text[], step_statuses text[], attempts integer[], handles text[], inputs jsonb[], step_outputs jsonb[], step_errors jsonb[], step_run_ats timestamp with time zone[], step_started_ats timestamp with time zone[], step_finished_ats timestamp with time zone[], extras jsonb[]); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.record(worker text, tenants uuid[], executions uuid[], tokens bigint[], statuses text[], run_ats timestamp with time zone[], outputs jsonb[], errors jsonb[], started_ats timestamp with time zone[], step_counts integer[], step_of integer[], nodes text[], items integer[], names text[], kinds text[], step_statuses text[], attempts integer[], handles text[], inputs jsonb[], step_outputs jsonb[], step_errors jsonb[], step_run_ats timestamp with time zone[], step_started_ats timestamp with time zone[], step_finished_ats timestamp with time zone[], extras jsonb[]) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.record(worker text, tenants uuid[], executions uuid[], tokens bigint[], statuses text[], run_ats timestamp with time zone[], outputs jsonb[], errors jsonb[], started_ats timestamp with time zone[], step_counts integer[], step_of integer[], nodes text[], items integer[], names text[], kinds text[], step_statuses text[], attempts integer[], handles text[], inputs jsonb[], step_outputs jsonb[], step_errors jsonb[], step_run_ats timestamp with time zone[], step_started_ats timestamp with time zone[], step_finished_ats timestamp with time zone[], extras jsonb[]) TO aias_worker;

-- FUNCTION record_domain_check(tenant uuid, domain_id uuid, token bigint, verified boolean, error text); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.record_domain_check(tenant uuid, domain_id uuid, token bigint, verified boolean, error text) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.record_domain_check(tenant uuid, domain_id uuid, token bigint, verified boolean, error text) TO aias_worker;

-- FUNCTION record_embeddings(tenant uuid, agent uuid, token bigint, reservation uuid, call jsonb, digests bytea[], vectors real[]); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.record_embeddings(tenant uuid, agent uuid, token bigint, reservation uuid, call jsonb, digests bytea[], vectors real[]) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.record_embeddings(tenant uuid, agent uuid, token bigint, reservation uuid, call jsonb, digests bytea[], vectors real[]) TO aias_worker;

-- FUNCTION record_mail(worker text, tenant uuid, mail uuid, token bigint, outcome text, error text, retry_at timestamp with time zone); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.record_mail(worker text, tenant uuid, mail uuid, token bigint, outcome text, error text, retry_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.record_mail(worker text, tenant uuid, mail uuid, token bigint, outcome text, error text, retry_at timestamp with time zone) TO aias_worker;

-- FUNCTION record_query_embedding(tenant uuid, execution uuid, node text, item integer, attempt integer, reservation uuid, call jsonb); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.record_query_embedding(tenant uuid, execution uuid, node text, item integer, attempt integer, reservation uuid, call jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.record_query_embedding(tenant uuid, execution uuid, node text, item integer, attempt integer, reservation uuid, call jsonb) TO aias_worker;

-- FUNCTION record_round(tenant uuid, execution uuid, node text, item integer, attempt integer, reservation uuid, call jsonb); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.record_round(tenant uuid, execution uuid, node text, item integer, attempt integer, reservation uuid, call jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.record_round(tenant uuid, execution uuid, node text, item integer, attempt integer, reservation uuid, call jsonb) TO aias_worker;

-- FUNCTION record_usage(tenant uuid, execution uuid, node text, item integer, attempt integer, call jsonb, OUT cost numeric, OUT is_new boolean); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.record_usage(tenant uuid, execution uuid, node text, item integer, attempt integer, call jsonb, OUT cost numeric, OUT is_new boolean) FROM PUBLIC;

-- FUNCTION recorded_steps(tenant uuid, execution uuid); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.recorded_steps(tenant uuid, execution uuid) FROM PUBLIC;

-- FUNCTION renew(worker text, tenants uuid[], executions uuid[], tokens bigint[], lease interval); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.renew(worker text, tenants uuid[], executions uuid[], tokens bigint[], lease interval) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.renew(worker text, tenants uuid[], executions uuid[], tokens bigint[], lease interval) TO aias_worker;

-- FUNCTION reserve_tokens(tenant uuid, execution uuid, token bigint, amount bigint); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.reserve_tokens(tenant uuid, execution uuid, token bigint, amount bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.reserve_tokens(tenant uuid, execution uuid, token bigint, amount bigint) TO aias_worker;

-- FUNCTION rewrap_key(tenant uuid, key_generation integer, wrapped_before bytea, wrapped_now bytea, master text); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.rewrap_key(tenant uuid, key_generation integer, wrapped_before bytea, wrapped_now bytea, master text) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.rewrap_key(tenant uuid, key_generation integer, wrapped_before bytea, wrapped_now bytea, master text) TO aias_worker;

-- FUNCTION rotate_key(tenant uuid, generation_before integer, wrapped_now bytea, master text, value_kinds text[], value_names text[], nonces_before bytea[], nonces bytea[], ciphertexts bytea[]); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.rotate_key(tenant uuid, generation_before integer, wrapped_now bytea, master text, value_kinds text[], value_names text[], nonces_before bytea[], nonces bytea[], ciphertexts bytea[]) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.rotate_key(tenant uuid, generation_before integer, wrapped_now bytea, master text, value_kinds text[], value_names text[], nonces_before bytea[], nonces bytea[], ciphertexts bytea[]) TO aias_worker;

-- FUNCTION run_next_export(); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.run_next_export() FROM PUBLIC;
GRANT ALL ON FUNCTION queue.run_next_export() TO aias_worker;

-- FUNCTION run_schedule(worker text, tenant uuid, workflow uuid, token bigint, instants timestamp with time zone[], handled_until timestamp with time zone, next_run_at timestamp with time zone, note text, OUT accepted boolean, OUT started integer, OUT refused text); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.run_schedule(worker text, tenant uuid, workflow uuid, token bigint, instants timestamp with time zone[], handled_until timestamp with time zone, next_run_at timestamp with time zone, note text, OUT accepted boolean, OUT started integer, OUT refused text) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.run_schedule(worker text, tenant uuid, workflow uuid, token bigint, instants timestamp with time zone[], handled_until timestamp with time zone, next_run_at timestamp with time zone, note text, OUT accepted boolean, OUT started integer, OUT refused text) TO aias_worker;

-- FUNCTION search_documents(tenant uuid, agent uuid, question text, at_most integer); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.search_documents(tenant uuid, agent uuid, question text, at_most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.search_documents(tenant uuid, agent uuid, question text, at_most integer) TO aias_worker;

-- FUNCTION search_documents(tenant uuid, agent uuid, question text, at_most integer, question_vector real[]); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.search_documents(tenant uuid, agent uuid, question text, at_most integer, question_vector real[]) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.search_documents(tenant uuid, agent uuid, question text, at_most integer, question_vector real[]) TO aias_worker;

-- FUNCTION secrets(tenant uuid, execution uuid, token bigint, wanted text[]); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.secrets(tenant uuid, execution uuid, token bigint, wanted text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.secrets(tenant uuid, execution uuid, token bigint, wanted text[]) TO aias_worker;

-- FUNCTION send_mail(tenant uuid, execution uuid, token bigint, node text, recipients text[], subject text, body_text text, body_html text, item integer); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.send_mail(tenant uuid, execution uuid, token bigint, node text, recipients text[], subject text, body_text text, body_html text, item integer) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.send_mail(tenant uuid, execution uuid, token bigint, node text, recipients text[], subject text, body_text text, body_html text, item integer) TO aias_worker;

-- FUNCTION settle_call(tenant uuid, reservation uuid, tokens bigint, dollars numeric); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.settle_call(tenant uuid, reservation uuid, tokens bigint, dollars numeric) FROM PUBLIC;

-- FUNCTION signals(tenant uuid, execution uuid); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.signals(tenant uuid, execution uuid) FROM PUBLIC;

-- FUNCTION start_child(tenant uuid, execution uuid, token bigint, node text, wait_item integer, wanted_workflow uuid, child_input jsonb, given_up uuid); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.start_child(tenant uuid, execution uuid, token bigint, node text, wait_item integer, wanted_workflow uuid, child_input jsonb, given_up uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.start_child(tenant uuid, execution uuid, token bigint, node text, wait_item integer, wanted_workflow uuid, child_input jsonb, given_up uuid) TO aias_worker;

-- FUNCTION start_workflow(tenant uuid, execution uuid, token bigint, node text, item integer, attempt integer, place text, wanted_workflow uuid, input jsonb); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.start_workflow(tenant uuid, execution uuid, token bigint, node text, item integer, attempt integer, place text, wanted_workflow uuid, input jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.start_workflow(tenant uuid, execution uuid, token bigint, node text, item integer, attempt integer, place text, wanted_workflow uuid, input jsonb) TO aias_worker;

-- FUNCTION sweep(); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.sweep() FROM PUBLIC;
GRANT ALL ON FUNCTION queue.sweep() TO aias_worker;

-- FUNCTION sync_changed_tenant(); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.sync_changed_tenant() FROM PUBLIC;

-- FUNCTION sync_tenant(tenant public.tenants); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.sync_tenant(tenant public.tenants) FROM PUBLIC;

-- FUNCTION sync_tenants_of_plan(); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.sync_tenants_of_plan() FROM PUBLIC;

-- FUNCTION tend_history(batch integer); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.tend_history(batch integer) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.tend_history(batch integer) TO aias_worker;

-- FUNCTION wake(tenant uuid, execution uuid); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.wake(tenant uuid, execution uuid) FROM PUBLIC;

-- FUNCTION was_capped(of_worker text); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.was_capped(of_worker text) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.was_capped(of_worker text) TO aias_worker;

-- TABLE inbox; Type: ACL; Schema: audit
GRANT SELECT ON TABLE audit.inbox TO authenticated;

-- TABLE log; Type: ACL; Schema: audit
GRANT SELECT ON TABLE audit.log TO authenticated;

-- TABLE subscriptions; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.subscriptions TO authenticated;

-- TABLE execution_steps; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.execution_steps TO authenticated;

-- TABLE agent_documents; Type: ACL; Schema: public
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.agent_documents TO authenticated;

-- TABLE agent_versions; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.agent_versions TO authenticated;

-- TABLE captured_calls; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.captured_calls TO authenticated;

-- TABLE invoices; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.invoices TO authenticated;

-- TABLE usage; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.usage TO authenticated;

-- TABLE users; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.users TO authenticated;

-- COLUMN users.name; Type: ACL; Schema: public
GRANT UPDATE(name) ON TABLE public.users TO authenticated;

-- TABLE workflow_versions; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.workflow_versions TO authenticated;

-- TABLE audit_log; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.audit_log TO authenticated;

-- TABLE permissions; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.permissions TO authenticated;

-- TABLE regions; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.regions TO anon;
GRANT SELECT ON TABLE public.regions TO authenticated;

-- TABLE schedules; Type: ACL; Schema: queue
GRANT SELECT ON TABLE queue.schedules TO authenticated;

-- TABLE workflow_schedules; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.workflow_schedules TO authenticated;

-- DEFAULT PRIVILEGES FOR FUNCTIONS; Type: DEFAULT ACL; Schema: -
ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM PUBLIC;
