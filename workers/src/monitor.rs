//! `/healthz`, `/readyz` and `/metrics` on a port of their own.

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;

use crate::health::Health;

#[derive(Clone)]
struct Monitor {
    health: Arc<Health>,
    metrics: PrometheusHandle,
}

/// Binds the port, so that a taken one is reported before any work starts.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn bind(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} (AIAS_METRICS_LISTEN)"))
}

/// Answers until the process ends.
pub async fn serve(listener: TcpListener, health: Arc<Health>, metrics: PrometheusHandle) {
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render_metrics))
        .with_state(Monitor { health, metrics });
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the monitoring port is gone");
    }
}

async fn readyz(State(monitor): State<Monitor>) -> (StatusCode, &'static str) {
    if monitor.health.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the database does not answer\n",
        )
    }
}

async fn render_metrics(State(monitor): State<Monitor>) -> String {
    monitor.metrics.render()
}
