//! For whoever runs this service: is it alive, can it serve, what is it doing.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::database::Database;
use crate::error::{ApiError, ErrorBody};
use crate::metrics::Metrics;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get_health))
        .routes(routes!(get_readiness))
        .routes(routes!(get_metrics))
}

/// The process is alive. Says nothing about the database: restarting this service would not bring that back.
#[utoipa::path(
    get, path = "/healthz", tag = "operation", operation_id = "getHealth",
    responses((status = 200, description = "Alive.", body = String, content_type = "text/plain", example = "ok"))
)]
async fn get_health() -> &'static str {
    "ok"
}

/// The database answers, holds what the routes call, and lets a caller call it. A balancer sends requests here only then.
#[utoipa::path(
    get, path = "/readyz", tag = "operation", operation_id = "getReadiness",
    responses(
        (status = 200, description = "Ready to serve.", body = String, content_type = "text/plain", example = "ready"),
        (status = 503, description = "`not_ready`: the message says what is missing, the hint what to do.", body = ErrorBody),
    )
)]
async fn get_readiness(State(database): State<Database>) -> Result<&'static str, ApiError> {
    database.readiness().await?;
    Ok("ready")
}

/// Counts and durations of requests, open streams and the pool, in Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", tag = "operation", operation_id = "getMetrics",
    responses((status = 200, description = "Prometheus text, version 0.0.4.", body = String, content_type = "text/plain"))
)]
async fn get_metrics(
    State(database): State<Database>,
    State(metrics): State<Metrics>,
) -> impl IntoResponse {
    let text = metrics.render(&database);
    (
        StatusCode::OK,
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
}
