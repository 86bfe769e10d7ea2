//! Providers of models, and a tenant's own keys to them. A key is set here and never read again; workers open it when a step calls.
//!
//! A key, and no address: where a provider is is for the operator to say. An address of a tenant's would have workers call whatever they can
//! reach.

mod delete_provider_key;
mod list_providers;
mod provider;
mod provider_key;
mod row;
mod set_provider_key;

use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::limits::{admit, give_up_after};

pub fn router(app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_providers::list_providers))
        .routes(routes!(
            set_provider_key::set_provider_key,
            delete_provider_key::delete_provider_key
        ))
        .route_layer(from_fn_with_state(
            app.limits.request_timeout,
            give_up_after,
        ))
        .route_layer(from_fn_with_state(app.places.clone(), admit))
}
