//! OpenAI's own protocol, so that its clients work unchanged: <https://platform.openai.com/docs/api-reference>.

mod answer;
mod chunks;
mod create_chat_completion;
mod create_embeddings;
mod errors;
mod list_models;
mod request;

use axum::Extension;
use axum::middleware::{from_fn, from_fn_with_state};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::KnownKeys;
use crate::extract::BodyTime;
use crate::limits::{admit, give_up_after};

pub fn router(app: &App) -> OpenApiRouter<App> {
    let listing = OpenApiRouter::new()
        .routes(routes!(list_models::list_models))
        .route_layer(from_fn_with_state(
            app.limits.request_timeout,
            give_up_after,
        ))
        .route_layer(from_fn_with_state(app.places.clone(), admit));
    // A model may think for minutes: these calls have a number of places of their own, and the time-outs of the crate `llm`. What is asked has to come
    // as quickly as anywhere.
    OpenApiRouter::new()
        .routes(routes!(create_chat_completion::create_chat_completion))
        .routes(routes!(create_embeddings::create_embeddings))
        .route_layer(Extension(KnownKeys::default()))
        .route_layer(Extension(BodyTime(app.limits.request_timeout)))
        .merge(listing)
        .route_layer(from_fn(errors::for_openai_clients))
}
