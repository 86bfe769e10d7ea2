-- The end of a tenant, as aias_worker: 30 days after it was cancelled it is erased, piece by piece, and no row is left. queue.erase_next_tenant

begin;
\ir ../fixtures/world.sql
\ir ../fixtures/every_rpc.sql

create temp table tables_of_tenants as
  select c.oid::regclass as name
    from pg_catalog.pg_class c
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
   where c.relnamespace::regnamespace::text in ('public', 'private', 'queue', 'audit', 'aias') and c.relkind in ('r', 'p') and not c.relispartition;

select plan(73);

select cmp_ok(count(*), '>=', 24::bigint, 'there are tables to look at') from tables_of_tenants;

-- Something of Closed in as many tables as there are, chained and not yet chained; and more work than goes in one piece.
select furnish(:'closed') \g /dev/null
insert into public.executions (tenant_id, workflow_id, workflow_version) select :'closed', '01900000-0000-7000-8000-00000000e0f1',
  1 from generate_series(1, 4);
insert into public.execution_steps (tenant_id, execution_id, node_id, kind, status, revision)
select tenant_id, id, 'reply', 'transform', 'running', 1 from public.executions where tenant_id = :'closed';
insert into queue.waits (tenant_id, execution_id, node_id, kind, name)
select tenant_id, id, 'reply', 'event', 'paid' from public.executions where tenant_id = :'closed';
insert into queue.events (tenant_id, execution_id, name, payload) select tenant_id, id, 'early', '{}' from public.executions where tenant_id = :'closed';
insert into private.execution_keys (tenant_id, workflow_id, key, execution_id)
select tenant_id, workflow_id, id, id from public.executions where tenant_id = :'closed';
insert into queue.lanes (tenant_id, workflow_id, priority) values (:'closed', '01900000-0000-7000-8000-00000000e0f1', 0);
insert into public.usage (tenant_id, idempotency_key, provider, model) select :'closed', n, 'openai', 'gpt-4o' from generate_series(1, 3) n;
insert into private.invitation_tokens (tenant_id, hash, invitation_id) select tenant_id, sha256('x'),
  id from public.invitations where tenant_id = :'closed';
select private.mail_invitation(i) from public.invitations i where tenant_id = :'closed' \g /dev/null
insert into queue.domain_checks (tenant_id, domain_id, tries_left) select tenant_id, id, 1 from public.tenant_domains where tenant_id = :'closed';
insert into public.tenant_secrets (tenant_id, name) values (:'closed', 'stripe');
insert into private.tenant_keys (tenant_id, generation, wrapped, master_key_id) values (:'closed', 1, 'x', 'mk_a');
insert into private.secret_values (tenant_id, name, key_generation, nonce, ciphertext) values (:'closed', 'stripe', 1, '123456789012', '12345678901234567');
insert into public.provider_keys (tenant_id, provider) values (:'closed', 'openai');
insert into public.captured_calls (tenant_id, model, asked, is_whole, expires_at) select :'closed', 'openai/gpt-4o', '{}', true, now() + interval '1 day' from generate_series(1, 3);
insert into private.cached_answers (tenant_id, hash, answer, expires_at) values (:'closed', sha256('asked'), '{}', now() + interval '1 day');
insert into public.rate_limits (tenant_id, model, requests_per_minute) values (:'closed', 'openai/gpt-4o', 60);
insert into public.subscriptions (tenant_id, id, customer_id, status, created_at) values (:'closed', 'sub_closed', 'cus_closed', 'canceled', now());
insert into public.invoices (tenant_id, id, customer_id, status, currency, subtotal, total, amount_due, amount_paid, amount_remaining, amount_refunded, created_at)
  values (:'closed', 'in_closed', 'cus_closed', 'open', 'usd', 1, 1, 1, 0, 1, 0, now());
insert into billing.customers (tenant_id, id) values (:'closed', 'cus_closed');
insert into billing.accounts (tenant_id) values (:'closed');
insert into billing.checkouts (tenant_id) values (:'closed');
insert into billing.objects (kind, id, livemode, customer, data, seen) values ('customer', 'cus_closed', true, 'cus_closed', '{}', '{}');
insert into public.listings (tenant_id, agent_id, agent_version, slug, title, category, price_kind, amount, currency, state, published_version)
  select a.tenant_id, a.id, 1, 'closed-by-use', 'Greeter', 'greeting', 'per_use', 7, 'usd', 'published', 1 from public.ai_agents a where a.tenant_id = :'closed' limit 1;
insert into public.purchases (tenant_id, id, listing_id, slug, title, price_kind, amount, currency, state)
  values (:'closed', '01900000-0000-7000-8000-00000000e0b8', '01900000-0000-7000-8000-00000000a015', 'alpha-by-use', 'Greeter', 'per_use', 7, 'usd', 'active');
insert into billing.sales (tenant_id, purchase_id, seller_id, fee_basis_points) values (:'closed', '01900000-0000-7000-8000-00000000e0b8', billing.party_of(:'alpha'), 1500);
insert into public.listing_ratings (tenant_id, listing_id, stars) values (:'closed', '01900000-0000-7000-8000-00000000a015', 5);
insert into public.marketplace_charges (tenant_id, id, listing_id, purchase_id, amount, currency, usage_key)
  values (:'closed', '01900000-0000-7000-8000-00000000e0c7', '01900000-0000-7000-8000-00000000a015', '01900000-0000-7000-8000-00000000e0b8', 7, 'usd', 'a use');
select billing.post_charge(c) from public.marketplace_charges c where c.tenant_id = :'closed' \g /dev/null
select billing.party_of(:'closed') as party \gset
select billing.refund_charge(:'closed', '01900000-0000-7000-8000-00000000e0c7', 3, 'a complaint') \g /dev/null
insert into public.agent_documents (tenant_id, agent_id, title, content) select a.tenant_id, a.id, 'Handbook', 'Closed.' from public.ai_agents a where a.tenant_id = :'closed';
insert into private.document_vectors (tenant_id, document_id, digest, agent_id, model, refusal)
select c.tenant_id, c.document_id, c.digest, c.agent_id, 'openai/text-embedding-3-small', 'refused' from private.document_chunks c where c.tenant_id = :'closed';
insert into queue.embedding_jobs (tenant_id, agent_id) select a.tenant_id, a.id from public.ai_agents a where a.tenant_id = :'closed';
insert into queue.capped_calls (tenant_id, reservation, caps) values (:'closed', aias.uuid7(), '[]');
insert into private.secret_values (tenant_id, kind, name, key_generation, nonce, ciphertext) values
  (:'closed', 'provider_key', 'openai', 1, '123456789012', '12345678901234567');
insert into private.webhooks (tenant_id, workflow_id, token, token_hash) values (:'closed', '01900000-0000-7000-8000-00000000e0f1', 'x', sha256('x'));
insert into queue.schedules (tenant_id, workflow_id, version, cron, timezone, missed) values
  (:'closed', '01900000-0000-7000-8000-00000000e0f1', 1, '* * * * *', 'UTC', 'all');
insert into private.event_subscriptions (tenant_id, workflow_id, version, source, operation) values
  (:'closed', '01900000-0000-7000-8000-00000000e0f1', 1, 'public.ai_agents', 'delete');
select aias.quota_reserve(:'closed', 'llm_tokens', 10, interval '1 hour') \g /dev/null
select aias.quota_addon(:'closed', 'executions', 'extra', 5) \g /dev/null
insert into aias.rate_limits (key, per, empty_at) values ('tenant:' || :'closed', 60000000000, 9223372036854775807),
  ('tenant:' || :'beta', 60000000000, 9223372036854775807);
select queue.chain_audit(100000) \g /dev/null
update public.tenants set name = 'Closed for good' where id = :'closed';

create function pg_temp.rows_of(tenant text) returns table (name regclass, n bigint) language plpgsql as $$
begin
  for name in select t.name from tables_of_tenants t order by 1 loop
    execute format('select count(*) from %s where tenant_id = %L', name, tenant) into n;
    return next;
  end loop;
end
$$;
create temp table before as
  select :'alpha' as tenant, * from pg_temp.rows_of(:'alpha') union all select :'beta', * from pg_temp.rows_of(:'beta') union all select :'closed',
    * from pg_temp.rows_of(:'closed');
select is_empty(format($$select name from before where tenant = %L and n = 0 and name::text <> 'aias.quota_overrides'$$, :'closed'),
  'there is something to erase in every one of them');

-- Not yet ---------------------------------------------------------------------------------------------------------------------------------

select is(keep('aias_worker', 'select queue.erase_next_tenant(100)'), null, 'aias_worker: erases nothing that was cancelled a day ago');
update public.tenants set cancelled_at = now() - interval '30 days' + interval '1 second' where id = :'closed';
select is(keep('aias_worker', 'select queue.erase_next_tenant(100)'), null, 'aias_worker: nor a second too early');
select is_empty(format($$select b.name from before b join pg_temp.rows_of(%1$L) now using (name) where b.tenant = %1$L and now.n < b.n$$,
  :'closed'), 'nothing is gone');

-- Piece by piece --------------------------------------------------------------------------------------------------------------------------

update public.tenants set cancelled_at = now() - interval '30 days' where id = :'closed';
select is(keep('aias_worker', 'select queue.erase_next_tenant(2)'), :'closed', 'aias_worker: erases a piece of what is due');
select is(count(*), 5::bigint, 'no more than it was told to') from public.executions where tenant_id = :'closed';
select isnt_empty(format('select from public.tenants where id = %L', :'closed'), 'the tenant goes last');

-- Until nothing is left, in so many calls and not without end.
create temp table pieces as
  select n, case when n < 200 then keep('aias_worker', 'select queue.erase_next_tenant(2)') end as erased from generate_series(1, 200) n;
select is(max(n) filter (where erased is not null) + 1, min(n) filter (where erased is null),
  'aias_worker: says when there is nothing left to erase') from pieces;
select cmp_ok(min(n) filter (where erased is null), '<', 200, 'which comes to an end') from pieces;
select is_empty(format('select from public.tenants where id = %L', :'closed'), 'the tenant is gone');
select is(n, 0::bigint, 'nothing of it is left in ' || name) from pg_temp.rows_of(:'closed');
select is_empty(format('select from aias.rate_limits where key like %L', '%' || :'closed'), 'nothing of it is left in the rate limits');

-- Nothing of anybody else is touched, and nothing of it is written down.
select results_eq(format('select tenant, name, n from before where tenant <> %L', :'closed'),
  format('select tenant, name, n from (select tenant, r.* from unnest(array[%L, %L]) tenant, pg_temp.rows_of(tenant) r) now
    order by array_position(array[%1$L, %2$L], tenant), name', :'alpha', :'beta'), 'nobody else has lost or got a row');
select isnt_empty(format('select from aias.rate_limits where key = %L', 'tenant:' || :'beta'), 'nor a count of requests');
select is_empty($$select from public.catalogue where slug = 'closed-by-use'$$, 'what it sold is not sold any more');
select results_eq(format($$select sum(e.amount)::bigint from billing.ledger_entries e join billing.ledger_accounts a on a.id = e.account_id where a.owner_id = %L$$, :'party'),
  array[4::bigint], 'what it owes is in the books still');
select isnt_empty($$select from public.users where email = 'owner@closed.test'$$, 'its people are people still');
select is(keep('aias_worker', 'select queue.chain_audit(100000)'), '0', 'aias_worker: nothing of its end is left to be chained');

-- Suspended, active: never.
update public.tenants set status = 'cancelled' where subdomain = 'beta';
update public.tenants set cancelled_at = now() - interval '31 days' where subdomain = 'beta';
update public.tenants set status = 'active' where subdomain = 'beta';
select is(keep('aias_worker', 'select queue.erase_next_tenant(100)'), null, 'aias_worker: erases nothing that was reopened in time');

select * from finish();
rollback;
