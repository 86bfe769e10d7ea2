//! How the failure of a model is told.

use std::time::Duration;

use axum::http::StatusCode;
use llm::{ErrorKind, LlmError};

use super::ErrorBody;

pub(super) fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::InvalidModelName | ErrorKind::Unsupported => {
            StatusCode::BAD_REQUEST
        }
        ErrorKind::ModelNotFound | ErrorKind::UnknownProvider => StatusCode::NOT_FOUND,
        ErrorKind::InvalidOutput | ErrorKind::Refused => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Overloaded { .. } | ErrorKind::CircuitOpen { .. } | ErrorKind::MissingKey => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ErrorKind::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::BAD_GATEWAY,
    }
}

pub(super) fn body(error: &LlmError, with_own_key: bool) -> ErrorBody {
    let code = format!("llm_{}", error.code());
    if is_about_the_key(error.kind) && with_own_key {
        return ErrorBody::new(
            code,
            "the provider of this model does not take this tenant's own key",
        )
        .hint("who holds providers.manage sets another: PUT /v1/providers/{provider}");
    }
    if is_about_the_key(error.kind) {
        return ErrorBody::new(
            code,
            "the provider of this model cannot be used at the moment",
        )
        .hint("ask for a model of another provider, or the operator to look at the log");
    }
    let body = ErrorBody::new(code, error.to_string());
    match error.is_retryable() {
        true => body.hint("try again later"),
        false => body,
    }
}

pub(super) fn retry_after(error: &LlmError) -> Option<Duration> {
    // A second at least: no Retry-After at all reads as one that may be ignored.
    let waits = matches!(
        status(error.kind),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    waits.then(|| {
        error
            .retry_after()
            .unwrap_or_default()
            .max(Duration::from_secs(1))
    })
}

/// What the caller can do nothing about is told to whoever can.
pub(super) fn record(error: &LlmError, with_own_key: bool) {
    if is_about_the_key(error.kind) && !with_own_key {
        tracing::error!(%error, code = error.code(), "a provider does not take the operator's key");
    }
}

fn is_about_the_key(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Authentication
            | ErrorKind::InsufficientQuota
            | ErrorKind::MissingKey
            | ErrorKind::InvalidConfiguration
    )
}
