//! The executions that this process holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::queue::{Claim, ExecutionKey, Renewed, Signal};

/// What is held, for those who keep the leases and those who hear of cancellations.
#[derive(Debug, Clone, Default)]
pub struct Held {
    entries: Arc<Mutex<HashMap<ExecutionKey, Entry>>>,
}

#[derive(Debug, Clone)]
struct Entry {
    claim: Claim,
    lost: CancellationToken,
    cancel: CancellationToken,
    pause: CancellationToken,
    delivered: Arc<Delivered>,
}

/// What came for an execution's steps and was not taken yet.
#[derive(Debug, Default)]
struct Delivered {
    signals: Mutex<Vec<Signal>>,
    some: Notify,
}

/// One execution's place among them, given up when dropped.
#[derive(Debug)]
pub struct Hold {
    held: Held,
    entry: Entry,
}

impl Held {
    /// Takes a claim in. One that was held under an older token is lost by that.
    pub fn hold(&self, claim: Claim) -> Hold {
        let entry = Entry {
            claim,
            lost: CancellationToken::new(),
            cancel: CancellationToken::new(),
            pause: CancellationToken::new(),
            delivered: Arc::default(),
        };
        if let Some(older) = self.lock().insert(claim.key, entry.clone()) {
            older.lost.cancel();
        }
        Hold {
            held: self.clone(),
            entry,
        }
    }

    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub fn claims(&self) -> Vec<Claim> {
        self.lock().values().map(|entry| entry.claim).collect()
    }

    /// Somebody may have asked for the end of this execution.
    pub fn cancel(&self, execution: Uuid) {
        // Few notices name an execution of ours, so there is no index by id alone.
        let entries = self.lock();
        entries
            .iter()
            .filter(|(key, _)| key.execution_id == execution)
            .for_each(|(_, entry)| entry.cancel.cancel());
    }

    /// Somebody asked for a pause of this execution.
    pub fn pause(&self, execution: ExecutionKey) {
        if let Some(entry) = self.lock().get(&execution) {
            entry.pause.cancel();
        }
    }

    /// Something came for its steps. Said twice, it is handed on twice; a step takes what it waits for once.
    pub fn deliver(&self, execution: ExecutionKey, signals: Vec<Signal>) {
        if signals.is_empty() {
            return;
        }
        if let Some(entry) = self.lock().get(&execution) {
            entry.delivered.lock().extend(signals);
            entry.delivered.some.notify_one();
        }
    }

    /// Takes in the answer to a renewal of `asked`. Answers how many were lost.
    pub fn renewed(&self, asked: &[Claim], renewed: &Renewed) -> usize {
        let entries = self.lock();
        let mut lost = 0;
        for claim in asked {
            // It may have ended since, or been claimed anew.
            let Some(entry) = entries
                .get(&claim.key)
                .filter(|entry| entry.claim == *claim)
            else {
                continue;
            };
            match renewed.cancel_requested(claim.key) {
                Some(true) => entry.cancel.cancel(),
                Some(false) => {}
                None => {
                    entry.lost.cancel();
                    lost += 1;
                }
            }
        }
        lost
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ExecutionKey, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold {
    pub async fn lost(&self) {
        self.entry.lost.cancelled().await;
    }

    pub async fn cancel_requested(&self) {
        self.entry.cancel.cancelled().await;
    }

    pub async fn pause_requested(&self) {
        self.entry.pause.cancelled().await;
    }

    /// What came for its steps, as soon as there is something. Nothing is taken from whoever stops waiting.
    pub async fn signalled(&self) -> Vec<Signal> {
        loop {
            let signals = std::mem::take(&mut *self.entry.delivered.lock());
            if !signals.is_empty() {
                return signals;
            }
            self.entry.delivered.some.notified().await;
        }
    }
}

impl Delivered {
    fn lock(&self) -> MutexGuard<'_, Vec<Signal>> {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut entries = self.held.lock();
        let key = self.entry.claim.key;
        if entries
            .get(&key)
            .is_some_and(|entry| entry.claim == self.entry.claim)
        {
            entries.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(fencing_token: i64) -> Claim {
        let key = ExecutionKey {
            tenant_id: Uuid::nil(),
            execution_id: Uuid::max(),
        };
        Claim { key, fencing_token }
    }

    #[test]
    fn a_newer_claim_ends_an_older_and_outlives_it() {
        let held = Held::default();
        let older = held.hold(claim(1));
        let newer = held.hold(claim(2));
        assert!(older.entry.lost.is_cancelled());
        drop(older);
        assert_eq!(held.claims(), [claim(2)]);
        drop(newer);
        assert_eq!(held.len(), 0);
    }

    #[test]
    fn only_what_was_asked_for_and_not_answered_is_lost() {
        let held = Held::default();
        let hold = held.hold(claim(2));
        assert_eq!(held.renewed(&[claim(1)], &Renewed::default()), 0);
        assert!(!hold.entry.lost.is_cancelled());
        assert_eq!(held.renewed(&[claim(2)], &Renewed::default()), 1);
        assert!(hold.entry.lost.is_cancelled());
    }

    fn signal(node: &str) -> Signal {
        Signal {
            node_id: node.to_owned(),
            item: None,
            payload: serde_json::Value::Null,
        }
    }

    #[tokio::test]
    async fn what_is_delivered_is_taken_once_and_by_nobody_else() {
        let held = Held::default();
        let hold = held.hold(claim(1));
        let key = claim(1).key;
        let other = ExecutionKey {
            execution_id: Uuid::nil(),
            ..key
        };
        held.deliver(other, vec![signal("other")]);
        held.deliver(key, vec![signal("a")]);
        held.deliver(key, vec![signal("b")]);
        assert_eq!(hold.signalled().await, [signal("a"), signal("b")]);
        assert!(futures::FutureExt::now_or_never(hold.signalled()).is_none());
        held.deliver(key, vec![signal("c")]);
        assert_eq!(hold.signalled().await, [signal("c")]);
    }

    #[test]
    fn a_pause_reaches_its_execution() {
        let held = Held::default();
        let hold = held.hold(claim(1));
        let mut key = claim(1).key;
        key.tenant_id = Uuid::max();
        held.pause(key);
        assert!(!hold.entry.pause.is_cancelled());
        held.pause(claim(1).key);
        assert!(hold.entry.pause.is_cancelled());
    }

    #[test]
    fn a_cancellation_reaches_its_execution() {
        let held = Held::default();
        let hold = held.hold(claim(1));
        held.cancel(Uuid::nil());
        assert!(!hold.entry.cancel.is_cancelled());
        held.cancel(Uuid::max());
        assert!(hold.entry.cancel.is_cancelled());
    }
}
