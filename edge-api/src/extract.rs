//! Axum's extractors, with this service's error body when they refuse.

use std::time::Duration;

use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use tokio::time::timeout;

use crate::error::ApiError;

/// The whole body, read within the route's [`BodyTime`].
pub struct Json<T>(pub T);

/// How long a body may take to come, where the request as a whole has no time limit. An extension of the request.
#[derive(Clone, Copy)]
pub struct BodyTime(pub Duration);

impl<T, S> FromRequest<S> for Json<T>
where
    axum::Json<T>: FromRequest<S, Rejection = JsonRejection>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let time = request.extensions().get::<BodyTime>().copied();
        let reading = axum::Json::from_request(request, state);
        let read = match time {
            Some(BodyTime(time)) => timeout(time, reading)
                .await
                .map_err(|_| ApiError::BodyTooSlow)?,
            None => reading.await,
        };
        let axum::Json(body) = read?;
        Ok(Self(body))
    }
}

#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub struct Path<T>(pub T);

#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub struct Query<T>(pub T);

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        match rejection {
            JsonRejection::MissingJsonContentType(_) => Self::UnsupportedMediaType,
            JsonRejection::JsonSyntaxError(error) => {
                refuse("invalid_json", "the body is not JSON", &error)
            }
            JsonRejection::JsonDataError(error) => refuse(
                "invalid_body",
                "the body is not what this address takes",
                &error,
            ),
            other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            // The client went away, or broke the framing of its body.
            other => refuse(
                "unreadable_body",
                "the body could not be read to its end",
                &other,
            ),
        }
    }
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            // The client went away, or broke the framing of its body.
            _ => Self::bad_request("unreadable_body", "the body could not be read to its end"),
        }
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        match rejection {
            PathRejection::FailedToDeserializePathParams(error) => Self::BadRequest {
                code: "invalid_path",
                message: "a part of the address is not of the kind that belongs there",
                details: Some(error.body_text()),
            },
            other => Self::internal(other),
        }
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        refuse(
            "invalid_query",
            "the query is not what this address takes",
            &rejection,
        )
    }
}

fn refuse(code: &'static str, message: &'static str, error: &dyn std::error::Error) -> ApiError {
    ApiError::BadRequest {
        code,
        message,
        details: Some(innermost(error)),
    }
}

/// The sentence that says what is wrong; those around it say only that something is.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
