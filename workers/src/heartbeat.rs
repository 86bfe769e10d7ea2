//! Keeps the leases of everything that is held, in one call.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::held::Held;
use crate::queue::Queue;

/// Renews leases, and knows how fresh they are.
pub struct Heartbeat {
    queue: Queue,
    held: Held,
    lease: Duration,
    renewed_at: Mutex<Instant>,
}

impl Heartbeat {
    pub fn new(queue: Queue, held: Held, lease: Duration) -> Self {
        Self {
            queue,
            held,
            lease,
            renewed_at: Mutex::new(Instant::now()),
        }
    }

    /// Renews three times a lease, for as long as it is polled.
    pub async fn beat(&self) {
        let mut ticks = tokio::time::interval(self.lease / 3);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // What went wrong is logged; the next beat tries again.
            let _ = self.renew_if_older_than(self.lease / 6).await;
        }
    }

    /// Makes sure that the leases are good before anything is claimed: a worker that was cut off must not take its own executions from itself.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn refresh(&self) -> Result<(), sqlx::Error> {
        self.renew_if_older_than(self.lease / 2).await
    }

    async fn renew_if_older_than(&self, age: Duration) -> Result<(), sqlx::Error> {
        let mut renewed_at = self.renewed_at.lock().await;
        if renewed_at.elapsed() < age {
            return Ok(());
        }
        let asked = self.held.claims();
        let now = Instant::now();
        if !asked.is_empty() {
            let renewed = self
                .queue
                .renew(&asked, self.lease)
                .await
                .inspect_err(|error| {
                    tracing::warn!(%error, held = asked.len(), "cannot renew leases");
                })?;
            let lost = self.held.renewed(&asked, &renewed);
            if lost > 0 {
                tracing::warn!(lost, "executions belong to another worker now");
            }
        }
        *renewed_at = now;
        Ok(())
    }
}
