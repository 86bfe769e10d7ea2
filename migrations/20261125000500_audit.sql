-- The audit log: who changed what, from what, to what; and every security event. Append-only, and chained so that tampering shows.
--
--   a writer ──► audit.inbox ──(a worker, in batches)──► audit.log (tenant, seq, hash)      audit.heads: where each chain ends
--
-- A chain wants one order, and an order wants somebody who waits. Writers do not: each puts its entry into the inbox, with nothing that two of
-- them share. A worker moves what is committed there into the log, numbers it without gaps and chains it: the hash of an entry is
-- SHA-256 of the hash before it and of all that the entry says. The order of the chain is the order of chaining, a second behind at most;
-- within a batch it is that of the ids, hence of time.

create schema if not exists audit;
revoke all on schema audit from public;
comment on schema audit is 'The append-only log of changes and security events. Read through public.audit_log.';

create table audit.inbox (
  tenant_id uuid not null,
  id uuid not null default aias.uuid7(),
  at timestamptz not null default now(),
  actor_kind text not null,
  actor_id uuid,
  action text not null,
  subject text not null,
  subject_id text,
  before jsonb,
  after jsonb,
  request_id text,
  primary key (tenant_id, id)
) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000);
alter table audit.inbox enable row level security;

comment on table audit.inbox is
  'Entries that are not chained yet. No foreign key: writers of one tenant would meet on its row. They go with the tenant, by a trigger.';

create table audit.log (
  tenant_id uuid not null,
  seq bigint not null,
  id uuid not null default aias.uuid7(),
  at timestamptz not null,
  actor_kind text not null,
  actor_id uuid,
  action text not null,
  subject text not null,
  subject_id text,
  before jsonb,
  after jsonb,
  request_id text,
  hash bytea not null,
  primary key (tenant_id, seq, at)
) partition by range (at);
create index log_tenant_at on audit.log (tenant_id, at);
create index log_subject on audit.log (tenant_id, subject, subject_id);
alter table audit.log enable row level security;

comment on table audit.log is 'Entries for good, by month. seq has no gaps in a tenant.';
comment on column audit.log.hash is 'SHA-256 of the hash of seq - 1 (32 zero bytes before the first) and of audit.payload of this entry.';

create table audit.heads (
  tenant_id uuid primary key,
  seq bigint not null,
  hash bytea not null,
  chained_at timestamptz not null default now()
);
alter table audit.heads enable row level security;
comment on table audit.heads is 'The end of each tenant''s chain: what audit.verify measures a truncated tail against.';

-- Append-only --------------------------------------------------------------------------------------------------------------------

create function audit.refuse_change() returns trigger
language plpgsql
set search_path = ''
as $$
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

create trigger _010_append_only before update or delete or truncate on audit.inbox
  for each statement execute function audit.refuse_change();
create trigger _010_append_only before update or delete or truncate on audit.log
  for each statement execute function audit.refuse_change();

-- Months -------------------------------------------------------------------------------------------------------------------------

create table audit.log_default partition of audit.log default;
alter table audit.log_default enable row level security;
create trigger _010_append_only before update or delete or truncate on audit.log_default
  for each statement execute function audit.refuse_change();
comment on table audit.log_default is 'For an entry whose month has no partition, so that nothing is ever refused. Empty while audit.make_months() is called in time.';

create function audit.make_months(ahead integer default 3) returns void
language plpgsql
set search_path = ''
as $$
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

comment on function audit.make_months is 'Makes the partitions of this month and of those ahead. Workers call it again and again.';

select audit.make_months();

-- What an entry says -------------------------------------------------------------------------------------------------------------

create function audit.sounds_secret(text) returns boolean
language sql
immutable
set search_path = ''
return $1 ~* '(authorization|api[-_]?key|token|secret|passw|cookie|credential|private[-_]?key)';

create function audit.holds_secret(text) returns boolean
language sql
immutable
set search_path = ''
-- A header's value, an assignment as in a URL's query, a URL with a password.
return $1 ~* '\m(bearer|basic)\s+\S|(authorization|api[-_]?key|token|secret|passw\w*|cookie|credential|private[-_]?key)["'']?\s*[=:]\s*\S|://[^/\s@]+:[^/\s@]+@';

create function audit.masked(value jsonb) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
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

comment on function audit.masked is 'A value without what sounds like a secret: authorization, api_key, token, password and the like.';

create function audit.told(changed jsonb) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
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

comment on function audit.told is 'Columns as the log keeps them: secrets masked, and of what is longer than 2,000 characters its length and digest.';

create function audit.record_change() returns trigger
language plpgsql
-- Definer: whoever changes a row need not be able to write the log.
security definer
set search_path = ''
as $$
declare
  old_row jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) - 'updated_at' end;
  new_row jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) - 'updated_at' end;
  row_now jsonb := coalesce(new_row, old_row);
  tenant uuid := row_now ->> tg_argv[0];
  claims jsonb := nullif(current_setting('request.jwt.claims', true), '');
  -- One text for the key, whatever number of columns it has.
  key text := row_now ->> tg_argv[1];
begin
  if tg_op = 'UPDATE' then
    if old_row = new_row then
      return null;
    end if;
    select jsonb_object_agg(e.key, e.value), jsonb_object_agg(e.key, old_row -> e.key)
      into new_row, old_row
      from jsonb_each(new_row) e
     where e.value is distinct from old_row -> e.key;
  end if;
  -- What goes with its tenant is not written down: the log goes too.
  if tg_op = 'DELETE' and not exists (select from public.tenants t where t.id = tenant) then
    return null;
  end if;
  insert into audit.inbox (tenant_id, actor_kind, actor_id, action, subject, subject_id, before, after, request_id)
  values (
    tenant,
    case when claims ? 'api_key_id' then 'api_key' when claims ->> 'sub' is not null then 'user' else 'system' end,
    coalesce(claims ->> 'api_key_id', claims ->> 'sub')::uuid,
    tg_table_name || case tg_op when 'INSERT' then '.insert' when 'UPDATE' then '.update' else '.delete' end,
    tg_table_name, key,
    case when old_row is not null then audit.told(old_row) end,
    case when new_row is not null then audit.told(new_row) end,
    private.request_id());
  return null;
end
$$;

comment on function audit.record_change is
  'Writes an entry for a changed row. The trigger''s arguments name the columns of the tenant and of the row''s key. An update tells only what it changed.';

create function audit.record_event(tenant uuid, event text, subject text, subject_id text, details jsonb default null) returns void
language plpgsql
set search_path = ''
as $$
declare
  actor jsonb := private.actor();
begin
  insert into audit.inbox (tenant_id, actor_kind, actor_id, action, subject, subject_id, after, request_id)
  values (tenant, actor ->> 'kind', (actor ->> 'id')::uuid, event, record_event.subject, record_event.subject_id, details, private.request_id());
end
$$;

comment on function audit.record_event is 'Writes an entry for what is no change of a row: a sign-in, a key''s first use, an export.';

create trigger _800_audit after insert or update or delete on public.tenants
  for each row execute function audit.record_change('id', 'id');
create trigger _800_audit after insert or update or delete on public.roles
  for each row execute function audit.record_change('tenant_id', 'key');
create trigger _800_audit after insert or update or delete on public.memberships
  for each row execute function audit.record_change('tenant_id', 'user_id');
create trigger _800_audit after insert or update or delete on public.invitations
  for each row execute function audit.record_change('tenant_id', 'id');
create trigger _800_audit after insert or delete on public.api_keys
  for each row execute function audit.record_change('tenant_id', 'id');
-- Not for each minute in which a key is used.
create trigger _800_audit_changed after update on public.api_keys
  for each row when (to_jsonb(old) - 'last_used_at' is distinct from to_jsonb(new) - 'last_used_at')
  execute function audit.record_change('tenant_id', 'id');
create trigger _800_audit after insert or update or delete on public.ai_agents
  for each row execute function audit.record_change('tenant_id', 'id');
create trigger _800_audit after insert or update or delete on public.workflows
  for each row execute function audit.record_change('tenant_id', 'id');

-- Sign-ins -----------------------------------------------------------------------------------------------------------------------

create function audit.record_sign_in() returns trigger
language plpgsql
-- Definer: Auth's own role signs people in and has no rights here.
security definer
set search_path = ''
as $$
begin
  insert into audit.inbox (tenant_id, actor_kind, actor_id, action, subject, subject_id)
  select m.tenant_id, 'user', new.id, 'security.sign_in', 'users', new.id::text
    from public.memberships m where m.user_id = new.id;
  return null;
end
$$;

comment on function audit.record_sign_in is 'A sign-in lands in the log of each tenant that the person belongs to.';

create trigger aias_800_record_sign_in after update of last_sign_in_at on auth.users
  for each row when (new.last_sign_in_at is distinct from old.last_sign_in_at) execute function audit.record_sign_in();

-- The chain ----------------------------------------------------------------------------------------------------------------------

create function audit.payload(
  tenant_id uuid, seq bigint, id uuid, at timestamptz, actor_kind text, actor_id uuid, action text, subject text, subject_id text,
  before jsonb, after jsonb, request_id text
) returns bytea
language sql
immutable
set search_path = ''
as $$
  -- The time as microseconds: its text would depend on the session's zone.
  select convert_to(jsonb_build_array(
    tenant_id, seq, id, (extract(epoch from at) * 1000000)::bigint, actor_kind, actor_id, action, subject, subject_id, before, after, request_id
  )::text, 'UTF8')
$$;

comment on function audit.payload is 'All that an entry says, as the bytes that are hashed.';

create function audit.link(hash_before bytea, payload bytea) returns bytea
language sql
immutable
set search_path = ''
return sha256(hash_before || payload);

comment on function audit.link is 'One step of a chain: the hash of an entry from the hash before it.';

create function audit.lock_chains() returns void
language sql
set search_path = ''
as $$ select pg_advisory_xact_lock(hashtextextended('audit.chain', 0)) $$;

comment on function audit.lock_chains is 'Waits until nobody chains, and until we commit nobody does.';

create function audit.move_head(tenant uuid, last_seq bigint, last_hash bytea) returns void
language sql
set search_path = ''
as $$
  insert into audit.heads as h (tenant_id, seq, hash) select tenant, last_seq, last_hash where tenant is not null
  on conflict (tenant_id) do update set seq = excluded.seq, hash = excluded.hash, chained_at = now()
$$;

comment on function audit.move_head is 'Notes where a tenant''s chain ends now; nothing for no tenant.';

create function queue.chain_audit(max_entries integer) returns integer
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
declare
  chained integer := 0;
  entry record;
  tenant uuid;
  last_seq bigint;
  last_hash bytea;
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
  for entry in
    with picked as materialized (
      select i.tenant_id, i.id from audit.inbox i limit max_entries for update skip locked
    ),
    moved as (
      delete from audit.inbox i using picked p where i.tenant_id = p.tenant_id and i.id = p.id returning i.*
    ),
    -- Held until we commit: a tenant that is being erased has either gone already, and its entries go here, or waits for us and takes
    -- them along.
    tenants as materialized (
      select t.id from public.tenants t where t.id in (select m.tenant_id from moved m) for key share
    )
    select m.*, t.id is not null as has_tenant, coalesce(h.seq, 0) as head_seq, coalesce(h.hash, decode(repeat('00', 32), 'hex')) as head_hash
      from moved m
      left join tenants t on t.id = m.tenant_id
      left join audit.heads h on h.tenant_id = m.tenant_id
     order by m.tenant_id, m.id
  loop
    chained := chained + 1;
    continue when not entry.has_tenant;
    if entry.tenant_id is distinct from tenant then
      perform audit.move_head(tenant, last_seq, last_hash);
      tenant := entry.tenant_id;
      last_seq := entry.head_seq;
      last_hash := entry.head_hash;
    end if;
    last_seq := last_seq + 1;
    last_hash := audit.link(last_hash, audit.payload(
      tenant, last_seq, entry.id, entry.at, entry.actor_kind, entry.actor_id, entry.action, entry.subject, entry.subject_id,
      entry.before, entry.after, entry.request_id));
    insert into audit.log (tenant_id, seq, id, at, actor_kind, actor_id, action, subject, subject_id, before, after, request_id, hash)
    values (tenant, last_seq, entry.id, entry.at, entry.actor_kind, entry.actor_id, entry.action, entry.subject, entry.subject_id,
            entry.before, entry.after, entry.request_id, last_hash);
  end loop;
  perform audit.move_head(tenant, last_seq, last_hash);
  perform set_config('aias.audit_may_delete', '', true);
  return chained;
end
$$;

comment on function queue.chain_audit is
  'Enters the notes of refusals, and moves up to max_entries from the inbox to the end of their tenants'' chains. Answers how many; 0 also while another worker is at it.';

create function audit.verify(tenant uuid, known_seq bigint default null, known_hash bytea default null)
returns table (seq bigint, id uuid, problem text, message text)
language plpgsql
stable
set search_path = ''
as $$
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

comment on function audit.verify is
  'What is wrong with a tenant''s chain; no row when nothing is. missing: entries are gone. edited: an entry was changed or moved. inserted: there is one '
  'too many. truncated: the end is gone. rewritten: the chain is not the one whose end (seq, hash) was noted elsewhere before.';

-- Reading ------------------------------------------------------------------------------------------------------------------------

create view public.audit_log with (security_invoker = true) as
  select l.tenant_id, l.id, l.at, l.actor_kind, l.actor_id, l.action, l.subject, l.subject_id, l.before, l.after, l.request_id, l.seq,
         encode(l.hash, 'hex') as hash
    from audit.log l
  union all
  select i.tenant_id, i.id, i.at, i.actor_kind, i.actor_id, i.action, i.subject, i.subject_id, i.before, i.after, i.request_id, null, null
    from audit.inbox i;

comment on view public.audit_log is
  'Who changed what, and every security event. before and after hold what changed, secrets masked. seq and hash are null for the moment until an entry is chained.';

create function private.verify_audit(tenant uuid) returns table (seq bigint, id uuid, problem text, message text)
language plpgsql
stable
-- Definer: reads the heads, for those who hold audit.read.
security definer
set search_path = ''
as $$
begin
  perform private.demand(tenant, 'audit.read');
  return query select * from audit.verify(tenant);
end
$$;

create function public.verify_audit(tenant_id uuid) returns table (seq bigint, id uuid, problem text, message text)
language sql stable set search_path = '' as $$ select * from private.verify_audit(tenant_id) $$;

comment on function public.verify_audit is 'Checks the chain of a tenant''s audit log; no row when nothing was removed or edited.';

-- With the tenant ----------------------------------------------------------------------------------------------------------------

create function audit.forget_tenant() returns trigger
language plpgsql
-- Definer: whoever deletes a tenant need not be able to write the log.
security definer
set search_path = ''
as $$
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

comment on function audit.forget_tenant is 'A tenant that goes takes its log along: what is kept of it would be kept of its people.';

create function audit.wait_for_chainer() returns trigger
language plpgsql
-- Definer: see audit.forget_tenant.
security definer
set search_path = ''
as $$
begin
  -- Before a tenant is locked: the chainer holds entries while it waits for their tenants.
  perform audit.lock_chains();
  return null;
end
$$;

create trigger _010_wait_for_chainer before delete on public.tenants
  for each statement execute function audit.wait_for_chainer();
create trigger _910_forget_audit after delete on public.tenants
  for each row execute function audit.forget_tenant();
create trigger _910_forget_all_audit after truncate on public.tenants
  for each statement execute function audit.forget_tenant();
