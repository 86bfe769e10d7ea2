//! Looks which tenants have used most of a limit or all of it, and has them told.

use std::time::Duration;

use super::{Chore, Turn};
use crate::queue::Queue;

/// Tenants in one turn. A round of all tenants is followed by a rest.
const MOST: u32 = 500;

pub struct LimitWatcher {
    pub queue: Queue,
}

impl Chore for LimitWatcher {
    const NAME: &'static str = "warn_of_limits";
    const REST: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(60));

    async fn turn(&self) -> anyhow::Result<Turn> {
        let looked_at = self.queue.warn_of_limits(MOST).await?;
        Ok(Turn::more_if(looked_at >= MOST))
    }
}
