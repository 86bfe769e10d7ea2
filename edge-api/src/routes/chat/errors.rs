//! What OpenAI's clients read of an error: <https://platform.openai.com/docs/guides/error-codes>.

use axum::Json;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::error::ErrorBody;

/// Adds OpenAI's object `error` to the body that every error has here, so that both kinds of clients find what they look for.
pub async fn for_openai_clients(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let status = response.status();
    let Some(body) = response.extensions_mut().remove::<ErrorBody>() else {
        return response;
    };
    let mut headers = response.into_parts().0.headers;
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::CONTENT_TYPE);
    (status, headers, Json(with_error(&body, status))).into_response()
}

fn with_error(body: &ErrorBody, status: StatusCode) -> Value {
    json!({
        "code": body.code,
        "message": body.message,
        "details": body.details,
        "hint": body.hint,
        "error": error(body, status),
    })
}

/// The object alone, as it also ends a stream.
pub fn error(body: &ErrorBody, status: StatusCode) -> Value {
    json!({
        "message": match &body.hint {
            Some(hint) => format!("{}; {hint}", body.message),
            None => body.message.clone(),
        },
        "type": kind(status),
        "param": null,
        "code": body.code,
    })
}

fn kind(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        402 => "insufficient_quota",
        403 => "permission_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}
