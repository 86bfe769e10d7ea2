//! What a tenant pays.

mod page;
mod preview;

use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::limits::{admit, give_up_after};

pub fn router(app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(preview::preview_invoice))
        .route_layer(from_fn_with_state(
            app.limits.request_timeout,
            give_up_after,
        ))
        .route_layer(from_fn_with_state(app.places.clone(), admit))
}
