//! What this service has Stripe do: <https://docs.stripe.com/api>.
//!
//! A request is tried again where it can do no harm and may help (<https://docs.stripe.com/error-low-level>): after a failure of the network,
//! after 409 (somebody works on the same object or with the same key), 429 and 5xx, unless the header `Stripe-Should-Retry` knows better, as
//! Stripe's own clients do it. Each POST has an idempotency key, so what was done already is answered again and not done again.

use std::time::Duration;

use anyhow::Context;
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::sleep;
use uuid::Uuid;

use super::failure::{ErrorObject, StripeError};
use super::form::Form;

/// Whatever the account's own version is, this is the one in which we are answered: <https://docs.stripe.com/api/versioning>.
const VERSION: &str = "2025-03-31.basil";
const TRIES: u32 = 4;
/// For one try. All of them have to fit into the time of a request to us.
const PATIENCE: Duration = Duration::from_secs(8);
const CONNECT: Duration = Duration::from_secs(3);
/// Before the second try; twice that before the third.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Somebody waits for the answer: a longer pause than this is theirs to make.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Where Stripe is, and the key to it.
#[derive(Clone)]
pub struct StripeSettings {
    /// Secret or restricted. Nothing prints it.
    pub key: SecretString,
    /// Stripe's own, or what stands in for it.
    pub base: Url,
}

/// What makes two requests one: Stripe answers the second with the first's answer, for a day at least
/// (<https://docs.stripe.com/api/idempotent_requests>).
#[derive(Clone, Debug)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// For what is one thing whoever asks and however often. The parameters have to be the same as well, or Stripe refuses.
    pub fn of(what: impl Into<String>) -> Self {
        Self(what.into())
    }

    /// The same, of words that are longer than Stripe takes: 255 characters.
    pub fn digest(what: &str) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, what.as_bytes());
        Self(URL_SAFE_NO_PAD.encode(digest))
    }

    /// For what may be done each time that somebody asks: the tries of one request are one.
    pub fn fresh() -> Self {
        Self(Uuid::now_v7().to_string())
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub struct StripeApi {
    client: Client,
    settings: StripeSettings,
}

impl StripeApi {
    /// # Errors
    /// When there is no TLS.
    pub fn new(settings: StripeSettings) -> anyhow::Result<Self> {
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            // The key is for this server alone.
            .redirect(Policy::none())
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { client, settings })
    }

    /// Asks for an object or a list. `path` begins after `/v1/`.
    pub async fn get(&self, path: &str, query: &Form) -> Result<Value, StripeError> {
        let mut url = self.url(path)?;
        query.add_to(&mut url);
        self.send(|| self.client.get(url.clone())).await
    }

    /// Has something made or changed. `path` begins after `/v1/`.
    pub async fn post(
        &self,
        path: &str,
        form: &Form,
        key: &IdempotencyKey,
    ) -> Result<Value, StripeError> {
        let url = self.url(path)?;
        let body = form.encoded(&url);
        self.send(|| {
            self.client
                .post(url.clone())
                .header("Idempotency-Key", &key.0)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(body.clone())
        })
        .await
    }

    /// Ids come from outside, too: one that is none must not lead to another address.
    fn url(&self, path: &str) -> Result<Url, StripeError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let is_path = path
            .split('/')
            .all(|part| !part.is_empty() && part.bytes().all(is_plain));
        let url = is_path.then(|| self.settings.base.join(&format!("v1/{path}")).ok());
        url.flatten()
            .ok_or_else(|| StripeError::Unreadable(format!("\"{path}\" is no path of Stripe's")))
    }

    async fn send(&self, request: impl Fn() -> RequestBuilder) -> Result<Value, StripeError> {
        let mut pause = FIRST_PAUSE;
        let mut tries = 0;
        loop {
            tries += 1;
            let answered = request()
                .bearer_auth(self.settings.key.expose_secret())
                .header("Stripe-Version", VERSION)
                .send()
                .await;
            let (failed, may_be_repeated, wait) = match answered {
                Ok(response) => {
                    let wait = retry_after(response.headers());
                    let may = may_be_repeated(response.status(), response.headers());
                    match read(response).await {
                        Ok(object) => return Ok(object),
                        Err(error) => (error, may, wait),
                    }
                }
                // The address has nothing secret, and is in the log of what was asked anyway.
                Err(error) => (StripeError::Unreachable(error), true, None),
            };
            let wait = wait.unwrap_or_default();
            if !may_be_repeated || tries == TRIES || wait > LONGEST_PAUSE {
                return Err(failed);
            }
            // Those who were refused together must not come back together.
            let scattered = pause.mul_f64(rand::rng().random_range(0.5..1.0));
            sleep(scattered.max(wait)).await;
            pause *= 2;
        }
    }
}

/// <https://docs.stripe.com/error-low-level>. An answer that is a replay of the first one would be the same again; then the header says `false`.
fn may_be_repeated(status: StatusCode, headers: &HeaderMap) -> bool {
    let advice = headers
        .get("stripe-should-retry")
        .map(|value| value.as_bytes());
    match advice {
        Some(b"true") => true,
        Some(b"false") => false,
        _ => {
            matches!(status, StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS)
                || status.is_server_error()
        }
    }
}

/// Stripe says it in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    Some(Duration::from_secs(seconds.trim().parse().ok()?))
}

#[derive(Deserialize)]
struct Failed {
    #[serde(default)]
    error: ErrorObject,
}

async fn read(response: Response) -> Result<Value, StripeError> {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let body = response.bytes().await.map_err(StripeError::Unreachable)?;
    if status.is_success() {
        return serde_json::from_slice(&body)
            .map_err(|error| StripeError::Unreadable(error.to_string()));
    }
    let failed: Option<Failed> = serde_json::from_slice(&body).ok();
    let error = failed.map(|failed| Box::new(failed.error));
    Err(match status {
        StatusCode::PAYMENT_REQUIRED => StripeError::PaymentFailed(error.unwrap_or_default()),
        StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => StripeError::Busy {
            status,
            retry_after,
            error: error.unwrap_or_default(),
        },
        _ if status.is_server_error() => StripeError::Busy {
            status,
            retry_after,
            error: error.unwrap_or_default(),
        },
        _ => match error {
            Some(error) => StripeError::Refused { status, error },
            None => StripeError::Unreadable(status.to_string()),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api() -> StripeApi {
        let settings = StripeSettings {
            key: "sk_test_hush".into(),
            base: Url::parse("https://api.stripe.com").unwrap(),
        };
        StripeApi::new(settings).unwrap()
    }

    #[test]
    fn what_is_no_path_leads_nowhere() {
        let url = |path| api().url(path).map(String::from).ok();
        assert_eq!(
            url("subscriptions/sub_1").as_deref(),
            Some("https://api.stripe.com/v1/subscriptions/sub_1")
        );
        for path in ["", "a//b", "subscriptions/../charges", "a?b", "/a", "a/"] {
            assert_eq!(url(path), None, "{path}");
        }
    }

    #[test]
    fn what_is_tried_again_is_for_stripe_to_say() {
        let repeated = |status, advice: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(advice) = advice {
                headers.insert("stripe-should-retry", advice.parse().unwrap());
            }
            may_be_repeated(StatusCode::from_u16(status).unwrap(), &headers)
        };
        for status in [409, 429, 500, 503] {
            assert!(repeated(status, None), "{status}");
            assert!(!repeated(status, Some("false")), "{status}");
        }
        for status in [400, 401, 402, 403, 404] {
            assert!(!repeated(status, None), "{status}");
            assert!(repeated(status, Some("true")), "{status}");
        }
    }

    #[test]
    fn parameters_are_written_with_brackets() {
        let form = Form::new()
            .with("line_items[0][price]", "price_1")
            .with_some("quantity", None::<u32>)
            .with("success_url", "https://a.test/?x=1&y=ä");
        assert_eq!(
            form.encoded(&Url::parse("https://api.stripe.com/v1/x").unwrap()),
            "line_items%5B0%5D%5Bprice%5D=price_1&success_url=https%3A%2F%2Fa.test%2F%3Fx%3D1%26y%3D%C3%A4"
        );
    }
}
