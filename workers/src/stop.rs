//! Waiting, but not longer than until the worker is told to stop.

use tokio::sync::watch;

use crate::execution::Drain;

/// Waits, but not longer than until the worker is told to stop; answers whether it was.
pub async fn is_stopped_while(
    drain: &mut watch::Receiver<Drain>,
    wait: impl Future<Output = ()>,
) -> bool {
    tokio::select! {
        biased;
        _ = drain.wait_for(|stage| *stage > Drain::No) => true,
        () = wait => false,
    }
}

/// Whether it was told to stop.
pub fn is_stopped(drain: &watch::Receiver<Drain>) -> bool {
    *drain.borrow() > Drain::No
}
