-- An agent that somebody else sells, for a step of a workflow.
--
--   {"type": "ai_processing", "config": {"model": "listing/<slug>", "prompt": ...}} ──► queue.listed_agent, at the moment of the call ──► is it bought? ──► its config
--
-- A worker gets what the model is told, and hands it to nobody. Nothing else reads the seller's agent for a buyer: policies/ lets a tenant see its own.

create function queue.listed_agent(tenant uuid, of_slug text)
returns table (listing_id uuid, model text, config jsonb, refusal text)
language sql
stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  select l.id, v.model,
         -- What was reviewed, and nothing that is new since: what an agent may say of itself, and the functions that it declares.
         (select coalesce(jsonb_object_agg(f.key, f.value), '{}') from jsonb_each(v.config) f
           where f.key in ('temperature', 'max_tokens', 'system_prompt', 'output_schema', 'fallback_models', 'tools')
          having v.config is not null),
         case when l.id is null then 'listing_not_found'
              when l.state = 'suspended' then 'listing_suspended'
              when p.is_active is not true then 'listing_not_purchased' end
    from (select 1) asked
    left join public.listings l on l.slug = of_slug and l.published_version is not null
    left join lateral (
      select true as is_active from public.purchases p where p.tenant_id = tenant and p.listing_id = l.id and p.state = 'active' limit 1
    ) p on true
    left join public.agent_versions v
      on v.tenant_id = l.tenant_id and v.agent_id = l.agent_id and v.version = l.published_version and p.is_active and l.state <> 'suspended'
$$;

comment on function queue.listed_agent is
  'The agent of a listing, in the version that is published, for a tenant that has bought it; otherwise why not. What the agent has besides what its model is told, such as tools of '
  'the seller''s, is left out.';

-- Exports ----------------------------------------------------------------------------------------------------------------------------

create or replace view private.tenant_data as
  select t.id as tenant_id, 'tenants' as source, to_jsonb(t) as line from public.tenants t
  union all
  select m.tenant_id, 'users', to_jsonb(u) from public.users u join public.memberships m on m.user_id = u.id
  union all
  select x.tenant_id, 'roles', to_jsonb(x) from public.roles x
  union all
  select x.tenant_id, 'memberships', to_jsonb(x) from public.memberships x
  union all
  select x.tenant_id, 'invitations', to_jsonb(x) from public.invitations x
  union all
  select x.tenant_id, 'api_keys', to_jsonb(x) from public.api_keys x
  union all
  select x.tenant_id, 'tenant_domains', to_jsonb(x) from public.tenant_domains x
  union all
  select x.tenant_id, 'tenant_secrets', to_jsonb(x) - 'last_four' from public.tenant_secrets x
  union all
  select x.tenant_id, 'provider_keys', to_jsonb(x) - 'last_four' from public.provider_keys x
  union all
  select x.tenant_id, 'ai_agents', to_jsonb(x) from public.ai_agents x
  union all
  select x.tenant_id, 'agent_documents', to_jsonb(x) from public.agent_documents x
  union all
  select x.tenant_id, 'agent_versions', to_jsonb(x) from public.agent_versions x
  union all
  select x.tenant_id, 'rate_limits', to_jsonb(x) from public.rate_limits x
  union all
  select x.tenant_id, 'captured_calls', to_jsonb(x) from public.captured_calls x
  union all
  select x.tenant_id, 'workflows', to_jsonb(x) from public.workflows x
  union all
  select x.tenant_id, 'workflow_versions', to_jsonb(x) from public.workflow_versions x
  union all
  select x.tenant_id, 'executions', to_jsonb(x) from public.executions x
  union all
  select x.tenant_id, 'execution_steps', to_jsonb(x) from public.execution_steps x
  union all
  select x.tenant_id, 'usage', to_jsonb(x) from public.usage x
  union all
  select x.tenant_id, 'subscriptions', to_jsonb(x) from public.subscriptions x
  union all
  select x.tenant_id, 'invoices', to_jsonb(x) from public.invoices x
  union all
  select x.tenant_id, 'listings', to_jsonb(x) from public.listings x
  union all
  select x.tenant_id, 'purchases', to_jsonb(x) from public.purchases x
  union all
  select x.tenant_id, 'marketplace_charges', to_jsonb(x) from public.marketplace_charges x
  union all
  select x.tenant_id, 'listing_ratings', to_jsonb(x) from public.listing_ratings x
  union all
  select x.tenant_id, 'audit_log', to_jsonb(x) - 'hash' || jsonb_build_object('hash', encode(x.hash, 'hex')) from audit.log x
  union all
  -- Not chained yet.
  select x.tenant_id, 'audit_log', to_jsonb(x) from audit.inbox x;
