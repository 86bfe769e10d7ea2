//! Telling one of Stripe's meters what was used: <https://docs.stripe.com/api/billing/meter-event/create>.

use reqwest::{StatusCode, Url, header};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::StripeApi;
use crate::queue::MeterEvent;

/// What has become of an event, as `billing.record_meter_events` takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Stripe has it, of this try or of one before.
    Sent,
    /// Stripe will not have it.
    Refused,
    /// It is too long ago for Stripe.
    Late,
    /// It was not taken, and may be when it is tried again.
    Again,
    /// Nobody knows whether it was taken.
    Unknown,
}

impl Outcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Refused => "refused",
            Self::Late => "late",
            Self::Again => "again",
            Self::Unknown => "unknown",
        }
    }
}

/// The outcome, and what there is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub outcome: Outcome,
    pub problem: Option<String>,
}

impl Sent {
    pub fn new(outcome: Outcome, problem: impl Into<Option<String>>) -> Self {
        Self {
            outcome,
            problem: problem.into(),
        }
    }
}

impl StripeApi {
    /// Sends an event. Without an idempotency key: its identifier is one, and a key would repeat a failure, too.
    pub async fn send_meter_event(&self, event: &MeterEvent) -> Sent {
        let url = match self.settings.base.join("v1/billing/meter_events") {
            Ok(url) => url,
            Err(error) => return Sent::new(Outcome::Again, error.to_string()),
        };
        let response = self
            .client
            .post(url)
            .bearer_auth(self.settings.key.expose_secret())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form(&self.settings.base, event))
            .send()
            .await;
        let response = match response {
            Ok(response) => response,
            Err(error) => {
                // Without a connection nothing has gone. Otherwise the answer may be what was lost.
                let outcome = if error.is_connect() {
                    Outcome::Again
                } else {
                    Outcome::Unknown
                };
                return Sent::new(outcome, error.without_url().to_string());
            }
        };
        let status = response.status();
        if status == StatusCode::OK {
            return Sent::new(Outcome::Sent, None);
        }
        // What cannot be read says nothing beyond its status.
        let body: Value = response.json().await.unwrap_or_default();
        judge(status, &body["error"])
    }
}

fn form(base: &Url, event: &MeterEvent) -> String {
    let mut form = base.clone();
    form.query_pairs_mut()
        .clear()
        .append_pair("event_name", &event.event_name)
        .append_pair("identifier", &event.identifier)
        .append_pair("timestamp", &event.happened_at.to_string())
        .append_pair("payload[stripe_customer_id]", &event.customer)
        .append_pair("payload[value]", &event.value.to_string());
    form.query().unwrap_or_default().to_owned()
}

fn judge(status: StatusCode, error: &Value) -> Sent {
    let code = error["code"].as_str().unwrap_or_default();
    let message = error["message"].as_str().unwrap_or_default();
    let outcome = match status {
        // Version 1 answers this without a code: https://github.com/langfuse/langfuse/pull/16292. Version 2 has one:
        // https://docs.stripe.com/api/v2/billing-meter/create.
        StatusCode::BAD_REQUEST
            if code == "duplicate_meter_event"
                || message.starts_with("An event already exists with identifier") =>
        {
            Outcome::Sent
        }
        StatusCode::BAD_REQUEST if code == "timestamp_too_far_in_past" => Outcome::Late,
        // The clocks differ by more than five minutes.
        StatusCode::BAD_REQUEST if code == "timestamp_in_future" => Outcome::Again,
        StatusCode::BAD_REQUEST | StatusCode::PAYMENT_REQUIRED => Outcome::Refused,
        StatusCode::NOT_FOUND if code == "resource_missing" => Outcome::Refused,
        // Too many at a time, a key that may not: https://docs.stripe.com/api/errors.
        status if status.is_client_error() => Outcome::Again,
        // "The result should be treated as indeterminate": https://docs.stripe.com/error-low-level#server-errors.
        _ => Outcome::Unknown,
    };
    let problem = (outcome != Outcome::Sent).then(|| {
        let told = [code, message].map(str::trim).join(" ");
        format!("{status}: {}", told.trim())
    });
    Sent { outcome, problem }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_told_as_stripe_wants_it() {
        let event = MeterEvent {
            identifier: "t:executions:2026010112:1".to_owned(),
            ticket: 1,
            event_name: "runs & more".to_owned(),
            customer: "cus_1".to_owned(),
            value: 7,
            happened_at: 1_700_000_000,
        };
        assert_eq!(
            form(&Url::parse("https://api.stripe.com").unwrap(), &event),
            "event_name=runs+%26+more&identifier=t%3Aexecutions%3A2026010112%3A1&timestamp=1700000000\
             &payload%5Bstripe_customer_id%5D=cus_1&payload%5Bvalue%5D=7"
        );
    }

    #[test]
    fn what_stripe_answers_is_understood() {
        let judged = |status: u16, error: Value| {
            judge(StatusCode::from_u16(status).unwrap(), &error).outcome
        };
        let duplicate = json!({"type": "invalid_request_error", "message": "An event already exists with identifier x."});
        for (status, error, outcome) in [
            (400, duplicate, Outcome::Sent),
            (400, json!({"code": "duplicate_meter_event"}), Outcome::Sent),
            (
                400,
                json!({"code": "timestamp_too_far_in_past"}),
                Outcome::Late,
            ),
            (400, json!({"code": "timestamp_in_future"}), Outcome::Again),
            (400, json!({"code": "archived_meter"}), Outcome::Refused),
            (404, json!({"code": "resource_missing"}), Outcome::Refused),
            (404, Value::Null, Outcome::Again),
            (401, Value::Null, Outcome::Again),
            (409, Value::Null, Outcome::Again),
            (429, Value::Null, Outcome::Again),
            (500, Value::Null, Outcome::Unknown),
            (302, Value::Null, Outcome::Unknown),
        ] {
            assert_eq!(judged(status, error.clone()), outcome, "{status} {error}");
        }
    }

    #[test]
    fn a_problem_says_what_stripe_said() {
        let refused = judge(
            StatusCode::BAD_REQUEST,
            &json!({"code": "archived_meter", "message": "The meter is archived."}),
        );
        assert_eq!(
            refused.problem.as_deref(),
            Some("400 Bad Request: archived_meter The meter is archived.")
        );
    }
}
