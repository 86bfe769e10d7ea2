//! A database that goes away for a moment.

use std::time::Duration;

use serde_json::json;
use sqlx::PgPool;

use crate::support::{Invitation, Server, SmtpSink, Stage, Worker, edges, http, trigger};

/// Breaks every connection of a worker.
pub async fn terminate(pool: &PgPool) {
    sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'aias_worker' and datname = current_database()")
        .execute(pool)
        .await
        .unwrap();
}

#[sqlx::test(migrations = "../migrations")]
async fn broken_connections_are_made_again(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let nodes = json!([
        trigger(),
        http("a", &server.url("/slow/700/a"), json!({})),
        http("b", &server.url("/count/b"), json!({}))
    ]);
    let workflow = stage.workflow(nodes, edges(&["start->a", "a->b"])).await;
    let worker = Worker::start(&stage, &[&server]);
    let execution = stage.start(workflow, json!({})).await;
    stage.until(execution, "select status = 'running' from execution_steps where execution_id = $1 and node_id = 'a'").await;
    for _ in 0..10 {
        terminate(&pool).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stage.until_status(execution, "succeeded").await;
    assert_eq!(
        stage.summary(execution).await,
        ["a:succeeded:1", "b:succeeded:1", "start:succeeded:1"]
    );
    assert_eq!((server.counts.of("a"), server.counts.of("b")), (1, 1));

    // It still listens, or polls.
    let later = stage.start(workflow, json!({})).await;
    stage.until_status(later, "succeeded").await;
    worker.stop().await;
}

/// Longer than the lease: what was done meanwhile is recorded all the same, since nobody else has claimed it.
#[sqlx::test(migrations = "../migrations")]
async fn a_result_waits_for_its_database(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let nodes = json!([
        trigger(),
        http("a", &server.url("/slow/500/a"), json!({})),
        http("b", &server.url("/count/b"), json!({}))
    ]);
    let workflow = stage.workflow(nodes, edges(&["start->a", "a->b"])).await;
    let worker = Worker::start_with(&stage, &[&server], |config| {
        config.lease = Duration::from_secs(1)
    });
    let execution = stage.start(workflow, json!({})).await;
    stage.until(execution, "select status = 'running' from execution_steps where execution_id = $1 and node_id = 'a'").await;
    let away = "revoke usage on schema queue from aias_worker";
    sqlx::query(away).execute(&pool).await.unwrap();
    terminate(&pool).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(server.counts.of("a"), 1);
    sqlx::query("grant usage on schema queue to aias_worker")
        .execute(&pool)
        .await
        .unwrap();
    stage.until_status(execution, "succeeded").await;
    worker.stop().await;
    assert_eq!(
        stage.summary(execution).await,
        ["a:succeeded:1", "b:succeeded:1", "start:succeeded:1"]
    );
    assert_eq!((server.counts.of("a"), server.counts.of("b")), (1, 1));
}

/// What is done beside the executions waits too, and goes on by itself.
#[sqlx::test(migrations = "../migrations")]
async fn a_mail_waits_for_its_database(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let sink = SmtpSink::start().await;
    let worker = Worker::start_mailing(&stage, &sink);
    let away = "revoke usage on schema queue from aias_worker";
    sqlx::query(away).execute(&pool).await.unwrap();
    terminate(&pool).await;
    let invitation = Invitation::send(&stage).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(sink.received().len(), 0);
    sqlx::query("grant usage on schema queue to aias_worker")
        .execute(&pool)
        .await
        .unwrap();
    invitation.until_mail("sent", 1).await;
    worker.stop().await;
}
