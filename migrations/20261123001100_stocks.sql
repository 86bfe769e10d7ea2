-- Files count as stock too, and stocks can be counted again.
--
-- A file belongs to the tenant whose id is its first folder: `<tenant id>/anything/else.pdf`, in any bucket. Files elsewhere are nobody's.
-- Storage is a part of Supabase that a database may lack, or get later: private.watch_storage() begins to count, at once or then.

create function private.tenant_of_object(name text) returns uuid
language sql
immutable
set search_path = ''
as $$
  -- In any case: a folder in capitals must not be one that is not counted.
  select case when name ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/' then left(name, 36)::uuid end
$$;

create function private.size_of_object(metadata jsonb) returns bigint
language sql
immutable
set search_path = ''
as $$
  -- Null, or without a size, while an upload is under way.
  select case when jsonb_typeof(metadata -> 'size') = 'number'
              then least(greatest((metadata ->> 'size')::numeric, 0), 1e18)::bigint
              else 0 end
$$;

comment on function private.tenant_of_object is 'Whose file it is, by its first folder; null when nobody''s.';
comment on function private.size_of_object is 'The bytes of a file, as Supabase Storage notes them.';

create function private.charge_storage(tenant uuid, bytes bigint) returns void
language plpgsql
set search_path = ''
as $$
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

comment on function private.charge_storage is 'Takes bytes from a tenant''s storage, or gives them back when they are negative.';

create function private.count_storage() returns trigger
language plpgsql
-- Definer: Storage writes its tables as the user who uploads, and users have no rights on the counters.
security definer
set search_path = ''
as $$
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

comment on function private.count_storage is 'Charges files to their tenants'' storage_bytes.';

create function private.stored_bytes() returns table (tenant_id uuid, bytes bigint)
language plpgsql
stable
set search_path = ''
as $$
begin
  if to_regclass('storage.objects') is not null then
    return query
      select private.tenant_of_object(o.name), sum(private.size_of_object(o.metadata))::bigint
        from storage.objects o
       where private.tenant_of_object(o.name) is not null
       group by 1;
  end if;
end
$$;

comment on function private.stored_bytes is 'What each tenant''s files come to.';

create function private.watch_storage() returns boolean
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
    for each statement execute function private.empty_stock('storage_bytes');
  perform aias.quota_recount(t.id, 'storage_bytes', coalesce(s.bytes, 0))
     from public.tenants t
     left join private.stored_bytes() s on s.tenant_id = t.id
    order by t.id;
  return true;
end
$$;

comment on function private.watch_storage is
  'Counts the files that are there and from now on each change of them. Answers whether there is a storage to watch; may be called again.';

select private.watch_storage();

create function private.quota_audit() returns table (tenant_id uuid, meter text, used bigint, counted bigint, drift bigint)
language sql
-- Stable: all of it sees one instant, so that what others change meanwhile is no drift.
stable
set search_path = ''
as $$
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

comment on function private.quota_audit is
  'Stocks whose counter differs from their tables; no row when all is well. A row is mended by aias.quota_recount(tenant_id, meter, counted).';
