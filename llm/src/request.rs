//! What a caller asks for.

use std::time::Duration;

use serde_json::Value;

use crate::{Message, Tool, ToolChoice};

/// One chat call. Build it with [`ChatRequest::new`] and set what you need; a field that is not set is the provider's default.
#[derive(Debug, Clone, Default)]
pub struct ChatRequest {
    /// `provider/model`, for example `openai/gpt-4o-mini`.
    pub model: String,
    pub system: Option<String>,
    pub messages: Vec<Message>,
    pub temperature: Option<f64>,
    /// Nucleus sampling, 0 to 1.
    pub top_p: Option<f64>,
    /// Texts at which the model stops, without saying them. OpenAI takes at most 4, Gemini 5.
    pub stop: Vec<String>,
    /// Upper limit of output tokens.
    pub max_tokens: Option<u32>,
    /// JSON Schema that the answer has to match.
    ///
    /// Every provider's own way to enforce it is used; [`Providers::complete`](crate::Providers::complete) checks the answer too.
    pub output_schema: Option<Value>,
    pub tools: Vec<Tool>,
    pub tool_choice: ToolChoice,
    /// Models to ask, in this order, when `model` cannot answer; also `provider/model`.
    pub fallback_models: Vec<String>,
    pub timeouts: Timeouts,
}

impl ChatRequest {
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn system(mut self, prompt: impl Into<String>) -> Self {
        self.system = Some(prompt.into());
        self
    }

    /// Adds a user turn.
    #[must_use]
    pub fn user(self, text: impl Into<String>) -> Self {
        self.message(Message::user(text))
    }

    #[must_use]
    pub fn message(mut self, message: Message) -> Self {
        self.messages.push(message);
        self
    }
}

/// How long a call may take. The time-out for connecting belongs to the connection pool: see
/// [`ProvidersBuilder::connect_timeout`](crate::ProvidersBuilder::connect_timeout).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From sending one attempt to the first thing that the model says. Default 2 min: some think that long in silence.
    pub first_token: Duration,
    /// The whole call: every retry, every fallback model, and the stream to its end. Default 5 min.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            first_token: Duration::from_secs(120),
            total: Duration::from_secs(300),
        }
    }
}
