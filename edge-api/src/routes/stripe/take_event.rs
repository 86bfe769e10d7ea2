use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};

use crate::error::{ApiError, ErrorBody};
use crate::stripe::{Inbox, WebhookSecrets, storable};

/// Takes an event from Stripe. Who may: Stripe, which signs with the secret of this endpoint.
///
/// It is kept, and nothing else is done: workers apply it. So it may come again, late, and in any order. To be entered in Stripe as the
/// endpoint of all events that are wanted; events of other types are kept and ignored.
#[utoipa::path(
    post, path = "/webhooks/stripe", tag = "billing", operation_id = "takeStripeEvent",
    params(("Stripe-Signature" = String, Header, description = "`t=<seconds>,v1=<hex>`: HMAC-SHA256 of `<t>.<body>`; there may be several `v1`. Good for five minutes.")),
    request_body(content = String, content_type = "application/json", description = "An event, up to 1 MiB."),
    responses(
        (status = 200, description = "Kept, now or before."),
        (status = 400, description = "`signature_missing`, `signature_invalid`, `signature_expired`, `invalid_event`, `unreadable_body`. Nothing is kept.", body = ErrorBody),
        (status = 413, description = "`body_too_large`: more than 1 MiB.", body = ErrorBody),
        (status = 503, description = "`stripe_not_configured`, `overloaded`, `unavailable`: Stripe sends it again.", body = ErrorBody),
    )
)]
pub async fn take_event(
    State(secrets): State<WebhookSecrets>,
    State(inbox): State<Inbox>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, ApiError> {
    if secrets.is_empty() {
        return Err(ApiError::StripeNotConfigured);
    }
    let body = body?;
    secrets.check(headers.get("stripe-signature"), &body, now())?;
    let body = String::from_utf8(body.into())
        .map_err(|_| ApiError::bad_request("invalid_event", "this is no event of Stripe"))?;
    inbox.keep(storable(body)).await?;
    Ok(StatusCode::OK)
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
