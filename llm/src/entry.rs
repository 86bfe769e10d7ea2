//! One provider in the registry.

use std::sync::Arc;

use reqwest::Url;

use crate::anthropic::Anthropic;
use crate::breaker::Breaker;
use crate::breakers::Breakers;
use crate::gemini::Gemini;
use crate::openai::OpenAi;
use crate::transport::{Endpoint, Http};
use crate::{ErrorKind, LlmError, Provider};

/// Which wire format a provider speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Format {
    OpenAi,
    Anthropic,
    Gemini,
}

impl Format {
    /// Where the provider is who made the format.
    pub(crate) fn home(self) -> &'static str {
        match self {
            Self::OpenAi => "https://api.openai.com/v1",
            Self::Anthropic => "https://api.anthropic.com",
            Self::Gemini => "https://generativelanguage.googleapis.com",
        }
    }
}

/// A name that is known, whether or not it can be called.
#[derive(Clone)]
pub(crate) struct Entry {
    /// `None` for a provider that was brought from outside: nothing is known of its keys.
    pub place: Option<(Format, Url)>,
    /// `None` for a provider without a key.
    pub callable: Option<Callable>,
}

/// A provider that can be called, and what is known about its health.
#[derive(Clone)]
pub(crate) struct Callable {
    pub provider: Arc<dyn Provider>,
    pub breaker: Arc<Breaker>,
}

/// What registries made from each other share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub http: Http,
    pub breakers: Arc<Breakers>,
}

impl Shared {
    pub(crate) fn callable(&self, name: &str, format: Format, endpoint: Endpoint) -> Callable {
        let breaker = self.breakers.of(name, &endpoint);
        let http = self.http.clone();
        let provider: Arc<dyn Provider> = match format {
            Format::OpenAi => Arc::new(OpenAi::new(http, endpoint)),
            Format::Anthropic => Arc::new(Anthropic::new(http, endpoint)),
            Format::Gemini => Arc::new(Gemini::new(http, endpoint)),
        };
        Callable { provider, breaker }
    }

    /// A provider of somebody else's making; nobody shares its circuit.
    pub(crate) fn foreign(&self, provider: Arc<dyn Provider>) -> Callable {
        let breaker = Breaker::new(self.breakers.policy());
        Callable { provider, breaker }
    }
}

pub(crate) fn parse_base_url(name: &str, text: &str) -> Result<Url, LlmError> {
    // The text is not repeated in the message: it may hold a password.
    let invalid = |what: &str| {
        LlmError::new(
            ErrorKind::InvalidConfiguration,
            format!("the base URL of the provider `{name}` {what}"),
        )
    };
    let url = Url::parse(text.trim().trim_end_matches('/'))
        .map_err(|error| invalid(&format!("is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(invalid("does not begin with http:// or https://"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("has a query or a fragment"));
    }
    Ok(url)
}
