-- Agents that use tools: a step that asks a model several times.
--
-- Each round is a call of its own, set aside before by queue.prepare_llm_call. A round that another follows is paid at once, here; the last one with the
-- record of the step, as that of a step without tools. So what was used is written down although a later round fails, and the step has the sum.

create or replace function queue.record_usage(
  tenant uuid, execution uuid, node text, item integer, attempt integer, call jsonb, out cost numeric, out is_new boolean
)
language plpgsql
set search_path = ''
as $$
declare
  input bigint := (call ->> 'input_tokens')::bigint;
  cached bigint := coalesce((call ->> 'cached_input_tokens')::bigint, 0);
  cache_write bigint := coalesce((call ->> 'cache_write_input_tokens')::bigint, 0);
  output bigint := (call ->> 'output_tokens')::bigint;
  reasoning bigint := coalesce((call ->> 'reasoning_tokens')::bigint, 0);
  round integer := (call ->> 'round')::integer;
begin
  cost := private.llm_cost_usd(call ->> 'provider', call ->> 'model', now(), input, cached, output, cache_write, reasoning);
  insert into public.usage (
    tenant_id, idempotency_key, execution_id, node_id, agent_id, provider, model,
    input_tokens, cached_input_tokens, cache_write_input_tokens, output_tokens, reasoning_tokens, cost_usd, own_key)
  values (
    -- The first round is called as the only one of a step without tools, by whatever worker.
    tenant, concat_ws(':', 'execution', execution, node, case when item >= 0 then item end, attempt, case when round > 1 then 'round' || round end),
    execution, node, (call ->> 'agent_id')::uuid, call ->> 'provider', call ->> 'model',
    input, cached, cache_write, output, reasoning, cost,
    coalesce((call ->> 'own_key')::boolean, false))
  on conflict on constraint usage_is_counted_once do nothing;
  is_new := found;
end
$$;

comment on function queue.record_usage(uuid, uuid, text, integer, integer, jsonb) is
  'Writes one usage row per attempt and round of a step, however often it is called; is_new says whether this call did.';

create function queue.record_round(
  tenant uuid, execution uuid, node text, item integer, attempt integer, reservation uuid, call jsonb
) returns void
language plpgsql
-- Definer: see queue.claim. It asks for no lease: the tokens are spent, whoever holds the execution by now.
security definer
set search_path = ''
as $$
declare
  counted record;
begin
  -- A tenant that is no more has no quota either.
  if not exists (select from public.tenants t where t.id = tenant) then
    return;
  end if;
  select * into counted from queue.record_usage(tenant, execution, node, item, attempt, call);
  if not counted.is_new then
    -- Said before: then it was settled before, too.
    return;
  end if;
  begin
    perform aias.quota_settle(reservation, (call ->> 'input_tokens')::bigint + (call ->> 'output_tokens')::bigint);
  exception when invalid_parameter_value then
    -- It is long over and forgotten.
    null;
  end;
  update public.execution_steps s
     set model = (call ->> 'provider') || '/' || (call ->> 'model'),
         input_tokens = coalesce(s.input_tokens, 0) + (call ->> 'input_tokens')::bigint,
         output_tokens = coalesce(s.output_tokens, 0) + (call ->> 'output_tokens')::bigint,
         cost_usd = case when counted.cost is null then s.cost_usd else coalesce(s.cost_usd, 0) + counted.cost end
   where s.tenant_id = record_round.tenant and s.execution_id = execution and s.node_id = node and s.item = record_round.item
     -- What has ended never changes; a step that was cancelled meanwhile has its usage row.
     and s.status in ('running', 'waiting');
end
$$;

comment on function queue.record_round is
  'What a round of a step took that another round follows: its usage row, its tokens settled, and added to the step. Repeating a call changes nothing.';
