//! Events and decisions, from the RPC to the end of the execution.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::ALPHA;

use crate::support::{Server, Stage, Worker, edges, http, node, trigger};

const IS_WAITING: &str =
    "select count(*) = 1 from queue.waits w join queue.jobs j using (tenant_id, execution_id)
    where execution_id = $1 and j.state = 'waiting'";

#[sqlx::test(migrations = "../migrations")]
async fn an_event_wakes_the_execution_that_waits_for_it(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let wait = node(
        "wait",
        json!({"kind": "wait_for_event", "event": "paid", "key": "{{ input.order }}"}),
    );
    let workflow = stage
        .workflow(json!([trigger(), wait]), edges(&["start->wait"]))
        .await;
    let worker = Worker::start(&stage, &[]);
    let execution = stage.start(workflow, json!({"order": 7})).await;
    stage.until(execution, IS_WAITING).await;
    stage.until_status(execution, "waiting").await;
    let claims: i64 = stage
        .ask_queue(
            "select fencing_token from queue.jobs where execution_id = $1",
            execution,
        )
        .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let later: i64 = stage
        .ask_queue(
            "select fencing_token from queue.jobs where execution_id = $1",
            execution,
        )
        .await;
    assert_eq!(claims, later, "nobody looks at it while nothing comes");

    // Another order's, which is kept and never asked for; then the right one.
    let reached: bool = stage
        .ask("select public.send_event($1, 'paid', '{}', '8')", execution)
        .await;
    assert!(!reached);
    let reached: bool = stage
        .ask(
            "select public.send_event($1, 'paid', '{\"sum\": 3}', '7')",
            execution,
        )
        .await;
    assert!(reached);
    let ended = stage.until_status(execution, "succeeded").await;
    worker.stop().await;
    let output = &ended.output.unwrap()["wait"];
    assert_eq!(
        (&output["event"], &output["key"], &output["payload"]),
        (&json!("paid"), &json!("7"), &json!({"sum": 3}))
    );
    assert!(output["received_at"].is_string());
    let left: i64 = stage
        .ask_queue("select (select count(*) from queue.waits where execution_id = $1) + (select count(*) from queue.events where execution_id = $1)", execution)
        .await;
    assert_eq!(left, 0);
}

#[sqlx::test(migrations = "../migrations")]
async fn an_event_may_come_before_anybody_waits_for_it(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let nodes = json!([
        trigger(),
        http("slow", &server.url("/slow/700/slow"), json!({})),
        node("wait", json!({"kind": "wait_for_event", "event": "paid"}))
    ]);
    let workflow = stage
        .workflow(nodes, edges(&["start->slow", "slow->wait"]))
        .await;
    let execution = stage.start(workflow, json!({})).await;
    let reached: bool = stage
        .ask("select public.send_event($1, 'paid', '1')", execution)
        .await;
    assert!(!reached);
    let worker = Worker::start(&stage, &[&server]);
    stage.until_status(execution, "succeeded").await;
    worker.stop().await;
}

/// It is told through the renewal that the notice asks for; the lease is long, so nothing else could be in time.
#[sqlx::test(migrations = "../migrations")]
async fn an_event_reaches_an_execution_that_a_worker_holds(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let nodes = json!([
        trigger(),
        http("long", &server.url("/slow/60000/long"), json!({})),
        node("wait", json!({"kind": "wait_for_event", "event": "paid"})),
        http("next", &server.url("/count/next"), json!({}))
    ]);
    let workflow = stage
        .workflow(nodes, edges(&["start->long", "start->wait", "wait->next"]))
        .await;
    let worker = Worker::start_with(&stage, &[&server], |config| {
        config.lease = Duration::from_secs(600);
    });
    let execution = stage.start(workflow, json!({})).await;
    stage
        .until(
            execution,
            "select count(*) = 1 from queue.waits where execution_id = $1",
        )
        .await;
    let reached: bool = stage
        .ask("select public.send_event($1, 'paid')", execution)
        .await;
    assert!(reached);
    stage.until(execution, "select status = 'succeeded' from execution_steps where execution_id = $1 and node_id = 'next'").await;
    stage.cancel(execution).await;
    stage.until_status(execution, "cancelled").await;
    worker.stop().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_broadcast_reaches_all_that_wait_and_nobody_else(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let wait = |key: Value| {
        let mut config = json!({"kind": "wait_for_event", "event": "opened"});
        if !key.is_null() {
            config["key"] = key;
        }
        json!([trigger(), node("wait", config)])
    };
    let keyed = stage
        .workflow(wait(json!("{{ input.shop }}")), edges(&["start->wait"]))
        .await;
    let any = stage
        .workflow(wait(json!(null)), edges(&["start->wait"]))
        .await;
    let worker = Worker::start(&stage, &[]);
    let reached = [
        stage.start(keyed, json!({"shop": "a"})).await,
        stage.start(keyed, json!({"shop": "a"})).await,
        stage.start(any, json!({})).await,
    ];
    let other = stage.start(keyed, json!({"shop": "b"})).await;
    for execution in reached.into_iter().chain([other]) {
        stage.until(execution, IS_WAITING).await;
    }
    let count: i32 = stage
        .ask(
            "select public.broadcast_event($1, 'opened', '{}', 'a')",
            ALPHA,
        )
        .await;
    assert_eq!(count, 3);
    for execution in reached {
        stage.until_status(execution, "succeeded").await;
    }
    assert_eq!(stage.execution(other).await.status, "waiting");
    worker.stop().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn who_waits_too_long_takes_the_error_branch(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let mut wait = node(
        "wait",
        json!({"kind": "wait_for_event", "event": "paid", "timeout": 1.5}),
    );
    wait["on_error"] = json!("branch");
    let late = node(
        "late",
        json!({"kind": "transform", "output": "{{ steps.wait.error.code }}"}),
    );
    let workflow = stage
        .workflow(
            json!([trigger(), wait, late]),
            edges(&["start->wait", "wait:error->late"]),
        )
        .await;
    let worker = Worker::start(&stage, &[]);
    let execution = stage.start(workflow, json!({})).await;
    let ended = stage.until_status(execution, "succeeded").await;
    worker.stop().await;
    assert_eq!(ended.output, Some(json!({"late": "wait_timed_out"})));
}

#[sqlx::test(migrations = "../migrations")]
async fn a_decision_takes_its_branch(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let nodes = json!([
        trigger(),
        node(
            "sign",
            json!({"kind": "approval", "message": "Pay {{ input.sum }}?"})
        ),
        node(
            "yes",
            json!({"kind": "transform", "output": "{{ steps.sign.output.comment }}"})
        ),
        node("no", json!({"kind": "transform", "output": 1}))
    ]);
    let workflow = stage
        .workflow(
            nodes,
            edges(&["start->sign", "sign:approved->yes", "sign:rejected->no"]),
        )
        .await;
    let worker = Worker::start(&stage, &[]);
    let execution = stage.start(workflow, json!({"sum": 3})).await;
    stage.until(execution, IS_WAITING).await;
    // Nobody takes the decision up before it is tried again.
    worker.stop().await;
    let message: String = stage
        .ask_queue(
            "select message from queue.waits where execution_id = $1",
            execution,
        )
        .await;
    assert_eq!(message, "Pay 3?");
    let status: String = stage
        .ask(
            "select status from public.decide_approval($1, 'sign', true, 'fine')",
            execution,
        )
        .await;
    assert_eq!(status, "waiting");
    let again = stage
        .try_ask::<String>(
            "select status from public.decide_approval($1, 'sign', false)",
            execution,
        )
        .await;
    assert!(again.unwrap_err().to_string().contains("already_decided"));
    let worker = Worker::start(&stage, &[]);
    let ended = stage.until_status(execution, "succeeded").await;
    worker.stop().await;
    assert_eq!(ended.output, Some(json!({"yes": "fine"})));
    assert_eq!(
        stage.summary(execution).await,
        [
            "no:skipped:1",
            "sign:succeeded:1",
            "start:succeeded:1",
            "yes:succeeded:1"
        ]
    );
}
