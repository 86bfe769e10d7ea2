//! Cancellation, at every stage of an execution.

use serde_json::json;
use sqlx::PgPool;

use crate::support::{Server, Stage, Worker, edges, http, node, trigger};

#[sqlx::test(migrations = "../migrations")]
async fn one_that_is_queued_never_runs(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let workflow = stage.workflow(json!([trigger()]), json!([])).await;
    let execution = stage.start(workflow, json!({})).await;
    assert_eq!(stage.cancel(execution).await, "cancelled");
    let later = stage.start(workflow, json!({})).await;
    let worker = Worker::start(&stage, &[]);
    stage.until_status(later, "succeeded").await;
    worker.stop().await;
    assert_eq!(stage.execution(execution).await.status, "cancelled");
    assert!(stage.summary(execution).await.is_empty());
}

#[sqlx::test(migrations = "../migrations")]
async fn one_that_waits_ends_at_once(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let nodes = json!([
        trigger(),
        node("pause", json!({"kind": "delay", "seconds": 3600}))
    ]);
    let workflow = stage.workflow(nodes, edges(&["start->pause"])).await;
    let worker = Worker::start(&stage, &[]);
    let execution = stage.start(workflow, json!({})).await;
    stage.until_status(execution, "waiting").await;
    assert_eq!(stage.cancel(execution).await, "cancelled");
    assert_eq!(
        stage.summary(execution).await,
        ["pause:cancelled:1", "start:succeeded:1"]
    );
    worker.stop().await;
    assert_eq!(stage.jobs().await, 0);
}

#[sqlx::test(migrations = "../migrations")]
async fn one_that_runs_is_stopped_by_its_worker(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let nodes = json!([
        trigger(),
        http("long", &server.url("/slow/60000/long"), json!({})),
        http("next", &server.url("/count/next"), json!({}))
    ]);
    let workflow = stage
        .workflow(nodes, edges(&["start->long", "long->next"]))
        .await;
    let worker = Worker::start(&stage, &[&server]);
    let execution = stage.start(workflow, json!({})).await;
    stage.until(execution, "select status = 'running' from execution_steps where execution_id = $1 and node_id = 'long'").await;
    assert_eq!(stage.cancel(execution).await, "running");
    stage.until_status(execution, "cancelled").await;
    assert_eq!(
        stage.summary(execution).await,
        ["long:cancelled:1", "start:succeeded:1"]
    );
    worker.stop().await;
    assert_eq!((stage.jobs().await, server.counts.of("next")), (0, 0));
}

/// Without the notice, the renewal of the lease tells.
#[sqlx::test(migrations = "../migrations")]
async fn a_notice_that_is_lost_is_made_up_for(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let workflow = stage
        .workflow(
            json!([
                trigger(),
                http("long", &server.url("/slow/60000/long"), json!({}))
            ]),
            edges(&["start->long"]),
        )
        .await;
    let worker = Worker::start_with(&stage, &[&server], |config| {
        config.lease = std::time::Duration::from_secs(1)
    });
    let execution = stage.start(workflow, json!({})).await;
    stage.until(execution, "select status = 'running' from execution_steps where execution_id = $1 and node_id = 'long'").await;
    sqlx::query("update executions set cancel_requested_at = now() where id = $1")
        .bind(execution)
        .execute(&pool)
        .await
        .unwrap();
    stage.until_status(execution, "cancelled").await;
    worker.stop().await;
}
