//! Billing periods, against the server's own calendar and on a clock that is made to pass.

use sqlx::postgres::PgConnection;
use support::{Database, assert_slots_add_up, refusal, set, status, take};
use uuid::Uuid;

#[tokio::test]
async fn periods_are_months_from_the_anchor_as_postgres_adds_them() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    // Anchors on every day of a leap year and the next, each against instants around every period's edge in three years.
    let (compared, wrong): (i64, i64) = sqlx::query_as(
        "with anchors as (
           select timestamp '2024-01-01 17:30:00.000001' + n * interval '1 day' as anchor from generate_series(0, 730) n
         ), edges as (
           select anchor, m, anchor + m * interval '1 month' as edge, anchor + (m + 1) * interval '1 month' as next
             from anchors, generate_series(-14, 36) m
         ), instants as (
           select anchor, edge, next, edge + d.off as at
             from edges, (values (interval '0'), (interval '1 microsecond'), (interval '13 days 7 hours')) d(off)
           union all
           select anchor, edge, next, next - interval '1 microsecond' from edges
         )
         select count(*), count(*) filter (where p.period_start <> edge at time zone 'UTC' or p.period_end <> next at time zone 'UTC')
           from instants
           cross join lateral aias.quota_period(anchor at time zone 'UTC', at at time zone 'UTC') p",
    )
    .fetch_one(&mut c)
    .await
    .unwrap();
    assert_eq!(wrong, 0, "of {compared}");
    assert!(compared > 100_000);
    database.remove().await;
}

#[tokio::test]
async fn a_period_does_not_depend_on_the_session_time_zone() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let mut answers = Vec::new();
    for zone in ["UTC", "Pacific/Auckland", "America/New_York"] {
        sqlx::query("select set_config('TimeZone', $1, false)")
            .bind(zone)
            .execute(&mut c)
            .await
            .unwrap();
        let (seconds,): (i64,) = sqlx::query_as(
            "select extract(epoch from period_end)::bigint from aias.quota_period('2026-01-31 23:30:00+00', '2026-02-10 00:00:00+00')",
        )
        .fetch_one(&mut c)
        .await
        .unwrap();
        answers.push(seconds);
    }
    // 2026-02-28 23:30:00 UTC.
    assert_eq!(answers, [1_772_321_400; 3]);
    database.remove().await;
}

#[tokio::test]
async fn a_new_period_begins_at_its_instant_with_nothing_used() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    // The anchor is far enough back that a period ends two seconds from now.
    sqlx::query(
        "select aias.quota_set($1, 'executions', 'flow', 5,
           (((clock_timestamp() at time zone 'UTC') + interval '2 seconds' - interval '1 month') at time zone 'UTC'))",
    )
    .bind(tenant)
    .execute(&mut c)
    .await
    .unwrap();
    take(&mut c, tenant, "executions", 5).await.unwrap();
    let refused = refusal(&take(&mut c, tenant, "executions", 1).await.unwrap_err()).unwrap();
    assert!(["1", "2"].contains(&refused.headers["Retry-After"].as_str()));

    // As long as the refusal says, and not longer.
    let seconds: u64 = refused.headers["Retry-After"].parse().unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
    assert_eq!(status(&mut c, tenant, "executions").await.used, 0);
    take(&mut c, tenant, "executions", 5).await.unwrap();
    assert!(take(&mut c, tenant, "executions", 1).await.is_err());
    let (is_next,): (bool,) = sqlx::query_as(
        "select period_start <= now() and resets_at > now() + interval '27 days' from aias.quota_status($1)",
    )
    .bind(tenant)
    .fetch_one(&mut c)
    .await
    .unwrap();
    assert!(is_next);
    database.remove().await;
}

#[tokio::test]
async fn a_transaction_that_began_in_the_old_period_takes_from_the_new_one() {
    let database = Database::create().await;
    let (mut long, mut other) = (database.connect().await, database.connect().await);
    let tenant = Uuid::now_v7();
    set(&mut long, tenant, "executions", "flow", Some(5)).await;
    take(&mut long, tenant, "executions", 5).await.unwrap();

    sqlx::query("begin").execute(&mut long).await.unwrap();
    sqlx::query("select 1").execute(&mut long).await.unwrap();
    let_the_period_end(&mut other, tenant).await;
    take(&mut long, tenant, "executions", 2).await.unwrap();
    sqlx::query("commit").execute(&mut long).await.unwrap();
    assert_eq!(status(&mut long, tenant, "executions").await.used, 2);
    database.remove().await;
}

#[tokio::test]
async fn slots_pass_into_a_new_period_one_by_one() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, "executions", "flow", Some(100)).await;
    cut_into(&mut c, tenant, 4, 25).await;
    for _ in 0..30 {
        take(&mut c, tenant, "executions", 3).await.unwrap();
    }
    assert_eq!(status(&mut c, tenant, "executions").await.used, 90);
    let_the_period_end(&mut c, tenant).await;

    assert_eq!(status(&mut c, tenant, "executions").await.used, 0);
    // One slot has passed over, three have not; the count is right all the same, and so is what they admit together.
    take(&mut c, tenant, "executions", 3).await.unwrap();
    assert_eq!(status(&mut c, tenant, "executions").await.used, 3);
    take(&mut c, tenant, "executions", 97).await.unwrap();
    assert!(take(&mut c, tenant, "executions", 1).await.is_err());
    assert_slots_add_up(&mut c, tenant, "executions").await;
    database.remove().await;
}

#[tokio::test]
async fn a_reservation_is_charged_to_the_period_that_admitted_it() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, "llm_tokens", "flow", Some(100)).await;
    let (id,): (Uuid,) = sqlx::query_as("select aias.quota_reserve($1, 'llm_tokens', 80)")
        .bind(tenant)
        .fetch_one(&mut c)
        .await
        .unwrap();
    sqlx::query("update aias.quota_reservations set period_end = now() - interval '1 second'")
        .execute(&mut c)
        .await
        .unwrap();
    let_the_period_end(&mut c, tenant).await;

    let new = status(&mut c, tenant, "llm_tokens").await;
    assert_eq!((new.used, new.reserved, new.remaining), (0, 0, Some(100)));
    take(&mut c, tenant, "llm_tokens", 100).await.unwrap();
    sqlx::query("select aias.quota_settle($1, 90)")
        .bind(id)
        .execute(&mut c)
        .await
        .unwrap();
    assert_eq!(status(&mut c, tenant, "llm_tokens").await.used, 100);
    database.remove().await;
}

#[tokio::test]
async fn a_later_anchor_begins_a_new_count_and_an_earlier_one_does_not() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    let anchor = "select aias.quota_set($1, 'llm_tokens', 'flow', 100, date_trunc('second', now()) - $2::interval)";
    sqlx::query(anchor)
        .bind(tenant)
        .bind("10 days")
        .execute(&mut c)
        .await
        .unwrap();
    take(&mut c, tenant, "llm_tokens", 40).await.unwrap();
    sqlx::query("select aias.quota_reserve($1, 'llm_tokens', 20)")
        .bind(tenant)
        .execute(&mut c)
        .await
        .unwrap();

    // The same period, begun earlier: what is counted stays, and what is reserved stays reserved.
    sqlx::query(anchor)
        .bind(tenant)
        .bind("20 days")
        .execute(&mut c)
        .await
        .unwrap();
    let moved = status(&mut c, tenant, "llm_tokens").await;
    assert_eq!((moved.used, moved.reserved), (40, 20));
    sqlx::query("select aias.quota_release(id) from aias.quota_reservations")
        .execute(&mut c)
        .await
        .unwrap();
    assert_eq!(status(&mut c, tenant, "llm_tokens").await.used, 40);

    // A subscription that starts over.
    sqlx::query(anchor)
        .bind(tenant)
        .bind("0 days")
        .execute(&mut c)
        .await
        .unwrap();
    assert_eq!(status(&mut c, tenant, "llm_tokens").await.used, 0);
    database.remove().await;
}

/// As if the tenant's period had ended just now.
async fn let_the_period_end(c: &mut PgConnection, tenant: Uuid) {
    sqlx::query("update aias.quota_slots set period_end = clock_timestamp() - interval '1 microsecond' where tenant_id = $1")
        .bind(tenant)
        .execute(c)
        .await
        .unwrap();
}

/// As contention would.
async fn cut_into(c: &mut PgConnection, tenant: Uuid, slots: i16, each: i64) {
    sqlx::query("delete from aias.quota_slots where tenant_id = $1 and slot > 0")
        .bind(tenant)
        .execute(&mut *c)
        .await
        .unwrap();
    sqlx::query("update aias.quota_slots set allowance = $2 where tenant_id = $1")
        .bind(tenant)
        .bind(each)
        .execute(&mut *c)
        .await
        .unwrap();
    sqlx::query(
        "insert into aias.quota_slots
         select (jsonb_populate_record(s, jsonb_build_object('slot', n))).*
           from aias.quota_slots s, generate_series(1, $2 - 1) n where s.tenant_id = $1",
    )
    .bind(tenant)
    .bind(slots)
    .execute(&mut *c)
    .await
    .unwrap();
}
