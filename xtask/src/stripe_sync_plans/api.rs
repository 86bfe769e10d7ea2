//! Products and prices in Stripe: <https://docs.stripe.com/api/products>, <https://docs.stripe.com/api/prices>.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::{Client, RequestBuilder, StatusCode, Url, header};
use serde_json::Value;
use tokio::time::sleep;

use super::plan::{Interval, Plan};

const VERSION: &str = "2025-03-31.basil";
const TRIES: u32 = 5;
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

pub struct Stripe {
    client: Client,
    base: Url,
    /// It is in no error and in no `Debug`.
    key: String,
}

impl Stripe {
    /// By `STRIPE_API_KEY`, and `STRIPE_API_BASE` where something stands in.
    pub fn read(read: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let key = read("STRIPE_API_KEY").context("STRIPE_API_KEY is not set")?;
        let base = read("STRIPE_API_BASE").unwrap_or_else(|| "https://api.stripe.com".to_owned());
        let stripe = Self {
            client: Client::builder()
                .timeout(Duration::from_secs(30))
                .redirect(reqwest::redirect::Policy::none())
                .build()?,
            base: Url::parse(&base).context("STRIPE_API_BASE is no URL")?,
            key: key.trim().to_owned(),
        };
        ensure!(
            stripe.mode_of_key().is_some(),
            "STRIPE_API_KEY is no secret or restricted key: sk_live_…, rk_live_…, sk_test_… or rk_test_…"
        );
        Ok(stripe)
    }

    /// `live` or `test`: neither sees what the other has.
    pub fn mode(&self) -> &str {
        self.mode_of_key().unwrap_or_default()
    }

    /// <https://docs.stripe.com/keys>
    fn mode_of_key(&self) -> Option<&str> {
        let rest = self
            .key
            .strip_prefix("sk_")
            .or(self.key.strip_prefix("rk_"))?;
        let (mode, _) = rest.split_once('_')?;
        matches!(mode, "live" | "test").then_some(mode)
    }

    pub async fn find_product(&self, id: &str) -> Result<Option<Value>> {
        let url = self.url(&format!("products/{id}"))?;
        match self.send(|| self.client.get(url.clone())).await? {
            (StatusCode::OK, product) => Ok(Some(product)),
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, body) => refused(status, &body),
        }
    }

    pub async fn create_product(&self, id: &str, plan: &Plan) -> Result<()> {
        let form = [
            ("id", id),
            ("name", &plan.name),
            ("metadata[aias_plan]", &plan.key),
        ];
        self.post("products", &form, &format!("plan-{id}-{}", plan.name))
            .await?;
        Ok(())
    }

    pub async fn update_product(&self, id: &str, plan: &Plan) -> Result<()> {
        // It says what is, whatever was: no key is needed to say it twice, and one of yesterday would say what was.
        let key = uuid::Uuid::now_v7().to_string();
        let form = [("name", &*plan.name), ("active", "true")];
        self.post(&format!("products/{id}"), &form, &key).await?;
        Ok(())
    }

    /// The active price of a lookup key: there is one at most.
    pub async fn find_price(&self, lookup_key: &str) -> Result<Option<Value>> {
        let mut url = self.url("prices")?;
        url.query_pairs_mut()
            .append_pair("lookup_keys[0]", lookup_key)
            .append_pair("active", "true")
            .append_pair("limit", "1");
        match self.send(|| self.client.get(url.clone())).await? {
            (StatusCode::OK, mut list) => Ok(list["data"].get_mut(0).map(Value::take)),
            (status, body) => refused(status, &body),
        }
    }

    /// Its id. It takes the lookup key from the price `before`.
    pub async fn create_price(
        &self,
        plan: &Plan,
        product: &str,
        interval: Interval,
        amount: i32,
        before: Option<&str>,
    ) -> Result<String> {
        let lookup_key = plan.lookup_key(interval);
        let (amount, currency) = (amount.to_string(), plan.currency.to_lowercase());
        let form = [
            ("product", product),
            ("currency", &currency),
            ("unit_amount", &amount),
            ("recurring[interval]", interval.name()),
            ("lookup_key", &lookup_key),
            ("transfer_lookup_key", "true"),
            ("metadata[aias_plan]", &plan.key),
        ];
        // Two who run this at once make one price.
        let key = format!(
            "price-{lookup_key}-{amount}-{currency}-{product}-{}",
            before.unwrap_or("first")
        );
        let price = self.post("prices", &form, &key).await?;
        let id = price["id"].as_str().context("a price without an id")?;
        Ok(id.to_owned())
    }

    async fn post(&self, path: &str, form: &[(&str, &str)], key: &str) -> Result<Value> {
        let url = self.url(path)?;
        let mut encoded = url.clone();
        encoded.query_pairs_mut().extend_pairs(form);
        let body = encoded.query().unwrap_or_default().to_owned();
        let sent = self.send(|| {
            self.client
                .post(url.clone())
                .header("Idempotency-Key", key)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(body.clone())
        });
        match sent.await? {
            (StatusCode::OK, object) => Ok(object),
            (status, body) => refused(status, &body),
        }
    }

    fn url(&self, path: &str) -> Result<Url> {
        Ok(self.base.join(&format!("v1/{path}"))?)
    }

    /// Again where that is safe and may help: <https://docs.stripe.com/error-low-level>.
    async fn send(&self, request: impl Fn() -> RequestBuilder) -> Result<(StatusCode, Value)> {
        let mut pause = Duration::from_millis(500);
        for tries in 1.. {
            let sent = request()
                .bearer_auth(&self.key)
                .header("Stripe-Version", VERSION)
                .send()
                .await;
            let mut wait = pause;
            match sent {
                Ok(response) => {
                    let status = response.status();
                    let passes = status == StatusCode::TOO_MANY_REQUESTS
                        || status == StatusCode::CONFLICT
                        || status.is_server_error();
                    if let Some(seconds) = response.headers().get(header::RETRY_AFTER) {
                        let seconds = seconds.to_str().ok().and_then(|text| text.parse().ok());
                        wait = seconds
                            .map_or(pause, Duration::from_secs)
                            .min(LONGEST_PAUSE);
                    }
                    if !passes || tries == TRIES {
                        let body = response.json().await.map_err(reqwest::Error::without_url)?;
                        return Ok((status, body));
                    }
                }
                Err(error) if tries == TRIES => {
                    return Err(error.without_url()).context("Stripe cannot be reached");
                }
                Err(_) => {}
            }
            sleep(wait).await;
            pause *= 2;
        }
        unreachable!("the last try returns")
    }
}

fn refused<T>(status: StatusCode, body: &Value) -> Result<T> {
    let error = &body["error"];
    bail!(
        "Stripe answered {status}: {}",
        error["message"].as_str().unwrap_or("without a message")
    )
}
