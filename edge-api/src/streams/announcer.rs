use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Watchers;
use crate::database::Database;

/// An announcement is good for a minute.
const AGAIN: Duration = Duration::from_secs(20);

/// Tells the database what is watched, until shutdown: nothing is notified about any other execution.
///
/// Whoever begins to watch is woken once the database knows, and looks again: what happened before that was not notified.
pub async fn announce(database: Database, watchers: Arc<Watchers>, shutdown: CancellationToken) {
    loop {
        let announcing = async {
            let _ = timeout(AGAIN / 4, watchers.something_new()).await;
            let wanted = watchers.to_announce(AGAIN);
            if wanted.is_empty() {
                return;
            }
            match database.watch_executions(&wanted).await {
                Ok(()) => watchers.announced(&wanted),
                Err(error) => {
                    tracing::warn!(%error, "could not say what is watched; event streams fall back to polling");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = announcing => {}
        }
    }
}
