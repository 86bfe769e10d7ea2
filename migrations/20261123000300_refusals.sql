-- How the database says no.
--
-- A refusal travels through PostgREST as SQLSTATE `PGRST`: the message is the response body, the detail its status and headers
-- (https://docs.postgrest.org/en/stable/references/errors.html#raise-errors-with-http-status-codes). edge-api reads the same form.

create function private.refuse(
  status integer,
  code text,
  message text,
  details text default null,
  hint text default null,
  headers jsonb default '{}'
) returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
  raise exception using
    errcode = 'PGRST',
    message = json_build_object('code', code, 'message', message, 'details', details, 'hint', hint)::text,
    detail = json_build_object('status', status, 'headers', headers)::text;
end
$$;

comment on function private.refuse is
  'Ends the transaction with an HTTP status and the body {code, message, details, hint}.';

create function private.touch_updated_at() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.updated_at := now();
  return new;
end
$$;

comment on function private.touch_updated_at is 'Keeps updated_at true, whatever the client sent.';

create function private.keep_identity() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  -- Moving a row between tenants would carry its history along, and leave its quota behind. Copy it instead.
  perform private.refuse(409, 'identity_is_fixed',
    format('a row of %I keeps its tenant and its id', tg_table_name),
    null, 'insert a copy into the other tenant and delete this row');
  return null;
end
$$;

comment on function private.keep_identity is 'Refuses an update. The trigger''s condition says that it moves a row to another tenant or to another id.';

create function private.keep_columns() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  kept text;
begin
  -- Not left to column grants: a service that grants on whole tables would open them again.
  if current_user not in ('anon', 'authenticated') then
    return new;
  end if;
  foreach kept in array tg_argv loop
    if to_jsonb(new) -> kept is distinct from to_jsonb(old) -> kept then
      perform private.refuse(403, 'column_is_read_only', format('%s of %I is not changed by clients', kept, tg_table_name));
    end if;
  end loop;
  return new;
end
$$;

comment on function private.keep_columns is 'Refuses a change, by an API role, of the columns that the trigger''s arguments name.';
