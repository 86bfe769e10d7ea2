//! Does what only time does to billing: ends graces, tells of trials that end, forgets events; and says what stands in the inbox.

use std::time::Duration;

use super::{Chore, Turn};
use crate::queue::Queue;

/// Of each in one turn, so that none takes long.
const MOST: u32 = 500;

/// Looks about once a minute, and goes on as long as there is something.
pub struct BillingSweeper {
    pub queue: Queue,
}

impl Chore for BillingSweeper {
    const NAME: &'static str = "sweep_billing";
    const REST: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(60));

    async fn turn(&self) -> anyhow::Result<Turn> {
        let swept = self.queue.sweep_billing(MOST).await?;
        let inbox = self.queue.stripe_inbox().await?;
        metrics::gauge!("aias_worker_stripe_inbox", "state" => "received")
            .set(inbox.received as f64);
        metrics::gauge!("aias_worker_stripe_inbox", "state" => "dead").set(inbox.dead as f64);
        metrics::gauge!("aias_worker_stripe_inbox_oldest_seconds").set(inbox.oldest_seconds);
        Ok(Turn::more_if(swept >= MOST))
    }
}
