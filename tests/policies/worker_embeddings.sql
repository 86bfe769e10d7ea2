-- Documents embedded by aias_worker: claimed for a lease, recorded under a fencing token, paid once. queue.claim_embeddings, begin_embedding,
-- record_embeddings, fail_embeddings; queue.prepare_query_embedding, record_query_embedding

begin;
\ir ../fixtures/world.sql
select plan(49);

select private.has_vectors() as has_vectors, '01900000-0000-7000-8000-00000000a0a1' as agent \gset
insert into private.embedding_models (model, dimensions) values ('openai/tiny', 2), ('openai/other', 2);
insert into private.llm_prices (provider, model, valid_from, input_usd_per_million, cached_input_usd_per_million, output_usd_per_million)
values ('openai', 'tiny', '2026-01-01Z', 1, 1, 0);
delete from public.agent_documents;
insert into public.agent_documents (tenant_id, id, agent_id, title, content) values
  (:'alpha', '01900000-0000-7000-8000-00000000a0d7', :'agent', 'One', repeat('a', 1500) || E'\n\n' || repeat('b', 1500)),
  (:'alpha', '01900000-0000-7000-8000-00000000a0d8', :'agent', 'Two', repeat('b', 1500)),
  (:'beta', '01900000-0000-7000-8000-00000000b0d7', '01900000-0000-7000-8000-00000000b0a1', 'Beta''s', 'Anything.');

create function pg_temp.claimed() returns text language sql as $$
  select coalesce(assertions.keep('aias_worker',
    'select string_agg(right(agent_id::text, 4), '' '' order by agent_id) from queue.claim_embeddings(''w'', 10, interval ''1 minute'')'), 'nothing')
$$;
create function pg_temp.token() returns bigint language sql as $$
  select fencing_token from queue.embedding_jobs where agent_id = '01900000-0000-7000-8000-00000000a0a1'
$$;
-- What is begun is kept, to be said in the statements that follow.
create temp table begun (model text, texts text, digests bytea[], reservation uuid);
create function pg_temp.begins(token bigint) returns text language plpgsql as $$
begin
  delete from begun;
  insert into begun
  select b.model, (select string_agg(left(t, 1), '' order by t) from unnest(b.texts) t), b.digests, b.reservation
    from queue.begin_embedding('01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0a1', token) b;
  return coalesce((select concat_ws(' ', model, texts) from begun), 'nothing');
end
$$;
create function pg_temp.recorded(token bigint, vectors text) returns text language sql as $$
  select assertions.keep('aias_worker', format('select queue.record_embeddings(%L, %L, %s, %L, %L, %L, %L)', '01900000-0000-7000-8000-00000000a000',
    '01900000-0000-7000-8000-00000000a0a1', token, b.reservation,
    jsonb_build_object('provider', 'openai', 'model', 'tiny', 'agent_id', '01900000-0000-7000-8000-00000000a0a1', 'input_tokens', 700), b.digests, vectors))
    from begun b
$$;
create function pg_temp.failed(token bigint, outcome text, retry_after interval default null) returns text language sql as $$
  select assertions.keep('aias_worker', format('select queue.fail_embeddings(%L, %L, %s, %L, null, %L, ''it hurts'', %L, %L)', '01900000-0000-7000-8000-00000000a000',
    '01900000-0000-7000-8000-00000000a0a1', token, b.reservation, outcome, retry_after, b.digests))
    from begun b
$$;
create function pg_temp.tokens() returns text language sql as $$
  select format('%s used, %s set aside', used, reserved) from aias.quota_status('01900000-0000-7000-8000-00000000a000') where meter = 'llm_tokens'
$$;
create function pg_temp.paid() returns text language sql as $$
  select concat_ws(' ', count(*), sum(input_tokens), sum(cost_usd)::real) from public.usage where idempotency_key like 'embedding:%'
$$;
create function pg_temp.job() returns text language sql as $$
  select coalesce((select concat_ws(' ', case when gave_up_at is not null then 'gave up' when claimed_by is not null then 'claimed' when run_at > now() then 'waits' else 'due' end,
    attempts, batch, reason) from queue.embedding_jobs where agent_id = '01900000-0000-7000-8000-00000000a0a1'), 'gone')
$$;

-- Wanted ----------------------------------------------------------------------------------------------------------------------------------

select is_empty('select from queue.embedding_jobs', 'no agent wants vectors that was not told to');
update public.ai_agents set embedding_model = 'openai/tiny' where id = :'agent';
select is(pg_temp.job(), 'due 0 64', 'one that is told to has its documents embedded');
select throws_ok($$update private.embedding_models set dimensions = 3 where model = 'openai/tiny'$$, '23001', null, 'a model keeps its dimensions');
select throws_ok($$delete from private.embedding_models where model = 'openai/tiny'$$, '23503', null, 'and is not forgotten while an agent names it');

\if :has_vectors

-- Claimed ---------------------------------------------------------------------------------------------------------------------------------

select is(pg_temp.claimed(), 'a0a1', 'aias_worker: claims what is due');
select is(pg_temp.claimed(), 'nothing', 'aias_worker: and nothing that another holds');
select pg_temp.token() as first \gset
select is(pg_temp.begins(:first - 1), 'nothing', 'an old token begins nothing');
select is(pg_temp.begins(:first), 'openai/tiny ab', 'a batch has each text once, in however many documents it is');
select is(pg_temp.tokens(), '0 used, 752 set aside', 'its tokens are set aside');
update queue.embedding_jobs set run_at = now();
select is(pg_temp.claimed(), 'a0a1', 'aias_worker: claims what nobody recorded in time');
select pg_temp.token() as second \gset
select is(pg_temp.recorded(:first, '{1,0,0,1}'), 'false', 'aias_worker: who lost the lease keeps nothing');
select is(pg_temp.paid(), '0', 'for which nobody pays');
select is(pg_temp.tokens(), '0 used, 0 set aside', 'and what was set aside is given back');

-- Recorded, twice -------------------------------------------------------------------------------------------------------------------------

select is(pg_temp.begins(:second), 'openai/tiny ab', 'the other begins the same');
select is(pg_temp.recorded(:second, '{1,0,0,1}'), 'true', 'aias_worker: records it');
select is(pg_temp.recorded(:second, '{1,0,0,1}'), 'true', 'aias_worker: and again, not having heard the answer');
select is(pg_temp.paid(), '1 700 0.0007', 'it is paid once');
select is(pg_temp.tokens(), '700 used, 0 set aside', 'by what it took');
select is((select count(*) from private.document_vectors), 3::bigint, 'each document has the vectors of its texts');
select is(pg_temp.claimed(), 'a0a1', 'aias_worker: looks whether there is more');
select is(pg_temp.begins(pg_temp.token()), 'nothing', 'there is not');
select is(pg_temp.job(), 'gone', 'so the job goes');

-- Edited meanwhile ------------------------------------------------------------------------------------------------------------------------

update public.agent_documents set content = repeat('c', 1500) where title = 'Two';
select is((select count(*) from private.document_vectors), 2::bigint, 'what is no longer said leaves nothing');
select pg_temp.claimed() \g /dev/null
select is(pg_temp.begins(pg_temp.token()), 'openai/tiny c', 'what is new is embedded');
update public.agent_documents set content = repeat('d', 1500) where title = 'Two';
select is(pg_temp.recorded(pg_temp.token(), '{1,1}'), 'true', 'aias_worker: records what has been edited again');
select is((select count(*) from private.document_vectors), 2::bigint, 'of which nothing is kept');
select pg_temp.claimed() \g /dev/null
select is(pg_temp.begins(pg_temp.token()), 'openai/tiny d', 'and what it says now is next');
select throws_ok(format('select pg_temp.recorded(%s, ''{1,1,1}'')', pg_temp.token()), '22000', null, 'aias_worker: keeps no vectors of another length');
update public.ai_agents set embedding_model = 'openai/other' where id = :'agent';
select is(pg_temp.recorded(pg_temp.token(), '{1,1}'), 'true', 'aias_worker: records what another model is wanted for by now');
select is_empty('select from private.document_vectors', 'nothing of the old one is left');
update public.ai_agents set embedding_model = 'openai/tiny' where id = :'agent';

-- Refused by the model --------------------------------------------------------------------------------------------------------------------

select pg_temp.claimed() \g /dev/null
select is(pg_temp.begins(pg_temp.token()), 'openai/tiny abd', 'three texts are begun');
select pg_temp.failed(pg_temp.token(), 'refused') \g /dev/null
select is(pg_temp.job(), 'due 0 1 it hurts', 'where some of them are refused, fewer are tried at once');
select pg_temp.claimed() \g /dev/null
select pg_temp.begins(pg_temp.token()) \g /dev/null
select pg_temp.failed(pg_temp.token(), 'refused') \g /dev/null
select is((select string_agg(refusal, ' ') from private.document_vectors), 'it hurts', 'a text that is refused alone has a reason in the place of a vector');
select is(pg_temp.job(), 'due 1 1 it hurts', 'and the others are next');
select pg_temp.claimed() \g /dev/null
select pg_temp.begins(pg_temp.token()) \g /dev/null
select pg_temp.recorded(pg_temp.token(), '{1,1}') \g /dev/null
select is(pg_temp.job(), 'due 0 2', 'more are tried at once when they are taken');

-- Failed ----------------------------------------------------------------------------------------------------------------------------------

select pg_temp.claimed() \g /dev/null
select pg_temp.begins(pg_temp.token()) \g /dev/null
select pg_temp.failed(pg_temp.token(), 'later', '1 hour') \g /dev/null
select is(pg_temp.job(), 'waits 1 2 it hurts', 'what may succeed later waits');
select ok((select run_at >= now() + interval '1 hour' from queue.embedding_jobs where agent_id = :'agent'), 'as long as the provider asks for');
update queue.embedding_jobs set run_at = now(), attempts = 14 where agent_id = :'agent';
select pg_temp.claimed() \g /dev/null
select pg_temp.begins(pg_temp.token()) \g /dev/null
select pg_temp.failed(pg_temp.token(), 'later') \g /dev/null
select is(pg_temp.job(), 'gave up 15 2 it hurts', 'and is given up in the end');
select is(pg_temp.tokens(), '2800 used, 0 set aside', 'what failed costs nothing');
select is(pg_temp.claimed(), 'nothing', 'aias_worker: claims nothing that was given up');
update public.ai_agents set embedding_model = embedding_model where id = :'agent';
select is(pg_temp.job(), 'due 0 64', 'the setting, written again, tries again');
update queue.embedding_jobs set attempts = 20 where agent_id = :'agent';
select pg_temp.claimed() \g /dev/null
select is(pg_temp.begins(pg_temp.token()), 'nothing', 'what takes its workers along is taken up no more');
select ok(pg_temp.job() ~ '^gave up', 'and says so');

-- Caps and suspension -----------------------------------------------------------------------------------------------------------------------

update public.ai_agents set embedding_model = embedding_model where id = :'agent';
select keep('owner@alpha.test', calling('public.set_spending_cap', :'alpha', '0', :'agent')) \g /dev/null
select pg_temp.claimed() \g /dev/null
select is(pg_temp.begins(pg_temp.token()), 'nothing', 'a cap that is used up lets nothing be embedded');
select ok(pg_temp.job() ~ '^waits 0 64 .*llm_micro_usd', 'it is put off, and says what for');
select is(pg_temp.tokens(), '2800 used, 0 set aside', 'with nothing set aside');
update queue.embedding_jobs set run_at = now();
update public.tenants set status = 'suspended' where id = :'alpha';
select is(pg_temp.claimed(), 'nothing', 'aias_worker: embeds nothing of a tenant that is suspended');
update public.tenants set status = 'active' where id = :'alpha';

-- Questions ---------------------------------------------------------------------------------------------------------------------------------

select keep('owner@alpha.test', calling('public.set_spending_cap', :'alpha', null, :'agent')) \g /dev/null
create function pg_temp.preparing(token bigint) returns text language sql as $$
  select format('select model from queue.prepare_query_embedding(%L, %L, %s, %L, 5)', '01900000-0000-7000-8000-00000000a000',
    '01900000-0000-7000-8000-00000000a0e2', token, '01900000-0000-7000-8000-00000000a0a1')
$$;
select answers('aias_worker', pg_temp.preparing(1), 'openai/tiny', 'has a question embedded as the documents are');
select sees('aias_worker', pg_temp.preparing(0), 0, 'and none by an old token');

\else
select skip('this server has no pgvector', 45);
\endif

select * from finish();
rollback;
