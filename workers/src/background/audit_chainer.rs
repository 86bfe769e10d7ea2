//! Chains the audit log, so that those who write to it need not wait for each other.

use std::time::Duration;

use super::{Chore, Turn};
use crate::queue::Queue;

/// Entries in one turn.
const MOST: u32 = 2_000;

/// Gathers what happened and chains it, about twice a second. Any number of workers may try; the database lets one at a time.
pub struct AuditChainer {
    pub queue: Queue,
}

impl Chore for AuditChainer {
    const NAME: &'static str = "chain_audit";
    const REST: (Duration, Duration) = (Duration::from_millis(500), Duration::from_millis(500));

    async fn turn(&self) -> anyhow::Result<Turn> {
        let chained = self.queue.chain_audit(MOST).await?;
        metrics::counter!("aias_worker_audit_entries_total").increment(u64::from(chained));
        Ok(Turn::more_if(chained >= MOST))
    }
}
