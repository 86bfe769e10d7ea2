//! A provider that says its lines one after the other, in OpenAI's words, and keeps what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What a model says in one round. Each takes 1000 tokens and gives 200.
#[derive(Clone)]
pub enum Line {
    Says(&'static str),
    /// Asks for tools: name and arguments.
    Asks(Vec<(&'static str, Value)>),
    /// 500.
    Breaks,
}

#[derive(Clone)]
pub struct Scripted {
    pub url: String,
    lines: Arc<Mutex<VecDeque<Line>>>,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl Scripted {
    /// The last line is repeated for ever.
    pub async fn start(lines: impl IntoIterator<Item = Line>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scripted = Self {
            url: format!("http://{}/v1", listener.local_addr().unwrap()),
            lines: Arc::new(Mutex::new(lines.into_iter().collect())),
            requests: Arc::default(),
        };
        let router = Router::new()
            .route("/v1/chat/completions", post(chat))
            .with_state(scripted.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        scripted
    }

    pub fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap().clone()
    }

    /// What the tools had to say before the last answer, in order.
    pub fn told(&self) -> Vec<String> {
        let requests = self.requests();
        let messages = requests.last().and_then(|last| last["messages"].as_array());
        messages
            .into_iter()
            .flatten()
            .filter(|message| message["role"] == "tool")
            .map(|message| match message["content"].as_str() {
                Some(text) => text.to_owned(),
                None => message["content"].to_string(),
            })
            .collect()
    }
}

async fn chat(State(scripted): State<Scripted>, Json(request): Json<Value>) -> Response {
    scripted.requests.lock().unwrap().push(request);
    let line = {
        let mut lines = scripted.lines.lock().unwrap();
        match lines.len() {
            1 => lines[0].clone(),
            _ => lines.pop_front().expect("a line"),
        }
    };
    let delta = match line {
        Line::Breaks => {
            let body = json!({"error": {"message": "it hurts"}});
            return (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response();
        }
        Line::Says(text) => json!({"role": "assistant", "content": text}),
        Line::Asks(calls) => {
            let calls: Vec<Value> = calls
                .iter()
                .enumerate()
                .map(|(index, (name, arguments))| {
                    json!({"index": index, "id": format!("call_{index}"), "type": "function",
                           "function": {"name": name, "arguments": arguments.to_string()}})
                })
                .collect();
            json!({"role": "assistant", "tool_calls": calls})
        }
    };
    let reason = match delta.get("tool_calls") {
        Some(_) => "tool_calls",
        None => "stop",
    };
    let chunk = |choices: Value, usage: Value| json!({"id": "1", "object": "chat.completion.chunk", "model": "gpt-4o-mini", "created": 1, "choices": choices, "usage": usage});
    let chunks = [
        chunk(json!([{"index": 0, "delta": delta}]), Value::Null),
        chunk(
            json!([{"index": 0, "delta": {}, "finish_reason": reason}]),
            Value::Null,
        ),
        chunk(
            json!([]),
            json!({"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}),
        ),
    ];
    let text: String = chunks
        .iter()
        .map(|chunk| format!("data: {chunk}\n\n"))
        .collect();
    (
        [(header::CONTENT_TYPE, "text/event-stream")],
        text + "data: [DONE]\n\n",
    )
        .into_response()
}
