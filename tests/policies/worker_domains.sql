-- Domain checks, as aias_worker: claimed for a lease, recorded under a fencing token; one tenant has a name. queue.claim_domain_checks,
-- record_domain_check

begin;
\ir ../fixtures/world.sql
select plan(30);

insert into queue.domain_checks (tenant_id, domain_id, tries_left, run_at)
  values (:'beta', '01900000-0000-7000-8000-00000000b0da', 2, now() + interval '1 minute');
create function pg_temp.claimed(who text) returns text language sql as $$
  select coalesce(assertions.keep('aias_worker', format(
    'select string_agg(domain || '':'' || verification_token || '':'' || fencing_token, '' '' order by domain)
       from queue.claim_domain_checks(%L, 10, interval ''30 seconds'')', who)), 'nothing')
$$;
create function pg_temp.recorded(tenant text, domain text, token bigint, verified boolean, error text default null) returns text language sql as $$
  select assertions.keep('aias_worker', format('select queue.record_domain_check(%L, %L, %s, %L, %L)', tenant,
    '01900000-0000-7000-8000-00000000' || domain, token, verified, error))
$$;
create function pg_temp.domain(id text) returns text language sql as $$
  select format('%s %s %s', case when verified_at is null then 'claimed' else 'verified' end, checked_at is not null, check_error)
    from public.tenant_domains d where right(d.id::text, 4) = $1
$$;

-- Claiming --------------------------------------------------------------------------------------------------------------------------------

select is(pg_temp.claimed('w1'), 'www.alpha.test:proof-of-www:1', 'aias_worker: claims what is due, and learns what to look for');
select is(pg_temp.claimed('w2'), 'nothing', 'aias_worker: claims nothing that another holds');

-- Nothing found: looks again, so often ----------------------------------------------------------------------------------------------------

select is(pg_temp.recorded(:'alpha', 'a0db', 0, true), 'false', 'aias_worker: what is recorded by an old token is refused');
select is(pg_temp.recorded(:'beta', 'a0db', 1, true), 'false', 'aias_worker: and what is recorded in the name of another tenant');
select is(pg_temp.domain('a0db'), 'claimed f ', 'neither changes anything');
select is(pg_temp.recorded(:'alpha', 'a0db', 1, false, 'no such record'), 'true', 'aias_worker: records that nothing was found');
select is(pg_temp.domain('a0db'), 'claimed t no such record', 'the domain says why it is not verified');
select results_eq($$select run_at - now(), tries_left, claimed_by from queue.domain_checks where right(domain_id::text, 4) = 'a0db'$$,
  $$values (interval '2 minutes', 29, null::text)$$, 'it is looked at again in two minutes');
update queue.domain_checks set run_at = now() where right(domain_id::text, 4) = 'b0da';
select is(pg_temp.claimed('w1'), 'app.beta.test:proof-of-beta:1', 'aias_worker: claims the next');
update queue.domain_checks set run_at = now() where right(domain_id::text, 4) = 'b0da';
select is(pg_temp.claimed('w2'), 'app.beta.test:proof-of-beta:2', 'aias_worker: claims what nobody recorded in time');
select is(pg_temp.recorded(:'beta', 'b0da', 1, true), 'false', 'aias_worker: who lost the lease proves nothing');
select is(pg_temp.recorded(:'beta', 'b0da', 2, false, 'no such record'), 'true', 'aias_worker: who holds it does');
update queue.domain_checks set run_at = now() where right(domain_id::text, 4) = 'b0da';
select pg_temp.claimed('w2') \g /dev/null
select is(pg_temp.recorded(:'beta', 'b0da', 3, false, 'no such record'), 'true', 'aias_worker: looks for the last time');
select is_empty($$select from queue.domain_checks where right(domain_id::text, 4) = 'b0da'$$, 'and not again until somebody asks');

-- Found -----------------------------------------------------------------------------------------------------------------------------------

update queue.domain_checks set run_at = now() where right(domain_id::text, 4) = 'a0db';
select is(pg_temp.claimed('w1'), 'www.alpha.test:proof-of-www:2', 'aias_worker: looks again');
select is(pg_temp.recorded(:'alpha', 'a0db', 2, true), 'true', 'aias_worker: records that it was found');
select is(pg_temp.domain('a0db'), 'verified t ', 'the domain is verified');
select is_empty('select from queue.domain_checks', 'and nothing is left to look for');
select is(pg_temp.recorded(:'alpha', 'a0db', 2, true), 'false', 'aias_worker: records nothing twice');
select answers('aias_edge', $$select name from edge.tenant_of_host('www.alpha.test', 'aias.test')$$, 'Alpha', 'serves it at once');

-- One that is verified stays so when its name server does not answer.
select keep('owner@alpha.test', calling('public.check_domain', '01900000-0000-7000-8000-00000000a0da')) \g /dev/null
select pg_temp.claimed('w1') \g /dev/null
select is(pg_temp.recorded(:'alpha', 'a0da', 1, false, 'time-out'), 'true', 'aias_worker: records that nobody answered');
select is(pg_temp.domain('a0da'), 'verified t time-out', 'what was verified stays verified, and says what is wrong');

-- Two tenants prove one name: whoever does so last has it ---------------------------------------------------------------------------------

insert into public.tenant_domains (tenant_id, id, domain, verification_token)
  values (:'beta', '01900000-0000-7000-8000-00000000b0db', 'app.alpha.test', 'proof-of-taking');
insert into queue.domain_checks (tenant_id, domain_id, tries_left) values (:'beta', '01900000-0000-7000-8000-00000000b0db', 30);
select is(keep('aias_edge', $$select name from edge.tenant_of_host('app.alpha.test', 'aias.test')$$), 'Alpha', 'a claim alone takes nothing');
select pg_temp.claimed('w1') \g /dev/null
select is(pg_temp.recorded(:'beta', 'b0db', 1, true), 'true', 'aias_worker: records that another has proven it');
select is(pg_temp.domain('b0db'), 'verified t ', 'who proves it has it');
select ok(pg_temp.domain('a0da') ~ '^claimed t .*another', 'who had it is told');
select is(keep('aias_edge', $$select name from edge.tenant_of_host('app.alpha.test', 'aias.test')$$), 'Beta', 'and it is served as theirs');
select results_eq($$select tenant_id::text, after ? 'verified_at' from audit.inbox where subject = 'tenant_domains'
  and subject_id = '01900000-0000-7000-8000-00000000a0da'
    and after -> 'verified_at' = 'null'$$, format('values (%L, true)', :'alpha'), 'which is in the log of who lost it');
select is(pg_temp.domain('a0db'), 'verified t ', 'and nothing else of theirs is touched');

-- A domain that goes takes its check along ------------------------------------------------------------------------------------------------

select keep('owner@alpha.test', calling('public.check_domain', '01900000-0000-7000-8000-00000000a0db')) \g /dev/null
select pg_temp.claimed('w1') \g /dev/null
select keep('owner@alpha.test', calling('public.remove_domain', '01900000-0000-7000-8000-00000000a0db')) \g /dev/null
select is(pg_temp.recorded(:'alpha', 'a0db', 1, true), 'false', 'aias_worker: proves nothing that was given up meanwhile');

select * from finish();
rollback;
