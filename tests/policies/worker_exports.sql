-- Exports, as aias_worker: all of one tenant's data, none of another's, no secret. queue.next_export, run_next_export, fail_export

begin;
\ir ../fixtures/world.sql
select plan(50);

select queue.chain_audit(100000) \g /dev/null
select is(keep('aias_worker', 'select id from queue.next_export()'), null, 'aias_worker: finds nothing to do');
select is(keep('aias_worker', 'select id from queue.run_next_export()'), null, 'aias_worker: and does nothing');

-- The whole of it -------------------------------------------------------------------------------------------------------------------------

-- More than a chunk of a megabyte.
insert into public.executions (tenant_id, workflow_id, workflow_version, input)
select :'alpha', '01900000-0000-7000-8000-00000000a0f1', 1, jsonb_build_object('text', repeat('x', 400000)) from generate_series(1, 6);
select keep('admin@alpha.test', asking('id', 'public.export_tenant', :'alpha')) as export \gset
select is(keep('aias_worker', 'select tenant_id || '' '' || id from queue.next_export()'), :'alpha' || ' ' || :'export',
  'aias_worker: learns whose is next');
create temp table ran as select keep('aias_worker', 'select lines || '' '' || bytes from queue.run_next_export()') as told;
create temp table lines as
  select l::jsonb ->> 'source' as source, l::jsonb -> 'line' as line, l as text
    from private.export_chunks c, regexp_split_to_table(rtrim(c.content, E'\n'), E'\n') l where c.export_id = :'export';

select results_eq(format('select status, lines || '' '' || bytes, finished_at = now(), expires_at - now(), error
    from public.tenant_exports where id = %L', :'export'),
  $$select 'ready', told, true, interval '7 days', null::text from ran$$, 'it is ready, for 7 days');
select is(count(*) || ' ' || (select sum(octet_length(content)) from private.export_chunks where export_id = :'export'), told,
  'it is as long as it says')
  from lines, ran group by told;
select results_eq(format('select number, content ~ ''\n$'' and octet_length(content) < 2 * 1048576
    from private.export_chunks where export_id = %L order by number', :'export'),
  format('select n::integer, true from generate_series(1, (select count(*) from private.export_chunks where export_id = %L)) n', :'export'),
    'in pieces of whole lines, numbered from 1');
select cmp_ok(count(*), '>', 2::bigint, 'and more than one') from private.export_chunks where export_id = :'export';
select is(keep('owner@alpha.test', format('select string_agg(public.export_chunk(%L, n), '''' order by n) from generate_series(1, 9) n', :'export')),
  (select string_agg(content, '' order by number) from private.export_chunks where export_id = :'export'),
    'owner@alpha.test: reads it as it was written');

-- Each table's rows, all of them and nobody else's.
select results_eq(format('select count(*) from lines where source = %L', c.relname),
    format('select count(*) from public.%I where %I = %L', c.relname, case c.relname when 'tenants' then 'id' else 'tenant_id' end, :'alpha'),
      'it holds all rows of ' || c.relname)
  from pg_catalog.pg_class c
 where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and c.relname <> 'tenant_exports'
   and (c.relname = 'tenants' or exists (select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id'
     and not a.attisdropped));
select set_eq($$select line ->> 'email' from lines where source = 'users'$$,
  format('select u.email from public.users u join public.memberships m on m.user_id = u.id where m.tenant_id = %L', :'alpha'),
    'it holds the profiles of the members');
select results_eq($$select count(*), count(distinct line ->> 'hash') from lines where source = 'audit_log' and line ? 'seq'$$,
  format('select count(*), count(distinct hash) from audit.log where tenant_id = %L', :'alpha'), 'it holds the audit log, hashes included');
select is_empty(format($$select source from lines where coalesce(line ->> 'tenant_id', line ->> 'id') <> %L and source <> 'users'$$, :'alpha'),
  'it holds no row of another tenant');
select is_empty($$select source from lines where text ~ '00000000b000|beta'  and source not in ('users', 'audit_log')$$, 'nor a word of one');

-- No secret.
select is_empty($$select l.source from lines l, private.api_key_hashes h where l.text like '%' || encode(h.hash, 'hex') || '%'$$,
  'it holds no hash of a key');
select is_empty($$select l.source from lines l, private.secret_values v where l.text like '%' || encode(v.ciphertext, 'hex') || '%' or l.text ~ 'last_four|wxyz'$$,
  'nor anything of a secret but its name, and of an own key but its provider');
select is_empty($$select l.source from lines l, private.invitation_tokens t where l.text like '%' || encode(t.hash, 'hex') || '%'$$,
  'nor one of a link');
select is_empty($$select from lines where text ~ 'encrypted_password|\$2b\$'$$, 'nor a password');

-- Told ------------------------------------------------------------------------------------------------------------------------------------

select results_eq(format('select actor_kind, after ->> ''requested_by'', after ->> ''lines'' || '' '' || (after ->> ''bytes'')
    from audit.inbox where action = %L', 'security.exported'),
  format('select ''system'', %L, told from ran', :'admin'), 'the audit log says what was exported, and who asked');

-- What fails: tried again, after the others, five times -----------------------------------------------------------------------------------

select keep('owner@alpha.test', asking('id', 'public.export_tenant', :'alpha')) as failing \gset
update public.tenant_exports set created_at = now() - interval '1 hour' where id = :'failing';
select keep('both@alpha.test', asking('id', 'public.export_tenant', :'beta')) as other \gset
update public.tenant_exports set created_at = now() - interval '1 minute' where id = :'other';
select keep('aias_worker', format('select queue.fail_export(%L, %L, %L)', :'alpha', :'failing', 'disk full')) \g /dev/null
select results_eq(format('select status, attempt, error from public.tenant_exports where id = %L', :'failing'),
  $$values ('queued', 1, 'disk full')$$, 'an attempt that failed is told');
select is(keep('aias_worker', 'select id from queue.next_export()'), :'other', 'aias_worker: others go first');
select keep('aias_worker', format('select queue.fail_export(%L, %L, %L)', :'beta', :'failing', 'strange')) \g /dev/null
select is(attempt, 1, 'nothing fails in the name of another tenant') from public.tenant_exports where id = :'failing';
select keep('aias_worker', format('select queue.fail_export(%L, %L, %L)', :'alpha', :'failing', 'disk full')) from generate_series(1, 4) \g /dev/null
select results_eq(format('select status, attempt, finished_at is not null from public.tenant_exports where id = %L', :'failing'),
  $$values ('failed', 5, true)$$,
  'the fifth is the last');
select allowed('owner@alpha.test', calling('public.export_tenant', :'alpha'), 1, 'may ask for another');

-- What is over ----------------------------------------------------------------------------------------------------------------------------

update public.tenant_exports set expires_at = now() where id = :'export';
select keep('aias_worker', 'select queue.sweep()') \g /dev/null
select is(status, 'expired', 'a file that is over is told so') from public.tenant_exports where id = :'export';
select is_empty(format('select from private.export_chunks where export_id = %L', :'export'), 'and is gone');
select isnt_empty($$select from private.export_chunks where export_id = '01900000-0000-7000-8000-00000000a0ea'$$, 'and no other');
select refused('owner@alpha.test', calling('public.export_chunk', :'export', '1'), 410, 'export_expired', 'reads no more of it');

select * from finish();
rollback;
