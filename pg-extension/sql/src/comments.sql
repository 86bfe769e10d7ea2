-- What each function is for, as `\dx+`, `\df+` and Studio show it.

comment on function aias.uuid7() is
  'A UUID that sorts by time (RFC 9562, version 7). Within a session each is greater than the one before.';

comment on function aias.give_way() is
  'For a session of background work: for as long as it lives the operating system runs it after others that want a processor (niceness 5, and slices of 0.2 ms). Whether the system has taken it.';

comment on function aias.workflow_problems(jsonb, jsonb) is
  'Everything that is wrong with a workflow, with stable codes and JSON pointers, in a fixed order. A null argument is a problem too.';
comment on function aias.workflow_is_valid(jsonb, jsonb) is
  'Whether a workflow has no problem of severity error. Immutable: fit for a check constraint.';
comment on function aias.workflow_plan(jsonb, jsonb) is
  'A workflow as a worker runs it, its nodes in topological order. Raises 22023 when the workflow has an error.';
comment on function aias.node_schemas() is
  'The JSON schemas that node configurations are checked against, for editors to build forms from.';

comment on function aias.quota_set(uuid, text, text, bigint, timestamptz) is
  'Creates the quota of a tenant''s meter or changes its limit, also in mid-period. kind is stock or flow; a null limit means unlimited. A flow''s periods are months from the anchor.';
comment on function aias.quota_override(uuid, text, bigint, timestamptz) is
  'Puts a limit in the place of the plan''s until an instant; a null limit means unlimited. A meter has one override; a second one replaces it.';
comment on function aias.quota_override_end(uuid, text) is
  'Lets the plan''s limit hold again. Answers whether there was an override.';
comment on function aias.quota_addon(uuid, text, text, bigint, timestamptz) is
  'Adds to a limit until an instant. Add-ons have names; one with the same name is replaced.';
comment on function aias.quota_addon_end(uuid, text, text) is
  'Removes an add-on. Answers whether there was one of that name.';
comment on function aias.quota_take(uuid, text, bigint) is
  'Takes from a meter; a rollback gives back. Refuses with SQLSTATE PGRST, HTTP 402, when that exceeds the limit, and only then.';
comment on function aias.quota_take_all(uuid, jsonb) is
  'Takes from several meters, {"meter": amount, ...}: from all of them or from none.';
comment on function aias.quota_give(uuid, text, bigint) is
  'Gives back what was taken, of a stock that is no more. Never more than is used.';
comment on function aias.quota_recount(uuid, text, bigint) is
  'Sets what is used of a meter, for a stock that has been counted anew.';
comment on function aias.quota_reserve(uuid, text, bigint, interval) is
  'Sets an amount aside before it is known, and answers an id to settle or release it by. When the lease runs out it is given back. Refuses as quota_take does.';
comment on function aias.quota_settle(uuid, bigint) is
  'Ends a reservation with what was used in fact, which is charged even beyond the limit. Raises 22023 when there is no such reservation any more.';
comment on function aias.quota_spend(uuid, text, uuid, bigint, boolean) is
  'Takes from a reservation what was used of it, which is charged even beyond it and beyond the limit; the last time gives back the rest. What is spent of one that is no more is charged all the same.';
comment on function aias.quota_release(uuid) is
  'Ends a reservation of which nothing was used.';
comment on function aias.quota_sweep(bigint) is
  'Gives back what reservations hold whose lease ran out, at most so many of them, and answers how many. They are also found when somebody needs them; a worker that calls this keeps the tables small.';
comment on function aias.quota_forget(uuid) is
  'Removes all quotas of a tenant that is no more.';
comment on function aias.quota_status(uuid) is
  'What a tenant has used and reserved of each meter in the present period. A null limit means unlimited.';
comment on function aias.quota_usage(uuid) is
  'As quota_status, for all tenants or one: for audits.';
comment on function aias.quota_period(timestamptz, timestamptz) is
  'The billing period that holds an instant: months from the anchor, in UTC, on the last day where a month is too short.';

comment on function aias.rate_limit(text, integer, interval, integer, timestamptz) is
  'Whether a request is admitted by a bucket of so many that leaks evenly over the window; counts it if it is. A key has one bucket for each '
  'window. In shared memory a request counts whatever becomes of its transaction; in the table a rollback gives it back.';
comment on function aias.rate_limit_or_refuse(text, integer, interval, integer, text, timestamptz) is
  'As rate_limit, but refuses with SQLSTATE PGRST, HTTP 429. meter is what the refusal calls the limit; by default the key.';
comment on function aias.rate_limit_remaining(text, integer, interval, timestamptz) is
  'How many requests would be admitted right now; counts nothing.';
comment on function aias.rate_limit_sweep(bigint) is
  'Removes rows of aias.rate_limits that do not matter any more, at most so many, and answers how many. Shared memory needs no sweeping.';

comment on function aias.note(jsonb) is
  'Keeps a short note in shared memory, at once and for good: a rollback does not undo it. True when it is kept; false where the extension is '
  'not preloaded, and it was written to the server''s log. A text of more than 1024 bytes is refused with 22023.';
comment on function aias.take_notes(integer) is
  'Takes this database''s notes out, oldest first, at most so many. They are gone when the transaction commits; a rollback puts them back.';
comment on function aias.notes_lost() is
  'How many notes, of all databases, made room for newer ones since the server has started, because nobody took them in time.';

comment on function aias.tenants_with(text) is
  'The tenants in which the caller holds a permission that is in force: by role or scopes, the tenant''s status, and the second factor where it wants one. '
  'Read from private.access, so a revoked member is out in the next statement. Who calls is in request.jwt.claims.';
comment on function aias.own_tenants() is
  'The tenants that the caller belongs to, in any role.';
comment on function aias.tenants_asking_for_second_factor() is
  'The tenants in which the caller''s session is not enough for all that the caller may do. Asked by restrictive policies: a wall behind aias.tenants_with.';

comment on function aias.jsonb_changed(jsonb, jsonb) is
  'The fields of an object that the other one has not, or has with another value, as an object. Values are compared as by =.';
comment on function aias.may_hold_secret(jsonb) is
  'False when a value has at most 2,000 characters as text and in no key or text a word such as token, password or authorization, nor an @. True otherwise, and where that is not quickly told.';

comment on function aias.record_change() is
  'Writes an entry into audit.inbox for a changed row, with the rights of that table''s owner. The trigger''s arguments name the columns of the tenant and of the row''s key. '
  'An update tells only what it changed.';

comment on function aias.among(uuid, uuid[]) is
  'Whether a tenant is one of several, as tenant = any (tenants); an index on the tenant finds them as well. The planner is told that it takes no row away beside tenant = something.';
comment on function aias.among_support(internal) is 'What the planner asks about aias.among.';

comment on function aias.next_hash(bytea, bytea, bytea) is 'SHA-256 of a hash and a payload; of the head and the payload where there is no hash before.';
comment on aggregate aias.chained(bytea, bytea) is
  'As a window function over entries in order: the hash of each, from that of the one before; the first follows the head, where the chain ended.';
