-- Calls of agents through the API say which version was asked, as steps of workflows do.
--
--   edge.begin_model_calls   ──► the agent's model and config
--   edge.version_of_agent    ──► which version that is
--   edge.end_model_calls     ──► usage.agent_version

create function edge.version_of_agent(tenant uuid, agent uuid, model text, config jsonb) returns integer
language sql
-- Looks anew where its statement asks for it: the agent may have been changed since that began, and have been read so.
volatile
strict
-- Definer: see edge.begin_model_calls, beside which this is asked and which says who may.
security definer
set search_path = ''
as $$
  select v.version
    from public.agent_versions v
   where v.tenant_id = tenant and v.agent_id = agent
     and v.model = version_of_agent.model and v.config = version_of_agent.config
   order by v.version desc
   limit 1
$$;

comment on function edge.version_of_agent is
  'Which version of an agent has this model and config: the newest, where there are several. By what it says, hence whatever has become of the agent since it was read.';

create or replace function edge.end_model_calls(calls jsonb, last_blocks jsonb) returns void
language plpgsql
-- Definer: see edge.begin_model_calls. What has ended is written down whoever began it, and whatever has become of them.
security definer
set search_path = ''
as $$
declare
  spent record;
begin
  for spent in
    with call as (
      select distinct on (c.tenant_id, c.id) c.*, c.input_tokens + c.output_tokens as total
        from jsonb_to_recordset(calls) as c (
          id uuid, tenant_id uuid, blocks jsonb, caps jsonb, user_id uuid, api_key_id uuid, agent_id uuid, agent_version integer, provider text, model text,
          input_tokens bigint, cached_input_tokens bigint, cache_write_input_tokens bigint, output_tokens bigint, reasoning_tokens bigint,
          is_estimated boolean, own_key boolean, ended_at timestamptz)
        -- A tenant that is no more has no quota either.
        join public.tenants t on t.id = c.tenant_id
       order by c.tenant_id, c.id
    ), counted as (
      insert into public.usage (
        tenant_id, idempotency_key, user_id, api_key_id, agent_id, agent_version, provider, model,
        input_tokens, cached_input_tokens, cache_write_input_tokens, output_tokens, reasoning_tokens, is_estimated, own_key, cost_usd, created_at)
      select c.tenant_id, 'call:' || c.id, c.user_id, c.api_key_id, c.agent_id, c.agent_version, c.provider, c.model,
             c.input_tokens, c.cached_input_tokens, coalesce(c.cache_write_input_tokens, 0), c.output_tokens, c.reasoning_tokens, c.is_estimated, c.own_key,
             private.llm_cost_usd(c.provider, c.model, c.ended_at, c.input_tokens, c.cached_input_tokens, c.output_tokens,
                                  coalesce(c.cache_write_input_tokens, 0), c.reasoning_tokens),
             c.ended_at
        from call c
       where c.total > 0
       order by c.tenant_id, c.id
      on conflict on constraint usage_is_counted_once do nothing
      returning tenant_id, idempotency_key, cost_usd
    ), spent as (
      -- What was said before was spent before, too.
      select c.tenant_id, 'llm_tokens' as meter, b.id, b.tokens as amount, false as is_last
        from call c
        join counted u on u.tenant_id = c.tenant_id and u.idempotency_key = 'call:' || c.id
        cross join lateral jsonb_to_recordset(c.blocks) as b (id uuid, tokens bigint)
      union all
      select c.tenant_id, b.meter, b.id, coalesce(ceil(u.cost_usd * 1000000), 0)::bigint, true
        from call c
        left join counted u on u.tenant_id = c.tenant_id and u.idempotency_key = 'call:' || c.id
        cross join lateral jsonb_to_recordset(c.caps) as b (meter text, id uuid)
      union all
      select l.tenant_id, l.meter, l.id, 0, true
        from jsonb_to_recordset(last_blocks) as l (id uuid, tenant_id uuid, meter text)
    )
    select s.tenant_id, s.meter, s.id, sum(s.amount)::bigint as amount, bool_or(s.is_last) as is_last
      from spent s
     group by s.tenant_id, s.meter, s.id
     -- Always in the same order, so that two who settle do not wait for each other.
     order by s.tenant_id, s.meter, s.id
  loop
    perform aias.quota_spend(spent.tenant_id, spent.meter, spent.id, spent.amount, spent.is_last);
  end loop;
end
$$;

comment on column public.usage.agent_version is 'The version of the agent that a step or a call through the API asked; null where none was asked.';
