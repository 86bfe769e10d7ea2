use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What every error answers with, whoever found it: this service, the database or PostgREST.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// Stable, for programs: `quota_exceeded`, `not_found`, ...
    #[schema(example = "workflow_not_active")]
    pub code: String,
    /// One sentence for a person.
    #[schema(example = "workflow \"Hello\" is draft")]
    pub message: String,
    /// What exactly, where it helps; JSON in text for some codes.
    #[schema(required)]
    pub details: Option<String>,
    /// What to do about it.
    #[schema(required, example = "activate it first: rpc activate_workflow")]
    pub hint: Option<String>,
}

impl ErrorBody {
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            details: None,
            hint: None,
        }
    }

    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl IntoResponse for ErrorBody {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}
