//! Mails about money: each once, to those who look after it, whatever order events come in.

use serde_json::json;
use sqlx::PgPool;
use tests::seed::BETA;

use crate::stage::{apply, ids, keep, session, set};
use crate::stripe::{PROFESSIONAL, Stripe};

/// Template, state and what it is about, in the order of their promise.
async fn mails(pool: &PgPool) -> Vec<(String, String, String)> {
    sqlx::query_as(
        "select template, status, concat_ws(' ', variables ->> 'amount', variables ->> 'plan_name') from queue.mails
          where template <> 'invitation' order by created_at, id",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

fn mail(template: &str, status: &str, about: &str) -> (String, String, String) {
    (template.to_owned(), status.to_owned(), about.to_owned())
}

/// An invoice of Beta's that has become due now.
fn due(stripe: &mut Stripe) -> &mut Stripe {
    stripe
        .customer(BETA)
        .subscription("sub_1", PROFESSIONAL, "active")
        .invoice("in_1", "sub_1", 4900)
        .wait(60)
        .finalize("in_1")
}

#[sqlx::test(migrations = "../migrations")]
async fn each_failed_attempt_is_told_and_then_the_receipt(pool: PgPool) {
    set(&pool).await;
    let mut session = session(&pool).await;
    let mut stripe = Stripe::new();
    due(&mut stripe);
    stripe.wait(60).fail("in_1");
    keep(&mut session, &stripe.events).await;
    apply(&mut session, &ids(&stripe.events)).await;
    assert_eq!(
        mails(&pool).await,
        [mail("payment_failed", "queued", "49.00 USD")]
    );

    // The first has gone; the second is overtaken by the payment.
    sqlx::query("update queue.mails set status = 'sent', finished_at = now()")
        .execute(&pool)
        .await
        .unwrap();
    let told = stripe.events.len();
    stripe.wait(60).fail("in_1");
    keep(&mut session, &stripe.events).await;
    apply(&mut session, &ids(&stripe.events[told..])).await;
    let told = stripe.events.len();
    stripe.wait(60).pay("in_1");
    keep(&mut session, &stripe.events).await;
    apply(&mut session, &ids(&stripe.events[told..])).await;
    // Once more, all of it.
    apply(&mut session, &ids(&stripe.events)).await;
    assert_eq!(
        mails(&pool).await,
        [
            mail("payment_failed", "sent", "49.00 USD"),
            mail("payment_failed", "dropped", "49.00 USD"),
            mail("receipt", "queued", "49.00 USD"),
        ]
    );
    let recipients: Vec<(String, String)> = sqlx::query_as(
        "select m.recipient, b.role from queue.mails m join public.users u on u.email = m.recipient
           join public.memberships b on b.user_id = u.id and b.tenant_id = m.tenant_id where m.template = 'receipt'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(
        recipients,
        [("owner@beta.test".to_owned(), "owner".to_owned())]
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn in_whatever_order_it_comes_a_payment_has_one_receipt(pool: PgPool) {
    set(&pool).await;
    let mut stripe = Stripe::new();
    due(&mut stripe);
    stripe.wait(60).fail("in_1").wait(60).pay("in_1");
    let mut session = session(&pool).await;
    keep(&mut session, &stripe.events).await;
    let mut left_over = ids(&stripe.events);
    left_over.retain(|id| stripe.events[1]["id"] != id.as_str());
    for order in orders(&left_over) {
        sqlx::raw_sql(
            "delete from queue.mails; delete from billing.objects; delete from billing.customers; delete from public.invoices; delete from public.subscriptions",
        )
        .execute(&mut *session)
        .await
        .unwrap();
        for event in &order {
            apply(&mut session, std::slice::from_ref(event)).await;
        }
        let mails = mails(&pool).await;
        let receipts = mails.iter().filter(|mail| mail.0 == "receipt").count();
        assert_eq!(receipts, 1, "{order:?}: {mails:?}");
        let waiting =
            |mail: &&(String, String, String)| mail.0 == "payment_failed" && mail.1 == "queued";
        assert_eq!(
            mails.iter().filter(waiting).count(),
            0,
            "{order:?}: {mails:?}"
        );
    }
}

/// Every order of them.
fn orders(events: &[String]) -> Vec<Vec<String>> {
    if events.is_empty() {
        return vec![Vec::new()];
    }
    let begun_with = |at: usize| {
        let mut others = events.to_vec();
        let first = others.remove(at);
        let orders = orders(&others).into_iter();
        orders.map(move |order| [vec![first.clone()], order].concat())
    };
    (0..events.len()).flat_map(begun_with).collect()
}

#[sqlx::test(migrations = "../migrations")]
async fn a_trial_that_ends_soon_is_told_once_and_again_when_it_is_prolonged(pool: PgPool) {
    set(&pool).await;
    let mut session = session(&pool).await;
    let mut stripe = Stripe::new();
    let now: i64 = sqlx::query_scalar("select extract(epoch from now())::bigint")
        .fetch_one(&pool)
        .await
        .unwrap();
    stripe.second = now - 60;
    stripe
        .customer(BETA)
        .subscription("sub_1", PROFESSIONAL, "trialing")
        .change("sub_1", json!({"trial_end": now + 4 * 86_400}));
    let sweep = async || {
        sqlx::query("select billing.sweep(100)")
            .execute(&pool)
            .await
            .unwrap();
        mails(&pool).await
    };
    keep(&mut session, &stripe.events).await;
    apply(&mut session, &ids(&stripe.events)).await;
    assert_eq!(sweep().await, [], "four days are long");

    let once = mail("trial_ending", "queued", "Professional");
    for (end, cancelled, wanted) in [
        (now + 2 * 86_400, true, vec![]),
        (now + 2 * 86_400, false, vec![once.clone()]),
        (now + 4 * 86_400, false, vec![once.clone()]),
        (now + 2 * 86_400 + 3600, false, vec![once.clone(), once]),
    ] {
        let told = stripe.events.len();
        stripe.wait(1).change(
            "sub_1",
            json!({"trial_end": end, "cancel_at_period_end": cancelled}),
        );
        keep(&mut session, &stripe.events).await;
        apply(&mut session, &ids(&stripe.events[told..])).await;
        assert_eq!(sweep().await, wanted, "{end} {cancelled}");
        assert_eq!(sweep().await, wanted, "{end} {cancelled}, once more");
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn what_was_paid_before_it_was_known_is_no_news(pool: PgPool) {
    set(&pool).await;
    let mut session = session(&pool).await;
    let mut stripe = Stripe::new();
    stripe.second = 1_700_000_000;
    due(&mut stripe);
    stripe.wait(60).fail("in_1");
    keep(&mut session, &stripe.events).await;
    apply(&mut session, &ids(&stripe.events)).await;
    let told = stripe.events.len();
    stripe.pay("in_1");
    keep(&mut session, &stripe.events).await;
    apply(&mut session, &ids(&stripe.events[told..])).await;
    assert_eq!(mails(&pool).await, []);
}
