-- What a call costs: each kind of token at its own price, and at the price of the whole where it has none.

begin;
select set_config('search_path', quote_ident(n.nspname) || ', pg_catalog', true)
  from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'pgtap'
\g /dev/null

select plan(12);

-- A million tokens of each kind, so that an answer is the sum of the prices.
create function pg_temp.cost(model text, at timestamptz, counts bigint[]) returns numeric language sql as $$
  select trim_scale(private.llm_cost_usd('maker', model, at,
    1000000 * counts[1], 1000000 * counts[2], 1000000 * counts[3], 1000000 * counts[4], 1000000 * counts[5]))
$$;
insert into private.llm_prices
  (provider, model, valid_from, input_usd_per_million, cached_input_usd_per_million, cache_write_usd_per_million, output_usd_per_million, reasoning_usd_per_million)
values
  ('maker', 'parts', '2026-01-01Z', 4, 1, 5, 20, 30),
  ('maker', 'parts', '2026-06-01Z', 8, 2, 10, 40, 60),
  ('maker', 'whole', '2026-01-01Z', 4, 1, null, 20, null);

-- The counts: input, read from the cache, output, written to the cache, thought.
select is(pg_temp.cost('parts', '2026-02-01Z', '{10, 0, 0, 0, 0}'), 40::numeric, 'input');
select is(pg_temp.cost('parts', '2026-02-01Z', '{10, 3, 0, 0, 0}'), 31::numeric, 'of it read from the cache');
select is(pg_temp.cost('parts', '2026-02-01Z', '{10, 3, 0, 2, 0}'), 33::numeric, 'of it written to the cache');
select is(pg_temp.cost('parts', '2026-02-01Z', '{0, 0, 7, 0, 0}'), 140::numeric, 'output');
select is(pg_temp.cost('parts', '2026-02-01Z', '{0, 0, 7, 0, 2}'), 160::numeric, 'of it thought');
select is(pg_temp.cost('whole', '2026-02-01Z', '{10, 3, 7, 2, 2}'), 171::numeric, 'without prices of their own, writing is input and thinking is output');
select is(pg_temp.cost('parts', '2026-07-01Z', '{10, 3, 7, 2, 2}'), 386::numeric, 'from a date on, other prices');
select is(pg_temp.cost('parts', '2025-12-31Z', '{10, 3, 7, 2, 2}'), null, 'before the first price the cost is unknown');
select is(pg_temp.cost('parts', '2026-02-01Z', '{1, 2, 1, 2, 2}'), 72::numeric, 'counts that cannot be make nothing cheaper');

select is(trim_scale(private.llm_cost_usd('maker', 'parts', '2026-02-01Z', 1000000, 500000, 1000000)), 22.5, 'who knows no parts leaves them out');
select throws_ok($$update private.llm_prices set reasoning_usd_per_million = -1 where provider = 'maker'$$, '23514', null, 'no price is negative');
select is_empty($$
  select model from private.llm_prices
   where provider = 'anthropic' and cache_write_usd_per_million is distinct from 1.25 * input_usd_per_million$$,
  'Anthropic sells what it keeps for a quarter more');

select * from finish();
rollback;
