//! Leaves a provider alone that is failing: the circuit breaker of one provider, endpoint and key.
//!
//! The README draws the states; [`Circuit`] is that drawing and knows no clock, [`Breaker`] is it with a clock and a lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::{ErrorKind, LlmError, TimeoutPhase};

/// When a provider is left alone, and for how long.
///
/// Each key at each endpoint is judged by itself. The judgement falls when the model begins to speak or the try fails;
/// a stream that breaks later says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Failures in a row, with no answer between them, that open the circuit; 0 means that nothing does. Default 5.
    ///
    /// Counted are failures of the provider: no connection, silence, 5xx, overloaded. What a caller did wrong and 429 are
    /// not: they neither count nor end the row.
    pub failures: u32,
    /// Upper bound of the first cool-down; it doubles each time that the probe fails too. Default 5 s.
    pub cool_down: Duration,
    /// No cool-down is longer than this, or than a day, also if the provider's `Retry-After` is. Default 2 min.
    pub max_cool_down: Duration,
    /// A model that says nothing for this long counts as failing, whichever time-out ended the wait. A shorter time-out says
    /// more about the caller's haste, and one caller's haste must not shut out those who share the key. Default 30 s.
    pub patience: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failures: 5,
            cool_down: Duration::from_secs(5),
            max_cool_down: Duration::from_secs(120),
            patience: Duration::from_secs(30),
        }
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What one call says about the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Answered,
    /// It failed, and asked to be left alone for so long.
    Failed {
        asked: Option<Duration>,
    },
    /// The call was given up, or it failed by what the caller did.
    Unclear,
}

impl Verdict {
    /// `waited` is how long the model was silent.
    pub(crate) fn of(error: &LlmError, waited: Duration, policy: &BreakerPolicy) -> Self {
        match error.kind {
            ErrorKind::Connection
            | ErrorKind::Timeout {
                phase: TimeoutPhase::Connect,
            } => Self::Failed { asked: None },
            ErrorKind::Timeout { .. } if waited >= policy.patience => Self::Failed { asked: None },
            ErrorKind::ProviderError { status } if status >= 500 => Self::Failed { asked: None },
            ErrorKind::Overloaded { retry_after } => Self::Failed { asked: retry_after },
            _ => Self::Unclear,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, bound: Duration },
    HalfOpen { bound: Duration },
}

/// The states and the ways between them.
#[derive(Debug)]
struct Circuit {
    policy: BreakerPolicy,
    state: State,
    /// Grows with each change of state, so that a call let through in an earlier one has no say in this one.
    era: u64,
}

impl Circuit {
    fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            state: State::Closed { failures: 0 },
            era: 0,
        }
    }

    /// The era in which the call is let through, or how long not to come back.
    fn admit(&mut self, now: Instant) -> Result<u64, Duration> {
        match self.state {
            State::Closed { .. } => {}
            State::Open { until, bound } if until <= now => self.enter(State::HalfOpen { bound }),
            State::Open { until, .. } => return Err(until - now),
            // Nobody knows how long the probe takes.
            State::HalfOpen { .. } => return Err(self.policy.cool_down),
        }
        Ok(self.era)
    }

    /// Takes a call's verdict; says for how long the circuit is open because of it. `random` is in 0..1.
    fn settle(
        &mut self,
        era: u64,
        verdict: Verdict,
        now: Instant,
        random: f64,
    ) -> Option<Duration> {
        if era != self.era {
            return None;
        }
        match (self.state, verdict) {
            (State::Closed { .. }, Verdict::Answered) => {
                self.state = State::Closed { failures: 0 };
                None
            }
            (State::HalfOpen { .. }, Verdict::Answered) => {
                self.enter(State::Closed { failures: 0 });
                None
            }
            (State::Closed { failures }, Verdict::Failed { asked }) => {
                let failures = failures.saturating_add(1);
                self.state = State::Closed { failures };
                (failures == self.policy.failures)
                    .then(|| self.open(self.policy.cool_down, asked, now, random))
            }
            (State::HalfOpen { bound }, Verdict::Failed { asked }) => {
                Some(self.open(bound.saturating_mul(2), asked, now, random))
            }
            // The probe is the next call's to make.
            (State::HalfOpen { bound }, Verdict::Unclear) => {
                self.enter(State::Open { until: now, bound });
                None
            }
            (State::Closed { .. }, Verdict::Unclear) | (State::Open { .. }, _) => None,
        }
    }

    /// A cool-down lies between half and the whole of its bound, so that many processes do not probe together.
    fn open(
        &mut self,
        bound: Duration,
        asked: Option<Duration>,
        now: Instant,
        random: f64,
    ) -> Duration {
        let longest = self.policy.max_cool_down.min(DAY);
        let bound = bound.min(longest);
        let asked = asked.unwrap_or_default().min(longest);
        let cool_down = bound.mul_f64(0.5 + random * 0.5).max(asked);
        let until = now + cool_down;
        self.enter(State::Open { until, bound });
        cool_down
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.era += 1;
    }
}

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
        self.circuit().state == State::Closed { failures: 0 }
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
    use proptest::prelude::*;
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

    #[test]
    fn the_fault_has_to_be_the_providers() {
        let (policy, hasty) = (BreakerPolicy::default(), Duration::from_secs(29));
        let of = |kind, waited| Verdict::of(&LlmError::new(kind, "x"), waited, &policy);
        let timeout = |phase| ErrorKind::Timeout { phase };
        let asked = Some(Duration::from_secs(7));
        for kind in [
            ErrorKind::Connection,
            timeout(TimeoutPhase::Connect),
            ErrorKind::ProviderError { status: 500 },
            ErrorKind::ProviderError { status: 504 },
            ErrorKind::Overloaded { retry_after: None },
        ] {
            assert_eq!(of(kind, Duration::ZERO), FAILED, "{kind:?}");
        }
        assert_eq!(
            of(ErrorKind::Overloaded { retry_after: asked }, hasty),
            Verdict::Failed { asked }
        );
        for phase in [TimeoutPhase::FirstToken, TimeoutPhase::Total] {
            assert_eq!(of(timeout(phase), hasty), Verdict::Unclear);
            assert_eq!(of(timeout(phase), policy.patience), FAILED);
        }
        for kind in [
            ErrorKind::RateLimited { retry_after: asked },
            ErrorKind::RateLimited { retry_after: None },
            ErrorKind::ProviderError { status: 408 },
            ErrorKind::InvalidRequest,
            ErrorKind::Authentication,
            ErrorKind::InsufficientQuota,
            ErrorKind::ModelNotFound,
            ErrorKind::MalformedResponse,
            ErrorKind::Cancelled,
        ] {
            assert_eq!(of(kind, policy.patience), Verdict::Unclear, "{kind:?}");
        }
    }

    /// What happens to a breaker in the property test.
    #[derive(Debug, Clone)]
    enum Step {
        Call,
        End(usize, Verdict),
        Pass(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let verdict = prop_oneof![
            1 => Just(Verdict::Answered),
            3 => Just(FAILED),
            1 => Just(Verdict::Unclear),
        ];
        let step = prop_oneof![
            3 => Just(Step::Call),
            3 => (any::<usize>(), verdict).prop_map(|(which, verdict)| Step::End(which, verdict)),
            1 => (0u64..12).prop_map(Step::Pass),
        ];
        proptest::collection::vec(step, 1..200)
    }

    proptest! {
        /// Whatever the order: while a circuit is open or probed, nothing but one probe at a time is under way that
        /// was let through since it opened, and none before half the cool-down is over.
        #[test]
        fn never_more_than_one_probe(steps in steps(), random in 0.0..1.0f64) {
            let mut circuit = Circuit::new(policy());
            let mut now = Instant::now();
            let mut calls: Vec<u64> = Vec::new();
            let mut opened_at = None;
            let mut probe = None;
            for step in steps {
                match step {
                    Step::Pass(seconds) => now += Duration::from_secs(seconds),
                    Step::Call => {
                        let admitted = circuit.admit(now);
                        if let Some((at, least)) = opened_at {
                            prop_assert_eq!(admitted.is_ok(), probe.is_none() && now >= at + least);
                            probe = probe.or(admitted.ok());
                        }
                        calls.extend(admitted);
                    }
                    Step::End(which, verdict) if !calls.is_empty() => {
                        let era = calls.swap_remove(which % calls.len());
                        let opens = circuit.settle(era, verdict, now, random);
                        if let Some(cool_down) = opens {
                            prop_assert!(cool_down >= policy().cool_down / 2 && cool_down <= policy().max_cool_down);
                            prop_assert!(opened_at.is_none() || probe == Some(era), "only a probe opens it again");
                            opened_at = Some((now, cool_down));
                            probe = None;
                        } else if probe == Some(era) {
                            probe = None;
                            if verdict == Verdict::Answered {
                                opened_at = None;
                            }
                        }
                    }
                    Step::End(..) => {}
                }
            }
        }
    }
}
