-- public.usage: usage.read sees; recording a call writes.

begin;
\ir ../fixtures/world.sql
select plan(57);

-- owner, admin, editor, billing: usage.read ------------------------------------------------------------------------------------------------

select sees(actor, 'select from public.usage', 1, 'reads the usage of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'billing@alpha.test']) actor;
select sees('both@alpha.test', 'select from public.usage', 2, 'reads the usage of both of their tenants');

-- viewer, auditor, blind, stranger, anon: no usage.read --------------------------------------------------------------------------------------

select denied(actor, 'select from public.usage', 'reads no usage')
  from unnest(array['viewer@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'stranger@gamma.test', 'anon']) actor;
select denied('owner@beta.test', $$select from public.usage where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
  'reads no usage of Alpha');
select unreachable('anon', 'select from public.usage', 'cannot even ask for usage');

-- Nobody writes it by hand -------------------------------------------------------------------------------------------------------------

select denied(actor, $$insert into public.usage (tenant_id, idempotency_key, provider, model)
    values ('01900000-0000-7000-8000-00000000a000', 'forged', 'openai', 'gpt-4o')$$, 'forges no call')
  from unnest(array['owner@alpha.test', 'billing@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, 'update public.usage set input_tokens = 0, cost_usd = 0', 'makes no call cheaper')
  from unnest(array['owner@alpha.test', 'billing@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, 'delete from public.usage', 'deletes no call')
  from unnest(array['owner@alpha.test', 'billing@alpha.test', 'viewer@alpha.test', 'owner@beta.test', 'stranger@gamma.test', 'anon']) actor;

-- What the table itself holds true ---------------------------------------------------------------------------------------------------------

select throws_ok($$insert into public.usage (tenant_id, idempotency_key, provider, model)
    values ('01900000-0000-7000-8000-00000000a000', 'execution:a0e3:greet:1', 'openai', 'gpt-4o-mini')$$,
  '23505', null, 'a call is counted once');
select lives_ok($$insert into public.usage (tenant_id, idempotency_key, provider, model)
    values ('01900000-0000-7000-8000-00000000b000', 'execution:a0e3:greet:1', 'openai', 'gpt-4o-mini')$$,
  'a key of one tenant means nothing in another');
select throws_ok($$update public.usage set output_tokens = -1$$, '23514', null, 'a call uses no negative number of tokens');

select * from finish();
rollback;
