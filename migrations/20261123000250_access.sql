-- The one helper that files in policies/ begin with.

create function private.close_table(closed regclass) returns void
language plpgsql
set search_path = ''
as $$
declare
  policy_name name;
begin
  for policy_name in select polname from pg_catalog.pg_policy where polrelid = closed loop
    execute format('drop policy %I on %s', policy_name, closed);
  end loop;
  execute format('revoke all on table %s from public, anon, authenticated, service_role, aias_edge, aias_worker', closed);
end
$$;

comment on function private.close_table is
  'Takes every policy and every API grant off a table, so that a file in policies/ can say from nothing who may do what.';
