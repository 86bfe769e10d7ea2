//! The circuits of all keys that a registry, and those made from it, have used.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use crate::BreakerPolicy;
use crate::breaker::Breaker;
use crate::transport::Endpoint;

/// More circuits are not remembered. One that is forgotten begins anew, closed.
const MOST: usize = 4096;

/// So many are forgotten at once, so that not every new key looks through all of them.
const AT_ONCE: usize = MOST / 8;

/// Finds a key's circuit without keeping the key: by a hash that is different in each process.
#[derive(Debug)]
pub(crate) struct Breakers {
    policy: BreakerPolicy,
    hasher: RandomState,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_hash: HashMap<u64, (Arc<Breaker>, u64)>,
    /// Counts the uses, to know who was used last.
    uses: u64,
}

impl Breakers {
    pub(crate) fn new(policy: BreakerPolicy) -> Arc<Self> {
        Arc::new(Self {
            policy,
            hasher: RandomState::new(),
            known: Mutex::default(),
        })
    }

    pub(crate) fn policy(&self) -> BreakerPolicy {
        self.policy
    }

    /// The circuit of this key at this endpoint of this provider.
    pub(crate) fn of(&self, provider: &str, endpoint: &Endpoint) -> Arc<Breaker> {
        // Two keys with the same hash would share a circuit; nobody can look for such without the hasher.
        let hash = self.hasher.hash_one((provider, endpoint.identity()));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.uses += 1;
        let uses = known.uses;
        if known.by_hash.len() >= MOST && !known.by_hash.contains_key(&hash) {
            known.forget();
        }
        let (breaker, used) = known
            .by_hash
            .entry(hash)
            .or_insert_with(|| (Breaker::new(self.policy), uses));
        *used = uses;
        breaker.clone()
    }
}

impl Known {
    /// Forgets those first that no registry holds and that have nothing to remember, then those unused for longest.
    fn forget(&mut self) {
        let mut order: Vec<_> = self
            .by_hash
            .iter()
            .map(|(hash, (breaker, used))| {
                let is_held = Arc::strong_count(breaker) > 1;
                (is_held, !breaker.is_at_rest(), *used, *hash)
            })
            .collect();
        order.sort_unstable();
        for (.., hash) in order.into_iter().take(AT_ONCE) {
            self.by_hash.remove(&hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::Url;

    use super::*;
    use crate::circuit::Verdict;

    fn endpoint(base: &str, key: &str) -> Endpoint {
        Endpoint::new("x", Url::parse(base).unwrap(), Some(key.into())).unwrap()
    }

    fn breakers() -> Arc<Breakers> {
        Breakers::new(BreakerPolicy {
            failures: 1,
            ..BreakerPolicy::default()
        })
    }

    #[test]
    fn a_circuit_belongs_to_a_provider_an_endpoint_and_a_key() {
        let breakers = breakers();
        let one = breakers.of("a", &endpoint("http://h", "key"));
        assert!(Arc::ptr_eq(
            &one,
            &breakers.of("a", &endpoint("http://h", "key"))
        ));
        for other in [
            breakers.of("b", &endpoint("http://h", "key")),
            breakers.of("a", &endpoint("http://h:1", "key")),
            breakers.of("a", &endpoint("http://h", "another")),
        ] {
            assert!(!Arc::ptr_eq(&one, &other));
        }
        assert!(!format!("{breakers:?}").contains("another"));
    }

    #[test]
    fn however_many_keys_come_what_matters_is_remembered() {
        let breakers = breakers();
        let held = breakers.of("held", &endpoint("http://h", "key"));
        let open = endpoint("http://h", "open");
        let permit = breakers.of("a", &open);
        permit
            .admit()
            .unwrap()
            .settle(Verdict::Failed { asked: None });
        drop(permit);
        for number in 0..3 * MOST {
            breakers.of("a", &endpoint("http://h", &format!("key {number}")));
            assert!(breakers.known.lock().unwrap().by_hash.len() <= MOST);
        }
        assert!(Arc::ptr_eq(
            &held,
            &breakers.of("held", &endpoint("http://h", "key"))
        ));
        assert!(breakers.of("a", &open).admit().is_err());
    }
}
