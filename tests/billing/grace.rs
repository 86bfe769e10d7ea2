//! A payment that fails leaves time; what the operator or the owner has decided stays.

use serde_json::json;
use sqlx::PgPool;
use tests::seed::BETA;

use crate::stage::{apply, ids, keep, outcome, session, set};
use crate::stripe::{PROFESSIONAL, Stripe};

async fn run(pool: &PgPool, sql: &'static str) {
    sqlx::raw_sql(sql).execute(pool).await.unwrap();
}

/// Beta's payment is due since so many days.
async fn past_due_since(
    pool: &PgPool,
    days: i64,
) -> (Stripe, sqlx::pool::PoolConnection<sqlx::Postgres>) {
    set(pool).await;
    let now: i64 = sqlx::query_scalar("select extract(epoch from now())::bigint")
        .fetch_one(pool)
        .await
        .unwrap();
    let mut stripe = Stripe::new();
    stripe.second = now - (days + 30) * 86_400;
    stripe
        .customer(BETA)
        .subscription("sub_1", PROFESSIONAL, "active");
    stripe
        .wait(30 * 86_400)
        .invoice("in_1", "sub_1", 4900)
        .finalize("in_1");
    stripe
        .wait(1)
        .change("sub_1", json!({"status": "past_due"}));
    let mut session = session(pool).await;
    keep(&mut session, &stripe.events).await;
    apply(&mut session, &ids(&stripe.events)).await;
    (stripe, session)
}

#[sqlx::test(migrations = "../migrations")]
async fn the_grace_ends_and_a_payment_lifts_the_suspension(pool: PgPool) {
    let (mut stripe, mut session) = past_due_since(&pool, 6).await;
    let within = outcome(&mut session).await;
    assert_eq!(
        (&within["plan"], &within["status"]),
        (&json!("professional"), &json!("active"))
    );
    let days_left: f64 = sqlx::query_scalar(
        "select extract(epoch from s.grace_ends_at - now())::float8 / 86400 from public.subscriptions s join billing.accounts a using (tenant_id) where a.derive_at = s.grace_ends_at",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    // Stripe's clock of this test has whole seconds: a day, and up to one more.
    assert!((0.9..1.0001).contains(&days_left), "{days_left}");
    // Nothing is due yet.
    assert_eq!(sweep(&pool).await, 0);

    // The operator makes the grace shorter: the same as waiting for a day.
    run(&pool, "update billing.settings set grace_days = 5").await;
    assert_eq!(sweep(&pool).await, 1);
    assert_eq!(outcome(&mut session).await["status"], "suspended");
    assert_eq!(sweep(&pool).await, 0);

    stripe
        .wait(60)
        .pay("in_1")
        .change("sub_1", json!({"status": "active"}));
    keep(&mut session, &stripe.events).await;
    apply(&mut session, &ids(&stripe.events[4..])).await;
    assert_eq!(outcome(&mut session).await["status"], "active");
}

#[sqlx::test(migrations = "../migrations")]
async fn what_the_operator_has_suspended_a_payment_does_not_lift(pool: PgPool) {
    set(&pool).await;
    run(
        &pool,
        "update public.tenants set status = 'suspended' where subdomain = 'beta'",
    )
    .await;
    let mut stripe = Stripe::new();
    stripe
        .customer(BETA)
        .subscription("sub_1", PROFESSIONAL, "unpaid");
    stripe.wait(60).change("sub_1", json!({"status": "active"}));
    let mut session = session(&pool).await;
    keep(&mut session, &stripe.events).await;
    for event in ids(&stripe.events) {
        apply(&mut session, &[event]).await;
        assert_eq!(outcome(&mut session).await["status"], "suspended");
    }
    run(
        &pool,
        "update public.tenants set status = 'cancelled' where subdomain = 'beta'",
    )
    .await;
    stripe.wait(60).change("sub_1", json!({"status": "unpaid"}));
    stripe.wait(60).change("sub_1", json!({"status": "active"}));
    keep(&mut session, &stripe.events).await;
    for event in ids(&stripe.events[3..]) {
        apply(&mut session, &[event]).await;
        assert_eq!(outcome(&mut session).await["status"], "cancelled");
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn old_events_are_forgotten_and_those_that_are_dead_are_not(pool: PgPool) {
    set(&pool).await;
    run(
        &pool,
        "insert into billing.events (id, type, created, livemode, payload, state, next_attempt_at, finished_at, problem) values
           ('evt_old', 'x', now(), true, '{}', 'applied', null, now() - interval '31 days', null),
           ('evt_ignored', 'x', now(), true, '{}', 'ignored', null, now() - interval '31 days', null),
           ('evt_dead', 'x', now(), true, '{}', 'dead', null, now() - interval '31 days', 'no'),
           ('evt_new', 'x', now(), true, '{}', 'applied', null, now() - interval '29 days', null)",
    )
    .await;
    assert_eq!(sweep(&pool).await, 2);
    let left: Vec<String> = sqlx::query_scalar("select id from billing.events order by id")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(left, ["evt_dead", "evt_new"]);
}

async fn sweep(pool: &PgPool) -> i32 {
    sqlx::query_scalar("select billing.sweep(100)")
        .fetch_one(pool)
        .await
        .unwrap()
}
