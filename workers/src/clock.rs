//! What time it is, by the database's clock.
//!
//! Timers are due when the database says so, and are computed here. If the two clocks differed, a timer could be due there and not yet
//! here: the worker would put the execution to sleep and be handed it again, round and round. So the worker keeps the difference.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// Where times come from. A simulation has its own.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// This machine's clock, corrected by what the database last said.
#[derive(Debug, Default)]
pub struct DatabaseClock {
    ahead_micros: AtomicI64,
}

impl DatabaseClock {
    /// The database's clock showed `time` a moment ago.
    pub fn learn(&self, time: Timestamp) {
        let ahead = time
            .as_microsecond()
            .saturating_sub(Timestamp::now().as_microsecond());
        self.ahead_micros.store(ahead, Ordering::Relaxed);
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_micros(self.ahead_micros.load(Ordering::Relaxed));
        let own = Timestamp::now();
        own.checked_add(ahead).unwrap_or(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_a_database_whose_clock_differs() {
        let clock = DatabaseClock::default();
        let hour = SignedDuration::from_hours(1);
        clock.learn(Timestamp::now() + hour);
        let ahead = clock.now().duration_since(Timestamp::now());
        assert!(
            (ahead - hour).abs() < SignedDuration::from_secs(5),
            "{ahead}"
        );
    }
}
