//! Every permutation of what Stripe tells of a purchase comes to the same state and to the same books.

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, PgPool};
use tests::seed::BETA;
use uuid::Uuid;

use super::shop::{begin, problems, publish};
use crate::order::FOLLOW;
use crate::stage::{ids, keep, set};
use crate::stripe::{CUSTOMER, PROFESSIONAL, Stripe};

/// The mirror, and what follows from it. Which transactions have led to the sums depends on the order; the sums do not.
const ROWS: &str = "
  create function pg_temp.sums() returns jsonb language sql as $$
    select coalesce(jsonb_object_agg(x.kind, x.amount), '{}')
      from (select a.kind, sum(e.amount) as amount from billing.ledger_entries e join billing.ledger_accounts a on a.id = e.account_id group by 1) x
  $$;
  create function pg_temp.rows() returns text language plpgsql as $$
  begin
    -- What is deferred is asked now: the orders are taken back one by one, and never committed.
    set constraints all immediate;
    set constraints all deferred;
    return (select md5(string_agg(r.line, '|' order by r.line)) from (
      select to_jsonb(x)::text from billing.objects x
      union all select concat(x.id, x.state) from public.purchases x
      union all select x.reference || ' ' || sum(e.amount) || a.kind from billing.ledger_transactions x
                  join billing.ledger_entries e on e.transaction_id = x.id join billing.ledger_accounts a on a.id = e.account_id group by x.reference, a.kind
    ) r (line));
  end
  $$;
  create function pg_temp.outcome() returns jsonb language sql as $$
    select jsonb_build_object('states', (select jsonb_agg(p.state) from public.purchases p), 'sums', pg_temp.sums(),
      'problems', (select count(*) from billing.ledger_check()),
      'plan', (select p.key from public.tenants t join public.subscription_plans p on p.id = t.plan_id where t.id = '01900000-0000-7000-8000-00000000b000'))
  $$";

/// What somebody who only hears of the last event would think.
const FIRST_PAYMENT_WINS: &str = "
  create or replace function billing.derive_purchases(purchases uuid[]) returns void language sql set search_path = '' as $$
    update public.purchases p set state = s.state from billing.purchase_states s where p.id = any (purchases) and s.id = p.id and p.state = 'pending' $$";

type History = (&'static str, &'static str, fn(&mut Stripe, Uuid), Value);

fn books(cash: i64, fee: i64, share: i64) -> Value {
    json!({"cash": cash, "platform_fee": -fee, "seller_payable": -share})
}

fn right(state: &str, sums: Value) -> Value {
    json!({"states": [state], "sums": sums, "problems": 0, "plan": "starter"})
}

/// At 1,999 the fee of 15 % is 299.85, which is 299.
fn histories() -> Vec<History> {
    vec![
        (
            "paid",
            "once",
            |stripe, purchase| {
                stripe
                    .payment_intent("1", purchase, 1999, "usd", "requires_payment_method")
                    .wait(9)
                    .charge("1", 1999, "usd")
                    .update(
                        "payment_intent.succeeded",
                        "pi_1",
                        json!({"status": "succeeded", "amount_received": 1999}),
                    )
                    .complete_checkout("1", purchase, 1999, "usd", "paid");
            },
            right("active", books(1999, 299, 1700)),
        ),
        (
            "refunded in two parts, the first of which entitles still",
            "once",
            |stripe, purchase| {
                stripe
                    .complete_checkout("1", purchase, 1999, "usd", "paid")
                    .charge("1", 1999, "usd")
                    .payment_intent("1", purchase, 1999, "usd", "succeeded")
                    .wait(60)
                    .refund_charge("1", 700)
                    .refund_charge("1", 1999);
            },
            right("refunded", books(0, 0, 0)),
        ),
        (
            "refunded in part",
            "once",
            |stripe, purchase| {
                stripe
                    .complete_checkout("1", purchase, 1999, "usd", "paid")
                    .charge("1", 1999, "usd")
                    .refund_charge("1", 700);
            },
            // Of the fee, 299 * 700 / 1,999 is 104.7, which gives back 104.
            right("active", books(1299, 195, 1104)),
        ),
        (
            "paid days later",
            "once",
            |stripe, purchase| {
                stripe
                    .complete_checkout("1", purchase, 1999, "usd", "unpaid")
                    .payment_intent("1", purchase, 1999, "usd", "processing")
                    .wait(3 * 86_400)
                    .update(
                        "checkout.session.async_payment_succeeded",
                        "cs_1",
                        json!({"payment_status": "paid"}),
                    )
                    .update(
                        "payment_intent.succeeded",
                        "pi_1",
                        json!({"status": "succeeded", "amount_received": 1999}),
                    )
                    .charge("1", 1999, "usd");
            },
            right("active", books(1999, 299, 1700)),
        ),
        (
            "not paid in the end",
            "once",
            |stripe, purchase| {
                stripe
                    .complete_checkout("1", purchase, 1999, "usd", "unpaid")
                    .payment_intent("1", purchase, 1999, "usd", "processing")
                    .wait(3 * 86_400)
                    .remark("checkout.session.async_payment_failed", "cs_1")
                    .update(
                        "payment_intent.payment_failed",
                        "pi_1",
                        json!({"status": "requires_payment_method"}),
                    );
            },
            right("pending", json!({})),
        ),
        (
            "given away",
            "once",
            |stripe, purchase| {
                stripe.complete_checkout("1", purchase, 0, "usd", "no_payment_required");
            },
            right("active", json!({})),
        ),
        (
            "lost in a dispute",
            "once",
            |stripe, purchase| {
                stripe
                    .complete_checkout("1", purchase, 1999, "usd", "paid")
                    .charge("1", 1999, "usd")
                    .wait(86_400)
                    .dispute("1", 1999, "usd")
                    .close_dispute("1", "lost");
            },
            right("disputed", books(0, 0, 0)),
        ),
        (
            "won in a dispute",
            "once",
            |stripe, purchase| {
                stripe
                    .complete_checkout("1", purchase, 1999, "usd", "paid")
                    .charge("1", 1999, "usd")
                    .wait(86_400)
                    .dispute("1", 1999, "usd")
                    .close_dispute("1", "won");
            },
            right("active", books(1999, 299, 1700)),
        ),
        (
            "subscribed, and over",
            "monthly",
            |stripe, purchase| {
                stripe.customer(BETA).marketplace_subscription(
                    "1",
                    CUSTOMER,
                    purchase,
                    "incomplete",
                );
                stripe
                    .change("sub_1", json!({"status": "active"}))
                    .paid_invoice("1", "1", CUSTOMER, 500, "usd");
                stripe
                    .wait(60)
                    .delete("customer.subscription.deleted", "sub_1");
            },
            right("ended", books(500, 75, 425)),
        ),
        (
            "subscribed, and the last payment refunded",
            "monthly",
            |stripe, purchase| {
                stripe
                    .customer(BETA)
                    .marketplace_subscription("1", CUSTOMER, purchase, "active")
                    .paid_invoice("1", "1", CUSTOMER, 500, "usd")
                    .charge("1", 500, "usd")
                    .wait(60)
                    .refund_charge("1", 500);
            },
            right("refunded", books(0, 0, 0)),
        ),
        (
            "subscribed at a price that a plan is sold at: it is no plan for that",
            "monthly",
            |stripe, purchase| {
                stripe
                    .customer(BETA)
                    .marketplace_subscription("1", CUSTOMER, purchase, "active")
                    .change_price("sub_1", PROFESSIONAL)
                    .change("sub_1", json!({"status": "unpaid"}));
            },
            right("paused", json!({})),
        ),
    ]
}

async fn outcomes(session: &mut PgConnection, (name, kind, tell, _): &History) -> Vec<Value> {
    let mut stripe = Stripe::new();
    let price = match *kind {
        "once" => ("one_time", 1999, "usd", None),
        _ => ("subscription", 500, "usd", Some("month")),
    };
    let listing = publish(session, "writer", price).await;
    let (purchase, _) = begin(session, BETA, listing).await.unwrap();
    tell(&mut stripe, purchase.expect("a purchase"));
    assert!(
        stripe.events.len() <= 7,
        "{name}: every permutation is tried"
    );
    keep(session, &stripe.events).await;
    sqlx::query_scalar::<_, Vec<Value>>("select outcomes from pg_temp.follow($1, '{}', '{}')")
        .bind(ids(&stripe.events))
        .fetch_one(session)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn every_order_entitles_to_what_was_paid(pool: PgPool) {
    set(&pool).await;
    let mut session = pool.acquire().await.unwrap();
    for sql in [ROWS, FOLLOW] {
        sqlx::raw_sql(sql).execute(&mut *session).await.unwrap();
    }
    for history in histories() {
        let mut transaction = session.begin().await.unwrap();
        let found = outcomes(&mut transaction, &history).await;
        assert_eq!(found, std::slice::from_ref(&history.3), "{}", history.0);
        assert_eq!(problems(&mut transaction).await, Vec::<String>::new());
        transaction.rollback().await.unwrap();
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn who_derives_step_by_step_is_wrong_in_some_order(pool: PgPool) {
    set(&pool).await;
    let mut session = pool.acquire().await.unwrap();
    for sql in [ROWS, FOLLOW, FIRST_PAYMENT_WINS] {
        sqlx::raw_sql(sql).execute(&mut *session).await.unwrap();
    }
    let mut wrong = Vec::new();
    for history in histories() {
        let mut transaction = session.begin().await.unwrap();
        let found = outcomes(&mut transaction, &history).await;
        if found
            .iter()
            .any(|outcome| outcome["states"] != history.3["states"])
        {
            wrong.push(history.0);
        }
        transaction.rollback().await.unwrap();
    }
    assert!(wrong.contains(&"lost in a dispute"), "{wrong:?}");
}
