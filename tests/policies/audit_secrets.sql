-- What the audit log does not tell: secrets are masked, and what is large is told by its length and digest.

begin;
\ir ../fixtures/world.sql
select plan(43);

select queue.chain_audit(100000) \g /dev/null

-- In a real row: a workflow whose nodes hold what people write into them.
select keep('editor@alpha.test', format('update public.workflows set nodes = %L where name = ''Blank''', jsonb_build_array(jsonb_build_object(
  'id', 'call', 'type', 'action', 'position', '{"x": 0, "y": 0}'::jsonb, 'config', jsonb_build_object('kind', 'http', 'url', 'https://x.test/items',
    'headers', jsonb_build_object('Authorization', 'Bearer sk-4711-1', 'X-Api-Key', 'sk-4711-2', 'Accept', 'text/plain')))))) \g /dev/null
select is_empty($$select from audit.inbox where after::text ~ 'sk-4711'$$, 'no secret of a workflow''s nodes is told');
select is(after #> '{nodes,0,config}', '{"kind": "http", "url": "https://x.test/items",
    "headers": {"Authorization": "(masked)", "X-Api-Key": "(masked)", "Accept": "text/plain"}}', 'and the rest is')
  from audit.inbox where subject = 'workflows';

-- Each way to write one.
select ok(audit.told(jsonb_build_object('config', secret))::text !~ 'sk-4711', 'is masked: ' || secret::text)
  from unnest(array[
    '{"api_key": "sk-4711"}', '{"apiKey": "sk-4711"}', '{"api-key": "sk-4711"}', '{"access_token": "sk-4711"}', '{"client_secret": "sk-4711"}',
    '{"password": "sk-4711"}', '{"passwd": "sk-4711"}', '{"Cookie": "a=sk-4711"}', '{"credentials": {"user": "sk-4711"}}',
      '{"private_key": "sk-4711"}',
    '{"a": {"b": [{"token": "sk-4711"}]}}', '{"tokens": ["sk-4711"]}', '{"AUTHORIZATION": "sk-4711"}',
    '[{"name": "Authorization", "value": "sk-4711"}]', '[{"key": "X-Auth-Token", "value": "sk-4711"}]',
    -- In text.
    '{"X-Auth": "Bearer sk-4711"}', '{"headers": ["Authorization: Basic sk-4711"]}', '"Bearer sk-4711"',
    '{"url": "https://x.test/?page=1&api_key=sk-4711"}', '{"url": "https://x.test/?access_token=sk-4711"}',
    '{"url": "https://user:sk-4711@x.test/"}', '{"prompt": "log in with password=sk-4711"}', '{"body": "{\"token\": \"sk-4711\"}"}'
  ]::jsonb[]) secret;
-- A column that is one.
select ok(audit.told('{"verification_token": "sk-4711", "domain": "x.test"}') = '{"verification_token": "(masked)", "domain": "x.test"}',
  'is masked: a column');

-- What only sounds like it.
select is(audit.told(jsonb_build_object('config', plain)) -> 'config', plain, 'is told: ' || plain::text)
  from unnest(array[
    '{"max_tokens": 100, "temperature": 0.2}', '{"llm_tokens": 5, "executions": null}', '{"input_tokens": 12}', '{"prompt": "the basics of tokens"}',
    '{"token": null}', '{"is_secret": true}', '{"url": "https://x.test/?page=1"}', '["a", 1, null, {}]', '"text"', '12', 'null', '[]', '{}'
  ]::jsonb[]) plain;

-- What is large ---------------------------------------------------------------------------------------------------------------------------

select is(audit.told(jsonb_build_object('text', repeat('x', 1998))) ->> 'text', repeat('x', 1998),
  'a text of 2,000 characters with its quotes is told');
select is(audit.told(jsonb_build_object('text', repeat('x', 1999))),
  jsonb_build_object('text', jsonb_build_object('omitted_bytes', 2001, 'sha256',
    encode(sha256(convert_to('"' || repeat('x', 1999) || '"', 'UTF8')), 'hex'))),
  'a longer one by its length and digest');
select ok(length(audit.told(jsonb_build_object('nodes', jsonb_agg(jsonb_build_object('api_key', 'sk-4711', 'n', n))))::text) < 300,
  'a large drawing too')
  from generate_series(1, 1000) n;
select keep('editor@alpha.test', format('update public.workflows set description = %L where name = ''Blank''', repeat('y', 5000))) \g /dev/null
select ok(after #>> '{description,omitted_bytes}' = '5002' and length(after::text) < 300, 'a row''s large column')
  from audit.inbox where subject = 'workflows' and after ? 'description';

select * from finish();
rollback;
