-- Tenants in the token, for those who want them there: a hook for Supabase Auth. Nothing in this project reads what it writes.
--
-- Switched on by the operator (Authentication > Hooks, or `[auth.hook.custom_access_token]` in config.toml):
-- https://supabase.com/docs/guides/auth/auth-hooks/custom-access-token-hook

create function private.custom_access_token_hook(event jsonb) returns jsonb
language sql
stable
-- Definer: Auth's own role calls it and has no rights on our tables.
security definer
set search_path = ''
as $$
  select jsonb_set(event, '{claims,app_metadata}',
           coalesce(event #> '{claims,app_metadata}', '{}') || jsonb_build_object('tenants', coalesce((
             select jsonb_agg(jsonb_build_object('id', m.tenant_id, 'role', m.role) order by m.tenant_id)
               from (
                 -- A token travels in a header, and headers are short.
                 select m.tenant_id, m.role from public.memberships m
                  where m.user_id = (event ->> 'user_id')::uuid order by m.created_at limit 50
               ) m), '[]')))
$$;

comment on function private.custom_access_token_hook is
  'Writes the tenants of a person, 50 at most, as [{id, role}] into app_metadata.tenants. A hint for frontends, as old as the token: access is decided from tables.';
