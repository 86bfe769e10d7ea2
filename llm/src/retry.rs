//! When to try the same model again.

use std::time::Duration;

use crate::LlmError;

/// Retries of one model within one call. They happen only while nothing was streamed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries per model, the first included; 1 means no retry. Default 3.
    pub max_attempts: u32,
    /// Upper bound of the first wait; it doubles from try to try. Default 500 ms.
    pub initial: Duration,
    /// No wait of our own is longer than this. Default 8 s.
    pub max: Duration,
    /// A provider that asks for a longer wait than this is not waited for: the next model is asked, or the error goes
    /// to the caller, who can come back later without holding anything. Default 20 s.
    pub max_retry_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            initial: Duration::from_millis(500),
            max: Duration::from_secs(8),
            max_retry_after: Duration::from_secs(20),
        }
    }
}

impl RetryPolicy {
    /// How long to wait after try number `attempt` (from 1) failed; `None` means: do not try this model again.
    ///
    /// `random` is in 0..1. Our own waits lie between half and the whole of the bound, so that callers who failed together do
    /// not come back together; a wait that the provider asked for is never shortened, only stretched by up to a tenth.
    pub(crate) fn wait(&self, attempt: u32, error: &LlmError, random: f64) -> Option<Duration> {
        if attempt >= self.max_attempts || !error.is_retryable() {
            return None;
        }
        match error.retry_after() {
            Some(asked) if asked > self.max_retry_after => None,
            Some(asked) => Some(asked.mul_f64(1.0 + random * 0.1)),
            None => {
                let doublings = attempt.saturating_sub(1).min(30);
                let bound = self.initial.saturating_mul(1 << doublings).min(self.max);
                Some(bound.mul_f64(0.5 + random * 0.5))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ErrorKind;

    fn error(kind: ErrorKind) -> LlmError {
        LlmError::new(kind, "x")
    }

    #[test]
    fn what_cannot_succeed_is_not_repeated() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.wait(1, &error(ErrorKind::InvalidRequest), 0.5), None);
        assert!(
            policy
                .wait(1, &error(ErrorKind::ProviderError { status: 502 }), 0.5)
                .is_some()
        );
        assert_eq!(policy.wait(3, &error(ErrorKind::Connection), 0.5), None);
    }

    #[test]
    fn a_wait_that_is_too_long_is_left_to_the_caller() {
        let asked = Some(Duration::from_secs(21));
        assert_eq!(
            RetryPolicy::default().wait(
                1,
                &error(ErrorKind::RateLimited { retry_after: asked }),
                0.0
            ),
            None
        );
    }

    proptest! {
        #[test]
        fn waits_stay_within_their_bounds(attempt in 1u32..200, random in 0.0..1.0f64, asked in 0u64..20_000) {
            let policy = RetryPolicy { max_attempts: u32::MAX, ..RetryPolicy::default() };
            let own = policy.wait(attempt, &error(ErrorKind::Connection), random).unwrap();
            prop_assert!(own >= policy.initial / 2 && own <= policy.max);

            let asked = Duration::from_millis(asked);
            let wait = policy.wait(attempt, &error(ErrorKind::RateLimited { retry_after: Some(asked) }), random).unwrap();
            prop_assert!(wait >= asked && wait <= asked.mul_f64(1.1));
        }
    }
}
