-- Who an agent asks when its model fails: `fallback_models` in its config, in order.

-- Not valid: until now the name meant nothing, and a row that used it for something else is not in the way before it is next changed.
alter table public.ai_agents
  add constraint agent_fallback_models_name_their_providers check (
    not config ? 'fallback_models'
    or (
      jsonb_typeof(config -> 'fallback_models') = 'array'
      and jsonb_array_length(config -> 'fallback_models') <= 8
      and not jsonb_path_exists(config, 'strict $.fallback_models[*] ? (@.type() != "string" || !(@ like_regex "^[a-z0-9_-]+/.+$"))')
    )
  ) not valid;

comment on column public.ai_agents.config is
  'temperature (0 to 2), max_tokens, system_prompt, output_schema (JSON schema), tools, fallback_models (provider/model, at most 8)';
