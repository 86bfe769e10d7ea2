//! How long to wait before trying again, doubling from time to time.

use std::time::Duration;

/// Waits that double from `first` to `longest`.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// The wait that is due now. `spread` in 0..1 shortens it by up to half, so that those who failed together do not come back together.
    pub fn wait(&mut self, spread: f64) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.longest);
        wait.mul_f64(1.0 - spread.clamp(0.0, 1.0) / 2.0)
    }

    /// Things are well again: the next wait is the first.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest_and_starts_over() {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(150));
        let waits: Vec<_> = (0..4).map(|_| backoff.wait(0.0).as_millis()).collect();
        assert_eq!(waits, [50, 100, 150, 150]);
        backoff.reset();
        assert_eq!(backoff.wait(1.0).as_millis(), 25);
    }
}
