//! The registry: which providers there are, with which keys.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;
use tokio::time::Instant;

use crate::anthropic::Anthropic;
use crate::breaker::Breaker;
use crate::gemini::Gemini;
use crate::model_name::ModelName;
use crate::openai::OpenAi;
use crate::transport::{Endpoint, Http};
use crate::{
    BreakerPolicy, ChatRequest, ChatStream, Completion, ErrorKind, LlmError, Provider, RetryPolicy,
    chat, structured,
};

const OPENAI: &str = "openai";
const ANTHROPIC: &str = "anthropic";
const GEMINI: &str = "gemini";

/// Every provider that can be called, behind one door. Cheap to clone; connections are shared.
#[derive(Clone)]
pub struct Providers {
    /// `None` stands for a provider that is known but has no key.
    by_name: BTreeMap<String, Option<Entry>>,
    retry: RetryPolicy,
    breaker: BreakerPolicy,
}

/// A provider that can be called, and what is known about its health.
#[derive(Clone)]
pub(crate) struct Entry {
    pub provider: Arc<dyn Provider>,
    pub breaker: Arc<Breaker>,
}

impl Providers {
    /// Reads `OPENAI_API_KEY`, `ANTHROPIC_API_KEY`, `GEMINI_API_KEY` and, to call another endpoint, `OPENAI_BASE_URL`
    /// (with its `/v1`), `ANTHROPIC_BASE_URL` and `GEMINI_BASE_URL` (without a version). An empty variable counts as not set.
    ///
    /// A provider without a key is no error until it is called; one with a base URL of its own needs no key.
    pub fn from_env() -> Result<Self, LlmError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// [`Providers::from_env`] over any other source of variables.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, LlmError> {
        let read = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let key = |name: &str| read(name).map(|key| SecretString::from(key.trim().to_owned()));
        let mut builder = Self::builder();
        builder = builder.openai(key("OPENAI_API_KEY"), read("OPENAI_BASE_URL").as_deref())?;
        builder = builder.anthropic(
            key("ANTHROPIC_API_KEY"),
            read("ANTHROPIC_BASE_URL").as_deref(),
        )?;
        builder = builder.gemini(key("GEMINI_API_KEY"), read("GEMINI_BASE_URL").as_deref())?;
        builder.build()
    }

    pub fn builder() -> ProvidersBuilder {
        ProvidersBuilder::default()
    }

    /// The names of the providers that can be called, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name
            .iter()
            .filter(|(_, provider)| provider.is_some())
            .map(|(name, _)| name.as_str())
    }

    /// The same registry with one provider replaced, for example by one with a tenant's own key.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, provider: Arc<dyn Provider>) -> Self {
        let breaker = Breaker::new(self.breaker);
        self.by_name
            .insert(name.into(), Some(Entry { provider, breaker }));
        self
    }

    /// Starts an answer and returns when the model has begun to speak.
    ///
    /// Until then, retryable failures are retried and fallback models asked; afterwards an error ends the stream.
    pub async fn chat(&self, request: &ChatRequest) -> Result<ChatStream, LlmError> {
        chat::open(self, request, Instant::now() + request.timeouts.total, 0).await
    }

    /// The whole answer. With an output schema it is checked, and the model gets one chance to repair it.
    pub async fn complete(&self, request: &ChatRequest) -> Result<Completion, LlmError> {
        let deadline = Instant::now() + request.timeouts.total;
        match &request.output_schema {
            None => {
                chat::open(self, request, deadline, 0)
                    .await?
                    .into_completion()
                    .await
            }
            Some(schema) => structured::complete(self, request, schema, deadline).await,
        }
    }

    pub(crate) fn retry(&self) -> &RetryPolicy {
        &self.retry
    }

    /// The outer error is a name nobody knows; the inner one a provider that has no key.
    pub(crate) fn lookup(
        &self,
        name: &ModelName<'_>,
    ) -> Result<Result<&Entry, LlmError>, LlmError> {
        match self.by_name.get(name.provider) {
            Some(Some(entry)) => Ok(Ok(entry)),
            Some(None) => Ok(Err(LlmError::new(
                ErrorKind::MissingKey,
                format!(
                    "there is no key for the provider `{0}`; set {1}_API_KEY",
                    name.provider,
                    name.provider.to_ascii_uppercase()
                ),
            ))),
            None => {
                let known: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
                Err(LlmError::new(
                    ErrorKind::UnknownProvider,
                    format!(
                        "there is no provider `{}`; known are {}",
                        name.provider,
                        known.join(", ")
                    ),
                ))
            }
        }
    }
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Providers")
            .field("names", &self.names().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Which wire format an entry speaks.
#[derive(Clone, Copy)]
enum Format {
    OpenAi,
    Anthropic,
    Gemini,
}

/// Collects endpoints and keys for a [`Providers`].
pub struct ProvidersBuilder {
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
        self.entry(
            OPENAI,
            Format::OpenAi,
            key,
            base_url,
            "https://api.openai.com/v1",
        )
    }

    /// Another endpoint that speaks OpenAI's protocol (vLLM, Ollama, OpenRouter, ...), under a name of its own.
    pub fn openai_compatible(
        self,
        name: &str,
        key: Option<SecretString>,
        base_url: &str,
    ) -> Result<Self, LlmError> {
        self.entry(name, Format::OpenAi, key, Some(base_url), base_url)
    }

    pub fn anthropic(
        self,
        key: Option<SecretString>,
        base_url: Option<&str>,
    ) -> Result<Self, LlmError> {
        self.entry(
            ANTHROPIC,
            Format::Anthropic,
            key,
            base_url,
            "https://api.anthropic.com",
        )
    }

    pub fn gemini(
        self,
        key: Option<SecretString>,
        base_url: Option<&str>,
    ) -> Result<Self, LlmError> {
        self.entry(
            GEMINI,
            Format::Gemini,
            key,
            base_url,
            "https://generativelanguage.googleapis.com",
        )
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
        let http = Http::new(self.connect_timeout)?;
        let by_name = self
            .entries
            .into_iter()
            .map(|(name, (format, endpoint))| {
                let provider = endpoint.map(|endpoint| -> Arc<dyn Provider> {
                    match format {
                        Format::OpenAi => Arc::new(OpenAi::new(http.clone(), endpoint)),
                        Format::Anthropic => Arc::new(Anthropic::new(http.clone(), endpoint)),
                        Format::Gemini => Arc::new(Gemini::new(http.clone(), endpoint)),
                    }
                });
                let entry = provider.map(|provider| Entry {
                    provider,
                    breaker: Breaker::new(self.breaker),
                });
                (name, entry)
            })
            .collect();
        Ok(Providers {
            by_name,
            retry: self.retry,
            breaker: self.breaker,
        })
    }

    fn entry(
        mut self,
        name: &str,
        format: Format,
        key: Option<SecretString>,
        base_url: Option<&str>,
        default_url: &str,
    ) -> Result<Self, LlmError> {
        // Somebody's own endpoint (a local Ollama, a proxy that holds the key) may need none.
        let endpoint = if key.is_none() && base_url.is_none() {
            None
        } else {
            Some(Endpoint::new(
                name,
                parse_base_url(name, base_url.unwrap_or(default_url))?,
                key,
            )?)
        };
        self.entries.insert(name.to_owned(), (format, endpoint));
        Ok(self)
    }
}

fn parse_base_url(name: &str, text: &str) -> Result<Url, LlmError> {
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
