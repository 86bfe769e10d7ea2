//! What Stripe's meters are and come to, and its reports of what they could not count.

use anyhow::bail;
use reqwest::{RequestBuilder, StatusCode};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::StripeApi;
use super::api::plain;
use crate::queue::MeterDay;

/// Events of version 2 are asked for by a version: <https://docs.stripe.com/api-v2-overview#send-stripe-version-header>.
const VERSION: &str = "2025-03-31.basil";
const DAY: i64 = 86_400;

/// What a meter came to in an hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HourSum {
    /// When the hour began.
    pub second: i64,
    pub value: f64,
}

impl StripeApi {
    /// The event names and ids of all meters: <https://docs.stripe.com/api/billing/meter/list>.
    ///
    /// # Errors
    /// When Stripe cannot be reached, or answers something else.
    pub async fn list_meters(&self) -> anyhow::Result<Vec<(String, String)>> {
        let mut meters: Vec<(String, String)> = Vec::new();
        loop {
            let mut query = vec![("status", "active"), ("limit", "100")];
            if let Some((_, last)) = meters.last() {
                query.push(("starting_after", last));
            }
            let page = self
                .ask(self.get("v1/billing/meters")?.query(&query))
                .await?;
            let before = meters.len();
            for meter in page["data"].as_array().into_iter().flatten() {
                if let (Some(name), Some(id)) = (meter["event_name"].as_str(), meter["id"].as_str())
                {
                    meters.push((name.to_owned(), id.to_owned()));
                }
            }
            if page["has_more"] != true || meters.len() == before {
                return Ok(meters);
            }
        }
    }

    /// What a meter came to on a day, by hours; hours without anything may be left out:
    /// <https://docs.stripe.com/api/billing/meter-event-summary/list>.
    ///
    /// # Errors
    /// As [`Self::list_meters`].
    pub async fn sums_of(&self, day: &MeterDay) -> anyhow::Result<Vec<HourSum>> {
        plain(&day.stripe_meter)?;
        let (start, end) = (day.day.to_string(), (day.day + DAY).to_string());
        let request = self
            .get(&format!(
                "v1/billing/meters/{}/event_summaries",
                day.stripe_meter
            ))?
            .query(&[
                ("customer", day.customer.as_str()),
                ("start_time", &start),
                ("end_time", &end),
                ("value_grouping_window", "hour"),
                // A day has 24 hours, so there is one page.
                ("limit", "100"),
            ]);
        let page = self.ask(request).await?;
        let sums = page["data"].as_array().into_iter().flatten().map(|sum| {
            let second = sum["start_time"].as_i64();
            let value = sum["aggregated_value"].as_f64();
            second
                .zip(value)
                .map(|(second, value)| HourSum { second, value })
        });
        match sums.collect::<Option<Vec<_>>>() {
            Some(sums) if page["has_more"] != true => Ok(sums),
            _ => bail!("Stripe answered with sums that are none"),
        }
    }

    /// An event of version 2, of which a webhook tells no more than its id; `None` when Stripe has it no more.
    ///
    /// # Errors
    /// As [`Self::list_meters`].
    pub async fn fetch_event(&self, id: &str) -> anyhow::Result<Option<Value>> {
        plain(id)?;
        let request = self
            .get(&format!("v2/core/events/{id}"))?
            .header("Stripe-Version", VERSION);
        let response = request.send().await.map_err(reqwest::Error::without_url)?;
        match response.status() {
            StatusCode::OK => Ok(Some(
                response.json().await.map_err(reqwest::Error::without_url)?,
            )),
            StatusCode::NOT_FOUND => Ok(None),
            status => bail!("Stripe answered {status}"),
        }
    }

    fn get(&self, path: &str) -> anyhow::Result<RequestBuilder> {
        let url = self.settings.base.join(path)?;
        Ok(self
            .client
            .get(url)
            .bearer_auth(self.settings.key.expose_secret()))
    }

    async fn ask(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let response = request.send().await.map_err(reqwest::Error::without_url)?;
        let status = response.status();
        let body: Value = response.json().await.map_err(reqwest::Error::without_url)?;
        if status != StatusCode::OK {
            bail!(
                "Stripe answered {status} ({})",
                body["error"]["code"].as_str().unwrap_or("without a code")
            );
        }
        Ok(body)
    }
}
