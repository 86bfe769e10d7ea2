-- Embedding, for workers: one agent's pieces at a time, in batches that fit one call of a model.
--
--   queue.claim_embeddings ──► a lease, and a fencing token
--   queue.begin_embedding  ──► the texts; tokens set aside, and dollars where a spending cap holds
--   queue.record_embeddings, queue.fail_embeddings ──► vectors, or what is to be done about there being none; what the call took, once
--
-- Locks are taken in the order agent, documents, job, as who changes an agent or a document does.
--
-- A worker that dies between the model's answer and its record leaves nothing: what was set aside is given back, and the batch is embedded again,
-- which the provider may bill twice and the tenant is not.

create function queue.claim_embeddings(worker text, most integer, lease interval)
returns table (tenant_id uuid, agent_id uuid, fencing_token bigint)
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
#variable_conflict use_column
begin
  if not private.has_vectors() then
    return;
  end if;
  return query
    with due as (
      select j.tenant_id, j.agent_id, j.run_at, row_number() over (partition by j.tenant_id order by j.run_at, j.agent_id) as turn
        from queue.embedding_jobs j
        join public.tenants t on t.id = j.tenant_id and t.status = 'active'
       where j.gave_up_at is null and j.run_at <= now()
    ),
    next as (
      select j.tenant_id, j.agent_id
        from queue.embedding_jobs j
        join due d on d.tenant_id = j.tenant_id and d.agent_id = j.agent_id
       where j.gave_up_at is null and j.run_at <= now()
       -- One of each tenant before a second of any.
       order by d.turn, d.run_at
       limit most
         for update of j skip locked
    )
    update queue.embedding_jobs j
       set run_at = now() + lease, claimed_by = worker, attempts = j.attempts + 1, fencing_token = nextval('queue.embedding_fencing_tokens')
      from next n
     where j.tenant_id = n.tenant_id and j.agent_id = n.agent_id
    returning j.tenant_id, j.agent_id, j.fencing_token;
end
$$;

comment on function queue.claim_embeddings is 'Takes agents whose documents have pieces without a vector, for a lease; none where no vectors are kept.';

create function queue.begin_embedding(tenant uuid, agent uuid, token bigint)
returns table (
  model text, dimensions integer, digests bytea[], texts text[], reservation uuid,
  generation integer, wrapped bytea, master_key_id text, names text[], nonces bytea[], ciphertexts bytea[]
)
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  chars_per_token constant integer := 4;
  -- Longer than the lease of a job.
  kept_for constant interval := '15 minutes';
  -- More than those that end with a record: they ended with their workers.
  most_claims constant integer := 20;
  tokens bigint;
  capped text[];
  pieces integer;
  claims integer;
begin
  -- Whoever wants something embedded writes the job, and is waited for here: what it wants is seen below.
  select j.batch, j.attempts into pieces, claims
    from queue.embedding_jobs j
   where j.tenant_id = tenant and j.agent_id = agent and j.fencing_token = token
     for update;
  if not found then
    return;
  end if;
  if claims > most_claims then
    update queue.embedding_jobs j
       set gave_up_at = now(), claimed_by = null, reason = 'it was taken up many times, and none of the workers came back to say what became of it'
     where j.tenant_id = tenant and j.agent_id = agent;
    return;
  end if;
  select m.model, m.dimensions into model, dimensions
    from public.ai_agents a
    join private.embedding_models m on m.model = a.embedding_model
   where a.tenant_id = tenant and a.id = agent;
  select array_agg(missing.digest), array_agg(missing.content), sum(1 + length(missing.content) / chars_per_token)
    into digests, texts, tokens
    from (
      select c.digest, min(c.content) as content
        from private.document_chunks c
       where c.tenant_id = tenant and c.agent_id = agent
         and not exists (
           select from private.document_vectors v
            where v.tenant_id = c.tenant_id and v.document_id = c.document_id and v.digest = c.digest and v.model = begin_embedding.model)
       group by c.digest
       order by min(c.document_id::text), min(c.position)
       limit pieces) missing;
  if model is null or digests is null then
    delete from queue.embedding_jobs j where j.tenant_id = tenant and j.agent_id = agent;
    return;
  end if;
  begin
    reservation := aias.quota_reserve(tenant, 'llm_tokens', tokens, kept_for);
    capped := private.capped_meters(tenant, agent, null);
    if cardinality(capped) > 0 then
      insert into queue.capped_calls (tenant_id, reservation, caps)
      values (tenant, reservation, private.set_dollars_aside(tenant, capped, array[model], tokens, 0));
    end if;
  exception when sqlstate 'PGRST' then
    -- The plan or a cap has nothing left. That is no failure, and is looked at again until there is some.
    update queue.embedding_jobs j
       set run_at = now() + interval '5 minutes' * (0.75 + random() / 2), claimed_by = null, attempts = 0, reason = sqlerrm::jsonb ->> 'message'
     where j.tenant_id = tenant and j.agent_id = agent;
    return;
  end;
  select s.generation, s.wrapped, s.master_key_id, s.names, s.nonces, s.ciphertexts
    into generation, wrapped, master_key_id, names, nonces, ciphertexts
    from private.sealed(tenant, 'provider_key', array[split_part(model, '/', 1)]) s;
  return next;
end
$$;

comment on function queue.begin_embedding is
  'The next texts of a claimed agent to be embedded, with the tokens set aside and the tenant''s own key to the model''s provider, sealed. No row: the lease is lost, nothing '
  'is left to embed, or the plan has no tokens, and the job is gone or put off.';

create function queue.pay_embedding(tenant uuid, reservation uuid, call jsonb, execution uuid, node text, out cost numeric, out is_new boolean)
language plpgsql
set search_path = ''
as $$
declare
  input constant bigint := coalesce((call ->> 'input_tokens')::bigint, 0);
begin
  is_new := false;
  -- A tenant that is no more has no quota either.
  if input > 0 and exists (select from public.tenants t where t.id = tenant) then
    cost := private.llm_cost_usd(call ->> 'provider', call ->> 'model', now(), input, 0, 0);
    insert into public.usage (
      tenant_id, idempotency_key, execution_id, node_id, agent_id, provider, model, input_tokens, output_tokens, cost_usd, own_key, is_estimated)
    values (
      tenant, 'embedding:' || reservation, execution, node, (call ->> 'agent_id')::uuid, call ->> 'provider', call ->> 'model', input, 0, cost,
      coalesce((call ->> 'own_key')::boolean, false), coalesce((call ->> 'is_estimated')::boolean, false))
    on conflict on constraint usage_is_counted_once do nothing;
    is_new := found;
  end if;
  -- Settles nothing that is settled already.
  perform queue.settle_call(tenant, reservation, input, cost);
end
$$;

comment on function queue.pay_embedding is
  'What a call for embeddings took: one usage row for what was set aside for it, however often it is said, and that settled. Without tokens it is given back.';

create function queue.lock_embedded(tenant uuid, agent uuid, digests bytea[]) returns text
language plpgsql
set search_path = ''
as $$
declare
  wanted text;
begin
  select a.embedding_model into wanted from public.ai_agents a where a.tenant_id = tenant and a.id = agent for share;
  -- Nobody edits them until these vectors are committed: an edit that does not see a vector could not take it away.
  perform from public.agent_documents d
    where d.tenant_id = tenant
      and d.id in (select c.document_id from private.document_chunks c where c.tenant_id = tenant and c.agent_id = agent and c.digest = any (digests))
    order by d.id
      for share;
  return wanted;
end
$$;

comment on function queue.lock_embedded is 'Holds an agent and those of its documents that say these texts as they are; answers which model is to embed them.';

create function queue.record_embeddings(
  tenant uuid, agent uuid, token bigint, reservation uuid, call jsonb, digests bytea[], vectors real[]
) returns boolean
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
declare
  made_by constant text := (call ->> 'provider') || '/' || (call ->> 'model');
  wanted constant text := queue.lock_embedded(tenant, agent, digests);
  is_held boolean;
  length_of_each integer;
begin
  update queue.embedding_jobs j
     set run_at = now(), claimed_by = null, attempts = 0, reason = null, batch = least(64, j.batch * 2)
   where j.tenant_id = record_embeddings.tenant and j.agent_id = agent and j.fencing_token = token;
  is_held := found;
  -- Somebody else has them embedded, or there is nothing left to embed: a tenant pays for each text once.
  perform queue.pay_embedding(tenant, reservation, case when is_held then call end, null, null);
  if not is_held then
    return false;
  end if;
  -- The agent may want another model by now, and what was embedded is edited or deleted.
  if wanted = made_by and private.has_vectors() then
    select m.dimensions into length_of_each from private.embedding_models m where m.model = made_by;
    if cardinality(vectors) is distinct from cardinality(digests) * length_of_each then
      raise exception 'vectors of % are of % numbers each', made_by, length_of_each using errcode = 'data_exception';
    end if;
    insert into private.document_vectors as v (tenant_id, document_id, digest, agent_id, model, embedding)
    select distinct on (c.document_id, c.digest) c.tenant_id, c.document_id, c.digest, c.agent_id, made_by,
           vectors[(d.n - 1) * length_of_each + 1 : d.n * length_of_each]::extensions.vector
      from unnest(digests) with ordinality d (digest, n)
      join private.document_chunks c on c.tenant_id = record_embeddings.tenant and c.agent_id = record_embeddings.agent and c.digest = d.digest
     order by c.document_id, c.digest
    on conflict (tenant_id, document_id, digest) do update set model = excluded.model, refusal = null, embedding = excluded.embedding;
  end if;
  return true;
end
$$;

comment on function queue.record_embeddings is
  'Keeps the vectors of a claimed agent''s texts, one after the other in one array, and writes down what the call took; by a worker that says it twice, once. False when the lease '
  'was lost: then nothing is kept, and the tenant pays nothing.';

create function queue.fail_embeddings(
  tenant uuid, agent uuid, token bigint, reservation uuid, call jsonb, outcome text, why text, retry_after interval, digests bytea[]
) returns boolean
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
declare
  -- With the waits below, some seven hours; and a model that refuses so many texts, each alone, one after the other, refuses something else.
  most_attempts constant integer := 15;
  most_refusals constant integer := 5;
  wanted constant text := queue.lock_embedded(tenant, agent, digests);
  job queue.embedding_jobs;
  is_alone constant boolean := cardinality(digests) = 1;
begin
  select j.* into job
    from queue.embedding_jobs j
   where j.tenant_id = fail_embeddings.tenant and j.agent_id = agent and j.fencing_token = token
     for update;
  perform queue.pay_embedding(tenant, reservation, case when job.agent_id is not null then call end, null, null);
  if job.agent_id is null then
    return false;
  end if;
  job.reason := why;
  if outcome = 'refused' and not is_alone then
    -- One of them is the cause. Halves find it.
    job.batch := greatest(1, cardinality(digests) / 2);
    job.attempts := 0;
    job.run_at := now();
  elsif outcome = 'refused' then
    job.run_at := now();
    if job.attempts >= most_refusals then
      job.gave_up_at := now();
    else
      insert into private.document_vectors as v (tenant_id, document_id, digest, agent_id, model, refusal)
      select distinct c.tenant_id, c.document_id, c.digest, c.agent_id, wanted, why
        from private.document_chunks c
       where c.tenant_id = fail_embeddings.tenant and c.agent_id = fail_embeddings.agent and c.digest = digests[1] and wanted is not null
      on conflict (tenant_id, document_id, digest) do nothing;
    end if;
  else
    job.run_at := now() + greatest(retry_after, least(interval '1 hour', interval '10 seconds' * 2 ^ job.attempts) * (0.5 + random() / 2));
    if outcome = 'failed' or job.attempts >= most_attempts then
      job.gave_up_at := now();
    end if;
  end if;
  update queue.embedding_jobs j
     set run_at = job.run_at, claimed_by = null, attempts = job.attempts, batch = job.batch, reason = job.reason, gave_up_at = job.gave_up_at
   where j.tenant_id = fail_embeddings.tenant and j.agent_id = agent;
  return true;
end
$$;

comment on function queue.fail_embeddings is
  'Writes down that texts of a claimed agent have no vectors, and why. `later`: tried again, ever later, 15 times. `refused`: the model takes some of them not: tried again in halves '
  'until it is known which, and that one has none. `failed`: no attempt would do. What the call took all the same is paid. False when the lease was lost.';
