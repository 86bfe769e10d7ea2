-- What follows for purchases from the mirror of Stripe's objects.
--
--   billing.objects changes ──► which purchases is that about? ──► their states, and the ledger: in the same transaction
--
-- As with subscriptions, all of it is derived anew from all objects of the purchase, so it does not matter which of them came first. Which those are
-- says metadata.purchase_id, which only who holds the platform's key can write (https://docs.stripe.com/metadata); of a payment, its payment intent
-- leads to charge and dispute, and of a subscription its invoices do.

-- Most objects have to do with no purchase, and are in none of the first.
create index objects_purchase on billing.objects ((data #>> '{metadata,purchase_id}'))
  where account = '' and (data #>> '{metadata,purchase_id}') is not null;
create index objects_payment_intent on billing.objects ((data ->> 'payment_intent'))
  where account = '' and kind in ('checkout.session', 'charge', 'dispute');
create index objects_payment_of_invoice on billing.objects ((data #>> '{payment,payment_intent}'))
  where account = '' and kind = 'invoice_payment';

-- Money ------------------------------------------------------------------------------------------------------------------------------

create view billing.marketplace_payments as
  with payment as (
    -- Paid once: https://docs.stripe.com/checkout/fulfillment. A method that takes days leaves the session complete and unpaid; then its charge succeeds.
    select p.tenant_id, p.id as purchase_id, i.id as reference, array[i.id] as intents, null::text as charge, null::jsonb as invoice
      from public.purchases p
     cross join lateral (
       select distinct case o.kind when 'payment_intent' then o.id else o.data ->> 'payment_intent' end as id
         from billing.objects o
        where o.account = '' and o.data #>> '{metadata,purchase_id}' = p.id::text and o.kind in ('checkout.session', 'payment_intent', 'charge')
     ) i
     where p.price_kind = 'one_time' and i.id is not null
    union all
    -- Paid by invoices.
    select p.tenant_id, p.id, i.id,
           array(select x.data #>> '{payment,payment_intent}' from billing.objects x
                  where x.account = '' and x.kind = 'invoice_payment' and x.data ->> 'invoice' = i.id) || (i.data ->> 'payment_intent'),
           i.data ->> 'charge', i.data
      from public.purchases p
      join billing.objects s on s.account = '' and s.kind = 'subscription' and s.data #>> '{metadata,purchase_id}' = p.id::text
      join billing.objects i on i.account = '' and i.kind = 'invoice' and i.customer = s.customer and not i.is_deleted and billing.subscription_of(i.data) = s.id
     where p.price_kind = 'subscription'
  )
  select x.tenant_id, x.purchase_id, x.reference, coalesce(x.invoice ->> 'currency', c.currency, s.currency, i.currency) as currency,
         case when x.invoice is null then greatest(c.gross, s.gross, i.gross, 0)
              when x.invoice ->> 'status' = 'paid' then coalesce((x.invoice ->> 'amount_paid')::bigint, 0)
              else 0 end as gross,
         coalesce(c.refunded, 0) as refunded, coalesce(d.lost, 0) as lost, billing.at(x.invoice, 'created') as created_at
    from payment x
   cross join lateral (
     select sum(coalesce((g.data ->> 'amount_captured')::bigint, (g.data ->> 'amount')::bigint))::bigint as gross,
            sum((g.data ->> 'amount_refunded')::bigint)::bigint as refunded, min(g.data ->> 'currency') as currency, array_agg(g.id) as ids
       from (select g.id, g.data from billing.objects g
              where g.account = '' and g.kind = 'charge' and g.data ->> 'payment_intent' = any (x.intents)
             union
             select g.id, g.data from billing.objects g where g.account = '' and g.kind = 'charge' and g.id = x.charge) g
      where g.data ->> 'status' = 'succeeded'
   ) c
   cross join lateral (
     select sum((o.data ->> 'amount_total')::bigint)::bigint as gross, min(o.data ->> 'currency') as currency
       from billing.objects o
      where x.invoice is null and o.account = '' and o.kind = 'checkout.session' and o.data ->> 'payment_intent' = x.reference and o.data ->> 'payment_status' = 'paid'
   ) s
   left join lateral (
     select (o.data ->> 'amount_received')::bigint as gross, o.data ->> 'currency' as currency
       from billing.objects o
      where x.invoice is null and o.account = '' and o.kind = 'payment_intent' and o.id = x.reference and o.data ->> 'status' = 'succeeded'
   ) i on true
   cross join lateral (
     select sum((o.data ->> 'amount')::bigint)::bigint as lost
       from billing.objects o
      where o.account = '' and o.kind = 'dispute' and o.data ->> 'payment_intent' = any (x.intents) and o.data ->> 'status' = 'lost'
   ) d;

comment on view billing.marketplace_payments is
  'What Stripe has taken for purchases, by payment intent or invoice: how much, how much of that was refunded, and how much lost in disputes. Charge, session and intent tell '
  'the same amount; whichever is known first counts.';

-- States -----------------------------------------------------------------------------------------------------------------------------

create view billing.purchase_states as
  select p.tenant_id, p.id,
         case p.price_kind
           when 'per_use' then p.state
           when 'one_time' then case
             when m.stands or exists (
               select from billing.objects o
                where o.account = '' and o.kind = 'checkout.session' and o.data #>> '{metadata,purchase_id}' = p.id::text
                  and o.data ->> 'status' = 'complete' and o.data ->> 'payment_status' = 'no_payment_required') then 'active'
             when m.is_lost then 'disputed'
             when m.is_paid then 'refunded'
             else 'pending' end
           else case
             when s.status in ('active', 'trialing', 'past_due') then case
               when m.last_stands is not false then 'active' when m.last_is_lost then 'disputed' else 'refunded' end
             when s.status in ('unpaid', 'paused') then 'paused'
             when s.status in ('canceled', 'incomplete_expired') then 'ended'
             else 'pending' end
         end as state
    from public.purchases p
    left join lateral (
      select case when o.is_deleted and o.data ->> 'status' <> 'incomplete_expired' then 'canceled' else o.data ->> 'status' end as status
        from billing.objects o
       where o.account = '' and o.kind = 'subscription' and o.data #>> '{metadata,purchase_id}' = p.id::text
       -- Who has finished two Checkouts has what the better one gives.
       order by billing.standing(case when o.is_deleted then 'canceled' else o.data ->> 'status' end) desc nulls last, o.id collate "C"
       limit 1
    ) s on p.price_kind = 'subscription'
    left join lateral (
      select bool_or(x.gross > x.refunded + x.lost and x.lost = 0) as stands, bool_or(x.lost > 0) as is_lost, bool_or(x.gross > 0) as is_paid,
             (array_agg(x.gross > x.refunded + x.lost and x.lost = 0 order by x.created_at desc, x.reference collate "C" desc))[1] as last_stands,
             (array_agg(x.lost > 0 order by x.created_at desc, x.reference collate "C" desc))[1] as last_is_lost
        from billing.marketplace_payments x
       where x.tenant_id = p.tenant_id and x.purchase_id = p.id and x.gross > 0
    ) m on true;

comment on view billing.purchase_states is
  'What purchases have come to. One that is paid once stands while a payment does of which something is left and no dispute is lost; a subscription while it is active, on trial or in '
  'Stripe''s own dunning, and the last payment stands. So a part that is refunded is a cheaper price, and all of it takes the entitlement back.';

create function billing.derive_purchases(purchases uuid[]) returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.purchases p set state = s.state
    from billing.purchase_states s
   where p.id = any (purchases) and s.tenant_id = p.tenant_id and s.id = p.id and p.state <> s.state;
  perform billing.post(m.reference, m.purchase_id, m.currency, m.gross, m.refunded, m.lost, 'cash')
     from (select x.* from billing.marketplace_payments x where x.purchase_id = any (purchases) order by x.reference) m
    where m.gross > 0 or exists (select from billing.ledger_transactions t where t.reference = m.reference);
end
$$;

comment on function billing.derive_purchases is 'Makes the states of these purchases, and the ledger, what the mirror says. To be called by one at a time: billing.wait_for_turn.';

create function billing.follow_purchases() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  touched uuid[];
begin
  with intent as (
    select c.data ->> 'payment_intent' as id from changed c where c.account = '' and c.kind in ('charge', 'dispute')
  ), invoice as (
    select c.id from changed c where c.account = '' and c.kind = 'invoice'
    union all
    select c.data ->> 'invoice' from changed c where c.account = '' and c.kind in ('charge', 'invoice_payment')
    union all
    select x.data ->> 'invoice' from intent i
      join billing.objects x on x.account = '' and x.kind = 'invoice_payment' and x.data #>> '{payment,payment_intent}' = i.id
    union all
    -- A dispute names its charge, and that, before 2025-03-31.basil, its invoice.
    select g.data ->> 'invoice' from changed c
      join billing.objects g on g.account = '' and g.kind = 'charge' and g.id = c.data ->> 'charge'
     where c.account = '' and c.kind = 'dispute'
  ), named as (
    select c.data #>> '{metadata,purchase_id}' as purchase from changed c where c.account = ''
    union all
    select o.data #>> '{metadata,purchase_id}' from intent i
      join billing.objects o on o.account = '' and o.kind in ('checkout.session', 'charge') and o.data ->> 'payment_intent' = i.id
    union all
    select o.data #>> '{metadata,purchase_id}' from intent i
      join billing.objects o on o.account = '' and o.kind = 'payment_intent' and o.id = i.id
    union all
    select s.data #>> '{metadata,purchase_id}' from invoice v
      join billing.objects o on o.account = '' and o.kind = 'invoice' and o.id = v.id
      join billing.objects s on s.account = '' and s.kind = 'subscription' and s.id = billing.subscription_of(o.data)
  )
  select array_agg(distinct billing.as_uuid(n.purchase)) into touched from named n where billing.as_uuid(n.purchase) is not null;
  if touched is not null then
    perform billing.derive_purchases(touched);
  end if;
  return null;
end
$$;

comment on function billing.follow_purchases is 'Has purchases follow whatever changes the mirror: events, and answers of Stripe.';

create trigger _200_follow_purchases after insert on billing.objects
  referencing new table as changed for each statement execute function billing.follow_purchases();
create trigger _200_follow_purchases_again after update on billing.objects
  referencing new table as changed for each statement execute function billing.follow_purchases();

-- Is it all true ---------------------------------------------------------------------------------------------------------------------

create view billing.ledger_facts as
  select m.reference, m.purchase_id, m.gross, least(m.refunded + m.lost, m.gross) as gone_back from billing.marketplace_payments m where m.gross > 0
  union all
  select 'charge:' || c.id, c.purchase_id, c.amount,
         coalesce((select sum(r.amount) from billing.charge_refunds r where r.tenant_id = c.tenant_id and r.charge_id = c.id), 0)::bigint
    from public.marketplace_charges c;

comment on view billing.ledger_facts is 'What the ledger has to come to: what Stripe has taken and given back, and what uses were charged and what was taken off.';

create function billing.ledger_check() returns table (problem text, reference text, expected text, found text)
language sql
stable
set search_path = ''
as $$
  with entry as (
    select t.id, t.reference, t.purchase_id, t.currency, a.kind, a.currency as account_currency, e.amount
      from billing.ledger_transactions t
      left join billing.ledger_entries e on e.transaction_id = t.id
      left join billing.ledger_accounts a on a.id = e.account_id
  ), total as (
    select e.reference, (array_agg(e.purchase_id))[1] as purchase_id,
           coalesce(sum(e.amount) filter (where e.kind in ('cash', 'buyer_receivable')), 0) as kept,
           coalesce(-sum(e.amount) filter (where e.kind = 'platform_fee'), 0) as fee,
           coalesce(-sum(e.amount) filter (where e.kind = 'seller_payable'), 0) as share
      from entry e group by e.reference
  ), expected as (
    select f.reference, f.gross - f.gone_back as kept, billing.fee_of(f.gross, f.gone_back, s.fee_basis_points) as fee
      from billing.ledger_facts f join billing.sales s on s.purchase_id = f.purchase_id
  )
  select 'a transaction does not balance', min(e.reference), '0', sum(e.amount)::text from entry e group by e.id having sum(e.amount) <> 0
  union all
  select 'an entry is in another currency than its transaction', e.reference, e.currency, e.account_currency from entry e where e.account_currency <> e.currency
  union all
  select 'less than nothing is left of a payment', t.reference, null, format('kept %s, fee %s, share %s', t.kept, t.fee, t.share)
    from total t where least(t.kept, t.fee, t.share) < 0
  union all
  select 'the ledger does not say what has happened', coalesce(x.reference, t.reference),
         format('kept %s, fee %s, share %s', coalesce(x.kept, 0), coalesce(x.fee, 0), coalesce(x.kept - x.fee, 0)),
         format('kept %s, fee %s, share %s', coalesce(t.kept, 0), coalesce(t.fee, 0), coalesce(t.share, 0))
    from expected x
    -- Of a buyer that is erased only the books are left, and nothing to compare them with.
    full join (select o.* from total o where exists (select from public.purchases p where p.id = o.purchase_id)) t on t.reference = x.reference
   where (coalesce(x.kept, 0), coalesce(x.fee, 0), coalesce(x.kept - x.fee, 0)) <> (coalesce(t.kept, 0), coalesce(t.fee, 0), coalesce(t.share, 0))
$$;

comment on function billing.ledger_check is 'What is wrong with the ledger: rows only where something does not balance, or is not what has happened.';
