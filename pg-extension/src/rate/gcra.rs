//! The generic cell rate algorithm (ITU-T I.371): a leaky bucket that is one number, the instant at which it is empty again.
//!
//! A bucket holds as many requests as the limit says and leaks evenly: after a pause, the whole limit is admitted at once, and from then
//! on one request each time the window divided by the limit has passed. So there is no edge between windows at which twice the limit
//! comes through at once; a client that begins with a burst and goes on without a pause gets one limit more in the window after it,
//! spread out evenly. Both stores, the one in shared memory and the one in a table, decide by this function; they differ only in where the
//! number is kept.
//!
//! Instants here are nanoseconds since 2000-01-01 00:00 UTC, so that a limit of thousands per second is still cut evenly.

/// So many requests in a window of so many nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    requests: i64,
    window: i64,
}

/// The longest window: then all sums below stay far from the ends of an `i64`.
pub const LONGEST_WINDOW_MICROS: i64 = 366 * 86_400 * 1_000_000;

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub is_admitted: bool,
    /// When the bucket is empty again.
    pub empty_at: i64,
    /// How many more requests would be admitted right now.
    pub remaining: i64,
    /// Nanoseconds until the same request would be admitted; 0 if it was.
    pub retry_after: i64,
}

impl Limit {
    /// `None` when it is not a limit that can be kept: less than no requests, no window, one that is too long, or more than one request
    /// each microsecond, where a whole number of nanoseconds would be too coarse a share of the window.
    pub fn new(requests: i64, window_micros: i64) -> Option<Self> {
        let is_possible = (1..=LONGEST_WINDOW_MICROS).contains(&window_micros)
            && (0..=window_micros).contains(&requests);
        is_possible.then(|| Limit {
            requests,
            window: window_micros * 1000,
        })
    }

    pub fn requests(&self) -> i64 {
        self.requests
    }

    /// In nanoseconds.
    pub fn window(&self) -> i64 {
        self.window
    }

    /// Decides on `cost` requests at once, which are from 0 to the limit, at `now`. `empty_at` is what the store has kept, or anything in
    /// the past.
    pub fn decide(&self, empty_at: i64, now: i64, cost: i64) -> Decision {
        if self.requests == 0 {
            return Decision {
                is_admitted: false,
                empty_at: empty_at.clamp(now, now + self.window),
                remaining: 0,
                retry_after: self.window,
            };
        }
        // What one request adds. Rounded down, and the bucket with it, so that it holds exactly the limit.
        let step = self.window / self.requests;
        let capacity = step * self.requests;
        // A bucket cannot be more than full. What is further away was counted when the clock was ahead of what it is now.
        let before = empty_at.clamp(now, now + capacity);
        let after = before + step * cost;
        let overflow = after - now - capacity;
        let is_admitted = overflow <= 0;
        let empty_at = if is_admitted { after } else { before };
        Decision {
            is_admitted,
            empty_at,
            remaining: (capacity - (empty_at - now)) / step,
            retry_after: overflow.max(0),
        }
    }

    /// Whether the store must keep what was decided. A request that was not admitted changes nothing, unless it found a clock that has
    /// gone back: then the bucket is full, and leaks from now on instead of from when the clock will be where it was.
    pub fn changes(&self, kept: i64, decision: &Decision) -> bool {
        decision.is_admitted || kept > decision.empty_at
    }
}
