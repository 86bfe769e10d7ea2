-- Spending caps hold steps of workflows too: what a call will probably cost is set aside with its tokens, and settled with them.
--
--   queue.prepare_llm_call ──► tokens, and dollars from each cap: queue.capped_calls says which dollars are of which tokens
--   queue.record, queue.record_round ──► queue.settle_call, for both
--
-- A worker says the reservation of tokens, as before, and need not know of caps. Most tenants have none, and for them nothing is written.

create table queue.capped_calls (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  reservation uuid not null,
  caps jsonb not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, reservation)
);
create index capped_calls_created_at on queue.capped_calls (created_at);
alter table queue.capped_calls enable row level security;

comment on table queue.capped_calls is 'Calls of steps that a spending cap holds, from when their tokens are set aside until what they took is written down.';
comment on column queue.capped_calls.reservation is 'Of tokens.';
comment on column queue.capped_calls.caps is '[{meter, id}]: the reservations of dollars, as private.set_dollars_aside makes them.';

create function queue.prepare_llm_call(
  tenant uuid, execution uuid, token bigint, agent uuid, models text[], input_tokens bigint, output_tokens bigint
)
returns table (
  reservation uuid, generation integer, wrapped bytea, master_key_id text, names text[], nonces bytea[], ciphertexts bytea[]
)
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  reserved constant uuid := queue.reserve_tokens(tenant, execution, token, input_tokens + output_tokens);
  capped text[];
begin
  if reserved is null then
    return;
  end if;
  capped := private.capped_meters(tenant, agent, null);
  if cardinality(capped) > 0 then
    -- A refusal takes the tokens back with it.
    insert into queue.capped_calls (tenant_id, reservation, caps)
    values (tenant, reserved, private.set_dollars_aside(tenant, capped, models, input_tokens, output_tokens));
  end if;
  return query
    select reserved, s.generation, s.wrapped, s.master_key_id, s.names, s.nonces, s.ciphertexts
      from private.sealed(tenant, 'provider_key', array(select distinct split_part(m, '/', 1) from unnest(models) m where m like '%/%')) s;
end
$$;

comment on function queue.prepare_llm_call(uuid, uuid, bigint, uuid, text[], bigint, bigint) is
  'What an LLM call of a claimed execution begins with: tokens set aside as by queue.reserve_tokens; what the dearest of these models would cost, from each spending cap of '
  'the tenant and of the agent, or a refusal with 402; and the tenant''s own keys to their providers, sealed, with the data key they are sealed under. No row: the lease is lost.';
comment on function queue.prepare_llm_call(uuid, uuid, bigint, bigint, text[]) is 'The same for workers of before, which no spending cap holds.';

create function queue.settle_call(tenant uuid, reservation uuid, tokens bigint, dollars numeric) returns void
language plpgsql
set search_path = ''
as $$
#variable_conflict use_variable
begin
  begin
    perform aias.quota_settle(reservation, tokens);
  exception when invalid_parameter_value then
    -- It is settled already: by the call that this one repeats, or long after it lapsed.
    null;
  end;
  -- Once, by the row that goes; and for nothing where nobody knows a price.
  with settled as (
    delete from queue.capped_calls c where c.tenant_id = tenant and c.reservation = settle_call.reservation returning c.caps
  )
  select count(aias.quota_spend(tenant, cap.meter, cap.id, ceil(coalesce(dollars, 0) * 1000000)::bigint, true))
    into tokens
    from (select b.meter, b.id from settled s, jsonb_to_recordset(s.caps) as b (meter text, id uuid) order by b.meter) cap;
end
$$;

comment on function queue.settle_call is 'A call is over: what it took of tokens and dollars stays taken, and the rest of what was set aside is given back. Called by queue.record and queue.record_round.';

create or replace function queue.sweep() returns void
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
begin
  -- Bounded, so that it never holds anything up; what is left is for the next time.
  perform aias.quota_sweep(1000), aias.rate_limit_sweep(1000);
  perform audit.make_months();
  with over as (
    select e.tenant_id, e.id from public.tenant_exports e
     where e.status = 'ready' and e.expires_at <= now() limit 10 for update skip locked
  ),
  dropped as (
    delete from private.export_chunks c using over o where c.tenant_id = o.tenant_id and c.export_id = o.id
  )
  update public.tenant_exports e set status = 'expired' from over o where e.tenant_id = o.tenant_id and e.id = o.id;
  delete from queue.mails m using (
    select x.tenant_id, x.id from queue.mails x where x.finished_at < now() - interval '30 days' limit 1000 for update skip locked
  ) old where m.tenant_id = old.tenant_id and m.id = old.id;
  -- Of calls whose worker did not come to say what they took: what was set aside for them is long given back.
  delete from queue.capped_calls c using (
    select x.tenant_id, x.reservation from queue.capped_calls x where x.created_at < now() - interval '1 day' limit 1000 for update skip locked
  ) old where c.tenant_id = old.tenant_id and c.reservation = old.reservation;
  perform private.sweep_kept_of_calls();
end
$$;

comment on function public.set_spending_cap is
  'Caps what models may cost in a billing period: of the tenant, of one of its agents, or, through the API, of one of its keys. Null takes the cap away. '
  'Calls and steps that would pass it are refused with 402; quota_status shows what is spent of it, in millionths of a dollar.';
