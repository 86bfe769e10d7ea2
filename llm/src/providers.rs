//! The registry: which providers there are, with which keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use crate::entry::{Callable, Entry, Shared, parse_base_url};
use crate::model_name::ModelName;
use crate::transport::Endpoint;
use crate::{
    ChatRequest, ChatStream, Completion, EmbeddingRequest, Embeddings, ErrorKind, ImageRequest,
    Images, LlmError, Provider, ProvidersBuilder, RetryPolicy, chat, embedding, image, structured,
};

/// Every provider that can be called, behind one door. Cheap to clone; connections are shared.
#[derive(Clone)]
pub struct Providers {
    by_name: BTreeMap<String, Entry>,
    retry: RetryPolicy,
    shared: Shared,
}

impl Providers {
    pub(crate) fn new(
        by_name: BTreeMap<String, Entry>,
        retry: RetryPolicy,
        shared: Shared,
    ) -> Self {
        Self {
            by_name,
            retry,
            shared,
        }
    }

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
        builder = builder.compatible(
            key("OPENAI_COMPATIBLE_API_KEY"),
            read("OPENAI_COMPATIBLE_BASE_URL").as_deref(),
        )?;
        builder.build()
    }

    pub fn builder() -> ProvidersBuilder {
        ProvidersBuilder::default()
    }

    /// The names of the providers that can be called, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name
            .iter()
            .filter(|(_, entry)| entry.callable.is_some())
            .map(|(name, _)| name.as_str())
    }

    /// The same registry with one provider added or replaced by one of your own making.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, provider: Arc<dyn Provider>) -> Self {
        let entry = Entry {
            place: None,
            callable: Some(self.shared.foreign(provider)),
        };
        self.by_name.insert(name.into(), entry);
        self
    }

    /// A registry in which one provider is called with another key, for example a tenant's own. Cheap enough for each call:
    /// connections, policies and all other providers are shared with this one.
    ///
    /// Without a base URL the key goes where this registry sends its own. With one it goes there and nowhere else, and no key
    /// may be given at all; this registry's own key never goes to another address. The circuit is the key's own, the same for
    /// each registry that is made from this one with the same key and address.
    ///
    /// An address that comes from a tenant is **not** checked. It is called from here, with the network that is here, and some
    /// of what it answers is told in errors: whether it may be called (no private network, a name that resolves to the
    /// same address later) is the caller's to decide before.
    ///
    /// Errors: `unknown_provider`; `invalid_configuration` for a provider that [`Providers::with`] brought, an empty key or
    /// one that no header can hold, an address that is none, and neither key nor address.
    pub fn with_key(
        &self,
        name: &str,
        key: impl Into<Option<SecretString>>,
        base_url: Option<&str>,
    ) -> Result<Self, LlmError> {
        let key = key.into();
        let invalid = |message: String| LlmError::new(ErrorKind::InvalidConfiguration, message);
        let entry = self.by_name.get(name).ok_or_else(|| self.unknown(name))?;
        let Some((format, base)) = &entry.place else {
            return Err(invalid(format!(
                "the provider `{name}` brings its own key, which cannot be replaced"
            )));
        };
        if key.is_none() && base_url.is_none() {
            return Err(invalid(format!(
                "neither a key nor a base URL was given for the provider `{name}`"
            )));
        }
        // It would be sent, and refused with words that nobody understands.
        if key
            .as_ref()
            .is_some_and(|key| key.expose_secret().trim().is_empty())
        {
            return Err(invalid(format!(
                "the key for the provider `{name}` is empty"
            )));
        }
        let base = match base_url {
            Some(text) => parse_base_url(name, text)?,
            None => base.clone(),
        };
        let endpoint = Endpoint::new(name, base.clone(), key)?;
        let entry = Entry {
            place: Some((*format, base)),
            callable: Some(self.shared.callable(name, *format, endpoint)),
        };
        let mut other = self.clone();
        other.by_name.insert(name.to_owned(), entry);
        Ok(other)
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

    /// A vector for each text, by one upstream call, which is retried and falls back as a chat call does.
    ///
    /// Errors beside those of a chat call: `unsupported` where the provider has no embeddings (Anthropic has none);
    /// `malformed_response` if there are not as many vectors as inputs or their order cannot be told.
    pub async fn embed(&self, request: &EmbeddingRequest) -> Result<Embeddings, LlmError> {
        embedding::embed(self, request).await
    }

    /// Makes images, by one upstream call. An image costs much more than an answer in words, so what may have been billed is not
    /// sent again, neither to this model nor to a fallback model: only refusals are (no connection, 429, 503, an open
    /// circuit, and for the next model a wrong key and the like). See [`LlmError::may_be_billed`].
    ///
    /// Dropping the future closes the call, which may be billed all the same. Errors beside those of a chat call: `unsupported`
    /// where this crate cannot ask the provider for images (OpenAI and those who speak like it can be).
    pub async fn make_images(&self, request: &ImageRequest) -> Result<Images, LlmError> {
        image::make(self, request).await
    }

    pub(crate) fn retry(&self) -> &RetryPolicy {
        &self.retry
    }

    /// The outer error is a name nobody knows; the inner one a provider that has no key.
    pub(crate) fn lookup(
        &self,
        name: &ModelName<'_>,
    ) -> Result<Result<&Callable, LlmError>, LlmError> {
        let entry = self
            .by_name
            .get(name.provider)
            .ok_or_else(|| self.unknown(name.provider))?;
        Ok(entry.callable.as_ref().ok_or_else(|| {
            LlmError::new(
                ErrorKind::MissingKey,
                format!(
                    "there is no key for the provider `{0}`; set {1}_API_KEY",
                    name.provider,
                    name.provider.to_ascii_uppercase()
                ),
            )
        }))
    }

    fn unknown(&self, name: &str) -> LlmError {
        let known: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
        LlmError::new(
            ErrorKind::UnknownProvider,
            format!(
                "there is no provider `{name}`; known are {}",
                known.join(", ")
            ),
        )
    }
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Providers")
            .field("names", &self.names().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
