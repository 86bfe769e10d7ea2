//! How this service says no: one enum, one body.
//!
//! The body is PostgREST's, `{code, message, details, hint}`, so that a client that reads one door's errors reads the other's.

mod body;
mod database;
mod model;
mod stripe;

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use llm::LlmError;

pub use self::body::ErrorBody;
pub use self::database::{Refusal, is_unreachable};
use crate::request_id;
use crate::stripe::StripeError;

/// Everything that can go wrong with a request. Each variant names its status and its code.
#[derive(Debug)]
pub enum ApiError {
    /// 401 `missing_credential`: no bearer token, or one that names nobody (a project's anon key).
    MissingCredential,
    /// 401 `invalid_token`: not signed by a known key, malformed, not yet valid, or not for this service.
    InvalidToken(&'static str),
    /// 401 `token_expired`: it was good once; the client refreshes its session.
    TokenExpired,
    /// 401 `invalid_api_key`: not an API key, or one that is unknown, revoked or expired. Which of these is told to nobody.
    InvalidApiKey(&'static str),
    /// 403 `wrong_host`: an API key of one tenant, sent to the address of another.
    WrongHost,
    /// 400, with a code and a sentence of its own: the request cannot be meant.
    BadRequest {
        code: &'static str,
        message: &'static str,
        details: Option<String>,
    },
    /// 404 `not_found`: it is not there, or the caller may not know that it is.
    NotFound(&'static str),
    /// 404 `no_such_tenant`: the host of the request is no tenant's.
    NoSuchTenant,
    /// 404 `domain_not_served`: nobody has shown that this domain is theirs, so no certificate is asked for.
    DomainNotServed,
    /// 404 `no_such_provider`: not one of the providers of models that a tenant can have a key of its own to.
    NoSuchProvider,
    /// 404 `no_such_hook`: not the shape of an address; the database says the same of one that is nobody's.
    NoSuchHook,
    /// 404 `no_such_route`.
    NoSuchRoute,
    /// 405 `method_not_allowed`.
    MethodNotAllowed,
    /// 408 `body_too_slow`: the body did not come to its end in time.
    BodyTooSlow,
    /// 413 `body_too_large`.
    BodyTooLarge,
    /// 413 `secret_too_large`.
    SecretTooLarge,
    /// 415 `unsupported_media_type`.
    UnsupportedMediaType,
    /// 429 `too_many_streams`: this person or API key has as many open as one may have.
    TooManyStreams,
    /// 503 `overloaded`: more is being served than was allowed for; `Retry-After` says when to come back.
    Overloaded(&'static str),
    /// 504 `timeout`: it took too long and was given up.
    Timeout,
    /// 503 `unavailable`: something this service stands on does not answer; `Retry-After` says when to come back.
    Unavailable(&'static str),
    /// 4xx or 5xx `llm_<kind>`: what became of a call of a model.
    Model {
        error: Box<LlmError>,
        /// With the tenant's own key, and not the operator's.
        with_own_key: bool,
    },
    /// With a status, a code and a sentence of its own: what an agent is set up to do cannot be done for this caller, or here.
    Agent {
        status: StatusCode,
        code: &'static str,
        message: String,
    },
    /// 409 where the agent is to be set up otherwise, else 502: what an agent calls cannot be called. The codes are those of steps.
    Outbound(Box<outbound::Failure>),
    /// 503 `secrets_not_configured`: this service was given no master key.
    SecretsNotConfigured,
    /// 503 `stripe_not_configured`: this service was given no signing secret of a webhook.
    StripeNotConfigured,
    /// 503 `billing_not_configured`: this service was given no key to Stripe's API.
    BillingNotConfigured,
    /// 402 `payment_failed`, 502 `stripe_refused` or 503 `stripe_unavailable`: what Stripe was to do is not done.
    Stripe(Box<StripeError>),
    /// 409, with a code of its own: not in the state that things are in.
    Conflict {
        code: &'static str,
        message: &'static str,
        hint: &'static str,
    },
    /// 503 `not_ready`: readiness only.
    NotReady { message: String, hint: &'static str },
    /// What the database decided, status, headers and body.
    Refused(Box<Refusal>),
    /// 500 `internal`: nobody foresaw it. Logged in full, answered with one fixed sentence and the request id.
    Internal(anyhow::Error),
}

impl ApiError {
    pub fn internal(error: impl Into<anyhow::Error>) -> Self {
        Self::Internal(error.into())
    }

    pub fn bad_request(code: &'static str, message: &'static str) -> Self {
        Self::BadRequest {
            code,
            message,
            details: None,
        }
    }

    pub fn status(&self) -> StatusCode {
        match self {
            Self::MissingCredential
            | Self::InvalidToken(_)
            | Self::TokenExpired
            | Self::InvalidApiKey(_) => StatusCode::UNAUTHORIZED,
            Self::WrongHost => StatusCode::FORBIDDEN,
            Self::BadRequest { .. } => StatusCode::BAD_REQUEST,
            Self::NotFound(_)
            | Self::NoSuchTenant
            | Self::DomainNotServed
            | Self::NoSuchProvider
            | Self::NoSuchHook
            | Self::NoSuchRoute => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge | Self::SecretTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyStreams => StatusCode::TOO_MANY_REQUESTS,
            Self::Overloaded(_)
            | Self::Unavailable(_)
            | Self::SecretsNotConfigured
            | Self::StripeNotConfigured
            | Self::BillingNotConfigured
            | Self::NotReady { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Model { error, .. } => model::status(error.kind),
            Self::Stripe(error) => stripe::status(error),
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::Agent { status, .. } => *status,
            Self::Outbound(failure) => match &*failure.code {
                "invalid_config" | "expression_failed" | "secret_not_found" => StatusCode::CONFLICT,
                _ => StatusCode::BAD_GATEWAY,
            },
            Self::Refused(refusal) => refusal.status,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The body. What is internal stays in the log.
    pub fn body(&self) -> ErrorBody {
        match self {
            Self::MissingCredential => ErrorBody::new("missing_credential", "sign in to do this")
                .hint("send a session's access token or a tenant's API key: Authorization: Bearer <credential>"),
            Self::InvalidToken(reason) => ErrorBody::new("invalid_token", *reason),
            Self::TokenExpired => {
                ErrorBody::new("token_expired", "this access token is no longer valid")
                    .hint("refresh the session and try again")
            }
            Self::InvalidApiKey(reason) => ErrorBody::new("invalid_api_key", *reason)
                .hint("an API key is shown once, when it is made; make another if this one was lost"),
            Self::WrongHost => {
                ErrorBody::new("wrong_host", "this API key belongs to another tenant than this address")
                    .hint("use the address of the key's own tenant, or the API's own")
            }
            Self::BadRequest {
                code,
                message,
                details,
            } => ErrorBody {
                details: details.clone(),
                ..ErrorBody::new(*code, *message)
            },
            Self::NotFound(message) => ErrorBody::new("not_found", *message),
            Self::NoSuchTenant => ErrorBody::new("no_such_tenant", "there is no tenant at this address"),
            Self::DomainNotServed => {
                ErrorBody::new("domain_not_served", "nothing is served at this domain")
                    .hint("a tenant adds the domain and shows that it is theirs: rpc add_domain, check_domain")
            }
            Self::NoSuchProvider => {
                ErrorBody::new("no_such_provider", "there is no provider of this name")
                    .hint("GET /v1/providers lists them")
            }
            Self::NoSuchHook => {
                ErrorBody::new("no_such_hook", "there is no webhook at this address")
            }
            Self::NoSuchRoute => {
                ErrorBody::new("no_such_route", "there is nothing at this address")
                    .hint("every route is described at /docs")
            }
            Self::MethodNotAllowed => ErrorBody::new(
                "method_not_allowed",
                "this address does not take this method",
            )
            .hint("see the Allow header, and /docs"),
            Self::BodyTooSlow => {
                ErrorBody::new("body_too_slow", "the body of this request took too long to come")
                    .hint("send it again, all at once")
            }
            Self::BodyTooLarge => ErrorBody::new(
                "body_too_large",
                "the body of a request is limited to 1 MiB",
            )
            .hint("store large data elsewhere and pass a reference"),
            Self::SecretTooLarge => {
                ErrorBody::new("secret_too_large", "a secret is limited to 16 KiB")
            }
            Self::UnsupportedMediaType => {
                ErrorBody::new("unsupported_media_type", "the body must be JSON")
                    .hint("send Content-Type: application/json")
            }
            Self::TooManyStreams => {
                ErrorBody::new("too_many_streams", "you have too many streams open")
                    .hint("close those that nobody looks at")
            }
            Self::Overloaded(message) => ErrorBody::new("overloaded", *message)
                .hint("try again after the time in Retry-After"),
            Self::Timeout => ErrorBody::new("timeout", "this took too long and was given up")
                .hint("try again; with an idempotency key nothing happens twice"),
            Self::Unavailable(message) => ErrorBody::new("unavailable", *message)
                .hint("try again after the time in Retry-After"),
            Self::Model { error, with_own_key } => model::body(error, *with_own_key),
            Self::Agent { code, message, .. } => ErrorBody::new(*code, message.clone()),
            Self::Outbound(failure) => ErrorBody::new(failure.code.clone(), failure.message.clone()),
            Self::SecretsNotConfigured => ErrorBody::new(
                "secrets_not_configured",
                "this service was given no master key, so it can neither seal nor open secrets and keys",
            )
            .hint("ask the operator to set AIAS_MASTER_KEY or AIAS_MASTER_KEY_FILE"),
            Self::StripeNotConfigured => ErrorBody::new(
                "stripe_not_configured",
                "this service was given no signing secret, so it cannot tell who sent this",
            )
            .hint("ask the operator to set STRIPE_WEBHOOK_SECRETS or STRIPE_WEBHOOK_SECRETS_FILE"),
            Self::BillingNotConfigured => ErrorBody::new(
                "billing_not_configured",
                "this service was given no key to Stripe's API, so nothing can be bought here",
            )
            .hint("ask the operator to set STRIPE_API_KEY"),
            Self::Stripe(error) => stripe::body(error),
            Self::Conflict {
                code,
                message,
                hint,
            } => ErrorBody::new(*code, *message).hint(*hint),
            Self::NotReady { message, hint } => {
                ErrorBody::new("not_ready", message.clone()).hint(*hint)
            }
            Self::Refused(refusal) => refusal.body.clone(),
            Self::Internal(_) => ErrorBody::new(
                "internal",
                "something went wrong on our side; it was recorded",
            )
            .details(match request_id::current() {
                Some(id) => format!("request {}", id.to_str().unwrap_or_default()),
                None => "no request id".to_owned(),
            }),
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            Self::MissingCredential => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            // RFC 6750, section 3.
            Self::InvalidToken(_) | Self::TokenExpired | Self::InvalidApiKey(_) => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer error=\"invalid_token\""),
                );
            }
            Self::Overloaded(_) | Self::TooManyStreams => {
                insert_retry_after(&mut headers, Duration::from_secs(1))
            }
            Self::Unavailable(_) | Self::NotReady { .. } => {
                insert_retry_after(&mut headers, Duration::from_secs(5))
            }
            Self::Model { error, .. } => {
                if let Some(after) = model::retry_after(error) {
                    insert_retry_after(&mut headers, after);
                }
            }
            Self::Stripe(error) => {
                if let Some(after) = stripe::retry_after(error) {
                    insert_retry_after(&mut headers, after);
                }
            }
            Self::Refused(refusal) => headers = refusal.headers.clone(),
            _ => {}
        }
        headers
    }

    /// Writes down what the client is not told. Called once, where the error leaves the service.
    pub fn record(&self) {
        match self {
            Self::Internal(error) => tracing::error!(
                error = format!("{error:#}"),
                "a request failed in a way that nobody foresaw"
            ),
            Self::Model {
                error,
                with_own_key,
            } => model::record(error, *with_own_key),
            Self::Stripe(error) => stripe::record(error),
            _ => {}
        }
    }
}

impl From<outbound::Failure> for ApiError {
    fn from(failure: outbound::Failure) -> Self {
        Self::Outbound(Box::new(failure))
    }
}

fn insert_retry_after(headers: &mut HeaderMap, after: Duration) {
    headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs()));
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.record();
        let body = self.body();
        let mut response = (self.status(), self.headers(), body.clone()).into_response();
        // For those who say it in other words, too.
        response.extensions_mut().insert(body);
        response
    }
}
