-- What the tools of an agent that is asked through edge-api need: edge.agent_functions, edge.call_agent_function, edge.agent_secrets

begin;
\ir ../fixtures/world.sql
select plan(36);

create table public.orders (tenant_id uuid not null, number integer not null, primary key (tenant_id, number));
alter table public.orders enable row level security;
grant select on public.orders to authenticated;
create policy "members read orders" on public.orders for select to authenticated using (aias.among(tenant_id, (select aias.tenants_with('agents.read'))));
insert into public.orders values (:'alpha', 1), (:'alpha', 2), (:'beta', 3);
create function public.find_orders() returns setof integer language sql stable set search_path = '' as $$ select number from public.orders order by 1 $$;
create function public.who_am_i() returns text language sql stable set search_path = '' as $$
  select concat_ws(' ', current_user, auth.uid(), auth.jwt() ->> 'aal', current_setting('transaction_read_only')) $$;
create function public.not_for_agents() returns integer language sql stable set search_path = '' as $$ select 1 $$;
grant execute on function public.find_orders(), public.who_am_i(), public.not_for_agents() to authenticated;
select private.allow_agent_function('public.find_orders()', 'Finds orders.', '{"type": "object"}') \g /dev/null
select private.allow_agent_function('public.who_am_i()', 'Says who asks.', '{"type": "object"}') \g /dev/null

-- What a model is told --------------------------------------------------------------------------------------------------------------------

\set looking 'select string_agg(name || '': '' || description, '', '' order by name) from edge.agent_functions(%L, %L)'
select answers('aias_edge:' || actor, format(:'looking', :'alpha', '{find_orders,who_am_i}'), 'find_orders: Finds orders., who_am_i: Says who asks.', 'is told of both')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test']) actor;
select refused('aias_edge:' || actor, format(:'looking', :'alpha', '{find_orders}'), status, code, why)
  from (values
    ('key:robot', 403, 'forbidden', 'may call no models'),
    ('both@alpha.test', 403, 'person_required', 'is of two tenants, which it could mix'),
    ('owner@beta.test', 404, 'not_found', 'is no member'), ('stranger@gamma.test', 404, 'not_found', 'is nobody''s member'),
    ('key:revoked', 404, 'not_found', 'is no key any more')
  ) asking (actor, status, code, why);
update public.api_keys set scopes = '{models.call,agents.read}' where name = 'robot';
select refused('aias_edge:key:robot', format(:'looking', :'alpha', '{find_orders}'), 403, 'person_required', 'is no person');
select refused('aias_edge:owner@alpha.test', format(:'looking', :'alpha', '{find_orders,not_for_agents}'), 409, 'function_not_allowed', 'is told which no agent may call');
select unreachable(actor, format(:'looking', :'alpha', '{find_orders}'), 'is told nothing') from unnest(array['owner@alpha.test', 'anon', 'aias_worker']) actor;

-- Called as the caller --------------------------------------------------------------------------------------------------------------------

\set calling_it 'select coalesce(refusal, answer::text) from edge.call_agent_function(%L, %L, %L)'
select answers('aias_edge:' || actor, format(:'calling_it', :'alpha', called, '{}'), answer, why)
  from (values
    ('editor@alpha.test', 'find_orders', '[1, 2]', 'sees what its caller sees'),
    ('editor@alpha.test', 'not_for_agents', 'no agent may call not_for_agents', 'calls nothing else'),
    ('editor@alpha.test', 'pg_sleep', 'no agent may call pg_sleep', 'and no function of Postgres'),
    ('both@alpha.test', 'find_orders', 'the person that it is called for belongs to several tenants, whose data it could mix', 'mixes nothing')
  ) asked (actor, called, answer, why);
select answers('aias_edge:owner@alpha.test', format(:'calling_it', :'alpha', 'who_am_i', '{}'),
  '["authenticated 01900000-0000-7000-8000-0000000000a1 on"]', 'has the rights and claims of its caller, and writes nothing');
select answers('aias_edge:owner@alpha.test+aal2', format(:'calling_it', :'alpha', 'who_am_i', '{}'),
  '["authenticated 01900000-0000-7000-8000-0000000000a1 aal2 on"]', 'and as many factors');
select answers('aias_edge:owner@alpha.test', format(:'calling_it', :'alpha', 'who_am_i', '{"a": 1}'), 'there is no argument a', 'takes no other arguments');
select answers('aias_edge:key:robot', format(:'calling_it', :'alpha', 'find_orders', '{}'), 'the person that it is called for is no member any more', 'is called for no key');
select refused('aias_edge:owner@alpha.test', format(:'calling_it', :'beta', 'find_orders', '{}'), 404, 'not_found', 'calls nothing in another tenant''s name');
select unreachable(actor, format(:'calling_it', :'alpha', 'find_orders', '{}'), 'calls nothing so') from unnest(array['owner@alpha.test', 'anon', 'aias_worker']) actor;

-- Secrets that its tools name -------------------------------------------------------------------------------------------------------------

insert into private.tenant_keys (tenant_id, generation, wrapped, master_key_id) values (:'alpha', 1, 'wrapped', 'mk_a') on conflict do nothing;
insert into public.tenant_secrets (tenant_id, name) values (:'alpha', 'shop'), (:'alpha', 'other');
insert into private.secret_values (tenant_id, kind, name, key_generation, nonce, ciphertext)
select :'alpha', 'secret', name, 1, '123456789012', '12345678901234567' from (values ('shop'), ('other')) v (name);
update public.ai_agents set config = '{"tools": [{"type": "http", "allow": ["https://shop.test/"], "headers": {"authorization": "Bearer {{ secrets.shop }} openai"}}]}'
 where tenant_id = :'alpha' and slug = 'greeter';
select id as agent from public.ai_agents where tenant_id = :'alpha' and slug = 'greeter' \gset
\set opening 'select names::text from edge.agent_secrets(%L, %L, %L)'
select answers('aias_edge:' || actor, format(:'opening', :'alpha', :'agent', wanted), names, why)
  from (values
    ('editor@alpha.test', '{shop}', '{shop}', 'is given what the agent names'),
    ('key:robot', '{shop}', '{shop}', 'also where a key asks'),
    ('editor@alpha.test', '{shop,other}', '{shop}', 'and nothing that it does not name'),
    ('editor@alpha.test', '{Bearer}', '{}', 'nor what is no secret'),
    ('editor@alpha.test', '{.*}', '{}', 'nor by a pattern')
  ) asked (actor, wanted, names, why);
select refused('aias_edge:' || actor, format(:'opening', :'alpha', :'agent', '{shop}'), 404, 'not_found', 'is given nothing')
  from unnest(array['owner@beta.test', 'stranger@gamma.test']) actor;
select answers('aias_edge:owner@beta.test', format(:'opening', :'beta', :'agent', '{shop}'), '{}', 'finds nothing by another tenant''s agent');
select unreachable(actor, format(:'opening', :'alpha', :'agent', '{shop}'), 'opens nothing') from unnest(array['owner@alpha.test', 'anon', 'aias_worker']) actor;

select * from finish();
rollback;
