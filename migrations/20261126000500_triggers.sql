-- How executions begin by themselves: webhooks, schedules, changed rows. And the mails that steps send.
--
--   publishing a workflow ──► private.webhooks            ──► edge.call_webhook, for edge-api
--   (one transaction)         queue.schedules             ──► queue.run_schedule, for workers
--                             private.event_subscriptions ──► private.start_by_event, in the transaction that changes the row
--
-- What starts a workflow is derived from the trigger of its published plan, whenever a version is published or the workflow leaves
-- `active`. All three roads end in private.enqueue_execution, which charges the plan.

-- Webhooks -----------------------------------------------------------------------------------------------------------------------

create table private.webhooks (
  tenant_id uuid not null,
  workflow_id uuid not null,
  token text not null,
  token_hash bytea not null,
  is_published boolean not null default false,
  signed_by_drawing boolean not null default false,
  signing_secret text,
  created_at timestamptz not null default now(),
  rotated_at timestamptz,
  primary key (tenant_id, workflow_id),
  constraint webhook_belongs_to_a_workflow foreign key (tenant_id, workflow_id)
    references public.workflows (tenant_id, id) on delete cascade,
  constraint webhook_token_is_unique unique (token_hash)
);
alter table private.webhooks enable row level security;

comment on table private.webhooks is
  'The address of a workflow, kept while the workflow is there: pausing it must not change what was told to other systems.';
comment on column private.webhooks.token is
  'As it stands in the address. Not only its hash: people copy the address from an editor long after it was made, and whoever can read this table '
  'can start the workflow anyway. API roles cannot; members with workflows.write are told it by rpc webhook_url.';
comment on column private.webhooks.token_hash is
  'SHA-256 of the token, by which it is looked up: how long the search of an index takes tells about the hash of what was sent, and nothing about a token.';
comment on column private.webhooks.is_published is 'Whether the version that was last published begins with a webhook.';
comment on column private.webhooks.signed_by_drawing is 'What the published trigger says. Then no unsigned request is accepted, and before there is a secret, none at all.';
comment on column private.webhooks.signing_secret is
  'The key of the HMAC, so it cannot be a hash. Shown once, by rpc enable_hook_signing; signatures are checked in here, so it never leaves the database again.';

create function private.random_token() returns text
language sql
volatile
set search_path = ''
as $$
  -- 32 bytes, url-safe. gen_random_uuid() is made of the system's random bytes, 122 bits each.
  select rtrim(translate(encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64'), '+/', '-_'), '=')
$$;

comment on function private.random_token is '43 characters of base64url that nobody guesses.';

create function private.hmac_sha256(key bytea, message bytea) returns bytea
language plpgsql
immutable
strict
set search_path = ''
as $$
declare
  -- RFC 2104, with the hash that Postgres has built in; pgcrypto is not everywhere.
  block bytea := case when octet_length(key) > 64 then sha256(key) else key end;
  inner_pad bytea;
  outer_pad bytea;
begin
  block := block || decode(repeat('00', 64 - octet_length(block)), 'hex');
  inner_pad := block;
  outer_pad := block;
  for i in 0 .. 63 loop
    inner_pad := set_byte(inner_pad, i, get_byte(block, i) # 54);
    outer_pad := set_byte(outer_pad, i, get_byte(block, i) # 92);
  end loop;
  return sha256(outer_pad || sha256(inner_pad || message));
end
$$;

comment on function private.hmac_sha256 is 'HMAC-SHA256 (RFC 2104).';

create function private.workflow_to_write(wanted_workflow uuid) returns public.workflows
language plpgsql
stable
-- Definer: to say why not, it looks where the caller may not.
security definer
set search_path = ''
as $$
declare
  workflow public.workflows;
  readable_in uuid;
begin
  select w.* into strict workflow
    from public.workflows w
   where w.id = wanted_workflow and w.tenant_id = any (array(select private.tenants_with('workflows.write')));
  return workflow;
exception
  when no_data_found then
    select w.tenant_id into readable_in from public.workflows w
     where w.id = wanted_workflow and w.tenant_id = any (array(select private.tenants_with('workflows.read')));
    if found then
      perform private.demand(readable_in, 'workflows.write');
    end if;
    perform private.refuse(404, 'not_found', 'there is no such workflow');
  when too_many_rows then
    perform private.refuse(409, 'ambiguous_id', 'two of your tenants have a workflow with this id', null, 'give one of them a new id');
end
$$;

comment on function private.workflow_to_write is 'The workflow, when the caller holds workflows.write where it is; refuses otherwise.';

create function private.webhook_of(workflow public.workflows) returns private.webhooks
language plpgsql
set search_path = ''
as $$
declare
  hook private.webhooks;
  new_token text := private.random_token();
begin
  insert into private.webhooks (tenant_id, workflow_id, token, token_hash)
  values (workflow.tenant_id, workflow.id, new_token, sha256(convert_to(new_token, 'UTF8')))
  on conflict (tenant_id, workflow_id) do nothing;
  select h.* into hook from private.webhooks h where h.tenant_id = workflow.tenant_id and h.workflow_id = workflow.id;
  return hook;
end
$$;

comment on function private.webhook_of is 'The webhook of a workflow; makes it when there is none.';

create function private.webhook_address(token text) returns text
language sql
stable
set search_path = ''
as $$
  select coalesce(rtrim(nullif(current_setting('aias.edge_url', true), ''), '/'), '') || '/hooks/' || token
$$;

comment on function private.webhook_address is
  'The address as other systems are told it. The database does not know where edge-api is, unless the operator says so: '
  'alter database ... set aias.edge_url = ''https://api.example.com''. Otherwise it is the path alone.';

create function private.webhook_url(wanted_workflow uuid) returns text
language plpgsql
-- Definer: reads and makes webhooks, for those who hold workflows.write.
security definer
set search_path = ''
as $$
declare
  workflow public.workflows := private.workflow_to_write(wanted_workflow);
  hook private.webhooks := private.webhook_of(workflow);
begin
  return private.webhook_address(hook.token);
end
$$;

create function public.webhook_url(workflow_id uuid) returns text
language sql set search_path = '' as $$ select private.webhook_url(workflow_id) $$;

comment on function public.webhook_url is
  'Where other systems post to, to start this workflow; also before it is published, so that it can be told to them. Whoever has it can start the workflow: it is a secret. '
  'A path when the operator has not told the database the address of edge-api.';

create function private.rotate_webhook(wanted_workflow uuid) returns text
language plpgsql
-- Definer: see private.webhook_url.
security definer
set search_path = ''
as $$
declare
  workflow public.workflows := private.workflow_to_write(wanted_workflow);
  hook private.webhooks := private.webhook_of(workflow);
  new_token text := private.random_token();
begin
  update private.webhooks h set token = new_token, token_hash = sha256(convert_to(new_token, 'UTF8')), rotated_at = now()
   where h.tenant_id = workflow.tenant_id and h.workflow_id = workflow.id;
  perform audit.record_event(workflow.tenant_id, 'security.webhook_rotated', 'workflows', workflow.id::text);
  return private.webhook_address(new_token);
end
$$;

create function public.rotate_webhook(workflow_id uuid) returns text
language sql set search_path = '' as $$ select private.rotate_webhook(workflow_id) $$;

comment on function public.rotate_webhook is 'Gives a workflow a new address. The old one is nobody''s from this moment on.';

create function private.enable_hook_signing(wanted_workflow uuid) returns text
language plpgsql
-- Definer: see private.webhook_url.
security definer
set search_path = ''
as $$
declare
  workflow public.workflows := private.workflow_to_write(wanted_workflow);
  hook private.webhooks := private.webhook_of(workflow);
  secret text := 'aias_hook_' || private.random_token();
begin
  update private.webhooks h set signing_secret = secret where h.tenant_id = workflow.tenant_id and h.workflow_id = workflow.id;
  perform audit.record_event(workflow.tenant_id, 'security.hook_signing_enabled', 'workflows', workflow.id::text,
    jsonb_build_object('replaced', hook.signing_secret is not null));
  return secret;
end
$$;

create function public.enable_hook_signing(workflow_id uuid) returns text
language sql set search_path = '' as $$ select private.enable_hook_signing(workflow_id) $$;

comment on function public.enable_hook_signing is
  'From now on only signed requests start this workflow by its address. Answers the secret that they are signed with, this once. Called again, it makes a new secret.';

create function private.disable_hook_signing(wanted_workflow uuid) returns void
language plpgsql
-- Definer: see private.webhook_url.
security definer
set search_path = ''
as $$
declare
  workflow public.workflows := private.workflow_to_write(wanted_workflow);
  hook private.webhooks := private.webhook_of(workflow);
begin
  if hook.signed_by_drawing then
    perform private.refuse(409, 'signing_is_drawn', 'the published trigger of this workflow says that requests are signed',
      null, 'take "signed" out of the trigger and publish it first');
  end if;
  update private.webhooks h set signing_secret = null where h.tenant_id = workflow.tenant_id and h.workflow_id = workflow.id;
  perform audit.record_event(workflow.tenant_id, 'security.hook_signing_disabled', 'workflows', workflow.id::text);
end
$$;

create function public.disable_hook_signing(workflow_id uuid) returns void
language sql set search_path = '' as $$ select private.disable_hook_signing(workflow_id) $$;

comment on function public.disable_hook_signing is 'From now on the address alone is enough to start this workflow.';

create function private.check_hook_signature(hook private.webhooks, body bytea, signature text, signed_at text, github_signature text) returns void
language plpgsql
set search_path = ''
as $$
declare
  given text := coalesce(signature, github_signature);
  signed bytea := body;
begin
  if given is null then
    perform private.refuse(401, 'signature_missing', 'this webhook takes signed requests only', null,
      'send X-Aias-Timestamp, and X-Aias-Signature: sha256=<HMAC-SHA256 of "<timestamp>.<body>" in hex>', '{"WWW-Authenticate": "HMAC-SHA256"}');
  end if;
  if signature is not null then
    -- As Stripe does it (https://docs.stripe.com/webhooks#verify-manually): the time is signed too, so what somebody has recorded is soon worth nothing.
    if coalesce(signed_at, '') !~ '^[0-9]{1,11}$'
       or abs(extract(epoch from clock_timestamp()) - signed_at::numeric) > 300 then
      perform private.refuse(401, 'signature_expired', 'X-Aias-Timestamp must be the time of signing in seconds since 1970, at most five minutes from now',
        null, 'sign each request anew, by a clock that is right', '{"WWW-Authenticate": "HMAC-SHA256"}');
    end if;
    signed := convert_to(signed_at || '.', 'UTF8') || body;
  end if;
  -- The digests are compared, of which nobody can choose a byte: how long that takes tells nothing.
  -- Without a secret there is nothing that would be right.
  if (sha256(convert_to('sha256=' || encode(private.hmac_sha256(convert_to(hook.signing_secret, 'UTF8'), signed), 'hex'), 'UTF8'))
      = sha256(convert_to(lower(given), 'UTF8'))) is not true then
    perform private.refuse(401, 'signature_invalid', 'the signature is not that of this body', null,
      'sign the bytes that are sent, with the secret that rpc enable_hook_signing has shown', '{"WWW-Authenticate": "HMAC-SHA256"}');
  end if;
end
$$;

comment on function private.check_hook_signature is
  'Refuses what is not signed with the webhook''s secret: X-Aias-Signature over time and body, or X-Hub-Signature-256 over the body, for senders that can do that only.';

create function edge.call_webhook(
  hook_token text, input jsonb, body bytea, idempotency_key text default null,
  signature text default null, signed_at text default null, github_signature text default null
) returns uuid
language plpgsql
-- Definer: edge-api has no rights on tables, and the sender is nobody that the database knows.
security definer
set search_path = ''
as $$
declare
  hook private.webhooks;
  workflow public.workflows;
  tenant_status text;
  execution public.executions;
  delivery text;
  started uuid;
begin
  select h.* into hook from private.webhooks h where h.token_hash = sha256(convert_to(hook_token, 'UTF8'));
  select w.* into workflow from public.workflows w where w.tenant_id = hook.tenant_id and w.id = hook.workflow_id;
  if workflow.id is null or workflow.status = 'active' and not hook.is_published then
    perform private.refuse(404, 'no_such_hook', 'there is no webhook at this address');
  end if;
  -- Before anything else is told, and before it is counted: whoever has only the address cannot use up the tenant's requests.
  if hook.signed_by_drawing or hook.signing_secret is not null then
    perform private.check_hook_signature(hook, body, signature, signed_at, github_signature);
  end if;
  select t.status into tenant_status from public.tenants t where t.id = workflow.tenant_id;
  if tenant_status <> 'active' then
    perform private.refuse(403, 'tenant_' || tenant_status, format('this tenant is %s and starts no executions', tenant_status));
  end if;
  -- Not 404: a sender that has the address knows of it, and many systems take 404 as a reason never to come back.
  if workflow.status <> 'active' then
    perform private.refuse(409, 'workflow_not_active', 'the workflow behind this webhook is not active', null, 'activate it, and send the request again');
  end if;

  -- Senders choose their keys, so they have a space of their own. A signature that was sent twice was recorded by somebody, or repeated.
  delivery := 'webhook:' || case when length(idempotency_key) > 200 then encode(sha256(convert_to(idempotency_key, 'UTF8')), 'hex')
                            else coalesce(idempotency_key, 'signature:' || lower(signature)) end;
  -- A delivery that is repeated is not counted and starts nothing. Its headers may differ, so its input is not compared.
  select k.execution_id into started from private.execution_keys k
   where k.tenant_id = workflow.tenant_id and k.workflow_id = workflow.id and k.key = delivery;
  if started is null then
    perform private.count_request(workflow.tenant_id);
    execution := private.enqueue_execution(workflow, input, delivery, null, 'webhook');
    started := execution.id;
  end if;
  return started;
end
$$;

comment on function edge.call_webhook is
  'Starts the workflow at this address and answers the execution. The same idempotency key, or the same signature, starts one.';

-- Schedules ----------------------------------------------------------------------------------------------------------------------
--
-- A worker computes times, because it has the calendar; the database decides who does it and that each time counts once. As with jobs one column
-- carries all waiting: run_at is the next time, or, while a worker has it, the end of the lease.

create table queue.schedules (
  tenant_id uuid not null,
  workflow_id uuid not null,
  version integer not null,
  cron text not null,
  timezone text not null,
  missed text not null,
  handled_until timestamptz not null default now(),
  next_run_at timestamptz,
  run_at timestamptz not null default now(),
  fencing_token bigint not null default 0,
  claimed_by text,
  last_run_at timestamptz,
  last_error text,
  last_error_at timestamptz,
  primary key (tenant_id, workflow_id),
  constraint schedule_belongs_to_a_version foreign key (tenant_id, workflow_id, version)
    references public.workflow_versions (tenant_id, workflow_id, version) on delete cascade,
  constraint schedule_missed_is_known check (missed in ('skip', 'once', 'all'))
);
create index schedules_run_at on queue.schedules (run_at);
create index schedules_version on queue.schedules (tenant_id, workflow_id, version);
alter table queue.schedules enable row level security;

comment on table queue.schedules is 'Active workflows that begin with a schedule. Rows leave when the workflow is not active any more, and what was to come while it is paused is not missed.';
comment on column queue.schedules.handled_until is 'Times up to here have been dealt with: started, or left out.';
comment on column queue.schedules.next_run_at is 'The next time; null until a worker has computed it, a moment after publishing.';
comment on column queue.schedules.last_error is 'Why the last run was not started, or that some were left out; null when it was started.';

create view public.workflow_schedules with (security_invoker = true) as
  select s.tenant_id, s.workflow_id, s.version, s.cron, s.timezone, s.missed, s.next_run_at, s.last_run_at, s.last_error, s.last_error_at
    from queue.schedules s;

comment on view public.workflow_schedules is 'When active workflows run next by their schedules, when they last did, and why they did not.';

create function queue.claim_schedules(worker text, max_schedules integer, lease interval)
returns table (tenant_id uuid, workflow_id uuid, fencing_token bigint, cron text, timezone text, missed text, handled_until timestamptz)
language sql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  with due as (
    select s.tenant_id, s.workflow_id from queue.schedules s
     where s.run_at <= now()
     order by s.run_at
     limit max_schedules
       for update skip locked
  )
  update queue.schedules s
     set run_at = now() + lease, fencing_token = s.fencing_token + 1, claimed_by = worker
    from due
   where s.tenant_id = due.tenant_id and s.workflow_id = due.workflow_id
  returning s.tenant_id, s.workflow_id, s.fencing_token, s.cron, s.timezone, s.missed, s.handled_until
$$;

comment on function queue.claim_schedules is 'Takes up to max_schedules due schedules for a lease. What is not recorded by its end is claimed again.';

create function queue.run_schedule(
  worker text, tenant uuid, workflow uuid, token bigint, instants timestamptz[], handled_until timestamptz, next_run_at timestamptz, note text default null,
  out accepted boolean, out started integer, out refused text
)
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  scheduled public.workflows;
  schedule queue.schedules;
  tenant_status text;
  instant timestamptz;
  last_started timestamptz;
begin
  accepted := false;
  started := 0;
  -- The workflow before its schedule: the order in which both go when the workflow is deleted.
  select w.* into scheduled from public.workflows w where w.tenant_id = run_schedule.tenant and w.id = run_schedule.workflow for key share;
  select s.* into schedule from queue.schedules s
   where s.tenant_id = run_schedule.tenant and s.workflow_id = run_schedule.workflow
     and s.fencing_token = run_schedule.token and s.claimed_by = run_schedule.worker
     for update;
  if schedule.workflow_id is null then
    return;
  end if;
  accepted := true;

  select t.status into tenant_status from public.tenants t where t.id = run_schedule.tenant;
  if tenant_status <> 'active' and cardinality(instants) > 0 then
    refused := format('this tenant is %s and starts no executions', tenant_status);
  elsif scheduled.status = 'active' then
    foreach instant in array instants loop
      continue when instant <= schedule.handled_until;
      begin
        perform private.enqueue_execution(scheduled,
          jsonb_build_object('scheduled_at', to_char(instant at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'timezone', schedule.timezone),
          'schedule:' || to_char(instant at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), null, 'schedule');
        started := started + 1;
        last_started := instant;
      exception when sqlstate 'PGRST' then
        -- The plan says no. It is told where people look, and the schedule goes on with its next time.
        refused := sqlerrm::jsonb ->> 'message';
        exit;
      end;
    end loop;
  end if;

  update queue.schedules s
     set handled_until = greatest(s.handled_until, run_schedule.handled_until),
         next_run_at = run_schedule.next_run_at,
         run_at = coalesce(run_schedule.next_run_at, 'infinity'),
         claimed_by = null,
         last_run_at = coalesce(last_started, s.last_run_at),
         last_error = case when coalesce(refused, note) is not null then coalesce(refused, note) when started > 0 then null else s.last_error end,
         last_error_at = case when coalesce(refused, note) is not null then now() when started > 0 then null else s.last_error_at end
   where s.tenant_id = run_schedule.tenant and s.workflow_id = run_schedule.workflow;
end
$$;

comment on function queue.run_schedule is
  'Starts one execution for each of the instants and moves the schedule on, in one transaction: each instant starts one execution, whoever comes how often. '
  'accepted is false when the lease was lost; refused says why not all were started.';

create function queue.next_schedule_due() returns timestamptz
language sql
stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  select nullif(min(s.run_at), 'infinity') from queue.schedules s
$$;

comment on function queue.next_schedule_due is 'When the next schedule may be claimed.';

-- Changed rows -------------------------------------------------------------------------------------------------------------------

create table private.event_sources (
  source text primary key,
  hidden_columns text[] not null default '{}',
  permission text references public.permissions (key)
);
create index event_sources_permission on private.event_sources (permission);
alter table private.event_sources enable row level security;

comment on table private.event_sources is 'Tables whose changes may start workflows, as schema.table. Written by private.enable_event_trigger.';
comment on column private.event_sources.permission is 'What a member must hold to publish a workflow that is told of this table''s rows.';

create table private.event_subscriptions (
  tenant_id uuid not null,
  workflow_id uuid not null,
  version integer not null,
  source text not null,
  operation text not null,
  primary key (tenant_id, workflow_id, operation),
  constraint subscription_belongs_to_a_version foreign key (tenant_id, workflow_id, version)
    references public.workflow_versions (tenant_id, workflow_id, version) on delete cascade,
  constraint subscription_operation_is_known check (operation in ('insert', 'update', 'delete'))
);
-- What every statement on such a table asks, once.
create index event_subscriptions_source on private.event_subscriptions (source, operation, tenant_id);
create index event_subscriptions_version on private.event_subscriptions (tenant_id, workflow_id, version);
alter table private.event_subscriptions enable row level security;

comment on table private.event_subscriptions is 'Active workflows that begin with the change of a row.';

create function private.event_source(written text) returns text
language sql
immutable
set search_path = ''
as $$
  select case when position('.' in written) > 0 then written else 'public.' || written end
$$;

comment on function private.event_source is 'The table that a trigger''s config means, as schema.table.';

create function private.key_of(changed jsonb, key_columns text[]) returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_agg(changed -> k.name order by k.position) from unnest(key_columns) with ordinality as k (name, position)
$$;

comment on function private.key_of is 'The key of a row, by which what it was finds what it is.';

create function private.start_by_event() returns trigger
language plpgsql
-- Definer: whoever changes a row need not be able to start anything, nor to see who is told.
security definer
set search_path = ''
as $$
declare
  changed_source constant text := tg_table_schema || '.' || tg_table_name;
  changed_operation constant text := lower(tg_op);
  key_columns constant text[] := tg_argv;
  -- Of one statement, and in a minute: what a loop through the outside world can start is bounded.
  most constant integer := 1000;
  hidden text[];
  changes refcursor;
  change record;
  told public.workflows;
  input jsonb;
  reason text;
  started integer := 0;
  skipped integer := 0;
begin
  -- Nothing subscribed, which is nearly always, costs this one look into an index.
  if not exists (select from private.event_subscriptions s where s.source = changed_source and s.operation = changed_operation) then
    return null;
  end if;
  select e.hidden_columns into hidden from private.event_sources e where e.source = changed_source;

  -- A transition table is there for its own operation only. A tenant that is gone already, with its rows going after it, or that is not active, starts nothing.
  if tg_op = 'INSERT' then
    open changes for
      select x.tenant_id, x.workflow_id, x.position, case when x.position <= most then to_jsonb(x.n) end as row_now, null::jsonb as row_before
        from (
          select s.tenant_id, s.workflow_id, n, row_number() over (partition by s.tenant_id, s.workflow_id) as position
            from new_rows n
            join private.event_subscriptions s on s.source = changed_source and s.operation = changed_operation and s.tenant_id = n.tenant_id
            join public.tenants t on t.id = s.tenant_id and t.status = 'active'
        ) x
       order by x.tenant_id, x.workflow_id, x.position;
  elsif tg_op = 'UPDATE' then
    open changes for
      select x.tenant_id, x.workflow_id, x.position, case when x.position <= most then to_jsonb(x.n) end as row_now,
             case when x.position <= most then to_jsonb(x.o) end as row_before
        from (
          select s.tenant_id, s.workflow_id, n, o, row_number() over (partition by s.tenant_id, s.workflow_id) as position
            from new_rows n
            join private.event_subscriptions s on s.source = changed_source and s.operation = changed_operation and s.tenant_id = n.tenant_id
            join public.tenants t on t.id = s.tenant_id and t.status = 'active'
            -- What a row of another tenant was is not told, whatever the table's key is.
            left join old_rows o on o.tenant_id = n.tenant_id
              and private.key_of(to_jsonb(o), key_columns) = private.key_of(to_jsonb(n), key_columns)
           -- An update that changes nothing is no event.
           where to_jsonb(n) - 'updated_at' is distinct from to_jsonb(o) - 'updated_at'
        ) x
       order by x.tenant_id, x.workflow_id, x.position;
  else
    open changes for
      select x.tenant_id, x.workflow_id, x.position, null::jsonb as row_now, case when x.position <= most then to_jsonb(x.o) end as row_before
        from (
          select s.tenant_id, s.workflow_id, o, row_number() over (partition by s.tenant_id, s.workflow_id) as position
            from old_rows o
            join private.event_subscriptions s on s.source = changed_source and s.operation = changed_operation and s.tenant_id = o.tenant_id
            join public.tenants t on t.id = s.tenant_id and t.status = 'active'
        ) x
       order by x.tenant_id, x.workflow_id, x.position;
  end if;

  loop
    fetch changes into change;
    if change.workflow_id is null or (change.tenant_id, change.workflow_id) is distinct from (told.tenant_id, told.id) then
      if skipped > 0 then
        perform audit.record_event(told.tenant_id, 'workflows.events_skipped', 'workflows', told.id::text, jsonb_build_object(
          'table', changed_source, 'operation', changed_operation, 'reason', reason, 'started', started, 'skipped', skipped));
      end if;
      exit when change.workflow_id is null;
      select w.* into told from public.workflows w where w.tenant_id = change.tenant_id and w.id = change.workflow_id;
      reason := null;
      started := 0;
      skipped := 0;
    end if;
    if told.status <> 'active' then
      continue;
    end if;
    if reason in ('quota_exceeded', 'too_many_rows', 'too_many_events') then
      skipped := skipped + 1;
      continue;
    end if;
    if change.position > most then
      reason := 'too_many_rows';
    elsif not aias.rate_limit('events:' || told.tenant_id || ':' || told.id, most, interval '1 minute') then
      reason := 'too_many_events';
    else
      input := jsonb_build_object(
        'table', case tg_table_schema when 'public' then tg_table_name::text else changed_source end,
        'operation', changed_operation,
        -- What sounds like a secret is masked, as in the audit log.
        'row', audit.masked(change.row_now - hidden), 'old', audit.masked(change.row_before - hidden));
      if pg_column_size(input) > 1048576 then
        reason := 'input_too_large';
      else
        begin
          perform private.enqueue_execution(told, input, null, null, 'event');
          started := started + 1;
          continue;
        exception when sqlstate 'PGRST' then
          -- The plan is used up: that is between the tenant and its plan, and no reason to undo what somebody has written.
          reason := sqlerrm::jsonb ->> 'code';
        end;
      end if;
    end if;
    skipped := skipped + 1;
  end loop;
  close changes;
  return null;
end
$$;

comment on function private.start_by_event is
  'Starts the workflows that are told of a changed row, in the transaction that changes it. The trigger''s arguments name the columns of the row''s key. '
  'What the plan or a bound does not let start is left out and told to the audit log; it never undoes the change.';

create function private.enable_event_trigger(source regclass, hidden_columns text[] default '{}', permission text default null) returns void
language plpgsql
set search_path = ''
as $$
#variable_conflict use_column
declare
  table_schema text;
  table_name text;
  table_kind "char";
  key_columns text[];
  unknown text[];
begin
  select n.nspname, c.relname, c.relkind into table_schema, table_name, table_kind
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = source;
  if table_kind not in ('r', 'p') or table_schema in ('private', 'queue', 'audit', 'aias', 'edge', 'auth', 'pg_catalog')
     -- Each execution would start the next one.
     or table_schema = 'public' and table_name in ('executions', 'execution_steps', 'usage', 'workflow_versions') then
    raise exception '% cannot start workflows', source using errcode = 'wrong_object_type',
      hint = 'tables of the product can, and of ours those that people write';
  end if;
  if table_schema || '.' || table_name !~ '^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$' then
    raise exception 'a trigger''s config cannot write the name %', source using errcode = 'invalid_name';
  end if;
  if not exists (
    select from pg_catalog.pg_attribute a
     where a.attrelid = source and a.attname = 'tenant_id' and a.atttypid = 'uuid'::regtype and a.attnotnull and not a.attisdropped
  ) then
    raise exception '% has no column tenant_id uuid not null', source using errcode = 'undefined_column',
      hint = 'without it nobody knows whose workflows are to be told';
  end if;
  select array_agg(a.attname::text order by k.position) into key_columns
    from pg_catalog.pg_index i
    cross join unnest(i.indkey::smallint[]) with ordinality as k (attnum, position)
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
   where i.indrelid = source and i.indisprimary;
  if key_columns is null then
    raise exception '% has no primary key', source using errcode = 'invalid_table_definition',
      hint = 'by it what a row was finds what it is';
  end if;
  unknown := array(
    select h.name from unnest(hidden_columns) h (name)
    except select a.attname::text from pg_catalog.pg_attribute a where a.attrelid = source and a.attnum > 0 and not a.attisdropped);
  if cardinality(unknown) > 0 then
    raise exception '% has no column %', source, array_to_string(unknown, ', ') using errcode = 'undefined_column';
  end if;

  insert into private.event_sources as e (source, hidden_columns, permission)
  values (table_schema || '.' || table_name, enable_event_trigger.hidden_columns, enable_event_trigger.permission)
  on conflict (source) do update set hidden_columns = excluded.hidden_columns, permission = excluded.permission;

  execute format('create or replace trigger _400_start_by_insert after insert on %s referencing new table as new_rows
                    for each statement execute function private.start_by_event(%s)', source,
                 (select string_agg(quote_literal(c), ', ') from unnest(key_columns) c));
  execute format('create or replace trigger _400_start_by_update after update on %s referencing old table as old_rows new table as new_rows
                    for each statement execute function private.start_by_event(%s)', source,
                 (select string_agg(quote_literal(c), ', ') from unnest(key_columns) c));
  execute format('create or replace trigger _400_start_by_delete after delete on %s referencing old table as old_rows
                    for each statement execute function private.start_by_event(%s)', source,
                 (select string_agg(quote_literal(c), ', ') from unnest(key_columns) c));
end
$$;

comment on function private.enable_event_trigger is
  'For the operator: lets changes of a table start workflows of the row''s tenant. It needs tenant_id uuid not null and a primary key; hidden_columns are told to nobody; '
  'permission is what whoever publishes such a workflow must hold. Called again, it says anew what is hidden. TRUNCATE starts nothing.';

create function private.disable_event_trigger(source regclass) returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format('drop trigger if exists _400_start_by_insert on %s', source);
  execute format('drop trigger if exists _400_start_by_update on %s', source);
  execute format('drop trigger if exists _400_start_by_delete on %s', source);
  delete from private.event_sources e using pg_catalog.pg_class c
   where c.oid = disable_event_trigger.source and e.source = c.relnamespace::regnamespace::text || '.' || c.relname;
end
$$;

comment on function private.disable_event_trigger is
  'For the operator: changes of a table start nothing any more. Workflows that are told of it stay as they are and cannot be published again.';

select private.enable_event_trigger('public.ai_agents', '{}', 'agents.read');
-- A drawing may have megabytes; who is told of a workflow can read it.
select private.enable_event_trigger('public.workflows', '{nodes,connections}', 'workflows.read');
select private.enable_event_trigger('public.memberships', '{}', 'members.read');

-- Published triggers -------------------------------------------------------------------------------------------------------------

create function private.trigger_problems(nodes jsonb)
returns table (severity text, code text, node_id text, pointer text, message text)
language sql
stable
set search_path = ''
as $$
  select 'error', 'unknown_table', drawn.node ->> 'id', format('/nodes/%s/config/table', drawn.position - 1),
         format('changes of the table %s start no workflows; those of %s do', drawn.node #>> '{config,table}', (
           select string_agg(case when s.source like 'public.%' then substr(s.source, 8) else s.source end, ', ' order by s.source)
             from private.event_sources s))
    from jsonb_array_elements(case when jsonb_typeof(nodes) = 'array' then nodes else '[]' end)
         with ordinality as drawn (node, position)
   where drawn.node ->> 'type' = 'trigger'
     and drawn.node #>> '{config,kind}' = 'event'
     -- What is no name of a table is named elsewhere.
     and drawn.node #>> '{config,table}' ~ '^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$'
     and not exists (select from private.event_sources s where s.source = private.event_source(drawn.node #>> '{config,table}'))
$$;

comment on function private.trigger_problems is 'What is wrong with a trigger that only the operator''s settings can tell.';

create or replace function private.workflow_problems(tenant uuid, nodes jsonb, connections jsonb)
returns table (severity text, code text, node_id text, pointer text, message text)
language sql
stable
set search_path = ''
as $$
  select p.severity, p.code, p.node_id, p.pointer, p.message
    from aias.workflow_problems(nodes, connections) p
  union all
  -- What the graph alone cannot tell: whether the agents that it names are there. An id that is no uuid is named above.
  select 'error', 'unknown_agent', drawn.node ->> 'id', format('/nodes/%s/config/agent_id', drawn.position - 1),
         format('there is no agent %s in this tenant; choose one of its agents or name a model instead', drawn.node #>> '{config,agent_id}')
    from jsonb_array_elements(case when jsonb_typeof(nodes) = 'array' then nodes else '[]' end)
         with ordinality as drawn (node, position)
   where drawn.node ->> 'type' = 'ai_processing'
     and drawn.node #>> '{config,agent_id}' ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
     and not exists (
       select from public.ai_agents a where a.tenant_id = tenant and a.id = (drawn.node #>> '{config,agent_id}')::uuid
     )
  union all
  select p.severity, p.code, p.node_id, p.pointer, p.message from private.trigger_problems(nodes) p
$$;

create function private.publish_trigger() returns trigger
language plpgsql
-- Definer: nobody else writes what starts a workflow.
security definer
set search_path = ''
as $$
declare
  -- The trigger comes first in a plan.
  start jsonb := case when new.status = 'active' then (
    select v.plan #> '{nodes,0}' from public.workflow_versions v
     where v.tenant_id = new.tenant_id and v.workflow_id = new.id and v.version = new.version) end;
  config jsonb := start -> 'config';
  wanted_source text;
  wanted_permission text;
begin
  if start ->> 'kind' = 'webhook' then
    perform private.webhook_of(new);
    update private.webhooks h
       set is_published = true, signed_by_drawing = coalesce((config ->> 'signed')::boolean, false)
     where h.tenant_id = new.tenant_id and h.workflow_id = new.id;
  elsif start is not null then
    update private.webhooks h set is_published = false, signed_by_drawing = false
     where h.tenant_id = new.tenant_id and h.workflow_id = new.id and h.is_published;
  end if;

  if start ->> 'kind' = 'schedule' then
    insert into queue.schedules as s (tenant_id, workflow_id, version, cron, timezone, missed)
    values (new.tenant_id, new.id, new.version, config ->> 'cron', coalesce(config ->> 'timezone', 'UTC'), coalesce(config ->> 'missed', 'skip'))
    on conflict (tenant_id, workflow_id) do update
      set version = excluded.version, missed = excluded.missed, cron = excluded.cron, timezone = excluded.timezone,
          -- Other times begin now, and a worker that has just computed the old ones is refused. The same times go on as they were.
          handled_until = case when (s.cron, s.timezone) = (excluded.cron, excluded.timezone) then s.handled_until else now() end,
          next_run_at = case when (s.cron, s.timezone) = (excluded.cron, excluded.timezone) then s.next_run_at end,
          run_at = case when (s.cron, s.timezone) = (excluded.cron, excluded.timezone) then s.run_at else now() end,
          fencing_token = s.fencing_token + case when (s.cron, s.timezone) = (excluded.cron, excluded.timezone) then 0 else 1 end;
    perform pg_notify('aias_schedules', '');
  else
    delete from queue.schedules s where s.tenant_id = new.tenant_id and s.workflow_id = new.id;
  end if;

  delete from private.event_subscriptions s where s.tenant_id = new.tenant_id and s.workflow_id = new.id;
  if start ->> 'kind' = 'event' then
    wanted_source := private.event_source(config ->> 'table');
    select e.permission into wanted_permission from private.event_sources e where e.source = wanted_source;
    -- Whoever reads the workflow's executions will read these rows. Nobody publishes what they could not read themselves.
    if wanted_permission is not null and private.is_caller()
       and not new.tenant_id = any (array(select private.tenants_with(wanted_permission))) then
      perform private.refuse(403, 'forbidden', format('you may not read %s, and so not publish a workflow that is told of its rows', config ->> 'table'),
        null, format('ask for the permission %s', wanted_permission));
    end if;
    insert into private.event_subscriptions (tenant_id, workflow_id, version, source, operation)
    select new.tenant_id, new.id, new.version, wanted_source, o.operation
      from jsonb_array_elements_text(config -> 'operations') o (operation);
  end if;
  return null;
end
$$;

comment on function private.publish_trigger is
  'Keeps what starts a workflow equal to the trigger of its published version: its webhook, its schedule, the changes that it is told of.';

create trigger _250_publish_trigger_of_new after insert on public.workflows
  for each row when (new.status = 'active') execute function private.publish_trigger();
create trigger _250_publish_trigger after update on public.workflows
  for each row when ((old.status, old.version) is distinct from (new.status, new.version)) execute function private.publish_trigger();

-- Mails of steps -----------------------------------------------------------------------------------------------------------------

alter table queue.mails
  drop constraint mail_template_is_known,
  add constraint mail_template_is_known check (template in ('invitation', 'workflow'));
comment on column queue.mails.variables is
  'What the template shows. For workflow: {to, subject, text, html, sender}, the mail itself, as the step has rendered it.';

create function queue.forget_mail() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.variables := new.variables - 'text' - 'html';
  return new;
end
$$;

comment on function queue.forget_mail is 'What a step has written to somebody is not kept longer than it takes to send it.';

create trigger _100_forget before update on queue.mails
  for each row when (new.template = 'workflow' and new.status <> 'queued') execute function queue.forget_mail();

create function queue.send_mail(
  tenant uuid, execution uuid, token bigint, node text, recipients text[], subject text, body_text text, body_html text, item integer default null
) returns table (mail_id uuid, accepted_at timestamptz)
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  -- Not the attempt: a step whose worker died after this begins again as its next attempt, and its mail must not go twice.
  key text := format('execution:%s:%s', execution, send_mail.node) || coalesce(':' || send_mail.item, '');
  sender public.tenants;
begin
  if not exists (
    select from queue.jobs j where j.tenant_id = tenant and j.execution_id = execution and j.fencing_token = token and j.state = 'claimed'
  ) then
    return;
  end if;
  return query select m.id, m.created_at from queue.mails m where m.tenant_id = tenant and m.idempotency_key = key;
  if found then
    return;
  end if;
  select t.* into sender from public.tenants t where t.id = tenant;
  if sender.status <> 'active' then
    perform private.refuse(403, 'tenant_' || sender.status, format('this tenant is %s and sends no mails', sender.status));
  end if;
  -- They go out in the operator's name. Each recipient counts. The operator may say in the limits of plans and tenants how many there may be.
  perform aias.rate_limit_or_refuse('mails:' || tenant, greatest(0, least(coalesce(private.limit_of(tenant, 'mails_per_hour'), 100), 1000000))::integer,
    interval '1 hour', cost => cardinality(recipients), meter => 'mails_per_hour');
  return query
    insert into queue.mails (tenant_id, idempotency_key, template, recipient, subject_id, variables)
    values (tenant, key, 'workflow', recipients[1], execution, jsonb_build_object(
      'to', to_jsonb(recipients), 'subject', send_mail.subject, 'text', body_text, 'html', body_html, 'sender', sender.name))
    returning id, created_at;
  perform pg_notify('aias_mails', '');
end
$$;

comment on function queue.send_mail is
  'Puts a step''s mail into the outbox, once for each step of an execution however often it is called. No row: the lease is lost. Refused when the tenant has mailed too much within the hour.';
