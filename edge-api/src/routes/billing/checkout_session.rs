//! A page on which a plan can be paid, and what has become of it: <https://docs.stripe.com/api/checkout/sessions>.

use serde_json::Value;

use super::create_checkout::{Begun, Checkout};
use super::customer::id;
use crate::error::ApiError;
use crate::stripe::{Form, IdempotencyKey, StripeApi, StripeError};
use crate::whose::Whose;

pub struct CheckoutSession {
    pub id: String,
    pub state: State,
}

pub enum State {
    /// It can be paid, at this address.
    Open(String),
    /// It was paid, or the payment is on its way; and what it began has not ended.
    Paid,
    /// Nothing can come of it any more.
    Over,
}

impl CheckoutSession {
    /// The session of this generation, made once however often it is asked for.
    pub async fn create(
        whose: &Whose,
        api: &StripeApi,
        wanted: &Checkout,
        begun: &Begun,
    ) -> Result<Self, ApiError> {
        let tenant = whose.tenant_id;
        let form = Form::new()
            .with("mode", "subscription")
            .with("customer", &begun.customer)
            .with("client_reference_id", tenant)
            .with("line_items[0][price]", &begun.price)
            .with("line_items[0][quantity]", begun.seats)
            .with("subscription_data[metadata][tenant_id]", tenant)
            .with_some("subscription_data[trial_period_days]", begun.trial_days)
            .with("allow_promotion_codes", wanted.allow_promotion_codes)
            .with("success_url", &wanted.success_url)
            .with("cancel_url", &wanted.cancel_url);
        let key = IdempotencyKey::of(format!("checkout-{tenant}-{}", begun.generation));
        Self::make(api, &form, &key).await
    }

    /// Made once of this key.
    pub async fn make(
        api: &StripeApi,
        form: &Form,
        key: &IdempotencyKey,
    ) -> Result<Self, ApiError> {
        let made = api.post("checkout/sessions", form, key).await?;
        Ok(Self::read(api, &made).await?)
    }

    /// How it is now.
    pub async fn find(api: &StripeApi, session: &str) -> Result<Self, ApiError> {
        let found = api
            .get(&format!("checkout/sessions/{session}"), &Form::new())
            .await;
        match found {
            Ok(found) => Ok(Self::read(api, &found).await?),
            Err(error) if error.is_missing() => Ok(Self {
                id: session.to_owned(),
                state: State::Over,
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// Sees to it that it cannot be paid any more. One that was paid stays so.
    pub async fn close(api: &StripeApi, session: &str) -> Result<State, ApiError> {
        let path = format!("checkout/sessions/{session}/expire");
        let closed = api
            .post(&path, &Form::new(), &IdempotencyKey::fresh())
            .await;
        match closed {
            Ok(_) => Ok(State::Over),
            // Only an open one can be: https://docs.stripe.com/api/checkout/sessions/expire
            Err(refused @ StripeError::Refused { .. }) => {
                match Self::find(api, session).await?.state {
                    State::Open(_) => Err(refused.into()),
                    state => Ok(state),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn read(api: &StripeApi, session: &Value) -> Result<Self, StripeError> {
        let state = match (session["status"].as_str(), session["url"].as_str()) {
            (Some("open"), Some(url)) => State::Open(url.to_owned()),
            (Some("expired"), _) => State::Over,
            (Some("complete"), _) => after(api, session).await?,
            _ => {
                return Err(StripeError::Unreadable(
                    "a checkout session of no status that is known".to_owned(),
                ));
            }
        };
        Ok(Self {
            id: id(session)?,
            state,
        })
    }
}

/// What has become of a session on which somebody has said that they pay. Stripe is asked and not the mirror: the event of a payment a second
/// ago may be on its way.
async fn after(api: &StripeApi, session: &Value) -> Result<State, StripeError> {
    let is_unpaid = session["payment_status"] == "unpaid";
    let (path, ends) = match (
        session["subscription"].as_str(),
        session["payment_intent"].as_str(),
    ) {
        (Some(subscription), _) => (
            format!("subscriptions/{subscription}"),
            &["canceled", "incomplete_expired"],
        ),
        // Some methods take days, and then fail; the session stays complete, and wants another one in its place:
        // https://docs.stripe.com/payments/payment-methods#payment-notification
        (None, Some(intent)) if is_unpaid => (
            format!("payment_intents/{intent}"),
            &["canceled", "requires_payment_method"],
        ),
        _ => return Ok(State::Paid),
    };
    match api.get(&path, &Form::new()).await {
        Ok(found) => Ok(match found["status"].as_str() {
            Some(status) if ends.contains(&status) => State::Over,
            _ => State::Paid,
        }),
        Err(error) if error.is_missing() => Ok(State::Over),
        Err(error) => Err(error),
    }
}
