//! What expressions see.

use jiff::Timestamp;
use serde_json::{Value, json};
use workflow::OnError;
use workflow::expression::Context;

use super::step::{State, Step};
use crate::queue::Job;
use crate::state::StepStatus;

/// The scope at the start; steps are added as they end. `now` is when the execution began, however often it is taken up again.
pub(super) fn context(job: &Job, tenant_name: &str) -> Context {
    let started_at: Timestamp = job.started_at;
    Context::new(&json!({
        "input": job.input,
        "trigger": job.input,
        "execution": {
            "id": job.claim.key.execution_id,
            "workflow_id": job.workflow_id,
            "started_at": started_at,
        },
        "tenant": {"id": job.claim.key.tenant_id, "name": tenant_name},
        "now": started_at,
        "secrets": {},
    }))
}

/// A step that ended as `steps.<id>`; `None` for one that was skipped, which is not defined at all.
///
/// A step that failed and went on has null as its output; one that took its error branch has none.
pub(super) fn step(step: &Step, on_error: OnError) -> Option<Value> {
    let status = match step.state {
        State::Ended(status @ (StepStatus::Succeeded | StepStatus::Failed)) => status,
        _ => return None,
    };
    let mut seen = json!({"error": step.error, "status": status.as_str()});
    if status == StepStatus::Succeeded || on_error == OnError::Continue {
        seen["output"] = step.output.as_deref().cloned().unwrap_or_default();
    }
    Some(seen)
}
