-- The roles and schemas that everything else stands on.
--
-- A Supabase project already has `anon`, `authenticated` and `service_role`; a bare Postgres has none. Roles belong to the whole
-- cluster, so two databases that are migrated at once meet here: whoever comes second finds the role there and goes on.

do $$
declare
  wanted record;
begin
  for wanted in
    select * from (values
      ('anon',          'nologin noinherit'),
      ('authenticated', 'nologin noinherit'),
      ('service_role',  'nologin noinherit bypassrls'),
      -- The services' login roles. They get a password from the operator, never from a migration.
      ('aias_edge',     'login noinherit'),
      ('aias_worker',   'login noinherit')
    ) as roles (name, options)
  loop
    if not exists (select from pg_catalog.pg_roles where rolname = wanted.name) then
      begin
        execute format('create role %I %s', wanted.name, wanted.options);
      exception when duplicate_object or unique_violation then
        null;
      end;
    end if;
  end loop;

  -- edge-api acts as its caller: it may become these two roles and is nothing by itself.
  for wanted in select unnest(array['anon', 'authenticated']) as name loop
    if not pg_catalog.pg_has_role('aias_edge', wanted.name, 'member') then
      begin
        execute format('grant %I to aias_edge', wanted.name);
      exception when unique_violation or object_in_use or internal_error then
        null;
      end;
    end if;
  end loop;
end
$$;

-- A function is callable by everyone unless this is said first. Each function's callers are named in policies/.
alter default privileges revoke execute on functions from public;

create schema if not exists private;
create schema if not exists queue;
revoke all on schema private, queue from public;

comment on schema private is 'Helpers behind policies, triggers and RPCs. Not exposed by PostgREST.';
comment on schema queue is 'Work that waits for a worker, and the functions that workers call. Not exposed by PostgREST.';

-- Workflow checks and exact quotas, inside the database. Installs its own schema `aias`.
create extension if not exists aias;
