-- rpc invoice_preview: billing.read and billing.manage see what the open period comes to.

begin;
\ir ../fixtures/world.sql
select plan(24);

select format('select from public.invoice_preview(%L)', '01900000-0000-7000-8000-00000000a000') as call \gset

-- owner, admin, billing: one of the two ---------------------------------------------------------------------------------------------------

select sees(actor, :'call', 1, 'sees what it comes to') from unnest(array['owner@alpha.test', 'admin@alpha.test', 'billing@alpha.test']) actor;
select answers('owner@alpha.test', $$select p ->> 'total_before_tax' from public.invoice_preview('01900000-0000-7000-8000-00000000a000') p$$, '0',
  'has nothing to pay without a subscription that decides');

-- editor, viewer, auditor, keys: members without either ------------------------------------------------------------------------------------

select refused(actor, :'call', 403, 'forbidden', 'sees nothing of it')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'auditor@alpha.test', 'key:robot', 'key:manager']) actor;

-- the other tenant, keys that are over, stranger ------------------------------------------------------------------------------------------

select refused(actor, :'call', 404, 'not_found', 'finds no such tenant')
  from unnest(array['owner@beta.test', 'key:beta robot', 'key:revoked', 'guest@delta.test', 'stranger@gamma.test']) actor;
select refused('owner@alpha.test', 'select from public.invoice_preview(null)', 404, 'not_found', 'sees nothing of no tenant');

-- anon and the services -------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'cannot ask');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'cannot ask by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;
select unreachable(actor, replace(:'call', 'public.', 'billing.'), 'cannot ask at the source')
  from unnest(array['owner@alpha.test', 'billing@alpha.test', 'aias_worker', 'aias_edge']) actor;

select * from finish();
rollback;
