//! From a provider's events to ours: what all wire formats share.

use std::borrow::Cow;
use std::collections::VecDeque;

use futures::stream::{self, Stream, StreamExt};
use serde_json::Value;

use crate::{ChatEvent, ErrorKind, EventStream, LlmError, halves, sse};

/// Reads one provider's events in their order. It takes what it knows and passes over the rest, so that a field or an
/// event that the provider adds tomorrow breaks nothing.
pub(crate) trait Mapper: Send + 'static {
    /// Reads one event. An error ends the stream.
    fn event(&mut self, event: &Value, out: &mut Vec<ChatEvent>) -> Result<(), LlmError>;

    /// The stream is over. Says `Finished` unless that was said before or the answer is not complete.
    fn end(&mut self, out: &mut Vec<ChatEvent>);
}

/// Runs a mapper over a stream.
pub(crate) fn map<M: Mapper>(
    values: impl Stream<Item = Result<Value, LlmError>> + Send + 'static,
    mapper: M,
) -> EventStream {
    struct State<S, M> {
        values: S,
        mapper: M,
        joiner: halves::Joiner,
        queue: VecDeque<Result<ChatEvent, LlmError>>,
        anything: bool,
        over: bool,
    }
    let state = State {
        values: values.boxed(),
        mapper,
        joiner: halves::Joiner::default(),
        queue: VecDeque::new(),
        anything: false,
        over: false,
    };
    stream::unfold(state, |mut state| async move {
        loop {
            if let Some(item) = state.queue.pop_front() {
                return Some((item, state));
            }
            if state.over {
                return None;
            }
            let mut out = Vec::new();
            let failed = match state.values.next().await {
                Some(Ok(value)) => {
                    state.anything = true;
                    state.mapper.event(&value, &mut out).err()
                }
                Some(Err(error)) => Some(error),
                None => {
                    state.over = true;
                    state.mapper.end(&mut out);
                    (!state.anything).then(|| {
                        LlmError::new(
                            ErrorKind::MalformedResponse,
                            "the provider's stream holds no events",
                        )
                    })
                }
            };
            state.over |= failed.is_some();
            let whole = out.into_iter().filter_map(|event| state.joiner.join(event));
            state.queue.extend(whole.map(Ok).chain(failed.map(Err)));
        }
    })
    .boxed()
}

/// An event's JSON text, made fit for a Rust string; `None` for the sign with which OpenAI's protocol ends.
pub(crate) fn json_text(event: &sse::Event) -> Option<Cow<'_, str>> {
    (event.data != "[DONE]").then(|| halves::shelter(&event.data))
}

pub(crate) fn not_json(error: &serde_json::Error) -> LlmError {
    LlmError::new(
        ErrorKind::MalformedResponse,
        format!("an event of the provider's stream is not JSON: {error}"),
    )
}

/// Parses the events of a stream, up to the end or the sign for it.
pub(crate) fn json(
    events: impl Stream<Item = Result<sse::Event, LlmError>> + Send + 'static,
) -> impl Stream<Item = Result<Value, LlmError>> + Send + 'static {
    let parse = |event: sse::Event| {
        let text = json_text(&event)?;
        Some(serde_json::from_str(&text).map_err(|error| not_json(&error)))
    };
    events
        .map(move |event| event.map_or_else(|error| Some(Err(error)), parse))
        .take_while(|parsed| std::future::ready(parsed.is_some()))
        .filter_map(std::future::ready)
}

/// A text that says something.
pub(crate) fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

/// A count of tokens; some servers write it as 12.0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and a nonsensical count stays a count"
)]
pub(crate) fn count(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_f64().map(|number| number as u64))
}

/// Ids of calls that the provider did not name begin so, and are not shown to it again.
const LOCAL_ID: &str = "call_local_";

pub(crate) fn new_call_id() -> String {
    format!("{LOCAL_ID}{:016x}", rand::random::<u64>())
}

pub(crate) fn is_local_id(id: &str) -> bool {
    id.starts_with(LOCAL_ID)
}
