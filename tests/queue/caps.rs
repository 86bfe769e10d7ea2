//! How many run at once: of a tenant by its plan, of a workflow by its own setting, over all workers.

use sqlx::PgPool;

use crate::stage::{Stage, tenant};

#[sqlx::test(migrations = "../migrations")]
async fn a_tenants_cap_holds_over_workers(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    stage
        .run("update public.tenants set limit_overrides = '{\"concurrent_executions\": 3}'")
        .await;
    stage.enqueue(1, 1, 0, 10).await;
    let one = stage.claim("one", 2, &[]).await;
    let two = stage.claim("two", 10, &[]).await;
    assert_eq!((one.len(), two.len()), (2, 1));
    assert_eq!(stage.claim("three", 10, &[]).await, []);
    // The second has ended its own, and says so.
    stage.finish("two", &two).await;
    assert_eq!(stage.claim("two", 10, &[]).await.len(), 1);
    assert_eq!(stage.claim("two", 10, &[(1, 1, 1)]).await, []);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_workflows_cap_holds_over_its_priorities(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    stage
        .run("update public.workflows set max_concurrency = 2 where id::text like '%1'")
        .await;
    stage.enqueue(1, 1, 0, 5).await;
    stage.enqueue(1, 1, 7, 5).await;
    stage.enqueue(1, 2, 0, 5).await;
    let claimed = stage.claim("w", 100, &[]).await;
    let of = |workflow| {
        claimed
            .iter()
            .filter(|claimed| claimed.workflow == workflow)
            .count()
    };
    assert_eq!((of(1), of(2)), (2, 5));
}

/// What a dead worker said that it held does not count for ever.
#[sqlx::test(migrations = "../migrations")]
async fn a_dead_workers_places_are_given_to_others(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    stage
        .run("update public.tenants set limit_overrides = '{\"concurrent_executions\": 1}'")
        .await;
    stage.enqueue(1, 1, 0, 1).await;
    assert_eq!(stage.claim("dead", 1, &[]).await.len(), 1);
    assert_eq!(stage.claim("alive", 1, &[]).await, []);
    stage
        .run("update queue.jobs set run_at = now() - interval '1 s'; update queue.workers set seen_at = now() - interval '31 s' where worker = 'dead'; \
              update queue.state set looked_everywhere_at = '-infinity'")
        .await;
    let again = stage.claim("alive", 1, &[]).await;
    assert_eq!(
        again
            .iter()
            .map(|claimed| claimed.token)
            .collect::<Vec<_>>(),
        [2]
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_worker_learns_that_a_cap_holds_something_back(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    let was_capped = async || {
        sqlx::query_scalar::<_, bool>("select queue.was_capped('w')")
            .fetch_one(&stage.pool)
            .await
            .unwrap()
    };
    stage.enqueue(1, 1, 0, 1).await;
    stage.claim("w", 10, &[]).await;
    assert!(!was_capped().await);
    stage
        .run("update public.tenants set limit_overrides = '{\"concurrent_executions\": 1}'")
        .await;
    stage.enqueue(1, 1, 0, 1).await;
    assert_eq!(stage.claim("w", 10, &[(1, 1, 1)]).await, []);
    assert!(was_capped().await);
}

/// Eight workers at once, over and over: at no moment do more run than the cap says.
#[sqlx::test(migrations = "../migrations")]
async fn workers_that_claim_at_once_keep_the_cap(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    stage
        .run("update public.tenants set limit_overrides = '{\"concurrent_executions\": 5}'")
        .await;
    stage.enqueue(1, 1, 0, 100).await;
    let work = async |name: String| {
        let mut ended: i64 = 0;
        while ended < 100 {
            let claimed = stage.claim(&name, 3, &[]).await;
            let running: i64 = sqlx::query_scalar(
                "select count(*) from queue.jobs where tenant_id = $1 and state = 'claimed'",
            )
            .bind(tenant(1))
            .fetch_one(&stage.pool)
            .await
            .unwrap();
            assert!(running <= 5, "{running} are running");
            stage.finish(&name, &claimed).await;
            ended = sqlx::query_scalar(
                "select count(*) from public.executions where status = 'succeeded'",
            )
            .fetch_one(&stage.pool)
            .await
            .unwrap();
        }
    };
    let workers = (0..8).map(|number| work(format!("w{number}")));
    futures_of(workers).await;
}

async fn futures_of(all: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        all.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if all.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

/// It ended one and took another, so that its counts are as before. Was it seen only at the first, its last lease would not count to its end.
#[sqlx::test(migrations = "../migrations")]
async fn whoever_takes_something_was_seen(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    stage.enqueue(1, 1, 0, 2).await;
    let first = stage.claim("a", 1, &[]).await;
    let seen = async || {
        sqlx::query_scalar::<_, f64>(
            "select extract(epoch from seen_at)::float8 from queue.workers where worker = 'a'",
        )
        .fetch_one(&stage.pool)
        .await
        .unwrap()
    };
    let before = seen().await;
    stage.finish("a", &first).await;
    assert_eq!(stage.claim("a", 1, &[]).await.len(), 1);
    assert!(seen().await > before);
}
