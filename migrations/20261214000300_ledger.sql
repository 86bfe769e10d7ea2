-- The ledger of the marketplace: double entry, in integer minor units, a currency a transaction, and nothing in it ever changes.
--
--   a payment, or a charge for a use ──► what is gross of it, and what went back ──► billing.post ──► the difference to what is posted already
--
--   account            whose            grows by
--   cash               the platform's   what Stripe has taken for us                      (debit, positive)
--   buyer_receivable   a buyer's        uses that are charged and not paid yet            (debit, positive)
--   platform_fee       the platform's   its part                                          (credit, negative)
--   seller_payable     a seller's       the rest                                          (credit, negative)
--
-- The fee of an amount is amount * basis points / 10,000, rounded down; the share is the rest, so both together are the amount. Of what goes back, the
-- fee gives back its part rounded down, and the share the rest of that: neither gives back more than it has, and when all goes back, both are nothing.
--
-- Posting the difference is what makes it idempotent: a fact that is told twice has none, and facts that are told in another order come to the same sums.

create table billing.ledger_accounts (
  id bigint generated always as identity primary key,
  kind text not null,
  owner_id uuid,
  currency text not null,
  constraint ledger_account_is_one unique nulls not distinct (kind, owner_id, currency),
  constraint ledger_account_kind_is_known check (kind in ('cash', 'buyer_receivable', 'platform_fee', 'seller_payable')),
  constraint ledger_account_is_of_whom_its_kind_says check ((owner_id is not null) = (kind in ('buyer_receivable', 'seller_payable')))
);
create index ledger_accounts_owner on billing.ledger_accounts (owner_id);
alter table billing.ledger_accounts enable row level security;

comment on table billing.ledger_accounts is 'The accounts of the marketplace''s ledger.';
comment on column billing.ledger_accounts.owner_id is 'Whose it is, by billing.parties. No reference: the books are kept when a tenant is erased.';

create table billing.ledger_transactions (
  id uuid primary key default aias.uuid7(),
  reference text not null,
  seq integer not null,
  kind text not null,
  purchase_id uuid not null,
  listing_id uuid not null,
  currency text not null,
  gross bigint not null,
  refunded bigint not null,
  lost bigint not null,
  at timestamptz not null default now(),
  constraint transaction_is_posted_once unique (reference, seq),
  constraint transaction_kind_is_known check (kind in ('sale', 'refund', 'dispute', 'correction')),
  constraint no_more_goes_back_than_came check (least(gross, refunded, lost) >= 0 and refunded + lost <= gross)
);
alter table billing.ledger_transactions enable row level security;

comment on table billing.ledger_transactions is 'What has happened to a payment. Never changed, never deleted.';
comment on column billing.ledger_transactions.reference is 'Stripe''s id of the payment intent or of the invoice, or charge:<id> of marketplace_charges.';
comment on column billing.ledger_transactions.seq is 'With the reference, the key under which it is posted once.';
comment on column billing.ledger_transactions.gross is 'Of the whole payment, after this transaction; so are refunded and lost.';

create table billing.ledger_entries (
  transaction_id uuid not null references billing.ledger_transactions (id),
  account_id bigint not null references billing.ledger_accounts (id),
  amount bigint not null,
  primary key (transaction_id, account_id),
  constraint entry_is_an_amount check (amount <> 0)
);
create index ledger_entries_account on billing.ledger_entries (account_id);
alter table billing.ledger_entries enable row level security;

comment on table billing.ledger_entries is 'The entries of a transaction, which come to nothing together.';
comment on column billing.ledger_entries.amount is 'In minor units: debits are positive, credits negative.';

-- What the tables hold true by themselves ----------------------------------------------------------------------------------------------

create function billing.demand_balance() returns trigger
language plpgsql
-- Definer: before Postgres 18 a deferred trigger runs as whoever commits, which is a worker's login (https://www.postgresql.org/docs/18/release-18.html).
security definer
set search_path = ''
as $$
declare
  posted constant uuid := case tg_table_name when 'ledger_entries' then to_jsonb(new) ->> 'transaction_id' else to_jsonb(new) ->> 'id' end;
  total numeric;
  entries bigint;
  currencies bigint;
begin
  select sum(e.amount), count(*), count(*) filter (where a.currency <> t.currency)
    into total, entries, currencies
    from billing.ledger_transactions t
    join billing.ledger_entries e on e.transaction_id = t.id
    join billing.ledger_accounts a on a.id = e.account_id
   where t.id = posted;
  -- Only a correction may move nothing: of as much less that came, as much less went back.
  if total is distinct from 0 and not (entries = 0 and exists (
       select from billing.ledger_transactions t where t.id = posted and t.kind = 'correction')) or entries = 1 or currencies > 0 then
    raise exception 'transaction % does not balance: % in % entries', posted, coalesce(total, 0), entries using errcode = 'check_violation';
  end if;
  return null;
end
$$;

comment on function billing.demand_balance is 'At the commit, whoever wrote it: the entries of a transaction come to nothing together and are all of its currency.';

create constraint trigger _100_demand_balance after insert on billing.ledger_transactions
  deferrable initially deferred for each row execute function billing.demand_balance();
create constraint trigger _100_demand_balance after insert on billing.ledger_entries
  deferrable initially deferred for each row execute function billing.demand_balance();

create function billing.keep_books() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception 'what is in the ledger stays as it is: post another transaction' using errcode = 'restrict_violation';
end
$$;

comment on function billing.keep_books is 'Refuses to change the ledger.';

create trigger _050_keep_books before update or delete or truncate on billing.ledger_transactions
  for each statement execute function billing.keep_books();
create trigger _050_keep_books before update or delete or truncate on billing.ledger_entries
  for each statement execute function billing.keep_books();
create trigger _050_keep_books before update or delete or truncate on billing.ledger_accounts
  for each statement execute function billing.keep_books();

-- Posting ----------------------------------------------------------------------------------------------------------------------------

create function billing.fee_of(gross bigint, gone_back bigint, fee_basis_points integer) returns bigint
language sql
immutable
set search_path = ''
as $$
  -- In numeric, which holds the products of any two bigints. div() cuts, which of what is not negative is rounding down.
  select (f.fee - case when gross > 0 then div(f.fee * gone_back, gross) else 0 end)::bigint
    from (select div(gross::numeric * fee_basis_points, 10000) as fee) f
$$;

comment on function billing.fee_of is 'What the platform keeps of a payment of which so much went back. The seller''s share is what else is left of it.';

create function billing.account_of(kind text, party uuid, currency text) returns bigint
language plpgsql
set search_path = ''
as $$
#variable_conflict use_column
declare
  account bigint;
begin
  select a.id into account from billing.ledger_accounts a
   where a.kind = account_of.kind and a.owner_id is not distinct from party and a.currency = account_of.currency;
  if not found then
    insert into billing.ledger_accounts (kind, owner_id, currency) values (account_of.kind, party, account_of.currency)
    on conflict on constraint ledger_account_is_one do nothing returning id into account;
  end if;
  if account is null then
    -- Somebody else has just made it.
    select a.id into account from billing.ledger_accounts a
     where a.kind = account_of.kind and a.owner_id is not distinct from party and a.currency = account_of.currency;
  end if;
  return account;
end
$$;

create function billing.write_transaction(
  before billing.ledger_transactions, becomes billing.ledger_transactions, sale billing.sales, money text
) returns billing.ledger_transactions
language plpgsql
set search_path = ''
as $$
declare
  kept_before constant bigint := coalesce(before.gross - before.refunded - before.lost, 0);
  kept constant bigint := becomes.gross - becomes.refunded - becomes.lost;
  fee constant bigint := billing.fee_of(becomes.gross, becomes.refunded + becomes.lost, sale.fee_basis_points)
    - coalesce(billing.fee_of(before.gross, before.refunded + before.lost, sale.fee_basis_points), 0);
begin
  becomes.seq := coalesce(before.seq, 0) + 1;
  becomes.id := aias.uuid7();
  becomes.at := now();
  insert into billing.ledger_transactions select becomes.*;
  insert into billing.ledger_entries (transaction_id, account_id, amount)
  select becomes.id, billing.account_of(e.kind, e.party, becomes.currency), e.amount
    -- In one order for everybody: of two who make the same accounts one waits, and neither for the other.
    from (values (1, money, case money when 'buyer_receivable' then billing.party_of(sale.tenant_id) end, kept - kept_before),
                 (2, 'platform_fee', null::uuid, -fee),
                 (3, 'seller_payable', sale.seller_id, fee - (kept - kept_before))) e (n, kind, party, amount)
   where e.amount <> 0
   order by e.n;
  return becomes;
end
$$;

create function billing.post(of_reference text, purchase uuid, currency text, gross bigint, refunded bigint, lost bigint, money text) returns void
language plpgsql
set search_path = ''
as $$
#variable_conflict use_variable
declare
  sale billing.sales;
  last billing.ledger_transactions;
  next billing.ledger_transactions;
begin
  refunded := least(refunded, gross);
  lost := least(lost, gross - refunded);
  select t.* into last from billing.ledger_transactions t where t.reference = of_reference order by t.seq desc limit 1;
  if (coalesce(last.gross, 0), coalesce(last.refunded + last.lost, 0)) = (gross, refunded + lost) then
    return;
  end if;
  select s.* into sale from billing.sales s where s.purchase_id = purchase;
  next := last;
  next.reference := of_reference;
  next.purchase_id := purchase;
  next.currency := coalesce(last.currency, currency);
  select p.listing_id into next.listing_id from public.purchases p where p.tenant_id = sale.tenant_id and p.id = purchase;
  if gross < coalesce(last.gross, 0) or refunded < coalesce(last.refunded, 0) or lost < coalesce(last.lost, 0) then
    -- Of two things that Stripe told within one second, the earlier one was taken for the later.
    next.kind := 'correction';
    next.gross := gross;
    next.refunded := refunded;
    next.lost := lost;
    perform billing.write_transaction(last, next, sale, money);
    return;
  end if;
  next.refunded := coalesce(last.refunded, 0);
  next.lost := coalesce(last.lost, 0);
  next.gross := gross;
  if gross > coalesce(last.gross, 0) then
    next.kind := 'sale';
    last := billing.write_transaction(last, next, sale, money);
  end if;
  if refunded > next.refunded then
    next.kind := 'refund';
    next.refunded := refunded;
    last := billing.write_transaction(last, next, sale, money);
  end if;
  if lost > next.lost then
    next.kind := 'dispute';
    next.lost := lost;
    perform billing.write_transaction(last, next, sale, money);
  end if;
end
$$;

comment on function billing.post is
  'Brings the ledger to what is true of a payment: so much came, so much was refunded, so much was lost in disputes. Posts the difference to what is posted already. '
  'For one at a time of a reference: those of Stripe under billing.wait_for_turn, those of charges under the lock of their row.';

-- Uses -------------------------------------------------------------------------------------------------------------------------------

create table billing.charge_refunds (
  tenant_id uuid not null,
  charge_id uuid not null,
  key text not null,
  amount bigint not null,
  at timestamptz not null default now(),
  primary key (tenant_id, charge_id, key),
  constraint refund_is_of_a_charge foreign key (tenant_id, charge_id) references public.marketplace_charges (tenant_id, id) on delete cascade,
  constraint refund_is_an_amount check (amount > 0)
);
alter table billing.charge_refunds enable row level security;

comment on table billing.charge_refunds is 'What the operator has taken off charges for uses.';
comment on column billing.charge_refunds.key is 'The operator''s own name for it, under which it is done once.';

create function billing.post_charge(charge public.marketplace_charges) returns void
language sql
set search_path = ''
as $$
  select billing.post('charge:' || charge.id, charge.purchase_id, charge.currency, charge.amount,
    coalesce((select sum(r.amount) from billing.charge_refunds r where r.tenant_id = charge.tenant_id and r.charge_id = charge.id), 0)::bigint, 0, 'buyer_receivable')
$$;

create function billing.refund_charge(tenant uuid, charge uuid, amount bigint, key text) returns boolean
language plpgsql
set search_path = ''
as $$
#variable_conflict use_variable
declare
  charged public.marketplace_charges;
begin
  select c.* into charged from public.marketplace_charges c where c.tenant_id = tenant and c.id = charge for no key update;
  if not found then
    raise exception 'there is no charge %', charge using errcode = 'no_data_found';
  end if;
  if exists (select from billing.charge_refunds r where r.tenant_id = tenant and r.charge_id = charge and r.key = refund_charge.key) then
    return false;
  end if;
  if amount > charged.amount - (select coalesce(sum(r.amount), 0) from billing.charge_refunds r where r.tenant_id = tenant and r.charge_id = charge) then
    raise exception 'no more than % was charged, and part of that may be refunded already', charged.amount using errcode = 'check_violation';
  end if;
  insert into billing.charge_refunds (tenant_id, charge_id, key, amount) values (tenant, charge, key, amount);
  perform billing.post_charge(charged);
  return true;
end
$$;

comment on function billing.refund_charge is 'For the operator: takes an amount off a charge for a use, or all of it, once under this key. False when that was done before.';

create function billing.charge_use() returns trigger
language plpgsql
-- Definer: whoever writes usage has no rights on the books.
security definer
set search_path = ''
as $$
declare
  charged public.marketplace_charges;
begin
  insert into public.marketplace_charges (tenant_id, listing_id, purchase_id, amount, currency, usage_key)
  select new.tenant_id, new.listing_id, p.id, p.amount, p.currency,
         -- Of a step, what comes after it in the key is the attempt, and the round of that.
         case when new.execution_id is not null then regexp_replace(new.idempotency_key, ':[0-9]+(:round[0-9]+)?$', '') else new.idempotency_key end
    from public.purchases p
   where p.tenant_id = new.tenant_id and p.listing_id = new.listing_id and p.price_kind = 'per_use' and p.state = 'active'
     -- Who has bought it otherwise since pays nothing by use.
     and not exists (select from public.purchases o where o.tenant_id = p.tenant_id and o.listing_id = p.listing_id and o.state = 'active' and o.price_kind <> 'per_use')
   order by p.created_at limit 1
  on conflict on constraint use_is_charged_once do nothing
  returning * into charged;
  if charged.id is not null then
    perform billing.post_charge(charged);
  end if;
  return null;
end
$$;

comment on function billing.charge_use is 'Charges a use with the usage that tells of it, in the same transaction, once.';

create trigger _300_charge_use after insert on public.usage
  for each row when (new.listing_id is not null) execute function billing.charge_use();

-- What the seller sees ---------------------------------------------------------------------------------------------------------------

create function private.seller_statement(tenant uuid, starts_at timestamptz, ends_at timestamptz)
returns table (at timestamptz, kind text, listing_id uuid, currency text, amount bigint, fee bigint, share bigint)
language plpgsql
stable
-- Definer: the books are closed. It asks for those who hold billing.read.
security definer
set search_path = ''
as $$
#variable_conflict use_column
begin
  perform private.demand(tenant, 'billing.read');
  return query
    select t.at, t.kind, t.listing_id, t.currency,
           coalesce(sum(e.amount) filter (where a.kind in ('cash', 'buyer_receivable')), 0)::bigint,
           coalesce(-sum(e.amount) filter (where a.kind = 'platform_fee'), 0)::bigint,
           coalesce(-sum(e.amount) filter (where a.kind = 'seller_payable'), 0)::bigint
      from billing.ledger_transactions t
      join billing.ledger_entries e on e.transaction_id = t.id
      join billing.ledger_accounts a on a.id = e.account_id
     where t.at >= starts_at and t.at < ends_at
       and t.id in (select o.transaction_id from billing.ledger_entries o join billing.ledger_accounts x on x.id = o.account_id
                     where x.kind = 'seller_payable' and x.owner_id = (select p.id from billing.parties p where p.tenant_id = tenant))
     group by t.id
     order by t.at, t.id;
end
$$;

create function public.seller_statement(tenant_id uuid, starts_at timestamptz default '-infinity', ends_at timestamptz default 'infinity')
returns table (at timestamptz, kind text, listing_id uuid, currency text, amount bigint, fee bigint, share bigint)
language sql stable set search_path = '' as $$ select * from private.seller_statement(tenant_id, starts_at, ends_at) $$;

comment on function public.seller_statement is
  'What a seller''s listings have brought: each sale, refund, lost dispute and correction, with the platform''s fee and the seller''s share, in minor units. Of buyers it tells nothing. Needs billing.read.';
