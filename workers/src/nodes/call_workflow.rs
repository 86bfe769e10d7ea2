//! `call_workflow`: another execution, whose end is delivered to this step.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Call, Failure, Stopped, Success};
use crate::backoff::Backoff;
use crate::queue::{self, Child, Queue, is_refused_content};

/// How many executions may call each other in a chain, besides the first. A workflow that calls itself ends here.
pub const DEEPEST: i16 = 8;
const MOST_TRIES: usize = 5;

/// Starts the other execution. The output says which it is, until its own takes that place.
///
/// # Errors
/// `called_workflow_not_found`, `called_workflow_not_active`, `call_too_deep`, `invalid_config`, `database_unavailable`, and what the database
/// refuses it for: `quota_exceeded`, `input_too_large`.
pub(super) async fn run(queue: &Queue, call: &Call) -> Result<Success, Stopped> {
    let id: Uuid = call
        .config
        .get("workflow_id")
        .and_then(Value::as_str)
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| Failure::invalid_config("workflow_id is not a UUID"))?;
    let input = call.config.get("input").filter(|input| !input.is_null());
    match start(queue, call, id, input).await {
        Ok(Child::Started(child)) => Ok(Success::from(json!({"execution_id": child}))),
        Ok(Child::Refused(code)) => Err(refused(code, id).into()),
        Ok(Child::ClaimLost) => Err(Stopped::ClaimLost),
        Err(error) => Err(failed(&error).into()),
    }
}

/// The call is safe to repeat. A step is not failed for a moment without the database, nor for a deadlock with the execution that it gave up.
async fn start(
    queue: &Queue,
    call: &Call,
    workflow: Uuid,
    input: Option<&Value>,
) -> sqlx::Result<Child> {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    for _ in 0..MOST_TRIES {
        match queue.start_child(call, workflow, input).await {
            Err(error) if queue::refusal(&error).is_none() && !is_refused_content(&error) => {
                tracing::warn!(%error, "cannot start a called workflow");
            }
            answer => return answer,
        }
        tokio::time::sleep(backoff.wait(rand::random())).await;
    }
    queue.start_child(call, workflow, input).await
}

fn failed(error: &sqlx::Error) -> Failure {
    if let Some(refusal) = queue::refusal(error) {
        let details = refusal.details_json();
        let mut failure = Failure::new(refusal.code, refusal.message);
        failure.details = details;
        return failure;
    }
    tracing::warn!(%error, "cannot start a called workflow");
    Failure::new(
        "database_unavailable",
        "the worker could not start the called workflow",
    )
    .retryable(!is_refused_content(error))
}

pub(super) fn refused(code: String, workflow: Uuid) -> Failure {
    let message = match code.as_str() {
        "call_too_deep" => return too_deep(),
        "called_workflow_not_found" => {
            format!("there is no workflow {workflow} in this tenant; it was probably deleted")
        }
        "called_workflow_not_active" => format!("workflow {workflow} is not active"),
        _ => format!("workflow {workflow} could not be called"),
    };
    Failure::new(code, message)
}

pub fn too_deep() -> Failure {
    Failure::new(
        "call_too_deep",
        format!(
            "workflows call each other at most {DEEPEST} deep; this one was called that deep already"
        ),
    )
}

/// The execution that a step called, from the step's output while it waits, or from what is delivered when that has ended.
pub fn execution_in(value: &Value) -> Option<&str> {
    value.get("execution_id").and_then(Value::as_str)
}
