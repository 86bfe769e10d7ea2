use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::stream::{self, Stream, StreamExt};
use llm::{Providers, RetryPolicy};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The key that the operator has with the provider.
pub const OPERATORS_KEY: &str = "sk-the-operators-own-key";

/// A provider that speaks OpenAI's protocol. What it answers is decided by the name of the model.
pub struct Upstream {
    url: String,
    pub journal: Arc<Journal>,
    _server: JoinSet<()>,
}

/// What the model `scripted` says in one round.
pub enum Line {
    Says(&'static str),
    /// Asks for tools, with their arguments; and what it says before.
    Asks(&'static str, Vec<(&'static str, Value)>),
    /// Three words, and no end.
    Hangs,
}

#[derive(Default)]
pub struct Journal {
    lines: Mutex<VecDeque<Line>>,
    requests: Mutex<Vec<Value>>,
    keys: Mutex<Vec<String>>,
    open: AtomicUsize,
    said: AtomicUsize,
}

impl Journal {
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

    pub fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }

    /// Words of endless answers.
    pub fn said(&self) -> usize {
        self.said.load(Ordering::SeqCst)
    }

    /// Answers that are being read.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

impl Upstream {
    pub async fn start() -> Self {
        let journal = Arc::new(Journal::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/v1", listener.local_addr().expect("its address"));
        let router = Router::new()
            .fallback(post(answer))
            .with_state(journal.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.expect("served") });
        Self {
            url,
            journal,
            _server: server,
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the model `scripted` is to say, one line a round.
    pub fn is_to_say(&self, lines: impl IntoIterator<Item = Line>) {
        self.journal.lines.lock().unwrap().extend(lines);
    }

    /// Known as `openai`, and never tried twice.
    pub fn providers(&self) -> Providers {
        Providers::builder()
            .openai(Some(OPERATORS_KEY.into()), Some(&self.url))
            .expect("an endpoint")
            .retry(RetryPolicy {
                max_attempts: 1,
                ..RetryPolicy::default()
            })
            .build()
            .expect("providers")
    }
}

async fn answer(State(journal): State<Arc<Journal>>, headers: HeaderMap, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).expect("JSON");
    let model = request["model"].as_str().unwrap_or_default().to_owned();
    let vectors = vectors(&request);
    journal.requests.lock().unwrap().push(request);
    let key = headers
        .get("authorization")
        .map(|key| key.to_str().unwrap());
    journal
        .keys
        .lock()
        .unwrap()
        .push(key.unwrap_or_default().to_owned());
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 2}}});
    let end = chunk(json!({}), "stop");
    let said = |text: &str| chunk(json!({"content": text}), "");
    let whole = |events: Vec<Value>| {
        let mut lines: Vec<_> = events.iter().map(line).collect();
        lines.push("data: [DONE]\n\n".to_owned());
        stream::iter(lines).boxed()
    };
    match model.as_str() {
        "fails" => (StatusCode::INTERNAL_SERVER_ERROR, "{}").into_response(),
        "has-no-such-key" => (
            StatusCode::UNAUTHORIZED,
            r#"{"error": {"message": "Incorrect API key provided"}}"#,
        )
            .into_response(),
        "vectors" => axum::Json(vectors).into_response(),
        "uncounted" => events(&journal, whole(vec![said("Hello there!"), end])),
        "calls" => {
            let call = json!({"tool_calls": [{"index": 0, "id": "c1", "type": "function",
                "function": {"name": "weather", "arguments": ""}}]});
            let arguments = json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"city\":\"Ulm\"}"}}]});
            let end = chunk(json!({}), "tool_calls");
            events(
                &journal,
                whole(vec![chunk(call, ""), chunk(arguments, ""), end, usage]),
            )
        }
        "scripted" => {
            let line = journal.lines.lock().unwrap().pop_front();
            match line.expect("a line") {
                Line::Says(text) => events(&journal, whole(vec![said(text), end, usage])),
                Line::Hangs => {
                    let three = stream::iter(vec![line_of_a_word(); 3]);
                    events(&journal, three.chain(stream::pending()))
                }
                Line::Asks(text, calls) => {
                    let mut chunks: Vec<Value> = calls
                        .iter()
                        .enumerate()
                        .map(|(index, (name, arguments))| {
                            let function = json!({"name": name, "arguments": arguments.to_string()});
                            let call = json!({"index": index, "id": format!("call_{index}"), "type": "function", "function": function});
                            chunk(json!({"tool_calls": [call]}), "")
                        })
                        .collect();
                    if !text.is_empty() {
                        chunks.insert(0, said(text));
                    }
                    chunks.extend([chunk(json!({}), "tool_calls"), usage]);
                    events(&journal, whole(chunks))
                }
            }
        }
        "breaks" => {
            let broken = stream::iter([line(&said("12345678"))])
                .chain(stream::pending().take_until(tokio::time::sleep(Duration::from_millis(50))));
            broken_off(&journal, broken)
        }
        "endless" => {
            let counting = journal.clone();
            let pieces = stream::repeat(line(&said("word"))).then(move |line| {
                let counting = counting.clone();
                async move {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    counting.said.fetch_add(1, Ordering::SeqCst);
                    line
                }
            });
            events(&journal, pieces.boxed())
        }
        "hangs" => {
            let three = stream::iter(vec![line(&said("word")); 3]);
            events(&journal, three.chain(stream::pending()))
        }
        _ => events(
            &journal,
            whole(vec![said("Hello"), said(" there!"), end, usage]),
        ),
    }
}

/// Of each input its number, and a half; in base64 where that is asked for.
fn vectors(request: &Value) -> Value {
    let count = request["input"].as_array().map_or(0, Vec::len);
    let data: Vec<Value> = (0..count)
        .map(|index| {
            let vector = [index as f32, 0.5];
            let bytes: Vec<u8> = vector.iter().flat_map(|n| n.to_le_bytes()).collect();
            let embedding = match request["encoding_format"].as_str() {
                Some("base64") => json!(STANDARD.encode(bytes)),
                _ => json!(vector),
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    json!({"object": "list", "data": data, "usage": {"prompt_tokens": 4, "total_tokens": 4}})
}

fn line_of_a_word() -> String {
    line(&chunk(json!({"content": "word"}), ""))
}

fn chunk(delta: Value, finish_reason: &str) -> Value {
    let reason = (!finish_reason.is_empty()).then_some(finish_reason);
    json!({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
}

fn line(event: &Value) -> String {
    format!("data: {event}\n\n")
}

fn events(journal: &Arc<Journal>, lines: impl Stream<Item = String> + Send + 'static) -> Response {
    let open = Open::of(journal);
    let lines = lines.map(move |line| {
        let _ = &open;
        Ok::<_, Infallible>(line)
    });
    (
        [("content-type", "text/event-stream")],
        Body::from_stream(lines),
    )
        .into_response()
}

/// The connection ends in the middle of the body.
fn broken_off(
    journal: &Arc<Journal>,
    lines: impl Stream<Item = String> + Send + 'static,
) -> Response {
    let open = Open::of(journal);
    let lines = lines
        .map(move |line| {
            let _ = &open;
            Ok(line)
        })
        .chain(stream::iter([Err(std::io::Error::other("broken off"))]));
    (
        [("content-type", "text/event-stream")],
        Body::from_stream(lines),
    )
        .into_response()
}

/// Counts an answer for as long as somebody reads it.
struct Open(Arc<Journal>);

impl Open {
    fn of(journal: &Arc<Journal>) -> Self {
        journal.open.fetch_add(1, Ordering::SeqCst);
        Self(journal.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}
