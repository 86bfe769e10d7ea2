//! Many executions and more than one worker.

use std::time::Duration;

use serde_json::json;
use sqlx::PgPool;
use tests::seed::BETA;
use uuid::Uuid;

use crate::support::{Server, Stage, Worker, edges, http, node, trigger};

/// Whoever writes a batch may wait for somebody; what is offered meanwhile is run and recorded beside it.
#[sqlx::test(migrations = "../migrations")]
async fn what_is_offered_does_not_wait_for_a_batch(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    sqlx::query("update public.tenants set limit_overrides = '{\"concurrent_executions\": null}'")
        .execute(&pool)
        .await
        .unwrap();
    let slow = json!([
        trigger(),
        http("call", &server.url("/slow/2000/held"), json!({}))
    ]);
    let slow = stage.workflow(slow, edges(&["start->call"])).await;
    let offered = stage.workflow(json!([trigger()]), json!([])).await;
    // There before the worker is, so it is claimed.
    let held = stage.enqueue(slow).await;
    let worker = Worker::start(&stage, &[&server]);
    stage
        .until(held, "select status = 'running' from execution_steps where execution_id = $1 and node_id = 'call'")
        .await;
    // And nothing else is claimed, so what follows is had by its offer.
    let mut somebody = pool.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('queue.claim', 0)) from queue.jobs where execution_id = $1 for update")
        .bind(held)
        .execute(&mut *somebody)
        .await
        .unwrap();
    stage
        .until(
            held,
            "select $1 is not null and exists (select from pg_stat_activity
               where datname = current_database() and wait_event_type = 'Lock' and query like '%queue.record%' and pid <> pg_backend_pid())",
        )
        .await;

    // The second kind is too long for an offer and is asked for.
    for length in [0, 100_000, 0, 100_000] {
        let input = json!({"text": "x".repeat(length)});
        let execution = stage.start(offered, input).await;
        stage.until_status(execution, "succeeded").await;
    }
    somebody.rollback().await.unwrap();
    stage.until_status(held, "succeeded").await;
    worker.stop().await;
}

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

/// A backlog of slow executions leaves places in the worker for those of others, also for one whose timer ends meanwhile, which no notice tells.
#[sqlx::test(migrations = "../migrations")]
async fn somebody_elses_backlog_does_not_fill_a_worker(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    sqlx::query("update public.tenants set limit_overrides = '{\"concurrent_executions\": null}'")
        .execute(&pool)
        .await
        .unwrap();
    let slow = json!([
        trigger(),
        http(
            "call",
            &server.url("/slow/60000/{{ execution.id }}"),
            json!({})
        )
    ]);
    let slow = stage.workflow(slow, edges(&["start->call"])).await;
    let quick = json!([
        trigger(),
        node("delay", json!({"kind": "delay", "seconds": 2})),
        http("call", &server.url("/count/quick"), json!({}))
    ]);
    let connections = edges(&["start->delay", "delay->call"]);
    let quick = stage.workflow_of(BETA, quick, connections).await;
    let worker = Worker::start_with(&stage, &[&server], |config| {
        config.concurrency = 32;
        config.drain = Duration::ZERO;
    });
    let mut any = Uuid::nil();
    for _ in 0..60 {
        any = stage.start(slow, json!({})).await;
    }
    // All but the eighth that is kept; half of that is for offers, and may be taken while a claim is under way.
    stage
        .until(
            any,
            "select $1 is not null and count(*) >= 28 from execution_steps where node_id = 'call' and status = 'running'",
        )
        .await;
    let execution = stage.enqueue(quick).await;
    stage.until_status(execution, "succeeded").await;
    let slow_ones: i64 = stage
        .ask_queue("select count(*) from execution_steps where $1 is not null and node_id = 'call' and status = 'running'", any)
        .await;
    assert!((28..=30).contains(&slow_ones), "{slow_ones} run");
    worker.stop().await;
}
