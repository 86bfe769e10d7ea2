//! Pause and resume, at every stage of an execution.

use serde_json::json;
use sqlx::PgPool;

use crate::support::{Server, Stage, Worker, edges, http, node, trigger};

const PAUSE: &str = "select status from public.pause_execution($1)";
const RESUME: &str = "select status from public.resume_execution($1)";

#[sqlx::test(migrations = "../migrations")]
async fn one_that_is_queued_waits_until_it_is_resumed(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let workflow = stage.workflow(json!([trigger()]), json!([])).await;
    let execution = stage.start(workflow, json!({})).await;
    let status: String = stage.ask(PAUSE, execution).await;
    assert_eq!(status, "paused");
    let again: String = stage.ask(PAUSE, execution).await;
    assert_eq!(again, "paused");
    let later = stage.start(workflow, json!({})).await;
    let worker = Worker::start(&stage, &[]);
    stage.until_status(later, "succeeded").await;
    assert_eq!(stage.execution(execution).await.status, "paused");
    let status: String = stage.ask(RESUME, execution).await;
    assert_eq!(status, "waiting");
    stage.until_status(execution, "succeeded").await;
    worker.stop().await;
    let refused = stage
        .try_ask::<String>(RESUME, execution)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("execution_finished"));
}

#[sqlx::test(migrations = "../migrations")]
async fn one_that_runs_finishes_what_is_out(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let nodes = json!([
        trigger(),
        http("slow", &server.url("/slow/1000/slow"), json!({})),
        http("next", &server.url("/count/next"), json!({}))
    ]);
    let workflow = stage
        .workflow(nodes, edges(&["start->slow", "slow->next"]))
        .await;
    let worker = Worker::start(&stage, &[&server]);
    let execution = stage.start(workflow, json!({})).await;
    stage.until(execution, "select status = 'running' from execution_steps where execution_id = $1 and node_id = 'slow'").await;
    let status: String = stage.ask(PAUSE, execution).await;
    assert_eq!(status, "running");
    let early = stage
        .try_ask::<String>(RESUME, execution)
        .await
        .unwrap_err();
    assert!(early.to_string().contains("execution_pausing"));
    stage.until_status(execution, "paused").await;
    assert_eq!(
        stage.summary(execution).await,
        ["slow:succeeded:1", "start:succeeded:1"]
    );
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(server.counts.of("next"), 0);
    let _: String = stage.ask(RESUME, execution).await;
    stage.until_status(execution, "succeeded").await;
    worker.stop().await;
    assert_eq!((server.counts.of("slow"), server.counts.of("next")), (1, 1));
}

#[sqlx::test(migrations = "../migrations")]
async fn what_comes_for_one_that_is_paused_is_kept(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let nodes = json!([
        trigger(),
        node("wait", json!({"kind": "wait_for_event", "event": "paid"})),
        node("soon", json!({"kind": "delay", "seconds": 1.5}))
    ]);
    let workflow = stage
        .workflow(nodes, edges(&["start->wait", "start->soon"]))
        .await;
    let worker = Worker::start(&stage, &[]);
    let execution = stage.start(workflow, json!({})).await;
    stage.until_status(execution, "waiting").await;
    let status: String = stage.ask(PAUSE, execution).await;
    assert_eq!(status, "paused");
    let reached: bool = stage
        .ask("select public.send_event($1, 'paid')", execution)
        .await;
    assert!(reached);
    tokio::time::sleep(std::time::Duration::from_millis(1_800)).await;
    assert_eq!(stage.execution(execution).await.status, "paused");
    let _: String = stage.ask(RESUME, execution).await;
    stage.until_status(execution, "succeeded").await;
    worker.stop().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn one_that_is_paused_can_be_cancelled(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let workflow = stage.workflow(json!([trigger()]), json!([])).await;
    let execution = stage.start(workflow, json!({})).await;
    let _: String = stage.ask(PAUSE, execution).await;
    assert_eq!(stage.cancel(execution).await, "cancelled");
    assert_eq!(stage.jobs().await, 0);
}
