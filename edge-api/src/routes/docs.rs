//! The API's description, for programs and for people.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::openapi::Description;

/// Everything the page needs comes from here: no other host learns who reads it, and it works without a network.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get_openapi))
        .routes(routes!(get_docs))
        .routes(routes!(get_docs_style))
        .routes(routes!(get_docs_script))
}

/// This description, OpenAPI 3.1.
#[utoipa::path(
    get, path = "/openapi.json", tag = "description", operation_id = "getOpenApi",
    responses((status = 200, description = "OpenAPI 3.1.", body = serde_json::Value))
)]
async fn get_openapi(State(description): State<Description>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        description.json(),
    )
}

/// This description, to read and to try.
#[utoipa::path(
    get, path = "/docs", tag = "description", operation_id = "getDocs",
    responses((status = 200, description = "A page.", body = String, content_type = "text/html"))
)]
async fn get_docs() -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
        ],
        include_str!("docs/page.html"),
    )
}

/// The page's style.
#[utoipa::path(
    get, path = "/docs/page.css", tag = "description", operation_id = "getDocsStyle",
    responses((status = 200, description = "A style sheet.", body = String, content_type = "text/css"))
)]
async fn get_docs_style() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/css; charset=utf-8")],
        include_str!("docs/page.css"),
    )
}

/// The page's script.
#[utoipa::path(
    get, path = "/docs/page.js", tag = "description", operation_id = "getDocsScript",
    responses((status = 200, description = "A script.", body = String, content_type = "text/javascript"))
)]
async fn get_docs_script() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")],
        include_str!("docs/page.js"),
    )
}
