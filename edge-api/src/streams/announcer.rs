use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Watchers;
use crate::database::Database;

/// An announcement is good for a minute.
const AGAIN: Duration = Duration::from_secs(20);
/// What is being committed while the announcement is, is not notified, and may not be there yet for those who are woken. It is after this.
const SECOND_LOOK: Duration = Duration::from_millis(250);

/// Tells the database what is watched, until shutdown: nothing is notified about any other execution.
///
/// Whoever begins to watch is woken once the database knows, and looks again: what happened before that was not notified. And once more a moment later.
pub async fn announce(database: Database, watchers: Arc<Watchers>, shutdown: CancellationToken) {
    let mut second_looks = JoinSet::new();
    loop {
        while second_looks.try_join_next().is_some() {}
        let announcing = async {
            let _ = timeout(AGAIN / 4, watchers.something_new()).await;
            let wanted = watchers.to_announce(AGAIN);
            if wanted.is_empty() {
                return;
            }
            match database.watch_executions(&wanted).await {
                Ok(()) => {
                    let new = watchers.announced(&wanted);
                    let watchers = watchers.clone();
                    second_looks.spawn(async move {
                        sleep(SECOND_LOOK).await;
                        new.into_iter()
                            .for_each(|execution| watchers.wake(execution));
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "could not say what is watched; event streams fall back to polling");
                    sleep(Duration::from_secs(1)).await;
                }
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = announcing => {}
        }
    }
}
