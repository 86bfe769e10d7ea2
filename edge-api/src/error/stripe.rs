//! How it is told that Stripe has not done something.

use std::time::Duration;

use axum::http::StatusCode;

use super::{ApiError, ErrorBody};
use crate::stripe::StripeError;

/// Where Stripe does not say when to come back.
const COME_BACK: Duration = Duration::from_secs(5);

pub(super) fn status(error: &StripeError) -> StatusCode {
    match error {
        StripeError::Unreachable(_) | StripeError::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
        StripeError::PaymentFailed(_) => StatusCode::PAYMENT_REQUIRED,
        StripeError::Refused { .. } | StripeError::Unreadable(_) => StatusCode::BAD_GATEWAY,
    }
}

pub(super) fn body(error: &StripeError) -> ErrorBody {
    match error {
        // That Stripe has had too much of us is nothing that the caller has done, so it is no 429 here.
        StripeError::Unreachable(_) | StripeError::Busy { .. } => {
            ErrorBody::new("stripe_unavailable", "Stripe cannot do this at the moment")
                .hint("try again after the time in Retry-After; nothing happens twice")
        }
        StripeError::PaymentFailed(failed) => {
            // Of a card's error Stripe's sentence is meant for the payer: https://docs.stripe.com/api/errors#errors-message
            let is_for_the_payer = failed.kind == "card_error";
            let message = failed.message.clone().filter(|_| is_for_the_payer);
            let body = ErrorBody::new(
                "payment_failed",
                message.unwrap_or_else(|| "the payment failed, and nothing was changed".to_owned()),
            )
            .hint("set another way to pay in the customer portal, and try again: POST /v1/billing/portal");
            match failed.decline_code.as_ref().or(failed.code.as_ref()) {
                Some(code) => body.details(code),
                None => body,
            }
        }
        StripeError::Refused { .. } | StripeError::Unreadable(_) => {
            let body = ErrorBody::new("stripe_refused", "Stripe does not do this")
                .hint("ask the operator to look at the log");
            match error.code() {
                Some(code) => body.details(code),
                None => body,
            }
        }
    }
}

pub(super) fn retry_after(error: &StripeError) -> Option<Duration> {
    match error {
        StripeError::Unreachable(_) => Some(COME_BACK),
        StripeError::Busy { retry_after, .. } => {
            Some(retry_after.unwrap_or(COME_BACK).max(Duration::from_secs(1)))
        }
        _ => None,
    }
}

/// What the caller can do nothing about is told to whoever can.
pub(super) fn record(error: &StripeError) {
    match error {
        StripeError::PaymentFailed(_) => {}
        StripeError::Unreachable(cause) => {
            tracing::warn!(error = format!("{cause:#}"), "Stripe cannot be reached");
        }
        StripeError::Busy { .. } => tracing::warn!(%error, "Stripe could not do something"),
        StripeError::Refused { .. } | StripeError::Unreadable(_) => {
            tracing::error!(%error, "Stripe refused something");
        }
    }
}

impl From<StripeError> for ApiError {
    fn from(error: StripeError) -> Self {
        Self::Stripe(Box::new(error))
    }
}
