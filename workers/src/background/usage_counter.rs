//! Counts what tenants with subscriptions have used, by the hour.

use std::time::Duration;

use super::{Chore, Turn};
use crate::queue::Queue;

/// Tenants in one transaction.
const MOST: u32 = 50;

pub struct UsageCounter {
    pub queue: Queue,
}

impl Chore for UsageCounter {
    const NAME: &'static str = "count_usage";
    const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

    async fn turn(&self) -> anyhow::Result<Turn> {
        let counted = self.queue.count_usage(MOST).await?;
        Ok(Turn::more_if(counted >= MOST))
    }
}
