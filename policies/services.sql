-- What the services' own login roles may do, besides nothing.
--
-- | role                | may                                                                                               |
-- | ------------------- | ------------------------------------------------------------------------------------------------- |
-- | aias_edge           | become anon or authenticated for a transaction (granted with the role); call the functions of edge |
-- | aias_worker         | call the functions of the queue, and those of billing that take what Stripe says; no table at all  |
-- | authenticated       | own one function of the queue, which nobody but those of the queue may call                        |
-- | supabase_auth_admin | call the token hook, where Supabase Auth is                                                       |

grant execute on function
  edge.authenticate_key(bytea),
  edge.tenant_of_host(text, text),
  edge.domain_is_served(text, text),
  edge.watch_executions(uuid[]),
  edge.call_webhook(text, jsonb, bytea, text, text, text, text),
  -- With the claims of its caller, who needs secrets.manage.
  edge.secrets(uuid),
  edge.tenant_key(uuid),
  edge.set_secret(uuid, text, bytea, bytea, text, integer, bytea, text),
  edge.delete_secret(uuid, text),
  -- The same, with providers.manage.
  edge.provider_keys(uuid),
  edge.tenant_key_for_providers(uuid),
  edge.set_provider_key(uuid, text, bytea, bytea, text, integer, bytea, text),
  edge.delete_provider_key(uuid, text),
  -- With the claims of its caller, who needs models.call; and, whoever called, what that took.
  edge.begin_model_calls(uuid, text, bigint, bigint, integer, integer, text[], bigint, bigint, integer, jsonb),
  edge.version_of_agent(uuid, uuid, text, jsonb),
  edge.models(uuid),
  edge.kept_of_calls(uuid),
  edge.cached_answer(uuid, bytea),
  edge.agent_functions(uuid, text[]),
  edge.call_agent_function(uuid, text, jsonb),
  edge.agent_secrets(uuid, uuid, text[]),
  edge.end_model_calls(jsonb, jsonb),
  edge.keep_answers(jsonb),
  edge.keep_contents(jsonb),
  -- With the claims of its caller, who needs billing.manage.
  edge.begin_purchase(uuid, uuid),
  edge.purchase_page(uuid, uuid),
  edge.record_purchase_page(uuid, uuid, integer, text),
  edge.end_purchase_page(uuid, uuid, text),
  -- Signed by Stripe.
  edge.keep_stripe_events(text[]),
  -- With the claims of its caller, who needs billing.manage.
  edge.customer_for_checkout(uuid, text, text),
  edge.link_customer(uuid, text),
  edge.begin_checkout(uuid, text, text, bigint, text),
  edge.record_checkout(uuid, bigint, text, text[]),
  edge.end_checkout(uuid, bigint),
  edge.billing_customer(uuid),
  edge.subscription_to_change(uuid),
  edge.plan_to_change_to(uuid, text, text),
  edge.check_seats(uuid, boolean, bigint),
  edge.subscription_changed(uuid, text, jsonb)
to aias_edge;

grant execute on function
  queue.claim(text, integer, interval, uuid[], uuid[], integer[], integer),
  queue.was_capped(text),
  queue.offers_channel(), queue.listen_to_offers(), queue.offered_input(uuid, uuid),
  queue.give_way(),
  queue.plan(uuid, uuid, integer),
  queue.agent(uuid, uuid),
  queue.agent(uuid, uuid, integer),
  queue.listed_agent(uuid, text),
  queue.search_documents(uuid, uuid, text, integer),
  queue.search_documents(uuid, uuid, text, integer, real[]),
  queue.prepare_query_embedding(uuid, uuid, bigint, uuid, bigint),
  queue.record_query_embedding(uuid, uuid, text, integer, integer, uuid, jsonb),
  queue.claim_embeddings(text, integer, interval),
  queue.begin_embedding(uuid, uuid, bigint),
  queue.record_embeddings(uuid, uuid, bigint, uuid, jsonb, bytea[], real[]),
  queue.fail_embeddings(uuid, uuid, bigint, uuid, jsonb, text, text, interval, bytea[]),
  queue.agent_functions(text[]),
  queue.call_agent_function(uuid, uuid, bigint, text, jsonb),
  queue.renew(text, uuid[], uuid[], bigint[], interval),
  queue.reserve_tokens(uuid, uuid, bigint, bigint),
  queue.prepare_llm_call(uuid, uuid, bigint, bigint, text[]),
  queue.prepare_llm_call(uuid, uuid, bigint, uuid, text[], bigint, bigint),
  queue.record_round(uuid, uuid, text, integer, integer, uuid, jsonb),
  queue.start_workflow(uuid, uuid, bigint, text, integer, integer, text, uuid, jsonb),
  queue.start_child(uuid, uuid, bigint, text, integer, uuid, jsonb, uuid),
  queue.record(text, interval, uuid[], uuid[], bigint[], text[], timestamptz[], jsonb[], jsonb[], timestamptz[], integer[],
    integer[], text[], integer[], text[], text[], text[], integer[], text[], jsonb[], jsonb[], jsonb[], timestamptz[], timestamptz[],
    timestamptz[], jsonb[]),
  queue.next_due(),
  queue.claim_mails(text, integer, interval),
  queue.mail_token(uuid, uuid, bigint, bytea),
  queue.record_mail(text, uuid, uuid, bigint, text, text, timestamptz),
  queue.next_mail_due(),
  queue.chain_audit(integer),
  queue.next_export(),
  queue.run_next_export(),
  queue.fail_export(uuid, uuid, text),
  queue.erase_next_tenant(integer),
  queue.claim_domain_checks(text, integer, interval),
  queue.record_domain_check(uuid, uuid, bigint, boolean, text),
  queue.tend_history(integer),
  queue.claim_schedules(text, integer, interval),
  queue.run_schedule(text, uuid, uuid, bigint, timestamptz[], timestamptz, timestamptz, text),
  queue.next_schedule_due(),
  queue.send_mail(uuid, uuid, bigint, text, text[], text, text, text, integer),
  queue.secrets(uuid, uuid, bigint, text[]),
  queue.keys_to_rewrap(text, uuid, integer),
  queue.rewrap_key(uuid, integer, bytea, bytea, text),
  queue.next_key_to_rotate(uuid),
  queue.rotate_key(uuid, integer, bytea, text, text[], text[], bytea[], bytea[], bytea[]),
  queue.sweep(),
  billing.apply_events(integer, boolean),
  billing.claim_fetches(integer, boolean, interval),
  billing.apply_fetched(text, text, text, bigint, jsonb, bigint),
  billing.sweep(integer),
  billing.inbox(),
  billing.count_usage(integer),
  billing.claim_meter_events(integer, boolean, interval),
  billing.record_meter_events(text[], bigint[], text[], text[]),
  billing.claim_meter_days(integer, boolean, interval),
  billing.apply_meter_day(uuid, text, text, timestamptz, bigint, bigint[], double precision[]),
  billing.meters_to_find(),
  billing.learn_meters(text[], text[]),
  billing.claim_meter_reports(integer, boolean, interval),
  billing.apply_meter_report(text, bigint, jsonb),
  billing.warn_of_limits(integer),
  billing.claim_reconciliation(boolean, interval),
  billing.record_reconciled(bigint, bigint, jsonb, boolean),
  billing.put_off_reconciliation(bigint, bigint, interval, text)
to aias_worker;

-- What an agent has called is called with the rights of its owner, a caller's. Who is to own a function has to be one who may make it; and who made
-- it goes on calling it.
grant create on schema queue to authenticated;
alter function queue.call_as_member(regprocedure, jsonb, integer) owner to authenticated;
revoke create on schema queue from authenticated;
revoke execute on function queue.call_as_member(regprocedure, jsonb, integer) from authenticated;
grant execute on function queue.call_as_member(regprocedure, jsonb, integer) to current_user;

do $$
begin
  if exists (select from pg_catalog.pg_roles where rolname = 'supabase_auth_admin') then
    grant usage on schema private to supabase_auth_admin;
    grant execute on function private.custom_access_token_hook(jsonb) to supabase_auth_admin;
  end if;
end
$$;
