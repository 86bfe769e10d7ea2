-- Metering: what no row may be, and that what a tenant used is no member's to write.

begin;
\ir ../fixtures/world.sql
select plan(16);

-- What no event may be --------------------------------------------------------------------------------------------------------------------

create function pg_temp.event(changes jsonb) returns text
language sql as $$
  select format('insert into billing.meter_events select * from jsonb_populate_record(null::billing.meter_events, %L)', jsonb_build_object(
    'tenant_id', '01900000-0000-7000-8000-00000000a000', 'meter', 'executions', 'hour', '2026-01-01T10:00:00Z', 'seq', 1, 'identifier', 'x',
    'event_name', 'runs', 'customer', 'cus_alpha', 'livemode', false, 'value', 1, 'happened_at', '2026-01-01T10:00:00Z', 'state', 'queued',
    'attempts', 0, 'ticket', 0, 'next_attempt_at', '2026-01-01T11:00:00Z', 'created_at', '2026-01-01T11:00:00Z') || changes)
$$;

select lives_ok(pg_temp.event('{}'), 'an event');
select throws_ok(pg_temp.event('{"identifier": "y"}'), '23505', null, 'one event of an hour and a number');
select throws_ok(pg_temp.event('{"seq": 2}'), '23505', null, 'one event of an identifier');
select throws_ok(pg_temp.event(jsonb_build_object('seq', 3, 'identifier', repeat('x', 101))), '23514', null, 'no identifier that Stripe would not take');
select throws_ok(pg_temp.event('{"seq": 3, "identifier": "z", "value": 0}'), '23514', null, 'nothing is no event');
select throws_ok(pg_temp.event('{"seq": 3, "identifier": "z", "value": 1000000000000000}'), '23514', null, 'no value of more than 15 digits');
select throws_ok(pg_temp.event('{"seq": 3, "identifier": "z", "happened_at": "2026-01-01T11:00:00Z"}'), '23514', null, 'it happened in its hour');
select throws_ok(pg_temp.event('{"seq": 3, "identifier": "z", "state": "lost"}'), '23514', null, 'no state that is not drawn');
select throws_ok(pg_temp.event('{"seq": 3, "identifier": "z", "state": "sent"}'), '23514', null, 'what is sent is not due');

-- What is metered -------------------------------------------------------------------------------------------------------------------------

select throws_ok($$update billing.meters set event_name = 'runs' where key = 'executions'$$, '23514', null, 'a meter that is sent says since when');
select throws_ok($$insert into billing.meters (key, unit) values (repeat('x', 40), 'piece')$$, '23514', null, 'the key leaves room for the rest of an identifier');
select cmp_ok(length(concat_ws(':', '01900000-0000-7000-8000-00000000a000', repeat('x', 39), '2026010110', 2147483647)), '<=', 100, 'an identifier is always short enough');
select set_eq('select key from billing.meters where event_name is null', array['executions', 'llm_tokens', 'llm_cost', 'marketplace_usd'], 'nothing is sent until the operator says so');

-- The doors -------------------------------------------------------------------------------------------------------------------------------

select unreachable(actor, 'select billing.count_usage(1)', 'counts nothing') from unnest(array['owner@alpha.test', 'anon']) actor;
select unreachable('aias_worker', $$select billing.settle_meter_event('x', true)$$, 'settles nothing: that is the operator''s to say');

select * from finish();
rollback;
