//! `call_workflow`: another execution, whose end is delivered to this step.

use super::Failure;

/// How many executions may call each other in a chain, besides the first. A workflow that calls itself ends here.
pub const DEEPEST: i32 = 8;

pub fn too_deep() -> Failure {
    Failure::new(
        "call_too_deep",
        format!(
            "workflows call each other at most {DEEPEST} deep; this one was called that deep already"
        ),
    )
}
