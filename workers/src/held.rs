//! The executions that this process holds.

use std::collections::{HashMap, hash_map};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
    workflow_id: Uuid,
    since: Instant,
    /// Whether there is a lease: what was offered has none until it is recorded.
    has_lease: Arc<AtomicBool>,
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

/// How many executions of which workflow are held: three columns of one table.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Load {
    pub tenants: Vec<Uuid>,
    pub workflows: Vec<Uuid>,
    pub counts: Vec<i32>,
}

/// One execution's place among them, given up when dropped.
#[derive(Debug)]
pub struct Hold {
    held: Held,
    entry: Entry,
}

impl Held {
    /// Takes a claim in. One that was held under an older token is lost by that.
    pub fn hold(&self, claim: Claim, workflow_id: Uuid) -> Hold {
        let entry = Entry::new(claim, workflow_id);
        if let Some(older) = self.lock().insert(claim.key, entry.clone()) {
            older.lost.cancel();
        }
        Hold {
            held: self.clone(),
            entry,
        }
    }

    /// Takes an offer in, unless the execution is held: a claim may have been quicker.
    pub fn hold_offered(&self, claim: Claim, workflow_id: Uuid) -> Option<Hold> {
        match self.lock().entry(claim.key) {
            hash_map::Entry::Occupied(_) => None,
            hash_map::Entry::Vacant(free) => Some(Hold {
                held: self.clone(),
                entry: free.insert(Entry::new(claim, workflow_id)).clone(),
            }),
        }
    }

    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// How many of a tenant are held.
    pub fn count_of(&self, tenant: Uuid) -> usize {
        let entries = self.lock();
        entries.keys().filter(|key| key.tenant_id == tenant).count()
    }

    /// Those with a lease that were taken at least so long ago.
    pub fn claims_older_than(&self, age: Duration) -> Vec<Claim> {
        let entries = self.lock();
        let old = entries
            .values()
            .filter(|entry| entry.has_lease() && entry.since.elapsed() >= age);
        old.map(|entry| entry.claim).collect()
    }

    /// The claims on an execution that somebody names by its id alone. Also those of offers: only what is claimed is named, so it was recorded, and that may not be
    /// known here yet.
    pub fn claims_on(&self, execution: Uuid) -> Vec<Claim> {
        // Few notices name an execution of ours, so there is no index for it.
        let entries = self.lock();
        let named = entries
            .values()
            .filter(|entry| entry.claim.key.execution_id == execution);
        named.map(|entry| entry.claim).collect()
    }

    pub fn load(&self) -> Load {
        let mut counts: HashMap<(Uuid, Uuid), i32> = HashMap::new();
        for entry in self.lock().values() {
            *counts
                .entry((entry.claim.key.tenant_id, entry.workflow_id))
                .or_default() += 1;
        }
        let mut load = Load::default();
        for ((tenant, workflow), count) in counts {
            load.tenants.push(tenant);
            load.workflows.push(workflow);
            load.counts.push(count);
        }
        load
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
            match renewed.news(claim.key) {
                Some(news) => {
                    if news.cancel_requested {
                        entry.cancel.cancel();
                    }
                    if news.pause_requested {
                        entry.pause.cancel();
                    }
                    entry.deliver(news.signals.clone());
                }
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
    /// A record of it was accepted.
    pub fn recorded(&self) {
        self.entry.has_lease.store(true, Ordering::Relaxed);
    }

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

impl Entry {
    fn new(claim: Claim, workflow_id: Uuid) -> Self {
        Self {
            claim,
            workflow_id,
            since: Instant::now(),
            has_lease: Arc::new(AtomicBool::new(claim.fencing_token != Claim::OFFERED)),
            lost: CancellationToken::new(),
            cancel: CancellationToken::new(),
            pause: CancellationToken::new(),
            delivered: Arc::default(),
        }
    }

    fn has_lease(&self) -> bool {
        self.has_lease.load(Ordering::Relaxed)
    }

    /// Something came for its steps. Said twice, it is handed on twice; a step takes what it waits for once.
    fn deliver(&self, signals: Vec<Signal>) {
        if !signals.is_empty() {
            self.delivered.lock().extend(signals);
            self.delivered.some.notify_one();
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
    use futures::FutureExt;

    use super::*;
    use crate::queue::News;

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
        let older = held.hold(claim(1), Uuid::nil());
        let newer = held.hold(claim(2), Uuid::nil());
        assert!(older.entry.lost.is_cancelled());
        drop(older);
        assert_eq!(held.claims_older_than(Duration::ZERO), [claim(2)]);
        drop(newer);
        assert_eq!(held.len(), 0);
    }

    #[test]
    fn an_offer_ends_no_claim_and_a_claim_ends_it() {
        let held = Held::default();
        let offered = || held.hold_offered(claim(Claim::OFFERED), Uuid::nil());
        let first = offered().unwrap();
        assert!(offered().is_none());
        let claimed = held.hold(claim(1), Uuid::nil());
        assert!(first.entry.lost.is_cancelled());
        drop(first);
        assert!(offered().is_none());
        assert!(!claimed.entry.lost.is_cancelled());
        drop(claimed);
        assert!(offered().is_some());
    }

    #[test]
    fn an_offer_has_a_lease_once_it_is_recorded() {
        let held = Held::default();
        let offered = claim(Claim::OFFERED);
        let hold = held.hold_offered(offered, Uuid::nil()).unwrap();
        assert_eq!(held.claims_older_than(Duration::ZERO), []);
        assert_eq!(held.claims_on(offered.key.execution_id), [offered]);
        hold.recorded();
        assert_eq!(held.claims_older_than(Duration::ZERO), [offered]);
    }

    #[test]
    fn only_what_was_asked_for_and_not_answered_is_lost() {
        let held = Held::default();
        let hold = held.hold(claim(2), Uuid::nil());
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

    fn news(signals: &[&str], pause_requested: bool) -> Renewed {
        let news = News {
            pause_requested,
            signals: signals.iter().map(|node| signal(node)).collect(),
            ..News::default()
        };
        [(claim(1).key, news)].into_iter().collect()
    }

    #[tokio::test]
    async fn what_came_for_its_steps_is_taken_once() {
        let held = Held::default();
        let hold = held.hold(claim(1), Uuid::nil());
        // An answer about a claim that it does not have is not for it.
        held.renewed(&[claim(2)], &news(&["other"], true));
        assert!(hold.signalled().now_or_never().is_none());
        assert!(!hold.entry.pause.is_cancelled());

        held.renewed(&[claim(1)], &news(&["a"], false));
        held.renewed(&[claim(1)], &news(&["b"], true));
        assert!(hold.entry.pause.is_cancelled());
        assert_eq!(hold.signalled().await, [signal("a"), signal("b")]);
        assert!(hold.signalled().now_or_never().is_none());
        held.renewed(&[claim(1)], &news(&["c"], false));
        assert_eq!(hold.signalled().await, [signal("c")]);
    }

    #[test]
    fn an_execution_is_found_by_its_id_alone() {
        let held = Held::default();
        let _hold = held.hold(claim(1), Uuid::nil());
        assert_eq!(held.claims_on(Uuid::nil()), []);
        assert_eq!(held.claims_on(Uuid::max()), [claim(1)]);
    }

    #[test]
    fn the_load_is_counted_by_workflow() {
        let held = Held::default();
        let claim_of = |execution: u128| Claim {
            key: ExecutionKey {
                tenant_id: Uuid::nil(),
                execution_id: Uuid::from_u128(execution),
            },
            fencing_token: 1,
        };
        let holds = [1, 2].map(|execution| held.hold(claim_of(execution), Uuid::max()));
        let load = held.load();
        assert_eq!(load.counts, [2]);
        assert_eq!(
            (load.tenants[0], load.workflows[0]),
            (Uuid::nil(), Uuid::max())
        );
        drop(holds);
        assert_eq!(held.load(), Load::default());
    }
}
