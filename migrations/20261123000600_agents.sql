-- AI agents: a model with a role to play.

create table public.ai_agents (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  id uuid not null default aias.uuid7(),
  name text not null,
  slug text not null,
  description text,
  model text not null,
  config jsonb not null default '{}',
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  constraint agent_slug_is_unique unique (tenant_id, slug),
  constraint agent_slug_is_a_word check (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  constraint agent_name_is_not_empty check (length(btrim(name)) between 1 and 200),
  constraint agent_model_names_its_provider check (model ~ '^[a-z0-9_-]+/.+$' and length(model) <= 200),
  constraint agent_config_is_an_object check (jsonb_typeof(config) = 'object' and pg_column_size(config) <= 262144),
  constraint agent_temperature_is_between_0_and_2 check (
    not config ? 'temperature'
    or (jsonb_typeof(config -> 'temperature') = 'number' and (config ->> 'temperature')::numeric between 0 and 2)
  ),
  constraint agent_max_tokens_is_a_positive_integer check (
    not config ? 'max_tokens' or (config ->> 'max_tokens') ~ '^[1-9][0-9]{0,6}$'
  ),
  constraint agent_system_prompt_is_text check (
    not config ? 'system_prompt' or jsonb_typeof(config -> 'system_prompt') = 'string'
  )
);
create index ai_agents_created_by on public.ai_agents (created_by);
alter table public.ai_agents enable row level security;

comment on table public.ai_agents is 'A model with a role to play: used by workflow steps of type ai_processing.';
comment on column public.ai_agents.model is 'provider/model, for instance openai/gpt-4o-mini';
comment on column public.ai_agents.config is 'temperature (0 to 2), max_tokens, system_prompt, output_schema (JSON schema), tools';

create function private.stamp_author() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  -- Whoever signed in is the author; only the system itself (no JWT) may name another.
  new.created_by := coalesce((select auth.uid()), new.created_by);
  return new;
end
$$;

comment on function private.stamp_author is 'Writes the caller into created_by, whatever the client sent.';

create trigger _050_stamp_author before insert on public.ai_agents
  for each row execute function private.stamp_author();
create trigger _050_keep_columns before update on public.ai_agents
  for each row execute function private.keep_columns('created_by', 'created_at');
create trigger _060_keep_identity before update on public.ai_agents
  for each row
  when (new.tenant_id is distinct from old.tenant_id or new.id is distinct from old.id) execute function private.keep_identity();
create trigger _900_touch before update on public.ai_agents
  for each row execute function private.touch_updated_at();
