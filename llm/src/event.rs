//! What a stream says.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::{BoxStream, Stream, StreamExt};

use crate::{Completion, FinishReason, LlmError, ToolCall, Usage};

/// One thing that happens in a stream.
///
/// A stream that succeeds ends with exactly one `Finished`; one that fails ends with an error instead.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ChatEvent {
    /// More of the answer; never empty. With an output schema this is the JSON text.
    Text(String),
    /// More of what the model thinks aloud, where the provider shows it; never empty.
    Reasoning(String),
    /// A tool call begins; calls are numbered from 0 within the answer.
    ToolCallStart {
        index: usize,
        id: String,
        name: String,
        signature: Option<String>,
    },
    /// More of the JSON text of a call's arguments.
    ToolCallArguments {
        index: usize,
        json: String,
    },
    /// What the call has used so far; replaces the one before. It comes early so that a stream that breaks can still be paid for.
    Usage(Usage),
    Finished {
        reason: FinishReason,
        usage: Usage,
    },
}

/// The events of one provider's answer.
pub type EventStream = BoxStream<'static, Result<ChatEvent, LlmError>>;

/// An answer as it comes. Dropping it closes the call upstream.
pub struct ChatStream {
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) attempts: u32,
    pub(crate) events: EventStream,
}

impl ChatStream {
    /// The provider that answers.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// `provider/model` of the model that answers.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Upstream calls made until something came.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Reads the stream to its end. Output schemas are not looked at: [`Providers::complete`](crate::Providers::complete) does that.
    pub async fn into_completion(mut self) -> Result<Completion, LlmError> {
        let mut text = String::new();
        let mut tool_calls: Vec<ToolCall> = Vec::new();
        let mut used = Usage::default();
        let mut finish_reason = FinishReason::Other;
        while let Some(event) = self.events.next().await {
            let event = event.map_err(|mut error| {
                error.usage = used;
                error
            })?;
            match event {
                ChatEvent::Text(delta) => text.push_str(&delta),
                ChatEvent::Reasoning(_) => {}
                ChatEvent::ToolCallStart {
                    id,
                    name,
                    signature,
                    ..
                } => {
                    tool_calls.push(ToolCall {
                        id,
                        name,
                        arguments: String::new(),
                        signature,
                    });
                }
                ChatEvent::ToolCallArguments { index, json } => {
                    if let Some(call) = tool_calls.get_mut(index) {
                        call.arguments.push_str(&json);
                    }
                }
                ChatEvent::Usage(usage) => used = usage,
                ChatEvent::Finished { reason, usage } => {
                    used = usage;
                    finish_reason = reason;
                }
            }
        }
        Ok(Completion {
            text,
            data: None,
            tool_calls,
            model: self.model,
            provider: self.provider,
            finish_reason,
            usage: used,
            attempts: self.attempts,
        })
    }
}

impl Stream for ChatStream {
    type Item = Result<ChatEvent, LlmError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_next_unpin(cx)
    }
}

impl std::fmt::Debug for ChatStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatStream")
            .field("model", &self.model)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}
