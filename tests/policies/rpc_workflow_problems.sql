-- rpc workflow_problems: an editor's check of a drawing, which touches nothing.

begin;
\ir ../fixtures/world.sql
select plan(14);

-- owner, viewer, stranger: signed in -----------------------------------------------------------------------------------------------------

select sees(actor, $$select from public.workflow_problems('[]', '[]') where severity = 'error' and pointer ~ '^/nodes' and message <> ''$$, 1,
    'is told what an empty drawing lacks')
  from unnest(array['owner@alpha.test', 'viewer@alpha.test', 'stranger@gamma.test']) actor;
select sees('viewer@alpha.test', $$select p.* from public.workflows w, public.workflow_problems(w.nodes, w.connections) p
    where w.id = '01900000-0000-7000-8000-00000000a0f1' and p.severity = 'error'$$, 0, 'is told that the seeded workflow is fine');
select lives_ok(format('select * from public.workflow_problems(%L, %L)', hostile, hostile), 'answers and does not fail: ' || hostile)
  from unnest(array['{}', 'null', '"text"', 'true', '[null]', '[[[[]]]]', '[{"id": {}}]', '[{"type": "trigger", "config": []}]',
                    '[{"id": "a", "source": 1, "target": null}]']) hostile;

-- anon -----------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', $$select * from public.workflow_problems('[]', '[]')$$, 'cannot ask');

select * from finish();
rollback;
