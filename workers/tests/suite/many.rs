//! Many executions and more than one worker.

use serde_json::json;
use sqlx::PgPool;

use crate::support::{Server, Stage, Worker, edges, http, node, trigger};

#[sqlx::test(migrations = "../migrations")]
async fn two_workers_run_each_execution_once(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let nodes = json!([
        trigger(),
        http("call", &server.url("/count/{{ execution.id }}"), json!({})),
        node(
            "end",
            json!({"kind": "transform", "output": "{{ steps.call.output.body.count }}"})
        ),
    ]);
    let workflow = stage
        .workflow(nodes, edges(&["start->call", "call->end"]))
        .await;
    let workers = [
        Worker::start(&stage, &[&server]),
        Worker::start(&stage, &[&server]),
    ];
    for _ in 0..200 {
        stage.start(workflow, json!({})).await;
    }
    let any = stage.start(workflow, json!({})).await;
    stage
        .until(
            any,
            "select $1 is not null and count(*) = 201 from executions where status = 'succeeded'",
        )
        .await;
    for worker in workers {
        worker.stop().await;
    }
    let counts = server.counts.all();
    assert_eq!(counts.len(), 201);
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    let attempts: (i64, i64) =
        sqlx::query_as("select count(*), count(*) filter (where status = 'succeeded' and attempt = 1) from execution_steps")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(attempts, (603, 603));
    assert_eq!(stage.jobs().await, 0);
}
