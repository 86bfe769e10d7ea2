//! A chat call: it has begun when the model says something, and is watched until it ends.

use futures::stream::{self, StreamExt};
use tokio::time::{Instant, timeout_at};
use tracing::Span;

use crate::call::{Call, Repeat};
use crate::model_name::ModelName;
use crate::{
    ChatEvent, ChatRequest, ChatStream, ErrorKind, EventStream, LlmError, Provider, Providers,
    TimeoutPhase, span,
};

/// Opens a stream that has begun: its first event is there already.
///
/// `attempts` calls were made before this one, in the same name and under the same deadline.
pub(crate) async fn open(
    providers: &Providers,
    request: &ChatRequest,
    deadline: Instant,
    attempts: u32,
) -> Result<ChatStream, LlmError> {
    let call = Call {
        providers,
        operation: span::CHAT,
        model: &request.model,
        fallback_models: &request.fallback_models,
        timeouts: request.timeouts,
        deadline,
        attempts,
        repeat: Repeat::Freely,
    };
    let answer = call
        .run(|provider, model| Box::pin(first_event(provider, model, request)))
        .await?;
    Ok(ChatStream {
        provider: answer.name.provider.to_owned(),
        model: answer.name.full.to_owned(),
        attempts: answer.attempts,
        events: guard(
            answer.value,
            answer.name,
            answer.attempts,
            deadline,
            answer.span,
        ),
    })
}

/// Makes one call and waits until the model says something.
async fn first_event(
    provider: &dyn Provider,
    model: &str,
    request: &ChatRequest,
) -> Result<EventStream, LlmError> {
    let mut events = provider.chat(model, request).await?;
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
}

/// Holds a stream to its promises: it ends with `Finished` or an error, in time, and its errors say where they come from.
fn guard(
    events: EventStream,
    name: ModelName<'_>,
    attempts: u32,
    deadline: Instant,
    span: Span,
) -> EventStream {
    let model = name.full.to_owned();
    let name_it = move |mut error: LlmError| {
        error.model = model.clone();
        // Something was said.
        error.may_be_billed = true;
        error.attempts = attempts;
        error
    };
    stream::unfold(Some((events, name_it, span)), move |state| async move {
        let (mut events, name_it, span) = state?;
        let item = match timeout_at(deadline, events.next()).await {
            Ok(Some(Ok(event))) => Ok(event),
            Ok(Some(Err(error))) => Err(error),
            Ok(None) => Err(cut_short()),
            Err(_) => Err(total_passed()),
        };
        match item {
            Ok(ChatEvent::Finished { reason, usage }) => {
                span::used(&span, &usage);
                span::finished(&span, reason);
                Some((Ok(ChatEvent::Finished { reason, usage }), None))
            }
            Ok(event) => {
                if let ChatEvent::Usage(usage) = &event {
                    span::used(&span, usage);
                }
                Some((Ok(event), Some((events, name_it, span))))
            }
            Err(error) => {
                span::failed(&span, &error);
                Some((Err(name_it(error)), None))
            }
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
