//! Buying a plan, changing what was bought, and what it comes to. Stripe is told what is wanted; what follows from it comes in by its events, as all else that it tells.

mod change_subscription;
mod checkout_session;
mod create_checkout;
mod create_portal;
mod create_purchase;
mod customer;
mod interval;
mod page;
mod preview;
mod redirect;
mod subscription;
mod subscription_row;

use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::limits::{admit, give_up_after};

pub fn router(app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create_checkout::create_checkout))
        .routes(routes!(create_portal::create_portal))
        .routes(routes!(create_purchase::create_purchase))
        .routes(routes!(change_subscription::change_subscription))
        .routes(routes!(preview::preview_invoice))
        .route_layer(from_fn_with_state(
            app.limits.request_timeout,
            give_up_after,
        ))
        .route_layer(from_fn_with_state(app.places.clone(), admit))
}
