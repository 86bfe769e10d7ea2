-- Sessions of background work.

create function aias.give_way() returns boolean
language c volatile parallel unsafe as 'MODULE_PATHNAME', 'aias_give_way';

-- Behind a pooler a session is many people's: only whoever runs background work in sessions of its own may.
revoke execute on function aias.give_way from public;
grant execute on function aias.give_way to @extowner@;
