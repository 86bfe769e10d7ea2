-- public.audit_log: audit.read sees, chained or not yet; nobody writes it, nobody changes it. What is told in it is in audit.sql.

begin;
\ir ../fixtures/world.sql
select plan(92);

-- Some of the entries in the log, some still to be chained; something of Beta's among both.
select queue.chain_audit(100000) \g /dev/null
update public.tenants set name = name || '!' where subdomain in ('alpha', 'beta', 'guarded');

-- owner, admin, key manager: audit.read ---------------------------------------------------------------------------------------------------

select answers(actor, $$select count(distinct tenant_id) || ' ' || bool_or(seq is not null) || ' ' || bool_or(seq is null) from public.audit_log$$,
  '1 true true',
    'reads the log of their tenant and no other, to its very end')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager']) actor;
select answers('both@alpha.test', 'select count(distinct tenant_id) from public.audit_log', '2', 'reads the logs of both of their tenants');
select answers('admin@alpha.test', $$select action || ' ' || actor_kind || ' ' || (after ->> 'name') from public.audit_log where seq is null$$,
  'tenants.update system Alpha!', 'reads who did what');
select answers('admin@alpha.test', $$select min(seq) || ' ' || (max(seq) = count(seq)) || ' ' || bool_and(hash ~ '^[0-9a-f]{64}$')
  from public.audit_log$$,
  '1 true true', 'reads numbers without gaps, and hashes');

-- editor, viewer, billing, auditor, blind, key robot, stranger, anon ----------------------------------------------------------------------

select denied(actor, 'select from public.audit_log', 'reads no entry')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot',
    'key:revoked', 'key:expired', 'guest@delta.test', 'stranger@gamma.test', 'anon']) actor;
select denied('owner@beta.test', $$select from public.audit_log where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
  'reads no entry of Alpha');
select unreachable('anon', 'select from public.audit_log', 'cannot even ask for entries');

-- Nobody writes it, by the view or behind it ----------------------------------------------------------------------------------------------

select broken(actor, statement, '55000', 'cannot write through the view: ' || left(statement, 6))
  from unnest(array['owner@alpha.test', 'key:manager']) actor, unnest(array[
    $$insert into public.audit_log (tenant_id, action) values ('01900000-0000-7000-8000-00000000a000', 'forged')$$,
    $$update public.audit_log set action = 'forged'$$, 'delete from public.audit_log']) statement;
select unreachable(actor, statement, 'reaches nothing behind the view: ' || left(statement, 20))
  from unnest(array['owner@alpha.test', 'anon', 'service_role', 'aias_worker', 'aias_edge']) actor, unnest(array[
    $$insert into audit.inbox (tenant_id, actor_kind, action, subject) values ('01900000-0000-7000-8000-00000000a000', 'user', 'forged', 'x')$$,
    'delete from audit.inbox', $$update audit.log set action = 'forged'$$, 'delete from audit.log', 'truncate audit.log',
    $$update audit.heads set seq = 0$$, 'select from audit.heads',
    format('select from audit.log_%s', to_char(now() at time zone 'UTC', 'YYYY_MM'))]) statement;

-- Nor does the owner of the tables, by a slip ---------------------------------------------------------------------------------------------

select throws_ok(format(statement, name), '23000', null, 'is append-only for everybody: ' || format(statement, name))
  from unnest(array['audit.inbox', 'audit.log', 'audit.log_default', 'audit.log_' || to_char(now() at time zone 'UTC', 'YYYY_MM'),
                    'audit.log_' || to_char(now() at time zone 'UTC' + interval '1 month', 'YYYY_MM')]) name,
       unnest(array['update %s set action = ''forged''', 'delete from %s', 'truncate %s']) statement;

select * from finish();
rollback;
