-- Reconciliation: what Stripe lists is compared with the mirror, page by page.
--
--   waiting ──► running ──► done          running ──► running, by another worker, when the one before says nothing within its lease
--
-- A list only finds; it mends nothing. What the mirror does not know, has otherwise, or has and is not listed, is asked about by
-- billing.claim_fetches as after an event, and the answer is taken by its ticket: so a page that is older than what an event has told
-- meanwhile can do no harm, and nothing is taken for gone because it was missing in a list.

alter table billing.settings
  add column reconcile_every interval default interval '1 day',
  add column reconcile_days integer not null default 35,
  add constraint reconciliations_are_some_time_apart check (reconcile_every >= interval '1 minute'),
  add constraint reconciliation_looks_back_some_days check (reconcile_days between 1 and 3650);

comment on column billing.settings.reconcile_every is 'How often all is compared with what Stripe lists; null: only when somebody asks by billing.reconcile.';
comment on column billing.settings.reconcile_days is 'How far back invoices and charges are compared. Customers, products, prices and subscriptions are, however old.';

create table billing.reconciliations (
  id bigint generated always as identity primary key,
  asked_by text not null default 'schedule',
  state text not null default 'waiting',
  livemode boolean,
  asked_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  kind text not null default 'customer',
  after text,
  listed bigint not null default 0,
  token bigint not null default 0,
  next_at timestamptz not null default now(),
  problem text,
  constraint reconciliation_is_asked_for_by_somebody check (asked_by in ('schedule', 'operator')),
  constraint reconciliation_state_is_known check (state in ('waiting', 'running', 'done')),
  constraint reconciliation_that_has_begun_says_when check ((state = 'waiting') = (started_at is null)),
  constraint reconciliation_that_is_done_says_when check ((state = 'done') = (finished_at is not null))
);
create unique index reconciliation_is_alone on billing.reconciliations ((true)) where state <> 'done';
create index reconciliations_finished_at on billing.reconciliations (finished_at);
alter table billing.reconciliations enable row level security;

comment on table billing.reconciliations is 'Comparisons of the mirror with what Stripe lists. What they found: billing.reconciliation_report.';
comment on column billing.reconciliations.livemode is 'Of the key of the worker that does it; null until one does.';
comment on column billing.reconciliations.kind is 'What is listed now; after is the last that was looked at, so whoever goes on begins there.';
comment on column billing.reconciliations.token is 'Grows with each claim. A page that comes with a smaller one is too late.';
comment on column billing.reconciliations.next_at is 'When it may be claimed: the end of the lease, or when Stripe said to come back.';

create table billing.reconciliation_findings (
  run bigint not null references billing.reconciliations (id) on delete cascade,
  kind text not null,
  id text not null,
  what text not null,
  ticket bigint not null,
  primary key (run, kind, id),
  constraint finding_is_of_some_sort check (what in ('unknown', 'different', 'not listed', 'unreadable'))
);
alter table billing.reconciliation_findings enable row level security;

comment on table billing.reconciliation_findings is 'What differed. It is mended once Stripe has answered how the object is, to a question of this ticket or a later one.';

alter table billing.objects add column listed_in bigint;
comment on column billing.objects.listed_in is 'The last reconciliation that Stripe has listed it in.';

create function billing.reconcile() returns bigint
language plpgsql
set search_path = ''
as $$
declare
  run bigint;
begin
  insert into billing.reconciliations (asked_by) values ('operator') on conflict ((true)) where state <> 'done' do nothing returning id into run;
  return coalesce(run, (select r.id from billing.reconciliations r where r.state <> 'done'));
end
$$;

comment on function billing.reconcile is
  'Has the mirror compared with what Stripe lists, by a worker with a key, soon. Answers the number of the run, which is the one that is on its way where there is one: '
  'select * from billing.reconciliation_report.';

create view billing.reconciliation_report as
  select r.id as run, r.asked_by, r.state, r.livemode, r.started_at, r.finished_at, r.listed,
         count(f.id) filter (where f.what = 'unknown') as unknown, count(f.id) filter (where f.what = 'different') as different,
         count(f.id) filter (where f.what = 'not listed') as not_listed, count(f.id) filter (where f.what = 'unreadable') as unreadable,
         -- A tenant's objects go with it.
         count(f.id) filter (where f.what <> 'unreadable' and (o.id is null or o.fetched_ticket >= f.ticket)) as mended,
         r.problem
    from billing.reconciliations r
    left join billing.reconciliation_findings f on f.run = r.id
    left join billing.objects o on o.account = '' and o.kind = f.kind and o.id = f.id
   group by r.id
   order by r.id desc;

comment on view billing.reconciliation_report is
  'What each run has found: objects that the mirror did not know, had otherwise, or had and Stripe did not list; and how many of these Stripe has been asked about since.';

-- For workers --------------------------------------------------------------------------------------------------------------------

create function billing.reconciled_kinds() returns text[]
language sql
immutable
set search_path = ''
as $$ select array['customer', 'product', 'price', 'subscription', 'invoice', 'charge'] $$;

create function billing.claim_reconciliation(of_livemode boolean, lease interval)
returns table (run bigint, token bigint, kind text, after text, since timestamptz)
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  settings constant billing.settings := (select s from billing.settings s);
begin
  if not exists (select from billing.reconciliations r where r.state <> 'done' or r.asked_at > now() - settings.reconcile_every)
     and settings.reconcile_every is not null then
    delete from billing.reconciliations r where r.finished_at < now() - settings.events_kept;
    insert into billing.reconciliations default values on conflict ((true)) where state <> 'done' do nothing;
  end if;
  return query
    update billing.reconciliations r
       set state = 'running', livemode = of_livemode, started_at = coalesce(r.started_at, now()), token = r.token + 1, next_at = now() + lease
     where r.id = (select d.id from billing.reconciliations d
                    where d.state <> 'done' and d.next_at <= now() and coalesce(d.livemode, of_livemode) = of_livemode
                      for update skip locked)
    returning r.id, r.token, r.kind, r.after,
              case when r.kind in ('invoice', 'charge') then r.started_at - make_interval(days => settings.reconcile_days) end;
end
$$;

comment on function billing.claim_reconciliation is
  'The next page of a reconciliation that is due, for one worker at a time; begins one when it is time. since: only what was created from then on is listed.';

create function billing.put_off_reconciliation(of_run bigint, of_token bigint, wait interval, reason text) returns void
language sql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  update billing.reconciliations r set next_at = now() + wait, problem = reason where r.id = of_run and r.token = of_token and r.state = 'running'
$$;

comment on function billing.put_off_reconciliation is 'Has whoever is next go on after so long: Stripe has said so, or could not be asked.';

create function billing.is_readable(kind text, data jsonb) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  perform billing.readable(kind, data);
  return true;
exception when others then
  return false;
end
$$;

create function billing.record_reconciled(of_run bigint, of_token bigint, objects jsonb, has_more boolean) returns boolean
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
declare
  this billing.reconciliations;
  settings constant billing.settings := (select s from billing.settings s);
begin
  perform billing.wait_for_turn();
  select r.* into this from billing.reconciliations r where r.id = of_run and r.token = of_token and r.state = 'running' for update;
  if this.id is null then
    return false;
  end if;

  with listed as materialized (
    select o.data ->> 'id' as id, o.data, billing.is_readable(this.kind, o.data) as is_readable from jsonb_array_elements(objects) o (data)
  ), met as (
    update billing.objects o
       set listed_in = this.id, fetch_ticket = o.fetch_ticket + d.differs::integer, fetch_at = case when d.differs then now() else o.fetch_at end
      from (
        select x.account, x.kind, x.id,
               -- One that is asked about already will be known. A deletion that was told is for ever, though an ended subscription is listed.
               x.fetch_at is null and not coalesce((x.seen[1]).is_deletion, false) and (x.is_deleted or x.data <> l.data) as differs
          from listed l join billing.objects x on x.account = '' and x.kind = this.kind and x.id = l.id
      ) d
     where o.account = d.account and o.kind = d.kind and o.id = d.id
    returning o.id, d.differs, o.fetch_ticket
  ), made as (
    -- Nobody has told of it: so it has no sightings, and what Stripe answers next is how it is.
    insert into billing.objects as o (kind, id, livemode, customer, data, seen, fetch_ticket, fetch_at, listed_in)
    select this.kind, l.id, this.livemode, case when this.kind = 'customer' then l.id else billing.id_of(l.data -> 'customer') end, l.data, '{}', 1, now(), this.id
      from listed l
     where l.is_readable and not exists (select from billing.objects x where x.account = '' and x.kind = this.kind and x.id = l.id)
    returning o.id, o.fetch_ticket
  )
  insert into billing.reconciliation_findings as f (run, kind, id, what, ticket)
  select this.id, this.kind, m.id, 'different', m.fetch_ticket from met m where m.differs
  union all
  select this.id, this.kind, m.id, 'unknown', m.fetch_ticket from made m
  union all
  select this.id, this.kind, l.id, 'unreadable', 0 from listed l where not l.is_readable
  on conflict (run, kind, id) do nothing;

  if not has_more then
    with missed as (
      update billing.objects o set fetch_ticket = o.fetch_ticket + 1, fetch_at = now()
       where o.account = '' and o.kind = this.kind and o.livemode = this.livemode and not o.is_deleted and o.fetch_at is null
         and o.listed_in is distinct from this.id
         -- The newest come first: what was made while we read is on no page of ours. Stripe's clock may be another.
         and billing.at(o.data, 'created') < this.started_at - interval '1 minute'
         and (this.kind not in ('invoice', 'charge') or billing.at(o.data, 'created') > this.started_at - make_interval(days => settings.reconcile_days))
      returning o.id, o.fetch_ticket
    )
    insert into billing.reconciliation_findings as f (run, kind, id, what, ticket)
    select this.id, this.kind, m.id, 'not listed', m.fetch_ticket from missed m
    on conflict (run, kind, id) do nothing;
    this.kind := (billing.reconciled_kinds())[array_position(billing.reconciled_kinds(), this.kind) + 1];
  end if;
  update billing.reconciliations r
     set listed = r.listed + jsonb_array_length(objects), problem = null, next_at = now(),
         -- Said twice, it is too late as well.
         token = r.token + 1,
         kind = coalesce(this.kind, r.kind),
         after = case when has_more then objects -> -1 ->> 'id' end,
         state = case when this.kind is null then 'done' else 'running' end,
         finished_at = case when this.kind is null then now() end
   where r.id = this.id;
  return true;
end
$$;

comment on function billing.record_reconciled is
  'Compares a page of what Stripe lists with the mirror, and has Stripe asked about what differs. False when another worker has taken the run over.';
