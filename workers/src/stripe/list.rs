//! One page of what Stripe lists: <https://docs.stripe.com/api/pagination>.

use std::time::Duration;

use reqwest::{StatusCode, header};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::StripeApi;

/// The most that Stripe lists at once.
const LIMIT: &str = "100";
/// When Stripe has too much of us and does not say for how long.
const COME_BACK: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// An array, the newest first.
    pub objects: Value,
    pub has_more: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// 429: <https://docs.stripe.com/rate-limits>
    #[error("Stripe is asked too much, and wants to be left alone for {} seconds", .0.as_secs())]
    TooMuch(Duration),
    #[error("Stripe could not be asked")]
    Unreachable(#[source] reqwest::Error),
    #[error("Stripe answered {0}")]
    Refused(String),
}

impl StripeApi {
    /// All objects of a kind that were created since, one page after the object `after`.
    ///
    /// # Errors
    /// When Stripe cannot be reached, or says anything but a list.
    pub async fn list(
        &self,
        kind: &str,
        after: Option<&str>,
        since: Option<i64>,
    ) -> Result<Page, ListError> {
        let url = self.settings.base.join(&format!("v1/{kind}s"));
        let url = url.map_err(|error| ListError::Refused(error.to_string()))?;
        let since = since.map(|since| since.to_string());
        let mut query = vec![("limit", LIMIT)];
        // Without it those that have ended are left out: https://docs.stripe.com/api/subscriptions/list#list_subscriptions-status
        query.extend((kind == "subscription").then_some(("status", "all")));
        query.extend(after.map(|after| ("starting_after", after)));
        query.extend(since.as_deref().map(|since| ("created[gte]", since)));
        let asked = self
            .client
            .get(url)
            .query(&query)
            .bearer_auth(self.settings.key.expose_secret())
            .send()
            .await;
        let response = asked.map_err(|error| ListError::Unreachable(error.without_url()))?;
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let seconds = response.headers().get(header::RETRY_AFTER);
            let seconds = seconds.and_then(|seconds| seconds.to_str().ok()?.trim().parse().ok());
            return Err(ListError::TooMuch(
                seconds.map_or(COME_BACK, Duration::from_secs),
            ));
        }
        let body = response.json().await;
        let mut body: Value = body.map_err(|error| ListError::Unreachable(error.without_url()))?;
        let is_list = status == StatusCode::OK && body["data"].is_array();
        match (is_list, body["has_more"].as_bool()) {
            (true, Some(has_more)) => {
                let objects = body["data"].take();
                // An empty page has no last object to go on from.
                let has_more = has_more && objects != Value::Array(Vec::new());
                Ok(Page { objects, has_more })
            }
            _ => {
                let code = body["error"]["code"].as_str().unwrap_or("without a code");
                Err(ListError::Refused(format!("{status} ({code})")))
            }
        }
    }
}
