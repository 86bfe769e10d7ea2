-- rpc add_domain: tenant.manage claims a domain, on a plan that has the feature.

begin;
\ir ../fixtures/world.sql
select plan(38);

select calling('public.add_domain', :'alpha', 'shop.alpha.test') as call \gset

-- owner, admin, blind, key manager: tenant.manage -----------------------------------------------------------------------------------------

select answers(actor, asking($$format('%s %s %s', domain, verified_at, length(verification_token) >= 32)$$, 'public.add_domain', :'alpha',
  'shop.alpha.test'),
    'shop.alpha.test  t', 'claims a domain, which is not verified by that')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'blind@alpha.test', 'key:manager']) actor;
select answers('owner@alpha.test', asking('domain', 'public.add_domain', :'alpha', ' Shop.Alpha.Test. '), 'shop.alpha.test',
  'may write it in capitals, with a dot at its end');
select answers('owner@alpha.test', asking('domain', 'public.add_domain', :'alpha', 'xn--bcher-kva.example'), 'xn--bcher-kva.example',
  'claims an international one');
select answers('owner@alpha.test', asking('verified_at is null', 'public.add_domain', :'alpha', 'app.beta.test'), 'true',
  'may claim what another has claimed');
select refused('owner@alpha.test', calling('public.add_domain', :'alpha', bad.domain), bad.status, bad.code, bad.why)
  from (values
    ('app.alpha.test', 409, 'domain_exists', 'claims nothing twice'),
    ('APP.alpha.test.', 409, 'domain_exists', 'claims nothing twice in capitals'),
    ('localhost', 400, 'invalid_domain', 'claims no name without a dot'),
    ('https://shop.alpha.test/x', 400, 'invalid_domain', 'claims no address of a page'),
    ('*.alpha.test', 400, 'invalid_domain', 'claims no wildcard'),
    ('10.0.0.1', 400, 'invalid_domain', 'claims no number'),
    ('', 400, 'invalid_domain', 'claims no empty name'),
    (null, 400, 'invalid_domain', 'claims no null')
  ) bad (domain, status, code, why);
select refused('owner@alpha.test', calling('public.add_domain', null, 'shop.alpha.test'), 404, 'not_found', 'claims nothing for no tenant');

-- The plan: Beta's has no domains of its own ----------------------------------------------------------------------------------------------

select refused('owner@beta.test', calling('public.add_domain', :'beta', 'shop.beta.test'), 402, 'feature_not_in_plan', 'has a plan without domains');
update public.tenants set features = '{custom_domain}' where id = :'beta';
select answers('owner@beta.test', asking('domain', 'public.add_domain', :'beta', 'shop.beta.test'), 'shop.beta.test',
  'has the feature beside the plan');

-- editor, viewer, billing, auditor, key robot: members without tenant.manage --------------------------------------------------------------

select refused(actor, :'call', 403, 'forbidden', 'claims nothing')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'key:robot']) actor;

-- the other tenant, keys that are over, stranger ------------------------------------------------------------------------------------------

select refused(actor, :'call', 404, 'not_found', 'finds no such tenant')
  from unnest(array['owner@beta.test', 'key:beta robot', 'key:revoked', 'guest@delta.test', 'stranger@gamma.test']) actor;
select is(body(actor, :'call'), body(actor, replace(:'call', :'alpha', :'nothing')), actor || ': cannot tell Alpha from none')
  from unnest(array['owner@beta.test', 'stranger@gamma.test']) actor;

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'claims nothing');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'claims nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- What it leaves --------------------------------------------------------------------------------------------------------------------------

select keep('admin@alpha.test', asking('id', 'public.add_domain', :'alpha', 'shop.alpha.test')) as added \gset
select results_eq(format('select run_at <= now(), tries_left, claimed_by from queue.domain_checks where domain_id = %L', :'added'),
  'values (true, 30, null::text)', 'its DNS is looked at soon, for an hour');
select is(created_by::text, :'admin', 'and its row says who claimed it') from public.tenant_domains where id = :'added';
insert into public.tenant_domains (tenant_id, domain, verification_token) select :'alpha', format('d%s.alpha.test', n),
  'x' from generate_series(1, 17) n;
select refused('owner@alpha.test', calling('public.add_domain', :'alpha', 'more.alpha.test'), 409, 'too_many_domains',
  'claims no twenty-first domain');

select * from finish();
rollback;
