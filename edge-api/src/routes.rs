//! Every address this service answers, one file an operation.

pub mod billing;
pub mod chat;
pub mod docs;
pub mod executions;
pub mod exports;
pub mod health;
pub mod hooks;
pub mod providers;
pub mod secrets;
pub mod stripe;
pub mod tenant;
pub mod tls;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub fn router(app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(executions::router(app))
        .merge(exports::router(app))
        .merge(secrets::router(app))
        .merge(chat::router(app))
        .merge(providers::router(app))
        .merge(hooks::router(app))
        .merge(billing::router(app))
        .merge(stripe::router(app))
        .merge(tenant::router(app))
        .merge(health::router())
        .merge(tls::router(app))
        .merge(docs::router())
}
