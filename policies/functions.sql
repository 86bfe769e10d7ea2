-- Who may call what.
--
-- | function                                                     | anon | authenticated |
-- | ------------------------------------------------------------ | ---- | ------------- |
-- | every rpc (in public)                                        | no   | yes           |
-- | the helpers behind policies, RPCs and triggers, listed below | no   | yes           |
-- | everything else                                              | no   | no            |

do $$
declare
  closed regprocedure;
begin
  for closed in
    select p.oid from pg_catalog.pg_proc p
     where p.pronamespace::regnamespace::text in ('public', 'private', 'queue', 'billing', 'audit', 'edge')
       -- Not what other extensions brought into public.
       and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
  loop
    execute format('revoke all on function %s from public, anon, authenticated, service_role, aias_edge, aias_worker', closed);
  end loop;
end
$$;

grant execute on function
  -- tenants and settings
  public.create_tenant(text, text, text),
  public.close_tenant(uuid, text),
  public.reopen_tenant(uuid),
  public.my_tenants(),
  public.quota_status(uuid),
  public.add_domain(uuid, text),
  public.check_domain(uuid),
  public.remove_domain(uuid),
  public.set_spending_cap(uuid, numeric, uuid, uuid),
  public.set_rate_limit(uuid, uuid, text, integer, integer),
  public.export_tenant(uuid),
  public.export_chunk(uuid, integer),
  public.verify_audit(uuid),
  public.invoice_preview(uuid),
  -- the team
  public.invite_member(uuid, text, text),
  public.resend_invitation(uuid),
  public.revoke_invitation(uuid),
  public.look_at_invitation(text),
  public.accept_invitation(text),
  public.decline_invitation(text),
  public.change_member_role(uuid, uuid, text),
  public.remove_member(uuid, uuid),
  public.leave_tenant(uuid),
  public.transfer_ownership(uuid, uuid),
  public.create_api_key(uuid, text, text[], timestamptz),
  public.revoke_api_key(uuid),
  -- workflows
  public.workflow_problems(jsonb, jsonb),
  public.activate_workflow(uuid),
  public.webhook_url(uuid),
  public.rotate_webhook(uuid),
  public.enable_hook_signing(uuid),
  public.disable_hook_signing(uuid),
  public.start_execution(uuid, jsonb, text, integer),
  public.start_executions(uuid, jsonb[], integer),
  public.cancel_execution(uuid),
  public.pause_execution(uuid),
  public.resume_execution(uuid),
  public.retry_execution(uuid, text, jsonb),
  public.send_event(uuid, text, jsonb, text),
  public.broadcast_event(uuid, text, jsonb, text),
  public.decide_approval(uuid, text, boolean, text),
  -- agents
  public.search_documents(uuid, text, integer, real[]),
  public.embedding_status(uuid),
  public.restore_agent_version(uuid, integer),
  -- the marketplace
  public.change_listing_state(uuid, text),
  public.accept_listing_price(uuid, uuid, bigint, text),
  public.rate_listing(uuid, uuid, integer),
  public.seller_statement(uuid, timestamptz, timestamptz)
to authenticated;

-- Behind policies. What they answer depends on the caller's claims alone.
grant execute on function
  aias.tenants_with(text),
  aias.own_tenants(),
  aias.tenants_asking_for_second_factor(),
  aias.among(uuid, uuid[])
to authenticated;

-- Behind RPCs and triggers that run as their caller. Those that change something check the permission themselves.
grant execute on function
  private.tenants_with(text),
  private.own_tenants(),
  private.refuse(integer, text, text, text, text, jsonb),
  private.demand(uuid, text),
  private.is_caller(),
  private.has_second_factor(),
  private.principal(),
  private.create_tenant(text, text, text),
  private.close_tenant(uuid, text),
  private.reopen_tenant(uuid),
  private.my_tenants(),
  private.quota_status(uuid),
  private.add_domain(uuid, text),
  private.check_domain(uuid),
  private.remove_domain(uuid),
  private.set_spending_cap(uuid, numeric, uuid, uuid),
  private.set_rate_limit(uuid, uuid, text, integer, integer),
  private.export_tenant(uuid),
  private.export_chunk(uuid, integer),
  private.verify_audit(uuid),
  private.invoice_preview(uuid),
  private.invite_member(uuid, text, text),
  private.resend_invitation(uuid),
  private.revoke_invitation(uuid),
  private.look_at_invitation(text),
  private.accept_invitation(text),
  private.decline_invitation(text),
  private.change_member_role(uuid, uuid, text),
  private.remove_member(uuid, uuid),
  private.leave_tenant(uuid),
  private.transfer_ownership(uuid, uuid),
  private.create_api_key(uuid, text, text[], timestamptz),
  private.revoke_api_key(uuid),
  private.webhook_url(uuid),
  private.rotate_webhook(uuid),
  private.enable_hook_signing(uuid),
  private.disable_hook_signing(uuid),
  private.start_execution(uuid, jsonb, text, integer),
  private.start_executions(uuid, jsonb[], integer),
  private.cancel_execution(uuid),
  private.pause_execution(uuid),
  private.resume_execution(uuid),
  private.retry_execution(uuid, text, jsonb),
  private.send_event(uuid, text, jsonb, text),
  private.broadcast_event(uuid, text, jsonb, text),
  private.decide_approval(uuid, text, boolean, text),
  private.search_documents(uuid, text, integer, real[]),
  private.embedding_status(uuid),
  private.listing_may_become(text, text),
  private.change_listing_state(uuid, text),
  private.accept_listing_price(uuid, uuid, bigint, text),
  private.rate_listing(uuid, uuid, integer),
  private.seller_statement(uuid, timestamptz, timestamptz)
to authenticated;

-- The workflow language is no secret.
grant execute on function
  aias.uuid7(),
  aias.workflow_problems(jsonb, jsonb),
  aias.workflow_is_valid(jsonb, jsonb)
to authenticated;
