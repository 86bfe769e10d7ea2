//! The one error of this crate.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Usage;

/// Why a call failed. Provider-specific errors are mapped to this one set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The provider does not accept the key, or the key may not do this. `authentication`
    Authentication,
    /// The account at the provider has no credit left; waiting does not help. `insufficient_quota`
    InsufficientQuota,
    /// Too many requests or tokens; `retry_after` is what the provider asked for. `rate_limited`
    RateLimited { retry_after: Option<Duration> },
    /// The provider is out of capacity (503, or Anthropic's 529). `overloaded`
    Overloaded { retry_after: Option<Duration> },
    /// The provider failed several times in a row and was not asked; `retry_after` is how long that stays so. `circuit_open`
    ///
    /// See [`BreakerPolicy`](crate::BreakerPolicy).
    CircuitOpen { retry_after: Duration },
    /// The request itself is wrong: the same request will fail again. `invalid_request`
    InvalidRequest,
    /// The provider has nothing of this kind, as Anthropic has no embeddings; nothing was sent. `unsupported`
    Unsupported,
    /// The provider does not know the model, or the key may not use it. `model_not_found`
    ModelNotFound,
    /// Any other HTTP status that is not a success. `provider_error`
    ProviderError { status: u16 },
    /// The provider answered something that is not its own protocol. `malformed_response`
    MalformedResponse,
    /// The answer does not match the output schema, also after the repair attempt; or vectors do not have the dimensions that
    /// were asked for. `invalid_output`
    InvalidOutput,
    /// Structured output was asked for and the model or its filter declined. `refused`
    Refused,
    /// No connection, or it broke, also in the middle of a stream. `connection`
    Connection,
    /// A time-out of ours passed. `timeout`
    Timeout { phase: TimeoutPhase },
    /// The provider says that the call was cancelled (status 499). `cancelled`
    ///
    /// A caller that cancels by dropping the future or the stream sees no error at all.
    Cancelled,
    /// The part of the model name before the slash is not a provider we know. `unknown_provider`
    UnknownProvider,
    /// The model name is not of the shape `provider/model`. `invalid_model_name`
    InvalidModelName,
    /// The provider is known but no key was given for it. `missing_key`
    MissingKey,
    /// A base URL or a key that cannot be used at all. `invalid_configuration`
    InvalidConfiguration,
}

/// Which of the time-outs passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeoutPhase {
    /// No connection within the registry's connect time-out.
    Connect,
    /// The model produced nothing in [`Timeouts::first_token`](crate::Timeouts::first_token).
    FirstToken,
    /// The call as a whole, retries included, took longer than [`Timeouts::total`](crate::Timeouts::total).
    Total,
}

impl ErrorKind {
    /// The stable, snake_case name of the kind, fit for a row or an API's error body.
    pub fn code(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::InsufficientQuota => "insufficient_quota",
            Self::RateLimited { .. } => "rate_limited",
            Self::Overloaded { .. } => "overloaded",
            Self::CircuitOpen { .. } => "circuit_open",
            Self::InvalidRequest => "invalid_request",
            Self::Unsupported => "unsupported",
            Self::ModelNotFound => "model_not_found",
            Self::ProviderError { .. } => "provider_error",
            Self::MalformedResponse => "malformed_response",
            Self::InvalidOutput => "invalid_output",
            Self::Refused => "refused",
            Self::Connection => "connection",
            Self::Timeout { .. } => "timeout",
            Self::Cancelled => "cancelled",
            Self::UnknownProvider => "unknown_provider",
            Self::InvalidModelName => "invalid_model_name",
            Self::MissingKey => "missing_key",
            Self::InvalidConfiguration => "invalid_configuration",
        }
    }

    /// Whether the same request may succeed when it is sent again later.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::Overloaded { .. }
            | Self::CircuitOpen { .. }
            | Self::MalformedResponse
            | Self::Connection
            | Self::Timeout { .. } => true,
            Self::ProviderError { status } => status >= 500 || matches!(status, 408 | 409 | 425),
            _ => false,
        }
    }

    /// What [`LlmError::may_be_billed`] is if nothing more is known than the kind.
    fn may_be_billed(self) -> bool {
        match self {
            // A provider that is out of capacity refuses before it works; any other 5xx may come out of the middle of it.
            Self::Overloaded { .. } | Self::RateLimited { .. } | Self::CircuitOpen { .. } => false,
            Self::Timeout { phase } => phase != TimeoutPhase::Connect,
            Self::ProviderError { .. }
            | Self::MalformedResponse
            | Self::InvalidOutput
            | Self::Refused
            | Self::Connection
            | Self::Cancelled => true,
            Self::Authentication
            | Self::InsufficientQuota
            | Self::InvalidRequest
            | Self::Unsupported
            | Self::ModelNotFound
            | Self::UnknownProvider
            | Self::InvalidModelName
            | Self::MissingKey
            | Self::InvalidConfiguration => false,
        }
    }

    /// Whether another model is worth asking: the fault lies with this provider or key, not with the request.
    pub(crate) fn falls_back(self) -> bool {
        self.is_retryable()
            || matches!(
                self,
                Self::Authentication
                    | Self::InsufficientQuota
                    | Self::Unsupported
                    | Self::ModelNotFound
                    | Self::MissingKey
            )
    }
}

/// A failed call.
///
/// `Display` is one sentence for a person: it names the model and never contains a key.
#[derive(Debug, Clone, thiserror::Error)]
pub struct LlmError {
    pub kind: ErrorKind,
    /// `provider/model`, as it was asked for; empty before a model was chosen.
    pub model: String,
    /// What the provider or this crate says about it, cut to a length fit for a row, keys removed.
    pub message: String,
    /// How many upstream calls were made, retries and fallback models included.
    pub attempts: u32,
    /// Tokens that were spent although the call failed. They have to be paid.
    pub usage: Usage,
    /// Whether a provider may have done the work, in part at least, and bill it, although nothing came of it: the request had
    /// reached it, and it did not say that it refused. The same request, sent again, may then be paid twice.
    pub may_be_billed: bool,
}

impl LlmError {
    /// An error about which only these are known; the registry adds the model and the attempts.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            model: String::new(),
            message: message.into(),
            attempts: 0,
            usage: Usage::default(),
            may_be_billed: kind.may_be_billed(),
        }
    }

    /// See [`ErrorKind::code`].
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// See [`ErrorKind::is_retryable`].
    pub fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }

    /// How long to wait before the next try: as long as the provider asked for, or as its circuit stays open.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            ErrorKind::RateLimited { retry_after } | ErrorKind::Overloaded { retry_after } => {
                retry_after
            }
            ErrorKind::CircuitOpen { retry_after } => Some(retry_after),
            _ => None,
        }
    }
}

impl fmt::Display for LlmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.model.is_empty() {
            write!(f, "{}: ", self.model)?;
        }
        write!(f, "{}", self.message)
    }
}
