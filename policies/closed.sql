-- Tables that no API role reads or writes. Functions that run as their owner do, each of which says why in its comment.

select private.close_table(closed::regclass) from unnest(array[
  'private.built_in_roles',
  'private.meters',
  'private.llm_prices',
  'queue.jobs'
]) as closed;
