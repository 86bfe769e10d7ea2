-- What the audit log tells: who changed what, from what, to what, in which request; and what it leaves out.

begin;
\ir ../fixtures/world.sql
select plan(34);

select queue.chain_audit(100000) \g /dev/null

-- What an actor's statement leaves in the log.
create function pg_temp.told(actor text, statement text) returns table (action text, who text, subject_id text, before jsonb, after jsonb,
  request_id text)
language plpgsql as $$
begin
  perform assertions.keep(actor, statement);
  return query
    select i.action, concat_ws(' ', i.actor_kind, i.actor_id), i.subject_id, i.before, i.after, i.request_id from audit.inbox i order by i.id;
  perform queue.chain_audit(100000);
end
$$;

-- Who, what, before, after, in which request ----------------------------------------------------------------------------------------------

select results_eq($$select * from pg_temp.told('editor@alpha.test', 'update public.workflows set name = ''Renamed'' where name = ''Blank''')$$,
  $$values ('workflows.update', 'user 01900000-0000-7000-8000-0000000000a3', '01900000-0000-7000-8000-00000000a0f3', '{"name": "Blank"}'::jsonb,
    '{"name": "Renamed"}'::jsonb, 'request/editor@alpha.test')$$, 'a change by a person: only what changed');
select results_eq($$select action, who, after -> 'description', request_id
  from pg_temp.told('key:robot', 'update public.workflows set description = ''by a key'' where name = ''Renamed''')$$,
  $$values ('workflows.update', 'api_key 01900000-0000-7000-8000-00000000a0c1', '"by a key"'::jsonb, 'request/key:robot')$$, 'a change by a key');
update public.workflows set name = 'Blank' where name = 'Renamed';
select results_eq('select actor_kind, actor_id, request_id from audit.inbox', $$values ('system', null::uuid, null::text)$$,
  'a change by nobody from outside');
select queue.chain_audit(100000) \g /dev/null
select results_eq($$select action, before, after ->> 'slug', after -> 'tenant_id'
  from pg_temp.told('editor@alpha.test', 'insert into public.ai_agents (tenant_id, name, slug, model)
    values (''01900000-0000-7000-8000-00000000a000'', ''New'', ''new'', ''openai/gpt-4o'')')$$,
  $$values ('ai_agents.insert', null::jsonb, 'new', '"01900000-0000-7000-8000-00000000a000"'::jsonb)$$, 'a new row: all that it says');
select results_eq($$select action, before ->> 'slug', after from pg_temp.told('editor@alpha.test',
  'delete from public.ai_agents where slug = ''new''')$$,
  $$values ('ai_agents.delete', 'new', null::jsonb)$$, 'a row that is gone: all that it said');
select is_empty($$select from pg_temp.told('editor@alpha.test', 'update public.workflows set name = name, description = description')$$,
  'an update that changes nothing leaves no entry');
select is_empty($$select from pg_temp.told('viewer@alpha.test', 'update public.workflows set name = ''Mine''')$$,
  'nor does one that touches nothing');
select results_eq($$select subject_id, action from pg_temp.told('owner@alpha.test',
  'update public.workflows set description = ''all'' where name in (''Blank'', ''Hello'')') order by 1$$,
  $$values ('01900000-0000-7000-8000-00000000a0f1', 'workflows.update'), ('01900000-0000-7000-8000-00000000a0f3', 'workflows.update')$$,
    'each row has its entry');

-- Every table of the team and of its settings.
select results_eq(format('select action, before, %s from pg_temp.told(%L, %L)', change.looked_at, change.actor, change.statement),
    format('values (%L, %L::jsonb, %L::text)', change.action, change.before, change.found), change.action || ': ' || change.statement)
  from (values
    ('admin@alpha.test', calling('public.change_member_role', :'alpha', :'viewer', 'editor'), 'after ->> ''role''', 'memberships.update',
      '{"role": "viewer"}', 'editor'),
    ('admin@alpha.test',
      format('insert into public.roles (tenant_id, key, name, permissions) values (%L, %L, %L, %L)', :'alpha', 'spare', 'Spare', '{agents.read}'),
      'after ->> ''permissions''', 'roles.insert', null, '["agents.read"]'),
    ('admin@alpha.test', 'update public.roles set permissions = ''{agents.read,agents.write}'' where key = ''spare''', 'after ->> ''permissions''',
      'roles.update',
      '{"permissions": ["agents.read"]}', '["agents.read", "agents.write"]'),
    ('admin@alpha.test', calling('public.invite_member', :'alpha', 'new@x.test', 'viewer'), 'after ->> ''email''', 'invitations.insert', null,
      'new@x.test'),
    ('guest@delta.test', calling('public.decline_invitation', 'token of a0b1'), '(after ->> ''declined_at'' is not null)::text',
      'invitations.update', '{"declined_at": null}', 'true'),
    ('admin@alpha.test', calling('public.create_api_key', :'alpha', 'CI', '{agents.read}'), 'after ->> ''name''', 'api_keys.insert', null, 'CI'),
    ('admin@alpha.test', calling('public.revoke_api_key', '01900000-0000-7000-8000-00000000a0c1'), '(after ->> ''revoked_at'' is not null)::text',
      'api_keys.update', '{"revoked_at": null}', 'true'),
    ('admin@alpha.test', calling('public.add_domain', :'alpha', 'shop.alpha.test'), 'after ->> ''domain''', 'tenant_domains.insert', null,
      'shop.alpha.test'),
    ('admin@alpha.test', 'update public.tenants set name = ''Alpha!''', 'after ->> ''name''', 'tenants.update', '{"name": "Alpha"}', 'Alpha!')
  ) change (actor, statement, looked_at, action, before, found);
select results_eq(format('select action, who, after from pg_temp.told(%L, %L)', 'editor@alpha.test',
  calling('public.cancel_execution', '01900000-0000-7000-8000-00000000a0e1')),
  $$values ('executions.cancel', 'user 01900000-0000-7000-8000-0000000000a3', null::jsonb)$$, 'who ended an execution');

-- The request -----------------------------------------------------------------------------------------------------------------------------

create function pg_temp.request_id(headers text) returns text language plpgsql as $$
begin
  perform set_config('request.headers', headers, true);
  return private.request_id();
end
$$;
select is(pg_temp.request_id(headers), wanted, coalesce('the request of headers ' || left(headers, 40), 'no headers'))
  from (values ('{"x-request-id": "7b0c-1"}', '7b0c-1'), ('{"x-request-id": "a\"b c\n<d>"}', 'abcd'), ('{"x-request-id": ""}', null),
    ('{"x-request-id": " "}', null), ('{}', null), ('[]', null), ('not json', null), ('', null),
               ('{"X-Request-Id": "7b0c-1"}', null)) asked (headers, wanted);
select cmp_ok(octet_length(to_jsonb(coalesce(pg_temp.request_id(jsonb_build_object('x-request-id', repeat(long, 500))::text), ''))::text), '<=', 260,
    'a request id is short, in bytes and as JSON: ' || to_jsonb(long)::text)
  from unnest(array['x', '"', chr(1), chr(128512)]) long;
select set_config('request.headers', '', true) \g /dev/null

-- Sign-ins, and the first use of a key ----------------------------------------------------------------------------------------------------

update auth.users set last_sign_in_at = now() where email in ('both@alpha.test', 'stranger@gamma.test');
select results_eq($$select tenant_id, action, actor_id from audit.inbox order by tenant_id$$, format(
    $$values (%1$L::uuid, 'security.sign_in', %3$L::uuid), (%2$L, 'security.sign_in', %3$L)$$, :'alpha', :'beta', :'both'),
  'a sign-in is told in each tenant that the person belongs to, and nowhere else');
select queue.chain_audit(100000) \g /dev/null
update auth.users set last_sign_in_at = last_sign_in_at, updated_at = now() where email = 'both@alpha.test';
select is_empty('select from audit.inbox', 'another change of an account is no sign-in');
select keep('aias_edge', $$select edge.authenticate_key(sha256('text of frozen robot'))$$) from generate_series(1, 3) \g /dev/null
select results_eq('select tenant_id::text, action, actor_kind, actor_id::text, subject_id from audit.inbox', format(
    $$values (%L, 'security.key_first_used', 'api_key', '01900000-0000-7000-8000-00000000f0c1', '01900000-0000-7000-8000-00000000f0c1')$$, :'frozen'),
  'a key''s first use is told, once, and its last use is not');

select * from finish();
rollback;
