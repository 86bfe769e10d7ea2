//! Whether and when a failed attempt is repeated.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;
use workflow::Retry;

use crate::nodes::{Failure, Place};

/// A wait that the other side asked for is honoured up to here.
const LONGEST_ASKED: Duration = Duration::from_secs(3_600);

/// When the next attempt is due after `attempt` failed at `now`; `None` when there is none.
///
/// `spread` in 0..1 is the jitter: our own waits lie between half and the whole of what the node says, so that executions that failed
/// together do not come back together. A wait that the other side asked for is never shortened, only stretched by up to a tenth.
pub fn next_attempt(
    retry: &Retry,
    attempt: u32,
    failure: &Failure,
    now: Timestamp,
    spread: f64,
) -> Option<Timestamp> {
    if !failure.retryable {
        return None;
    }
    let own = Duration::try_from_secs_f64(retry.wait_after(attempt)?).unwrap_or(LONGEST_ASKED);
    let own = own.mul_f64(0.5 + spread / 2.0);
    let asked = failure
        .retry_after
        .unwrap_or(Duration::ZERO)
        .min(LONGEST_ASKED)
        .mul_f64(1.0 + spread / 10.0);
    let wait = SignedDuration::try_from(own.max(asked)).ok()?;
    now.checked_add(wait).ok()
}

/// A number in 0..1 that is the same whenever it is asked for, and different for each attempt of each step.
pub fn spread(execution: Uuid, place: Place, attempt: u32) -> f64 {
    // SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    let (high, low) = execution.as_u64_pair();
    let item = u64::from(place.item.map_or(0, |item| item + 1));
    let step = ((place.node as u64) << 48) ^ (item << 16) ^ u64::from(attempt);
    let mut bits = high ^ low.rotate_left(32) ^ step;
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RETRY: Retry = Retry {
        max_attempts: 4,
        initial_seconds: 1.0,
        max_seconds: 3.0,
        factor: 2.0,
    };

    fn now() -> Timestamp {
        "2026-01-31T09:00:00Z".parse().unwrap()
    }

    fn wait(attempt: u32, failure: &Failure, spread: f64) -> Option<f64> {
        next_attempt(&RETRY, attempt, failure, now(), spread)
            .map(|at| at.duration_since(now()).as_secs_f64())
    }

    #[test]
    fn waits_grow_to_the_longest_and_end() {
        let failure = Failure::new("x", "y").retryable(true);
        let waits: Vec<_> = (1..=4)
            .map(|attempt| wait(attempt, &failure, 1.0))
            .collect();
        assert_eq!(waits, [Some(1.0), Some(2.0), Some(3.0), None]);
        assert_eq!(wait(1, &failure, 0.0), Some(0.5));
    }

    #[test]
    fn what_would_fail_again_is_not_repeated() {
        assert_eq!(wait(1, &Failure::new("x", "y"), 0.5), None);
    }

    #[test]
    fn the_other_side_may_ask_for_more_time() {
        let mut failure = Failure::new("x", "y").retryable(true);
        failure.retry_after = Some(Duration::from_secs(20));
        assert_eq!(wait(1, &failure, 0.0), Some(20.0));
        assert_eq!(wait(1, &failure, 1.0), Some(22.0));
        failure.retry_after = Some(Duration::from_secs(1_000_000));
        assert_eq!(wait(1, &failure, 0.0), Some(3_600.0));
    }

    proptest! {
        #[test]
        fn spread_is_a_fraction(execution in any::<u128>(), node in 0usize..1000, item in proptest::option::of(0u32..10_000), attempt in 1u32..30) {
            let value = spread(Uuid::from_u128(execution), Place { node, item }, attempt);
            prop_assert!((0.0..1.0).contains(&value));
        }
    }
}
