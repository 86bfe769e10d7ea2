-- What a token says of anything but who it is for, and by how many factors, decides nothing; nor does what a request's headers say.

begin;
\ir ../fixtures/world.sql
select plan(54);

-- Runs a query with these claims and headers, as whoever is behind a signed token with them.
create function pg_temp.answer(claims jsonb, query text, headers jsonb default '{}') returns text language plpgsql as $$
declare
  answer text;
begin
  begin
    perform set_config('request.jwt.claims', claims::text, true), set_config('request.headers', headers::text, true), set_config('role',
      'authenticated', true);
    execute query into answer;
    raise exception 'take it back' using errcode = 'AIA01';
  exception
    when sqlstate 'AIA01' then
      return answer;
    when others then
      return sqlstate;
  end;
end
$$;
create function pg_temp.held(claims jsonb, headers jsonb default '{}') returns text language sql as $$
  select pg_temp.answer(claims, 'select string_agg(subdomain || '' '' || array_to_string(permissions, '',''), ''; '') from public.my_tenants()',
    headers)
$$;

select is(pg_temp.held(jsonb_build_object('sub', :'viewer', 'role', 'authenticated')),
  'alpha agents.read,executions.read,members.read,workflows.read', 'a viewer''s token');

-- What users may write about themselves ends up in their tokens, and so does what an operator's hook puts there.
select is(pg_temp.held(jsonb_build_object('sub', :'viewer', 'role', 'authenticated') || extra),
  'alpha agents.read,executions.read,members.read,workflows.read',
    'is the same with ' || extra::text)
  from unnest(array[
    '{"user_metadata": {"role": "owner", "api_key_id": "01900000-0000-7000-8000-00000000a0c2", "aal": "aal2"}}',
    '{"user_metadata": {"tenant_id": "01900000-0000-7000-8000-00000000b000", "permissions": ["tenant.manage"]}}',
    '{"app_metadata": {"tenants": [{"id": "01900000-0000-7000-8000-00000000b000", "role": "owner"}], "role": "owner", "aal": "aal2"}}',
    '{"tenant_id": "01900000-0000-7000-8000-00000000b000"}', '{"tenant_role": "owner"}', '{"permissions": ["tenant.manage"]}',
      '{"scopes": ["tenant.manage"]}',
    '{"email": "owner@alpha.test"}', '{"aal": "aal2"}', '{"amr": [{"method": "totp"}]}', '{"is_anonymous": false}'
  ]::jsonb[]) extra;
select is(pg_temp.held(jsonb_build_object('sub', :'viewer', 'role', 'authenticated'), headers),
  'alpha agents.read,executions.read,members.read,workflows.read',
    'is the same with headers ' || headers::text)
  from unnest(array[
    '{"x-request-id": "1", "x-tenant-id": "01900000-0000-7000-8000-00000000b000"}',
      '{"authorization": "Bearer x", "x-api-key": "aias_x", "role": "service_role"}',
    '{"x-forwarded-user": "owner@alpha.test", "x-supabase-role": "owner"}'
  ]::jsonb[]) headers;

-- The level of a session is one word, and only that word.
select is(pg_temp.answer(jsonb_build_object('sub', '01900000-0000-7000-8000-0000000000c5', 'role', 'authenticated', 'aal', aal),
    $$select second_factor_missing from public.my_tenants()$$), 'true', 'is no second factor: ' || aal::text)
  from unnest(array['"aal1"', '"AAL2"', '"aal22"', '["aal2"]', '{"aal2": true}', '2', 'true', 'null', '""']::jsonb[]) aal;
select is(pg_temp.answer('{"sub": "01900000-0000-7000-8000-0000000000c5", "role": "authenticated", "aal": "aal2"}',
    $$select second_factor_missing from public.my_tenants()$$), 'false', 'is one: aal2');

-- Nobody is nobody.
select is(pg_temp.held(claims), null, 'belongs to nothing: ' || claims::text)
  from unnest(array['{"role": "authenticated"}', '{}', '{"sub": null}', '{"api_key_id": null}', '{"sub": "01900000-0000-7000-8000-00000000ffff"}',
                    '{"api_key_id": "01900000-0000-7000-8000-00000000ffff"}', '{"sub": "01900000-0000-7000-8000-00000000a000"}',
                    -- An account is no key, and a key no account.
                    '{"sub": "01900000-0000-7000-8000-00000000a0c5"}', '{"api_key_id": "01900000-0000-7000-8000-00000000a0c5"}']::jsonb[]) claims;
select is(pg_temp.held(claims), '22P02', 'is an error and no access: ' || claims::text)
  from unnest(array['{"sub": ""}', '{"sub": "owner@alpha.test"}', '{"api_key_id": "robot"}', '{"sub": "'' or true --"}']::jsonb[]) claims;
-- A token that names both is the key's: it is never more than either.
select is(pg_temp.held(jsonb_build_object('sub', :'owner', 'api_key_id', '01900000-0000-7000-8000-00000000a0c5')), null,
  'a key that is none takes a person''s access away');

-- An argument is a value, whatever it looks like ------------------------------------------------------------------------------------------

select refused('owner@alpha.test', calling('public.close_tenant', :'alpha', hostile), 400, 'wrong_subdomain', 'types ' || hostile)
  from unnest(array[$$alpha'; select set_config('role', 'postgres', true); --$$, $$x' or '1'='1$$, '{alpha}', '%', '$1']) hostile;
select refused('owner@alpha.test', calling('public.invite_member', :'alpha', 'new@x.test', hostile), 400, 'unknown_role', 'types ' || hostile)
  from unnest(array[$$viewer'; update public.memberships set role = 'owner'; --$$, '{viewer,owner}', '"owner"', 'OWNER', ' owner', '%']) hostile;
select refused('stranger@gamma.test', calling('public.accept_invitation', hostile), 404, 'not_found', 'types ' || hostile)
  from unnest(array[$$' or true --$$, '%', '\x', '*']) hostile;

select * from finish();
rollback;
