//! How much was asked for lately, to set that much aside at once.

use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(1);

/// A sum over the last second, or a little less.
#[derive(Debug)]
pub struct Demand {
    since: Instant,
    current: u64,
    previous: u64,
}

impl Demand {
    pub fn new(now: Instant) -> Self {
        Self {
            since: now,
            current: 0,
            previous: 0,
        }
    }

    pub fn add(&mut self, amount: u64, now: Instant) {
        self.turn(now);
        self.current = self.current.saturating_add(amount);
    }

    /// In a second.
    pub fn recent(&mut self, now: Instant) -> u64 {
        self.turn(now);
        self.current.max(self.previous)
    }

    fn turn(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.since);
        if age < WINDOW {
            return;
        }
        self.previous = if age < 2 * WINDOW { self.current } else { 0 };
        self.current = 0;
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_ago_is_forgotten() {
        let start = Instant::now();
        let mut demand = Demand::new(start);
        demand.add(5, start);
        demand.add(7, start + WINDOW / 2);
        assert_eq!(demand.recent(start + WINDOW / 2), 12);
        assert_eq!(demand.recent(start + WINDOW), 12);
        demand.add(1, start + WINDOW);
        assert_eq!(demand.recent(start + WINDOW), 12);
        assert_eq!(demand.recent(start + 2 * WINDOW), 1);
        assert_eq!(demand.recent(start + 4 * WINDOW), 0);
    }
}
