//! Executions that call others.

use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{Server, Stage, Worker, edges, http, node, trigger};

fn calls(workflow: Uuid) -> serde_json::Value {
    node(
        "call",
        json!({"kind": "call_workflow", "workflow_id": workflow, "input": {"n": "{{ input.n }}"}}),
    )
}

async fn child_of(stage: &Stage, execution: Uuid) -> Uuid {
    stage
        .until(
            execution,
            "select count(*) = 1 from executions where parent_id = $1",
        )
        .await;
    stage
        .ask_queue("select id from executions where parent_id = $1", execution)
        .await
}

#[sqlx::test(migrations = "../migrations")]
async fn what_the_called_workflow_gives_is_the_output_of_the_call(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let double = node(
        "double",
        json!({"kind": "transform", "output": "{{ input.n * 2 }}"}),
    );
    let called = stage
        .workflow(json!([trigger(), double]), edges(&["start->double"]))
        .await;
    let caller = stage
        .workflow(json!([trigger(), calls(called)]), edges(&["start->call"]))
        .await;
    let worker = Worker::start(&stage, &[]);
    let execution = stage.start(caller, json!({"n": 4})).await;
    let ended = stage.until_status(execution, "succeeded").await;
    worker.stop().await;
    let child = child_of(&stage, execution).await;
    assert_eq!(
        ended.output,
        Some(
            json!({"call": {"execution_id": child, "status": "succeeded", "output": {"double": 8}}})
        )
    );
    let told: String = stage
        .ask_queue("select format('%s %s %s %s', origin, parent_node, depth, started_by is not null) from executions where parent_id = $1", execution)
        .await;
    assert_eq!(told, "call call 1 t");
    assert_eq!(stage.jobs().await, 0);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_workflow_that_calls_itself_ends_at_the_eighth(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_cafe);
    sqlx::query("insert into workflows (tenant_id, id, name, status, nodes, connections) values ($1, $2, 'Itself', 'active', $3, $4)")
        .bind(tests::seed::ALPHA)
        .bind(id)
        .bind(json!([trigger(), calls(id)]))
        .bind(edges(&["start->call"]))
        .execute(&pool)
        .await
        .unwrap();
    let worker = Worker::start(&stage, &[]);
    let execution = stage.start(id, json!({"n": 1})).await;
    let ended = stage.until_status(execution, "failed").await;
    worker.stop().await;
    assert_eq!(ended.error.unwrap()["code"], "called_workflow_failed");
    let deepest: String = stage
        .ask_queue("select format('%s %s', max(depth), (array_agg(error ->> 'code' order by depth desc))[1]) from executions where workflow_id = $1", id)
        .await;
    assert_eq!(deepest, "8 call_too_deep");
}

#[sqlx::test(migrations = "../migrations")]
async fn what_cannot_be_called_fails_the_step(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let paused = stage.workflow(json!([trigger()]), json!([])).await;
    sqlx::query("update workflows set status = 'paused' where id = $1")
        .bind(paused)
        .execute(&pool)
        .await
        .unwrap();
    let worker = Worker::start(&stage, &[]);
    for (called, code) in [
        (paused, "called_workflow_not_active"),
        (Uuid::max(), "called_workflow_not_found"),
    ] {
        let caller = stage
            .workflow(json!([trigger(), calls(called)]), edges(&["start->call"]))
            .await;
        let execution = stage.start(caller, json!({"n": 1})).await;
        let ended = stage.until_status(execution, "failed").await;
        assert_eq!(ended.error.unwrap()["code"], code);
    }
    worker.stop().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_cancellation_goes_on_to_the_called_and_a_cancelled_one_is_a_failure(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let pause = node("pause", json!({"kind": "delay", "seconds": 3600}));
    let called = stage
        .workflow(json!([trigger(), pause]), edges(&["start->pause"]))
        .await;
    let caller = stage
        .workflow(json!([trigger(), calls(called)]), edges(&["start->call"]))
        .await;
    let worker = Worker::start(&stage, &[]);
    let execution = stage.start(caller, json!({"n": 1})).await;
    let child = child_of(&stage, execution).await;
    stage.until_status(child, "waiting").await;
    stage.until_status(execution, "waiting").await;
    stage.cancel(execution).await;
    stage.until_status(child, "cancelled").await;

    let execution = stage.start(caller, json!({"n": 1})).await;
    let child = child_of(&stage, execution).await;
    stage.until_status(child, "waiting").await;
    stage.cancel(child).await;
    let ended = stage.until_status(execution, "failed").await;
    worker.stop().await;
    assert_eq!(ended.error.unwrap()["code"], "called_workflow_failed");
    assert_eq!(stage.jobs().await, 0);
}

/// Another attempt is another execution; the one that took too long is asked to end and its end is told to nobody.
#[sqlx::test(migrations = "../migrations")]
async fn an_execution_that_is_given_up_is_ended(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let called = stage
        .workflow(
            json!([
                trigger(),
                http("slow", &server.url("/slow/60000/slow"), json!({}))
            ]),
            edges(&["start->slow"]),
        )
        .await;
    let mut call = calls(called);
    call["timeout"] = json!(1.5);
    call["retry"] = json!({"max_attempts": 2, "initial_seconds": 0});
    let caller = stage
        .workflow(json!([trigger(), call]), edges(&["start->call"]))
        .await;
    let worker = Worker::start(&stage, &[&server]);
    let execution = stage.start(caller, json!({"n": 1})).await;
    let ended = stage.until_status(execution, "failed").await;
    assert_eq!(ended.error.unwrap()["code"], "timeout");
    stage
        .until(execution, "select count(*) = 2 and bool_and(status = 'cancelled') from executions where parent_id = $1")
        .await;
    worker.stop().await;
    assert_eq!(
        stage.summary(execution).await,
        ["call:failed:2", "start:succeeded:1"]
    );
}
