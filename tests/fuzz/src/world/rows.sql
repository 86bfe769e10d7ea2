-- One tenant with something of everything: members in every role, and rows in every table.
--
-- Ids are of the shape 0190f0NN-0000-7000-8000-KKKKIIIIIIII: the tenant's number, the kind of thing, and which one.

create function fuzz.id(number integer, kind text, i integer) returns uuid
language sql immutable as $$
  select format('0190f0%s-0000-7000-8000-%s%s', lpad(to_hex(number), 2, '0'), kind, lpad(to_hex(i), 8, '0'))::uuid
$$;

-- The plaintext of a tenant's API key, so that edge-api can be asked with it.
create function fuzz.api_key(number integer) returns text
language sql immutable as $$
  select 'aias_' || lpad(to_hex(number), 8, '0') || '_' || rpad('fuzz', 43, 'z')
$$;

create function fuzz.make_person(number integer, i integer, label text) returns uuid
language plpgsql as $$
declare
  person uuid := fuzz.id(number, '0001', i);
begin
  insert into auth.users (
    id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data,
    confirmation_token, recovery_token, email_change, email_change_token_new, created_at, updated_at)
  select person, 'authenticated', 'authenticated', format('%s@tenant%s.fuzz.test', label, number),
         -- The password of the seeded people, so that what was found can be asked again by hand.
         (select u.encrypted_password from auth.users u where u.email = 'owner@alpha.test'), '2025-01-01',
         '{"provider": "email", "providers": ["email"]}', jsonb_build_object('name', format('%s of %s', label, number)),
         '', '', '', '', '2025-01-01', '2025-01-01';
  if to_regclass('auth.identities') is not null then
    insert into auth.identities (id, provider, provider_id, user_id, identity_data, created_at, updated_at)
    select gen_random_uuid(), 'email', person::text, person, jsonb_build_object('sub', person, 'email', u.email, 'email_verified', true),
           '2025-01-01', '2025-01-01'
      from auth.users u where u.id = person;
  end if;
  insert into fuzz.people values (person, fuzz.id(number, '0000', 0));
  return person;
end
$$;

create function fuzz.make_tenant(number integer, is_foreign boolean, tenant_status text, second_factor boolean) returns void
language plpgsql as $$
declare
  tenant uuid := fuzz.id(number, '0000', 0);
  author uuid := fuzz.id(number, '0001', 1);
  day constant timestamptz := '2025-01-01';
begin
  insert into fuzz.tenants values (tenant, number, is_foreign);
  perform fuzz.add('public.tenants', tenant, to_jsonb(r)) from (
    select format('Tenant %s', number) as name, format('tenant%s', number) as subdomain, p.id as plan_id, day as created_at,
           -- Ours ask as often as they like. A foreign one has one request, and it would show for a minute that somebody has spent it.
           jsonb_build_object('requests_per_minute', case when is_foreign then 1 end) as limit_overrides
      from public.subscription_plans p where p.key = 'enterprise') r;

  perform fuzz.add('public.roles', tenant, to_jsonb(r)) from (
    select b.key, b.name, b.permissions, true as built_in from private.built_in_roles b
    union all
    select own.* from (values
      ('auditor', 'Auditor', '{audit.read,executions.read,usage.read}'::text[], false),
      -- Writes everything and reads nothing.
      ('blind', 'Blind', '{agents.write,executions.cancel,keys.manage,members.manage,roles.manage,tenant.manage,workflows.execute,workflows.write}', false),
      (format('role%s', number), 'Nobody''s role', '{agents.read}', false)) own
    ) r;
  perform fuzz.add('public.memberships', tenant, jsonb_build_object('user_id', fuzz.make_person(number, m.i::integer, m.role), 'role', m.role))
     from unnest(array['owner', 'admin', 'editor', 'viewer', 'billing', 'auditor', 'blind']) with ordinality m (role, i);
  perform fuzz.make_person(number, 8, 'stranger');

  perform fuzz.add('public.ai_agents', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0002', i) as id, format('Agent %s of %s', i, number) as name, format('agent%s-of%s', i, number) as slug,
           'helps' as description, 'openai/gpt-4o-mini' as model, '{"temperature": 0.5, "system_prompt": "You help."}'::jsonb as config,
           author as created_by, day + i * interval '1 hour' as created_at
      from generate_series(1, 3) i) r;
  perform fuzz.add('public.captured_calls', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0010', i) as id, author as user_id, fuzz.id(number, '0002', i) as agent_id, 'openai/gpt-4o-mini' as model,
           jsonb_build_object('system', format('What tenant %s asked %s.', number, i)) as asked,
           jsonb_build_object('text', format('What tenant %s was told of %s.', number, i)) as answered,
           true as is_whole, day as created_at, '2100-01-01'::timestamptz as expires_at
      from generate_series(1, 2) i) r;
  perform fuzz.add('private.cached_answers', tenant, to_jsonb(r)) from (
    select sha256(format('asked %s', i)::bytea) as hash, fuzz.id(number, '0002', i) as agent_id,
           jsonb_build_object('text', format('What tenant %s was answered to %s.', number, i)) as answer, day as kept_at, '2100-01-01'::timestamptz as expires_at
      from generate_series(1, 2) i) r;
  perform fuzz.add('public.agent_documents', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '000e', i) as id, fuzz.id(number, '0002', i) as agent_id, format('Document %s of %s', i, number) as title,
           format('What tenant %s knows of %s.', number, i) as content, author as created_by, day as created_at
      from generate_series(1, 2) i) r;
  perform fuzz.add('private.document_vectors', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '000e', i) as document_id, sha256(format('What tenant %s knows of %s.', number, i)::bytea) as digest,
           fuzz.id(number, '0002', i) as agent_id, 'openai/text-embedding-3-small' as model, format('Not for tenant %s', number) as refusal
      from generate_series(1, 2) i) r;
  perform fuzz.add('queue.embedding_jobs', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0002', i) as agent_id, '2100-01-01'::timestamptz as run_at, i as fencing_token, i as attempts, 64 as batch
      from generate_series(1, 2) i) r;

  perform fuzz.add('public.workflows', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0003', i) as id, format('Workflow %s of %s', i, number) as name, 'does things' as description,
           (array['active', 'active', 'draft', 'archived'])[i] as status,
           jsonb_build_array(
             '{"id": "start", "type": "trigger", "position": {"x": 0, "y": 0}, "config": {"kind": "manual"}}'::jsonb,
             jsonb_build_object('id', 'ask', 'type', 'ai_processing', 'position', '{"x": 240, "y": 0}'::jsonb,
               'config', jsonb_build_object('agent_id', fuzz.id(number, '0002', 1), 'prompt', format('Hello from %s', number)))) as nodes,
           '[{"id": "e1", "source": "start", "target": "ask"}]'::jsonb as connections, author as created_by, day + i * interval '1 hour' as created_at
      from generate_series(1, 4) i) r;

  -- As if the first began with a webhook, or with a schedule, or when a row changes; of no table that anybody changes.
  perform fuzz.add('private.webhooks', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0003', 1) as workflow_id, format('token of %s', number) as token, sha256(format('token of %s', number)::bytea) as token_hash,
           format('secret of %s', number) as signing_secret, day as created_at) r;
  perform fuzz.add('queue.schedules', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0003', 1) as workflow_id, 1 as version, '0 12 1 1 *' as cron, 'UTC' as timezone, 'skip' as missed,
           day as handled_until, 'infinity'::timestamptz as run_at, day as next_run_at, day as last_run_at,
           format('Schedule of %s', number) as last_error, day as last_error_at) r;
  perform fuzz.add('private.event_subscriptions', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0003', 1) as workflow_id, 1 as version, 'public.nothing' as source, 'insert' as operation) r;

  perform fuzz.add('public.executions', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0004', i::integer) as id, fuzz.id(number, '0003', 1) as workflow_id, 1 as workflow_version, s.status,
           '{"a": 1}'::jsonb as input, case s.status when 'succeeded' then '{"ask": {"text": "hello"}}'::jsonb end as output,
           case s.status when 'failed' then '{"code": "boom", "message": "it failed"}'::jsonb end as error,
           format('key %s of %s', i, number) as idempotency_key, author as started_by, 3 as revision,
           day + i * interval '1 hour' as created_at, day as started_at, case when s.status in ('succeeded', 'failed') then day end as finished_at
      from unnest(array['succeeded', 'failed', 'queued', 'running']) with ordinality s (status, i)) r;
  perform fuzz.add('public.execution_steps', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0004', i) as execution_id, 'ask' as node_id, 'Ask' as name, 'ai' as kind,
           case i when 1 then 'succeeded' when 2 then 'failed' else 'running' end as status, '{"prompt": "x"}'::jsonb as input,
           case i when 1 then '{"text": "hello"}'::jsonb end as output,
           case i when 2 then '{"code": "boom", "message": "it failed"}'::jsonb end as error, day as started_at,
           case when i < 3 then day end as finished_at, 'openai/gpt-4o-mini' as model, 1000 * number + i as input_tokens, 7 as output_tokens,
           0.001 * number as cost_usd, i as revision
      from generate_series(1, 4) i) r;
  perform fuzz.add('public.usage', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0005', i) as id, format('usage %s', i) as idempotency_key, fuzz.id(number, '0004', i) as execution_id, 'ask' as node_id,
           fuzz.id(number, '0002', 1) as agent_id, 'openai' as provider, 'gpt-4o-mini' as model, 1000 * number + i as input_tokens,
           7 as output_tokens, 0.001 * number as cost_usd, day as created_at
      from generate_series(1, 3) i) r;
  -- Nobody comes for it before the year 2100, so nothing of a tenant moves by itself.
  perform fuzz.add('queue.jobs', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0004', i) as execution_id, fuzz.id(number, '0003', 1) as workflow_id, '2100-01-01'::timestamptz as run_at,
           i - 3 as fencing_token, (array['waiting', 'claimed'])[i - 2] as state, null::xid8 as ready_in, case i when 4 then 'nobody' end as claimed_by
      from generate_series(3, 4) i) r;

  perform fuzz.add('queue.capped_calls', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0004', 4) as reservation, jsonb_build_array(jsonb_build_object('meter', 'llm_micro_usd', 'id', fuzz.id(number, '0004', 4))) as caps,
           '2100-01-01'::timestamptz as created_at) r;

  perform fuzz.add('public.invitations', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0006', i) as id, format('guest%s@tenant%s.fuzz.test', i, number) as email, 'viewer' as role, author as invited_by,
           author as granted_by, day as created_at, '2100-01-01'::timestamptz as expires_at, case i when 3 then day end as accepted_at,
           case i when 3 then fuzz.id(number, '0001', 4) end as accepted_by, case i when 4 then day end as revoked_at
      from generate_series(1, 4) i) r;
  perform fuzz.add('private.invitation_tokens', tenant, to_jsonb(r)) from (
    select sha256(format('token %s of %s', i, number)::bytea) as hash, fuzz.id(number, '0006', i) as invitation_id from generate_series(1, 2) i) r;
  perform fuzz.add('queue.mails', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0007', i) as id, format('mail %s', i) as idempotency_key, 'invitation' as template,
           format('guest%s@tenant%s.fuzz.test', i, number) as recipient, fuzz.id(number, '0006', i) as subject_id, '2100-01-01'::timestamptz as run_at
      from generate_series(1, 2) i) r;

  perform fuzz.add('public.api_keys', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0008', i) as id, format('Key %s of %s', i, number) as name, left(fuzz.api_key(number), 13) as prefix,
           '{agents.read,workflows.read,workflows.execute,executions.read,executions.cancel,tenant.export}'::text[] as scopes,
           -- So that no use of it is the first in a minute, which would be noted.
           author as created_by, day as created_at, 'infinity'::timestamptz as last_used_at
      from generate_series(1, 2) i) r;
  perform fuzz.add('private.api_key_hashes', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0008', i) as key_id, sha256((case i when 2 then 'another ' else '' end || fuzz.api_key(number))::bytea) as hash
      from generate_series(1, 2) i) r;

  perform fuzz.add('public.rate_limits', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '000f', i) as id, fuzz.id(number, '0008', i) as api_key_id, 'openai/gpt-4o-mini' as model,
           1000 * number as requests_per_minute, day as created_at
      from generate_series(1, 2) i) r;

  perform fuzz.add('public.tenant_secrets', tenant, to_jsonb(r)) from (
    select format('secret_%s_of_%s', i, number) as name, lpad(number::text, 4, 'x') as last_four, author as created_by, day as created_at,
           author as updated_by, day as updated_at
      from generate_series(1, 2) i) r;
  perform fuzz.add('private.tenant_keys', tenant, to_jsonb(r)) from (
    select 1 as generation, sha256(format('key %s', number)::bytea) as wrapped, format('mk_%s', number) as master_key_id, day as created_at) r;
  perform fuzz.add('private.secret_values', tenant, to_jsonb(r)) from (
    select format('secret_%s_of_%s', i, number) as name, 1 as key_generation, substring(sha256(format('nonce %s %s', i, number)::bytea) for 12) as nonce,
           sha256(format('sealed %s %s', i, number)::bytea) as ciphertext
      from generate_series(1, 2) i) r;
  perform fuzz.add('public.provider_keys', tenant, to_jsonb(r)) from (
    select provider, lpad(number::text, 4, 'x') as last_four, author as set_by, day as set_at from unnest(array['openai', 'gemini']) provider) r;
  perform fuzz.add('private.secret_values', tenant, to_jsonb(r)) from (
    select 'provider_key' as kind, provider as name, 1 as key_generation, substring(sha256(format('nonce %s %s', provider, number)::bytea) for 12) as nonce,
           sha256(format('sealed %s %s', provider, number)::bytea) as ciphertext
      from unnest(array['openai', 'gemini']) provider) r;

  perform fuzz.add('public.subscriptions', tenant, to_jsonb(r)) from (
    select format('sub_%s_of_%s', i, number) as id, format('cus_of_%s', number) as customer_id, (array['active', 'canceled'])[i] as status,
           i = 1 as decides, false as cancel_at_period_end, array[format('price_of_%s', number)] as price_ids, day as created_at
      from generate_series(1, 2) i) r;
  perform fuzz.add('public.invoices', tenant, to_jsonb(r)) from (
    select format('in_%s_of_%s', i, number) as id, format('cus_of_%s', number) as customer_id, (array['paid', 'open'])[i] as status, 'usd' as currency,
           number as subtotal, number as total, number as amount_due, 0 as amount_paid, number as amount_remaining, 0 as amount_refunded, day as created_at
      from generate_series(1, 2) i) r;
  perform fuzz.add('billing.customers', tenant, to_jsonb(r)) from (select format('cus_of_%s', number) as id, 'checkout' as known_by) r;
  perform fuzz.add('billing.accounts', tenant, to_jsonb(r)) from (select false as is_suspended) r;
  perform fuzz.add('billing.removed_executions', tenant, to_jsonb(r)) from (select day as used_at, number as amount) r;
  perform fuzz.add('billing.metered_tenants', tenant, to_jsonb(r)) from (
    select day as counted_through, '2100-01-01'::timestamptz as count_at, '2100-01-01'::timestamptz as recount_at) r;
  perform fuzz.add('billing.meter_events', tenant, to_jsonb(r)) from (
    select 'executions' as meter, billing.hour_of(day) as hour, 1 as seq, format('event of %s', number) as identifier, 'executions' as event_name,
           format('cus_of_%s', number) as customer, false as livemode, number as value, billing.hour_of(day) as happened_at, 'sent' as state,
           null::timestamptz as next_attempt_at, day as finished_at, day as created_at) r;
  perform fuzz.add('billing.meter_days', tenant, to_jsonb(r)) from (
    select 'executions' as meter, format('cus_of_%s', number) as customer, billing.day_of(day) as day, false as livemode, day as asked_at) r;
  perform fuzz.add('billing.meter_sums', tenant, to_jsonb(r)) from (
    select 'executions' as meter, format('cus_of_%s', number) as customer, billing.day_of(day) as day, billing.hour_of(day) as hour, number as value) r;
  perform fuzz.add('billing.limit_warnings', tenant, to_jsonb(r)) from (select 'executions' as meter, 80 as threshold, day as period_start, day as warned_at) r;
  perform fuzz.add('billing.checkouts', tenant, to_jsonb(r)) from (
    select 1 as generation, format('wanted by %s', number) as wanted, format('cs_of_%s', number) as session, '{}'::text[] as to_expire) r;

  perform fuzz.add('public.listings', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0011', i) as id, fuzz.id(number, '0002', i) as agent_id, 1 as agent_version, format('listing-%s-of-%s', i, number) as slug,
           format('Listing %s of %s', i, number) as title, '' as description, 'writing' as category, 'per_use' as price_kind, number as amount, 'usd' as currency,
           'draft' as state, author as created_by, day as created_at, day as updated_at
      from generate_series(1, 2) i) r;
  perform fuzz.add('public.purchases', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0012', i) as id, fuzz.id(0, '0011', i) as listing_id, format('bought-%s-by-%s', i, number) as slug, format('Bought %s by %s', i, number) as title,
           'per_use' as price_kind, number as amount, 'usd' as currency, (array['active', 'ended'])[i] as state, author as created_by, day as created_at, day as updated_at
      from generate_series(1, 2) i) r;
  perform fuzz.add('public.listing_ratings', tenant, to_jsonb(r)) from (
    select fuzz.id(0, '0011', i) as listing_id, 1 + number % 5 as stars, author as rated_by, day as created_at, day as updated_at from generate_series(1, 2) i) r;
  perform fuzz.add('billing.parties', tenant, to_jsonb(r)) from (select fuzz.id(number, '0014', 1) as id) r;
  perform fuzz.add('billing.sales', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0012', i) as purchase_id, fuzz.id(0, '0000', i) as seller_id, 1500 as fee_basis_points from generate_series(1, 2) i) r;
  perform fuzz.add('public.marketplace_charges', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0013', i) as id, fuzz.id(0, '0011', i) as listing_id, fuzz.id(number, '0012', i) as purchase_id, number as amount, 'usd' as currency,
           format('use %s of %s', i, number) as usage_key, day as created_at
      from generate_series(1, 2) i) r;

  perform fuzz.add('public.tenant_domains', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0009', i) as id, format('app%s.tenant%s.test', i, number) as domain, md5(format('%s %s', i, number)) as verification_token,
           case i when 1 then day end as verified_at, author as created_by, day as created_at
      from generate_series(1, 2) i) r;
  perform fuzz.add('queue.domain_checks', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '0009', 2) as domain_id, '2100-01-01'::timestamptz as run_at, 30 as tries_left) r;

  perform fuzz.add('public.tenant_exports', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '000a', i) as id, (array['ready', 'failed'])[i] as status, case i when 1 then 1 end as lines, case i when 1 then 10 end as bytes,
           case i when 2 then 'it failed' end as error, author as requested_by, day as created_at, day as finished_at,
           case i when 1 then '2100-01-01'::timestamptz end as expires_at
      from generate_series(1, 2) i) r;
  perform fuzz.add('private.export_chunks', tenant, to_jsonb(r)) from (
    select fuzz.id(number, '000a', 1) as export_id, n as number, 'a line' as content from generate_series(1, 2) n) r;

  -- The log of all this, and one entry that is not chained yet.
  perform queue.chain_audit(100000);
  update public.ai_agents a set description = 'helps more' where a.tenant_id = tenant and a.id = fuzz.id(number, '0002', 3);

  update public.tenants t set status = tenant_status, requires_second_factor = second_factor where t.id = tenant;
end
$$;

-- Somebody in two tenants: members of the one see a person whose other membership is none of their business.
create function fuzz.make_guest(home integer, abroad integer) returns void
language plpgsql as $$
declare
  guest uuid := fuzz.make_person(home, 9, 'guest');
begin
  insert into public.memberships (tenant_id, user_id, role) values
    (fuzz.id(home, '0000', 0), guest, 'editor'),
    (fuzz.id(abroad, '0000', 0), guest, 'viewer');
end
$$;
