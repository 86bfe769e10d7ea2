//! What becomes of an event of a meter: each state, and the ways between them.

use sqlx::PgPool;

use crate::meters::{call, claim, count, drift, record, subscribed, time_passes};

async fn states(pool: &PgPool) -> Vec<(i64, String)> {
    sqlx::query_as("select value, state from billing.meter_events where meter = 'llm_tokens' order by hour, seq")
        .fetch_all(pool)
        .await
        .unwrap()
}

async fn run(pool: &PgPool, sql: &'static str) {
    sqlx::raw_sql(sql).execute(pool).await.unwrap();
}

/// One hour of 70 tokens, so many hours ago, and no other meter.
async fn one_event(pool: &PgPool, hours_ago: i64) {
    let start = subscribed(pool, hours_ago).await.second;
    run(pool, "delete from billing.meters where key <> 'llm_tokens'").await;
    call(pool, start + 1, 70).await;
    count(&mut pool.acquire().await.unwrap()).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn an_outcome_counts_only_by_the_last_ticket(pool: PgPool) {
    one_event(&pool, 5).await;
    let claimed = claim(&pool).await;
    let [(identifier, first, 70)] = claimed.as_slice() else {
        panic!("{claimed:?}")
    };
    assert!(claim(&pool).await.is_empty(), "somebody has it");
    time_passes(&pool).await;
    let second = claim(&pool).await[0].1;
    assert!(!record(&pool, identifier, *first, "refused").await);
    assert!(record(&pool, identifier, second, "sent").await);
    assert!(
        !record(&pool, identifier, second, "sent").await,
        "said once"
    );
    assert_eq!(states(&pool).await, [(70, "sent".to_owned())]);
}

#[sqlx::test(migrations = "../migrations")]
async fn what_stripe_did_not_take_waits_longer_each_time(pool: PgPool) {
    one_event(&pool, 5).await;
    let mut waits: Vec<f64> = Vec::new();
    for _ in 0..14 {
        let claimed = claim(&pool).await;
        assert!(record(&pool, &claimed[0].0, claimed[0].1, "again").await);
        let wait: f64 = sqlx::query_scalar(
            "select extract(epoch from next_attempt_at - now())::float8 from billing.meter_events where tried_at is null and maybe_taken_at is null",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        waits.push(wait);
        time_passes(&pool).await;
    }
    assert!((0.0..2.1).contains(&waits[0]), "{waits:?}");
    assert!((1_000.0..3_601.0).contains(&waits[13]), "{waits:?}");
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_too_long_ago_is_late_and_not_lost(pool: PgPool) {
    one_event(&pool, 36 * 24).await;
    assert!(claim(&pool).await.is_empty());
    assert_eq!(states(&pool).await, [(70, "late".to_owned())]);
    let drift = drift(&pool, 40.0 * 24.0).await;
    assert_eq!(
        (&drift[0]["counted"], &drift[0]["late"]),
        (&70.into(), &70.into())
    );
    // Counting it again makes nothing new of it.
    count(&mut pool.acquire().await.unwrap()).await;
    assert_eq!(states(&pool).await.len(), 1);
}

#[sqlx::test(migrations = "../migrations")]
async fn an_event_that_stripe_may_have_is_not_sent_again_after_a_day(pool: PgPool) {
    one_event(&pool, 60).await;
    let age = "update billing.meter_events set tried_at = tried_at - interval '12 hours', maybe_taken_at = maybe_taken_at - interval '12 hours'";
    // Twice nobody hears an answer; the second try is within a day of the first.
    for _ in 0..2 {
        let claimed = claim(&pool).await;
        assert!(record(&pool, &claimed[0].0, claimed[0].1, "unknown").await);
        run(&pool, age).await;
        time_passes(&pool).await;
    }
    assert!(claim(&pool).await.is_empty());
    assert_eq!(states(&pool).await, [(70, "unsure".to_owned())]);
    assert_eq!(drift(&pool, 70.0).await[0]["unsure"], 70);
    // The operator has looked it up.
    run(
        &pool,
        "select billing.settle_meter_event(identifier, false) from billing.meter_events",
    )
    .await;
    let claimed = claim(&pool).await;
    assert!(record(&pool, &claimed[0].0, claimed[0].1, "sent").await);
    assert!(drift(&pool, 70.0).await.is_empty());
}

#[sqlx::test(migrations = "../migrations")]
async fn a_refusal_after_an_unheard_answer_leaves_what_was_before(pool: PgPool) {
    one_event(&pool, 60).await;
    let claimed = claim(&pool).await;
    assert!(record(&pool, &claimed[0].0, claimed[0].1, "unknown").await);
    run(
        &pool,
        "update billing.meter_events set tried_at = now() - interval '24 hours'",
    )
    .await;
    // A later try that Stripe has not taken says nothing of the first.
    run(
        &pool,
        "update billing.meter_events set maybe_taken_at = tried_at, tried_at = null",
    )
    .await;
    time_passes(&pool).await;
    assert!(claim(&pool).await.is_empty());
    assert_eq!(states(&pool).await, [(70, "unsure".to_owned())]);
}

/// What Stripe's sum of the hour says of two events, of 70 and of 9, that nobody knows of.
async fn settled_by(pool: &PgPool, sum: Option<f64>) -> Vec<(i64, String)> {
    one_event(pool, 60).await;
    let start: i64 =
        sqlx::query_scalar("select extract(epoch from hour)::bigint from billing.meter_events")
            .fetch_one(pool)
            .await
            .unwrap();
    call(pool, start + 2, 9).await;
    count(&mut pool.acquire().await.unwrap()).await;
    claim(pool).await;
    run(
        pool,
        "update billing.meter_events set tried_at = now() - interval '25 hours'",
    )
    .await;
    time_passes(pool).await;
    assert!(claim(pool).await.is_empty());
    run(pool, "update billing.meter_days set ask_at = now()").await;
    let (hours, sums): (Vec<i64>, Vec<f64>) = sum.map(|sum| (start, sum)).into_iter().unzip();
    let applied: bool = sqlx::query_scalar(
        "select billing.apply_meter_day(tenant_id, meter, customer, day, ticket, $1, $2) from billing.claim_meter_days(10, true, '1 minute')",
    )
    .bind(hours)
    .bind(sums)
    .fetch_one(pool)
    .await
    .unwrap();
    assert!(applied);
    states(pool).await
}

fn both(state: &str) -> Vec<(i64, String)> {
    vec![(70, state.to_owned()), (9, state.to_owned())]
}

#[sqlx::test(migrations = "../migrations")]
async fn stripes_sum_without_them_has_them_sent(pool: PgPool) {
    assert_eq!(settled_by(&pool, None).await, both("queued"));
}

#[sqlx::test(migrations = "../migrations")]
async fn stripes_sum_with_them_says_that_they_were(pool: PgPool) {
    assert_eq!(settled_by(&pool, Some(79.0)).await, both("sent"));
    assert!(drift(&pool, 70.0).await.is_empty());
}

#[sqlx::test(migrations = "../migrations")]
async fn a_sum_that_says_neither_leaves_it_to_the_operator(pool: PgPool) {
    assert_eq!(settled_by(&pool, Some(9.0)).await, both("unsure"));
    let again: bool = sqlx::query_scalar("select ask_at > now() from billing.meter_days")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!(again, "it is asked again");
}
