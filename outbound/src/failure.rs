use std::borrow::Cow;
use std::time::Duration;

use agents::ToolError;
use serde_json::{Value, json};
use workflow::expression::ExpressionError;

/// Why a call came to nothing. The code is stable and listed in the README of `workers`; the message is a sentence for the tenant and holds no secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub code: Cow<'static, str>,
    pub message: String,
    pub details: Option<Value>,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// How long the other side asked us to wait.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// One that would repeat itself.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            details: None,
            retryable: false,
            retry_after: None,
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

    /// A config that the schema let pass, or that a template rendered to something else than is needed.
    pub fn invalid_config(message: impl Into<String>) -> Self {
        Self::new("invalid_config", message)
    }
}

impl From<ExpressionError> for Failure {
    fn from(error: ExpressionError) -> Self {
        Self::new("expression_failed", error.to_string())
            .details(json!({"pointer": error.pointer, "expression": error.source_text}))
    }
}

/// What a model reads of a failure: the sentence, and what the other side has answered.
pub fn told(message: String, details: Option<&Value>) -> ToolError {
    let body = details.and_then(|details| details.get("body"));
    ToolError(match body.and_then(Value::as_str) {
        Some(body) if !body.is_empty() => format!("{message}\n{body}"),
        _ => message,
    })
}

/// What a config names, and the tenant does not have.
pub fn secrets_not_found(missing: &[&str]) -> Failure {
    let names = missing.join(", ");
    Failure::new(
        "secret_not_found",
        match missing {
            [_] => format!("there is no secret {names}; it was deleted or never set"),
            _ => format!("there are no secrets {names}; they were deleted or never set"),
        },
    )
    .details(json!({ "names": missing }))
}
