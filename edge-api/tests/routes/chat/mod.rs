//! `POST /v1/chat/completions`, `POST /v1/embeddings` and `GET /v1/models`, over a provider that is stood in for.

mod agent_functions;
mod agent_http;
mod agent_tools;
mod answer_cache;
mod caps;
mod captured_calls;
mod cut_off;
mod embeddings;
mod journal;
mod killed;
mod models;
mod own_keys;
mod quota;
mod rate_limits;
mod stream;
mod whole;

use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use edge_api::Configuration;
use serde_json::{Value, json};
use sqlx::PgPool;
use std::time::Duration;
use tests::seed::{ALPHA, ALPHA_EDITOR, Person};
use tower::ServiceExt;
use uuid::Uuid;
use vault::Vault;

use crate::support::upstream::Upstream;
use crate::support::{Answer, SECRET, TestApp};

const PATH: &str = "/v1/chat/completions?tenant_id=01900000-0000-7000-8000-00000000a000";

struct Gateway {
    app: TestApp,
    upstream: Upstream,
}

/// What is written down of a call.
#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Used {
    user_id: Option<Uuid>,
    api_key_id: Option<Uuid>,
    agent_id: Option<Uuid>,
    model: String,
    input_tokens: i64,
    cached_input_tokens: i64,
    output_tokens: i64,
    is_estimated: bool,
}

impl Used {
    fn by(person: Person, model: &str, tokens: (i64, i64, i64), is_estimated: bool) -> Self {
        Self {
            user_id: Some(person.id),
            api_key_id: None,
            agent_id: None,
            model: model.to_owned(),
            input_tokens: tokens.0,
            cached_input_tokens: tokens.1,
            output_tokens: tokens.2,
            is_estimated,
        }
    }
}

impl Gateway {
    async fn new(pool: PgPool) -> Self {
        Self::with(pool, |_| {}).await
    }

    async fn with(pool: PgPool, change: impl FnOnce(&mut Configuration)) -> Self {
        let upstream = Upstream::start().await;
        let providers = upstream.providers();
        let mut app = TestApp::with(pool, |configuration| {
            configuration.models.providers = providers;
            change(configuration);
        })
        .await;
        app.spawn_background();
        Self { app, upstream }
    }

    /// Another process beside this one, with another vault.
    async fn and_another(&self, pool: PgPool, vault: Option<Vault>) -> Self {
        let upstream = Upstream::start().await;
        let providers = self.upstream.providers();
        let mut app = TestApp::with(pool, |configuration| {
            configuration.models.providers = providers;
            configuration.vault = vault;
        })
        .await;
        app.spawn_background();
        Self { app, upstream }
    }

    async fn ask(&self, body: &Value) -> Answer {
        let request = self.app.post(PATH).by(ALPHA_EDITOR);
        request.json(body).send().await
    }

    /// The head of the answer, whose body comes as it is read.
    async fn open(&self, body: &Value) -> Response {
        let request = Request::post(PATH)
            .header(
                "authorization",
                format!("Bearer {}", ALPHA_EDITOR.token(SECRET)),
            )
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        self.app.router.clone().oneshot(request).await.unwrap()
    }

    /// What was written down of all calls so far.
    async fn used(&self) -> Vec<Used> {
        assert!(self.app.app.ledger().flush(Duration::from_secs(10)).await);
        sqlx::query_as(
            "select user_id, api_key_id, agent_id, model, input_tokens, cached_input_tokens, output_tokens, is_estimated
               from public.usage where idempotency_key like 'call:%' order by created_at",
        )
        .fetch_all(&self.app.pool)
        .await
        .unwrap()
    }

    /// Tokens that are (used, set aside).
    async fn tokens(&self) -> (i64, i64) {
        sqlx::query_as("select used, reserved from aias.quota_usage($1) where meter = 'llm_tokens'")
            .bind(ALPHA)
            .fetch_optional(&self.app.pool)
            .await
            .unwrap()
            .unwrap_or_default()
    }
}

/// Of the stand-in's model; the request is counted as 2 tokens where nobody counts it.
fn body(model: &str) -> Value {
    json!({"model": format!("openai/{model}"), "messages": [{"role": "user", "content": "12345678"}]})
}

fn streamed(model: &str) -> Value {
    let mut body = body(model);
    body["stream"] = true.into();
    body
}
