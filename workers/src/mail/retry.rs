//! Whether and when a mail that did not go is sent again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::queue::MailOutcome;

/// Tries of one mail. With the waits between them the last is some eight hours after the first.
pub const ATTEMPTS: u32 = 10;
/// Waits double from the first to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(4 * 60 * 60);

/// What becomes of a mail whose `attempt` failed at `now` and may go better later. `spread` in 0..1 shortens the wait by up to half, so that mails
/// that failed together do not come back together.
pub fn again(attempt: u32, error: String, now: Timestamp, spread: f64) -> MailOutcome {
    if attempt >= ATTEMPTS {
        return MailOutcome::Dead {
            error: format!("given up after {attempt} attempts; the last: {error}"),
        };
    }
    let doubled = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)));
    let wait = doubled
        .min(LONGEST_WAIT)
        .mul_f64(1.0 - spread.clamp(0.0, 1.0) / 2.0);
    let at = SignedDuration::try_from(wait)
        .ok()
        .and_then(|wait| now.checked_add(wait).ok())
        .unwrap_or(now);
    MailOutcome::Retry { error, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(attempt: u32, spread: f64) -> Option<f64> {
        let now = "2026-01-31T09:00:00Z".parse().unwrap();
        match again(attempt, "no".to_owned(), now, spread) {
            MailOutcome::Retry { at, .. } => Some(at.duration_since(now).as_secs_f64()),
            _ => None,
        }
    }

    #[test]
    fn waits_double_and_end() {
        let waits: Vec<_> = (1..=10).map(|attempt| wait(attempt, 0.0)).collect();
        let minutes = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 240.0];
        let wanted = minutes.map(|minutes| Some(minutes * 60.0));
        assert_eq!(waits[..9], wanted);
        assert_eq!(waits[9], None);
        assert_eq!(wait(3, 1.0), Some(120.0));
    }

    #[test]
    fn the_last_failure_says_that_it_was() {
        let outcome = again(10, "450 full".to_owned(), Timestamp::UNIX_EPOCH, 0.5);
        assert_eq!(
            outcome.said(),
            Some("given up after 10 attempts; the last: 450 full")
        );
    }
}
