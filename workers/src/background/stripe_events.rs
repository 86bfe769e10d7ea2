//! Applies what Stripe tells. Any number of workers may try; the database lets one at a time.

use std::time::Duration;

use super::{Chore, Turn};
use crate::queue::Queue;

/// Events in one transaction: enough to share what a commit costs, and few enough to be through in a fraction of a second.
const MOST: u32 = 200;

pub struct StripeEvents {
    pub queue: Queue,
    /// Whether Stripe is asked how the objects are that an event tells of.
    pub with_fetching: bool,
}

impl Chore for StripeEvents {
    const NAME: &'static str = "apply_stripe_events";
    const REST: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

    async fn turn(&self) -> anyhow::Result<Turn> {
        let applied = self
            .queue
            .apply_stripe_events(MOST, self.with_fetching)
            .await?;
        metrics::counter!("aias_worker_stripe_events_total").increment(u64::from(applied));
        Ok(Turn::more_if(applied > 0))
    }
}
