//! From what went wrong to a failure that says so.

use llm::LlmError;
use serde_json::json;
use uuid::Uuid;

use super::usage;
use crate::nodes::Failure;
use crate::queue::{Refusal, is_refused_content};

/// Code `llm_<kind>`. Tokens that the provider counted are paid for although there is no answer.
pub(super) fn failure(error: &LlmError, agent: Option<Uuid>) -> Failure {
    let mut failure = Failure::new(format!("llm_{}", error.code()), error.to_string())
        .retryable(error.is_retryable())
        .details(json!({"model": error.model}));
    failure.retry_after = error.retry_after();
    if error.usage.total_tokens() > 0 {
        failure.usage = Some(Box::new(usage::to_json(&error.model, &error.usage, agent)));
    }
    failure
}

/// The plan has too few tokens left. Trying again soon changes nothing, unless it is only the rate.
pub(super) fn refused(refusal: Refusal) -> Failure {
    let details = refusal.details_json();
    let retryable = refusal.code == "rate_limited";
    let mut failure = Failure::new(refusal.code, refusal.message).retryable(retryable);
    failure.details = details;
    failure
}

/// The database did not do its part. What it said is for the operator's log and not for the tenant.
pub(super) fn database(what: &str, error: &sqlx::Error) -> Failure {
    tracing::warn!(%error, "cannot {what}");
    Failure::new(
        "database_unavailable",
        format!("the worker could not {what}"),
    )
    .retryable(!is_refused_content(error))
}
