use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use uuid::Uuid;

/// Who waits for which execution.
#[derive(Default)]
pub struct Watchers {
    by_execution: Mutex<HashMap<Uuid, Watched>>,
    new: Notify,
}

#[derive(Default)]
struct Watched {
    sender: watch::Sender<()>,
    /// When the database was last told.
    announced: Option<Instant>,
}

impl Watchers {
    pub(super) fn watch(self: Arc<Self>, execution_id: Uuid) -> Watcher {
        let notified = self
            .lock()
            .entry(execution_id)
            .or_default()
            .sender
            .subscribe();
        self.new.notify_one();
        Watcher {
            execution_id,
            notified: Some(notified),
            watchers: self,
        }
    }

    /// Wakes those who wait for one execution. Several wake-ups before they look again are one.
    pub fn wake(&self, execution_id: Uuid) {
        if let Some(watched) = self.lock().get(&execution_id) {
            watched.sender.send_replace(());
        }
    }

    /// Wakes everybody: notifications may have been lost.
    pub fn wake_all(&self) {
        for watched in self.lock().values() {
            watched.sender.send_replace(());
        }
    }

    /// How many executions are being watched.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns when somebody has begun to watch.
    pub(super) async fn something_new(&self) {
        self.new.notified().await;
    }

    /// What the database was not told of for so long, or never.
    pub(super) fn to_announce(&self, again: Duration) -> Vec<Uuid> {
        let by_execution = self.lock();
        let wanted = by_execution.iter().filter(|(_, watched)| {
            watched
                .announced
                .is_none_or(|announced| announced.elapsed() >= again)
        });
        wanted.map(|(execution, _)| *execution).collect()
    }

    /// The database knows. Wakes those who were new to it, and answers which these are.
    pub(super) fn announced(&self, executions: &[Uuid]) -> Vec<Uuid> {
        let mut by_execution = self.lock();
        let mut new = Vec::new();
        for execution in executions {
            if let Some(watched) = by_execution.get_mut(execution)
                && watched.announced.replace(Instant::now()).is_none()
            {
                watched.sender.send_replace(());
                new.push(*execution);
            }
        }
        new
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Watched>> {
        self.by_execution
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A registration that ends when it is dropped.
pub(super) struct Watcher {
    execution_id: Uuid,
    /// Taken only when dropped.
    notified: Option<watch::Receiver<()>>,
    watchers: Arc<Watchers>,
}

impl Watcher {
    pub(super) async fn notified(&mut self) {
        if let Some(notified) = &mut self.notified {
            // The sender stays in the map for as long as this is registered.
            let _ = notified.changed().await;
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut by_execution = self.watchers.lock();
        self.notified = None;
        if by_execution
            .get(&self.execution_id)
            .is_some_and(|watched| watched.sender.receiver_count() == 0)
        {
            by_execution.remove(&self.execution_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn is_woken(watcher: &mut Watcher) -> bool {
        timeout(Duration::from_millis(20), watcher.notified())
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn only_those_who_watch_are_woken() {
        let watchers = Arc::<Watchers>::default();
        let (a, b) = (Uuid::now_v7(), Uuid::now_v7());
        let mut first = watchers.clone().watch(a);
        let mut second = watchers.clone().watch(a);
        let mut other = watchers.clone().watch(b);

        watchers.wake(a);
        watchers.wake(a);
        assert!(is_woken(&mut first).await);
        assert!(!is_woken(&mut first).await);
        assert!(is_woken(&mut second).await);
        assert!(!is_woken(&mut other).await);

        watchers.wake_all();
        assert!(is_woken(&mut first).await);
        assert!(is_woken(&mut other).await);
    }

    #[tokio::test]
    async fn a_watcher_that_leaves_takes_nothing_from_the_others() {
        let watchers = Arc::<Watchers>::default();
        let id = Uuid::now_v7();
        let first = watchers.clone().watch(id);
        let mut second = watchers.clone().watch(id);
        drop(first);
        watchers.wake(id);
        assert!(is_woken(&mut second).await);
        drop(second);
        assert!(watchers.is_empty());
    }

    #[tokio::test]
    async fn what_is_new_is_announced_once_and_then_looked_at_again() {
        let watchers = Arc::<Watchers>::default();
        let mut watcher = watchers.clone().watch(Uuid::nil());
        watchers.something_new().await;
        let again = Duration::from_secs(20);
        assert_eq!(watchers.to_announce(again), [Uuid::nil()]);
        assert_eq!(
            watchers.announced(&[Uuid::nil(), Uuid::max()]),
            [Uuid::nil()]
        );
        assert!(is_woken(&mut watcher).await);
        assert!(watchers.to_announce(again).is_empty());
        assert_eq!(watchers.to_announce(Duration::ZERO), [Uuid::nil()]);
        assert!(watchers.announced(&[Uuid::nil()]).is_empty());
        assert!(!is_woken(&mut watcher).await);
    }
}
