-- rpc verify_audit: audit.read has the chain checked; it finds whatever was done to it.

begin;
\ir ../fixtures/world.sql
select plan(44);

select queue.chain_audit(100000) \g /dev/null
select calling('public.verify_audit', :'alpha') as call \gset

-- owner, admin, key manager: audit.read ---------------------------------------------------------------------------------------------------

select sees(actor, :'call', 0, 'finds nothing wrong with a whole chain')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager']) actor;
select refused('owner@alpha.test', calling('public.verify_audit', null), 404, 'not_found', 'checks no chain of no tenant');

-- editor, viewer, billing, auditor, blind, key robot: members without audit.read ----------------------------------------------------------

select refused(actor, :'call', 403, 'forbidden', 'checks nothing')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot']) actor;

-- the other tenant, keys that are over, stranger ------------------------------------------------------------------------------------------

select refused(actor, :'call', 404, 'not_found', 'finds no such tenant')
  from unnest(array['owner@beta.test', 'key:beta robot', 'key:revoked', 'guest@delta.test', 'stranger@gamma.test']) actor;
select is(body(actor, :'call'), body(actor, replace(:'call', :'alpha', :'nothing')), actor || ': cannot tell Alpha from none')
  from unnest(array['owner@beta.test', 'stranger@gamma.test']) actor;

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'checks nothing');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'checks nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- What it finds: each done by a hand that may switch the triggers off ---------------------------------------------------------------------

create temp table before as select max(seq) as last from audit.log where tenant_id = :'alpha';
select cmp_ok(last, '>', 10::bigint, 'there is a chain to be tampered with') from before;

-- Does it, asks what is found, and takes it back.
create function pg_temp.found_after(tampering text) returns text language plpgsql as $$
declare
  found text;
begin
  begin
    set local session_replication_role = replica;
    execute tampering;
    set local session_replication_role = origin;
    found := (assertions.attempt('owner@alpha.test', $q$select string_agg(problem || ' ' || seq, ', ' order by seq, problem)
      from public.verify_audit('01900000-0000-7000-8000-00000000a000')$q$)).first_value;
    raise exception 'take it back' using errcode = 'AIA01';
  exception when sqlstate 'AIA01' then
    return found;
  end;
end
$$;
select is(pg_temp.found_after(format(done.tampering, :'alpha')), replace(replace(done.found, 'LAST', last::text), 'NEXT', (last + 1)::text),
  'it finds ' || done.what)
  from before, (values
    -- Gone.
    ('an entry that is deleted', 'delete from audit.log where tenant_id = %L and seq = 5', 'missing 6'),
    ('the first that is deleted', 'delete from audit.log where tenant_id = %L and seq = 1', 'missing 2'),
    ('three that are deleted', 'delete from audit.log where tenant_id = %L and seq between 3 and 5', 'missing 6'),
    ('a tail that is cut off', 'delete from audit.log where tenant_id = %L and seq > 5', 'truncated LAST'),
    ('a chain that is gone', 'delete from audit.log where tenant_id = %L', 'truncated LAST'),
    -- Edited.
    ('an action, edited', 'update audit.log set action = ''other'' where tenant_id = %L and seq = 5', 'edited 5'),
    ('an actor, edited', 'update audit.log set actor_id = null, actor_kind = ''user'' where tenant_id = %L and seq = 5', 'edited 5'),
    ('a time, edited', 'update audit.log set at = at + interval ''1 microsecond'' where tenant_id = %L and seq = 5', 'edited 5'),
    ('what was before, edited', 'update audit.log set before = ''{}'' where tenant_id = %L and seq = 5', 'edited 5'),
    ('what was after, edited', 'update audit.log set after = ''{"role": "viewer"}'' where tenant_id = %L and seq = 5', 'edited 5'),
    ('a request, edited', 'update audit.log set request_id = ''other'' where tenant_id = %L and seq = 5', 'edited 5'),
    ('a hash, edited', 'update audit.log set hash = sha256(''x'') where tenant_id = %L and seq = 5', 'edited 5, edited 6'),
    ('the last hash, edited', 'update audit.log l set hash = sha256(''x'') from audit.heads h where l.tenant_id = %L and h.tenant_id = l.tenant_id and h.seq = l.seq',
      'edited LAST, edited LAST'),
    -- Moved.
    ('a pair that is swapped', 'update audit.log set seq = 0 where tenant_id = %1$L and seq = 5;
        update audit.log set seq = 5 where tenant_id = %1$L and seq = 6;
        update audit.log set seq = 6 where tenant_id = %1$L and seq = 0', 'edited 5, edited 6, edited 7'),
    ('what a pair says, swapped', 'update audit.log l
          set action = o.action, after = o.after, before = o.before, subject = o.subject, subject_id = o.subject_id, id = o.id
         from audit.log o
        where l.tenant_id = %1$L and o.tenant_id = %1$L and l.seq in (5, 6) and o.seq = 11 - l.seq', 'edited 5, edited 6'),
    ('one of another tenant in its place', 'delete from audit.log where tenant_id = %1$L and seq = 7;
        update audit.log set tenant_id = %1$L where tenant_id = ''01900000-0000-7000-8000-00000000b000'' and seq = 7', 'edited 7, edited 8'),
    -- Added.
    ('an entry that is slipped in', 'insert into audit.log (tenant_id, seq, at, actor_kind, action, subject, hash)
        select tenant_id, seq, at + interval ''1 second'', ''user'', ''other'', ''x'', hash from audit.log where tenant_id = %L and seq = 5', 'inserted 5'),
    ('one that is put at the end', 'insert into audit.log (tenant_id, seq, at, actor_kind, action, subject, hash)
        select tenant_id, seq + 1, now(), ''user'', ''other'', ''x'', sha256(''x'') from audit.heads where tenant_id = %L', 'edited NEXT, inserted NEXT'),
    ('nothing where nothing was done', 'select from audit.log where tenant_id = %L', null)
  ) done (what, tampering, found);

-- Whoever may do anything writes the whole chain anew, its end included. What was noted elsewhere of it does not fit any more.
create temp table noted as select seq, hash from audit.heads where tenant_id = :'alpha';
set local session_replication_role = replica;
update audit.log set action = 'other' where tenant_id = :'alpha' and seq = 5;
with recursive anew as (
  select l.seq, audit.link(decode(repeat('00', 32), 'hex'), audit.payload(
    l.tenant_id, l.seq, l.id, l.at, l.actor_kind, l.actor_id, l.action, l.subject, l.subject_id, l.before, l.after, l.request_id)) as hash
    from audit.log l where l.tenant_id = :'alpha' and l.seq = 1
  union all
  select l.seq, audit.link(a.hash, audit.payload(
    l.tenant_id, l.seq, l.id, l.at, l.actor_kind, l.actor_id, l.action, l.subject, l.subject_id, l.before, l.after, l.request_id))
    from anew a join audit.log l on l.tenant_id = :'alpha' and l.seq = a.seq + 1
)
update audit.log l set hash = anew.hash
  from anew
 where l.tenant_id = :'alpha' and l.seq = anew.seq;
update audit.heads h set hash = l.hash from audit.log l where h.tenant_id = :'alpha' and l.tenant_id = h.tenant_id and l.seq = h.seq;
set local session_replication_role = origin;
select sees('owner@alpha.test', :'call', 0, 'finds nothing wrong with a chain that is written anew as a whole');
select results_eq(format('select problem, v.seq - n.seq from noted n, audit.verify(%L, n.seq, n.hash) v', :'alpha'),
  $$values ('rewritten', 0::bigint)$$,
  'whoever noted its end before does');

select * from finish();
rollback;
