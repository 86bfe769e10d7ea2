-- Who may write nothing writes nothing: every exposed table, each operation, as granted and with whole tables granted.

begin;
\ir ../fixtures/world.sql
\ir ../fixtures/every_write.sql

create temp table actors as
  select * from unnest(array['viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'key:expired', 'key:revoked', 'guest@delta.test',
    'stranger@gamma.test', 'owner@beta.test', 'key:beta robot', 'anon', 'service_role']) as actors (actor);

-- A service role may be trusted with row-level security switched off by its operator; what is granted to it here is nothing.
select plan(((select count(*) from assertions.every_write(:'alpha')) * ((select count(*) from actors) * 2 - 1))::integer + 1);

select cmp_ok(count(*), '>=', 39::bigint, 'there are writes to try') from assertions.every_write(:'alpha');

select denied(actor, statement, operation || ' no row of Alpha in ' || name)
  from assertions.every_write(:'alpha'), actors where actor <> 'service_role';
select unreachable(actor, statement, operation || ' no row of Alpha in ' || name)
  from assertions.every_write(:'alpha'), actors where actor = 'service_role';

select * from finish();
rollback;
