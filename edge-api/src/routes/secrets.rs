//! Secrets of a tenant: what steps authenticate with to other systems. They are set here and never read again; workers open them when a
//! step calls.

mod delete_secret;
mod list_secrets;
mod row;
mod set_secret;
mod value;

use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::limits::{admit, give_up_after};

pub fn router(app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_secrets::list_secrets))
        .routes(routes!(
            set_secret::set_secret,
            delete_secret::delete_secret
        ))
        .route_layer(from_fn_with_state(
            app.limits.request_timeout,
            give_up_after,
        ))
        .route_layer(from_fn_with_state(app.places.clone(), admit))
}
