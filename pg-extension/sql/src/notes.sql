-- Notes, which outlive a rollback. They are in shared memory, so there is no table; where the library is not in
-- shared_preload_libraries, they go to the server's log.

-- Parallel unsafe: what a worker takes would not be given back by the rollback of the transaction that it works for.
create function aias.note(note jsonb) returns boolean
language c volatile parallel unsafe as 'MODULE_PATHNAME', 'aias_note';

create function aias.take_notes(most integer default 1000) returns table (at timestamptz, note jsonb)
language c volatile parallel unsafe as 'MODULE_PATHNAME', 'aias_take_notes';

create function aias.notes_lost() returns bigint
language c volatile parallel unsafe as 'MODULE_PATHNAME', 'aias_notes_lost';

revoke execute on function aias.note, aias.take_notes, aias.notes_lost from public;
grant execute on function aias.note, aias.take_notes, aias.notes_lost to @extowner@;
