//! Takes jobs that were offered by their names, beside the claims.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::execution::Drain;
use crate::places::Places;
use crate::queue::{ExecutionKey, Queue};
use crate::stop::is_stopped_while;
use crate::wake::Wake;

/// Jobs in one take.
const MOST: usize = 32;
/// Offers that wait to be taken. What is more is claimed.
pub const OFFERS: usize = 256;

/// The loop that takes.
pub struct Takes {
    pub queue: Queue,
    pub places: Places,
    pub lease: Duration,
}

impl Takes {
    /// Takes what is offered, until the worker is told to stop. What it does not take is looked for by a claim.
    pub async fn run(
        &self,
        mut offers: mpsc::Receiver<ExecutionKey>,
        claims: &Wake,
        mut drain: watch::Receiver<Drain>,
    ) {
        let mut offered = Vec::new();
        loop {
            let some = async {
                offers.recv_many(&mut offered, MOST).await;
            };
            if is_stopped_while(&mut drain, some).await || offered.is_empty() {
                return;
            }
            if !self.take(&mut offered).await {
                claims.now();
            }
        }
    }

    /// Whether all of it was taken, here.
    async fn take(&self, offered: &mut Vec<ExecutionKey>) -> bool {
        let count = offered.len();
        let mut permits = Vec::new();
        offered.retain(|key| {
            let permit = self.places.for_offer(key.tenant_id);
            let is_some = permit.is_some();
            permits.extend(permit);
            is_some
        });
        if offered.is_empty() {
            return false;
        }
        let taken = self.queue.take(offered, self.lease).await;
        offered.clear();
        match taken {
            Ok(jobs) => {
                let taken = jobs.len();
                metrics::counter!("aias_worker_taken_total").increment(taken as u64);
                for (job, permit) in jobs.into_iter().zip(permits) {
                    self.places.begin_offered(job, permit);
                }
                taken == count
            }
            // Claims wait for the database, and say that they do.
            Err(error) => {
                tracing::debug!(%error, "cannot take");
                false
            }
        }
    }
}
