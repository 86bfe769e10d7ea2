-- What is read anew, read from a cache, written to a cache, said and thought has a price each. Anthropic sells writing to the cache dearer than other
-- input; a model that sells thinking apart can be entered, though none here does.
--
-- A price that changes is another row with the day from which it holds. Rows are not edited, except here, where what a write costs becomes known.

alter table private.llm_prices
  add column cache_write_usd_per_million numeric,
  add column reasoning_usd_per_million numeric,
  add constraint llm_prices_of_parts_are_not_negative check (least(cache_write_usd_per_million, reasoning_usd_per_million) >= 0);
comment on column private.llm_prices.cache_write_usd_per_million is 'Input that the provider keeps for the next time. Null: as other input.';
comment on column private.llm_prices.reasoning_usd_per_million is 'Output that is thought and not said. Null: as other output.';

-- https://docs.anthropic.com/en/docs/about-claude/pricing: "5m Cache Writes", which is what a request gets that names no other time to live.
-- They are 1.25 times the input of the same model. Neither OpenAI's models nor Gemini's that are entered here sell the writing.
update private.llm_prices set cache_write_usd_per_million = 1.25 * input_usd_per_million where provider = 'anthropic';

insert into private.llm_prices
  (provider, model, valid_from, input_usd_per_million, cached_input_usd_per_million, cache_write_usd_per_million, output_usd_per_million)
values
  ('anthropic', 'claude-sonnet-4-5', '2025-09-29Z', 3.00, 0.30, 3.75, 15.00),
  ('anthropic', 'claude-haiku-4-5', '2025-10-15Z', 1.00, 0.10, 1.25, 5.00)
on conflict (provider, model, valid_from) do nothing;

drop function private.llm_cost_usd(text, text, timestamptz, bigint, bigint, bigint);

-- Cached and written tokens are parts of the input and never of each other; reasoning is part of the output: as crate llm counts, whatever the
-- provider's own habit. Who does not know the parts leaves them out, and they cost what the whole costs. A provider that counts more in the parts than
-- in the whole makes nothing cheaper by it.
create function private.llm_cost_usd(
  llm_provider text, llm_model text, at timestamptz, input bigint, cached bigint, output bigint,
  cache_write_tokens bigint default 0, reasoning_tokens bigint default 0)
returns numeric
language sql
stable
set search_path = ''
as $$
  select (greatest(input - cached - cache_write_tokens, 0) * p.input_usd_per_million
          + cached * p.cached_input_usd_per_million
          + cache_write_tokens * coalesce(p.cache_write_usd_per_million, p.input_usd_per_million)
          + greatest(output - reasoning_tokens, 0) * p.output_usd_per_million
          + reasoning_tokens * coalesce(p.reasoning_usd_per_million, p.output_usd_per_million)) / 1000000
    from private.llm_prices p
   where p.provider = llm_provider and p.model = llm_model and p.valid_from <= at
   order by p.valid_from desc
   limit 1
$$;

comment on function private.llm_cost_usd is 'List price of a call in USD; null when the model has no price.';

alter table public.usage add column cache_write_input_tokens bigint not null default 0;
alter table public.usage add constraint usage_of_the_cache_is_not_negative check (cache_write_input_tokens >= 0);
comment on column public.usage.cache_write_input_tokens is 'Of the input tokens: those that the provider has written to its cache.';
