//! Jobs that are ready again by themselves, or because something came for them.

use serde_json::json;
use sqlx::PgPool;

use crate::stage::{Claimed, Stage, tenant};

async fn asleep(stage: &Stage, step: serde_json::Value) -> Claimed {
    stage.enqueue(1, 1, 0, 1).await;
    let claimed = stage.claim("w", 1, &[]).await.remove(0);
    let result = json!({
        "tenant_id": tenant(1), "execution_id": claimed.execution, "fencing_token": claimed.token, "status": "waiting",
        "run_at": step["run_at"], "steps": [step],
    });
    assert!(
        tests::queue::record(&stage.pool, "w", &result)
            .await
            .unwrap()
    );
    claimed
}

async fn signals(stage: &Stage) -> Option<serde_json::Value> {
    sqlx::query_scalar("select signals from queue.claim('w', 10, '30 s', '{}', '{}', '{}')")
        .fetch_optional(&stage.pool)
        .await
        .unwrap()
        .flatten()
}

#[sqlx::test(migrations = "../migrations")]
async fn a_timer_wakes_its_execution_and_not_before(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    asleep(&stage, json!({"node_id": "rest", "kind": "delay", "status": "waiting", "run_at": "2100-01-01T00:00:00Z"})).await;
    assert_eq!(stage.claim("w", 10, &[]).await, []);
    stage.run("update queue.jobs set run_at = now()").await;
    let again = stage.claim("w", 10, &[]).await;
    assert_eq!(
        again
            .iter()
            .map(|claimed| claimed.token)
            .collect::<Vec<_>>(),
        [2]
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn an_event_wakes_its_execution(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    let wait = json!({"node_id": "paid", "kind": "wait_for_event", "status": "waiting", "wait": {"kind": "event", "name": "paid"}});
    let claimed = asleep(&stage, wait).await;
    assert_eq!(stage.claim("w", 10, &[]).await, []);
    for (payload, is_first) in [(1, true), (2, false)] {
        let delivered: bool =
            sqlx::query_scalar("select queue.deliver($1, $2, 'paid', -1, to_jsonb($3::int))")
                .bind(tenant(1))
                .bind(claimed.execution)
                .bind(payload)
                .fetch_one(&stage.pool)
                .await
                .unwrap();
        assert_eq!(delivered, is_first);
    }
    assert_eq!(
        signals(&stage).await,
        Some(json!([{"node_id": "paid", "item": null, "payload": 1}]))
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn an_event_that_came_before_is_there_when_somebody_waits(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    stage.enqueue(1, 1, 0, 1).await;
    let claimed = stage.claim("w", 1, &[]).await.remove(0);
    sqlx::query("insert into queue.events (tenant_id, execution_id, name, payload) values ($1, $2, 'paid', '{\"amount\": 5}')")
        .bind(tenant(1))
        .bind(claimed.execution)
        .execute(&stage.pool)
        .await
        .unwrap();
    let result = json!({
        "tenant_id": tenant(1), "execution_id": claimed.execution, "fencing_token": claimed.token, "status": "waiting",
        "steps": [{"node_id": "paid", "kind": "wait_for_event", "status": "waiting", "wait": {"kind": "event", "name": "paid"}}],
    });
    assert!(
        tests::queue::record(&stage.pool, "w", &result)
            .await
            .unwrap()
    );
    let came = signals(&stage)
        .await
        .expect("the execution is ready at once");
    assert_eq!(came[0]["payload"]["payload"], json!({"amount": 5}));
}

/// While a worker holds the execution, what comes is kept, and the execution does not sleep over it.
#[sqlx::test(migrations = "../migrations")]
async fn what_comes_for_a_held_execution_is_not_slept_over(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    stage.enqueue(1, 1, 0, 1).await;
    let claimed = stage.claim("w", 1, &[]).await.remove(0);
    sqlx::query("select queue.wake($1, $2)")
        .bind(tenant(1))
        .bind(claimed.execution)
        .execute(&stage.pool)
        .await
        .unwrap();
    let result = json!({
        "tenant_id": tenant(1), "execution_id": claimed.execution, "fencing_token": claimed.token, "status": "waiting",
        "run_at": "2100-01-01T00:00:00Z", "steps": [{"node_id": "rest", "kind": "delay", "status": "waiting", "run_at": "2100-01-01T00:00:00Z"}],
    });
    assert!(
        tests::queue::record(&stage.pool, "w", &result)
            .await
            .unwrap()
    );
    assert_eq!(stage.claim("w", 10, &[]).await.len(), 1);
}

/// One of two was lost: nothing is written, the holder learns which, and says the other again.
#[sqlx::test(migrations = "../migrations")]
async fn a_lost_claim_is_told_from_those_that_are_held(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    stage.enqueue(1, 1, 0, 2).await;
    let claimed = stage.claim("w", 2, &[]).await;
    let told: Vec<(bool, bool)> = sqlx::query_as(
        "select held, written from queue.record('w', '30 s', $1, $2, array[1, 99], array['succeeded', 'succeeded'], array[null, null]::timestamptz[],
           array['{}', '{}']::jsonb[], array[null, null]::jsonb[], array[now(), now()], array[0, 0],
           '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
    )
    .bind([tenant(1), tenant(1)].as_slice())
    .bind(claimed.iter().map(|claimed| claimed.execution).collect::<Vec<_>>())
    .fetch_all(&stage.pool)
    .await
    .unwrap();
    assert_eq!(told, [(true, false), (false, false)]);
    let ended: i64 =
        sqlx::query_scalar("select count(*) from public.executions where finished_at is not null")
            .fetch_one(&stage.pool)
            .await
            .unwrap();
    assert_eq!(ended, 0);
}
