//! The executions that this process holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::queue::{Claim, ExecutionKey, Renewed};

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
