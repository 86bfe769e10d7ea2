use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::input::HookInput;
use crate::database::{Database, WebhookCall};
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Path, Query};

/// What a webhook has started.
#[derive(Serialize, ToSchema)]
pub struct StartedByHook {
    execution_id: Uuid,
}

/// By which of these a sender says that it is the same delivery, the first that is there.
const DELIVERY_IDS: [&str; 3] = ["idempotency-key", "webhook-id", "x-github-delivery"];

/// Starts the workflow that this is the address of. Who may: whoever has the address, and where the workflow wants signatures, its secret.
///
/// The workflow reads the request as its input: `{method, headers, query, body, raw, encoding}`. `body` is JSON when it was sent as
/// JSON, text otherwise; `raw` is the body as it was sent, as text or, where `encoding` says so, in base64.
///
/// A signature is `X-Aias-Signature: sha256=<hex>`, the HMAC-SHA256 of the text `<X-Aias-Timestamp>.<body>` by the secret that the RPC
/// `enable_hook_signing` has shown; the timestamp is in seconds since 1970 and good for five minutes. `X-Hub-Signature-256`, over the body
/// alone, is taken as well, for systems that sign as GitHub does.
#[utoipa::path(
    post, path = "/hooks/{token}", tag = "hooks", operation_id = "callWebhook",
    params(
        ("token" = String, Path, description = "The secret part of the address that the RPC `webhook_url` tells."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key starts one execution, however often it is sent. `Webhook-Id` and `X-GitHub-Delivery` count as one."),
        ("X-Aias-Signature" = Option<String>, Header, description = "Where the workflow wants signatures."),
        ("X-Aias-Timestamp" = Option<String>, Header, description = "When it was signed."),
    ),
    request_body(content = String, content_type = "*/*", description = "Anything, up to 1 MiB."),
    responses(
        (status = 202, description = "Accepted: it will run, whatever happens to this service.", body = StartedByHook),
        (status = 400, description = "`invalid_query`, `invalid_idempotency_key`, `unreadable_body`.", body = ErrorBody),
        (status = 401, description = "`signature_missing`, `signature_expired`, `signature_invalid`.", body = ErrorBody),
        (status = 402, description = "`quota_exceeded`: the plan's executions are used up.", body = ErrorBody),
        (status = 403, description = "`tenant_suspended`, `tenant_cancelled`.", body = ErrorBody),
        (status = 404, description = "`no_such_hook`: there is nothing at this address, or not any more.", body = ErrorBody),
        (status = 409, description = "`workflow_not_active`: it is paused, archived or not published yet.", body = ErrorBody),
        (status = 413, description = "`body_too_large`: more than 1 MiB.", body = ErrorBody),
        (status = 429, description = "`rate_limited`: more than the plan's requests per minute; `Retry-After` says when to go on.", body = ErrorBody),
    )
)]
pub async fn call_webhook(
    State(database): State<Database>,
    Path(token): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    method: Method,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<impl IntoResponse, ApiError> {
    if !is_token(&token) {
        return Err(ApiError::NoSuchHook);
    }
    let body = body?;
    let input = HookInput::of(&method, &headers, query, &body);
    let plain = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let execution_id = database
        .call_webhook(&WebhookCall {
            token: &token,
            input: &input,
            body: &body,
            idempotency_key: delivery_id(&headers)?,
            signature: plain("x-aias-signature"),
            signed_at: plain("x-aias-timestamp"),
            github_signature: plain("x-hub-signature-256"),
        })
        .await?;
    Ok((StatusCode::ACCEPTED, Json(StartedByHook { execution_id })))
}

/// Whether it has the shape of a token, which is no secret: 32 bytes in base64url.
fn is_token(text: &str) -> bool {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() == 43 && text.bytes().all(is_base64url)
}

fn delivery_id(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let id = DELIVERY_IDS.iter().find_map(|name| headers.get(*name));
    let refused = || {
        ApiError::bad_request(
            "invalid_idempotency_key",
            "an idempotency key has 1 to 255 characters of plain text",
        )
    };
    match id.map(|id| id.to_str()) {
        None => Ok(None),
        Some(Ok(id)) if (1..=255).contains(&id.len()) => Ok(Some(id)),
        Some(_) => Err(refused()),
    }
}
