//! Limits that change: plans, overrides, add-ons, counts made anew.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use support::{Database, assert_slots_add_up, give, set, status, take};
use uuid::Uuid;

#[tokio::test]
async fn a_larger_plan_admits_more_at_once_and_a_smaller_one_nothing_until_it_fits() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, "workflows", "stock", Some(10)).await;
    take(&mut c, tenant, "workflows", 10).await.unwrap();
    assert!(take(&mut c, tenant, "workflows", 1).await.is_err());

    set(&mut c, tenant, "workflows", "stock", Some(12)).await;
    take(&mut c, tenant, "workflows", 2).await.unwrap();
    assert!(take(&mut c, tenant, "workflows", 1).await.is_err());

    set(&mut c, tenant, "workflows", "stock", Some(5)).await;
    let now = status(&mut c, tenant, "workflows").await;
    assert_eq!((now.used, now.remaining), (12, Some(0)));
    for used in (5..12).rev() {
        assert!(take(&mut c, tenant, "workflows", 1).await.is_err());
        give(&mut c, tenant, "workflows", 1).await.unwrap();
        assert_eq!(status(&mut c, tenant, "workflows").await.used, used);
    }
    assert!(take(&mut c, tenant, "workflows", 1).await.is_err());
    give(&mut c, tenant, "workflows", 1).await.unwrap();
    take(&mut c, tenant, "workflows", 1).await.unwrap();
    assert!(take(&mut c, tenant, "workflows", 1).await.is_err());

    set(&mut c, tenant, "workflows", "stock", Some(0)).await;
    assert!(take(&mut c, tenant, "workflows", 1).await.is_err());
    set(&mut c, tenant, "workflows", "stock", None).await;
    take(&mut c, tenant, "workflows", 1_000_000).await.unwrap();
    set(&mut c, tenant, "workflows", "stock", Some(1_000_010)).await;
    take(&mut c, tenant, "workflows", 5).await.unwrap();
    assert!(take(&mut c, tenant, "workflows", 1).await.is_err());
    assert_slots_add_up(&mut c, tenant, "workflows").await;
    database.remove().await;
}

#[tokio::test]
async fn what_is_given_back_pays_the_excess_first_whichever_session_gives() {
    let database = Database::create().await;
    let mut sessions = Vec::new();
    for _ in 0..6 {
        sessions.push(database.connect().await);
    }
    let tenant = Uuid::now_v7();
    set(&mut sessions[0], tenant, "workflows", "stock", Some(1_000)).await;
    sqlx::query("select count(aias.quota_take($1, 'workflows', 1)) from generate_series(1, 900)")
        .bind(tenant)
        .execute(&mut sessions[0])
        .await
        .unwrap();
    set(&mut sessions[0], tenant, "workflows", "stock", Some(870)).await;

    // 30 over. Thirty gifts, from whoever, make no room for anybody.
    for n in 0..30 {
        give(&mut sessions[n % 6], tenant, "workflows", 1)
            .await
            .unwrap();
        assert!(
            take(&mut sessions[(n + 1) % 6], tenant, "workflows", 1)
                .await
                .is_err()
        );
    }
    give(&mut sessions[3], tenant, "workflows", 1)
        .await
        .unwrap();
    take(&mut sessions[5], tenant, "workflows", 1)
        .await
        .unwrap();
    assert!(
        take(&mut sessions[2], tenant, "workflows", 1)
            .await
            .is_err()
    );
    database.remove().await;
}

#[tokio::test]
async fn a_change_of_plan_that_is_rolled_back_has_not_happened() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, "workflows", "stock", Some(1)).await;
    sqlx::query("begin").execute(&mut c).await.unwrap();
    set(&mut c, tenant, "workflows", "stock", Some(3)).await;
    take(&mut c, tenant, "workflows", 3).await.unwrap();
    sqlx::query("rollback").execute(&mut c).await.unwrap();
    take(&mut c, tenant, "workflows", 1).await.unwrap();
    assert!(take(&mut c, tenant, "workflows", 1).await.is_err());
    database.remove().await;
}

#[tokio::test]
async fn an_override_replaces_the_plan_until_it_ends() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, "workflows", "stock", Some(2)).await;
    sqlx::query("select aias.quota_override($1, 'workflows', 5)")
        .bind(tenant)
        .execute(&mut c)
        .await
        .unwrap();
    assert_eq!(
        status(&mut c, tenant, "workflows").await.quota_limit,
        Some(5)
    );
    // The plan may change underneath it.
    set(&mut c, tenant, "workflows", "stock", Some(3)).await;
    take(&mut c, tenant, "workflows", 5).await.unwrap();
    assert!(take(&mut c, tenant, "workflows", 1).await.is_err());

    sqlx::query("select aias.quota_override($1, 'workflows', null)")
        .bind(tenant)
        .execute(&mut c)
        .await
        .unwrap();
    assert_eq!(status(&mut c, tenant, "workflows").await.quota_limit, None);
    take(&mut c, tenant, "workflows", 10).await.unwrap();

    assert!(
        ended(
            &mut c,
            "select aias.quota_override_end($1, 'workflows')",
            tenant
        )
        .await
    );
    assert!(
        !ended(
            &mut c,
            "select aias.quota_override_end($1, 'workflows')",
            tenant
        )
        .await
    );
    let now = status(&mut c, tenant, "workflows").await;
    assert_eq!(
        (now.quota_limit, now.used, now.remaining),
        (Some(3), 15, Some(0))
    );
    assert_slots_add_up(&mut c, tenant, "workflows").await;
    database.remove().await;
}

#[tokio::test]
async fn add_ons_add_up_and_end_at_their_instant() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, "llm_tokens", "flow", Some(100)).await;
    sqlx::query("select aias.quota_addon($1, 'llm_tokens', 'pack 1', 50), aias.quota_addon($1, 'llm_tokens', 'pack 2', 7, clock_timestamp() + interval '2 seconds')")
        .bind(tenant)
        .execute(&mut c)
        .await
        .unwrap();
    assert_eq!(
        status(&mut c, tenant, "llm_tokens").await.quota_limit,
        Some(157)
    );
    take(&mut c, tenant, "llm_tokens", 157).await.unwrap();
    give(&mut c, tenant, "llm_tokens", 4).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2100)).await;

    // 153 used of 150.
    let now = status(&mut c, tenant, "llm_tokens").await;
    assert_eq!(
        (now.quota_limit, now.used, now.remaining),
        (Some(150), 153, Some(0))
    );
    assert!(take(&mut c, tenant, "llm_tokens", 1).await.is_err());
    give(&mut c, tenant, "llm_tokens", 3).await.unwrap();
    assert!(take(&mut c, tenant, "llm_tokens", 1).await.is_err());
    give(&mut c, tenant, "llm_tokens", 1).await.unwrap();
    take(&mut c, tenant, "llm_tokens", 1).await.unwrap();

    assert!(
        ended(
            &mut c,
            "select aias.quota_addon_end($1, 'llm_tokens', 'pack 1')",
            tenant
        )
        .await
    );
    assert_eq!(
        status(&mut c, tenant, "llm_tokens").await.quota_limit,
        Some(100)
    );
    assert!(take(&mut c, tenant, "llm_tokens", 1).await.is_err());
    assert_slots_add_up(&mut c, tenant, "llm_tokens").await;
    database.remove().await;
}

#[tokio::test]
async fn sums_that_do_not_fit_stop_at_the_largest_number() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, "llm_tokens", "flow", Some(i64::MAX - 5)).await;
    sqlx::query("select aias.quota_addon($1, 'llm_tokens', 'pack', $2)")
        .bind(tenant)
        .bind(i64::MAX)
        .execute(&mut c)
        .await
        .unwrap();
    assert_eq!(
        status(&mut c, tenant, "llm_tokens").await.quota_limit,
        Some(i64::MAX)
    );
    take(&mut c, tenant, "llm_tokens", i64::MAX).await.unwrap();
    assert!(take(&mut c, tenant, "llm_tokens", 1).await.is_err());
    database.remove().await;
}

#[tokio::test]
async fn a_stock_that_was_counted_anew_holds_what_was_counted() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, "workflows", "stock", Some(10)).await;
    take(&mut c, tenant, "workflows", 2).await.unwrap();
    sqlx::query("select aias.quota_recount($1, 'workflows', 9)")
        .bind(tenant)
        .execute(&mut c)
        .await
        .unwrap();
    take(&mut c, tenant, "workflows", 1).await.unwrap();
    assert!(take(&mut c, tenant, "workflows", 1).await.is_err());
    let (used,): (i64,) =
        sqlx::query_as("select used from aias.quota_usage() where tenant_id = $1")
            .bind(tenant)
            .fetch_one(&mut c)
            .await
            .unwrap();
    assert_eq!(used, 10);
    database.remove().await;
}

async fn ended(c: &mut PgConnection, sql: &'static str, tenant: Uuid) -> bool {
    let (ended,): (bool,) = sqlx::query_as(sql).bind(tenant).fetch_one(c).await.unwrap();
    ended
}
