-- Documents of agents take from a plan's storage_bytes, as files do: the bytes of their content.

create or replace function private.stored_bytes() returns table (tenant_id uuid, bytes bigint)
language plpgsql
stable
set search_path = ''
as $$
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

comment on function private.stored_bytes is 'What each tenant''s files and documents come to.';

create function private.count_documents() returns trigger
language plpgsql
-- Definer: whoever writes a document has no right on the counters.
security definer
set search_path = ''
as $$
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

comment on function private.count_documents is 'Charges documents to their tenants'' storage_bytes.';

create function private.recount_storage() returns trigger
language plpgsql
-- Definer: see private.count_documents.
security definer
set search_path = ''
as $$
begin
  -- The files may be gone and the documents still there, or the other way round.
  perform aias.quota_recount(t.id, 'storage_bytes', coalesce(s.bytes, 0))
     from public.tenants t
     left join private.stored_bytes() s on s.tenant_id = t.id
    order by t.id;
  return null;
end
$$;

comment on function private.recount_storage is 'After a truncate of files or of documents: counts what is left.';

create or replace function private.watch_storage() returns boolean
language plpgsql
set search_path = ''
as $$
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

create trigger _300_take_stock after insert on public.agent_documents
  referencing new table as inserted for each statement execute function private.count_documents();
create trigger _300_give_stock_back after delete on public.agent_documents
  referencing old table as deleted for each statement execute function private.count_documents();
create trigger _300_change_stock after update on public.agent_documents
  referencing old table as deleted new table as inserted for each statement execute function private.count_documents();
create trigger _300_empty_stock after truncate on public.agent_documents
  for each statement execute function private.recount_storage();

-- What is there already. The triggers keep writers of documents out until the end of this transaction; writers of files are kept out here.
do $$
begin
  if to_regclass('storage.objects') is not null then
    lock table storage.objects in share row exclusive mode;
    if exists (select from pg_catalog.pg_trigger where tgrelid = to_regclass('storage.objects') and tgname = 'aias_empty_storage') then
      drop trigger aias_empty_storage on storage.objects;
      create trigger aias_empty_storage after truncate on storage.objects
        for each statement execute function private.recount_storage();
    end if;
  end if;
  perform aias.quota_recount(s.tenant_id, 'storage_bytes', s.bytes) from private.stored_bytes() s order by s.tenant_id;
end
$$;
