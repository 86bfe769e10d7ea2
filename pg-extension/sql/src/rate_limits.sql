-- Rate limits. The table is used where the library is not in shared_preload_libraries. It is not logged: after a crash everybody
-- begins with nothing counted, which is what a restart does to shared memory too.

create unlogged table aias.rate_limits (
  key text collate "C" not null,
  per bigint not null,
  empty_at bigint not null,
  primary key (key, per)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

comment on table aias.rate_limits is 'What has been admitted lately, by key and window. Only used where the extension is not preloaded.';
comment on column aias.rate_limits.per is 'The window, in nanoseconds.';
comment on column aias.rate_limits.empty_at is 'When nothing is counted any more, in nanoseconds since 2000-01-01 00:00 UTC.';

alter table aias.rate_limits enable row level security;
revoke all on aias.rate_limits from public;

-- The instant is an argument so that a caller can say when the request came in; then it is also no matter how long it waited.
-- Parallel unsafe, because the table may have to be written.
create function aias.rate_limit(
  key text, requests integer, per interval, cost integer default 1, at timestamptz default clock_timestamp()
) returns boolean
language c volatile parallel unsafe as 'MODULE_PATHNAME', 'aias_rate_limit';

create function aias.rate_limit_or_refuse(
  key text, requests integer, per interval, cost integer default 1, meter text default null, at timestamptz default clock_timestamp()
) returns void
language c volatile parallel unsafe as 'MODULE_PATHNAME', 'aias_rate_limit_or_refuse';

create function aias.rate_limit_remaining(
  key text, requests integer, per interval, at timestamptz default clock_timestamp()
) returns bigint
language c volatile parallel restricted as 'MODULE_PATHNAME', 'aias_rate_limit_remaining';

create function aias.rate_limit_sweep(most bigint default 10000) returns bigint
language c volatile parallel unsafe as 'MODULE_PATHNAME', 'aias_rate_limit_sweep';

revoke execute on function aias.rate_limit, aias.rate_limit_or_refuse, aias.rate_limit_remaining, aias.rate_limit_sweep from public;
grant execute on function aias.rate_limit, aias.rate_limit_or_refuse, aias.rate_limit_remaining, aias.rate_limit_sweep to @extowner@;
