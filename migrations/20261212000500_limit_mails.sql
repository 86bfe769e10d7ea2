-- A mail when a tenant has used four fifths of a limit, and when it has used all of it.
--
-- Nothing of this is done where a quota is taken, which is the hottest place there is: a worker looks, tenant by tenant, round and round.

alter table queue.mails
  drop constraint mail_template_is_known,
  add constraint mail_template_is_known check (template in ('invitation', 'workflow', 'receipt', 'payment_failed', 'trial_ending', 'limit'));

create table billing.limit_warnings (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  meter text not null,
  threshold integer not null,
  period_start timestamptz not null,
  warned_at timestamptz not null default now(),
  primary key (tenant_id, meter, threshold, period_start),
  constraint warning_threshold_is_known check (threshold in (80, 100))
);
alter table billing.limit_warnings enable row level security;

comment on table billing.limit_warnings is 'What tenants have been told of their limits: once for each meter, threshold and billing period.';
comment on column billing.limit_warnings.threshold is 'Per cent of the limit.';

create table billing.limit_watch (
  is_the_only_row boolean primary key default true,
  looked_at uuid not null default '00000000-0000-0000-0000-000000000000',
  constraint limit_watch_is_one_row check (is_the_only_row)
);
alter table billing.limit_watch enable row level security;
insert into billing.limit_watch default values;

comment on table billing.limit_watch is 'Whose limits were looked at last. Whoever looks holds the row.';

create function billing.warn_of_limits(most integer) returns integer
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
declare
  last_looked_at uuid;
  these uuid[];
begin
  select w.looked_at into last_looked_at from billing.limit_watch w for update skip locked;
  if not found then
    return 0;
  end if;
  these := array(
    select t.id from public.tenants t where t.id > last_looked_at order by t.id limit most);
  with passed as (
    select t.id as tenant_id, t.name as tenant_name, q.meter, x.threshold, q.used, q.quota_limit, q.resets_at,
           -- A stock has no period. It is told of once in each of the tenant's own.
           coalesce(q.period_start, (select p.period_start from aias.quota_period(t.billing_anchor, now()) p)) as period_start
      from public.tenants t
      cross join lateral aias.quota_status(t.id) q
      join private.meters m on m.key = q.meter
      cross join (values (80), (100)) x (threshold)
     where t.id = any (these) and t.status = 'active' and q.quota_limit > 0 and q.used::numeric * 100 >= q.quota_limit::numeric * x.threshold
  ), told as (
    insert into billing.limit_warnings (tenant_id, meter, threshold, period_start)
    select p.tenant_id, p.meter, p.threshold, p.period_start from passed p order by 1, 2, 3
    on conflict do nothing
    returning tenant_id, meter, threshold, period_start
  ), worst as (
    -- Who is found to have passed both is told of the second.
    select distinct on (p.tenant_id, p.meter) p.*
      from passed p join told d using (tenant_id, meter, threshold, period_start)
     order by p.tenant_id, p.meter, p.threshold desc
  ), readers as (
    select w.tenant_id, c.user_id, c.email from (select distinct x.tenant_id from worst x) w cross join lateral billing.caretakers(w.tenant_id) c
  )
  insert into queue.mails (tenant_id, idempotency_key, template, recipient, expires_at, variables)
  select w.tenant_id, format('limit:%s:%s:%s:%s', w.meter, w.threshold, extract(epoch from w.period_start)::bigint, r.user_id), 'limit', r.email,
         -- A day later there may be nothing in it any more.
         coalesce(w.resets_at, now() + interval '1 day'),
         jsonb_build_object(
           'tenant_name', w.tenant_name, 'meter', w.meter, 'threshold', w.threshold::text,
           'used', ltrim(to_char(w.used, '999,999,999,999,999,999')), 'limit', ltrim(to_char(w.quota_limit, '999,999,999,999,999,999')),
           'resets_at', to_char(w.resets_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
    from worst w join readers r on r.tenant_id = w.tenant_id
   order by w.tenant_id, w.meter, r.user_id
  on conflict on constraint mail_is_promised_once do nothing;
  if found then
    perform pg_notify('aias_mails', '');
  end if;
  update billing.limit_watch w
     set looked_at = case when cardinality(these) < most then '00000000-0000-0000-0000-000000000000' else these[cardinality(these)] end;
  delete from billing.limit_warnings g where g.tenant_id = any (these) and g.warned_at < now() - interval '400 days';
  return cardinality(these);
end
$$;

comment on function billing.warn_of_limits is
  'Looks at the limits of the next tenants, at most so many, and has those who hold billing.manage told when 80 or 100 per cent are used. Answers at how many it has looked: fewer than most at the end of a round.';
