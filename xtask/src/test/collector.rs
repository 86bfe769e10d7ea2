//! Where a stack's services send their traces while tests run: it keeps what comes, as it comes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// The exporter sends what it has gathered every five seconds (`OTEL_BSP_SCHEDULE_DELAY`).
const PATIENCE: Duration = Duration::from_secs(20);

type Received = Arc<Mutex<Vec<u8>>>;

/// Takes OTLP over HTTP on a port of its own, until it is dropped.
pub struct Collector {
    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` says.
    pub address: String,
    received: Received,
    task: JoinHandle<()>,
}

impl Collector {
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let received = Received::default();
        let routes = Router::new()
            .route("/v1/traces", post(keep))
            .with_state(Arc::clone(&received));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self {
            address,
            received,
            task,
        })
    }

    /// The requests' bodies, one after the other: protobuf, in which texts stand as they are.
    pub fn received(&self) -> Vec<u8> {
        self.received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until each of these words stands in what has come.
    pub async fn wait_for(&self, words: &[&str]) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let received = self.received();
            let missing = words
                .iter()
                .find(|word| !contains(&received, word.as_bytes()));
            let Some(missing) = missing else {
                return Ok(());
            };
            ensure!(
                Instant::now() < until,
                "no trace that says {missing} has come"
            );
            sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(State(received): State<Received>, body: Bytes) {
    received
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend_from_slice(&body);
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}
