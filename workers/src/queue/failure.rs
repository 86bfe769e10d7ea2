//! What a failed call means.

use serde::Deserialize;
use serde_json::Value;

/// A "no" in the form of PostgREST's raise protocol: SQLSTATE `PGRST`, the body as the message, the status in the detail.
/// <https://docs.postgrest.org/en/stable/references/errors.html#raise-errors-with-http-status-codes>
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Refusal {
    pub code: String,
    pub message: String,
    /// Text; JSON in text where it carries structure.
    pub details: Option<String>,
    pub hint: Option<String>,
}

impl Refusal {
    /// The details as JSON, or as the text that they are.
    pub fn details_json(&self) -> Option<Value> {
        let text = self.details.as_deref()?;
        Some(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())))
    }
}

/// The refusal in an error, if that is what it is.
pub fn refusal(error: &sqlx::Error) -> Option<Refusal> {
    let error = error.as_database_error()?;
    if error.code().as_deref() != Some("PGRST") {
        return None;
    }
    serde_json::from_str(error.message()).ok()
}

/// Whether the database would refuse the same content for ever. Anything else passes: a connection that broke, a server that restarts, a
/// deadlock, and also a migration or a grant that is still to come.
pub fn is_refused_content(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Encode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // Data exceptions, broken constraints, program limits, what a function raises.
            // https://www.postgresql.org/docs/current/errcodes-appendix.html
            code == "PGRST"
                || ["22", "23", "54", "P0"]
                    .iter()
                    .any(|class| code.starts_with(class))
        }),
        _ => false,
    }
}
