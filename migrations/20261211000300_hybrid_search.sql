-- Searches by words and by meaning at once.
--
--   private.search_chunks(…, vector)  the pieces that fit the words, and those nearest to the question's vector, by reciprocal rank fusion
--   public.search_documents           a member's; with a vector where the client has one, by words alone otherwise
--   queue.search_documents            a step's; its worker has the question embedded first: queue.prepare_query_embedding, queue.record_query_embedding
--
-- The nearest are found exactly, by reading all vectors of one agent. An index over all tenants' (HNSW) finds the nearest of anybody's and then leaves out what is not the
-- agent's: of few pieces among many it finds few. ARCHITECTURE.md has the figures.

create function private.nearest_chunks(tenant uuid, agent uuid, question real[])
returns table (document_id uuid, "position" integer, place bigint)
language plpgsql
stable
rows 50
set search_path = ''
as $$
#variable_conflict use_column
begin
  if question is null or not private.has_vectors() then
    return;
  end if;
  return query
    -- Once, and not for each row that it is compared with.
    with asked as materialized (
      select question::extensions.vector as vector
    ),
    nearest as (
      select v.document_id, v.digest, v.embedding operator(extensions.<=>) a.vector as distance
        from asked a
        join private.document_vectors v on v.tenant_id = tenant and v.agent_id = agent and v.embedding is not null
       where v.model = (select g.embedding_model from public.ai_agents g where g.tenant_id = tenant and g.id = agent)
       order by 3
       -- As a number, so that the planner knows how few they are.
       limit 50
    )
    select c.document_id, c.position, row_number() over (order by n.distance, c.document_id, c.position)
      from nearest n
      join private.document_chunks c on c.tenant_id = tenant and c.document_id = n.document_id and c.digest = n.digest
     order by 3
     limit 50;
end
$$;

comment on function private.nearest_chunks is
  'The 50 pieces of an agent''s documents whose vectors are nearest to one, by their cosine, with their places from 1. None where no vectors are kept.';

alter function private.search_chunks(uuid, uuid, text, integer) rows 50;

create function private.search_chunks(tenant uuid, agent uuid, question text, at_most integer, question_vector real[])
returns table (document_id uuid, title text, "position" integer, content text, rank real)
language plpgsql
stable
rows 50
set search_path = ''
as $$
#variable_conflict use_column
declare
  -- Of each list. What is in neither is not found.
  considered constant integer := 50;
  -- Cormack, Clarke, Buettcher: Reciprocal Rank Fusion, SIGIR 2009, https://doi.org/10.1145/1571941.1572114
  k constant integer := 60;
begin
  if question_vector is null or not private.has_vectors() then
    return query select s.* from private.search_chunks(tenant, agent, question, at_most) s;
    return;
  end if;
  return query
    with said as (
      select s.document_id, s.position, row_number() over (order by s.rank desc, s.document_id, s.position) as place
        from private.search_chunks(tenant, agent, question, considered) s
    ),
    fused as (
      select document_id, position, coalesce(1.0 / (k + said.place), 0) + coalesce(1.0 / (k + meant.place), 0) as score
        from said
        full join private.nearest_chunks(tenant, agent, question_vector) meant using (document_id, position)
    )
    select f.document_id, d.title, f.position, c.content, f.score::real
      from fused f
      join private.document_chunks c on c.tenant_id = tenant and c.document_id = f.document_id and c.position = f.position
      join public.agent_documents d on d.tenant_id = tenant and d.id = f.document_id
     order by f.score desc, f.document_id, f.position
     limit least(greatest(coalesce(at_most, 5), 1), 50);
end
$$;

comment on function private.search_chunks(uuid, uuid, text, integer, real[]) is
  'The pieces of an agent''s documents that fit a question best, by its words and by its vector; without a vector as by its words alone. Whether they may be seen is up to the caller.';

-- For members -----------------------------------------------------------------------------------------------------------------------

drop function public.search_documents(uuid, text, integer);
drop function private.search_documents(uuid, text, integer);

create function private.search_documents(agent uuid, question text, at_most integer, question_vector real[])
returns table (document_id uuid, title text, "position" integer, content text, rank real)
language plpgsql
stable
-- Definer: nobody has a right on the pieces. It looks only where its caller may read agents.
security definer
set search_path = ''
as $$
declare
  tenants uuid[];
  embedded_by text;
  wanted integer;
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
  if question_vector is not null then
    select m.model, m.dimensions into embedded_by, wanted
      from public.ai_agents a join private.embedding_models m on m.model = a.embedding_model
     where a.tenant_id = tenants[1] and a.id = agent;
    if embedded_by is null then
      question_vector := null;
    elsif array_ndims(question_vector) is distinct from 1 or cardinality(question_vector) <> wanted or array_position(question_vector, null) is not null
       or question_vector && array['NaN', 'Infinity', '-Infinity']::real[] then
      perform private.refuse(400, 'embedding_invalid', format('the vector of a question to this agent has %s numbers', wanted), null,
        format('have it made by %s, with POST /v1/embeddings; or leave it out', embedded_by));
    end if;
  end if;
  return query select s.* from private.search_chunks(tenants[1], agent, question, at_most, question_vector) s;
end
$$;

create function public.search_documents(agent_id uuid, query text, at_most integer default 5, query_embedding real[] default null)
returns table (document_id uuid, title text, "position" integer, content text, rank real)
language sql
stable
set search_path = ''
as $$
  select * from private.search_documents(agent_id, query, at_most, query_embedding)
$$;

comment on function public.search_documents is
  'The pieces of an agent''s documents that fit a question best, at most 50. By its words; with query_embedding, a vector of the question by the agent''s embedding_model '
  '(POST /v1/embeddings), also by its meaning, and as the agent''s own tool search_documents finds them. The vector is left out of account where the agent embeds nothing. '
  'rank orders the rows of one answer and says nothing else.';

-- For steps -------------------------------------------------------------------------------------------------------------------------

create function queue.prepare_query_embedding(tenant uuid, execution uuid, token bigint, agent uuid, input_tokens bigint)
returns table (
  model text, dimensions integer, reservation uuid,
  generation integer, wrapped bytea, master_key_id text, names text[], nonces bytea[], ciphertexts bytea[]
)
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
  select m.model, m.dimensions into model, dimensions
    from public.ai_agents a join private.embedding_models m on m.model = a.embedding_model
   where a.tenant_id = tenant and a.id = agent
     -- Nothing is paid for comparing with nothing.
     and exists (
       select from private.document_vectors v
        where v.tenant_id = a.tenant_id and v.agent_id = a.id and v.model = a.embedding_model and v.refusal is null);
  if not found then
    return;
  end if;
  return query
    select prepare_query_embedding.model, prepare_query_embedding.dimensions, p.*
      from queue.prepare_llm_call(tenant, execution, token, agent, array[prepare_query_embedding.model], input_tokens, 0::bigint) p;
end
$$;

comment on function queue.prepare_query_embedding is
  'What embedding a question to an agent''s documents begins with: by which model, and else as queue.prepare_llm_call. No row: the lease is lost, or there is nothing to compare with.';

create function queue.record_query_embedding(
  tenant uuid, execution uuid, node text, item integer, attempt integer, reservation uuid, call jsonb
) returns void
language plpgsql
-- Definer: see queue.claim. It asks for no lease: the tokens are spent, whoever holds the execution by now.
security definer
set search_path = ''
as $$
declare
  paid record;
begin
  select * into paid from queue.pay_embedding(tenant, reservation, call, execution, node);
  if not paid.is_new then
    return;
  end if;
  update public.execution_steps s
     set input_tokens = coalesce(s.input_tokens, 0) + (call ->> 'input_tokens')::bigint,
         cost_usd = case when paid.cost is null then s.cost_usd else coalesce(s.cost_usd, 0) + paid.cost end
   where s.tenant_id = record_query_embedding.tenant and s.execution_id = execution and s.node_id = node and s.item = record_query_embedding.item
     and s.attempt = record_query_embedding.attempt
     -- What has ended never changes; a step that was cancelled meanwhile has its usage row.
     and s.status in ('running', 'waiting');
end
$$;

comment on function queue.record_query_embedding is
  'What embedding a question took: its usage row, what was set aside settled, and added to the step. Repeating a call changes nothing. Without tokens everything is given back.';

create function queue.search_documents(tenant uuid, agent uuid, question text, at_most integer, question_vector real[])
returns table (document_id uuid, title text, "position" integer, content text)
language sql
stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  select s.document_id, s.title, s.position, s.content from private.search_chunks(tenant, agent, question, at_most, question_vector) s
$$;

comment on function queue.search_documents(uuid, uuid, text, integer, real[]) is 'What the tool search_documents of an agent finds, by a question and its vector, where it has one.';
comment on function queue.search_documents(uuid, uuid, text, integer) is 'The same for workers of before, by words alone.';
