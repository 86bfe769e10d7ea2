//! When a provider that fails is left alone: the states that the README draws, and what moves between them.

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
pub(crate) struct Circuit {
    policy: BreakerPolicy,
    state: State,
    /// Grows with each change of state, so that a call let through in an earlier one has no say in this one.
    era: u64,
}

impl Circuit {
    pub(crate) fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            state: State::Closed { failures: 0 },
            era: 0,
        }
    }

    /// Whether a new one would be the same.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.state == State::Closed { failures: 0 }
    }

    /// The era in which the call is let through, or how long not to come back.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<u64, Duration> {
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
    pub(crate) fn settle(
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
