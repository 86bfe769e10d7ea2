//! Executions: start one, look at it, follow it, stop it.

mod cancel_execution;
mod event_stream;
mod get_execution;
mod row;
mod schema;
mod start_execution;
mod stream_execution_events;

use std::time::Duration;

use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::limits::{admit, give_up_after};

/// The longest that a client may ask to wait for an execution.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub fn router(app: &App) -> OpenApiRouter<App> {
    let timeout = app.limits.request_timeout;
    let prompt = OpenApiRouter::new()
        .routes(routes!(get_execution::get_execution))
        .routes(routes!(stream_execution_events::stream_execution_events))
        .routes(routes!(cancel_execution::cancel_execution))
        .route_layer(from_fn_with_state(timeout, give_up_after));
    let waiting = OpenApiRouter::new()
        .routes(routes!(start_execution::start_execution))
        .route_layer(from_fn_with_state(timeout + LONGEST_WAIT, give_up_after));
    prompt
        .merge(waiting)
        .route_layer(from_fn_with_state(app.places.clone(), admit))
}
