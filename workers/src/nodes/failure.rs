//! Why a step failed.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Value, json};
use workflow::Kind;
use workflow::expression::ExpressionError;

use crate::queue::{Refusal, is_refused_content};

/// A failed attempt. The code is stable and listed in README.md; the message is a sentence for the tenant and holds no secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub code: Cow<'static, str>,
    pub message: String,
    pub details: Option<Value>,
    /// Whether the same attempt may succeed later.
    pub retryable: bool,
    /// How long the other side asked us to wait.
    pub retry_after: Option<Duration>,
    /// Tokens spent all the same, in the form of `queue.record`. Boxed, because a failure travels in every result and seldom has any.
    pub usage: Option<Box<Value>>,
}

impl Failure {
    /// A failure that would repeat itself.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            details: None,
            retryable: false,
            retry_after: None,
            usage: None,
        }
    }

    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
        self
    }

    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    pub(super) fn not_runnable(kind: Kind) -> Self {
        Self::new(
            "kind_not_runnable",
            format!("this release cannot run a step of kind {kind}"),
        )
    }

    /// A config that the schema let pass, or that a template rendered to something else than is needed.
    pub(super) fn invalid_config(message: impl Into<String>) -> Self {
        Self::new("invalid_config", message)
    }

    /// The database said no: the plan is used up, or a rate. Trying again soon changes nothing, unless it is only the rate.
    pub(super) fn refused(refusal: Refusal) -> Self {
        let details = refusal.details_json();
        let retryable = refusal.code == "rate_limited";
        Self {
            details,
            ..Self::new(refusal.code, refusal.message).retryable(retryable)
        }
    }

    /// The database did not do its part. What it said is for the operator's log and not for the tenant.
    pub(crate) fn database(what: &str, error: &sqlx::Error) -> Self {
        tracing::warn!(%error, "cannot {what}");
        Self::new(
            "database_unavailable",
            format!("the worker could not {what}"),
        )
        .retryable(!is_refused_content(error))
    }

    /// As the column `error` of a step: `{code, message, details?}`.
    pub fn to_json(&self) -> Value {
        match &self.details {
            Some(details) => {
                json!({"code": self.code, "message": self.message, "details": details})
            }
            None => json!({"code": self.code, "message": self.message}),
        }
    }
}

impl From<outbound::Failure> for Failure {
    fn from(failure: outbound::Failure) -> Self {
        Self {
            code: failure.code,
            message: failure.message,
            details: failure.details,
            retryable: failure.retryable,
            retry_after: failure.retry_after,
            usage: None,
        }
    }
}

impl From<ExpressionError> for Failure {
    fn from(error: ExpressionError) -> Self {
        outbound::Failure::from(error).into()
    }
}
