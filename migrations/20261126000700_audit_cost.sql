-- What an entry of the audit log costs: less, and the log says the same. What every write pays stands in ARCHITECTURE.md.
--
-- The writer: the trigger is the extension's, aias.record_change; what could be a secret is masked, as before, by audit.told. The worker: a
-- batch is numbered, hashed and entered by one statement, in which aias.chained is audit.link from entry to entry.

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

-- The trigger ------------------------------------------------------------------------------------------------------------------

create or replace trigger _800_audit after insert or update or delete on public.tenants
  for each row execute function aias.record_change('id', 'id');
create or replace trigger _800_audit after insert or update or delete on public.roles
  for each row execute function aias.record_change('tenant_id', 'key');
create or replace trigger _800_audit after insert or update or delete on public.memberships
  for each row execute function aias.record_change('tenant_id', 'user_id');
create or replace trigger _800_audit after insert or update or delete on public.invitations
  for each row execute function aias.record_change('tenant_id', 'id');
create or replace trigger _800_audit after insert or delete on public.api_keys
  for each row execute function aias.record_change('tenant_id', 'id');
create or replace trigger _800_audit_changed after update on public.api_keys
  for each row when (to_jsonb(old) - 'last_used_at' is distinct from to_jsonb(new) - 'last_used_at')
  execute function aias.record_change('tenant_id', 'id');
create or replace trigger _800_audit after insert or update or delete on public.ai_agents
  for each row execute function aias.record_change('tenant_id', 'id');
create or replace trigger _800_audit after insert or update or delete on public.workflows
  for each row execute function aias.record_change('tenant_id', 'id');
create or replace trigger _800_audit after insert or update or delete on public.tenant_domains
  for each row execute function aias.record_change('tenant_id', 'id');
drop function audit.record_change();

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
