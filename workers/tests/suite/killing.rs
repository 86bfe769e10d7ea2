//! Workers as processes: killed, and told to stop.

use std::process::Command;

use serde_json::json;
use sqlx::PgPool;

use crate::support::worker::Process;
use crate::support::{PATIENCE, Server, Stage, edges, http, node, trigger};

#[sqlx::test(migrations = "../migrations")]
async fn a_worker_that_is_killed_loses_nothing(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let nodes = json!([
        trigger(),
        http("one", &server.url("/count/one"), json!({"method": "POST"})),
        http("two", &server.url("/count/two"), json!({})),
        http("slow", &server.url("/slow/1500/slow"), json!({})),
        http("three", &server.url("/count/three"), json!({})),
        node(
            "end",
            json!({"kind": "transform", "output": "{{ steps.one.output.body.count }}"})
        ),
    ]);
    let connections = edges(&[
        "start->one",
        "one->two",
        "two->slow",
        "slow->three",
        "three->end",
    ]);
    let workflow = stage.workflow(nodes, connections).await;
    let first = Process::start(&stage, &server, &[]);
    let execution = stage.start(workflow, json!({})).await;
    stage.until(execution, "select status = 'running' from execution_steps where execution_id = $1 and node_id = 'slow'").await;
    while server.counts.of("slow") == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    first.kill();

    let second = Process::start(&stage, &server, &[]);
    let ended = stage.until_status(execution, "succeeded").await;
    drop(second);
    assert_eq!(ended.output, Some(json!({"end": 1})));
    assert_eq!(
        stage.summary(execution).await,
        [
            "end:succeeded:1",
            "one:succeeded:1",
            "slow:succeeded:2",
            "start:succeeded:1",
            "three:succeeded:1",
            "two:succeeded:1"
        ]
    );
    let counts = ["one", "two", "slow", "three"].map(|key| server.counts.of(key));
    assert_eq!(counts, [1, 1, 2, 1], "only the step in flight was repeated");
    assert_eq!(stage.jobs().await, 0);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_signal_to_stop_is_heeded(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let nodes = json!([
        trigger(),
        http("slow", &server.url("/slow/800/slow"), json!({})),
        http("next", &server.url("/count/next"), json!({}))
    ]);
    let workflow = stage
        .workflow(nodes, edges(&["start->slow", "slow->next"]))
        .await;
    let worker = Process::start(&stage, &server, &[("AIAS_DRAIN_SECONDS", "10")]);
    let execution = stage.start(workflow, json!({})).await;
    stage.until(execution, "select status = 'running' from execution_steps where execution_id = $1 and node_id = 'slow'").await;
    let sent = Command::new("kill")
        .args(["-TERM", &worker.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    assert!(worker.ended().await.success());
    assert_eq!(
        stage.summary(execution).await,
        ["slow:succeeded:1", "start:succeeded:1"]
    );
    assert_eq!(stage.execution(execution).await.status, "waiting");
}

#[test]
fn a_mistake_in_the_environment_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_worker"))
        .env_remove("AIAS_DATABASE_URL")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.starts_with("worker: AIAS_DATABASE_URL: is not set"),
        "{said}"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_worker_says_how_it_is(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let workflow = stage.workflow(json!([trigger()]), json!([])).await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let worker = Process::start(&stage, &server, &[("AIAS_METRICS_LISTEN", &address)]);
    let execution = stage.start(workflow, json!({})).await;
    stage.until_status(execution, "succeeded").await;

    let get = async |path: &str| {
        let answer = reqwest::get(format!("http://{address}{path}"))
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("/healthz").await.0, 200);
    assert_eq!(get("/readyz").await.0, 200);
    let metrics = get("/metrics").await.1;
    assert!(
        metrics.contains("aias_worker_executions_total{status=\"succeeded\"} 1"),
        "{metrics}"
    );

    // A turn of each kind of work ends soon after the start, but for those that rest first.
    for work in ["chain_audit", "export", "erase_tenants", "check_domains"] {
        let turn = format!("aias_worker_turns_total{{work=\"{work}\",outcome=\"idle\"}}");
        let begun = std::time::Instant::now();
        while !get("/metrics").await.1.contains(&turn) {
            assert!(begun.elapsed() < PATIENCE, "never: {turn}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    let second = Command::new(env!("CARGO_BIN_EXE_worker"))
        .env("AIAS_DATABASE_URL", stage.worker_url())
        .env("AIAS_METRICS_LISTEN", &address)
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(
        said.contains(&format!("cannot listen on {address} (AIAS_METRICS_LISTEN)")),
        "{said}"
    );
    drop(worker);
}
