//! Those who may buy more are told of a limit twice in a period, however often anybody looks.

use sqlx::PgPool;
use tests::seed::ALPHA;

use crate::stage::set;

async fn take(pool: &PgPool, amount: i64) {
    sqlx::query("select aias.quota_take($1, 'executions', $2)")
        .bind(ALPHA)
        .bind(amount)
        .execute(pool)
        .await
        .unwrap();
}

/// Several sessions look at the same time, round and round.
async fn look(pool: &PgPool) {
    let round = async || {
        for _ in 0..5 {
            sqlx::query("select billing.warn_of_limits(1)")
                .execute(pool)
                .await
                .unwrap();
        }
    };
    tokio::join!(round(), round(), round());
}

async fn told(pool: &PgPool) -> Vec<(String, String, String)> {
    sqlx::query_as(
        "select m.recipient, m.variables ->> 'meter', m.variables ->> 'threshold' from queue.mails m where m.template = 'limit' order by m.created_at, 1",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

fn both(threshold: &str) -> Vec<(String, String, String)> {
    ["billing@alpha.test", "owner@alpha.test"]
        .map(|who| {
            (
                who.to_owned(),
                "executions".to_owned(),
                threshold.to_owned(),
            )
        })
        .to_vec()
}

#[sqlx::test(migrations = "../migrations")]
async fn each_threshold_is_told_once_in_a_period(pool: PgPool) {
    set(&pool).await;
    sqlx::raw_sql("update public.tenants set limit_overrides = '{\"executions\": 10}' where subdomain = 'alpha'")
        .execute(&pool)
        .await
        .unwrap();
    take(&pool, 7).await;
    look(&pool).await;
    assert_eq!(told(&pool).await, []);
    take(&pool, 1).await;
    look(&pool).await;
    assert_eq!(told(&pool).await, both("80"));
    take(&pool, 2).await;
    look(&pool).await;
    assert_eq!(told(&pool).await[2..], both("100"));
    // Mails are forgotten after a while, and what was told is not.
    sqlx::raw_sql("delete from queue.mails")
        .execute(&pool)
        .await
        .unwrap();
    look(&pool).await;
    assert_eq!(told(&pool).await, []);
    // Another period begins.
    sqlx::raw_sql(
        "update billing.limit_warnings set period_start = period_start - interval '1 month'",
    )
    .execute(&pool)
    .await
    .unwrap();
    look(&pool).await;
    assert_eq!(told(&pool).await, both("100"), "only of the worse one");
}

#[sqlx::test(migrations = "../migrations")]
async fn who_is_suspended_or_has_no_limit_is_told_nothing(pool: PgPool) {
    set(&pool).await;
    sqlx::raw_sql(
        "update public.tenants set limit_overrides = '{\"executions\": 10}' where subdomain = 'alpha';
         update public.tenants set status = 'suspended' where subdomain = 'alpha'",
    )
    .execute(&pool)
    .await
    .unwrap();
    take(&pool, 10).await;
    look(&pool).await;
    assert_eq!(told(&pool).await, []);
    sqlx::raw_sql(
        "update public.tenants set status = 'active', limit_overrides = '{\"executions\": null}' where subdomain = 'alpha'",
    )
    .execute(&pool)
    .await
    .unwrap();
    look(&pool).await;
    assert_eq!(told(&pool).await, []);
}
