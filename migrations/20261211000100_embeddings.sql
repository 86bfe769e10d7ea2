-- Vectors beside the pieces of agents' documents, so that a piece is also found by what it means.
--
--   ai_agents.embedding_model      which model makes them; null, and nothing is embedded
--   private.document_vectors       one row for each different text among a document's pieces: its vector, or why there is none
--   queue.embedding_jobs           one row for each agent that has pieces without one; a worker takes them in batches
--
-- Vectors want the extension `vector` (pgvector), which a server may lack, or get later: private.use_vectors() makes their column, at once or then.
-- Without it everything else is here, pieces are found by their words, and no model is asked.

create schema if not exists extensions;

-- Models ----------------------------------------------------------------------------------------------------------------------------

create table private.embedding_models (
  model text primary key,
  dimensions integer not null,
  constraint embedding_model_names_its_provider check (model ~ '^[a-z0-9_-]+/.+$'),
  -- The most that a vector has: https://github.com/pgvector/pgvector#vector-type
  constraint dimensions_fit_a_vector check (dimensions between 1 and 16000)
);
alter table private.embedding_models enable row level security;

comment on table private.embedding_models is 'The models that may embed documents. The operator adds others, also of a server of their own: openai-compatible/model.';
comment on column private.embedding_models.model is 'provider/model';
comment on column private.embedding_models.dimensions is 'How long its vectors are where nobody asks for others. Fixed: vectors of two lengths cannot be compared.';

-- https://platform.openai.com/docs/guides/embeddings, https://ai.google.dev/gemini-api/docs/embeddings
insert into private.embedding_models (model, dimensions) values
  ('openai/text-embedding-3-small', 1536),
  ('openai/text-embedding-3-large', 3072),
  ('gemini/gemini-embedding-001', 3072);

-- https://openai.com/api/pricing, https://ai.google.dev/gemini-api/docs/pricing. They put nothing out.
insert into private.llm_prices (provider, model, valid_from, input_usd_per_million, cached_input_usd_per_million, output_usd_per_million) values
  ('openai', 'text-embedding-3-small', '2024-01-25Z', 0.02, 0.02, 0),
  ('openai', 'text-embedding-3-large', '2024-01-25Z', 0.13, 0.13, 0),
  ('gemini', 'gemini-embedding-001', '2025-07-14Z', 0.15, 0.15, 0)
on conflict (provider, model, valid_from) do nothing;

create function private.keep_dimensions() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if (new.model, new.dimensions) is distinct from (old.model, old.dimensions) then
    raise exception 'a model keeps its name and its dimensions: there may be vectors of it' using errcode = 'restrict_violation';
  end if;
  return new;
end
$$;

comment on function private.keep_dimensions is 'Refuses to change a model for embeddings.';

create trigger _050_keep_dimensions before update on private.embedding_models
  for each row execute function private.keep_dimensions();

-- Off, unless the tenant says otherwise: it sends the documents to a provider and takes tokens.
alter table public.ai_agents
  add column embedding_model text,
  add constraint agent_embedding_model_is_known foreign key (embedding_model) references private.embedding_models (model);
create index ai_agents_embedding_model on public.ai_agents (embedding_model);

comment on column public.ai_agents.embedding_model is
  'Which model embeds the agent''s documents, as provider/model. Null: none, and they are searched by their words. Another one embeds them anew; to write it '
  'again, even the same, tries again what was given up. No part of a version.';

-- Vectors ---------------------------------------------------------------------------------------------------------------------------

alter table private.document_chunks add column digest bytea;
update private.document_chunks set digest = sha256(convert_to(content, 'UTF8'));
alter table private.document_chunks alter column digest set not null;
create index document_chunks_digest on private.document_chunks (tenant_id, document_id, digest);

comment on column private.document_chunks.digest is 'SHA-256 of the content in UTF-8: which vector is this piece''s.';

create table private.document_vectors (
  tenant_id uuid not null,
  document_id uuid not null,
  digest bytea not null,
  agent_id uuid not null,
  model text not null,
  refusal text,
  primary key (tenant_id, document_id, digest),
  constraint vector_belongs_to_a_document foreign key (tenant_id, document_id) references public.agent_documents (tenant_id, id) on delete cascade,
  constraint who_refuses_says_why check (refusal <> '')
);
create index document_vectors_agent on private.document_vectors (tenant_id, agent_id, model);
alter table private.document_vectors enable row level security;

comment on table private.document_vectors is 'The vectors of the pieces of agents'' documents, by their text: what is edited keeps those of the pieces that stayed as they were.';
comment on column private.document_vectors.refusal is 'Why this text has no vector and will get none: the model has refused it alone.';

create function private.has_vectors() returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select from pg_catalog.pg_attribute
     where attrelid = 'private.document_vectors'::regclass and attname = 'embedding' and not attisdropped)
$$;

comment on function private.has_vectors is 'Whether this database keeps vectors.';

-- Jobs ------------------------------------------------------------------------------------------------------------------------------

-- Tokens grow over all jobs, so that one of a job that is gone is never good for one that came after it.
create sequence queue.embedding_fencing_tokens;

create table queue.embedding_jobs (
  tenant_id uuid not null,
  agent_id uuid not null,
  run_at timestamptz not null default now(),
  fencing_token bigint not null default 0,
  claimed_by text,
  attempts integer not null default 0,
  batch integer not null default 64,
  reason text,
  gave_up_at timestamptz,
  primary key (tenant_id, agent_id),
  constraint embedding_job_belongs_to_an_agent foreign key (tenant_id, agent_id) references public.ai_agents (tenant_id, id) on delete cascade,
  constraint attempts_are_counted check (attempts >= 0),
  constraint batch_is_some check (batch between 1 and 64),
  constraint who_gives_up_says_why check (gave_up_at is null or reason is not null)
);
create index embedding_jobs_due on queue.embedding_jobs (run_at) where gave_up_at is null;
alter table queue.embedding_jobs enable row level security;

comment on table queue.embedding_jobs is 'Agents whose documents have pieces without a vector. A row goes when there are none.';
comment on column queue.embedding_jobs.run_at is 'When it is due; while it is claimed, the end of the lease.';
comment on column queue.embedding_jobs.attempts is 'How often it was claimed since something of it was embedded.';
comment on column queue.embedding_jobs.batch is 'How many pieces the next call takes. Halved when a model refuses some, until it is known which; doubled when it takes them.';
comment on column queue.embedding_jobs.reason is 'Why there is nothing new: what the last attempt failed for, or what it waits for.';

create function private.want_embeddings(tenants uuid[], agents uuid[]) returns void
language sql
set search_path = ''
as $$
  insert into queue.embedding_jobs as j (tenant_id, agent_id)
  select distinct a.tenant_id, a.id
    from unnest(tenants, agents) wanted (tenant_id, agent_id)
    join public.ai_agents a on a.tenant_id = wanted.tenant_id and a.id = wanted.agent_id and a.embedding_model is not null
   -- Always in the same order, so that two who write documents do not wait for each other.
   order by 1, 2
  -- Written even where nothing changes: whoever is about to find that the agent needs nothing has to wait for what is being written.
  on conflict (tenant_id, agent_id) do update
    set run_at = case when j.gave_up_at is null then j.run_at else now() end,
        attempts = case when j.gave_up_at is null then j.attempts else 0 end,
        reason = case when j.gave_up_at is null then j.reason end,
        gave_up_at = null
$$;

comment on function private.want_embeddings is 'Has the pieces of these agents embedded that have no vector, where their agent wants vectors. What was given up is tried again.';

create function private.embed_new_documents() returns trigger
language plpgsql
-- Definer: whoever writes a document has no right on the queue.
security definer
set search_path = ''
as $$
begin
  perform private.want_embeddings(array_agg(i.tenant_id), array_agg(i.agent_id)) from inserted i;
  return null;
end
$$;

create function private.embed_changed_documents() returns trigger
language plpgsql
-- Definer: see private.embed_new_documents.
security definer
set search_path = ''
as $$
begin
  perform private.want_embeddings(array_agg(i.tenant_id), array_agg(i.agent_id))
     from inserted i join deleted d on d.tenant_id = i.tenant_id and d.id = i.id
    where i.content <> d.content
   having count(*) > 0;
  return null;
end
$$;

create or replace function private.chunk_document() returns trigger
language plpgsql
-- Definer: whoever writes a document has no right on its pieces.
security definer
set search_path = ''
as $$
begin
  delete from private.document_chunks c where c.tenant_id = new.tenant_id and c.document_id = new.id;
  insert into private.document_chunks (tenant_id, document_id, position, agent_id, content, digest)
  select new.tenant_id, new.id, c.position, new.agent_id, c.content, sha256(convert_to(c.content, 'UTF8'))
    from unnest(private.chunks_of(new.content)) with ordinality c (content, position);
  -- What is no longer said leaves nothing.
  if tg_op = 'UPDATE' then
    delete from private.document_vectors v
     where v.tenant_id = new.tenant_id and v.document_id = new.id
       and not exists (
         select from private.document_chunks c where c.tenant_id = v.tenant_id and c.document_id = v.document_id and c.digest = v.digest);
  end if;
  return null;
end
$$;

create trigger _250_embed after insert on public.agent_documents
  referencing new table as inserted for each statement execute function private.embed_new_documents();
create trigger _250_embed_again after update on public.agent_documents
  referencing old table as deleted new table as inserted for each statement execute function private.embed_changed_documents();

-- The setting -----------------------------------------------------------------------------------------------------------------------

create function private.check_embedding_model() returns trigger
language plpgsql
-- Definer: the list of models is not the writer's to read.
security definer
set search_path = ''
as $$
declare
  known text;
begin
  -- As private.check_agent_tools: whoever may not write here is refused by row-level security.
  if current_setting('role') in ('anon', 'authenticated')
     and not new.tenant_id = any (array(select private.tenants_with('agents.write'))) then
    return new;
  end if;
  if not exists (select from private.embedding_models m where m.model = new.embedding_model) then
    select string_agg(m.model, ', ' order by m.model) into known from private.embedding_models m;
    perform private.refuse(400, 'embedding_model_unknown', format('%s is no model that embeds documents here', new.embedding_model), null,
      format('these do: %s', known));
  end if;
  return new;
end
$$;

create trigger _110_check_embedding_model before insert or update of embedding_model on public.ai_agents
  for each row when (new.embedding_model is not null) execute function private.check_embedding_model();

create function private.follow_embedding_model() returns trigger
language plpgsql
-- Definer: whoever writes an agent has no right on its vectors.
security definer
set search_path = ''
as $$
begin
  delete from private.document_vectors v
   where v.tenant_id = new.tenant_id and v.agent_id = new.id and (v.model is distinct from new.embedding_model or v.refusal is not null);
  if new.embedding_model is null then
    delete from queue.embedding_jobs j where j.tenant_id = new.tenant_id and j.agent_id = new.id;
    return null;
  end if;
  insert into queue.embedding_jobs as j (tenant_id, agent_id) values (new.tenant_id, new.id)
  on conflict (tenant_id, agent_id) do update
    -- Who has claimed it keeps it: taken away, its call would be paid for nothing.
    set run_at = case when j.claimed_by is null then now() else j.run_at end, attempts = 0, batch = 64, reason = null, gave_up_at = null;
  return null;
end
$$;

-- Without a condition: to write the same again is how one says: try again.
create trigger _250_follow_embedding_model after update of embedding_model on public.ai_agents
  for each row execute function private.follow_embedding_model();

create function private.retry_embeddings_with_key() returns trigger
language plpgsql
-- Definer: whoever sets a key has no right on the queue.
security definer
set search_path = ''
as $$
begin
  update queue.embedding_jobs j set run_at = now(), attempts = 0, reason = null, gave_up_at = null
    from public.ai_agents a
   where j.tenant_id = new.tenant_id and j.gave_up_at is not null
     and a.tenant_id = j.tenant_id and a.id = j.agent_id and split_part(a.embedding_model, '/', 1) = new.provider;
  return null;
end
$$;

comment on function private.retry_embeddings_with_key is 'A new key to a provider: what was given up for the old one is tried again.';

create trigger _250_retry_embeddings after insert or update on public.provider_keys
  for each row execute function private.retry_embeddings_with_key();

-- The extension ---------------------------------------------------------------------------------------------------------------------

create function private.use_vectors() returns boolean
language plpgsql
set search_path = ''
as $$
declare
  place text;
  its regprocedure;
begin
  lock table private.document_vectors in access exclusive mode;
  if private.has_vectors() then
    return true;
  end if;
  select n.nspname into place
    from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
   where e.extname = 'vector';
  if place is null then
    if not exists (select from pg_catalog.pg_available_extensions where name = 'vector') then
      return false;
    end if;
    begin
      create extension vector schema extensions;
    exception when insufficient_privilege then
      raise warning 'the extension vector is there, and % may not create it', current_user
        using hint = 'have it created in schema extensions, then: select private.use_vectors()';
      return false;
    end;
    -- What we make is nobody's to call until policies/ says so. This is not ours: others use it for tables of their own.
    for its in
      select d.objid from pg_catalog.pg_depend d join pg_catalog.pg_extension e on e.oid = d.refobjid
       where e.extname = 'vector' and d.refclassid = 'pg_catalog.pg_extension'::regclass and d.classid = 'pg_catalog.pg_proc'::regclass and d.deptype = 'e'
    loop
      execute format('grant execute on routine %s to public', its);
    end loop;
  elsif place <> 'extensions' then
    raise warning 'the extension vector is in schema % and not in extensions', place
      using hint = 'alter extension vector set schema extensions; select private.use_vectors()';
    return false;
  end if;
  -- Of vectors that there were, and that went with the extension.
  delete from private.document_vectors where refusal is null;
  -- Its length is its model's, hence not the column's.
  alter table private.document_vectors
    add column embedding extensions.vector,
    add constraint vector_or_refusal check ((embedding is null) = (refusal is not null));
  -- In the row where it fits: a search reads all of an agent's, and each would be looked up elsewhere in pieces.
  alter table private.document_vectors alter column embedding set storage main;
  perform private.want_embeddings(array_agg(d.tenant_id), array_agg(d.agent_id)) from public.agent_documents d;
  return true;
end
$$;

comment on function private.use_vectors is
  'Begins to keep vectors of documents, where the extension vector can be had; answers whether they are kept. For the operator to call once the extension has come.';

select private.use_vectors();

-- How far it is ---------------------------------------------------------------------------------------------------------------------

create function private.embedding_status(agent uuid)
returns table (model text, state text, pieces bigint, embedded bigint, refused bigint, reason text, next_try_at timestamptz)
language plpgsql
stable
-- Definer: nobody has a right on pieces and jobs. It looks only where its caller may read agents.
security definer
set search_path = ''
as $$
declare
  tenants uuid[];
begin
  select array_agg(a.tenant_id) into tenants
    from public.ai_agents a
   where a.id = agent and a.tenant_id = any (array(select private.tenants_with('agents.read')));
  if tenants is null then
    perform private.refuse(404, 'not_found', 'there is no such agent');
  end if;
  if cardinality(tenants) > 1 then
    perform private.refuse(409, 'ambiguous_id', 'two of your tenants have an agent with this id');
  end if;
  return query
    select a.embedding_model,
           case when a.embedding_model is null then 'off'
                when not private.has_vectors() then 'unavailable'
                when j.agent_id is null then 'complete'
                when j.gave_up_at is not null then 'failed'
                when j.reason is not null and j.claimed_by is null and j.run_at > now() then 'waiting'
                else 'queued' end,
           counted.pieces, counted.embedded, counted.refused,
           coalesce(j.reason, counted.refusal),
           case when j.gave_up_at is null and j.claimed_by is null then j.run_at end
      from public.ai_agents a
      left join queue.embedding_jobs j on j.tenant_id = a.tenant_id and j.agent_id = a.id
     cross join lateral (
       select count(*) as pieces, count(*) filter (where v.digest is not null and v.refusal is null) as embedded,
              count(v.refusal) as refused, min(v.refusal) as refusal
         from private.document_chunks c
         left join private.document_vectors v
           on v.tenant_id = c.tenant_id and v.document_id = c.document_id and v.digest = c.digest and v.model = a.embedding_model
        where c.tenant_id = a.tenant_id and c.agent_id = a.id) counted
     where a.tenant_id = tenants[1] and a.id = agent;
end
$$;

create function public.embedding_status(agent_id uuid)
returns table (model text, state text, pieces bigint, embedded bigint, refused bigint, reason text, next_try_at timestamptz)
language sql
stable
set search_path = ''
as $$
  select * from private.embedding_status(agent_id)
$$;

comment on function public.embedding_status is
  'How far the pieces of an agent''s documents are embedded: off (it has no embedding_model), unavailable (this database keeps no vectors), queued, waiting (the last attempt '
  'failed or the plan has no tokens left: reason says why, next_try_at when it goes on), failed (given up; reason says why), complete. Pieces that the model refuses '
  'are counted as refused, and found by their words.';
