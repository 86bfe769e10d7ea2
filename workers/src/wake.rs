//! What makes an idle worker look into the queue before it would have.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// Where the claim loop sleeps, and where others wake it.
#[derive(Debug, Default)]
pub struct Wake {
    notify: Notify,
    /// When the sleeper wakes by itself.
    planned: Mutex<Option<Instant>>,
}

impl Wake {
    /// A job may be due. Said many times before anybody looks, it counts as once.
    pub fn now(&self) {
        self.notify.notify_one();
    }

    /// A job will be due in a while. A sleeper that would have slept longer plans anew.
    pub fn within(&self, wait: Duration) {
        let planned = *self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        if planned.is_none_or(|planned| Instant::now() + wait < planned) {
            self.notify.notify_one();
        }
    }

    /// Until somebody says that a job may be due.
    pub async fn noticed(&self) {
        self.notify.notified().await;
    }

    /// Sleeps; answers whether it was woken.
    pub async fn sleep(&self, longest: Duration) -> bool {
        self.plan(Some(Instant::now() + longest));
        let woken = timeout(longest, self.notify.notified()).await.is_ok();
        self.plan(None);
        woken
    }

    fn plan(&self, at: Option<Instant>) {
        *self.planned.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_an_earlier_timer_wakes() {
        let wake = Wake::default();
        let (woken, ()) = tokio::join!(wake.sleep(Duration::from_secs(2)), async {
            tokio::task::yield_now().await;
            wake.within(Duration::from_secs(3));
        });
        assert!(!woken);
        let (woken, ()) = tokio::join!(wake.sleep(Duration::from_secs(2)), async {
            tokio::task::yield_now().await;
            wake.within(Duration::from_secs(1));
        });
        assert!(woken);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_said_while_nobody_sleeps_is_heard() {
        let wake = Wake::default();
        wake.now();
        wake.now();
        assert!(wake.sleep(Duration::from_secs(2)).await);
        assert!(!wake.sleep(Duration::from_secs(2)).await);
    }
}
