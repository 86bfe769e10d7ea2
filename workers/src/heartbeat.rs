//! Keeps the leases of everything that is held, in one call.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use crate::held::Held;
use crate::queue::{Claim, Queue};

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
        // Most executions are over before their lease wants to be renewed.
        let asked = self.held.claims_older_than(age);
        let now = Instant::now();
        self.renew(&asked).await?;
        *renewed_at = now;
        Ok(())
    }

    /// Something came for an execution that may be ours: asks what.
    pub async fn look(&self, execution: Uuid) {
        let claims = self.held.claims_on(execution);
        // The next beat asks too.
        let _ = self.renew(&claims).await;
    }

    async fn renew(&self, asked: &[Claim]) -> Result<(), sqlx::Error> {
        if asked.is_empty() {
            return Ok(());
        }
        let renewed = self
            .queue
            .renew(asked, self.lease)
            .await
            .inspect_err(|error| {
                tracing::warn!(%error, held = asked.len(), "cannot renew leases");
            })?;
        let lost = self.held.renewed(asked, &renewed);
        if lost > 0 {
            // Some of them have just ended: their records and this call were on their way together.
            tracing::debug!(lost, "claims that are no longer good");
        }
        Ok(())
    }
}
