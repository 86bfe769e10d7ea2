-- What an agent may look up: texts, cut into pieces that can be searched.
--
--   insert or update of public.agent_documents ──► private.document_chunks, in the same transaction
--   public.search_documents (a member), queue.search_documents (a step's model) ──► the pieces that fit best
--
-- A piece is found by its words, as they are and as English bends them: so it works for every language, and a little better for one.

create table public.agent_documents (
  tenant_id uuid not null,
  id uuid not null default aias.uuid7(),
  agent_id uuid not null,
  title text not null,
  content text not null,
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  constraint document_belongs_to_an_agent foreign key (tenant_id, agent_id) references public.ai_agents (tenant_id, id) on delete cascade,
  constraint document_title_is_not_empty check (length(btrim(title)) between 1 and 300),
  constraint document_says_something check (content ~ '\S'),
  constraint document_is_not_huge check (octet_length(content) <= 1048576)
);
create index agent_documents_agent on public.agent_documents (tenant_id, agent_id);
create index agent_documents_created_by on public.agent_documents (created_by);
alter table public.agent_documents enable row level security;

comment on table public.agent_documents is 'A text that an agent may look up: its tool search_documents finds pieces of it.';
comment on column public.agent_documents.content is 'Plain text or Markdown, at most 1 MiB.';

create trigger _050_stamp_author before insert on public.agent_documents
  for each row execute function private.stamp_author();
create trigger _050_keep_columns before update on public.agent_documents
  for each row execute function private.keep_columns('agent_id', 'created_by', 'created_at');
create trigger _060_keep_identity before update on public.agent_documents
  for each row
  when (new.tenant_id is distinct from old.tenant_id or new.id is distinct from old.id) execute function private.keep_identity();
create trigger _800_audit after insert or update or delete on public.agent_documents
  for each row execute function aias.record_change('tenant_id', 'id');
create trigger _900_touch before update on public.agent_documents
  for each row execute function private.touch_updated_at();

-- Pieces ----------------------------------------------------------------------------------------------------------------------------

create table private.document_chunks (
  tenant_id uuid not null,
  document_id uuid not null,
  position integer not null,
  agent_id uuid not null,
  content text not null,
  words tsvector not null generated always as (to_tsvector('simple'::regconfig, content) || to_tsvector('english'::regconfig, content)) stored,
  primary key (tenant_id, document_id, position),
  constraint chunk_belongs_to_a_document foreign key (tenant_id, document_id)
    references public.agent_documents (tenant_id, id) on delete cascade
);
create index document_chunks_agent on private.document_chunks (tenant_id, agent_id);
create index document_chunks_words on private.document_chunks using gin (words);
alter table private.document_chunks enable row level security;

comment on table private.document_chunks is 'The pieces of agents'' documents, to be searched. Kept by a trigger on them.';

create function private.chunks_of(content text) returns text[]
language plpgsql
immutable
set search_path = ''
as $$
declare
  -- Characters: some paragraphs, about 500 tokens.
  longest constant integer := 2000;
  chunks text[] := '{}';
  chunk text := '';
  rest text;
  piece text;
begin
  -- Whole paragraphs as far as they fit together; one that is longer is cut between words, or where there are none, anywhere.
  for rest in select btrim(p, E' \t\r\n') from regexp_split_to_table(content, '\n[ \t\r]*\n') p where p ~ '\S' loop
    if chunk <> '' and length(chunk) + 2 + length(rest) > longest then
      chunks := chunks || chunk;
      chunk := '';
    end if;
    while length(rest) > longest loop
      piece := left(rest, longest);
      piece := coalesce(substring(piece from '^(.*\S)\s'), piece);
      chunks := chunks || piece;
      rest := ltrim(substring(rest from length(piece) + 1), E' \t\r\n');
    end loop;
    if rest <> '' then
      chunk := case when chunk = '' then rest else chunk || E'\n\n' || rest end;
    end if;
  end loop;
  return case when chunk = '' then chunks else chunks || chunk end;
end
$$;

comment on function private.chunks_of is 'A text in pieces of at most 2000 characters, in its order, without what is only space.';

create function private.chunk_document() returns trigger
language plpgsql
-- Definer: whoever writes a document has no right on its pieces.
security definer
set search_path = ''
as $$
begin
  delete from private.document_chunks c where c.tenant_id = new.tenant_id and c.document_id = new.id;
  insert into private.document_chunks (tenant_id, document_id, position, agent_id, content)
  select new.tenant_id, new.id, c.position, new.agent_id, c.content
    from unnest(private.chunks_of(new.content)) with ordinality c (content, position);
  return null;
end
$$;

create trigger _200_chunk after insert on public.agent_documents
  for each row execute function private.chunk_document();
create trigger _200_chunk_again after update on public.agent_documents
  for each row when ((new.content, new.agent_id) is distinct from (old.content, old.agent_id)) execute function private.chunk_document();

-- Searches --------------------------------------------------------------------------------------------------------------------------

create function private.search_chunks(tenant uuid, agent uuid, question text, at_most integer)
returns table (document_id uuid, title text, "position" integer, content text, rank real)
language sql
stable
set search_path = ''
-- Postgres notices that there is nothing in a question to look for; so does whoever gets no answer.
set client_min_messages = warning
as $$
  with said as (
    select string_agg(w.lexeme, ' ') as words
      from unnest(to_tsvector('simple'::regconfig, left(question, 2000))) w
     -- Every text has the little words of English.
     where to_tsvector('english'::regconfig, w.lexeme) <> ''
  ),
  asked as (
    -- Any of the words: a question has more of them than its answer. Pieces that have most of them come first.
    select replace(plainto_tsquery('simple'::regconfig, coalesce(s.words, ''))::text, '&', '|')::tsquery
           || replace(plainto_tsquery('english'::regconfig, left(question, 2000))::text, '&', '|')::tsquery as words
      from said s
  )
  select c.document_id, d.title, c.position, c.content, ts_rank_cd(c.words, a.words, 1) as rank
    from asked a
    join private.document_chunks c on c.words @@ a.words
    join public.agent_documents d on d.tenant_id = c.tenant_id and d.id = c.document_id
   where c.tenant_id = tenant and c.agent_id = agent
   order by rank desc, c.document_id, c.position
   limit least(greatest(coalesce(at_most, 5), 1), 50)
$$;

comment on function private.search_chunks is 'The pieces of an agent''s documents that fit a question best. Whether they may be seen is up to the caller.';

create function private.search_documents(agent uuid, question text, at_most integer)
returns table (document_id uuid, title text, "position" integer, content text, rank real)
language plpgsql
stable
-- Definer: nobody has a right on the pieces. It looks only where its caller may read agents.
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
  return query select s.* from private.search_chunks(tenants[1], agent, question, at_most) s;
end
$$;

create function public.search_documents(agent_id uuid, query text, at_most integer default 5)
returns table (document_id uuid, title text, "position" integer, content text, rank real)
language sql
stable
set search_path = ''
as $$
  select * from private.search_documents(agent_id, query, at_most)
$$;

comment on function public.search_documents is
  'The pieces of an agent''s documents that fit a question best, at most 50. As the agent''s own tool search_documents finds them.';

create function queue.search_documents(tenant uuid, agent uuid, question text, at_most integer)
returns table (document_id uuid, title text, "position" integer, content text)
language sql
stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  select s.document_id, s.title, s.position, s.content from private.search_chunks(tenant, agent, question, at_most) s
$$;

comment on function queue.search_documents is 'What the tool search_documents of an agent finds.';

-- Exports ---------------------------------------------------------------------------------------------------------------------------

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
  select x.tenant_id, 'audit_log', to_jsonb(x) - 'hash' || jsonb_build_object('hash', encode(x.hash, 'hex')) from audit.log x
  union all
  -- Not chained yet.
  select x.tenant_id, 'audit_log', to_jsonb(x) from audit.inbox x;
