-- public.search_documents: with agents.read, in the documents of one agent of one's own, by words and by a vector; and queue.search_documents, the
-- same for a step.

begin;
\ir ../fixtures/world.sql
select plan(33);

insert into public.agent_documents (tenant_id, id, agent_id, title, content) values
  (:'alpha', '01900000-0000-7000-8000-00000000a0d5', '01900000-0000-7000-8000-00000000a0a1', 'Returns',
   'Goods may be returned within 30 days.' || E'\n\n' || repeat('filler ', 280) || E'\n\n' || 'Refunds are paid by bank transfer.'),
  (:'alpha', '01900000-0000-7000-8000-00000000a0d6', '01900000-0000-7000-8000-00000000a0a1', 'Öffnung', 'Geöffnet ist montags. Refunds anywhere.'),
  (:'beta', '01900000-0000-7000-8000-00000000b0d5', '01900000-0000-7000-8000-00000000b0a1', 'Secret', 'Refunds for goods under the tree.');
create function pg_temp.asking(question text, agent text default '01900000-0000-7000-8000-00000000a0a1', at_most integer default 5) returns text language sql as $$
  select format('select coalesce(string_agg(title || position, '' ''), ''nothing'') from public.search_documents(%L, %L, %s)', agent, question, at_most)
$$;

select answers(actor, pg_temp.asking('How are goods returned?'), 'Returns1', 'finds what fits')
  from unnest(array['owner@alpha.test', 'viewer@alpha.test', 'both@alpha.test']) actor;
select answers('owner@alpha.test', pg_temp.asking(question), answer, 'asks: ' || question)
  from (values
    ('Is there a refund by bank transfer?', 'Returns2 Öffnung1'),
    ('REFUNDED', 'Returns2 Öffnung1'),
    ('geöffnet', 'Öffnung1'),
    ('nobody says this', 'nothing'),
    ('', 'nothing'),
    ('the of and', 'nothing'),
    ($$a & b | !c:* ')) <-> "x https://x.test/?a&b$$, 'nothing')
  ) asked (question, answer);
select answers('owner@alpha.test', pg_temp.asking('refund bank transfer', at_most => 1), 'Returns2', 'asks for one');
select answers('owner@alpha.test', pg_temp.asking('refund bank transfer', at_most => -1), 'Returns2', 'and gets one at least');

select refused(actor, pg_temp.asking('refund'), 404, 'not_found', 'finds no agent')
  from unnest(array['stranger@gamma.test', 'billing@alpha.test']) actor;
select refused('owner@alpha.test', pg_temp.asking('refund', '01900000-0000-7000-8000-00000000b0a1'), 404, 'not_found', 'finds no foreign agent');
select unreachable('anon', pg_temp.asking('refund'), 'asks nothing');

select answers('aias_worker', format('select string_agg(title, '' '') from queue.search_documents(%L, ''01900000-0000-7000-8000-00000000a0a1'', ''transfer'', 5)', :'alpha'),
  'Returns', 'finds the same for a step');
select sees('aias_worker', format('select from queue.search_documents(%L, ''01900000-0000-7000-8000-00000000a0a1'', ''refund'', 5)', :'beta'), 0,
  'finds nothing of another tenant');

-- By a vector -----------------------------------------------------------------------------------------------------------------------------

select private.has_vectors() as has_vectors \gset
insert into private.embedding_models (model, dimensions) values ('openai/tiny', 3);
create function pg_temp.asking_with(question text, vector text, agent text default '01900000-0000-7000-8000-00000000a0a1') returns text language sql as $$
  select format('select coalesce(string_agg(title || position, '' ''), ''nothing'') from public.search_documents(%L, %L, 2, %L)', agent, question, vector)
$$;

select answers('owner@alpha.test', pg_temp.asking_with('refund bank transfer', '{1,2}'), 'Returns2 Öffnung1', 'has a vector left out where the agent embeds nothing');
update public.ai_agents set embedding_model = 'openai/tiny' where right(id::text, 4) in ('a0a1', 'b0a1');
select refused('owner@alpha.test', pg_temp.asking_with('refund', vector), 400, 'embedding_invalid', 'compares with no vector that is none: ' || vector)
  from unnest(array['{}', '{1,0}', '{1,0,0,0}', '{1,null,0}', '{1,NaN,0}', '{1,0,-Infinity}', '{{1,0,0}}']) vector;
select answers('owner@alpha.test', pg_temp.asking_with('refund bank transfer', '{1,0,0}'), 'Returns2 Öffnung1', 'asks by words alone as long as there are no vectors');
select refused('stranger@gamma.test', pg_temp.asking_with('refund', '{1,0,0}'), 404, 'not_found', 'finds no agent by a vector either');

\if :has_vectors
-- Of Alpha: the first piece of Returns, and Öffnung; of Beta one that is nearer than both.
insert into private.document_vectors (tenant_id, document_id, digest, agent_id, model, embedding)
select c.tenant_id, c.document_id, c.digest, c.agent_id, 'openai/tiny', v.embedding::extensions.vector
  from private.document_chunks c
  join (values ('a0d5', 1, '[1,0.1,0]'), ('a0d6', 1, '[0,1,0]'), ('b0d5', 1, '[1,0,0]')) v (document, position, embedding)
    on v.document = right(c.document_id::text, 4) and v.position = c.position;
select answers('owner@alpha.test', pg_temp.asking_with('nobody says this', '{1,0,0}'), 'Returns1 Öffnung1', 'finds by a vector what has no word of the question');
select answers('owner@alpha.test', pg_temp.asking_with('refunds anywhere', '{1,0,0}'), 'Öffnung1 Returns1', 'and first what is found by both');
select answers('owner@alpha.test', pg_temp.asking_with('nobody says this', null), 'nothing', 'but nothing without one');
select answers('aias_worker', format('select string_agg(title, '' '') from queue.search_documents(%L, ''01900000-0000-7000-8000-00000000a0a1'', ''nobody'', 1, ''{1,0,0}'')', :'alpha'),
  'Returns', 'finds the same for a step');
update public.ai_agents set embedding_model = 'openai/text-embedding-3-small' where right(id::text, 4) = 'a0a1';
select is_empty($$select from private.document_vectors where tenant_id = '01900000-0000-7000-8000-00000000a000'$$, 'vectors of a model that is no longer wanted are gone');
\else
select skip('this server has no pgvector', 5);
\endif

select * from finish();
rollback;
