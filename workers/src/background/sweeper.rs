//! Keeps small what would otherwise only grow: reservations whose lease is over, counts that do not matter any more, mails and exports that
//! nobody asks for again.
//!
//! Nothing depends on it being done in time: whoever needs a lapsed reservation's tokens finds them without it.

use std::time::Duration;

use super::{Chore, Turn};
use crate::queue::Queue;

/// Sweeps about once a minute.
pub struct Sweeper {
    pub queue: Queue,
}

impl Chore for Sweeper {
    const NAME: &'static str = "sweep";
    const REST: (Duration, Duration) = (Duration::from_secs(80), Duration::from_secs(80));
    const RESTS_FIRST: bool = true;

    async fn turn(&self) -> anyhow::Result<Turn> {
        self.queue.sweep().await?;
        Ok(Turn::IDLE)
    }
}
