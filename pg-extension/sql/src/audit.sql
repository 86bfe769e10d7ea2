-- The audit log's trigger.

create function aias.record_change() returns trigger
language c as 'MODULE_PATHNAME', 'aias_record_change';

revoke execute on function aias.record_change from public;
grant execute on function aias.record_change to @extowner@;
