//! What becomes of a request to Stripe when it is not done: <https://docs.stripe.com/api/errors>.

use std::time::Duration;

use axum::http::StatusCode;
use serde::Deserialize;

/// Not done, or not known to be.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// No answer: whether it was done is not known, and the same request with the same key finds out.
    #[error("Stripe cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// Stripe answers, and cannot do it now: 409, 429 or 5xx, after all tries.
    #[error("Stripe cannot do this at the moment ({status}, {error})")]
    Busy {
        status: StatusCode,
        retry_after: Option<Duration>,
        error: Box<ErrorObject>,
    },
    /// 402: a payment was declined, or its payer has to confirm it.
    #[error("a payment failed ({0})")]
    PaymentFailed(Box<ErrorObject>),
    /// Stripe does not do this: a parameter is wrong, the object is gone or in another state, or the key may not.
    #[error("Stripe refused ({status}, {error})")]
    Refused {
        status: StatusCode,
        error: Box<ErrorObject>,
    },
    /// What came is no answer of Stripe.
    #[error("what came is no answer of Stripe ({0})")]
    Unreadable(String),
}

impl StripeError {
    /// Stripe's own code, where it gave one: <https://docs.stripe.com/error-codes>.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Busy { error, .. } | Self::PaymentFailed(error) | Self::Refused { error, .. } => {
                error.code.as_deref()
            }
            _ => None,
        }
    }

    /// Whether Stripe says that there is no such object, or none of this key's mode.
    pub fn is_missing(&self) -> bool {
        self.code() == Some("resource_missing")
    }
}

/// The object `error` of an answer. `message` is left out where it is shown: it may repeat what was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ErrorObject {
    #[serde(rename = "type", default)]
    pub kind: String,
    pub code: Option<String>,
    pub decline_code: Option<String>,
    pub param: Option<String>,
    /// For people; of a `card_error` it is meant for the payer.
    pub message: Option<String>,
}

impl std::fmt::Display for ErrorObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self.code.as_deref().unwrap_or("without a code");
        write!(f, "{} {code}", self.kind)?;
        match &self.param {
            Some(param) => write!(f, " at {param}"),
            None => Ok(()),
        }
    }
}
