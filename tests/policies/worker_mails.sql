-- The outbox, as aias_worker: a mail is claimed for a lease, gets its token, and is recorded once. queue.claim_mails, mail_token, record_mail

begin;
\ir ../fixtures/world.sql
select plan(40);

select id as mail from queue.mails where subject_id = '01900000-0000-7000-8000-00000000a0b1' \gset
create function pg_temp.claimed(who text) returns text language sql as $$
  select coalesce(string_agg(c, ' ' order by c), 'nothing') from unnest(string_to_array(assertions.keep('aias_worker', format(
    'select string_agg(right(tenant_id::text, 4) || '':'' || fencing_token || '':'' || attempt, '' '')
       from queue.claim_mails(%L, 10, interval ''30 seconds'')', who)), ' ')) c
$$;
create function pg_temp.token(tenant text, token bigint, secret text, mail text default null) returns text language sql as $$
  select assertions.keep('aias_worker', format('select queue.mail_token(%L, %L, %s, sha256(%L))', tenant,
    coalesce(mail, (select id::text from queue.mails where subject_id = '01900000-0000-7000-8000-00000000a0b1')), token, secret))
$$;
create function pg_temp.recorded(worker text, token bigint, outcome text, error text default null,
  retry_at timestamptz default null) returns text language sql as $$
  select assertions.keep('aias_worker', format('select queue.record_mail(%L, %L, %L, %s, %L, %L, %L)', worker, '01900000-0000-7000-8000-00000000a000',
    (select id from queue.mails where subject_id = '01900000-0000-7000-8000-00000000a0b1'), token, outcome, error, retry_at))
$$;

-- Claiming --------------------------------------------------------------------------------------------------------------------------------

select ok(keep('aias_worker', 'select queue.next_mail_due()')::timestamptz <= now(), 'aias_worker: learns that mails are due');
select is(pg_temp.claimed('w1'), 'a000:1:1 b000:1:1', 'aias_worker: claims what is due, of every tenant');
select is(pg_temp.claimed('w2'), 'nothing', 'aias_worker: claims nothing that another holds');
select ok(keep('aias_worker', 'select queue.next_mail_due()')::timestamptz > now(), 'aias_worker: learns when the leases end');
select results_eq($$select status, claimed_by, run_at - now() from queue.mails$$,
  $$values ('queued', 'w1', interval '30 seconds'), ('queued', 'w1', interval '30 seconds')$$,
  'a claim is a lease');

-- The token: a hash, for who holds the lease, while the invitation is pending -------------------------------------------------------------

select is(pg_temp.token(:'alpha', 1, 'first link'), 'true', 'aias_worker: keeps the hash of the token that it sends');
select is(pg_temp.token(:'alpha', 0, 'late link'), 'false', 'aias_worker: keeps none by an old fencing token');
select is(pg_temp.token(:'beta', 1, 'strange link'), 'false', 'aias_worker: keeps none of one tenant in the name of another');
select is(pg_temp.token(:'alpha', 1, 'no link', :'nothing'), 'false', 'aias_worker: keeps none of a mail that is not there');
select throws_ok($$select assertions.keep('aias_worker', format('select queue.mail_token(%L, %L, 1, %L)', '01900000-0000-7000-8000-00000000a000',
  (select id from queue.mails where subject_id = '01900000-0000-7000-8000-00000000a0b1'), 'the token itself'))$$, '23514', null,
    'aias_worker: keeps no token as it is');
select answers('guest@delta.test', asking('role', 'public.accept_invitation', 'first link'), 'viewer', 'accepts by the link that was mailed');

-- Recording: by the holder, once ----------------------------------------------------------------------------------------------------------

select is(pg_temp.recorded('w2', 1, 'sent'), 'false', 'aias_worker: what one that does not hold it records is refused');
select is(pg_temp.recorded('w1', 0, 'sent'), 'false', 'aias_worker: and what is recorded by an old token');
select is(pg_temp.recorded('w1', 1, 'retry', '451 try later', now() + interval '1 minute'), 'true', 'aias_worker: tries again later');
select results_eq($$select status, run_at - now(), claimed_by, error, finished_at from queue.mails
  where subject_id = '01900000-0000-7000-8000-00000000a0b1'$$,
  $$values ('queued', interval '1 minute', null::text, '451 try later', null::timestamptz)$$, 'then it waits until that time');
select is(delivery_error, '451 try later', 'and the invitation says why') from public.invitations where id = '01900000-0000-7000-8000-00000000a0b1';
select is(pg_temp.recorded('w1', 1, 'sent'), 'false', 'aias_worker: records nothing twice');

-- A worker that died: the lease is over, and another begins again, under the same key.
update queue.mails set run_at = now() where id = :'mail';
select is(pg_temp.claimed('w2'), 'a000:2:2', 'aias_worker: claims what is due again');
update queue.mails set run_at = now() where id = :'mail';
select is(pg_temp.claimed('w3'), 'a000:3:3', 'aias_worker: claims what nobody recorded in time');
select is(pg_temp.token(:'alpha', 2, 'late link'), 'false', 'aias_worker: who lost the lease sends nothing');
select is(pg_temp.recorded('w2', 2, 'sent'), 'false', 'aias_worker: and records nothing');
select is(pg_temp.token(:'alpha', 3, 'third link'), 'true', 'aias_worker: each sending has a token of its own');
select is(pg_temp.recorded('w3', 3, 'sent'), 'true', 'aias_worker: records that it was sent');
select results_eq($$select status, finished_at = now(), error from queue.mails where subject_id = '01900000-0000-7000-8000-00000000a0b1'$$,
  $$values ('sent', true, null::text)$$, 'it has gone');
select results_eq($$select sent_at = now(), delivery_error from public.invitations where id = '01900000-0000-7000-8000-00000000a0b1'$$,
  'values (true, null::text)',
  'and the invitation says so');
select is(pg_temp.token(:'alpha', 3, 'fourth link'), 'false', 'aias_worker: sends no more of what has gone');
select answers('guest@delta.test', asking('role', 'public.accept_invitation', link), 'viewer', 'accepts by either link: ' || link)
  from unnest(array['first link', 'third link']) link;
select results_eq($$select distinct idempotency_key ~ '^invitation:01900000-0000-7000-8000-00000000a0b1:' from queue.mails
  where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
  'values (true)', 'all under one key');

-- What has become pointless ---------------------------------------------------------------------------------------------------------------

savepoint before;
update queue.mails set status = 'queued', finished_at = null, claimed_by = 'w3' where id = :'mail';
update public.invitations set expires_at = now() where id = '01900000-0000-7000-8000-00000000a0b1';
select is(pg_temp.token(:'alpha', 3, 'late link'), 'false', 'aias_worker: sends no invitation that is over');
select is(pg_temp.recorded('w3', 3, 'dropped'), 'true', 'aias_worker: drops it');
rollback to before;
-- Somebody accepted between the claim and the sending, and the mail is still there.
update queue.mails set status = 'queued', finished_at = null, claimed_by = 'w3' where id = :'mail';
set local session_replication_role = replica;
update public.invitations set accepted_at = now() where id = '01900000-0000-7000-8000-00000000a0b1';
set local session_replication_role = origin;
select is(pg_temp.token(:'alpha', 3, 'late link'), 'false', 'aias_worker: sends no invitation that was accepted');
rollback to before;
update queue.mails set status = 'queued', finished_at = null, claimed_by = 'w3' where id = :'mail';
select keep('admin@alpha.test', calling('public.revoke_invitation', '01900000-0000-7000-8000-00000000a0b1')) \g /dev/null
select is(pg_temp.token(:'alpha', 3, 'late link'), 'false', 'aias_worker: sends no invitation that was withdrawn');
select is(pg_temp.recorded('w3', 3, 'sent'), 'false', 'aias_worker: it was dropped meanwhile');
select is(status, 'dropped', 'a withdrawal drops what is still to be sent') from queue.mails where id = :'mail';

-- What the table itself holds true --------------------------------------------------------------------------------------------------------

select throws_ok(format('update queue.mails set status = %L, finished_at = %L where id = %L', bad.status, bad.finished_at, :'mail'), '23514', null,
  bad.why)
  from (values ('lost', now()::text, 'a mail has no status that nobody drew'), ('sent', null, 'a mail that has gone says when'),
    ('queued', now()::text, 'one that waits has not gone')) bad (status, finished_at, why);
select throws_ok($$insert into queue.mails (tenant_id, idempotency_key, template, recipient)
  select tenant_id, idempotency_key, template, recipient from queue.mails$$, '23505', null, 'a mail is promised once');

-- Housekeeping.
update queue.mails set finished_at = now() - interval '31 days' where id = :'mail';
select keep('aias_worker', 'select queue.sweep()') \g /dev/null
select is(count(*), 1::bigint, 'a mail goes 30 days after it was finished, one that waits does not') from queue.mails;

select * from finish();
rollback;
