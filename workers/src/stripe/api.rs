//! One question to Stripe: <https://docs.stripe.com/api>.

use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use reqwest::{Client, StatusCode, Url, header};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::StripeSettings;
use crate::queue::FetchKey;

/// For all of one question.
const PATIENCE: Duration = Duration::from_secs(20);

/// How an object is.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// `None` when there is none of this id any more.
    pub object: Option<Value>,
    /// By Stripe's clock.
    pub at: Timestamp,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct StripeApi {
    pub(super) client: Client,
    pub(super) settings: StripeSettings,
}

impl StripeApi {
    /// # Errors
    /// When there is no TLS.
    pub fn new(settings: StripeSettings) -> anyhow::Result<Self> {
        let client = Client::builder()
            .timeout(PATIENCE)
            // The key is for this server alone.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { client, settings })
    }

    /// Whether it is asked about live objects or about those of tests.
    pub fn is_live(&self) -> bool {
        self.settings.is_live()
    }

    /// # Errors
    /// When Stripe cannot be reached, or says anything but how the object is or that there is none.
    pub async fn fetch(&self, key: &FetchKey) -> anyhow::Result<Answer> {
        let url = url(&self.settings.base, &key.kind, &key.id)?;
        let mut request = self
            .client
            .get(url)
            .bearer_auth(self.settings.key.expose_secret());
        if !key.account.is_empty() {
            request = request.header("Stripe-Account", &key.account);
        }
        let response = request.send().await.map_err(reqwest::Error::without_url)?;
        let status = response.status();
        let at = said_at(response.headers()).unwrap_or_else(Timestamp::now);
        let body: Value = response.json().await.map_err(reqwest::Error::without_url)?;
        let object = match status {
            StatusCode::OK if body["id"] == key.id.as_str() => Some(body),
            StatusCode::NOT_FOUND if body["error"]["code"] == "resource_missing" => None,
            _ => bail!(
                "Stripe answered {status} ({})",
                body["error"]["code"].as_str().unwrap_or("without a code")
            ),
        };
        Ok(Answer { object, at })
    }
}

/// Where an object is.
fn url(base: &Url, kind: &str, id: &str) -> anyhow::Result<Url> {
    let collection = match kind {
        "checkout.session" => "checkout/sessions",
        "customer" => "customers",
        "product" => "products",
        "price" => "prices",
        "subscription" => "subscriptions",
        "invoice" => "invoices",
        "invoice_payment" => "invoice_payments",
        "payment_intent" => "payment_intents",
        "charge" => "charges",
        "refund" => "refunds",
        "dispute" => "disputes",
        _ => bail!("nobody knows where Stripe has objects of kind {kind}"),
    };
    // An id could lead to another address.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if id.is_empty() || !id.bytes().all(is_plain) {
        bail!("\"{id}\" is no id of Stripe");
    }
    Ok(base.join(&format!("v1/{collection}/{id}"))?)
}

fn said_at(headers: &header::HeaderMap) -> Option<Timestamp> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(date.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_at_their_addresses_and_ids_lead_nowhere_else() {
        let base = Url::parse("https://api.stripe.com").unwrap();
        let at = |kind, id| url(&base, kind, id).map(String::from).ok();
        assert_eq!(
            at("checkout.session", "cs_test_1").as_deref(),
            Some("https://api.stripe.com/v1/checkout/sessions/cs_test_1")
        );
        for (kind, id) in [
            ("invoice", ""),
            ("invoice", "../charges"),
            ("invoice", "in_1?expand=x"),
            ("account", "acct_1"),
        ] {
            assert_eq!(at(kind, id), None, "{kind} {id}");
        }
    }

    #[test]
    fn the_time_of_an_answer_is_read() {
        let mut headers = header::HeaderMap::new();
        assert_eq!(said_at(&headers), None);
        let date = header::HeaderValue::from_static("Tue, 14 Nov 2023 22:13:20 GMT");
        headers.insert(header::DATE, date);
        assert_eq!(said_at(&headers).unwrap().as_second(), 1_700_000_000);
    }
}
