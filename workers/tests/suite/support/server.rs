//! A server on loopback that counts what is done to it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::any;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[derive(Clone, Default)]
pub struct Counts(Arc<Mutex<HashMap<String, u32>>>);

impl Counts {
    fn count(&self, key: &str) -> u32 {
        let mut counts = self.0.lock().unwrap();
        let count = counts.entry(key.to_owned()).or_default();
        *count += 1;
        *count
    }

    pub fn of(&self, key: &str) -> u32 {
        self.0.lock().unwrap().get(key).copied().unwrap_or(0)
    }

    pub fn all(&self) -> HashMap<String, u32> {
        self.0.lock().unwrap().clone()
    }
}

pub struct Server {
    pub address: SocketAddr,
    pub counts: Counts,
}

impl Server {
    pub async fn start() -> Self {
        let counts = Counts::default();
        let router = Router::new()
            .route("/count/{key}", any(count))
            .route("/slow/{ms}/{key}", any(slow))
            .route("/fail/{times}/{key}", any(fail))
            .route("/status/{status}", any(status))
            .route("/echo", any(echo))
            .route("/refuse/{*what}", any(refuse))
            .route("/bytes/{count}", any(bytes))
            .route("/loop/{left}", any(redirect_loop))
            .route("/to/{status}/{*target}", any(redirect_to))
            .with_state(counts.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, counts }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn count(State(counts): State<Counts>, Path(key): Path<String>) -> Json<Value> {
    Json(json!({"count": counts.count(&key)}))
}

/// Counts at once and answers late.
async fn slow(State(counts): State<Counts>, Path((ms, key)): Path<(u64, String)>) -> Json<Value> {
    let count = counts.count(&key);
    tokio::time::sleep(Duration::from_millis(ms)).await;
    Json(json!({"count": count}))
}

async fn fail(State(counts): State<Counts>, Path((times, key)): Path<(u32, String)>) -> Response {
    let count = counts.count(&key);
    if count <= times {
        (StatusCode::SERVICE_UNAVAILABLE, "not yet").into_response()
    } else {
        Json(json!({"count": count})).into_response()
    }
}

async fn status(Path(status): Path<u16>) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, [("retry-after", "7")], "the body").into_response()
}

/// Sends back what it was sent, and counts it: `authorization: Bearer x`, `body: text`.
async fn echo(State(counts): State<Counts>, request: Request) -> Json<Value> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    for (name, value) in &parts.headers {
        counts.count(&format!("{name}: {}", value.to_str().unwrap_or_default()));
    }
    counts.count(&format!("body: {}", String::from_utf8_lossy(&body)));
    let headers: serde_json::Map<_, _> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap_or_default())))
        .collect();
    Json(json!({
        "method": parts.method.as_str(),
        "uri": parts.uri.to_string(),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    }))
}

/// 400, with the body that came.
async fn refuse(request: Request) -> Response {
    let body = axum::body::to_bytes(request.into_body(), 1 << 20)
        .await
        .unwrap();
    (StatusCode::BAD_REQUEST, body).into_response()
}

/// Without a length, so that the reader has to count.
async fn bytes(Path(count): Path<usize>) -> Response {
    let chunks = futures::stream::iter(
        (0..count / 1_000).map(|_| Ok::<_, std::io::Error>("x".repeat(1_000))),
    );
    axum::body::Body::from_stream(chunks).into_response()
}

async fn redirect_loop(Path(left): Path<u32>) -> Response {
    match left {
        0 => Json(json!("arrived")).into_response(),
        left => Redirect::temporary(&format!("/loop/{}", left - 1)).into_response(),
    }
}

async fn redirect_to(Path((status, target)): Path<(u16, String)>, _headers: HeaderMap) -> Response {
    (
        StatusCode::from_u16(status).unwrap(),
        [("location", target)],
    )
        .into_response()
}
