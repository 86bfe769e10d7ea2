-- What an audit log says of a changed row, and the chain that its entries are in.

-- Strict: without one of the two there is nothing to compare.
create function aias.jsonb_changed(value jsonb, other jsonb) returns jsonb
language c immutable strict parallel safe as 'MODULE_PATHNAME', 'aias_jsonb_changed';

create function aias.may_hold_secret(value jsonb) returns boolean
language c immutable strict parallel safe as 'MODULE_PATHNAME', 'aias_may_hold_secret';

create function aias.next_hash(hash_before bytea, head bytea, payload bytea) returns bytea
language c immutable parallel safe as 'MODULE_PATHNAME', 'aias_next_hash';

create aggregate aias.chained (head bytea, payload bytea) (sfunc = aias.next_hash, stype = bytea);

revoke execute on function aias.next_hash, aias.chained(bytea, bytea) from public;
grant execute on function aias.next_hash, aias.chained(bytea, bytea) to @extowner@;
revoke execute on function aias.jsonb_changed, aias.may_hold_secret from public;
grant execute on function aias.jsonb_changed, aias.may_hold_secret to @extowner@;
