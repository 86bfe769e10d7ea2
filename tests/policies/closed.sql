-- private, queue, billing, audit, edge, aias, auth: lent to policies, RPCs and services, and to nobody's hands.

begin;
\ir ../fixtures/world.sql

-- One line for each table that is not exposed and each actor, and one for each function.
create temp table hidden_tables as
  select c.oid::regclass as name
    from pg_catalog.pg_class c
   where c.relnamespace::regnamespace::text in ('private', 'queue', 'billing', 'history', 'audit', 'edge', 'aias', 'auth') and c.relkind in ('r', 'p', 'v', 'm');
create temp table our_functions as
  select p.oid::regprocedure as name, n.nspname as schema
    from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
   where n.nspname in ('public', 'private', 'queue', 'billing', 'audit', 'edge', 'aias')
     and not exists (
       select from pg_catalog.pg_depend d join pg_catalog.pg_extension e on e.oid = d.refobjid
        where d.objid = p.oid and d.deptype = 'e' and e.extname <> 'aias');

-- What is lent, and to whom. A longer list wants a reason in policies/functions.sql or policies/services.sql.
create temp table lent as
  select 'authenticated' as role, name from our_functions where schema = 'public'
  union all
  select 'authenticated', unnest(array[
    -- behind policies
    'aias.tenants_with(text)', 'aias.own_tenants()', 'aias.tenants_asking_for_second_factor()', 'aias.among(uuid, uuid[])',
    -- behind triggers and RPCs that run as their caller; they change nothing
    'private.refuse(integer, text, text, text, text, jsonb)', 'private.demand(uuid, text)', 'private.is_caller()',
    'private.has_second_factor()', 'private.principal()', 'private.tenants_with(text)', 'private.own_tenants()',
    -- RPCs, each of which asks for its permission
    'private.create_tenant(text, text, text)', 'private.close_tenant(uuid, text)', 'private.reopen_tenant(uuid)', 'private.my_tenants()',
    'private.quota_status(uuid)', 'private.add_domain(uuid, text)', 'private.check_domain(uuid)', 'private.remove_domain(uuid)', 'private.set_spending_cap(uuid, numeric, uuid, uuid)',
    'private.set_rate_limit(uuid, uuid, text, integer, integer)',
    'private.export_tenant(uuid)', 'private.export_chunk(uuid, integer)', 'private.verify_audit(uuid)', 'private.invoice_preview(uuid)',
    'private.invite_member(uuid, text, text)', 'private.resend_invitation(uuid)', 'private.revoke_invitation(uuid)',
    'private.look_at_invitation(text)', 'private.accept_invitation(text)', 'private.decline_invitation(text)',
    'private.change_member_role(uuid, uuid, text)', 'private.remove_member(uuid, uuid)', 'private.leave_tenant(uuid)',
    'private.transfer_ownership(uuid, uuid)', 'private.create_api_key(uuid, text, text[], timestamptz)', 'private.revoke_api_key(uuid)',
    'private.webhook_url(uuid)', 'private.rotate_webhook(uuid)',
    'private.enable_hook_signing(uuid)', 'private.disable_hook_signing(uuid)',
    'private.start_execution(uuid, jsonb, text, integer)', 'private.start_executions(uuid, jsonb[], integer)', 'private.cancel_execution(uuid)',
    'private.pause_execution(uuid)', 'private.resume_execution(uuid)', 'private.retry_execution(uuid, text, jsonb)',
    'private.send_event(uuid, text, jsonb, text)', 'private.broadcast_event(uuid, text, jsonb, text)',
    'private.decide_approval(uuid, text, boolean, text)', 'private.search_documents(uuid, text, integer, real[])',
    'private.embedding_status(uuid)',
    'private.listing_may_become(text, text)', 'private.change_listing_state(uuid, text)',
    'private.accept_listing_price(uuid, uuid, bigint, text)', 'private.rate_listing(uuid, uuid, integer)', 'private.seller_statement(uuid, timestamptz, timestamptz)',
    -- the workflow language
    'aias.uuid7()', 'aias.workflow_problems(jsonb, jsonb)', 'aias.workflow_is_valid(jsonb, jsonb)'
  ]::regprocedure[])
  union all
  select 'aias_worker', unnest(array[
    'queue.claim(text, integer, interval, uuid[], uuid[], integer[], integer)', 'queue.was_capped(text)', 'queue.offers_channel()', 'queue.listen_to_offers()', 'queue.offered_input(uuid, uuid)', 'queue.give_way()',
    'queue.start_child(uuid, uuid, bigint, text, integer, uuid, jsonb, uuid)', 'queue.plan(uuid, uuid, integer)', 'queue.agent(uuid, uuid)', 'queue.agent(uuid, uuid, integer)', 'queue.listed_agent(uuid, text)',
    'queue.agent_functions(text[])', 'queue.call_agent_function(uuid, uuid, bigint, text, jsonb)', 'queue.renew(text, uuid[], uuid[], bigint[], interval)',
    'queue.reserve_tokens(uuid, uuid, bigint, bigint)', 'queue.prepare_llm_call(uuid, uuid, bigint, bigint, text[])',
    'queue.prepare_llm_call(uuid, uuid, bigint, uuid, text[], bigint, bigint)',
    'queue.search_documents(uuid, uuid, text, integer, real[])', 'queue.prepare_query_embedding(uuid, uuid, bigint, uuid, bigint)',
    'queue.record_query_embedding(uuid, uuid, text, integer, integer, uuid, jsonb)', 'queue.claim_embeddings(text, integer, interval)',
    'queue.begin_embedding(uuid, uuid, bigint)', 'queue.record_embeddings(uuid, uuid, bigint, uuid, jsonb, bytea[], real[])',
    'queue.fail_embeddings(uuid, uuid, bigint, uuid, jsonb, text, text, interval, bytea[])',
    'queue.search_documents(uuid, uuid, text, integer)', 'queue.record_round(uuid, uuid, text, integer, integer, uuid, jsonb)',
    'queue.start_workflow(uuid, uuid, bigint, text, integer, integer, text, uuid, jsonb)', 'queue.tend_history(integer)', 'queue.next_due()', 'queue.sweep()',
    'queue.claim_mails(text, integer, interval)', 'queue.mail_token(uuid, uuid, bigint, bytea)',
    'queue.record_mail(text, uuid, uuid, bigint, text, text, timestamptz)', 'queue.next_mail_due()', 'queue.chain_audit(integer)',
    'queue.next_export()', 'queue.run_next_export()', 'queue.fail_export(uuid, uuid, text)', 'queue.erase_next_tenant(integer)',
    'queue.claim_domain_checks(text, integer, interval)', 'queue.record_domain_check(uuid, uuid, bigint, boolean, text)',
    'queue.claim_schedules(text, integer, interval)', 'queue.next_schedule_due()',
    'queue.run_schedule(text, uuid, uuid, bigint, timestamptz[], timestamptz, timestamptz, text)',
    'queue.send_mail(uuid, uuid, bigint, text, text[], text, text, text, integer)', 'queue.secrets(uuid, uuid, bigint, text[])',
    'queue.keys_to_rewrap(text, uuid, integer)', 'queue.rewrap_key(uuid, integer, bytea, bytea, text)', 'queue.next_key_to_rotate(uuid)',
    'queue.rotate_key(uuid, integer, bytea, text, text[], text[], bytea[], bytea[], bytea[])',
    'billing.apply_events(integer, boolean)', 'billing.claim_fetches(integer, boolean, interval)',
    'billing.apply_fetched(text, text, text, bigint, jsonb, bigint)', 'billing.sweep(integer)',
    'billing.inbox()', 'billing.count_usage(integer)', 'billing.claim_meter_events(integer, boolean, interval)',
    'billing.record_meter_events(text[], bigint[], text[], text[])', 'billing.claim_meter_days(integer, boolean, interval)',
    'billing.apply_meter_day(uuid, text, text, timestamptz, bigint, bigint[], double precision[])', 'billing.meters_to_find()',
    'billing.learn_meters(text[], text[])', 'billing.claim_meter_reports(integer, boolean, interval)',
    'billing.apply_meter_report(text, bigint, jsonb)', 'billing.warn_of_limits(integer)',
    'billing.claim_reconciliation(boolean, interval)', 'billing.record_reconciled(bigint, bigint, jsonb, boolean)',
    'billing.put_off_reconciliation(bigint, bigint, interval, text)'
  ]::regprocedure[])
  union all
  select 'aias_worker', p.oid::regprocedure from pg_catalog.pg_proc p where p.pronamespace = 'queue'::regnamespace and p.proname = 'record'
  union all
  select 'aias_edge', unnest(array[
    'edge.authenticate_key(bytea)', 'edge.tenant_of_host(text, text)', 'edge.domain_is_served(text, text)',
    'edge.watch_executions(uuid[])',
    'edge.call_webhook(text, jsonb, bytea, text, text, text, text)',
    'edge.secrets(uuid)', 'edge.tenant_key(uuid)', 'edge.set_secret(uuid, text, bytea, bytea, text, integer, bytea, text)',
    'edge.delete_secret(uuid, text)',
    'edge.provider_keys(uuid)', 'edge.tenant_key_for_providers(uuid)',
    'edge.set_provider_key(uuid, text, bytea, bytea, text, integer, bytea, text)', 'edge.delete_provider_key(uuid, text)',
    'edge.begin_model_calls(uuid, text, bigint, bigint, integer, integer, text[], bigint, bigint, integer, jsonb)', 'edge.models(uuid)', 'edge.version_of_agent(uuid, uuid, text, jsonb)', 'edge.end_model_calls(jsonb, jsonb)',
    'edge.agent_functions(uuid, text[])', 'edge.call_agent_function(uuid, text, jsonb)', 'edge.agent_secrets(uuid, uuid, text[])',
    'edge.kept_of_calls(uuid)', 'edge.cached_answer(uuid, bytea)', 'edge.keep_answers(jsonb)', 'edge.keep_contents(jsonb)',
    'edge.keep_stripe_events(text[])',
    'edge.customer_for_checkout(uuid, text, text)', 'edge.link_customer(uuid, text)', 'edge.begin_checkout(uuid, text, text, bigint, text)',
    'edge.record_checkout(uuid, bigint, text, text[])', 'edge.end_checkout(uuid, bigint)', 'edge.billing_customer(uuid)',
    'edge.subscription_to_change(uuid)', 'edge.plan_to_change_to(uuid, text, text)', 'edge.check_seats(uuid, boolean, bigint)',
    'edge.subscription_changed(uuid, text, jsonb)',
    'edge.begin_purchase(uuid, uuid)', 'edge.purchase_page(uuid, uuid)', 'edge.record_purchase_page(uuid, uuid, integer, text)',
    'edge.end_purchase_page(uuid, uuid, text)'
  ]::regprocedure[]);

select plan((select count(*) * 5 from hidden_tables)::integer + (select count(*) * 5 from our_functions)::integer + 20);

-- Tables ---------------------------------------------------------------------------------------------------------------------------------

select unreachable(actor, format('select from %s', name), format('cannot ask for %s', name))
  from hidden_tables, unnest(array['owner@alpha.test', 'stranger@gamma.test', 'anon', 'aias_worker', 'aias_edge']) actor;

-- Functions ------------------------------------------------------------------------------------------------------------------------------

select is(has_function_privilege(who, name, 'execute'), wanted, format('%s: %s call %s', who, case when wanted then 'may' else 'may not' end, name))
  from (select f.name, who, exists (select from lent l where l.role = who and l.name = f.name) as wanted
          from our_functions f, unnest(array['anon', 'authenticated', 'service_role', 'aias_edge', 'aias_worker']) who) asked;

-- By hand --------------------------------------------------------------------------------------------------------------------------------

select unreachable('owner@alpha.test', format('select %s', call), format('cannot call %s', call))
  from unnest(array[
    $$aias.quota_give('01900000-0000-7000-8000-00000000a000', 'executions', 5)$$,
    $$aias.quota_set('01900000-0000-7000-8000-00000000a000', 'executions', 'flow', null)$$,
    $$aias.quota_take('01900000-0000-7000-8000-00000000b000', 'executions', 1)$$,
    $$aias.quota_forget('01900000-0000-7000-8000-00000000b000')$$,
    $$aias.quota_status('01900000-0000-7000-8000-00000000b000')$$,
    $$queue.next_due()$$,
    $$queue.sweep()$$,
    $$queue.claim('me', 10, '1 hour', '{}', '{}', '{}')$$,
    $$queue.renew('w1', '{}', '{}', '{}', '1 hour')$$,
    $$private.sync_limits(null::public.tenants)$$,
    $$private.refresh_access('01900000-0000-7000-8000-00000000a000')$$,
    $$audit.record_event('01900000-0000-7000-8000-00000000a000', 'security.sign_in', 'users', null)$$,
    $$audit.verify('01900000-0000-7000-8000-00000000b000')$$,
    $$queue.chain_audit(1)$$,
    $$edge.authenticate_key('')$$,
    $$aias.note('{"action": "security.escalation_denied"}')$$
  ]) call;
select unreachable('owner@alpha.test', 'create table public.mine ()', 'makes no table');
select unreachable('owner@alpha.test', 'create function private.mine() returns int language sql as $f$ select 1 $f$', 'makes no function');
select unreachable('owner@alpha.test', $$create policy "all" on public.workflows for all to authenticated using (true)$$, 'makes no policy');
select unreachable('owner@alpha.test', 'alter table public.workflows disable row level security', 'takes no wall down');

select * from finish();
rollback;
