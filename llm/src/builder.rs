//! How a registry is put together.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;

use crate::breakers::Breakers;
use crate::entry::{Entry, Format, Shared, parse_base_url};
use crate::transport::{Endpoint, Http};
use crate::{BreakerPolicy, LlmError, Providers, RetryPolicy};

const OPENAI: &str = "openai";
const ANTHROPIC: &str = "anthropic";
const GEMINI: &str = "gemini";
const COMPATIBLE: &str = "openai-compatible";

/// Collects endpoints and keys for a [`Providers`].
pub struct ProvidersBuilder {
    /// What is without an endpoint has no key.
    entries: BTreeMap<String, (Format, Option<Endpoint>)>,
    retry: RetryPolicy,
    breaker: BreakerPolicy,
    connect_timeout: Duration,
}

impl Default for ProvidersBuilder {
    fn default() -> Self {
        let known = |name: &str, format| (name.to_owned(), (format, None));
        Self {
            entries: BTreeMap::from([
                known(OPENAI, Format::OpenAi),
                known(ANTHROPIC, Format::Anthropic),
                known(GEMINI, Format::Gemini),
            ]),
            retry: RetryPolicy::default(),
            breaker: BreakerPolicy::default(),
            connect_timeout: Duration::from_secs(10),
        }
    }
}

impl ProvidersBuilder {
    /// OpenAI, or what stands at `base_url` (up to and including `/v1`) in its place.
    pub fn openai(
        self,
        key: Option<SecretString>,
        base_url: Option<&str>,
    ) -> Result<Self, LlmError> {
        self.entry(OPENAI, Format::OpenAi, key, base_url)
    }

    /// Another endpoint that speaks OpenAI's protocol (vLLM, Ollama, OpenRouter, ...), under a name of its own.
    pub fn openai_compatible(
        self,
        name: &str,
        key: Option<SecretString>,
        base_url: &str,
    ) -> Result<Self, LlmError> {
        self.entry(name, Format::OpenAi, key, Some(base_url))
    }

    /// The one such endpoint that an environment names, `openai-compatible`, if it names one. It may want no key.
    pub fn compatible(
        self,
        key: Option<SecretString>,
        base_url: Option<&str>,
    ) -> Result<Self, LlmError> {
        match base_url {
            Some(base_url) => self.openai_compatible(COMPATIBLE, key, base_url),
            None => Ok(self),
        }
    }

    pub fn anthropic(
        self,
        key: Option<SecretString>,
        base_url: Option<&str>,
    ) -> Result<Self, LlmError> {
        self.entry(ANTHROPIC, Format::Anthropic, key, base_url)
    }

    pub fn gemini(
        self,
        key: Option<SecretString>,
        base_url: Option<&str>,
    ) -> Result<Self, LlmError> {
        self.entry(GEMINI, Format::Gemini, key, base_url)
    }

    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// When a failing provider is left alone.
    #[must_use]
    pub fn breaker(mut self, policy: BreakerPolicy) -> Self {
        self.breaker = policy;
        self
    }

    /// How long to wait for a TCP and TLS connection. Default 10 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    pub fn build(self) -> Result<Providers, LlmError> {
        let shared = Shared {
            http: Http::new(self.connect_timeout)?,
            breakers: Breakers::new(self.breaker),
        };
        let mut by_name = BTreeMap::new();
        for (name, (format, endpoint)) in self.entries {
            let base = match &endpoint {
                Some(endpoint) => endpoint.base().clone(),
                None => parse_base_url(&name, format.home())?,
            };
            let entry = Entry {
                place: Some((format, base)),
                callable: endpoint.map(|endpoint| shared.callable(&name, format, endpoint)),
            };
            by_name.insert(name, entry);
        }
        Ok(Providers::new(by_name, self.retry, shared))
    }

    fn entry(
        mut self,
        name: &str,
        format: Format,
        key: Option<SecretString>,
        base_url: Option<&str>,
    ) -> Result<Self, LlmError> {
        // Somebody's own endpoint (a local Ollama, a proxy that holds the key) may need none.
        let endpoint = if key.is_none() && base_url.is_none() {
            None
        } else {
            let base = parse_base_url(name, base_url.unwrap_or(format.home()))?;
            Some(Endpoint::new(name, base, key)?)
        };
        self.entries.insert(name.to_owned(), (format, endpoint));
        Ok(self)
    }
}
