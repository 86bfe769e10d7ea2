-- All of a tenant's data: out of here as a file, and then gone.

-- What belongs to a tenant -------------------------------------------------------------------------------------------------------

create view private.tenant_data as
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
  select x.tenant_id, 'ai_agents', to_jsonb(x) from public.ai_agents x
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
  select x.tenant_id, 'audit_log', to_jsonb(x) - 'hash' || jsonb_build_object('hash', encode(x.hash, 'hex')) from audit.log x
  union all
  -- Not chained yet.
  select x.tenant_id, 'audit_log', to_jsonb(x) from audit.inbox x;

comment on view private.tenant_data is
  'Every row that a tenant owns, as {source, line}: what an export holds. A test sees to it that no table of tenants is forgotten.';

-- Exports ------------------------------------------------------------------------------------------------------------------------
--
--   queued ──► ready ──► expired          queued ──► failed, after five attempts

create table public.tenant_exports (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  id uuid not null default aias.uuid7(),
  status text not null default 'queued',
  lines bigint,
  bytes bigint,
  attempt integer not null default 0,
  error text,
  requested_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  expires_at timestamptz,
  primary key (tenant_id, id),
  constraint export_status_is_known check (status in ('queued', 'ready', 'failed', 'expired')),
  constraint export_is_finished_when_it_says_so check ((status = 'queued') = (finished_at is null)),
  constraint export_that_is_ready_expires check (status <> 'ready' or expires_at is not null)
);
create unique index tenant_exports_queued on public.tenant_exports (tenant_id) where status = 'queued';
create index tenant_exports_waiting on public.tenant_exports (created_at) where status = 'queued';
create index tenant_exports_expires_at on public.tenant_exports (expires_at) where status = 'ready';
create index tenant_exports_requested_by on public.tenant_exports (requested_by);
alter table public.tenant_exports enable row level security;

comment on table public.tenant_exports is 'Exports of all of a tenant''s data as NDJSON, one {"source", "line"} a row; kept for 7 days.';

create table private.export_chunks (
  tenant_id uuid not null,
  export_id uuid not null,
  number integer not null,
  content text not null,
  primary key (tenant_id, export_id, number),
  constraint chunk_belongs_to_an_export foreign key (tenant_id, export_id) references public.tenant_exports (tenant_id, id) on delete cascade
);
alter table private.export_chunks enable row level security;
comment on table private.export_chunks is 'The files: whole lines, about a megabyte a chunk.';

create function private.export_tenant(tenant uuid) returns public.tenant_exports
language plpgsql
-- Definer: writes exports, for those who hold tenant.export.
security definer
set search_path = ''
as $$
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

create function public.export_tenant(tenant_id uuid) returns public.tenant_exports
language sql set search_path = '' as $$ select * from private.export_tenant(tenant_id) $$;

comment on function public.export_tenant is
  'Has all data of a tenant written to a file. Watch its row until status is ready; then read it with rpc export_chunk, or GET /v1/exports/{id} of edge-api.';

create function private.export_chunk(wanted_export uuid, number integer) returns text
language plpgsql
stable
-- Definer: reads the files, for those who hold tenant.export.
security definer
set search_path = ''
as $$
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

create function public.export_chunk(export_id uuid, number integer) returns text
language sql stable set search_path = '' as $$ select private.export_chunk(export_id, number) $$;

comment on function public.export_chunk is 'A piece of an export, whole lines of NDJSON, counted from 1; null after the last.';

create function queue.next_export() returns table (tenant_id uuid, id uuid)
language sql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  select e.tenant_id, e.id from public.tenant_exports e where e.status = 'queued' order by e.created_at limit 1 for update skip locked
$$;

comment on function queue.next_export is 'Takes the next export for this transaction, in which queue.run_next_export makes it: who fails knows which one it was.';

create function queue.run_next_export() returns table (tenant_id uuid, id uuid, lines bigint, bytes bigint)
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
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

comment on function queue.run_next_export is
  'Writes one whole export. Called in a transaction of isolation level repeatable read, so that it shows one instant. No row: there is nothing to do.';

create function queue.fail_export(tenant uuid, export uuid, reason text) returns void
language sql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  update public.tenant_exports e
     set attempt = e.attempt + 1,
         error = reason,
         status = case when e.attempt + 1 >= 5 then 'failed' else e.status end,
         finished_at = case when e.attempt + 1 >= 5 then now() end,
         -- Others go first.
         created_at = case when e.attempt + 1 >= 5 then e.created_at else now() end
   where e.tenant_id = tenant and e.id = export and e.status = 'queued'
$$;

comment on function queue.fail_export is 'Notes that an attempt failed; after the fifth the export has.';

-- The end of a tenant ------------------------------------------------------------------------------------------------------------

create function private.close_tenant(tenant uuid, typed_subdomain text) returns public.tenants
language plpgsql
-- Definer: writes the status, for those who hold tenant.close.
security definer
set search_path = ''
as $$
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

create function public.close_tenant(tenant_id uuid, subdomain text) returns public.tenants
language sql set search_path = '' as $$ select * from private.close_tenant(tenant_id, subdomain) $$;

comment on function public.close_tenant is
  'Cancels a tenant: from now on only owners read it, and after 30 days it is erased. Its subdomain is asked for so that it is not done by mistake.';

create function private.reopen_tenant(tenant uuid) returns public.tenants
language plpgsql
-- Definer: see private.close_tenant.
security definer
set search_path = ''
as $$
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

create function public.reopen_tenant(tenant_id uuid) returns public.tenants
language sql set search_path = '' as $$ select * from private.reopen_tenant(tenant_id) $$;

comment on function public.reopen_tenant is 'Takes a cancellation by an owner back, within 30 days.';

create function queue.erase_next_tenant(batch integer) returns uuid
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
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

comment on function queue.erase_next_tenant is
  'Erases a bounded piece of a tenant that was cancelled 30 days ago, and at last its row. Answers whose; null when none is due. Files in Storage are erased through Storage''s own API.';

-- Housekeeping -------------------------------------------------------------------------------------------------------------------

create or replace function queue.sweep() returns void
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
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
end
$$;

comment on function queue.sweep is
  'Gives back tokens whose reservation lapsed; removes counts, files and mails that do not matter any more; makes the months to come. Any number of workers may call it at once.';
