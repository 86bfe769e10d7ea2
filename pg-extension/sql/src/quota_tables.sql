-- What the quotas are kept in. The tables belong to the extension: nobody but its functions reads or writes them.

create table aias.quota_meters (
  tenant_id uuid not null,
  meter text collate "C" not null,
  kind text not null,
  quota_limit bigint,
  anchor timestamptz,
  revision bigint not null default 1,
  primary key (tenant_id, meter),
  constraint quota_kind_is_known check (kind in ('stock', 'flow')),
  constraint quota_limit_is_not_negative check (quota_limit >= 0),
  constraint only_a_flow_has_periods check ((kind = 'flow') = (anchor is not null)),
  constraint meter_name_is_short check (octet_length(meter) between 1 and 100)
);

comment on table aias.quota_meters is 'What each tenant''s plan allows of each meter.';
comment on column aias.quota_meters.kind is 'A stock exists at a time and is given back; a flow happens during a billing period and starts again with the next.';
comment on column aias.quota_meters.quota_limit is 'What the plan allows; null means unlimited. Overrides and add-ons are in quota_adjustments.';
comment on column aias.quota_meters.anchor is 'Billing periods are months from here, in UTC.';
comment on column aias.quota_meters.revision is 'Grows with each change to the limit, its adjustments included.';

create table aias.quota_adjustments (
  tenant_id uuid not null,
  meter text collate "C" not null,
  name text collate "C" not null,
  kind text not null,
  amount bigint,
  valid_until timestamptz not null default 'infinity',
  primary key (tenant_id, meter, name),
  foreign key (tenant_id, meter) references aias.quota_meters on delete cascade,
  constraint adjustment_kind_is_known check (kind in ('override', 'addon')),
  constraint adjustment_is_not_negative check (amount >= 0),
  constraint addon_has_an_amount check (kind = 'override' or amount is not null)
);

comment on table aias.quota_adjustments is 'What applies instead of a plan''s limit (override) or in addition to it (addon), and until when.';

-- One row is changed by each take: rows are few on a page, so that a new version finds room beside the old one (a heap-only update), and
-- pages are many, so that sessions do not meet on one.
create table aias.quota_slots (
  tenant_id uuid not null,
  used bigint not null,
  allowance bigint,
  anchor timestamptz,
  period_end timestamptz not null,
  valid_until timestamptz not null,
  slot smallint not null,
  meter text collate "C" not null,
  primary key (tenant_id, meter, slot),
  constraint allowance_is_not_negative check (allowance >= 0)
) with (
  fillfactor = 25,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 100000
);

comment on table aias.quota_slots is 'The counters: each limit cut into slots, whose allowances sum up to it. Written by the extension''s own code only.';
comment on column aias.quota_slots.used is 'Taken and not given back in the period that ends at period_end. Only the sum over a meter''s slots has a meaning.';
comment on column aias.quota_slots.allowance is 'The slot''s part of the limit; null means unlimited.';
comment on column aias.quota_slots.period_end is 'A slot passes into the next period when it is next taken from.';
comment on column aias.quota_slots.valid_until is 'When an add-on or an override ends, and the limit has to be shared out anew.';

create table aias.quota_reservations (
  id uuid primary key,
  tenant_id uuid not null,
  meter text collate "C" not null,
  amount bigint not null,
  period_end timestamptz not null,
  expires_at timestamptz not null,
  lapsed boolean not null default false,
  constraint reserved_amount_is_not_negative check (amount >= 0)
);

create index quota_reservations_of_meter on aias.quota_reservations (tenant_id, meter, expires_at);
create index quota_reservations_to_lapse on aias.quota_reservations (expires_at);

comment on table aias.quota_reservations is 'What has been set aside and not yet settled, spent or released.';
comment on column aias.quota_reservations.lapsed is 'The lease ran out and the amount was given back. A late settlement is still charged.';

alter table aias.quota_meters enable row level security;
alter table aias.quota_adjustments enable row level security;
alter table aias.quota_slots enable row level security;
alter table aias.quota_reservations enable row level security;
revoke all on aias.quota_meters, aias.quota_adjustments, aias.quota_slots, aias.quota_reservations from public;

-- Without this, pg_dump takes the rows for a part of the extension and leaves them out.
select pg_catalog.pg_extension_config_dump('aias.quota_meters', '');
select pg_catalog.pg_extension_config_dump('aias.quota_adjustments', '');
select pg_catalog.pg_extension_config_dump('aias.quota_slots', '');
select pg_catalog.pg_extension_config_dump('aias.quota_reservations', '');
