-- The hook that writes a person's tenants into their token: Auth's own role calls it, nobody else; it changes nothing but that. public.memberships

begin;
\ir ../fixtures/world.sql
select plan(19);

-- As on a Supabase project: the role is there when policies/ are applied.
do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'supabase_auth_admin') then
    create role supabase_auth_admin nologin noinherit;
  end if;
end
$$;
\ir ../../policies/schemas.sql
\ir ../../policies/services.sql

create function pg_temp.hooked(event jsonb) returns jsonb language sql as $$
  select assertions.keep('supabase_auth_admin', format('select private.custom_access_token_hook(%L)', event))::jsonb
$$;
create function pg_temp.event(person text) returns jsonb language sql as $$
  select jsonb_build_object('user_id', u.id, 'authentication_method', 'password', 'claims', jsonb_build_object(
           'sub', u.id, 'aal', 'aal1', 'role', 'authenticated', 'app_metadata', '{"provider": "email"}'::jsonb, 'user_metadata', '{}'::jsonb))
    from auth.users u where u.email = person
$$;

-- supabase_auth_admin ---------------------------------------------------------------------------------------------------------------------

select is(pg_temp.hooked(pg_temp.event(person)) #> '{claims,app_metadata}', jsonb_build_object('provider', 'email', 'tenants', tenants),
  person || ': has their tenants in the token')
  from (values
    ('viewer@alpha.test', jsonb_build_array(jsonb_build_object('id', :'alpha', 'role', 'viewer'))),
    ('both@alpha.test', jsonb_build_array(jsonb_build_object('id', :'alpha', 'role', 'owner'), jsonb_build_object('id', :'beta', 'role', 'owner'))),
    ('auditor@alpha.test', jsonb_build_array(jsonb_build_object('id', :'alpha', 'role', 'auditor'))),
    ('stranger@gamma.test', '[]'::jsonb)
  ) known (person, tenants);
select is(pg_temp.hooked(e) #- '{claims,app_metadata,tenants}', e, 'nothing else of an event is touched') from pg_temp.event('both@alpha.test') e;
select is(pg_temp.hooked(e #- '{claims,app_metadata}') #> '{claims,app_metadata}',
  jsonb_build_object('tenants', jsonb_build_array(jsonb_build_object('id', :'alpha', 'role', 'viewer'))),
  'a token without app_metadata gets some') from pg_temp.event('viewer@alpha.test') e;
select is(pg_temp.hooked(jsonb_set(e, '{claims,app_metadata,tenants}', '[{"id": "x", "role": "owner"}]')) #> '{claims,app_metadata,tenants}',
  jsonb_build_array(jsonb_build_object('id', :'alpha', 'role', 'viewer')), 'what was there is written anew')
    from pg_temp.event('viewer@alpha.test') e;
insert into public.tenants (id, name, subdomain, plan_id)
select aias.uuid7(), 'Many ' || n, 'many-' || n, p.id from generate_series(1, 60) n, public.subscription_plans p where p.key = 'starter';
insert into public.roles (tenant_id, key, name) select id, 'member', 'Member' from public.tenants where subdomain ~ '^many-';
insert into public.memberships (tenant_id, user_id, role) select id, :'stranger', 'member' from public.tenants where subdomain ~ '^many-';
select is(jsonb_array_length(pg_temp.hooked(pg_temp.event('stranger@gamma.test')) #> '{claims,app_metadata,tenants}'), 50,
  'a token stays short: 50 tenants at most');
select unreachable('supabase_auth_admin', statement, 'does nothing else here')
  from unnest(array['select from public.memberships', 'select from public.tenants', $$select private.tenants_with('members.read')$$,
    'select private.my_tenants()']) statement;

-- What it writes decides nothing ----------------------------------------------------------------------------------------------------------

delete from public.memberships where user_id = :'viewer';
select sees('viewer@alpha.test', 'select from public.workflows', 0, 'reads nothing once removed, whatever an older token says');

-- Nobody else -----------------------------------------------------------------------------------------------------------------------------

select unreachable(actor, $$select private.custom_access_token_hook('{"user_id": "01900000-0000-7000-8000-0000000000a1"}')$$, 'asks nothing of it')
  from unnest(array['owner@alpha.test', 'stranger@gamma.test', 'anon', 'service_role', 'aias_worker', 'aias_edge']) actor;

select * from finish();
rollback;
