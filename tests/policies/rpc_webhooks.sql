-- public.webhook_url, public.rotate_webhook, public.enable_hook_signing, public.disable_hook_signing: for workflows.write. And edge.call_webhook.

begin;
\ir ../fixtures/world.sql
select plan(62);

create temp table rpcs as select unnest(array['public.webhook_url', 'public.rotate_webhook', 'public.enable_hook_signing', 'public.disable_hook_signing']) as name;
create function pg_temp.call(rpc text, workflow text) returns text language sql as $$
  select format('select %s(%L)', rpc, '01900000-0000-7000-8000-00000000' || workflow)
$$;
grant select on rpcs to public;

-- owner, admin, editor: workflows.write ------------------------------------------------------------------------------------------------

select answers(actor, format('select %s ~ %L', replace(pg_temp.call(rpc, 'a0f1'), 'select ', ''), pattern), 'true', rpc || ' answers')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test']) actor,
       (values ('public.webhook_url', '^/hooks/[A-Za-z0-9_-]{43}$'), ('public.rotate_webhook', '^/hooks/[A-Za-z0-9_-]{43}$'),
               ('public.enable_hook_signing', '^aias_hook_[A-Za-z0-9_-]{43}$')) wanted (rpc, pattern);
select allowed('editor@alpha.test', pg_temp.call('public.disable_hook_signing', 'a0f1'), 1, 'switches signing off');
select keep('editor@alpha.test', pg_temp.call('public.webhook_url', 'a0f2')) as first \gset
select answers('owner@alpha.test', pg_temp.call('public.webhook_url', 'a0f2'), :'first', 'is told the same address as everybody, again and again');
select isnt(keep('editor@alpha.test', pg_temp.call('public.rotate_webhook', 'a0f2')), :'first', 'a new address is another one');
select set_config('aias.edge_url', 'https://api.example.com/', true) \g /dev/null
select answers('editor@alpha.test', $$select public.webhook_url('01900000-0000-7000-8000-00000000a0f1') like 'https://api.example.com/hooks/%'$$, 'true',
  'is told the whole address where the operator has said where edge-api is');

-- viewer, billing, auditor, blind, others -----------------------------------------------------------------------------------------------

select refused('viewer@alpha.test', pg_temp.call(name, 'a0f1'), 403, 'forbidden', name || ' is not for those who only see') from rpcs;
select refused(actor, pg_temp.call(name, 'a0f1'), 404, 'not_found', name || ' finds no such workflow')
  from rpcs, unnest(array['billing@alpha.test', 'auditor@alpha.test', 'stranger@gamma.test', 'owner@beta.test']) actor;
select is(body('owner@beta.test', pg_temp.call(name, 'a0f1')), body('owner@beta.test', pg_temp.call(name, 'ffff')),
    'owner@beta.test: cannot tell a foreign workflow from none by ' || name) from rpcs;
select refused('owner@frozen.test', pg_temp.call(name, 'f0f1'), 403, 'tenant_suspended', name || ' changes nothing in a suspended tenant') from rpcs;
select unreachable('anon', pg_temp.call(name, 'a0f1'), name || ' is not for nobody') from rpcs;

-- Where it is kept -----------------------------------------------------------------------------------------------------------------------

select unreachable(actor, 'select token, signing_secret from private.webhooks', 'reads no token and no secret')
  from unnest(array['owner@alpha.test', 'anon', 'service_role', 'aias_edge', 'aias_worker']) actor;

-- edge.call_webhook ------------------------------------------------------------------------------------------------------------------------

update private.webhooks set token_hash = sha256('of the test') where workflow_id = '01900000-0000-7000-8000-00000000a0f2';
create function pg_temp.post(token text) returns text language sql as $$ select format('select edge.call_webhook(%L, %L, %L)', token, '{}', '') $$;
select refused('aias_edge', pg_temp.post('of the test'), 409, 'workflow_not_active', 'a draft has an address and does not start');
select refused('aias_edge', pg_temp.post('of nobody'), 404, 'no_such_hook', 'an address that is nobody''s');
update public.workflows set status = 'active', connections = '[]',
       nodes = '[{"id": "start", "type": "trigger", "config": {"kind": "webhook"}}]' where id = '01900000-0000-7000-8000-00000000a0f2';
select is(keep('aias_edge', pg_temp.post('of the test')), e.id::text, 'a published one starts, by nobody')
  from public.executions e where e.workflow_id = '01900000-0000-7000-8000-00000000a0f2' and e.started_by is null;
select unreachable(actor, pg_temp.post('of the test'), 'starts nothing by the inner door')
  from unnest(array['owner@alpha.test', 'anon', 'service_role', 'aias_worker']) actor;
update public.workflows set nodes = '[{"id": "start", "type": "trigger", "config": {"kind": "webhook", "signed": true}}]'
 where id = '01900000-0000-7000-8000-00000000a0f2';
select refused('aias_edge', pg_temp.post('of the test'), 401, 'signature_missing', 'drawn as signed, it takes nothing else');
select refused('editor@alpha.test', pg_temp.call('public.disable_hook_signing', 'a0f2'), 409, 'signing_is_drawn', 'switches nothing off that is drawn');
select is(keep('owner@alpha.test', pg_temp.call('public.enable_hook_signing', 'a0f2')) <> keep('owner@alpha.test', pg_temp.call('public.enable_hook_signing', 'a0f2')), true,
  'each secret is another one');
select set_eq($$select action from audit.inbox where action like 'security.%hook%'$$,
  array['security.webhook_rotated', 'security.hook_signing_enabled'], 'what is about secrets is in the log');

-- RFC 4231, cases 1 and 6 ------------------------------------------------------------------------------------------------------------------

select is(encode(private.hmac_sha256(decode(repeat('0b', 20), 'hex'), 'Hi There'), 'hex'),
  'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7', 'HMAC by a short key');
select is(encode(private.hmac_sha256(decode(repeat('aa', 131), 'hex'), 'Test Using Larger Than Block-Size Key - Hash Key First'), 'hex'),
  '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54', 'HMAC by a key that is longer than a block');

select * from finish();
rollback;
