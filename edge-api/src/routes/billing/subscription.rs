//! A subscription in Stripe, and what it can be told: <https://docs.stripe.com/api/subscriptions>.
//!
//! Each of these sets something to what is wanted, whatever it was, so that two who tell the same have it done once.
//!
//! **What waits for the period's end waits in Stripe**, as a subscription schedule, and not here. Stripe makes the invoice of the next period in
//! the second in which that begins. We would hear of it by an event, and that may be late by days; the tenant would have paid the dearer plan
//! again by then. Also a worker that is away for an hour would make that invoice wrong. A schedule is applied by whom that invoice is made by.

use std::collections::HashMap;

use serde::Deserialize;

use super::interval::Interval;
use crate::error::ApiError;
use crate::stripe::{Form, IdempotencyKey, StripeApi, StripeError};

/// Plans by their prices, also by those that are sold no more.
pub type Prices = HashMap<String, PlanOfPrice>;

#[derive(Debug, Deserialize)]
pub struct PlanOfPrice {
    pub plan: String,
    /// What the plan costs by the month, in minor units: the dearer plan is the greater one.
    pub monthly: i64,
    pub is_per_seat: bool,
}

#[derive(Debug, Deserialize)]
pub struct Subscription {
    pub id: String,
    pub status: String,
    pub cancel_at_period_end: bool,
    items: List<Item>,
    schedule: Option<Schedule>,
}

#[derive(Debug, Deserialize)]
struct List<T> {
    data: Vec<T>,
}

#[derive(Debug, Deserialize)]
pub struct Item {
    id: String,
    pub price: Price,
    /// None of what is metered.
    quantity: Option<u64>,
    /// On the items since 2025-03-31.basil.
    pub current_period_end: i64,
}

#[derive(Debug, Deserialize)]
pub struct Price {
    pub id: String,
    recurring: Option<Recurring>,
}

#[derive(Debug, Deserialize)]
struct Recurring {
    interval: String,
}

#[derive(Debug, Deserialize)]
struct Schedule {
    id: String,
    current_phase: Option<CurrentPhase>,
    phases: Vec<Phase>,
}

#[derive(Debug, Deserialize)]
struct CurrentPhase {
    start_date: i64,
}

#[derive(Debug, Deserialize)]
struct Phase {
    start_date: i64,
    items: Vec<PhaseItem>,
    #[serde(default)]
    discounts: Vec<PhaseDiscount>,
}

#[derive(Debug, Deserialize)]
pub struct PhaseItem {
    pub price: String,
    pub quantity: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct PhaseDiscount {
    discount: Option<String>,
    coupon: Option<String>,
}

impl Item {
    pub fn interval(&self) -> Interval {
        let recurring = self.price.recurring.as_ref();
        match recurring.is_some_and(|recurring| recurring.interval == "year") {
            true => Interval::Year,
            false => Interval::Month,
        }
    }

    pub fn seats(&self) -> u64 {
        self.quantity.unwrap_or(1)
    }
}

/// When something is paid that is changed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settling {
    /// Now, and without a payment nothing is changed.
    Now,
    /// With the next invoice.
    Later,
    /// Nothing was paid yet, in a trial.
    Never,
}

impl Subscription {
    pub async fn find(api: &StripeApi, id: &str) -> Result<Self, ApiError> {
        let query = Form::new().with("expand[]", "schedule");
        let found = api.get(&format!("subscriptions/{id}"), &query).await?;
        let read = serde_json::from_value(found)
            .map_err(|error| StripeError::Unreadable(format!("a subscription: {error}")));
        Ok(read?)
    }

    /// The item that is a plan. Others are beside it: what is metered.
    pub fn plan_item(&self, prices: &Prices) -> Option<&Item> {
        let mut items = self.items.data.iter();
        items.find(|item| prices.contains_key(&item.price.id))
    }

    pub fn is_trialing(&self) -> bool {
        self.status == "trialing"
    }

    /// What it has once the present phase of its schedule ends, where that is to be something else.
    pub fn next_items(&self) -> Option<&[PhaseItem]> {
        let schedule = self.schedule.as_ref()?;
        let now = schedule.current_phase.as_ref()?.start_date;
        let next = schedule
            .phases
            .iter()
            .find(|phase| phase.start_date > now)?;
        Some(&next.items)
    }

    /// Changes price and seats at once.
    pub async fn set_item(
        &self,
        api: &StripeApi,
        item: &Item,
        price: &str,
        seats: u64,
        settling: Settling,
    ) -> Result<(), ApiError> {
        // What a change costs: https://docs.stripe.com/billing/subscriptions/prorations
        let form = Form::new()
            .with("items[0][id]", &item.id)
            .with("items[0][price]", price)
            .with("items[0][quantity]", seats);
        let form = match settling {
            // 402, and the subscription as it was, when it cannot be paid:
            // https://docs.stripe.com/api/subscriptions/update#update_subscription-payment_behavior
            Settling::Now => form
                .with("proration_behavior", "always_invoice")
                .with("payment_behavior", "error_if_incomplete"),
            Settling::Later => form.with("proration_behavior", "create_prorations"),
            Settling::Never => form.with("proration_behavior", "none"),
        };
        self.update(api, &form).await
    }

    pub async fn set_cancellation(&self, api: &StripeApi, is_to_end: bool) -> Result<(), ApiError> {
        self.update(api, &Form::new().with("cancel_at_period_end", is_to_end))
            .await
    }

    async fn update(&self, api: &StripeApi, form: &Form) -> Result<(), ApiError> {
        let path = format!("subscriptions/{}", self.id);
        api.post(&path, form, &IdempotencyKey::fresh()).await?;
        Ok(())
    }

    /// Changes price and seats when the period ends: <https://docs.stripe.com/billing/subscriptions/subscription-schedules>.
    pub async fn schedule_item(
        &self,
        api: &StripeApi,
        item: &Item,
        price: &str,
        seats: u64,
    ) -> Result<(), ApiError> {
        let made;
        let schedule = match &self.schedule {
            Some(schedule) => schedule,
            None => {
                made = self.begin_schedule(api).await?;
                &made
            }
        };
        let now = schedule.current_phase.as_ref();
        let start = now.map_or(item.current_period_end, |now| now.start_date);
        let present = schedule
            .phases
            .iter()
            .find(|phase| phase.start_date == start);
        let mut form = Form::new()
            .with("end_behavior", "release")
            .with("phases[0][start_date]", start)
            .with("phases[0][end_date]", item.current_period_end)
            .with("phases[1][iterations]", 1)
            .with("phases[1][proration_behavior]", "none");
        for (number, each) in self.items.data.iter().enumerate() {
            let (next_price, next_quantity) = match each.id == item.id {
                true => (price, Some(seats)),
                false => (&*each.price.id, each.quantity),
            };
            form = form
                .with(format!("phases[0][items][{number}][price]"), &each.price.id)
                .with_some(
                    format!("phases[0][items][{number}][quantity]"),
                    each.quantity,
                )
                .with(format!("phases[1][items][{number}][price]"), next_price)
                .with_some(
                    format!("phases[1][items][{number}][quantity]"),
                    next_quantity,
                );
        }
        // A phase without any would have the customer's own, and a promotion code would be lost.
        for (number, discount) in present
            .iter()
            .flat_map(|phase| &phase.discounts)
            .enumerate()
        {
            let (kind, id) = match (&discount.discount, &discount.coupon) {
                (Some(id), _) => ("discount", id),
                (None, Some(id)) => ("coupon", id),
                (None, None) => continue,
            };
            for phase in 0..2 {
                form = form.with(format!("phases[{phase}][discounts][{number}][{kind}]"), id);
            }
        }
        let path = format!("subscription_schedules/{}", schedule.id);
        api.post(&path, &form, &IdempotencyKey::fresh()).await?;
        Ok(())
    }

    async fn begin_schedule(&self, api: &StripeApi) -> Result<Schedule, ApiError> {
        let form = Form::new().with("from_subscription", &self.id);
        let begun = api
            .post("subscription_schedules", &form, &IdempotencyKey::fresh())
            .await;
        match begun {
            Ok(begun) => {
                let read = serde_json::from_value(begun).map_err(|error| {
                    StripeError::Unreadable(format!("a subscription schedule: {error}"))
                });
                Ok(read?)
            }
            // Somebody was faster: a subscription has one at most.
            Err(refused @ StripeError::Refused { .. }) => {
                let now = Self::find(api, &self.id).await?;
                now.schedule.ok_or_else(|| refused.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Lets go of what waits for the period's end. While a subscription has a schedule, it is for the schedule to say when it ends.
    pub async fn release_schedule(&self, api: &StripeApi) -> Result<(), ApiError> {
        let Some(schedule) = &self.schedule else {
            return Ok(());
        };
        let path = format!("subscription_schedules/{}/release", schedule.id);
        let released = api
            .post(&path, &Form::new(), &IdempotencyKey::fresh())
            .await;
        match released {
            Ok(_) => Ok(()),
            // Somebody was faster, or its last phase is over.
            Err(refused @ StripeError::Refused { .. }) => {
                match Self::find(api, &self.id).await?.schedule {
                    Some(_) => Err(refused.into()),
                    None => Ok(()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }
}
