//! Makes the partitions of the months to come, and deletes what is older than plans keep it.
//!
//! Months are made three ahead of time, so nothing waits for this.

use std::time::Duration;

use super::{Chore, Turn};
use crate::queue::Queue;

/// Executions in one turn, so that none takes long.
const BATCH: u32 = 2_000;

/// Looks every few minutes, and goes on as long as there is something to delete.
pub struct Historian {
    pub queue: Queue,
}

impl Chore for Historian {
    const NAME: &'static str = "tend_history";
    const REST: (Duration, Duration) = (Duration::from_secs(600), Duration::from_secs(600));
    const RESTS_FIRST: bool = true;

    async fn turn(&self) -> anyhow::Result<Turn> {
        let deleted = self.queue.tend_history(BATCH).await?;
        if deleted > 0 {
            metrics::counter!("aias_worker_forgotten_executions_total")
                .increment(u64::from(deleted));
        }
        Ok(Turn::more_if(deleted == BATCH))
    }
}
