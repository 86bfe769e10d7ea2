//! Retries, time-outs, and what follows a failure.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{Server, Stage, Worker, edges, http, node, trigger};

async fn run(
    stage: &Stage,
    server: &Server,
    nodes: Value,
    connections: &[&str],
    status: &str,
) -> (Uuid, crate::support::database::Execution) {
    let workflow = stage.workflow(nodes, edges(connections)).await;
    let worker = Worker::start(stage, &[server]);
    let execution = stage.start(workflow, json!({})).await;
    let ended = stage.until_status(execution, status).await;
    worker.stop().await;
    (execution, ended)
}

#[sqlx::test(migrations = "../migrations")]
async fn a_step_is_tried_again_until_it_succeeds(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let nodes = json!([
        trigger(),
        http(
            "a",
            &server.url("/fail/2/a"),
            json!({"retry": {"max_attempts": 4, "initial_seconds": 0.05}})
        ),
        // Long enough to be a timer in the database.
        http(
            "b",
            &server.url("/fail/1/b"),
            json!({"retry": {"max_attempts": 2, "initial_seconds": 2.4}})
        ),
    ]);
    let (execution, ended) = run(&stage, &server, nodes, &["start->a", "a->b"], "succeeded").await;
    assert_eq!(ended.output.unwrap()["b"]["body"]["count"], 2);
    assert_eq!(
        stage.summary(execution).await,
        ["a:succeeded:3", "b:succeeded:2", "start:succeeded:1"]
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn the_last_failure_is_the_executions(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let nodes = json!([
        trigger(),
        http(
            "a",
            &server.url("/fail/99/a"),
            json!({"retry": {"max_attempts": 2, "initial_seconds": 0.01}})
        ),
        http("b", &server.url("/slow/60000/b"), json!({})),
    ]);
    let (execution, ended) = run(&stage, &server, nodes, &["start->a", "start->b"], "failed").await;
    let error = ended.error.unwrap();
    assert_eq!(
        (&error["code"], &error["node_id"]),
        (&json!("http_status"), &json!("a"))
    );
    assert_eq!(
        stage.summary(execution).await,
        ["a:failed:2", "b:cancelled:1", "start:succeeded:1"]
    );
    assert_eq!(stage.jobs().await, 0);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_step_has_so_much_time_and_no_more(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let more = json!({"timeout": 0.2, "retry": {"max_attempts": 2, "initial_seconds": 0.01}});
    let nodes = json!([trigger(), http("a", &server.url("/slow/60000/a"), more)]);
    let (_, ended) = run(&stage, &server, nodes, &["start->a"], "failed").await;
    assert_eq!(ended.error.unwrap()["code"], "http_timeout");
    assert_eq!(server.counts.of("a"), 2);
}

#[sqlx::test(migrations = "../migrations")]
async fn on_error_continue_and_branch(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let nodes = json!([
        trigger(),
        http(
            "soft",
            &server.url("/status/404"),
            json!({"on_error": "continue"})
        ),
        http(
            "split",
            &server.url("/status/404"),
            json!({"on_error": "branch"})
        ),
        node("good", json!({"kind": "transform", "output": "good"})),
        node(
            "bad",
            json!({"kind": "transform", "output": "{{ steps.split.error.details.status }}"})
        ),
        node(
            "end",
            json!({"kind": "transform", "output": ["{{ steps.soft.output }}", "{{ steps.soft.error.code }}"]})
        ),
    ]);
    let connections = [
        "start->soft",
        "soft->end",
        "start->split",
        "split->good",
        "split:error->bad",
    ];
    let (execution, ended) = run(&stage, &server, nodes, &connections, "succeeded").await;
    assert_eq!(
        ended.output,
        Some(json!({"bad": 404, "end": [null, "http_status"]}))
    );
    assert_eq!(
        stage.summary(execution).await,
        [
            "bad:succeeded:1",
            "end:succeeded:1",
            "good:skipped:1",
            "soft:failed:1",
            "split:failed:1",
            "start:succeeded:1"
        ]
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn an_execution_that_kills_its_workers_is_given_up(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let workflow = stage.workflow(json!([trigger()]), json!([])).await;
    let execution = stage.start(workflow, json!({})).await;
    sqlx::query("update queue.jobs set claims_without_progress = 10")
        .execute(&pool)
        .await
        .unwrap();
    let worker = Worker::start(&stage, &[]);
    let error = stage.until_status(execution, "failed").await.error.unwrap();
    worker.stop().await;
    assert_eq!(error["code"], "crash_loop");
}

#[sqlx::test(migrations = "../migrations")]
async fn a_worker_that_is_stopped_gives_back_what_it_cannot_finish(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let nodes = json!([
        trigger(),
        http("short", &server.url("/slow/300/short"), json!({})),
        http("next", &server.url("/count/next"), json!({})),
        http("long", &server.url("/slow/2000/long"), json!({})),
    ]);
    let workflow = stage
        .workflow(
            nodes,
            edges(&["start->short", "short->next", "start->long"]),
        )
        .await;
    let worker = Worker::start_with(&stage, &[&server], |config| {
        config.drain = Duration::from_millis(700)
    });
    let execution = stage.start(workflow, json!({})).await;
    stage.until(execution, "select count(*) = 2 from execution_steps where execution_id = $1 and status = 'running'").await;
    worker.stop().await;
    assert_eq!(
        stage.summary(execution).await,
        ["long:waiting:1", "short:succeeded:1", "start:succeeded:1"]
    );
    stage
        .until(
            execution,
            "select state = 'ready' from queue.jobs where execution_id = $1",
        )
        .await;

    let worker = Worker::start(&stage, &[&server]);
    stage.until_status(execution, "succeeded").await;
    worker.stop().await;
    assert_eq!(
        stage.summary(execution).await,
        [
            "long:succeeded:2",
            "next:succeeded:1",
            "short:succeeded:1",
            "start:succeeded:1"
        ]
    );
    assert_eq!(
        (
            server.counts.of("short"),
            server.counts.of("next"),
            server.counts.of("long")
        ),
        (1, 1, 2)
    );
}
