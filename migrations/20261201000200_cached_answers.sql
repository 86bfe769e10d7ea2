-- Answers of models that are kept for a while, for tenants that want it: whoever asks the same again is answered without the model.
--
--   public.tenants.answer_cache_seconds ──► null: nothing is kept, and nobody looks
--   edge.cached_answer ──► read before a call is made      edge.keep_answers ──► written after it, with what has ended
--
-- The key is a hash of all that a model is told, made by edge-api after an agent's settings are in the request. An answer is one tenant's; it is gone
-- when its time is over, when its agent changes, and when the tenant does not want it any more.

alter table public.tenants
  add column answer_cache_seconds integer,
  add constraint answers_are_kept_for_a_while check (answer_cache_seconds between 1 and 2592000);

comment on column public.tenants.answer_cache_seconds is
  'How long answers of models through the API are kept for whoever asks the same again, up to 30 days. Null: not at all.';

create table private.cached_answers (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  hash bytea not null,
  agent_id uuid,
  answer jsonb not null,
  kept_at timestamptz not null default now(),
  expires_at timestamptz not null,
  primary key (tenant_id, hash),
  constraint cached_answer_is_of_an_agent foreign key (tenant_id, agent_id) references public.ai_agents (tenant_id, id) on delete cascade,
  constraint hash_is_sha256 check (octet_length(hash) = 32),
  constraint cached_answer_is_not_huge check (octet_length(answer::text) <= 65536)
);
create index cached_answers_agent on private.cached_answers (tenant_id, agent_id);
create index cached_answers_kept_at on private.cached_answers (tenant_id, kept_at);
create index cached_answers_expires_at on private.cached_answers (expires_at);
alter table private.cached_answers enable row level security;

comment on table private.cached_answers is
  'What models have answered, by a hash of what they were asked: at most 5,000 answers of a tenant, the latest, of at most 64 KiB each.';

create function private.forget_answers_of_agent() returns trigger
language plpgsql
-- Definer: whoever changes an agent has no rights on what is kept.
security definer
set search_path = ''
as $$
begin
  delete from private.cached_answers a where a.tenant_id = new.tenant_id and a.agent_id = new.id;
  return null;
end
$$;

create trigger _800_forget_answers after update on public.ai_agents
  for each row execute function private.forget_answers_of_agent();

create function private.forget_answers_of_tenant() returns trigger
language plpgsql
-- Definer: see private.forget_answers_of_agent.
security definer
set search_path = ''
as $$
begin
  delete from private.cached_answers a where a.tenant_id = new.id;
  return null;
end
$$;

create trigger _800_forget_answers after update on public.tenants
  for each row
  when (new.answer_cache_seconds is null and old.answer_cache_seconds is not null) execute function private.forget_answers_of_tenant();

create function edge.kept_of_calls(tenant uuid, out answer_cache_seconds integer)
language sql
stable
-- Definer: see edge.begin_model_calls, beside which this is asked and which says who may.
security definer
set search_path = ''
as $$ select t.answer_cache_seconds from public.tenants t where t.id = tenant $$;

comment on function edge.kept_of_calls is 'What a tenant wants to be kept of its calls of models.';

create function edge.cached_answer(tenant uuid, asked bytea) returns jsonb
language plpgsql
stable
-- Definer: see edge.begin_model_calls.
security definer
set search_path = ''
as $$
begin
  perform private.demand(tenant, 'models.call');
  return (
    select a.answer
      from private.cached_answers a
      join public.tenants t on t.id = a.tenant_id
     where a.tenant_id = tenant and a.hash = asked
       -- As long as the tenant wants it now, also when that was longer once.
       and a.kept_at > now() - make_interval(secs => t.answer_cache_seconds)
  );
end
$$;

comment on function edge.cached_answer is 'What was answered to the same question lately; null when it is not known.';

create function edge.keep_answers(answers jsonb) returns void
language plpgsql
-- Definer: see edge.end_model_calls.
security definer
set search_path = ''
as $$
declare
  most constant integer := 5000;
  tenant uuid;
begin
  insert into private.cached_answers (tenant_id, hash, agent_id, answer, expires_at)
  select distinct on (c.tenant_id, c.hash) c.tenant_id, decode(c.hash, 'hex'), c.agent_id, c.answer, now() + make_interval(secs => t.answer_cache_seconds)
    from jsonb_to_recordset(answers) as c (tenant_id uuid, hash text, agent_id uuid, answer jsonb)
    join public.tenants t on t.id = c.tenant_id and t.answer_cache_seconds is not null
   where octet_length(c.answer::text) <= 65536
     and (c.agent_id is null or exists (select from public.ai_agents g where g.tenant_id = c.tenant_id and g.id = c.agent_id))
   -- Always in the same order, so that two who write do not wait for each other.
   order by c.tenant_id, c.hash
  on conflict (tenant_id, hash) do update
    set agent_id = excluded.agent_id, answer = excluded.answer, kept_at = now(), expires_at = excluded.expires_at;
  for tenant in select distinct (c ->> 'tenant_id')::uuid as id from jsonb_array_elements(answers) c order by id loop
    delete from private.cached_answers a
     where a.tenant_id = tenant
       and a.kept_at < (select o.kept_at from private.cached_answers o where o.tenant_id = tenant order by o.kept_at desc offset most - 1 limit 1);
  end loop;
end
$$;

comment on function edge.keep_answers is
  'Keeps answers for tenants that want it: [{tenant_id, hash, agent_id, answer}]. One that is too large is left out; of more than 5,000 the oldest go.';

create function private.sweep_kept_of_calls() returns void
language plpgsql
set search_path = ''
as $$
begin
  delete from private.cached_answers a using (
    select x.tenant_id, x.hash from private.cached_answers x where x.expires_at <= now() limit 1000 for update skip locked
  ) over where a.tenant_id = over.tenant_id and a.hash = over.hash;
end
$$;

comment on function private.sweep_kept_of_calls is 'Removes what was kept of calls of models and is over, a bounded piece a call.';

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
  perform private.sweep_kept_of_calls();
end
$$;

comment on function queue.sweep is
  'Gives back tokens whose reservation lapsed; removes counts, files, mails and answers that do not matter any more; makes the months to come. Any number of workers may call it at once.';
