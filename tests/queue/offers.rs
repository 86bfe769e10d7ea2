//! Jobs that are offered by their names, and taken by them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use sqlx::postgres::PgListener;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use crate::stage::{Stage, by_tenant, tenant};

/// What one that listens is told: `tenant/execution`, or nothing.
async fn told(listener: &mut PgListener) -> Option<(Uuid, Uuid)> {
    let notice = tokio::time::timeout(Duration::from_secs(5), listener.recv()).await;
    let notice = notice.expect("a notice").unwrap();
    let (tenant, execution) = notice.payload().split_once('/')?;
    Some((tenant.parse().unwrap(), execution.parse().unwrap()))
}

async fn take(pool: &PgPool, worker: &str, offered: &[(Uuid, Uuid)]) -> Vec<(Uuid, i64)> {
    let (tenants, executions): (Vec<_>, Vec<_>) = offered.iter().copied().unzip();
    let rows =
        sqlx::query("select execution_id, fencing_token from queue.take($1, $2, $3, '30 s')")
            .bind(worker)
            .bind(tenants)
            .bind(executions)
            .fetch_all(pool)
            .await
            .unwrap();
    let taken = rows.iter().map(|row| (row.get(0), row.get(1)));
    taken.collect()
}

async fn listen(stage: &Stage) -> PgListener {
    let mut listener = PgListener::connect_with(&stage.pool).await.unwrap();
    listener.listen("aias_jobs").await.unwrap();
    listener
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_offered_is_taken_once_by_many_and_not_claimed(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    let mut listener = listen(&stage).await;
    for _ in 0..20 {
        stage.enqueue(1, 1, 0, 1).await;
        let offered = told(&mut listener).await.expect("an offer");
        // One claims, seven take.
        let takes = (0..7).map(async |number| {
            let taken = take(&stage.pool, &format!("t{number}"), &[offered]).await;
            taken.len()
        });
        let (taken, claimed) = tokio::join!(join_all(takes), stage.claim("w", 5, &[]));
        let times = taken.iter().sum::<usize>() + claimed.len();
        assert_eq!(times, 1, "{taken:?} {claimed:?}");
        let held: (i64, Option<String>) = sqlx::query_as(
            "delete from queue.jobs where execution_id = $1 returning fencing_token, claimed_by",
        )
        .bind(offered.1)
        .fetch_one(&stage.pool)
        .await
        .unwrap();
        assert_eq!((held.0, held.1.is_some()), (1, true));
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn what_a_cap_may_hold_back_is_not_named_and_not_taken(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 3).await;
    stage
        .run(
            "update public.workflows set max_concurrency = 1 where tenant_id::text like '%1' and id::text like '%2';
             update public.tenants set limit_overrides = '{\"concurrent_executions\": 1}' where id::text like '%2'",
        )
        .await;
    let mut listener = listen(&stage).await;
    stage.enqueue(1, 1, 0, 1).await;
    let offered = told(&mut listener).await.expect("no cap is over this one");
    stage.enqueue(1, 2, 0, 1).await;
    assert_eq!(told(&mut listener).await, None, "its workflow has a cap");
    stage.enqueue(2, 1, 0, 1).await;
    assert_eq!(told(&mut listener).await, None, "its tenant has one");

    // It was offered, and has a cap now; suspended, it begins nothing either.
    stage.enqueue(3, 1, 0, 1).await;
    let late = told(&mut listener).await.expect("an offer");
    stage
        .run(
            "update public.tenants set limit_overrides = '{\"concurrent_executions\": 1}' where id::text like '%3';
             update public.tenants set status = 'suspended' where id::text like '%1'",
        )
        .await;
    assert_eq!(take(&stage.pool, "w", &[offered, late]).await, []);
    stage
        .run("update public.tenants set status = 'active' where id::text like '%1'")
        .await;
    let nobody = (tenant(1), Uuid::max());
    let taken = take(&stage.pool, "w", &[offered, late, nobody, offered]).await;
    assert_eq!(taken, [(offered.1, 1)]);
}

/// A cap that is set later counts what was taken before, whoever claims.
#[sqlx::test(migrations = "../migrations")]
async fn a_cap_counts_what_was_taken(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    let mut listener = listen(&stage).await;
    let mut offered = Vec::new();
    for _ in 0..2 {
        stage.enqueue(1, 1, 0, 1).await;
        offered.push(told(&mut listener).await.expect("an offer"));
        // The worker is known already the second time.
        assert_eq!(
            take(&stage.pool, "taker", &offered[offered.len() - 1..])
                .await
                .len(),
            1
        );
    }
    stage
        .run("update public.tenants set limit_overrides = '{\"concurrent_executions\": 3}'")
        .await;
    stage.enqueue(1, 1, 0, 5).await;
    assert_eq!(stage.claim("another", 8, &[]).await.len(), 1);
}

/// What was taken counts against the shares of those who wait for their turns.
#[sqlx::test(migrations = "../migrations")]
async fn a_take_is_a_turn(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 2).await;
    stage.enqueue(1, 1, 0, 100).await;
    stage.enqueue(2, 1, 0, 100).await;
    assert_eq!(
        stage.claim_by_tenant(10).await,
        BTreeMap::from([(1, 5), (2, 5)])
    );
    let ready: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "select tenant_id, execution_id from queue.jobs where state = 'ready' and tenant_id = $1 limit 4",
    )
    .bind(tenant(1))
    .fetch_all(&stage.pool)
    .await
    .unwrap();
    assert_eq!(take(&stage.pool, "w", &ready).await.len(), 4);
    assert_eq!(
        by_tenant(&stage.claim("w", 8, &[]).await),
        BTreeMap::from([(1, 2), (2, 6)])
    );
}
