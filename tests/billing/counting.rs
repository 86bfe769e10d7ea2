//! What is used becomes events once, whatever is written late, deleted, or counted at the same time.

use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_WORKFLOW};

use crate::meters::{call, count, drift, events, executions, hour, subscribed};

fn told(hour: i64, number: i32, amount: i64) -> (i64, i32, i64, String) {
    (hour, number, amount, "queued".to_owned())
}

#[sqlx::test(migrations = "../migrations")]
async fn hours_that_are_over_are_told_once(pool: PgPool) {
    let stripe = subscribed(&pool, 10).await;
    let start = stripe.second;
    // Before it subscribed; and now, in an hour that is not over.
    call(&pool, start - 1, 1_000_000).await;
    call(&pool, hour(&pool, 0).await, 1_000_000).await;
    // The first and the last second of an hour, and another hour.
    call(&pool, start, 7).await;
    call(&pool, start + 3_599, 3).await;
    call(&pool, start + 2 * 3_600, 5).await;
    executions(&pool, start + 60, 4).await;

    let mut session = pool.acquire().await.unwrap();
    for _ in 0..3 {
        count(&mut session).await;
    }
    assert_eq!(
        events(&pool, "llm_tokens", start).await,
        [told(0, 1, 10), told(2, 1, 5)]
    );
    assert_eq!(
        events(&pool, "llm_cost", start).await[0],
        told(0, 1, 10_000)
    );
    assert_eq!(events(&pool, "executions", start).await, [told(0, 1, 4)]);
    let is_so: bool = sqlx::query_scalar(
        "select identifier = $1::text || ':llm_tokens:' || to_char(to_timestamp($2) at time zone 'UTC', 'YYYYMMDDHH24') || ':1'
            and (event_name, customer) = ('aias_llm_tokens', 'cus_1')
           from billing.meter_events where meter = 'llm_tokens' order by hour limit 1",
    )
    .bind(ALPHA)
    .bind(start)
    .fetch_one(&pool)
    .await
    .unwrap();
    assert!(is_so);
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_written_late_becomes_a_further_event(pool: PgPool) {
    let start = subscribed(&pool, 200).await.second;
    let mut session = pool.acquire().await.unwrap();
    call(&pool, start, 7).await;
    count(&mut session).await;
    sqlx::raw_sql("update billing.meter_events set state = 'sent', next_attempt_at = null, finished_at = now()")
        .execute(&pool)
        .await
        .unwrap();
    call(&pool, start + 10, 2).await;
    count(&mut session).await;
    call(&pool, start + 20, 1).await;
    count(&mut session).await;
    let mut first = told(0, 1, 7);
    first.3 = "sent".to_owned();
    assert_eq!(
        events(&pool, "llm_tokens", start).await,
        [first, told(0, 2, 2), told(0, 3, 1)]
    );
    let cost: i64 = sqlx::query_scalar(
        "select sum(value)::bigint from billing.meter_events where meter = 'llm_cost'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(cost, 10_000);
}

#[sqlx::test(migrations = "../migrations")]
async fn an_hour_in_between_looks_back_a_day_and_a_worker_that_was_away_goes_on_where_it_was(
    pool: PgPool,
) {
    let start = subscribed(&pool, 60 * 24).await.second;
    let mut session = pool.acquire().await.unwrap();
    call(&pool, start, 1).await;
    count(&mut session).await;
    // Two weeks ago and two hours ago; and what is counted next is an hour's worth.
    let (long_ago, lately) = (hour(&pool, 14 * 24).await, hour(&pool, 2).await);
    call(&pool, long_ago, 2).await;
    call(&pool, lately, 4).await;
    let next = "update billing.metered_tenants set count_at = now()";
    let counted = "select billing.count_usage(100)";
    for statement in [next, counted] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&pool)
            .await
            .unwrap();
    }
    let amounts = async || -> Vec<i64> {
        events(&pool, "llm_tokens", start)
            .await
            .into_iter()
            .map(|event| event.2)
            .collect()
    };
    assert_eq!(amounts().await, [1, 4]);
    // The worker was away for longer than Stripe takes events for; then it counts all of it.
    let away =
        "update billing.metered_tenants set count_at = now(), counted_through = to_timestamp(0)";
    for statement in [away, counted] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&pool)
            .await
            .unwrap();
    }
    assert_eq!(amounts().await, [1, 2, 4]);
}

#[sqlx::test(migrations = "../migrations")]
async fn executions_that_are_deleted_have_happened(pool: PgPool) {
    let start = subscribed(&pool, 10).await.second;
    executions(&pool, start + 1, 3).await;
    executions(&pool, start + 3_600, 2).await;
    // Some before they are counted, and the others, with their workflow, after.
    sqlx::query("delete from public.executions where created_at < to_timestamp($1)")
        .bind(start + 2)
        .execute(&pool)
        .await
        .unwrap();
    let mut session = pool.acquire().await.unwrap();
    count(&mut session).await;
    sqlx::query("delete from public.workflows where id = $1")
        .bind(ALPHA_WORKFLOW)
        .execute(&pool)
        .await
        .unwrap();
    count(&mut session).await;
    let left: i64 = sqlx::query_scalar("select count(*) from public.executions")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(left, 0);
    assert_eq!(
        events(&pool, "executions", start).await,
        [told(0, 1, 3), told(1, 1, 2)]
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn nothing_is_counted_of_tenants_without_a_subscription_and_nothing_after_it_ended(
    pool: PgPool,
) {
    let mut stripe = subscribed(&pool, 10).await;
    let start = stripe.second;
    stripe
        .wait(2 * 3_600 + 30)
        .delete("customer.subscription.deleted", "sub_1");
    let mut session = pool.acquire().await.unwrap();
    crate::stage::keep(&mut session, &stripe.events).await;
    crate::stage::apply(&mut session, &crate::stage::ids(&stripe.events)).await;
    sqlx::query(
        "insert into public.usage (tenant_id, idempotency_key, provider, model, input_tokens, created_at) values ($1, 'x', 'openai', 'gpt-4o', 5, to_timestamp($2))",
    )
    .bind(tests::seed::BETA)
    .bind(start)
    .execute(&pool)
    .await
    .unwrap();
    call(&pool, start + 2 * 3_600 + 29, 3).await;
    call(&pool, start + 2 * 3_600 + 30, 1_000).await;
    count(&mut session).await;
    assert_eq!(events(&pool, "llm_tokens", start).await, [told(2, 1, 3)]);
    // It stays countable.
    let all: i64 = sqlx::query_scalar(
        "select sum(quantity)::bigint from billing.metered(array(select id from public.tenants), now() - interval '1 day', now()) where meter = 'llm_tokens'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(all, 1_008);
}

#[sqlx::test(migrations = "../migrations")]
async fn who_counts_at_the_same_time_counts_nothing_twice(pool: PgPool) {
    let start = subscribed(&pool, 30).await.second;
    let writing = async {
        for number in 0..60 {
            call(&pool, start + (number % 20) * 3_600 + number, 1).await;
        }
    };
    let counting = async || {
        let mut session = pool.acquire().await.unwrap();
        for _ in 0..25 {
            count(&mut session).await;
        }
    };
    tokio::join!(writing, counting(), counting(), counting());
    let mut session = pool.acquire().await.unwrap();
    count(&mut session).await;
    let (tokens, numbers): (i64, i64) = sqlx::query_as(
        "select sum(value)::bigint, count(distinct (hour, seq)) - count(*) from billing.meter_events where meter = 'llm_tokens'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!((tokens, numbers), (60, 0));
    let drift = drift(&pool, 40.0).await;
    let queued: Vec<_> = drift
        .iter()
        .map(|row| (&row["counted"], &row["queued"]))
        .collect();
    assert!(
        queued.iter().all(|(counted, queued)| counted == queued),
        "{drift:?}"
    );
}
