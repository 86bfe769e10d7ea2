//! Claims that are lost, and calls that are repeated.

use std::time::Duration;

use serde_json::json;
use sqlx::PgPool;
use tests::seed::ALPHA;
use uuid::Uuid;

use crate::support::worker::SHORT_LEASE;
use crate::support::{Server, Stage, Worker, edges, http, trigger};

#[sqlx::test(migrations = "../migrations")]
async fn a_late_result_is_refused(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let nodes = json!([
        trigger(),
        http("a", &server.url("/slow/1200/a"), json!({})),
        http("b", &server.url("/count/b"), json!({}))
    ]);
    let workflow = stage.workflow(nodes, edges(&["start->a", "a->b"])).await;
    // So long a lease that the first worker does not notice by itself.
    let first = Worker::start(&stage, &[&server]);
    let execution = stage.start(workflow, json!({})).await;
    stage.until(execution, "select status = 'running' from execution_steps where execution_id = $1 and node_id = 'a'").await;
    // Somebody else claims it meanwhile.
    sqlx::query("update queue.jobs set fencing_token = fencing_token + 1, claimed_by = 'another', run_at = now() + interval '1 h'")
        .execute(&pool)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(
        stage.summary(execution).await,
        ["a:running:1", "start:succeeded:1"]
    );
    assert_eq!(
        server.counts.of("b"),
        0,
        "nothing follows a result that was not taken"
    );
    first.stop().await;

    // The other dies, and a third goes on.
    sqlx::query("update queue.jobs set run_at = now()")
        .execute(&pool)
        .await
        .unwrap();
    let third = Worker::start(&stage, &[&server]);
    stage.until_status(execution, "succeeded").await;
    third.stop().await;
    assert_eq!(
        stage.summary(execution).await,
        ["a:succeeded:2", "b:succeeded:1", "start:succeeded:1"]
    );
    assert_eq!((server.counts.of("a"), server.counts.of("b")), (2, 1));
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_no_longer_held_is_stopped_at_the_next_renewal(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let workflow = stage
        .workflow(
            json!([
                trigger(),
                http("a", &server.url("/slow/60000/a"), json!({}))
            ]),
            edges(&["start->a"]),
        )
        .await;
    let worker = Worker::start_with(&stage, &[&server], |config| {
        config.lease = Duration::from_secs(1);
        config.drain = Duration::from_secs(3600);
    });
    let execution = stage.start(workflow, json!({})).await;
    stage.until(execution, "select status = 'running' from execution_steps where execution_id = $1 and node_id = 'a'").await;
    sqlx::query("update queue.jobs set fencing_token = 99, claimed_by = 'another', run_at = now() + interval '1 h'")
        .execute(&pool)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    // Nothing is left that it would wait for.
    tokio::time::timeout(Duration::from_secs(10), worker.stop())
        .await
        .expect("the call was let go");
}

#[sqlx::test(migrations = "../migrations")]
async fn a_lease_outlives_a_step_that_takes_longer(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let workflow = stage
        .workflow(
            json!([trigger(), http("a", &server.url("/slow/9000/a"), json!({}))]),
            edges(&["start->a"]),
        )
        .await;
    let with_short_lease =
        || Worker::start_with(&stage, &[&server], |config| config.lease = SHORT_LEASE);
    let (one, two) = (with_short_lease(), with_short_lease());
    let execution = stage.start(workflow, json!({})).await;
    stage.until_status(execution, "succeeded").await;
    one.stop().await;
    two.stop().await;
    assert_eq!(
        (stage.summary(execution).await, server.counts.of("a")),
        (
            vec!["a:succeeded:1".to_owned(), "start:succeeded:1".to_owned()],
            1
        )
    );
}

/// A worker that did not hear the answer sends the same again.
#[sqlx::test(migrations = "../migrations")]
async fn recording_twice_is_recording_once(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let workflow = stage.workflow(json!([trigger()]), json!([])).await;
    let execution = stage.start(workflow, json!({})).await;
    let worker = PgPool::connect_with(stage.worker_options()).await.unwrap();
    sqlx::query("select queue.claim('w', 1, '30 s', '{}', '{}', '{}')")
        .execute(&worker)
        .await
        .unwrap();
    let reservation: Uuid = sqlx::query_scalar("select queue.reserve_tokens($1, $2, 1, 500)")
        .bind(ALPHA)
        .bind(execution)
        .fetch_one(&worker)
        .await
        .unwrap();
    let record = |attempt: u32| {
        let usage = json!({"provider": "openai", "model": "gpt-4o-mini", "input_tokens": 100, "output_tokens": 20});
        json!({"tenant_id": ALPHA, "execution_id": execution, "fencing_token": 1, "status": "running", "steps": [
            {"node_id": "start", "kind": "manual", "status": "succeeded", "attempt": 1},
            {"node_id": "ask", "kind": "ai", "status": "waiting", "attempt": 1, "run_at": "2030-01-01T00:00:00Z",
             "usage": usage, "reservation": reservation},
            {"node_id": "x", "kind": "http", "status": "running", "attempt": attempt},
        ]})
    };
    // The last is an older record that comes late: it does not turn a later attempt back.
    for attempt in [1, 1, 2, 1] {
        let written = tests::queue::record(&worker, "w", &record(attempt)).await;
        assert!(written.unwrap());
    }
    let counted: (i64, i64, i64, i64) = sqlx::query_as(
        "select (select input_tokens from execution_steps where node_id = 'ask'), (select count(*) from usage), used, reserved
           from aias.quota_status($1) where meter = 'llm_tokens'",
    )
    .bind(ALPHA)
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(counted, (100, 1, 120, 0));
    assert_eq!(
        stage.summary(execution).await,
        ["ask:waiting:1", "start:succeeded:1", "x:running:2"]
    );
}
