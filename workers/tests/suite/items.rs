//! A list, one item after another.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::worker::Process;
use crate::support::{Server, Stage, Worker, edges, node, trigger};

fn each(action: Value, more: Value) -> Value {
    let mut config = json!({"kind": "for_each", "items": "{{ input.list }}", "do": action});
    for (name, value) in more.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
    json!([trigger(), node("each", config)])
}

#[sqlx::test(migrations = "../migrations")]
async fn each_item_is_called_once_and_has_a_row(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let action = json!({"kind": "http", "url": server.url("/count/{{ item }}")});
    let workflow = stage
        .workflow(each(action, json!({})), edges(&["start->each"]))
        .await;
    let worker = Worker::start(&stage, &[&server]);
    let list: Vec<_> = (0..40).map(|n| format!("x{n}")).collect();
    let execution = stage.start(workflow, json!({"list": list})).await;
    let ended = stage.until_status(execution, "succeeded").await;
    worker.stop().await;
    let output = &ended.output.unwrap()["each"];
    assert_eq!(output["items"].as_array().unwrap().len(), 40);
    assert_eq!(output["items"][7]["status"], 200);
    assert_eq!(output["failed"], json!([]));
    for item in &list {
        assert_eq!(server.counts.of(item), 1, "{item}");
    }
    let rows: String = stage
        .ask_queue("select format('%s %s', count(*) filter (where kind = 'http' and status = 'succeeded' and item >= 0), count(*)) from execution_steps where execution_id = $1", execution)
        .await;
    assert_eq!(rows, "40 42");
}

#[sqlx::test(migrations = "../migrations")]
async fn called_workflows_run_side_by_side(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let double = node(
        "double",
        json!({"kind": "transform", "output": "{{ input.n * 2 }}"}),
    );
    let called = stage
        .workflow(json!([trigger(), double]), edges(&["start->double"]))
        .await;
    let action =
        json!({"kind": "call_workflow", "workflow_id": called, "input": {"n": "{{ item }}"}});
    let workflow = stage
        .workflow(
            each(action, json!({"concurrency": 3})),
            edges(&["start->each"]),
        )
        .await;
    let worker = Worker::start(&stage, &[]);
    let list: Vec<_> = (0..10).collect();
    let execution = stage.start(workflow, json!({"list": list})).await;
    let ended = stage.until_status(execution, "succeeded").await;
    worker.stop().await;
    let output = &ended.output.unwrap()["each"]["items"];
    let doubled: Vec<_> = output
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["output"]["double"].as_i64().unwrap())
        .collect();
    assert_eq!(doubled, (0..10).map(|n| n * 2).collect::<Vec<_>>());
    assert_eq!(stage.jobs().await, 0);
}

/// Whatever is recorded is not done again; what was out when the process died may be.
#[sqlx::test(migrations = "../migrations")]
async fn a_worker_that_is_killed_repeats_only_what_was_out(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let action = json!({"kind": "http", "url": server.url("/slow/100/{{ item }}")});
    let workflow = stage
        .workflow(
            each(action, json!({"concurrency": 4})),
            edges(&["start->each"]),
        )
        .await;
    let list: Vec<_> = (0..30).map(|n| format!("x{n}")).collect();
    let execution = stage.start(workflow, json!({"list": list})).await;
    let worker = Process::start(&stage, &server, &[]);
    stage
        .until(execution, "select count(*) >= 10 from execution_steps where execution_id = $1 and item >= 0 and status = 'succeeded'")
        .await;
    worker.kill();
    let done: Vec<i32> = sqlx::query_scalar("select item from execution_steps where execution_id = $1 and item >= 0 and status = 'succeeded'")
        .bind(execution)
        .fetch_all(&pool)
        .await
        .unwrap();
    let worker = Process::start(&stage, &server, &[]);
    stage.until_status(execution, "succeeded").await;
    worker.kill();
    let total: u32 = list.iter().map(|item| server.counts.of(item)).sum();
    assert!(
        (30..=34).contains(&total),
        "{total} calls of 30 items, 4 at a time"
    );
    for item in done {
        assert_eq!(server.counts.of(&format!("x{item}")), 1);
    }
}
