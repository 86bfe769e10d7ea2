//! The circuit breaker of one provider, endpoint and key: a [`Circuit`] with a clock and a lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::circuit::{Circuit, Verdict};
use crate::{BreakerPolicy, ErrorKind, LlmError};

/// A circuit that all callers of one provider with one key share.
#[derive(Debug)]
pub(crate) struct Breaker {
    policy: BreakerPolicy,
    /// Held for a few comparisons, never over an `await`.
    circuit: Mutex<Circuit>,
}

impl Breaker {
    pub(crate) fn new(policy: BreakerPolicy) -> Arc<Self> {
        Arc::new(Self {
            policy,
            circuit: Mutex::new(Circuit::new(policy)),
        })
    }

    pub(crate) fn policy(&self) -> &BreakerPolicy {
        &self.policy
    }

    /// Whether a new one would be the same.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.circuit().is_at_rest()
    }

    /// Lets a call through, or says that it must not be made.
    pub(crate) fn admit(&self) -> Result<Permit<'_>, LlmError> {
        match self.circuit().admit(Instant::now()) {
            Ok(era) => Ok(Permit { breaker: self, era }),
            Err(retry_after) => Err(LlmError::new(
                ErrorKind::CircuitOpen { retry_after },
                format!(
                    "the provider failed several times in a row and is not asked again for {:.1} s",
                    retry_after.as_secs_f64()
                ),
            )),
        }
    }

    fn settle(&self, era: u64, verdict: Verdict) -> Option<Duration> {
        self.circuit()
            .settle(era, verdict, Instant::now(), rand::random())
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One call that was let through. Dropping it without a verdict, as a cancelled call does, frees the probe's place.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    breaker: &'a Breaker,
    era: u64,
}

impl Permit<'_> {
    /// Says for how long the circuit is open because of this verdict.
    pub(crate) fn settle(self, verdict: Verdict) -> Option<Duration> {
        self.breaker.settle(self.era, verdict)
        // What `drop` says afterwards belongs to an era that has passed, or changes nothing.
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.breaker.settle(self.era, Verdict::Unclear);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep};

    use super::*;

    const FAILED: Verdict = Verdict::Failed { asked: None };

    fn policy() -> BreakerPolicy {
        BreakerPolicy {
            failures: 3,
            cool_down: Duration::from_secs(8),
            max_cool_down: Duration::from_secs(20),
            ..BreakerPolicy::default()
        }
    }

    fn settle(breaker: &Breaker, verdict: Verdict) -> Option<Duration> {
        breaker.admit().unwrap().settle(verdict)
    }

    fn opened(policy: BreakerPolicy) -> Arc<Breaker> {
        let breaker = Breaker::new(policy);
        for _ in 1..policy.failures {
            assert_eq!(settle(&breaker, FAILED), None);
        }
        assert!(settle(&breaker, FAILED).is_some());
        breaker
    }

    fn refused(breaker: &Breaker) -> Duration {
        breaker.admit().unwrap_err().retry_after().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn only_failures_in_a_row_open_it() {
        let breaker = Breaker::new(policy());
        for verdict in [FAILED, FAILED, Verdict::Answered, FAILED, FAILED] {
            assert_eq!(settle(&breaker, verdict), None);
        }
        // What is unclear neither counts nor ends the row.
        assert_eq!(settle(&breaker, Verdict::Unclear), None);
        let open = settle(&breaker, FAILED).unwrap();
        assert!(open >= Duration::from_secs(4) && open <= Duration::from_secs(8));
        let error = breaker.admit().unwrap_err();
        assert_eq!(error.kind, ErrorKind::CircuitOpen { retry_after: open });
        assert_eq!((error.code(), error.is_retryable()), ("circuit_open", true));
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_cool_down_one_call_is_let_through() {
        let breaker = opened(policy());
        sleep(refused(&breaker)).await;
        let probe = breaker.admit().unwrap();
        assert_eq!(refused(&breaker), Duration::from_secs(8));
        probe.settle(Verdict::Answered);
        for _ in 0..2 {
            assert_eq!(settle(&breaker, FAILED), None, "the count starts anew");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_probe_doubles_the_cool_down_up_to_its_limit_and_an_answer_resets_it() {
        let breaker = opened(policy());
        for bound in [16, 20, 20].map(Duration::from_secs) {
            sleep(refused(&breaker)).await;
            let open = settle(&breaker, FAILED).unwrap();
            assert!(
                open >= bound / 2 && open <= bound,
                "{open:?} against {bound:?}"
            );
            assert_eq!(refused(&breaker), open);
        }
        sleep(refused(&breaker)).await;
        settle(&breaker, Verdict::Answered);
        settle(&breaker, FAILED);
        settle(&breaker, FAILED);
        assert!(settle(&breaker, FAILED).unwrap() <= Duration::from_secs(8));
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_asks_for_more_time_gets_it_within_the_limit() {
        let once = BreakerPolicy {
            failures: 1,
            ..policy()
        };
        for (asked, open) in [(15, 15), (3600, 20)] {
            let asked = Some(Duration::from_secs(asked));
            let breaker = Breaker::new(once);
            assert_eq!(
                settle(&breaker, Verdict::Failed { asked }),
                Some(Duration::from_secs(open))
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_given_up_leaves_its_place_to_the_next() {
        let breaker = opened(policy());
        sleep(refused(&breaker)).await;
        drop(breaker.admit().unwrap());
        let probe = breaker.admit().unwrap();
        assert!(breaker.admit().is_err());
        probe.settle(Verdict::Unclear);
        settle(&breaker, Verdict::Answered);
        assert!(breaker.admit().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_from_before_has_no_say_after() {
        let breaker = Breaker::new(policy());
        let (late, later) = (breaker.admit().unwrap(), breaker.admit().unwrap());
        for _ in 0..3 {
            settle(&breaker, FAILED);
        }
        late.settle(Verdict::Answered);
        sleep(refused(&breaker)).await;
        let probe = breaker.admit().unwrap();
        later.settle(FAILED);
        assert!(breaker.admit().is_err(), "the probe is still on its way");
        probe.settle(Verdict::Answered);
        assert!(breaker.admit().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn it_can_be_turned_off() {
        let breaker = Breaker::new(BreakerPolicy {
            failures: 0,
            ..policy()
        });
        for _ in 0..100 {
            assert_eq!(settle(&breaker, FAILED), None);
            advance(Duration::from_secs(1)).await;
        }
    }
}
