use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use super::LONGEST_WAIT;
use super::row::ExecutionRow;
use super::schema::ExecutionSchema;
use crate::database::CallerSession;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Json;
use crate::limits::Place;
use crate::streams::Streams;

/// What to run, and with what.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartExecution {
    workflow_id: Uuid,
    /// Any JSON, up to 1 MiB; the workflow reads it as `input`. An empty object when left out.
    #[schema(value_type = Option<Value>)]
    input: Option<Box<RawValue>>,
    /// 1 to 255 characters of your choice. The same key starts the same workflow once, however often it is sent.
    idempotency_key: Option<String>,
    /// Of your tenant's executions that wait for a worker, those with a higher one are begun first. 0 when left out.
    #[schema(minimum = -100, maximum = 100)]
    priority: Option<i32>,
    /// Seconds to wait for the end before answering.
    #[schema(minimum = 0, maximum = 60)]
    wait: Option<f64>,
}

/// Starts an active workflow. Who may: members with `workflows.execute`. Charged to the plan once, also when it is sent again with the
/// same idempotency key; its priority is then the one that it was first sent with.
#[utoipa::path(
    post, path = "/v1/executions", tag = "executions", operation_id = "startExecution",
    params(("Idempotency-Key" = Option<String>, Header, description = "As the field of that name; one of the two.")),
    request_body = StartExecution,
    security(("session" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "Finished: within `wait`, or before, when its idempotency key was sent again.", body = ExecutionSchema,
         headers(("Location" = String, description = "Where to read it."))),
        (status = 202, description = "Accepted: it will run, whatever happens to this service.", body = ExecutionSchema,
         headers(("Location" = String, description = "Where to read it."))),
        (status = 400, description = "`invalid_json`, `invalid_body`, `invalid_idempotency_key`, `invalid_wait`, `priority_invalid`: it is not from -100 to 100.", body = ErrorBody),
        (status = 402, description = "`quota_exceeded`: the plan's executions are used up; details name meter, limit and reset.", body = ErrorBody),
        (status = 403, description = "`forbidden`: neither your role nor your key's scopes let you start executions. `tenant_suspended`, `tenant_cancelled`, `second_factor_required`, `wrong_host`.", body = ErrorBody),
        (status = 404, description = "`not_found`: there is no such workflow, or you may not see it.", body = ErrorBody),
        (status = 409, description = "`workflow_not_active`, `idempotency_key_reused`.", body = ErrorBody),
        (status = 413, description = "`body_too_large`, `input_too_large`: more than 1 MiB.", body = ErrorBody),
        (status = 415, description = "`unsupported_media_type`: the body is not JSON.", body = ErrorBody),
        (status = 429, description = "`rate_limited`: more starts than the plan's requests per minute; `Retry-After` says when to go on. \
         Sending an idempotency key again is not counted.", body = ErrorBody),
    )
)]
pub async fn start_execution(
    session: CallerSession,
    State(streams): State<Streams>,
    Extension(place): Extension<Place>,
    headers: HeaderMap,
    Json(wanted): Json<StartExecution>,
) -> Result<Response, ApiError> {
    let wait = wait(wanted.wait)?;
    let idempotency_key = idempotency_key(&headers, wanted.idempotency_key)?;

    let mut transaction = session.begin().await?;
    let execution = sqlx::query_as!(
        ExecutionRow,
        r#"
        select e.id as "id!", e.tenant_id as "tenant_id!", e.status as "status!", e.revision as "revision!", row_to_json(e)::text as "json!"
          from public.start_execution($1, $2, $3, $4) e
        "#,
        wanted.workflow_id,
        wanted.input.map(sqlx::types::Json) as _,
        idempotency_key,
        wanted.priority
    )
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;

    let execution = match wait {
        Some(wait) if !execution.is_finished() => {
            place.leave();
            end_of(execution, wait, session.read_only(), &streams).await
        }
        _ => execution,
    };
    Ok(execution.into_progress_response())
}

/// The execution at its end, or as it was last seen. It was accepted: nothing that goes wrong from here on turns that into an error.
async fn end_of(
    mut execution: ExecutionRow,
    wait: Duration,
    session: CallerSession,
    streams: &Streams,
) -> ExecutionRow {
    let deadline = Instant::now() + wait;
    let stopping = streams.stopping();
    let Ok(mut watch) = streams.watch(&session.caller().principal, execution.id) else {
        return execution;
    };
    loop {
        let look = async {
            let _turn = watch.turn_to_read().await;
            let mut transaction = session.begin().await?;
            let seen = ExecutionRow::find(&mut transaction, execution.id).await?;
            transaction.commit().await.map(|()| seen)
        };
        match tokio::time::timeout_at(deadline, look).await {
            Ok(Ok(Some(seen))) => execution = seen,
            // Not visible any more: the caller was removed while waiting.
            Ok(Ok(None)) => return execution,
            Ok(Err(error)) => error.record(),
            Err(_late) => return execution,
        }
        if execution.is_finished() {
            return execution;
        }
        let change = async {
            tokio::select! {
                () = watch.may_have_changed() => true,
                () = stopping.cancelled() => false,
            }
        };
        if !matches!(tokio::time::timeout_at(deadline, change).await, Ok(true)) {
            return execution;
        }
    }
}

fn wait(seconds: Option<f64>) -> Result<Option<Duration>, ApiError> {
    let Some(seconds) = seconds else {
        return Ok(None);
    };
    match Duration::try_from_secs_f64(seconds) {
        Ok(wait) if wait <= LONGEST_WAIT => Ok(Some(wait).filter(|wait| !wait.is_zero())),
        _ => Err(ApiError::bad_request(
            "invalid_wait",
            "wait is a number of seconds from 0 to 60",
        )),
    }
}

fn idempotency_key(
    headers: &HeaderMap,
    in_body: Option<String>,
) -> Result<Option<String>, ApiError> {
    let refuse = |message| Err(ApiError::bad_request("invalid_idempotency_key", message));
    let in_header = match headers.get("idempotency-key").map(|value| value.to_str()) {
        None => None,
        Some(Ok(key)) => Some(key.to_owned()),
        Some(Err(_)) => return refuse("the Idempotency-Key header is not plain text"),
    };
    if in_header.is_some() && in_body.is_some() && in_header != in_body {
        return refuse("the Idempotency-Key header and idempotency_key in the body differ");
    }
    match in_body.or(in_header) {
        Some(key) if !(1..=255).contains(&key.chars().count()) => {
            refuse("an idempotency key has 1 to 255 characters")
        }
        key => Ok(key),
    }
}
