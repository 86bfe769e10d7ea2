//! What expressions see.

use jiff::Timestamp;
use serde_json::{Value, json};
use workflow::expression::Context;

use crate::queue::Job;

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

/// A step as `steps.<id>`.
pub(super) fn step(status: &str, output: &Value, error: Option<&Value>) -> Value {
    json!({"output": output, "error": error, "status": status})
}
