-- What Supabase Auth brings, for a database that Auth has not met yet.
--
-- On a Supabase project all of this exists and nothing here runs. On a bare Postgres the tables below let the migrations refer to
-- `auth.users` and `auth.uid()`; an Auth service that starts later finds its table and adds the rest of its own.
-- Column names and meaning are those of Supabase Auth: https://supabase.com/docs/guides/auth/users

create schema if not exists auth;

do $$
begin
  if to_regclass('auth.users') is null then
    create table auth.users (
      id uuid primary key,
      instance_id uuid,
      aud varchar(255) default 'authenticated',
      role varchar(255) default 'authenticated',
      email varchar(255),
      phone text unique,
      encrypted_password varchar(255),
      email_confirmed_at timestamptz,
      phone_confirmed_at timestamptz,
      confirmed_at timestamptz generated always as (least(email_confirmed_at, phone_confirmed_at)) stored,
      invited_at timestamptz,
      confirmation_token varchar(255),
      confirmation_sent_at timestamptz,
      recovery_token varchar(255),
      recovery_sent_at timestamptz,
      email_change varchar(255),
      email_change_token_new varchar(255),
      email_change_token_current varchar(255),
      email_change_sent_at timestamptz,
      email_change_confirm_status smallint default 0,
      phone_change text,
      phone_change_token varchar(255),
      phone_change_sent_at timestamptz,
      reauthentication_token varchar(255),
      reauthentication_sent_at timestamptz,
      raw_app_meta_data jsonb default '{}',
      raw_user_meta_data jsonb default '{}',
      is_super_admin boolean,
      is_sso_user boolean not null default false,
      is_anonymous boolean not null default false,
      banned_until timestamptz,
      last_sign_in_at timestamptz,
      created_at timestamptz default now(),
      updated_at timestamptz default now(),
      deleted_at timestamptz
    );
    create unique index users_email_partial_key on auth.users (email) where is_sso_user = false;
  end if;

  if to_regprocedure('auth.jwt()') is null then
    create function auth.jwt() returns jsonb language sql stable set search_path = '' return
      coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb;
  end if;
  if to_regprocedure('auth.uid()') is null then
    create function auth.uid() returns uuid language sql stable set search_path = '' return
      coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''), auth.jwt() ->> 'sub')::uuid;
  end if;
  if to_regprocedure('auth.role()') is null then
    create function auth.role() returns text language sql stable set search_path = '' return
      coalesce(nullif(current_setting('request.jwt.claim.role', true), ''), auth.jwt() ->> 'role');
  end if;
  if to_regprocedure('auth.email()') is null then
    create function auth.email() returns text language sql stable set search_path = '' return
      coalesce(nullif(current_setting('request.jwt.claim.email', true), ''), auth.jwt() ->> 'email');
  end if;

  -- Auth's own grants, where this file made the schema.
  if not has_schema_privilege('authenticated', 'auth', 'usage') then
    grant usage on schema auth to anon, authenticated, service_role;
    grant execute on function auth.jwt(), auth.uid(), auth.role(), auth.email() to anon, authenticated, service_role;
  end if;
end
$$;
