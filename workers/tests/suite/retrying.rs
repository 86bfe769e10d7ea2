//! Another try of an execution that is over.

use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{Server, Stage, Worker, edges, http, node, trigger};

const RETRY: &str = "select id from public.retry_execution($1)";

/// `a`, then `b`, which fails for input.bad, then `c`; and `d` beside them.
async fn failing(stage: &Stage, server: &Server) -> Uuid {
    let nodes = json!([
        trigger(),
        http("a", &server.url("/count/a"), json!({})),
        http(
            "b",
            &server.url("/{{ input.path }}/b"),
            json!({"retry": {"max_attempts": 1}})
        ),
        http("c", &server.url("/count/c"), json!({})),
        http("d", &server.url("/count/d"), json!({}))
    ]);
    stage
        .workflow(
            nodes,
            edges(&["start->d", "start->a", "a->b", "b->c", "d->b"]),
        )
        .await
}

#[sqlx::test(migrations = "../migrations")]
async fn what_succeeded_is_taken_over_and_the_rest_runs(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let workflow = failing(&stage, &server).await;
    let worker = Worker::start(&stage, &[&server]);
    let first = stage.start(workflow, json!({"path": "fail/99"})).await;
    stage.until_status(first, "failed").await;
    let before = stage.summary(first).await;

    // The same again: what was done is not done twice.
    let second: Uuid = stage.ask(RETRY, first).await;
    stage.until_status(second, "failed").await;
    assert_eq!((server.counts.of("a"), server.counts.of("d")), (1, 1));
    assert_eq!(stage.summary(second).await, before);
    let told: String = stage
        .ask_queue("select format('%s %s %s', origin, retried_from, workflow_version) from executions where id = $1", second)
        .await;
    assert_eq!(told, format!("retry {first} 1"));
    assert_eq!(stage.summary(first).await, before, "history stays");

    // With an input that works, everything runs again.
    let third: Uuid = stage
        .ask(
            "select id from public.retry_execution($1, null, '{\"path\": \"count\"}')",
            first,
        )
        .await;
    stage.until_status(third, "succeeded").await;
    assert_eq!((server.counts.of("a"), server.counts.of("d")), (2, 2));

    // From a step: that one and what comes after it.
    let fourth: Uuid = stage
        .ask("select id from public.retry_execution($1, 'b')", third)
        .await;
    stage.until_status(fourth, "succeeded").await;
    worker.stop().await;
    assert_eq!(
        ["a", "b", "c", "d"].map(|step| server.counts.of(step)),
        [2, 2 + 2, 2, 2],
        "b was also called by the two that failed"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn the_items_that_succeeded_are_taken_over(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let action = json!({"kind": "http", "url": server.url("/{{ item }}")});
    let mut each = node(
        "each",
        json!({"kind": "for_each", "items": "{{ input.list }}", "concurrency": 1, "do": action}),
    );
    each["retry"] = json!({"max_attempts": 1});
    let workflow = stage
        .workflow(json!([trigger(), each]), edges(&["start->each"]))
        .await;
    let worker = Worker::start(&stage, &[&server]);
    let first = stage
        .start(
            workflow,
            json!({"list": ["count/x", "fail/99/y", "count/z"]}),
        )
        .await;
    let ended = stage.until_status(first, "failed").await;
    assert_eq!(ended.error.unwrap()["code"], "item_failed");
    let second: Uuid = stage.ask(RETRY, first).await;
    stage.until_status(second, "failed").await;
    worker.stop().await;
    assert_eq!(server.counts.of("x"), 1, "done once");
    assert_eq!(
        stage.summary(second).await,
        [
            "each:failed:1",
            "each[0]:succeeded:1",
            "each[1]:failed:1",
            "start:succeeded:1"
        ]
    );
}

/// A failure that the workflow coped with is tried again, unless another step was asked for.
#[sqlx::test(migrations = "../migrations")]
async fn a_failure_that_was_coped_with_is_a_result(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let more: Value = json!({"retry": {"max_attempts": 1}, "on_error": "continue"});
    let nodes = json!([
        trigger(),
        http("risky", &server.url("/fail/99/risky"), more),
        http("last", &server.url("/count/last"), json!({}))
    ]);
    let workflow = stage
        .workflow(nodes, edges(&["start->risky", "risky->last"]))
        .await;
    let worker = Worker::start(&stage, &[&server]);
    let first = stage.start(workflow, json!({})).await;
    stage.until_status(first, "succeeded").await;
    let from_last: Uuid = stage
        .ask("select id from public.retry_execution($1, 'last')", first)
        .await;
    stage.until_status(from_last, "succeeded").await;
    let risky = || server.counts.of("risky");
    assert_eq!((risky(), server.counts.of("last")), (1, 2));
    let all: Uuid = stage.ask(RETRY, first).await;
    stage.until_status(all, "succeeded").await;
    worker.stop().await;
    assert_eq!((risky(), server.counts.of("last")), (2, 3));
}
