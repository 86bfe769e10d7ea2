//! The life of a call until something is streamed: try, try again, ask the next model.

use std::time::Duration;

use futures::stream::{self, StreamExt};
use tokio::time::{Instant, sleep, timeout_at};

use crate::model_name::ModelName;
use crate::{
    ChatEvent, ChatRequest, ChatStream, ErrorKind, EventStream, LlmError, Provider, Providers,
    TimeoutPhase,
};

/// Opens a stream that has begun: its first event is there already.
///
/// `attempts` calls were made before this one, in the same name and under the same deadline.
pub(crate) async fn open(
    providers: &Providers,
    request: &ChatRequest,
    deadline: Instant,
    mut attempts: u32,
) -> Result<ChatStream, LlmError> {
    // A name that cannot work is the caller's mistake, also where only a bad day would have brought it to light.
    let mut models = Vec::with_capacity(1 + request.fallback_models.len());
    for full in std::iter::once(&request.model).chain(&request.fallback_models) {
        let name = ModelName::parse(full)?;
        models.push((name, providers.lookup(&name)?));
    }

    let mut failures: Vec<LlmError> = Vec::new();
    for (name, provider) in models {
        let result = match provider {
            Ok(provider) => {
                try_model(providers, request, name, provider, deadline, &mut attempts).await
            }
            Err(missing_key) => Err(missing_key),
        };
        match result {
            Ok(stream) => return Ok(stream),
            Err(mut error) => {
                error.model = name.full.to_owned();
                error.attempts = attempts;
                let next = error.kind.falls_back() && Instant::now() < deadline;
                failures.push(error);
                if !next {
                    break;
                }
            }
        }
    }
    Err(summarise(failures, attempts))
}

async fn try_model(
    providers: &Providers,
    request: &ChatRequest,
    name: ModelName<'_>,
    provider: &dyn Provider,
    deadline: Instant,
    attempts: &mut u32,
) -> Result<ChatStream, LlmError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        *attempts += 1;
        let error = match first_event(provider, name, request, deadline).await {
            Ok(events) => {
                return Ok(ChatStream {
                    provider: name.provider.to_owned(),
                    model: name.full.to_owned(),
                    attempts: *attempts,
                    events: guard(events, name, *attempts, deadline),
                });
            }
            Err(error) => error,
        };
        let wait = providers.retry().wait(attempt, &error, rand::random());
        tracing::warn!(
            model = name.full,
            error = error.code(),
            attempt,
            retry_in_ms = wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            "llm call failed"
        );
        match wait {
            Some(wait) if Instant::now() + wait < deadline => sleep(wait).await,
            _ => return Err(error),
        }
    }
}

/// Makes one call and waits until the model says something.
async fn first_event(
    provider: &dyn Provider,
    name: ModelName<'_>,
    request: &ChatRequest,
    deadline: Instant,
) -> Result<EventStream, LlmError> {
    let first_token = Instant::now() + request.timeouts.first_token;
    let (until, phase) = if first_token < deadline {
        (first_token, TimeoutPhase::FirstToken)
    } else {
        (deadline, TimeoutPhase::Total)
    };
    let opened = async {
        let mut events = provider.chat(name.model, request).await?;
        let mut before = Vec::new();
        while let Some(event) = events.next().await {
            let event = event?;
            // Counting tokens is not yet an answer.
            let is_answer = !matches!(event, ChatEvent::Usage(_));
            before.push(Ok(event));
            if is_answer {
                return Ok(stream::iter(before).chain(events).boxed());
            }
        }
        Err(cut_short())
    };
    match timeout_at(until, opened).await {
        Ok(result) => result,
        Err(_) => Err(timed_out(phase, request)),
    }
}

/// Holds a stream to its promises: it ends with `Finished` or an error, in time, and its errors say where they come from.
fn guard(
    events: EventStream,
    name: ModelName<'_>,
    attempts: u32,
    deadline: Instant,
) -> EventStream {
    let model = name.full.to_owned();
    let name_it = move |mut error: LlmError| {
        error.model = model.clone();
        error.attempts = attempts;
        error
    };
    stream::unfold(Some((events, name_it)), move |state| async move {
        let (mut events, name_it) = state?;
        let item = match timeout_at(deadline, events.next()).await {
            Ok(Some(Ok(event))) => Ok(event),
            Ok(Some(Err(error))) => Err(error),
            Ok(None) => Err(cut_short()),
            Err(_) => Err(total_passed()),
        };
        match item {
            Ok(event @ ChatEvent::Finished { .. }) => Some((Ok(event), None)),
            Ok(event) => Some((Ok(event), Some((events, name_it)))),
            Err(error) => Some((Err(name_it(error)), None)),
        }
    })
    .boxed()
}

fn cut_short() -> LlmError {
    LlmError::new(
        ErrorKind::Connection,
        "the provider's stream ended in the middle of the answer",
    )
}

fn total_passed() -> LlmError {
    LlmError::new(
        ErrorKind::Timeout {
            phase: TimeoutPhase::Total,
        },
        "the answer was not complete within the time-out for the whole call",
    )
}

fn timed_out(phase: TimeoutPhase, request: &ChatRequest) -> LlmError {
    let seconds = |duration: Duration| duration.as_secs_f64();
    match phase {
        TimeoutPhase::FirstToken => LlmError::new(
            ErrorKind::Timeout { phase },
            format!(
                "the model said nothing within {} s",
                seconds(request.timeouts.first_token)
            ),
        ),
        _ => LlmError::new(
            ErrorKind::Timeout { phase },
            format!(
                "the call was not answered within {} s",
                seconds(request.timeouts.total)
            ),
        ),
    }
}

/// One error for all the models that were asked: the first that may pass, so that a caller knows whether to come back.
fn summarise(failures: Vec<LlmError>, attempts: u32) -> LlmError {
    let main = failures
        .iter()
        .position(LlmError::is_retryable)
        .unwrap_or(0);
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
    error
}
