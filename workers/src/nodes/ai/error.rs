//! From what went wrong to a failure that says so.

use llm::LlmError;
use serde_json::json;

use super::usage::{self, Payer};
use crate::nodes::Failure;

/// Code `llm_<kind>`. Tokens that the provider counted are paid for although there is no answer.
pub(super) fn failure(error: &LlmError, payer: Payer, round: u32) -> Failure {
    let mut failure = Failure::new(format!("llm_{}", error.code()), error.to_string())
        .retryable(error.is_retryable())
        .details(json!({"model": error.model}));
    failure.retry_after = error.retry_after();
    if error.usage.total_tokens() > 0 {
        let usage = usage::to_json(&error.model, &error.usage, payer, round);
        failure.usage = Some(Box::new(usage));
    }
    failure
}
