-- rpc check_domain: tenant.manage has the DNS of a domain looked at again.

begin;
\ir ../fixtures/world.sql
select plan(26);

select calling('public.check_domain', '01900000-0000-7000-8000-00000000a0db') as call \gset

-- owner, admin, blind, key manager: tenant.manage -----------------------------------------------------------------------------------------

select answers(actor, asking('domain', 'public.check_domain', '01900000-0000-7000-8000-00000000a0db'), 'www.alpha.test', 'has it looked at')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'blind@alpha.test', 'key:manager']) actor;
select refused('owner@alpha.test', calling('public.check_domain', null), 404, 'not_found', 'has nothing looked at without an id');

-- editor, viewer, billing, auditor, key robot: members without tenant.manage --------------------------------------------------------------

select refused(actor, :'call', 403, 'forbidden', 'has nothing looked at')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'key:robot']) actor;

-- the other tenant, keys that are over, stranger ------------------------------------------------------------------------------------------

select refused(actor, :'call', 404, 'not_found', 'finds no such domain')
  from unnest(array['owner@beta.test', 'key:beta robot', 'key:revoked', 'guest@delta.test', 'stranger@gamma.test']) actor;
select is(body(actor, :'call'), body(actor, replace(:'call', 'a0db', 'ffff')), actor || ': cannot tell a foreign domain from none')
  from unnest(array['owner@beta.test', 'stranger@gamma.test']) actor;

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'has nothing looked at');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'has nothing looked at by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- What it leaves --------------------------------------------------------------------------------------------------------------------------

update queue.domain_checks set run_at = now() + interval '2 minutes', tries_left = 3 where domain_id = '01900000-0000-7000-8000-00000000a0db';
select keep('admin@alpha.test', :'call') \g /dev/null
select results_eq($$select run_at <= now(), tries_left from queue.domain_checks where domain_id = '01900000-0000-7000-8000-00000000a0db'$$,
  'values (true, 30)', 'a look that waits is brought forward, and another hour begins');
select keep('admin@alpha.test', calling('public.check_domain', '01900000-0000-7000-8000-00000000a0da')) \g /dev/null
select isnt_empty($$select from queue.domain_checks where domain_id = '01900000-0000-7000-8000-00000000a0da'$$,
  'one that is verified is looked at too');
select ok(verified_at is not null, 'and stays verified meanwhile') from public.tenant_domains where id = '01900000-0000-7000-8000-00000000a0da';

-- DNS is somebody else's: it is not asked without end.
select count(*) from generate_series(1, 30) where aias.rate_limit('domain checks:' || :'alpha', 30, interval '10 minutes') \g /dev/null
select refused('owner@alpha.test', :'call', 429, 'rate_limited', 'has it looked at no thirty-first time in ten minutes');

select * from finish();
rollback;
