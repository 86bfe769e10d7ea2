-- What an entry of the audit log costs: less, and the log says the same. What every write pays stands in ARCHITECTURE.md.
--
-- The writer: what differs between two versions of a row, and whether a word in it could be a secret's, is told by the extension; only what
-- could be is masked, as before, by audit.told. The worker: a batch is numbered, hashed and entered by one statement, in which
-- aias.chained is audit.link from entry to entry.

create or replace function private.request_id() returns text
language plpgsql
stable
set search_path = ''
as $$
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

create or replace function audit.record_change() returns trigger
language plpgsql
-- Definer: whoever changes a row need not be able to write the log.
security definer
set search_path = ''
as $$
declare
  old_row jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
  new_row jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
  row_now constant jsonb := coalesce(new_row, old_row);
  tenant constant uuid := row_now ->> tg_argv[0];
  -- One text for the key, whatever number of columns it has.
  key constant text := row_now ->> tg_argv[1];
  claims jsonb;
begin
  if tg_op = 'UPDATE' then
    new_row := aias.jsonb_changed(row_now, old_row) - 'updated_at';
    if new_row = '{}' then
      return null;
    end if;
    old_row := aias.jsonb_changed(old_row, row_now);
  elsif tg_op = 'DELETE' then
    -- What goes with its tenant is not written down: the log goes too.
    if not exists (select from public.tenants t where t.id = tenant) then
      return null;
    end if;
  end if;
  old_row := old_row - 'updated_at';
  new_row := new_row - 'updated_at';
  -- audit.told leaves everything else as it is, and takes ten times as long to say so.
  if aias.may_hold_secret(old_row) then
    old_row := audit.told(old_row);
  end if;
  if aias.may_hold_secret(new_row) then
    new_row := audit.told(new_row);
  end if;
  claims := nullif(current_setting('request.jwt.claims', true), '');
  insert into audit.inbox (tenant_id, actor_kind, actor_id, action, subject, subject_id, before, after, request_id)
  values (
    tenant,
    case when claims ? 'api_key_id' then 'api_key' when claims ->> 'sub' is not null then 'user' else 'system' end,
    coalesce(claims ->> 'api_key_id', claims ->> 'sub')::uuid,
    tg_table_name || case tg_op when 'INSERT' then '.insert' when 'UPDATE' then '.update' else '.delete' end,
    tg_table_name, key, old_row, new_row, private.request_id());
  return null;
end
$$;

-- The chain ----------------------------------------------------------------------------------------------------------------------

create or replace function queue.chain_audit(max_entries integer) returns integer
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
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
