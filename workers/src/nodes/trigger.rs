//! The trigger: what the execution was started with.

use serde_json::Value;

use super::Success;

pub(super) fn run(input: &Value) -> Success {
    Success::from(input.clone())
}
