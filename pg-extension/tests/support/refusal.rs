use serde::Deserialize;
use sqlx::postgres::PgDatabaseError;
use std::collections::BTreeMap;

/// A refusal as PostgREST reads it, together with what its details say.
#[derive(Debug, Deserialize)]
pub struct Refusal {
    pub code: String,
    pub message: String,
    /// JSON, as text.
    pub details: String,
    pub hint: Option<String>,
    #[serde(skip)]
    pub status: u16,
    #[serde(skip)]
    pub headers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Detail {
    status: u16,
    headers: BTreeMap<String, String>,
}

impl Refusal {
    /// The details as JSON.
    pub fn details(&self) -> serde_json::Value {
        serde_json::from_str(&self.details).expect("the details are JSON")
    }
}

/// The refusal in an error, if it is one.
pub fn refusal(error: &sqlx::Error) -> Option<Refusal> {
    let error = error.as_database_error()?;
    if error.code()? != "PGRST" {
        return None;
    }
    let error = error.downcast_ref::<PgDatabaseError>();
    let mut refusal: Refusal =
        serde_json::from_str(error.message()).expect("the message is a response body");
    let detail: Detail = serde_json::from_str(error.detail().expect("a refusal has a detail"))
        .expect("the detail has a status and headers");
    refusal.status = detail.status;
    refusal.headers = detail.headers;
    Some(refusal)
}

/// The SQLSTATE of an error of the database.
pub fn sqlstate(error: &sqlx::Error) -> String {
    error
        .as_database_error()
        .and_then(|error| error.code())
        .map(|code| code.into_owned())
        .unwrap_or_else(|| format!("not an error of the database: {error}"))
}
