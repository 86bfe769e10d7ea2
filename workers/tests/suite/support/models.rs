//! A stand-in for the providers of models: it knows their three protocols, notes with which key it is called, and sends the key back.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use llm::{Providers, RetryPolicy};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use workers::config::Config;

/// The platform's key to all of them.
pub const PLATFORM: &str = "sk-of-the-platform";

/// A key that is not taken.
pub const REFUSED: &str = "sk-refused-Hunter2Hunter2";

#[derive(Clone)]
pub struct Models {
    pub address: SocketAddr,
    keys: Arc<Mutex<Vec<String>>>,
}

impl Models {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let models = Self {
            address: listener.local_addr().unwrap(),
            keys: Arc::default(),
        };
        let router = Router::new().fallback(answer).with_state(models.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        models
    }

    /// The keys of the calls so far, each as `header: value`.
    pub fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }

    pub fn openai_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// As the operator configures all three, one try a call.
    pub fn configure(&self, config: &mut Config) {
        let home = format!("http://{}", self.address);
        let once = RetryPolicy {
            max_attempts: 1,
            ..RetryPolicy::default()
        };
        let key = || Some(PLATFORM.into());
        config.providers = Providers::builder()
            .retry(once)
            .openai(key(), Some(&self.openai_url()))
            .and_then(|builder| builder.anthropic(key(), Some(&home)))
            .and_then(|builder| builder.gemini(key(), Some(&home)))
            .and_then(|builder| builder.build())
            .unwrap();
    }
}

async fn answer(State(models): State<Models>, request: Request) -> Response {
    let sent = ["authorization", "x-api-key", "x-goog-api-key"]
        .into_iter()
        .find_map(|name| Some((name, request.headers().get(name)?.to_str().ok()?)));
    let (name, key) = sent.unwrap_or(("none", ""));
    models.keys.lock().unwrap().push(format!("{name}: {key}"));
    if key.contains(REFUSED) {
        let message = format!("Incorrect API key provided: {key}");
        let body = json!({"error": {"message": message, "type": "authentication_error", "code": "invalid_api_key"}});
        return (StatusCode::UNAUTHORIZED, axum::Json(body)).into_response();
    }
    let text = format!("You sent {key}.");
    match request.uri().path() {
        "/v1/chat/completions" => openai(&text),
        "/v1/messages" => anthropic(&text),
        _ => gemini(&text),
    }
}

fn openai(text: &str) -> Response {
    let chunk = |choices: Value, usage: Value| json!({"id": "1", "object": "chat.completion.chunk", "model": "m", "created": 1, "choices": choices, "usage": usage});
    events(&[
        chunk(
            json!([{"index": 0, "delta": {"role": "assistant", "content": text}}]),
            Value::Null,
        ),
        chunk(
            json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]),
            Value::Null,
        ),
        chunk(
            json!([]),
            json!({"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}),
        ),
    ])
}

fn anthropic(text: &str) -> Response {
    events(&[
        json!({"type": "message_start", "message": {"id": "1", "type": "message", "role": "assistant", "content": [], "model": "m",
               "usage": {"input_tokens": 1000, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 200}}),
        json!({"type": "message_stop"}),
    ])
}

fn gemini(text: &str) -> Response {
    events(&[json!({
        "candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 1000, "candidatesTokenCount": 200, "totalTokenCount": 1200},
    })])
}

fn events(chunks: &[Value]) -> Response {
    let text: String = chunks
        .iter()
        .map(|chunk| match chunk["type"].as_str() {
            Some(kind) => format!("event: {kind}\ndata: {chunk}\n\n"),
            None => format!("data: {chunk}\n\n"),
        })
        .collect();
    ([(header::CONTENT_TYPE, "text/event-stream")], text).into_response()
}
