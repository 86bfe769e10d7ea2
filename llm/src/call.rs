//! The life of a call until something is answered: try, try again, ask the next model.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{Instrument, Span};

use crate::circuit::Verdict;
use crate::entry::Callable;
use crate::model_name::ModelName;

use crate::{ErrorKind, LlmError, Provider, Providers, TimeoutPhase, Timeouts, span};

/// What all kinds of calls have in common.
pub(crate) struct Call<'a> {
    pub providers: &'a Providers,
    /// As [`span`] names it.
    pub operation: &'static str,
    pub model: &'a str,
    pub fallback_models: &'a [String],
    pub timeouts: Timeouts,
    pub deadline: Instant,
    /// Upstream calls that were made before, in the same name and under the same deadline.
    pub attempts: u32,
    pub repeat: Repeat,
}

/// After which failures the same is asked again, of this model or of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Of all that may pass: what is lost is small.
    Freely,
    /// Only of those after which nothing can have been done that is billed.
    UnlessBilled,
}

impl Repeat {
    fn allows(self, error: &LlmError) -> bool {
        self == Self::Freely || !error.may_be_billed
    }
}

/// What a model answered.
pub(crate) struct Answer<'a, T> {
    pub value: T,
    pub name: ModelName<'a>,
    pub attempts: u32,
    /// Of the upstream call that answered.
    pub span: Span,
}

impl<'a> Call<'a> {
    /// Asks one model after the other. `once` makes one upstream call and resolves when the answer has begun.
    pub(crate) async fn run<T>(
        mut self,
        once: impl Fn(&'a dyn Provider, &'a str) -> BoxFuture<'a, Result<T, LlmError>>,
    ) -> Result<Answer<'a, T>, LlmError> {
        // A name that cannot work is the caller's mistake, also where only a bad day would have brought it to light.
        let mut models = Vec::with_capacity(1 + self.fallback_models.len());
        for full in
            std::iter::once(self.model).chain(self.fallback_models.iter().map(String::as_str))
        {
            let name = ModelName::parse(full)?;
            models.push((name, self.providers.lookup(&name)?));
        }

        let mut failures: Vec<LlmError> = Vec::new();
        for (name, callable) in models {
            let result = match callable {
                Ok(callable) => self.try_model(name, callable, &once).await,
                Err(missing_key) => Err(missing_key),
            };
            match result {
                Ok((value, span)) => {
                    return Ok(Answer {
                        value,
                        name,
                        attempts: self.attempts,
                        span,
                    });
                }
                Err(mut error) => {
                    error.model = name.full.to_owned();
                    error.attempts = self.attempts;
                    let next = error.kind.falls_back()
                        && self.repeat.allows(&error)
                        && Instant::now() < self.deadline;
                    failures.push(error);
                    if !next {
                        break;
                    }
                }
            }
        }
        Err(summarise(failures, self.attempts))
    }

    async fn try_model<T>(
        &mut self,
        name: ModelName<'a>,
        callable: &'a Callable,
        once: &impl Fn(&'a dyn Provider, &'a str) -> BoxFuture<'a, Result<T, LlmError>>,
    ) -> Result<(T, Span), LlmError> {
        let mut last: Option<LlmError> = None;
        let mut attempt = 0;
        loop {
            let permit = match callable.breaker.admit() {
                Ok(permit) => permit,
                // What opened the circuit says more than that it is open.
                Err(open) => return Err(last.unwrap_or(open)),
            };
            attempt += 1;
            self.attempts += 1;
            let began = Instant::now();
            let span = span::of_call(self.operation, &name);
            let result = self
                .in_time(once(callable.provider.as_ref(), name.model))
                .instrument(span.clone())
                .await;
            let mut error = match result {
                Ok(value) => {
                    permit.settle(Verdict::Answered);
                    return Ok((value, span));
                }
                Err(error) => error,
            };
            span::failed(&span, &error);
            if error.kind == ErrorKind::Unsupported {
                self.attempts -= 1;
                return Err(error);
            }
            error.may_be_billed |= last.is_some_and(|last| last.may_be_billed);
            let verdict = Verdict::of(&error, began.elapsed(), callable.breaker.policy());
            let open = permit.settle(verdict);
            let wait = self
                .providers
                .retry()
                .wait(attempt, &error, rand::random())
                // An open circuit is not waited for.
                .filter(|_| open.is_none() && self.repeat.allows(&error));
            tracing::warn!(
                model = name.full,
                error = error.code(),
                attempt,
                retry_in_ms = wait.map(milliseconds),
                circuit_open_ms = open.map(milliseconds),
                "llm call failed"
            );
            match wait {
                Some(wait) if Instant::now() + wait < self.deadline => sleep(wait).await,
                _ => return Err(error),
            }
            last = Some(error);
        }
    }

    /// Waits as long as one try may take.
    async fn in_time<T>(&self, answer: BoxFuture<'_, Result<T, LlmError>>) -> Result<T, LlmError> {
        let first_token = Instant::now() + self.timeouts.first_token;
        let (until, phase) = if first_token < self.deadline {
            (first_token, TimeoutPhase::FirstToken)
        } else {
            (self.deadline, TimeoutPhase::Total)
        };
        match timeout_at(until, answer).await {
            Ok(result) => result,
            Err(_) => Err(timed_out(phase, &self.timeouts)),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn timed_out(phase: TimeoutPhase, timeouts: &Timeouts) -> LlmError {
    let message = match phase {
        TimeoutPhase::FirstToken => format!(
            "the model said nothing within {} s",
            timeouts.first_token.as_secs_f64()
        ),
        _ => format!(
            "the call was not answered within {} s",
            timeouts.total.as_secs_f64()
        ),
    };
    LlmError::new(ErrorKind::Timeout { phase }, message)
}

/// One error for all the models that were asked: the first that may pass, so that a caller knows whether to come back.
fn summarise(failures: Vec<LlmError>, attempts: u32) -> LlmError {
    let main = failures
        .iter()
        .position(LlmError::is_retryable)
        .unwrap_or(0);
    let may_be_billed = failures.iter().any(|failure| failure.may_be_billed);
    let others: Vec<String> = failures
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != main)
        .map(|(_, other)| format!("{other} ({})", other.code()))
        .collect();
    let mut error = failures
        .into_iter()
        .nth(main)
        .unwrap_or_else(|| LlmError::new(ErrorKind::InvalidModelName, "no model was given"));
    if !others.is_empty() {
        error.message = format!("{}; also failed: {}", error.message, others.join("; "));
    }
    error.attempts = attempts;
    error.may_be_billed = may_be_billed;
    error
}
