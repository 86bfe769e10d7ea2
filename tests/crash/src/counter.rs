//! The world that the executions act upon: a server on loopback that notes every call.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use uuid::Uuid;

/// Microseconds since 1970: this machine's clock, which the database on it goes by too.
pub type Micros = i64;

pub fn now() -> Micros {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since
        .ok()
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .unwrap_or(0)
}

/// One call, as the world saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    pub at: Micros,
    /// In the body of the answer, if it was one of success. Never the same twice.
    pub number: u64,
}

/// Calls by execution and node, in the order in which they came.
pub type Calls = HashMap<(Uuid, String), Vec<Call>>;

#[derive(Clone, Default)]
struct Seen {
    calls: Arc<Mutex<Calls>>,
    next: Arc<AtomicU64>,
}

pub struct Counter {
    seen: Seen,
    /// `host:port`
    pub address: String,
}

impl Counter {
    pub async fn start() -> Result<Self> {
        let seen = Seen::default();
        let router = Router::new()
            .route("/{behaviour}/{number}/{execution}/{node}", post(called))
            .with_state(seen.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { seen, address })
    }

    pub fn calls(&self) -> Calls {
        let calls = self.seen.calls.lock();
        calls.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn called(
    State(seen): State<Seen>,
    Path((behaviour, wanted, execution, node)): Path<(String, u64, Uuid, String)>,
) -> Response {
    let number = seen.next.fetch_add(1, Ordering::Relaxed);
    let count = {
        let mut calls = seen.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = calls.entry((execution, node)).or_default();
        calls.push(Call { at: now(), number });
        calls.len() as u64
    };
    match behaviour.as_str() {
        "slow" => tokio::time::sleep(Duration::from_millis(wanted)).await,
        "flaky" if count <= wanted => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        // Until the caller gives up.
        "silent" if count <= wanted => std::future::pending().await,
        "refusing" => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => {}
    }
    Json(json!({"number": number})).into_response()
}
