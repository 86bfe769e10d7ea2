-- public.search_documents: with agents.read, in the documents of one agent of one's own; and queue.search_documents, the same for a step.

begin;
\ir ../fixtures/world.sql
select plan(18);

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

select * from finish();
rollback;
