-- private.cached_answers: what edge-api keeps of a tenant's answers, for those of the tenant who ask the same again.

begin;
\ir ../fixtures/world.sql
select plan(26);

\set reading 'select edge.cached_answer(%L, sha256(%L)) ->> %L'
create function pg_temp.keep_answers(variadic answers text[]) returns void language sql as $$
  select assertions.keep('aias_edge', format('select edge.keep_answers(%L)', (select jsonb_agg(jsonb_build_object(
    'tenant_id', split_part(a, ' ', 1), 'hash', encode(sha256(split_part(a, ' ', 2)::bytea), 'hex'), 'agent_id', nullif(split_part(a, ' ', 4), ''),
    'answer', jsonb_build_object('text', split_part(a, ' ', 3)))) from unnest(answers) a)))
$$;
create function pg_temp.kept() returns bigint language sql as $$ select count(*) from private.cached_answers $$;

-- Off, unless a tenant wants it -----------------------------------------------------------------------------------------------------------

select pg_temp.keep_answers(:'alpha' || ' asked answered') \g /dev/null
select is(pg_temp.kept(), 0::bigint, 'nothing is kept for a tenant that has not asked for it');
select allowed('owner@alpha.test', $$update public.tenants set answer_cache_seconds = 60$$, 1, 'who manages the tenant switches it on');
select denied('viewer@alpha.test', $$update public.tenants set answer_cache_seconds = 60$$, 'does not');
select broken('owner@alpha.test', format('update public.tenants set answer_cache_seconds = %s', seconds), '23514', 'keeps nothing for ' || seconds)
  from unnest(array[0, -1, 2592001]) seconds;
update public.tenants set answer_cache_seconds = 60 where id in (:'alpha', :'beta');

-- edge-api, for its caller ----------------------------------------------------------------------------------------------------------------

select pg_temp.keep_answers(:'alpha' || ' asked first', :'alpha' || ' asked-too other') \g /dev/null
select pg_temp.keep_answers(:'alpha' || ' asked answered') \g /dev/null
select is(pg_temp.kept(), 2::bigint, 'the same question is kept once');
select answers('aias_edge:' || actor, format(:'reading', :'alpha', 'asked', 'text'), 'answered', 'is answered with the latest')
  from unnest(array['owner@alpha.test', 'editor@alpha.test']) actor;
select answers('aias_edge:owner@alpha.test', format(:'reading', :'alpha', 'not asked', 'text'), null, 'knows no answer to another question');
select answers('aias_edge:owner@beta.test', format(:'reading', :'beta', 'asked', 'text'), null, 'is not answered with another tenant''s');
select refused('aias_edge:' || actor, format(:'reading', :'alpha', 'asked', 'text'), status, code, 'is told nothing')
  from (values ('viewer@alpha.test', 403, 'forbidden'), ('owner@beta.test', 404, 'not_found'), ('stranger@gamma.test', 404, 'not_found')) asking (actor, status, code);

-- How long --------------------------------------------------------------------------------------------------------------------------------

update public.tenants set answer_cache_seconds = 3600 where id = :'alpha';
update private.cached_answers set kept_at = now() - interval '10 minutes';
select answers('aias_edge:owner@alpha.test', format(:'reading', :'alpha', 'asked', 'text'), 'answered', 'is answered as long as the tenant wants it now');
update public.tenants set answer_cache_seconds = 60 where id = :'alpha';
select answers('aias_edge:owner@alpha.test', format(:'reading', :'alpha', 'asked', 'text'), null, 'and no longer');
update private.cached_answers set expires_at = now() where hash = sha256('asked');
select queue.sweep() \g /dev/null
select is(pg_temp.kept(), 1::bigint, 'what is over is swept away');
select pg_temp.keep_answers(:'alpha' || ' of-agent x 01900000-0000-7000-8000-00000000a0a1', :'alpha' || ' of-another x 01900000-0000-7000-8000-00000000b0a1') \g /dev/null
select is(pg_temp.kept(), 2::bigint, 'nothing is kept of an agent that the tenant does not have');
update public.ai_agents set description = 'Another one' where tenant_id = :'alpha' and id = '01900000-0000-7000-8000-00000000a0a2';
select is(pg_temp.kept(), 2::bigint, 'another agent''s change is no matter');
update public.ai_agents set description = 'Another one' where tenant_id = :'alpha' and id = '01900000-0000-7000-8000-00000000a0a1';
select is(pg_temp.kept(), 1::bigint, 'what an agent has answered goes when it changes');
update public.tenants set answer_cache_seconds = null where id = :'beta';
select is(pg_temp.kept(), 1::bigint, 'another tenant''s will is no matter');
update public.tenants set answer_cache_seconds = null where id = :'alpha';
select is(pg_temp.kept(), 0::bigint, 'and all of it when the tenant does not want it any more');

-- How much --------------------------------------------------------------------------------------------------------------------------------

update public.tenants set answer_cache_seconds = 60 where id = :'alpha';
select pg_temp.keep_answers(:'alpha' || ' large ' || repeat('x', 65536)) \g /dev/null
select is(pg_temp.kept(), 0::bigint, 'an answer that is too large is left out');
insert into private.cached_answers (tenant_id, hash, answer, kept_at, expires_at)
select :'alpha', sha256(n::text::bytea), '{}', now() - n * interval '1 second', now() + interval '1 day' from generate_series(1, 5000) n;
select pg_temp.keep_answers(:'alpha' || ' newest x') \g /dev/null
select is(pg_temp.kept(), 5000::bigint, 'of more than 5,000 answers');
select ok(exists (select from private.cached_answers where hash = sha256('newest')) and not exists (select from private.cached_answers where hash = sha256('5000')),
  'the oldest go');

select * from finish();
rollback;
