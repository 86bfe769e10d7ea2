//! Events are applied once, by one at a time; one that cannot be applied stops nobody, and is dead in the end.

use serde_json::json;
use sqlx::{Connection, PgPool};
use tests::seed::BETA;

use crate::stage::{keep, outcome, session, set};
use crate::stripe::{PROFESSIONAL, Stripe};

/// As a worker does, whose login may call this and see nothing.
async fn apply_as_worker(pool: &PgPool) -> i32 {
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("set local role aias_worker")
        .execute(&mut *transaction)
        .await
        .unwrap();
    let applied = sqlx::query_scalar("select billing.apply_events(100, false)")
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    applied
}

async fn states(pool: &PgPool) -> Vec<(String, String, i32)> {
    sqlx::query_as("select type, state, attempts from billing.events order by type")
        .fetch_all(pool)
        .await
        .unwrap()
}

fn poison(id: &str) -> serde_json::Value {
    json!({
        "id": id, "object": "event", "type": "customer.subscription.updated", "created": 4_000_000_500_i64, "livemode": true,
        "data": {"object": {"id": "sub_poison", "object": "subscription", "customer": crate::stripe::CUSTOMER, "status": "enchanted", "created": 1}},
    })
}

#[sqlx::test(migrations = "../migrations")]
async fn what_nobody_knows_is_ignored_and_the_rest_applied(pool: PgPool) {
    set(&pool).await;
    let mut stripe = Stripe::new();
    stripe
        .customer(BETA)
        .subscription("sub_1", PROFESSIONAL, "active");
    let others = [
        json!({"id": "evt_a", "type": "radar.early_fraud_warning.created", "created": 1, "livemode": true, "data": {"object": {"id": "issfr_1", "object": "radar.early_fraud_warning"}}}),
        // A preview, which has no invoice.
        json!({"id": "evt_b", "type": "invoice.upcoming", "created": 1, "livemode": true, "data": {"object": {"object": "invoice", "customer": "cus_1"}}}),
        json!({"id": "evt_c", "type": "v1.thin", "created": 1}),
    ];
    let mut session = session(&pool).await;
    keep(&mut session, &stripe.events).await;
    keep(&mut session, &others).await;
    assert_eq!(apply_as_worker(&pool).await, 5);
    assert_eq!(apply_as_worker(&pool).await, 0);
    let state = |name: &str, state: &str| (name.to_owned(), state.to_owned(), 0);
    assert_eq!(
        states(&pool).await,
        [
            state("customer.created", "applied"),
            state("customer.subscription.created", "applied"),
            state("invoice.upcoming", "ignored"),
            state("radar.early_fraud_warning.created", "ignored"),
            state("v1.thin", "ignored"),
        ]
    );
    assert_eq!(outcome(&mut session).await["plan"], "professional");
    // Plan, status and subscription are told, to the tenant's own log.
    let told: Vec<String> = sqlx::query_scalar(
        "select distinct subject || ' ' || action from audit.inbox where tenant_id = $1 and after ?| array['plan_id', 'status'] and actor_kind = 'system' order by 1",
    )
    .bind(BETA)
    .fetch_all(&pool)
    .await
    .unwrap();
    assert!(
        told.iter().any(|entry| entry.starts_with("subscriptions "))
            && told.iter().any(|entry| entry.starts_with("tenants ")),
        "{told:?}"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn one_that_cannot_be_applied_stops_nobody_and_dies(pool: PgPool) {
    set(&pool).await;
    let mut stripe = Stripe::new();
    stripe
        .customer(BETA)
        .subscription("sub_1", PROFESSIONAL, "active");
    let mut session = session(&pool).await;
    keep(&mut session, &[poison("evt_000")]).await;
    keep(&mut session, &stripe.events).await;
    assert_eq!(apply_as_worker(&pool).await, 3);
    assert_eq!(outcome(&mut session).await["plan"], "professional");
    assert_eq!(apply_as_worker(&pool).await, 0, "it is tried again later");
    for attempt in 1..=12 {
        let (state, attempts, problem, is_later): (String, i32, String, bool) = sqlx::query_as(
            "select state, attempts, problem, coalesce(next_attempt_at > now(), false) from billing.events where id = 'evt_000'",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        assert!(
            problem.contains("unknown status \"enchanted\""),
            "{problem}"
        );
        assert_eq!(attempts, attempt);
        assert_eq!(
            (state.as_str(), is_later),
            if attempt < 12 {
                ("received", true)
            } else {
                ("dead", false)
            }
        );
        sqlx::query("update billing.events set next_attempt_at = now() where state = 'received'")
            .execute(&pool)
            .await
            .unwrap();
        assert_eq!(apply_as_worker(&pool).await, i32::from(attempt < 12));
    }
    let letters: Vec<String> = sqlx::query_scalar("select id from billing.dead_letters")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(letters, ["evt_000"]);

    // What was wrong is mended, here by taking whatever comes.
    sqlx::raw_sql("alter table public.subscriptions drop constraint subscription_status_is_known;
         create or replace function billing.readable(kind text, data jsonb) returns jsonb language sql immutable set search_path = '' as $$ select data $$;
         select billing.replay('evt_000');")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(apply_as_worker(&pool).await, 1);
    assert_eq!(
        outcome(&mut session).await["subscriptions"]["sub_poison"]["status"],
        "enchanted"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn who_dies_in_the_middle_has_done_nothing_and_two_do_nothing_twice(pool: PgPool) {
    set(&pool).await;
    let mut stripe = Stripe::new();
    stripe
        .customer(BETA)
        .subscription("sub_1", PROFESSIONAL, "active");
    let mut session = session(&pool).await;
    keep(&mut session, &stripe.events).await;
    let before = outcome(&mut session).await;

    let mut dying = pool.acquire().await.unwrap();
    let mut transaction = dying.begin().await.unwrap();
    let applied: i32 = sqlx::query_scalar("select billing.apply_events(100, false)")
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    assert_eq!(applied, 2);
    // Meanwhile nobody waits, and nobody applies the same.
    assert_eq!(apply_as_worker(&pool).await, 0);
    let own: i32 = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    sqlx::query("select pg_terminate_backend($1, 5000)")
        .bind(own)
        .execute(&pool)
        .await
        .unwrap();
    drop(transaction);
    drop(dying);
    assert_eq!(outcome(&mut session).await, before);

    let both = tokio::join!(apply_as_worker(&pool), apply_as_worker(&pool));
    assert_eq!(both.0 + both.1, 2);
    let after = outcome(&mut session).await;
    assert_eq!(after["plan"], "professional");
    let (entries, subscriptions): (i64, i64) = sqlx::query_as(
        "select (select count(*) from audit.inbox where subject = 'subscriptions'), (select count(*) from public.subscriptions)",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!((entries, subscriptions), (1, 1));
}

#[sqlx::test(migrations = "../migrations")]
async fn who_brings_the_same_in_another_order_waits_and_brings_nothing_new(pool: PgPool) {
    const ROUNDS: usize = 4;
    const EVENTS: usize = 5_000;
    let event = |round: usize, number: usize| json!({"id": format!("evt_{round}_{number}"), "type": "x", "created": 1, "livemode": true});
    let bring = async |is_backwards: bool| {
        for round in 0..ROUNDS {
            let mut events: Vec<_> = (0..EVENTS).map(|number| event(round, number)).collect();
            if is_backwards {
                events.reverse();
            }
            let mut session = pool.acquire().await.unwrap();
            keep(&mut session, &events).await;
        }
    };
    tokio::join!(bring(false), bring(true), bring(false), bring(true));
    let kept: i64 = sqlx::query_scalar("select count(*) from billing.events")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(kept, (ROUNDS * EVENTS) as i64);
}
