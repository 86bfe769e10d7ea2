-- What the services' own login roles may do, besides nothing.
--
-- | role         | may                                                                                    |
-- | ------------ | -------------------------------------------------------------------------------------- |
-- | aias_edge    | become anon or authenticated for a transaction (granted with the role); nothing itself |
-- | aias_worker  | call the functions of the queue; no table at all                                       |

grant execute on function
  queue.claim(text, integer, interval),
  queue.plan(uuid, uuid, integer),
  queue.agent(uuid, uuid),
  queue.renew(text, jsonb, interval),
  queue.reserve_tokens(uuid, uuid, bigint, bigint),
  queue.record(text, jsonb),
  queue.next_due(),
  queue.sweep()
to aias_worker;
