-- The chain, as aias_worker: what is in the inbox goes to the end of its tenant's chain, numbered without gaps. queue.chain_audit, public.audit_log

begin;
\ir ../fixtures/world.sql
select plan(30);

-- All there is ----------------------------------------------------------------------------------------------------------------------------

create temp table waiting as select * from audit.inbox;
select cmp_ok(count(*), '>', 50::bigint, 'there is something to be chained') from waiting;
select is_empty('select from audit.log', 'and nothing was before');
select is(keep('aias_worker', 'select queue.chain_audit(10)'), '10', 'aias_worker: chains as many as it is told to');
select is(keep('aias_worker', 'select queue.chain_audit(0)'), '0', 'aias_worker: none when it is told none');
select is(keep('aias_worker', 'select queue.chain_audit(100000)')::bigint, count(*) - 10, 'aias_worker: says how many it has chained') from waiting;
select is(keep('aias_worker', 'select queue.chain_audit(100000)'), '0', 'aias_worker: chains nothing twice');
select is_empty('select from audit.inbox', 'nothing waits any more');
select set_eq('select tenant_id, id, at, actor_kind, actor_id, action, subject, subject_id, before, after, request_id from audit.log',
  'select tenant_id, id, at, actor_kind, actor_id, action, subject, subject_id, before, after, request_id from waiting',
    'every entry says what it said');
select is_empty('select tenant_id from audit.log group by 1 having min(seq) <> 1 or max(seq) <> count(*) or count(distinct seq) <> count(*)',
  'each tenant''s are numbered from 1 without a gap');
select results_eq('select tenant_id, seq, hash from audit.heads order by 1',
  'select distinct on (tenant_id) tenant_id, seq, hash from audit.log order by tenant_id, seq desc',
  'each chain''s end is known');
select is_empty('select t.id from public.tenants t, audit.verify(t.id)', 'each chain is whole');

-- The hash, computed by somebody else: SHA-256 over the hash before and a text that can be built from the row alone.
select is(l.hash, sha256(decode(repeat('00', 32), 'hex') || convert_to(jsonb_build_array(l.tenant_id, 1, l.id,
  (extract(epoch from l.at) * 1000000)::bigint, l.actor_kind,
    l.actor_id, l.action, l.subject, l.subject_id, l.before, l.after, l.request_id)::text, 'UTF8')), 'the first hash begins with 32 zero bytes')
  from audit.log l where l.tenant_id = :'alpha' and l.seq = 1;
set local timezone = 'Asia/Kathmandu';
select is_empty(format('select from audit.verify(%L)', :'alpha'), 'a chain is whole in any time zone');
set local timezone = 'UTC';

-- It goes on where it ended ---------------------------------------------------------------------------------------------------------------

update public.tenants set name = name || '!' where subdomain in ('alpha', 'beta');
update public.tenants set name = name || '!' where subdomain = 'alpha';
select is(keep('aias_worker', 'select queue.chain_audit(100000)'), '3', 'aias_worker: chains what came since');
select is_empty('select t.id from public.tenants t, audit.verify(t.id)', 'each chain is whole');
select is(string_agg(after ->> 'name', ' ' order by seq), 'Alpha! Alpha!!', 'in the order of time') from audit.log
 where tenant_id = :'alpha' and seq > (select count(*) from waiting where tenant_id = :'alpha');

-- Months ----------------------------------------------------------------------------------------------------------------------------------

select set_has($$select c.relname::text from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
  where i.inhparent = 'audit.log'::regclass$$,
  $$select 'log_' || to_char(date_trunc('month', now() at time zone 'UTC') + make_interval(months => n), 'YYYY_MM')
    from generate_series(0, 3) n union all select 'log_default'$$,
  'there is a partition for this month, for three to come and for what is in none');
select is_empty('select from audit.log_default', 'nothing is in the last one');
do $$
begin
  execute format('drop table audit.%I', 'log_' || to_char(now() at time zone 'UTC' + interval '3 months', 'YYYY_MM'));
end
$$;
select keep('aias_worker', 'select queue.sweep()') from generate_series(1, 2) \g /dev/null
select isnt(to_regclass('audit.log_' || to_char(now() at time zone 'UTC' + interval '3 months', 'YYYY_MM')), null,
  'a month to come is made by the sweep, once');
select is_empty($$select c.oid::regclass from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
   where i.inhparent = 'audit.log'::regclass and not c.relrowsecurity$$, 'each has row-level security');
select is_empty($$select c.oid::regclass, acl.grantee::regrole from pg_catalog.pg_inherits i
  join pg_catalog.pg_class c on c.oid = i.inhrelid, lateral aclexplode(c.relacl) acl
   where i.inhparent = 'audit.log'::regclass and acl.grantee <> c.relowner$$, 'none is anybody''s by itself');
insert into audit.inbox (tenant_id, at, actor_kind, action, subject) values (:'alpha', '2001-01-01', 'system', 'test.old', 'x'),
  (:'alpha', '2101-01-01', 'system', 'test.new', 'x');
select is(keep('aias_worker', 'select queue.chain_audit(100000)'), '2', 'aias_worker: refuses no entry because of its time');
select is(count(*), 2::bigint, 'they are kept where there is room for them') from audit.log_default;
select is_empty('select t.id from public.tenants t, audit.verify(t.id)', 'and each chain is whole');

-- What is noted of refusals ---------------------------------------------------------------------------------------------------------------

select attempt('admin@alpha.test', calling('public.change_member_role', :'alpha', :'admin', 'owner')) \g /dev/null
select attempt('admin@alpha.test', calling('public.invite_member', :'alpha', 'new@x.test', 'owner')) \g /dev/null
select attempt('key:manager', calling('public.create_api_key', :'alpha', 'More', '{billing.read}')) \g /dev/null
select is_empty('select from audit.inbox', 'a refusal takes everything back');
select keep('aias_worker', 'select queue.chain_audit(100000)') as chained \gset
select is(:'chained', case when keeps_notes() then '3' else '0' end, 'aias_worker: and what was noted of it is chained, where it was');
select set_eq($$select actor_kind, actor_id, subject, before, after, request_id from audit.log where action = 'security.escalation_denied'$$,
  format($$
    select * from (values
      ('user', %1$L::uuid, 'memberships', null::jsonb, '{"missing": ["billing.manage", "tenant.close"]}'::jsonb, 'request/admin@alpha.test'),
      ('user', %1$L, 'invitations', null, '{"missing": ["billing.manage", "tenant.close"]}', 'request/admin@alpha.test'),
      ('api_key', '01900000-0000-7000-8000-00000000a0c2', 'api_keys', null, '{"missing": ["billing.read"]}', 'request/key:manager')) noted
     where assertions.keeps_notes()$$, :'admin'), 'it says who wanted what, and in which request');
select is(keep('aias_worker', 'select queue.chain_audit(100000)'), '0', 'aias_worker: enters no note twice');
select answers('owner@alpha.test', $$select count(*) from public.audit_log where action = 'security.escalation_denied'$$,
  case when keeps_notes() then '3' else '0' end,
  'reads what was tried');
-- A note of a tenant that is gone meanwhile is nobody's.
select aias.note(jsonb_build_object('action', 'security.escalation_denied', 'tenant_id', :'nothing', 'subject', 'x', 'actor', '{"kind": "user"}'::jsonb))
\g /dev/null
select is(keep('aias_worker', 'select queue.chain_audit(100000)'), '0', 'aias_worker: enters no note of a tenant that is not there');

select * from finish();
rollback;
