-- In which tenants a caller may do something is asked in the extension, which reads the index of private.access itself. Every read of every
-- table asks, and a function in PL/pgSQL takes several times as long for it.
--
-- Policies ask aias.tenants_with and its like directly. These stay for other functions, and for the policies of before until they are
-- applied again. They mean the same.

create or replace function private.tenants_with(permission text) returns setof uuid
-- plpgsql keeps its plans: see migrations/20261125000200_access.sql.
language plpgsql
stable
-- Definer: what calls it need not be allowed to ask the extension.
security definer
set search_path = ''
rows 10
as $$ begin return query select unnest(aias.tenants_with(permission)); end $$;

create or replace function private.own_tenants() returns setof uuid
language plpgsql
stable
-- Definer: see private.tenants_with.
security definer
set search_path = ''
rows 10
as $$ begin return query select unnest(aias.own_tenants()); end $$;

-- Asked by policies only: by none, once they are applied again.
create or replace function private.tenants_asking_for_second_factor() returns setof uuid
language plpgsql
stable
-- Definer: see private.tenants_with.
security definer
set search_path = ''
rows 1
as $$ begin return query select unnest(aias.tenants_asking_for_second_factor()); end $$;

comment on function private.tenants_with is 'What aias.tenants_with answers, as rows.';
comment on function private.own_tenants is 'What aias.own_tenants answers, as rows.';
comment on function private.tenants_asking_for_second_factor is 'What aias.tenants_asking_for_second_factor answers, as rows.';
