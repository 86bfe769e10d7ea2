//! Whole workflows.

use serde_json::json;
use sqlx::{PgPool, Row};

use crate::support::{Server, Stage, Worker, edges, http, node, trigger};

#[sqlx::test(migrations = "../migrations")]
async fn a_workflow_with_branches_and_a_join(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let nodes = json!([
        trigger(),
        http("left", &server.url("/count/left"), json!({"name": "Left"})),
        http("right", &server.url("/count/{{ input.word }}"), json!({})),
        node(
            "route",
            json!({"kind": "switch", "cases": [{"handle": "high", "when": "steps.right.output.body.count > 10"}]})
        ),
        http("never", &server.url("/count/never"), json!({})),
        node(
            "note",
            json!({"kind": "transform", "output": {"sum": "{{ steps.left.output.body.count + steps.right.output.body.count }}"}})
        ),
        node("pause", json!({"kind": "delay", "seconds": 0.05})),
        node(
            "end",
            json!({"kind": "transform", "output": {"note": "{{ steps.note.output }}", "tenant": "{{ tenant.name }}"}})
        ),
    ]);
    let connections = edges(&[
        "start->left",
        "start->right",
        "left->note",
        "right->note",
        "right->route",
        "route:high->never",
        "route:default->pause",
        "never->end",
        "pause->end",
        "note->end",
    ]);
    let workflow = stage.workflow(nodes, connections).await;
    let worker = Worker::start(&stage, &[&server]);
    let execution = stage.start(workflow, json!({"word": "right"})).await;
    let ended = stage.until_status(execution, "succeeded").await;

    assert_eq!(
        ended.output,
        Some(json!({"end": {"note": {"sum": 2}, "tenant": "Alpha"}}))
    );
    assert_eq!(
        stage.summary(execution).await,
        [
            "end:succeeded:1",
            "left:succeeded:1",
            "never:skipped:1",
            "note:succeeded:1",
            "pause:succeeded:1",
            "right:succeeded:1",
            "route:succeeded:1",
            "start:succeeded:1"
        ]
    );
    assert_eq!(
        (
            server.counts.of("left"),
            server.counts.of("right"),
            server.counts.of("never")
        ),
        (1, 1, 0)
    );
    assert_eq!(stage.jobs().await, 0);
    worker.stop().await;

    let row = sqlx::query(
        "select name, kind, input ->> 'url', started_at <= finished_at,
                (select count(distinct revision) = count(*) from execution_steps), handle
           from execution_steps where node_id = 'left'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(row.get::<String, _>(0), "Left");
    assert_eq!(row.get::<String, _>(1), "http");
    assert_eq!(row.get::<String, _>(2), server.url("/count/left"));
    assert!(row.get::<bool, _>(3) && row.get::<bool, _>(4));
}

#[sqlx::test(migrations = "../migrations")]
async fn no_credential_reaches_a_row(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let step = node(
        "call",
        json!({"kind": "http", "method": "POST", "url": server.url("/count/x"), "query": {"api_key": "hush"},
               "headers": {"X-Api-Key": "hush"}, "auth": {"kind": "basic", "username": "me", "password": "hush"}}),
    );
    let workflow = stage
        .workflow(json!([trigger(), step]), edges(&["start->call"]))
        .await;
    let worker = Worker::start(&stage, &[&server]);
    let execution = stage.start(workflow, json!({})).await;
    stage.until_status(execution, "succeeded").await;
    worker.stop().await;
    let rows: String = sqlx::query_scalar("select string_agg(s::text, '') from execution_steps s")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!(rows.contains("***") && !rows.contains("hush"), "{rows}");
}

#[sqlx::test(migrations = "../migrations")]
async fn a_long_delay_is_a_row_and_not_a_task(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let nodes = json!([
        trigger(),
        node("pause", json!({"kind": "delay", "seconds": 1.5}))
    ]);
    let workflow = stage.workflow(nodes, edges(&["start->pause"])).await;
    let worker = Worker::start(&stage, &[]);
    let execution = stage.start(workflow, json!({})).await;
    stage.until_status(execution, "waiting").await;
    stage
        .until(
            execution,
            "select state = 'waiting' and run_at > now() from queue.jobs where execution_id = $1",
        )
        .await;
    // Another worker can go on with it.
    worker.stop().await;
    let worker = Worker::start(&stage, &[]);
    stage.until_status(execution, "succeeded").await;
    stage
        .until(
            execution,
            "select finished_at - started_at >= interval '1.5 s' from executions where id = $1",
        )
        .await;
    worker.stop().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn what_cannot_be_read_fails_alone(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let workflow = stage.workflow(json!([trigger()]), json!([])).await;
    let good = stage.start(workflow, json!({})).await;
    let huge = stage.start(workflow, json!({})).await;
    let unplanned = stage.start(workflow, json!({})).await;
    sqlx::query(r#"update executions set input = '{"x": 1e400}' where id = $1"#)
        .bind(huge)
        .execute(&pool)
        .await
        .unwrap();
    sqlx::query(
        "insert into workflow_versions select tenant_id, workflow_id, 2, nodes, connections, '{\"format\": 99, \"nodes\": []}', created_by
           from workflow_versions where workflow_id = $1",
    )
    .bind(workflow)
    .execute(&pool)
    .await
    .unwrap();
    sqlx::query("update executions set workflow_version = 2 where id = $1")
        .bind(unplanned)
        .execute(&pool)
        .await
        .unwrap();

    let worker = Worker::start(&stage, &[]);
    assert_eq!(
        stage.until_status(good, "succeeded").await.output,
        Some(json!({"start": {}}))
    );
    for (execution, code) in [(huge, "input_unreadable"), (unplanned, "plan_unreadable")] {
        assert_eq!(
            stage.until_status(execution, "failed").await.error.unwrap()["code"],
            code
        );
    }
    worker.stop().await;
}
