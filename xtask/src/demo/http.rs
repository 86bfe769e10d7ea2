//! Requests to the public doors, and the one body with which each of them says no.

use std::fmt;

use anyhow::{Context, Result, anyhow};
use reqwest::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `{code, message, details, hint}`, with the status that came with it.
#[derive(Debug, Clone, Serialize)]
pub struct Refusal {
    pub status: u16,
    pub retry_after: Option<String>,
    #[serde(flatten)]
    pub body: RefusalBody,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefusalBody {
    pub code: String,
    pub message: String,
    #[serde(default)]
    pub details: Option<String>,
    #[serde(default)]
    pub hint: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} {}: {}",
            self.status, self.body.code, self.body.message
        )
    }
}

/// What a door answered: a value, or a refusal that it meant.
pub type Answer = std::result::Result<Value, Refusal>;

/// Reads an answer. One that is neither is an error.
pub async fn read(response: Response) -> Result<Answer> {
    let status = response.status();
    let url = response.url().clone();
    let retry_after = header(&response, "retry-after");
    let text = response
        .text()
        .await
        .with_context(|| format!("reading the answer of {url}"))?;
    if status.is_success() {
        let value = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text)?
        };
        return Ok(Ok(value));
    }
    refusal(status, retry_after, &text)
        .map(Err)
        .ok_or_else(|| anyhow!("{url} answered {status}: {text}"))
}

fn refusal(status: StatusCode, retry_after: Option<String>, text: &str) -> Option<Refusal> {
    let body = serde_json::from_str(text).ok()?;
    Some(Refusal {
        status: status.as_u16(),
        retry_after,
        body,
    })
}

fn header(response: &Response, name: &str) -> Option<String> {
    response
        .headers()
        .get(name)?
        .to_str()
        .ok()
        .map(str::to_owned)
}

/// The value of an answer that was expected to be one.
pub fn demand(answer: Answer) -> Result<Value> {
    answer.map_err(|refusal| match &refusal.body.details {
        Some(details) => anyhow!("{refusal}\n    {details}"),
        None => anyhow!("{refusal}"),
    })
}
