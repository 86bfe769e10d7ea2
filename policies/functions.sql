-- Who may call what.
--
-- | function                                  | anon | authenticated |
-- | ----------------------------------------- | ---- | ------------- |
-- | rpc create_tenant, quota_status           | no   | yes           |
-- | rpc workflow_problems, activate_workflow  | no   | yes           |
-- | rpc start_execution, cancel_execution     | no   | yes           |
-- | the helpers behind policies and RPCs      | no   | yes           |
-- | everything else                           | no   | no            |

do $$
declare
  closed regprocedure;
begin
  for closed in
    select p.oid from pg_catalog.pg_proc p
     where p.pronamespace in ('private'::regnamespace, 'queue'::regnamespace)
        or p.oid = any (array[
             'public.create_tenant(text, text)', 'public.quota_status(uuid)',
             'public.workflow_problems(jsonb, jsonb)', 'public.activate_workflow(uuid)',
             'public.start_execution(uuid, jsonb, text)', 'public.cancel_execution(uuid)'
           ]::regprocedure[]::oid[])
  loop
    execute format('revoke all on function %s from public, anon, authenticated, service_role, aias_edge, aias_worker', closed);
  end loop;
end
$$;

grant execute on function
  public.create_tenant(text, text),
  public.quota_status(uuid),
  public.workflow_problems(jsonb, jsonb),
  public.activate_workflow(uuid),
  public.start_execution(uuid, jsonb, text),
  public.cancel_execution(uuid)
to authenticated;

-- Behind policies.
grant execute on function private.tenants_with(text), private.own_tenants() to authenticated;

-- Behind RPCs and triggers that run as their caller. Those that change something check the permission themselves.
grant execute on function
  private.refuse(integer, text, text, text, text, jsonb),
  private.create_tenant(text, text),
  private.quota_status(uuid),
  private.start_execution(uuid, jsonb, text),
  private.cancel_execution(uuid)
to authenticated;

-- The workflow language is no secret.
grant execute on function
  aias.uuid7(),
  aias.workflow_problems(jsonb, jsonb),
  aias.workflow_is_valid(jsonb, jsonb)
to authenticated;
