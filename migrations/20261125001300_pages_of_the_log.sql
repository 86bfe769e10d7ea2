-- A page of a tenant's log is read from its end, however long the log is.
--
-- Whoever reads it names a tenant, and the policy names the reader's tenants beside it. The planner takes the two for independent and multiplies: of
-- thousands of tenants it expects one row, and for one row it may as well read and sort all that the tenant has. A column that is said to have
-- fewer values makes it expect more. 200 is also what the planner takes for granted of a month that has not been analysed yet; and it leaves a read
-- without a tenant, of which the policy alone decides, far from a read of the whole table.

create or replace function audit.make_months(ahead integer default 3) returns void
language plpgsql
set search_path = ''
as $$
declare
  month timestamptz;
  partition text;
begin
  for months in 0 .. ahead loop
    month := date_trunc('month', now() at time zone 'UTC') at time zone 'UTC';
    month := (month at time zone 'UTC' + make_interval(months => months)) at time zone 'UTC';
    partition := 'log_' || to_char(month at time zone 'UTC', 'YYYY_MM');
    if to_regclass('audit.' || partition) is null then
      begin
        execute format('create table audit.%I partition of audit.log for values from (%L) to (%L)', partition,
          month, (month at time zone 'UTC' + interval '1 month') at time zone 'UTC');
        execute format('alter table audit.%I enable row level security', partition);
        execute format('create trigger _010_append_only before update or delete or truncate on audit.%I
                          for each statement execute function audit.refuse_change()', partition);
        execute format('alter table audit.%I alter column tenant_id set (n_distinct = 200)', partition);
      exception
        when duplicate_table then
          null; -- Another worker was faster.
        when check_violation then
          -- The month has begun in the default partition. Its entries are as good there.
          raise warning 'audit: % cannot be made, because audit.log_default has entries of that month', partition;
      end;
    end if;
  end loop;
end
$$;

do $$
declare
  month regclass;
begin
  for month in select i.inhrelid from pg_catalog.pg_inherits i where i.inhparent = 'audit.log'::regclass loop
    execute format('alter table %s alter column tenant_id set (n_distinct = 200)', month);
  end loop;
end
$$;
