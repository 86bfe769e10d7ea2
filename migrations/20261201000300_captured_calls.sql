-- What models were asked and what they answered, for tenants that want it kept: masked before it comes here, and gone after as many days as they say.
--
--   public.tenants.content_kept_days ──► null: nothing is kept
--   edge.keep_contents ──► written with what has ended, after the answer      private.sweep_kept_of_calls ──► what is over goes
--
-- Read by those who hold audit.read: who may see what everybody did may see what everybody asked. Colleagues who may see each other's executions may not.

alter table public.tenants
  add column content_kept_days integer,
  add constraint content_is_kept_for_a_while check (content_kept_days between 1 and 365);

comment on column public.tenants.content_kept_days is
  'How many days what models were asked through the API, and what they answered, is kept in captured_calls, masked. Null: not at all.';

create table public.captured_calls (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  id uuid not null default aias.uuid7(),
  user_id uuid,
  api_key_id uuid,
  agent_id uuid,
  model text not null,
  asked jsonb not null,
  answered jsonb,
  is_whole boolean not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  primary key (tenant_id, id),
  constraint captured_call_is_not_huge check (octet_length(asked::text) + coalesce(octet_length(answered::text), 0) <= 262144)
);
create index captured_calls_created_at on public.captured_calls (tenant_id, created_at desc);
create index captured_calls_expires_at on public.captured_calls (expires_at);
alter table public.captured_calls enable row level security;

comment on table public.captured_calls is
  'What models were asked through the API and what they answered, where the tenant has content_kept_days. Addresses, numbers and keys that can be '
  'recognised are masked before they are written.';
comment on column public.captured_calls.id is 'The call''s: the idempotency_key of its row of usage is call:<id>.';
comment on column public.captured_calls.user_id is 'Who called. No reference: as with usage, what was asked outlives who asked it.';
comment on column public.captured_calls.asked is 'With an agent''s settings in it: {system, messages, tools}. Pictures are left out.';
comment on column public.captured_calls.answered is '{text, tool_calls}, as far as it came; null when nothing came.';
comment on column public.captured_calls.is_whole is 'The answer came to its end, and nothing was cut off because it was too long to be kept.';

create or replace function private.sweep_kept_of_calls() returns void
language plpgsql
set search_path = ''
as $$
begin
  delete from private.cached_answers a using (
    select x.tenant_id, x.hash from private.cached_answers x where x.expires_at <= now() limit 1000 for update skip locked
  ) over where a.tenant_id = over.tenant_id and a.hash = over.hash;
  delete from public.captured_calls c using (
    select x.tenant_id, x.id from public.captured_calls x where x.expires_at <= now() limit 1000 for update skip locked
  ) over where c.tenant_id = over.tenant_id and c.id = over.id;
end
$$;

create function private.shorten_captured_calls() returns trigger
language plpgsql
-- Definer: whoever changes the tenant has no rights on what is kept.
security definer
set search_path = ''
as $$
begin
  -- What is kept for longer than the tenant wants it now is over; the sweep takes it away.
  update public.captured_calls c
     set expires_at = coalesce(c.created_at + make_interval(days => new.content_kept_days), now())
   where c.tenant_id = new.id and c.expires_at > coalesce(c.created_at + make_interval(days => new.content_kept_days), now());
  return null;
end
$$;

create trigger _800_shorten_captured_calls after update on public.tenants
  for each row
  when (old.content_kept_days is not null and new.content_kept_days is distinct from old.content_kept_days)
  execute function private.shorten_captured_calls();

drop function edge.kept_of_calls(uuid);
create function edge.kept_of_calls(tenant uuid, out answer_cache_seconds integer, out content_kept_days integer)
language sql
stable
-- Definer: see edge.begin_model_calls, beside which this is asked and which says who may.
security definer
set search_path = ''
as $$ select t.answer_cache_seconds, t.content_kept_days from public.tenants t where t.id = tenant $$;

comment on function edge.kept_of_calls is 'What a tenant wants to be kept of its calls of models.';

create function edge.keep_contents(contents jsonb) returns void
language sql
-- Definer: see edge.end_model_calls.
security definer
set search_path = ''
as $$
  insert into public.captured_calls (tenant_id, id, user_id, api_key_id, agent_id, model, asked, answered, is_whole, created_at, expires_at)
  select c.tenant_id, c.id, c.user_id, c.api_key_id, c.agent_id, c.model, c.asked, nullif(c.answered, 'null'), c.is_whole, c.ended_at,
         c.ended_at + make_interval(days => t.content_kept_days)
    from jsonb_to_recordset(contents) as c (
      tenant_id uuid, id uuid, user_id uuid, api_key_id uuid, agent_id uuid, model text, asked jsonb, answered jsonb, is_whole boolean, ended_at timestamptz)
    join public.tenants t on t.id = c.tenant_id and t.content_kept_days is not null
   where octet_length(c.asked::text) + coalesce(octet_length(c.answered::text), 0) <= 262144
   order by c.tenant_id, c.id
  on conflict (tenant_id, id) do nothing
$$;

comment on function edge.keep_contents is
  'Keeps what was asked and answered for tenants that want it, masked by edge-api: [{tenant_id, id, user_id, api_key_id, agent_id, model, asked, answered, is_whole, ended_at}].';

-- Erasure -------------------------------------------------------------------------------------------------------------------------

create function private.erase_captured_calls(tenant uuid, batch integer) returns bigint
language plpgsql
set search_path = ''
as $$
declare
  erased bigint;
begin
  delete from public.captured_calls c using (
    select x.tenant_id, x.id from public.captured_calls x where x.tenant_id = tenant limit batch
  ) piece where c.tenant_id = piece.tenant_id and c.id = piece.id;
  get diagnostics erased = row_count;
  return erased;
end
$$;

comment on function private.erase_captured_calls is 'Erases a bounded piece of what was kept of a tenant''s calls, and answers how much.';

create or replace function queue.erase_next_tenant(batch integer) returns uuid
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
declare
  due uuid;
  erased bigint;
begin
  -- Before any row: the chainer holds entries while it waits for their tenants, see queue.chain_audit.
  perform audit.lock_chains();
  select t.id into due from public.tenants t
   where t.status = 'cancelled' and t.cancelled_at <= now() - interval '30 days'
   -- Beside the checks of foreign keys, which share the tenant's key.
   order by t.cancelled_at limit 1 for no key update skip locked;
  if due is null then
    return null;
  end if;
  -- What there may be millions of goes first, a bounded piece a call, so that no transaction is long. Steps go with their executions.
  delete from public.executions e using (
    select x.tenant_id, x.id from public.executions x where x.tenant_id = due limit batch
  ) piece where e.tenant_id = piece.tenant_id and e.id = piece.id;
  get diagnostics erased = row_count;
  if erased > 0 then
    return due;
  end if;
  delete from public.usage u using (
    select x.tenant_id, x.id from public.usage x where x.tenant_id = due limit batch
  ) piece where u.tenant_id = piece.tenant_id and u.id = piece.id;
  get diagnostics erased = row_count;
  if erased > 0 then
    return due;
  end if;
  if private.erase_captured_calls(due, batch) > 0 then
    return due;
  end if;
  perform set_config('aias.audit_may_delete', 'log', true);
  delete from audit.log l using (
    select x.tenant_id, x.seq, x.at from audit.log x where x.tenant_id = due limit batch
  ) piece where l.tenant_id = piece.tenant_id and l.seq = piece.seq and l.at = piece.at;
  get diagnostics erased = row_count;
  perform set_config('aias.audit_may_delete', '', true);
  if erased > 0 then
    return due;
  end if;

  -- The rest hangs on the tenant's row.
  delete from public.tenants t where t.id = due;
  delete from aias.rate_limits r where r.key like '%:' || due::text;
  return due;
end
$$;

-- Exports -------------------------------------------------------------------------------------------------------------------------

create or replace view private.tenant_data as
  select t.id as tenant_id, 'tenants' as source, to_jsonb(t) as line from public.tenants t
  union all
  select m.tenant_id, 'users', to_jsonb(u) from public.users u join public.memberships m on m.user_id = u.id
  union all
  select x.tenant_id, 'roles', to_jsonb(x) from public.roles x
  union all
  select x.tenant_id, 'memberships', to_jsonb(x) from public.memberships x
  union all
  select x.tenant_id, 'invitations', to_jsonb(x) from public.invitations x
  union all
  select x.tenant_id, 'api_keys', to_jsonb(x) from public.api_keys x
  union all
  select x.tenant_id, 'tenant_domains', to_jsonb(x) from public.tenant_domains x
  union all
  select x.tenant_id, 'tenant_secrets', to_jsonb(x) - 'last_four' from public.tenant_secrets x
  union all
  select x.tenant_id, 'provider_keys', to_jsonb(x) - 'last_four' from public.provider_keys x
  union all
  select x.tenant_id, 'rate_limits', to_jsonb(x) from public.rate_limits x
  union all
  select x.tenant_id, 'ai_agents', to_jsonb(x) from public.ai_agents x
  union all
  select x.tenant_id, 'agent_documents', to_jsonb(x) from public.agent_documents x
  union all
  select x.tenant_id, 'workflows', to_jsonb(x) from public.workflows x
  union all
  select x.tenant_id, 'workflow_versions', to_jsonb(x) from public.workflow_versions x
  union all
  select x.tenant_id, 'executions', to_jsonb(x) from public.executions x
  union all
  select x.tenant_id, 'execution_steps', to_jsonb(x) from public.execution_steps x
  union all
  select x.tenant_id, 'usage', to_jsonb(x) from public.usage x
  union all
  select x.tenant_id, 'captured_calls', to_jsonb(x) from public.captured_calls x
  union all
  select x.tenant_id, 'audit_log', to_jsonb(x) - 'hash' || jsonb_build_object('hash', encode(x.hash, 'hex')) from audit.log x
  union all
  -- Not chained yet.
  select x.tenant_id, 'audit_log', to_jsonb(x) from audit.inbox x;
