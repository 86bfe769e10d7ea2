//! What the database says, as an answer over HTTP.
//!
//! | SQLSTATE | meaning | status |
//! | --- | --- | --- |
//! | `PGRST` | a refusal that carries its own status, headers and body | its own |
//! | `PTnnn` | a refusal that carries its status | nnn |
//! | `P0001` | `raise exception` | 400 |
//! | `22...` | a value that cannot be read (a malformed uuid, a NUL in text) | 400 |
//! | `23502`, `23514` | a required value is missing, a check says no | 400 |
//! | `23503`, `23505`, `23P01` | conflicts with another row | 409 |
//! | `42501` | the caller may not | 403 |
//! | `57014` | the statement took too long | 504 |
//! | `08...`, `53...`, `57P..`, `40001`, `40P01` | not now | 503 |
//! | anything else | nobody foresaw it | 500 |
//!
//! The first two are PostgREST's protocol: <https://docs.postgrest.org/en/stable/references/errors.html>.

use std::collections::HashMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use sqlx::postgres::PgDatabaseError;

use super::{ApiError, ErrorBody};

/// An answer that the database composed.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: ErrorBody,
}

impl Refusal {
    fn new(status: StatusCode, body: ErrorBody) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body,
        }
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        if is_unreachable(&error) {
            tracing::warn!(error = %error, "the database could not serve a request");
            return Self::Unavailable("the database cannot serve this at the moment");
        }
        let read = error
            .as_database_error()
            .and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
            .and_then(read);
        read.unwrap_or_else(|| Self::internal(error))
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// Whether the same request may succeed once the database is back or less busy.
pub fn is_unreachable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("08")
                || code.starts_with("53")
                || code.starts_with("57P")
                || matches!(&*code, "40001" | "40P01")
        }),
        _ => false,
    }
}

fn read(error: &PgDatabaseError) -> Option<ApiError> {
    let code = error.code();
    let said = |status, code: &str| {
        let mut body = ErrorBody::new(code, error.message());
        body.details = error.detail().map(str::to_owned);
        body.hint = error.hint().map(str::to_owned);
        Some(Refusal::new(status, body).into())
    };
    // Constraints are named as sentences; the row that broke one is not repeated.
    let broken = |status, code: &str, message: &str| {
        let mut body = ErrorBody::new(code, message);
        body.details = error
            .constraint()
            .or(error.column())
            .map(|name| name.replace('_', " "));
        Some(Refusal::new(status, body).into())
    };
    match code {
        "PGRST" => Refusal::raised(error.message(), error.detail()?).map(ApiError::from),
        "P0001" => said(StatusCode::BAD_REQUEST, "refused"),
        "23502" | "23514" => broken(
            StatusCode::BAD_REQUEST,
            "constraint_violated",
            "a value is missing or not allowed",
        ),
        "23503" | "23505" | "23P01" => broken(
            StatusCode::CONFLICT,
            "conflict",
            "this conflicts with what is already there",
        ),
        "42501" => Some(
            Refusal::new(
                StatusCode::FORBIDDEN,
                ErrorBody::new("forbidden", "you may not do this"),
            )
            .into(),
        ),
        "57014" => Some(ApiError::Timeout),
        _ if code.starts_with("22") => said(StatusCode::BAD_REQUEST, "invalid_value"),
        _ => {
            let status = code
                .strip_prefix("PT")?
                .parse()
                .ok()
                .and_then(|status| StatusCode::from_u16(status).ok());
            said(status.filter(|status| status.as_u16() >= 400)?, code)
        }
    }
}

#[derive(Deserialize)]
struct RaisedBody {
    code: String,
    message: String,
    #[serde(default)]
    details: serde_json::Value,
    hint: Option<String>,
}

#[derive(Deserialize)]
struct RaisedResponse {
    status: u16,
    #[serde(default)]
    headers: HashMap<String, String>,
}

impl Refusal {
    /// Message and detail, as `private.refuse` raises them. None when they are not what they should be: then it is a fault of ours, and is logged as one.
    pub fn raised(message: &str, detail: &str) -> Option<Self> {
        let body: RaisedBody = serde_json::from_str(message).ok()?;
        let response: RaisedResponse = serde_json::from_str(detail).ok()?;
        let status = StatusCode::from_u16(response.status)
            .ok()
            .filter(|status| status.as_u16() >= 400)?;
        let details = match body.details {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(text),
            other => Some(other.to_string()),
        };
        let headers = response.headers.into_iter().filter_map(|(name, value)| {
            let name = HeaderName::try_from(name).ok()?;
            // The frame of the answer is this service's.
            let framing = [
                header::CONTENT_LENGTH,
                header::CONTENT_TYPE,
                header::TRANSFER_ENCODING,
                header::CONNECTION,
            ];
            (!framing.contains(&name)).then_some((name, HeaderValue::try_from(value).ok()?))
        });
        let body = ErrorBody {
            code: body.code,
            message: body.message,
            details,
            hint: body.hint,
        };
        Some(Self {
            status,
            headers: headers.collect(),
            body,
        })
    }
}
