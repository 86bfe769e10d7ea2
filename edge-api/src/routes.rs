//! Every address this service answers, one file an operation.

pub mod docs;
pub mod executions;
pub mod health;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub fn router(app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(executions::router(app))
        .merge(health::router())
        .merge(docs::router())
}
