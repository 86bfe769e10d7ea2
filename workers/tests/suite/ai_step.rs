//! AI steps: agents, tokens, and providers that misbehave.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_AGENT};
use tokio::net::TcpListener;

use crate::support::worker::openai_at;
use crate::support::{Stage, Worker, edges, node, trigger};

/// What a provider does next; the last one for ever.
#[derive(Clone, Copy)]
enum Mood {
    Fine,
    Broken,
    Garbage,
}

#[derive(Clone)]
struct Provider {
    moods: Arc<Mutex<Vec<Mood>>>,
    requests: Arc<Mutex<Vec<Value>>>,
}

async fn provider(moods: &[Mood]) -> (String, Provider) {
    let provider = Provider {
        moods: Arc::new(Mutex::new(moods.to_vec())),
        requests: Arc::default(),
    };
    let router = Router::new()
        .route("/v1/chat/completions", post(chat))
        .with_state(provider.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, provider)
}

async fn chat(State(provider): State<Provider>, Json(request): Json<Value>) -> Response {
    provider.requests.lock().unwrap().push(request);
    let mood = {
        let mut moods = provider.moods.lock().unwrap();
        if moods.len() > 1 {
            moods.remove(0)
        } else {
            moods[0]
        }
    };
    let events = |chunks: &[Value]| {
        let text: String = chunks
            .iter()
            .map(|chunk| format!("data: {chunk}\n\n"))
            .collect();
        (
            [(header::CONTENT_TYPE, "text/event-stream")],
            text + "data: [DONE]\n\n",
        )
            .into_response()
    };
    match mood {
        Mood::Fine => events(&[
            json!({"id": "1", "object": "chat.completion.chunk", "model": "gpt-4o-mini", "created": 1,
                   "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hello there."}}]}),
            json!({"id": "1", "object": "chat.completion.chunk", "model": "gpt-4o-mini", "created": 1,
                   "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
            json!({"id": "1", "object": "chat.completion.chunk", "model": "gpt-4o-mini", "created": 1, "choices": [],
                   "usage": {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}}),
        ]),
        Mood::Broken => (
            StatusCode::INTERNAL_SERVER_ERROR,
            Json(json!({"error": {"message": "it hurts"}})),
        )
            .into_response(),
        Mood::Garbage => {
            ([(header::CONTENT_TYPE, "text/html")], "<html>nginx</html>").into_response()
        }
    }
}

fn graph(more: Value) -> (Value, Value) {
    let mut ask = node(
        "ask",
        json!({"kind": "chat", "agent_id": ALPHA_AGENT, "prompt": "Greet {{ input.name }}.", "system_prompt": "As {{ tenant.name }}."}),
    );
    for (name, value) in more.as_object().into_iter().flatten() {
        ask[name] = value.clone();
    }
    (json!([trigger(), ask]), edges(&["start->ask"]))
}

async fn used(pool: &PgPool) -> (i64, i64) {
    sqlx::query_as("select used, reserved from aias.quota_status($1) where meter = 'llm_tokens'")
        .bind(ALPHA)
        .fetch_one(pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn an_agent_answers_and_its_tokens_are_counted_once(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let (url, provider) = provider(&[Mood::Broken, Mood::Fine]).await;
    let (nodes, connections) =
        graph(json!({"retry": {"max_attempts": 2, "initial_seconds": 0.01}}));
    let workflow = stage.workflow(nodes, connections).await;
    let worker = Worker::start_with(&stage, &[], |config| config.providers = openai_at(&url));
    let execution = stage.start(workflow, json!({"name": "Ada"})).await;
    let ended = stage.until_status(execution, "succeeded").await;
    worker.stop().await;
    assert_eq!(
        ended.output.unwrap()["ask"],
        json!({"text": "Hello there.", "model": "openai/gpt-4o-mini", "finish_reason": "stop", "usage": {"input_tokens": 1000, "output_tokens": 200}})
    );
    let request = provider.requests.lock().unwrap()[0].clone();
    assert_eq!(request["messages"][0]["content"], "As Alpha.");
    assert!(
        request["messages"][1].to_string().contains("Greet Ada."),
        "{request}"
    );

    let (model, input, cost, usages): (String, i64, f64, i64) = sqlx::query_as(
        "select model, input_tokens, cost_usd::float8, (select count(*) from usage where agent_id = $1)
           from execution_steps where node_id = 'ask'",
    )
    .bind(ALPHA_AGENT)
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(
        (model.as_str(), input, usages),
        ("openai/gpt-4o-mini", 1000, 1)
    );
    assert!((cost - 0.000_27).abs() < 1e-9, "{cost}");
    assert_eq!(
        used(&pool).await,
        (1200, 0),
        "what was set aside is settled, also for the attempt that failed"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_provider_that_talks_nonsense_is_named(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    for (mood, code) in [
        (Mood::Broken, "llm_provider_error"),
        (Mood::Garbage, "llm_malformed_response"),
    ] {
        let (url, _) = provider(&[mood]).await;
        let (nodes, connections) =
            graph(json!({"retry": {"max_attempts": 2, "initial_seconds": 0.01}}));
        let workflow = stage.workflow(nodes, connections).await;
        let worker = Worker::start_with(&stage, &[], |config| config.providers = openai_at(&url));
        let execution = stage.start(workflow, json!({"name": "Ada"})).await;
        let error = stage.until_status(execution, "failed").await.error.unwrap();
        worker.stop().await;
        assert_eq!(error["code"], code, "{error}");
        assert_eq!(
            stage.summary(execution).await,
            ["ask:failed:2", "start:succeeded:1"]
        );
    }
    assert_eq!(used(&pool).await, (0, 0));
}

#[sqlx::test(migrations = "../migrations")]
async fn a_plan_without_tokens_left_refuses_before_the_call(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    sqlx::query("update tenants set limit_overrides = '{\"llm_tokens\": 50}' where id = $1")
        .bind(ALPHA)
        .execute(&pool)
        .await
        .unwrap();
    let (url, provider) = provider(&[Mood::Fine]).await;
    let (nodes, connections) = graph(json!({}));
    let workflow = stage.workflow(nodes, connections).await;
    let worker = Worker::start_with(&stage, &[], |config| config.providers = openai_at(&url));
    let execution = stage.start(workflow, json!({"name": "Ada"})).await;
    let error = stage.until_status(execution, "failed").await.error.unwrap();
    worker.stop().await;
    assert_eq!(
        (&error["code"], &error["node_id"]),
        (&json!("quota_exceeded"), &json!("ask"))
    );
    assert_eq!(
        stage.summary(execution).await,
        ["ask:failed:1", "start:succeeded:1"]
    );
    assert!(provider.requests.lock().unwrap().is_empty());
}

#[sqlx::test(migrations = "../migrations")]
async fn a_spending_cap_holds_a_step_and_counts_what_it_took(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let cap = async |micro_usd: i64| {
        sqlx::query(
            "select aias.quota_set($1, $2, 'flow', $3, billing_anchor) from tenants where id = $1",
        )
        .bind(ALPHA)
        .bind(format!("llm_micro_usd:agent:{ALPHA_AGENT}"))
        .bind(micro_usd)
        .execute(&pool)
        .await
        .unwrap();
    };
    let spent = async || -> (i64, i64) {
        sqlx::query_as(
            "select used, reserved from aias.quota_status($1) where meter like 'llm_micro_usd%'",
        )
        .bind(ALPHA)
        .fetch_one(&pool)
        .await
        .unwrap()
    };
    // The agent's 100 tokens of output are 60 millionths of a dollar, and the prompt is a few.
    cap(300).await;
    let (url, provider) = provider(&[Mood::Broken, Mood::Fine]).await;
    let (nodes, connections) =
        graph(json!({"retry": {"max_attempts": 2, "initial_seconds": 0.01}}));
    let workflow = stage.workflow(nodes, connections).await;
    let worker = Worker::start_with(&stage, &[], |config| config.providers = openai_at(&url));
    let execution = stage.start(workflow, json!({"name": "Ada"})).await;
    stage.until_status(execution, "succeeded").await;
    assert_eq!(
        spent().await,
        (270, 0),
        "1000 and 200 tokens of gpt-4o-mini, and nothing for the attempt that failed"
    );
    let execution = stage.start(workflow, json!({"name": "Ada"})).await;
    let error = stage.until_status(execution, "failed").await.error.unwrap();
    worker.stop().await;
    assert_eq!(error["code"], "quota_exceeded", "{error}");
    assert_eq!(spent().await, (270, 0));
    assert_eq!(
        provider.requests.lock().unwrap().len(),
        2,
        "nobody was asked when the cap was reached"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_call_that_is_cancelled_gives_its_tokens_back(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    // Somebody who never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", silent.local_addr().unwrap());
    let (nodes, connections) = graph(json!({}));
    let workflow = stage.workflow(nodes, connections).await;
    let worker = Worker::start_with(&stage, &[], |config| config.providers = openai_at(&url));
    let execution = stage.start(workflow, json!({"name": "Ada"})).await;
    stage.until(execution, "select $1 is not null and reserved > 0 from aias.quota_status('01900000-0000-7000-8000-00000000a000') where meter = 'llm_tokens'").await;
    stage.cancel(execution).await;
    stage.until_status(execution, "cancelled").await;
    worker.stop().await;
    assert_eq!(used(&pool).await, (0, 0));
}

#[sqlx::test(migrations = "../migrations")]
async fn an_agent_that_is_gone_is_missed(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let (url, _) = provider(&[Mood::Fine]).await;
    let (nodes, connections) = graph(json!({}));
    let workflow = stage.workflow(nodes, connections).await;
    sqlx::query("delete from ai_agents")
        .execute(&pool)
        .await
        .unwrap();
    let worker = Worker::start_with(&stage, &[], |config| config.providers = openai_at(&url));
    let execution = stage.start(workflow, json!({"name": "Ada"})).await;
    let error = stage.until_status(execution, "failed").await.error.unwrap();
    worker.stop().await;
    assert_eq!(error["code"], "agent_not_found");
}

/// Says this from now on, in a version of its own.
async fn says(pool: &PgPool, prompt: &str) {
    sqlx::query(
        "update ai_agents set config = jsonb_build_object('system_prompt', $1::text) where id = $2",
    )
    .bind(prompt)
    .bind(ALPHA_AGENT)
    .execute(pool)
    .await
    .unwrap();
}

#[sqlx::test(migrations = "../migrations")]
async fn a_step_asks_the_version_that_it_names_or_the_one_in_force(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let (url, provider) = provider(&[Mood::Fine]).await;
    says(&pool, "Second.").await;
    says(&pool, "Third.").await;
    let ask = |id: &str, more: Value| {
        let mut config = json!({"kind": "chat", "agent_id": ALPHA_AGENT, "prompt": "Go."});
        for (name, value) in more.as_object().into_iter().flatten() {
            config[name] = value.clone();
        }
        node(id, config)
    };
    let workflow = stage
        .workflow(
            json!([
                trigger(),
                ask("pinned", json!({"agent_version": 2})),
                ask("free", json!({}))
            ]),
            edges(&["start->pinned", "pinned->free"]),
        )
        .await;
    says(&pool, "Fourth.").await;
    let worker = Worker::start_with(&stage, &[], |config| config.providers = openai_at(&url));
    let execution = stage.start(workflow, json!({})).await;
    stage.until_status(execution, "succeeded").await;
    worker.stop().await;

    let told: Vec<Value> = provider.requests.lock().unwrap().clone();
    let told: Vec<&Value> = told
        .iter()
        .map(|request| &request["messages"][0]["content"])
        .collect();
    assert_eq!(told, ["Second.", "Fourth."]);
    let said: Vec<(String, i32, i32)> = sqlx::query_as(
        "select s.node_id, s.agent_version, u.agent_version
           from execution_steps s join usage u using (tenant_id, execution_id, node_id) where execution_id = $1 order by u.id",
    )
    .bind(execution)
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(
        said,
        [("pinned".to_owned(), 2, 2), ("free".to_owned(), 4, 4)]
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_version_that_is_not_there_is_missed(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let (url, provider) = provider(&[Mood::Fine]).await;
    says(&pool, "Second.").await;
    let ask = node(
        "ask",
        json!({"kind": "chat", "agent_id": ALPHA_AGENT, "agent_version": 2, "prompt": "Go."}),
    );
    let workflow = stage
        .workflow(json!([trigger(), ask]), edges(&["start->ask"]))
        .await;
    // Only by going round everything: an active workflow names no version that is not there, and versions go with their agent.
    sqlx::query("delete from agent_versions where version = 2")
        .execute(&pool)
        .await
        .unwrap();
    let worker = Worker::start_with(&stage, &[], |config| config.providers = openai_at(&url));
    let execution = stage.start(workflow, json!({})).await;
    let error = stage.until_status(execution, "failed").await.error.unwrap();
    worker.stop().await;
    assert_eq!(error["code"], "agent_version_not_found", "{error}");
    assert!(provider.requests.lock().unwrap().is_empty());
}
