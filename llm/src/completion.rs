//! What a finished call amounts to.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ToolCall;

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    pub text: String,
    /// The answer as JSON, checked; set if and only if an output schema was asked for and no tool is called.
    pub data: Option<Value>,
    pub tool_calls: Vec<ToolCall>,
    /// `provider/model` of the model that answered, which is a fallback model when the first could not.
    pub model: String,
    pub provider: String,
    pub finish_reason: FinishReason,
    /// All tokens of this call, those of a repair attempt included.
    pub usage: Usage,
    /// Upstream calls made: retries, fallback models and the repair attempt included.
    pub attempts: u32,
}

/// Tokens of a call. The parts are counted within their whole, whatever the provider's own habit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// All input, cached or not.
    pub input_tokens: u64,
    /// All output, reasoning included.
    pub output_tokens: u64,
    /// Part of `input_tokens`: read from the provider's prompt cache.
    pub cached_input_tokens: u64,
    /// Part of `input_tokens`: written to the provider's prompt cache (Anthropic bills it apart).
    pub cache_write_input_tokens: u64,
    /// Part of `output_tokens`: spent on thinking.
    pub reasoning_tokens: u64,
}

impl Usage {
    /// Input and output together.
    pub fn total_tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

impl std::ops::AddAssign for Usage {
    // Counts come from a provider, so they are not trusted to stay far from the end of u64.
    fn add_assign(&mut self, other: Self) {
        let add = |a: &mut u64, b: u64| *a = a.saturating_add(b);
        add(&mut self.input_tokens, other.input_tokens);
        add(&mut self.output_tokens, other.output_tokens);
        add(&mut self.cached_input_tokens, other.cached_input_tokens);
        add(
            &mut self.cache_write_input_tokens,
            other.cache_write_input_tokens,
        );
        add(&mut self.reasoning_tokens, other.reasoning_tokens);
    }
}

/// Why the model stopped, in one vocabulary for all providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FinishReason {
    /// It was done, or met a stop sequence.
    Stop,
    /// It ran into `max_tokens` or the end of its context window.
    Length,
    /// It waits for tool results.
    ToolCalls,
    /// The provider's filter cut it off.
    ContentFilter,
    /// The model itself declined.
    Refusal,
    /// Anything that the provider invented since.
    Other,
}

impl FinishReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Refusal => "refusal",
            Self::Other => "other",
        }
    }
}
