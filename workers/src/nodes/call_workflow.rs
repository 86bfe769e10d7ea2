//! `call_workflow`: another execution, whose end is delivered to this step.

use serde_json::Value;

use super::Failure;

/// How many executions may call each other in a chain, besides the first. A workflow that calls itself ends here.
pub const DEEPEST: i32 = 8;

/// The execution that a step called, from the step's output while it waits, or from what is delivered when that has ended.
pub fn execution_in(value: &Value) -> Option<&str> {
    value.get("execution_id").and_then(Value::as_str)
}

pub fn too_deep() -> Failure {
    Failure::new(
        "call_too_deep",
        format!(
            "workflows call each other at most {DEEPEST} deep; this one was called that deep already"
        ),
    )
}
