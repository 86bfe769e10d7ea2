use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::response::IntoResponse;
use axum::response::sse::{KeepAlive, Sse};
use serde::Deserialize;
use uuid::Uuid;

use super::event_stream::EventStream;
use super::schema::StepSchema;
use crate::database::CallerSession;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Path, Query};
use crate::streams::Streams;

/// Follows an execution as server-sent events until it is over. Who may: members with `executions.read`, asked again at every read.
///
/// - `execution`: the row, at the start and whenever the status changes; after one with a final status the stream ends. A quick one goes
///   from `queued` to its end.
/// - `step`: a row of execution_steps whenever it changes; its revision is the event's id.
/// - `error`: an error body; the stream ends. `token_expired`, `invalid_api_key`: your credential has ended; reconnect with a new one.
///   `not_found`: you may not see it any more, or your API key was revoked.
///
/// A client that reconnects with the last id it saw misses nothing and gets nothing twice. A stream that ends without a final
/// `execution` event or an `error` is meant to be resumed.
#[utoipa::path(
    get, path = "/v1/executions/{id}/events", tag = "executions", operation_id = "streamExecutionEvents",
    params(
        ("id" = Uuid, Path, description = "The execution."),
        ("Last-Event-ID" = Option<String>, Header, description = "The last event's id that was received."),
        ("last_event_id" = Option<String>, Query, description = "The same, for clients that cannot set the header. The header wins."),
    ),
    security(("session" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "The stream; each `step` event's data is this row.", body = StepSchema, content_type = "text/event-stream"),
        (status = 400, description = "`invalid_path`, `invalid_last_event_id`.", body = ErrorBody),
        (status = 404, description = "`not_found`: it is not there, or you may not see it.", body = ErrorBody),
        (status = 429, description = "`too_many_streams`: you have too many open.", body = ErrorBody),
    )
)]
pub async fn stream_execution_events(
    session: CallerSession,
    State(streams): State<Streams>,
    Path(id): Path<Uuid>,
    LastEventId(last_event_id): LastEventId,
) -> Result<impl IntoResponse, ApiError> {
    let stream = EventStream::open(session, &streams, id, last_event_id).await?;
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    let events = Sse::new(stream.into_events()).keep_alive(keep_alive);
    // Tells nginx, which stands in front of many Supabase projects, to pass events on at once.
    let unbuffered = (
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    Ok(([unbuffered], events))
}

/// Where to go on: 0 for the beginning.
///
/// The header wins over the query: a browser that reconnects sends it, and repeats the address it was first given.
pub struct LastEventId(i64);

impl<S: Send + Sync> FromRequestParts<S> for LastEventId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        #[derive(Deserialize)]
        struct InQuery {
            last_event_id: Option<String>,
        }
        let Query(in_query) = Query::<InQuery>::from_request_parts(parts, state).await?;
        let given = match parts.headers.get("last-event-id") {
            Some(header) => Some(header.to_str().map_err(|_| no_such_event())?.to_owned()),
            None => in_query.last_event_id,
        };
        match given.as_deref() {
            None | Some("") => Ok(Self(0)),
            Some(id) => id
                .parse()
                .ok()
                .filter(|id| *id >= 0)
                .map(Self)
                .ok_or_else(no_such_event),
        }
    }
}

fn no_such_event() -> ApiError {
    ApiError::bad_request(
        "invalid_last_event_id",
        "the last event id is the id of an event of this stream, a number",
    )
}
