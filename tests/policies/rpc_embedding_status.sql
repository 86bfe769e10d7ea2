-- public.embedding_status: with agents.read, of an agent of one's own; and ai_agents.embedding_model, which agents.write sets.

begin;
\ir ../fixtures/world.sql
select plan(24);

select private.has_vectors() as has_vectors, '01900000-0000-7000-8000-00000000a0a1' as agent \gset
create function pg_temp.asking(agent text default '01900000-0000-7000-8000-00000000a0a1') returns text language sql as $$
  select format('select concat_ws('' '', model, state, pieces, embedded, refused, reason) from public.embedding_status(%L)', agent)
$$;
create function pg_temp.setting(model text) returns text language sql as $$
  select format('update public.ai_agents set embedding_model = %L where id = ''01900000-0000-7000-8000-00000000a0a1''', model)
$$;

-- The setting -----------------------------------------------------------------------------------------------------------------------------

select answers('viewer@alpha.test', pg_temp.asking(), 'off 1 0 0', 'sees that nothing is embedded by default');
select denied('viewer@alpha.test', pg_temp.setting('openai/text-embedding-3-small'), 'sets no model');
select denied('owner@beta.test', pg_temp.setting('openai/text-embedding-3-small'), 'sets no model of another tenant');
select refused('editor@alpha.test', pg_temp.setting('openai/gpt-4o-mini'), 400, 'embedding_model_unknown', 'sets no model that embeds nothing');
select ok(body('editor@alpha.test', pg_temp.setting('openai/gpt-4o-mini')) ->> 'hint' ~ 'openai/text-embedding-3-small', 'and is told which do');
select keep('editor@alpha.test', pg_temp.setting('openai/text-embedding-3-small') || ' returning embedding_model') \g /dev/null
select is((select concat_ws(' ', embedding_model, version) from public.ai_agents where id = :'agent'), 'openai/text-embedding-3-small 1', 'sets one, which makes no version');

-- Who asks --------------------------------------------------------------------------------------------------------------------------------

select refused(actor, pg_temp.asking(), 404, 'not_found', 'finds no agent')
  from unnest(array['stranger@gamma.test', 'billing@alpha.test', 'owner@beta.test']) actor;
select unreachable('anon', pg_temp.asking(), 'asks nothing');
select unreachable('owner@alpha.test', 'select from private.document_vectors', 'reads no vectors');
select unreachable('owner@alpha.test', 'select from private.embedding_models', 'reads no list of models');
select unreachable('owner@alpha.test', 'select from queue.embedding_jobs', 'reads no jobs');
select unreachable('aias_worker', 'select from queue.embedding_jobs', 'reads no jobs but by functions');

-- What is told ----------------------------------------------------------------------------------------------------------------------------

\if :has_vectors
select answers('viewer@alpha.test', pg_temp.asking(), 'openai/text-embedding-3-small queued 1 0 0', 'sees what is waiting for a worker');
update queue.embedding_jobs set run_at = now() + interval '5 minutes', reason = 'no tokens';
select answers('viewer@alpha.test', pg_temp.asking(), 'openai/text-embedding-3-small waiting 1 0 0 no tokens', 'what is put off, and why');
select answers('viewer@alpha.test', format('select next_try_at > now() from public.embedding_status(%L)', :'agent'), 'true', 'and until when');
update queue.embedding_jobs set gave_up_at = now(), reason = 'no key';
select answers('viewer@alpha.test', pg_temp.asking(), 'openai/text-embedding-3-small failed 1 0 0 no key', 'what was given up, and why');
select answers('viewer@alpha.test', format('select next_try_at is null from public.embedding_status(%L)', :'agent'), 'true', 'which is not tried again by itself');
insert into public.agent_documents (tenant_id, agent_id, title, content) values (:'alpha', :'agent', 'Another', 'More of it.');
select answers('viewer@alpha.test', pg_temp.asking(), 'openai/text-embedding-3-small queued 2 0 0', 'but with another document');
insert into private.document_vectors (tenant_id, document_id, digest, agent_id, model, refusal)
select c.tenant_id, c.document_id, c.digest, c.agent_id, 'openai/text-embedding-3-small', 'not this' from private.document_chunks c where c.content = 'More of it.';
delete from queue.embedding_jobs;
select answers('viewer@alpha.test', pg_temp.asking(), 'openai/text-embedding-3-small complete 2 0 1 not this', 'what the model has refused');
delete from public.agent_documents where title = 'Another';
select is_empty($$select from private.document_vectors where refusal = 'not this'$$, 'and nothing of a document that is gone');
\else
select answers('viewer@alpha.test', pg_temp.asking(), 'openai/text-embedding-3-small unavailable 1 0 0', 'sees that this database keeps no vectors');
select is(private.use_vectors(), exists (select from pg_catalog.pg_available_extensions where name = 'vector'), 'which it begins to where it can');
select skip('this server had no pgvector', 6);
\endif

select * from finish();
rollback;
