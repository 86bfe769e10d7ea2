//! What was asked for a moment ago, for whoever asks the same again.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use moka::sync::Cache;

/// After this nobody is answered with it. So what was taken from somebody is felt within a second, on every replica.
const LIFETIME: Duration = Duration::from_secs(1);
/// After this somebody asks again, beside what goes on: nobody waits for it as long as it is in use.
const RENEWED_AFTER: Duration = Duration::from_millis(500);
const MOST: u64 = 100_000;

/// Answers of the database, for a second.
#[derive(Clone)]
pub struct Kept<K, V>(Cache<K, Arc<Entry<V>>>);

struct Entry<V> {
    value: V,
    since: Instant,
    is_being_renewed: AtomicBool,
}

pub enum Found<V> {
    No,
    Good(V),
    /// Good, and whoever gets this is to ask again.
    Aging(V),
}

impl<K, V> Default for Kept<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        let cache = Cache::builder().max_capacity(MOST).time_to_live(LIFETIME);
        Self(cache.build())
    }
}

impl<K, V> Kept<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub fn get(&self, key: &K) -> Found<V> {
        let Some(entry) = self.0.get(key) else {
            return Found::No;
        };
        let value = entry.value.clone();
        if entry.since.elapsed() > RENEWED_AFTER
            && !entry.is_being_renewed.swap(true, Ordering::Relaxed)
        {
            return Found::Aging(value);
        }
        Found::Good(value)
    }

    pub fn put(&self, key: K, value: V) {
        let entry = Entry {
            value,
            since: Instant::now(),
            is_being_renewed: AtomicBool::new(false),
        };
        self.0.insert(key, Arc::new(entry));
    }

    pub fn forget(&self, key: &K) {
        self.0.invalidate(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_those_who_find_it_old_asks_again() {
        let kept = Kept::default();
        assert!(matches!(kept.get(&1), Found::No));
        kept.put(1, "one");
        assert!(matches!(kept.get(&1), Found::Good("one")));
        std::thread::sleep(RENEWED_AFTER + Duration::from_millis(20));
        assert!(matches!(kept.get(&1), Found::Aging("one")));
        assert!(matches!(kept.get(&1), Found::Good("one")));
        kept.put(1, "another");
        assert!(matches!(kept.get(&1), Found::Good("another")));
        kept.forget(&1);
        assert!(matches!(kept.get(&1), Found::No));
    }

    #[test]
    fn nothing_is_kept_for_more_than_a_second() {
        let kept = Kept::default();
        kept.put(1, "one");
        std::thread::sleep(LIFETIME + Duration::from_millis(20));
        assert!(matches!(kept.get(&1), Found::No));
    }
}
