-- rpc quota_status: usage.read sees what its tenant has used.

begin;
\ir ../fixtures/world.sql
select plan(13);

-- owner, admin, editor, billing: usage.read ------------------------------------------------------------------------------------------------

select sees(actor, $$select from public.quota_status('01900000-0000-7000-8000-00000000a000')$$, 5, 'sees the five meters of their tenant')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'billing@alpha.test']) actor;
select answers('owner@beta.test', $$select format('%s %s %s %s', kind, quota_limit, used, remaining)
    from public.quota_status('01900000-0000-7000-8000-00000000b000') where meter = 'workflows'$$, 'stock 3 1 2', 'sees what is left');
select answers('owner@beta.test', $$select resets_at > now()
    from public.quota_status('01900000-0000-7000-8000-00000000b000') where meter = 'executions'$$, 'true', 'sees when a flow begins anew');

-- viewer, auditor, stranger, the other tenant: as if there were no such tenant ---------------------------------------------------------------

select refused(actor, $$select * from public.quota_status('01900000-0000-7000-8000-00000000a000')$$, 404, 'not_found', 'sees nothing of Alpha''s plan')
  from unnest(array['viewer@alpha.test', 'auditor@alpha.test', 'stranger@gamma.test', 'owner@beta.test']) actor;
select is(
  body('owner@beta.test', $$select * from public.quota_status('01900000-0000-7000-8000-00000000a000')$$),
  body('owner@beta.test', $$select * from public.quota_status('01900000-0000-7000-8000-00000000ffff')$$),
  'owner@beta.test: cannot tell a foreign tenant from none');
select refused('owner@alpha.test', 'select * from public.quota_status(null)', 404, 'not_found', 'sees nothing of no tenant');

-- anon -----------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', $$select * from public.quota_status('01900000-0000-7000-8000-00000000a000')$$, 'cannot ask');

select * from finish();
rollback;
