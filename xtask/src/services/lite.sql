-- The login of Supabase Lite: what `authenticator` and `supabase_auth_admin` are on Supabase, in one role.
--
-- Lite grants everything on every table of a schema with row-level security to the API roles, and replaces auth.uid() and its
-- siblings by poorer ones. As this role it can do neither: it owns no table of ours, so its grants are warnings that change nothing.
-- It holds one harmless privilege on each (references), without which Postgres would answer them with an error.
do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'aias_lite') then
    create role aias_lite login noinherit;
  end if;
end
$$;

-- PostgREST: act as whoever calls.
grant anon, authenticated, service_role to aias_lite;

-- Auth: its own tables.
grant usage, create on schema auth to aias_lite;
grant all on all tables in schema auth to aias_lite;
grant all on all sequences in schema auth to aias_lite;

do $$
declare
  guarded text;
begin
  for guarded in
    select distinct n.nspname
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relrowsecurity and n.nspname <> 'auth'
  loop
    execute format('grant usage on schema %I to aias_lite', guarded);
    execute format('grant references on all tables in schema %I to aias_lite', guarded);
    execute format('grant usage on all sequences in schema %I to aias_lite', guarded);
  end loop;
end
$$;

-- The warnings mentioned above.
alter role aias_lite set client_min_messages = error;
