use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::interval::Interval;
use super::subscription::{Item, Prices, Subscription};

/// A subscription as Stripe has it now. The table `subscriptions` says the same a moment later.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ChangedSubscription)]
pub struct SubscriptionRow {
    #[schema(example = "sub_1MowQVLkdIwHu7ixeRlqHVzs")]
    pub id: String,
    #[schema(example = "active")]
    pub status: String,
    /// Null when its price is no plan's.
    #[schema(required)]
    pub plan: Option<String>,
    pub interval: Interval,
    pub seats: u64,
    /// Until then it is paid; what waits happens then.
    pub current_period_end: DateTime<Utc>,
    /// It ends then.
    pub cancel_at_period_end: bool,
    /// The plan that it has from then on; null when nothing waits.
    #[schema(required)]
    pub next_plan: Option<String>,
    #[schema(required)]
    pub next_seats: Option<u64>,
}

impl SubscriptionRow {
    pub fn new(subscription: &Subscription, item: &Item, prices: &Prices) -> Self {
        let plan = |price: &str| prices.get(price).map(|price| price.plan.clone());
        let next = subscription.next_items();
        let next =
            next.and_then(|items| items.iter().find(|item| prices.contains_key(&item.price)));
        Self {
            id: subscription.id.clone(),
            status: subscription.status.clone(),
            plan: plan(&item.price.id),
            interval: item.interval(),
            seats: item.seats(),
            current_period_end: DateTime::from_timestamp(item.current_period_end, 0)
                .unwrap_or_default(),
            cancel_at_period_end: subscription.cancel_at_period_end,
            next_plan: next.and_then(|item| plan(&item.price)),
            next_seats: next.map(|item| item.quantity.unwrap_or(1)),
        }
    }
}
