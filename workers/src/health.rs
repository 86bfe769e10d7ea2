//! Whether the database answers, for `/readyz` and for nobody else.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A worker that has not heard from its database for this long is not ready.
const SILENCE: Duration = Duration::from_secs(15);

/// When the database last answered.
#[derive(Debug, Default)]
pub struct Health {
    heard_at: Mutex<Option<Instant>>,
}

impl Health {
    /// The database answered just now.
    pub fn heard(&self) {
        *self
            .heard_at
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether it answered lately.
    pub fn is_ready(&self) -> bool {
        let heard_at = *self
            .heard_at
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        heard_at.is_some_and(|at| at.elapsed() < SILENCE)
    }
}
