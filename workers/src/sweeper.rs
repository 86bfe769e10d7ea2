//! Keeps small what would otherwise only grow: reservations whose lease is over, counts that do not matter any more.
//!
//! Nothing depends on it being done in time: whoever needs a lapsed reservation's tokens finds them without it.

use std::time::Duration;

use crate::queue::Queue;

const PAUSE: Duration = Duration::from_secs(60);

/// Sweeps about once a minute, for as long as it is polled; not all workers at once.
pub async fn sweep(queue: Queue) {
    loop {
        tokio::time::sleep(PAUSE.mul_f64(rand::random_range(0.5..1.5))).await;
        if let Err(error) = queue.sweep().await {
            tracing::warn!(%error, "cannot sweep");
        }
    }
}
