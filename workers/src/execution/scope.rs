//! What expressions see.

use std::sync::Arc;

use serde_json::json;
use workflow::OnError;
use workflow::expression::{Context, EndedStep};

use super::step::{State, Step};
use crate::queue::Job;
use crate::state::StepStatus;

/// The scope at the start; steps are added as they end. `now` is when the execution began, however often it is taken up again.
pub(super) fn context(job: &Job, tenant_name: &Arc<str>) -> Context {
    let (execution, workflow) = (job.claim.key.execution_id, job.workflow_id);
    let (tenant, tenant_name) = (job.claim.key.tenant_id, Arc::clone(tenant_name));
    let (input, started_at) = (Arc::clone(&job.input), job.started_at);
    let mut context = Context::default();
    context.set("input", input);
    context.alias("trigger", "input");
    context.set_made(
        "execution",
        move || json!({"id": execution, "workflow_id": workflow, "started_at": started_at}),
    );
    context.set_made(
        "tenant",
        move || json!({"id": tenant, "name": *tenant_name}),
    );
    context.set_made("now", move || json!(started_at));
    context.set_made("secrets", || json!({}));
    context
}

/// A step that ended as `steps.<id>`; `None` for one that was skipped, which is not defined at all.
///
/// A step that failed and went on has null as its output; one that took its error branch has none.
pub(super) fn step(step: &Step, on_error: OnError) -> Option<EndedStep> {
    let status = match step.state {
        State::Ended(status @ (StepStatus::Succeeded | StepStatus::Failed)) => status,
        _ => return None,
    };
    let has_output = status == StepStatus::Succeeded || on_error == OnError::Continue;
    Some(EndedStep {
        status: status.as_str(),
        error: step.error.clone().unwrap_or_default(),
        output: has_output.then(|| step.output.clone().unwrap_or_default()),
    })
}
