//! Agents with MCP servers.

use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_AGENT};
use uuid::Uuid;

use crate::support::aimock::Aimock;
use crate::support::scripted::{Line, Scripted};
use crate::support::worker::openai_at;
use crate::support::{Stage, Worker, edges, mcp, node, secrets, trigger};

async fn ask(stage: &Stage, servers: Value) -> Uuid {
    sqlx::query("update public.ai_agents set config = $1 where id = $2")
        .bind(json!({ "mcp_servers": servers }))
        .bind(ALPHA_AGENT)
        .execute(&stage.pool)
        .await
        .unwrap();
    let config = json!({"kind": "chat", "agent_id": ALPHA_AGENT, "prompt": "How is it in Oslo?"});
    let ask = node("ask", config);
    let workflow = stage
        .workflow(json!([trigger(), ask]), edges(&["start->ask"]))
        .await;
    stage.start(workflow, json!({})).await
}

fn worker(stage: &Stage, allowed: &str, model: &str) -> Worker {
    Worker::start_with(stage, &[], |config| {
        config.http_allow = allowed.parse().unwrap();
        config.providers = openai_at(model);
        config.vault = Some(secrets::vault());
    })
}

#[sqlx::test(migrations = "../migrations")]
async fn a_model_uses_the_tools_of_a_server(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let aimock = Aimock::start(json!([
        {"match": {"hasToolResult": false}, "response": {"toolCalls": [{"name": "sky__weather", "arguments": {"city": "Oslo"}}]}},
        {"match": {"toolResultContains": "18 degrees and rain"}, "response": {"content": "It rains."}},
    ]))
    .await;
    let worker = worker(&stage, &aimock.address, &aimock.url("/v1"));
    let servers = json!([{"name": "sky", "url": aimock.url("/mcp"), "allow": ["weather"]}]);
    let execution = ask(&stage, servers).await;
    let output = stage
        .until_status(execution, "succeeded")
        .await
        .output
        .unwrap();
    worker.stop().await;
    assert_eq!(output["ask"]["text"], "It rains.");
    assert_eq!(
        output["ask"]["tools_run"],
        json!([{"round": 1, "name": "sky__weather", "is_error": false}])
    );
    let tools = aimock.last_request().await["tools"].clone();
    assert_eq!(tools.as_array().unwrap().len(), 1, "{tools}");
    assert_eq!(
        tools[0]["function"]["description"],
        "The weather of a city."
    );
    assert_eq!(
        tools[0]["function"]["parameters"]["required"],
        json!(["city"])
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_server_is_told_secrets_and_the_model_is_not(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    secrets::set(&pool, &secrets::vault(), ALPHA, "key", "hunter2hunter2").await;
    let address = mcp::start().await;
    let model = Scripted::start([
        Line::Asks(vec![
            ("own__who_am_i", json!({})),
            ("own__broken", json!({})),
            ("own__gone", json!({})),
            ("own__unlisted", json!({})),
        ]),
        Line::Says("Enough."),
    ])
    .await;
    let worker = worker(&stage, &address.to_string(), &model.url);
    let servers = json!([{"name": "own", "url": format!("http://{address}/mcp?key=plain"), "allow": ["who.am.i", "broken", "gone"],
                          "auth": {"kind": "bearer", "token": "{{ secrets.key }}"}}]);
    let execution = ask(&stage, servers).await;
    let output = stage
        .until_status(execution, "succeeded")
        .await
        .output
        .unwrap();
    worker.stop().await;
    assert_eq!(
        model.told(),
        [
            "you are Bearer ***",
            "Bearer *** is broken",
            "the MCP server own answers 502 Bad Gateway",
            "there is no tool own__unlisted"
        ]
    );
    let errors: Vec<_> = output["ask"]["tools_run"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ran| &ran["is_error"])
        .collect();
    assert_eq!(errors, [false, true, true, true]);
    let asked = json!(model.requests()).to_string();
    assert!(asked.contains("Told Bearer ***."), "{asked}");
    assert!(!asked.contains("hunter2"));
}

#[sqlx::test(migrations = "../migrations")]
async fn a_server_that_cannot_be_asked_fails_the_step(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let model = Scripted::start([Line::Says("Never asked.")]).await;
    // Whoever listens has gone again.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let private = mcp::start().await;
    let worker = worker(&stage, &closed.to_string(), &model.url);
    for (address, code, message) in [
        (
            closed,
            "mcp_unavailable",
            "the MCP server own cannot be reached",
        ),
        (private, "http_blocked_address", "is not a public address"),
    ] {
        let servers = json!([{"name": "own", "url": format!("http://{address}/mcp?key=plain")}]);
        let execution = ask(&stage, servers).await;
        let error = stage.until_status(execution, "failed").await.error.unwrap();
        assert_eq!(error["code"], code, "{error}");
        assert!(
            error["message"].as_str().unwrap().contains(message),
            "{error}"
        );
        assert!(!error.to_string().contains("plain"), "{error}");
    }
    worker.stop().await;
    assert!(model.requests().is_empty());
}
