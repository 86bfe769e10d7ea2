-- Tables that no API role reads or writes. Functions that run as their owner do, each of which says why in its comment.

select private.close_table(closed::regclass) from unnest(array[
  'billing.accounts',
  'billing.customers',
  'billing.customers_that_count',
  'billing.dead_letters',
  'billing.events',
  'billing.objects',
  'billing.plan_prices',
  'billing.settings',
  'billing.subscriptions',
  'private.access',
  'private.access_epochs',
  'private.agent_functions',
  'private.api_key_hashes',
  'private.built_in_roles',
  'private.cached_answers',
  'private.document_chunks',
  'private.execution_keys',
  'private.event_sources',
  'private.event_subscriptions',
  'private.export_chunks',
  'private.invitation_tokens',
  'private.llm_prices',
  'private.meters',
  'private.reserved_subdomains',
  'private.secret_values',
  'private.tenant_data',
  'private.tenant_keys',
  'private.webhooks',
  'queue.capped_calls',
  'queue.domain_checks',
  'queue.events',
  'queue.jobs',
  'queue.lanes',
  'queue.mails',
  'queue.state',
  'queue.tenants',
  'queue.waits',
  'queue.watched',
  'queue.workers',
  'audit.heads'
]) as closed;

-- Months: read through the table that they are of, never by themselves.
select private.close_table(inherited.inhrelid::regclass) from pg_catalog.pg_inherits inherited
 where inherited.inhparent in ('audit.log'::regclass, 'public.executions'::regclass, 'public.execution_steps'::regclass);
