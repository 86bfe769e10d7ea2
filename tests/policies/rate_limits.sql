-- public.rate_limits: keys.manage sees what is set, of its own tenant; the RPC set_rate_limit writes.

begin;
\ir ../fixtures/world.sql
select plan(42);

-- owner, admin, key manager: keys.manage --------------------------------------------------------------------------------------------------

select sees(actor, 'select from public.rate_limits', 1, 'reads the rate limits of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager']) actor;

-- editor, viewer, billing, auditor, keys, stranger, anon --------------------------------------------------------------------------------

select denied(actor, 'select from public.rate_limits', 'reads no rate limit')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'key:robot', 'key:revoked',
                    'stranger@gamma.test', 'anon']) actor;
select denied('owner@beta.test', $$select from public.rate_limits where tenant_id = '01900000-0000-7000-8000-00000000a000'$$,
  'reads no rate limit of Alpha');

-- Nobody writes them by hand --------------------------------------------------------------------------------------------------------------

select denied(actor, $$insert into public.rate_limits (tenant_id, model, requests_per_minute)
  values ('01900000-0000-7000-8000-00000000a000', 'openai/o3', 1)$$, 'sets no rate limit by hand')
  from unnest(array['owner@alpha.test', 'key:manager', 'anon']) actor;
select denied(actor, 'update public.rate_limits set requests_per_minute = 1000', 'changes no rate limit by hand')
  from unnest(array['owner@alpha.test', 'key:manager', 'anon']) actor;
select denied(actor, 'delete from public.rate_limits', 'takes no rate limit away by hand')
  from unnest(array['owner@alpha.test', 'key:manager']) actor;

-- What the table itself holds true --------------------------------------------------------------------------------------------------------

select throws_ok(format('insert into public.rate_limits (tenant_id, api_key_id, model, requests_per_minute, tokens_per_minute) values (%L, %L, %L, %s, %s)',
    :'alpha', api_key, model, coalesce(requests::text, 'null'), tokens), sqlstate::char(5), null, why)
  from (values
    (null::uuid, null, 1, 'null', '23514', 'a limit is of a key or of a model'),
    (null, 'openai/o3', null::integer, 'null', '23514', 'a limit limits something'),
    (null, 'openai/o3', -1, 'null', '23514', 'and is not less than nothing'),
    ('01900000-0000-7000-8000-00000000b0c1', null, 1, 'null', '23503', 'a limit is of no key of another tenant'),
    ('01900000-0000-7000-8000-00000000a0c1', 'openai/gpt-4o', 1, 'null', '23505', 'there is one limit for a key and a model')
  ) wrong (api_key, model, requests, tokens, sqlstate, why);

select * from finish();
rollback;
