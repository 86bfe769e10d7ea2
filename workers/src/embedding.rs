//! Texts as vectors: the pieces of documents, and the questions to them.

use std::collections::BTreeMap;
use std::time::Duration;

use llm::{EmbeddingRequest, ErrorKind, LlmError, Providers, Timeouts, Usage, tokens_of_text};
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::nodes::ai::own_keys::{provider_of, with_keys};

/// A model, and how long its vectors are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingModel {
    /// `provider/model`
    pub name: String,
    pub dimensions: usize,
}

impl EmbeddingModel {
    pub fn new(name: String, dimensions: i32) -> Self {
        Self {
            name,
            dimensions: dimensions.try_into().unwrap_or_default(),
        }
    }
}

/// What a model made of some texts.
#[derive(Debug, Clone)]
pub struct Embedded {
    /// One vector after the other, in the order of the texts.
    pub vectors: Vec<f32>,
    /// As the functions of `queue` take it.
    pub usage: Value,
}

/// Why it made nothing of them.
#[derive(Debug)]
pub struct NotEmbedded {
    pub error: LlmError,
    /// What it took all the same.
    pub usage: Option<Value>,
}

/// Who asks for vectors, and with what.
pub struct Asker<'a> {
    pub providers: &'a Providers,
    /// The tenant's own, by provider.
    pub own_keys: &'a BTreeMap<String, SecretString>,
    pub agent: Uuid,
    pub timeout: Duration,
}

impl Asker<'_> {
    /// By one call.
    ///
    /// # Errors
    /// What the provider or the way to it did; `invalid_output` when the vectors do not have the model's length.
    pub async fn embed(
        &self,
        model: &EmbeddingModel,
        texts: &[String],
    ) -> Result<Embedded, NotEmbedded> {
        let request = EmbeddingRequest {
            model: model.name.clone(),
            inputs: texts.to_vec(),
            timeouts: Timeouts {
                total: self.timeout,
                first_token: self.timeout,
            },
            ..EmbeddingRequest::default()
        };
        let nothing = |error: LlmError| NotEmbedded { error, usage: None };
        let providers = with_keys(self.providers, self.own_keys).map_err(nothing)?;
        let answer = providers.embed(&request).await.map_err(|error| {
            let spent = (error.usage.total_tokens() > 0)
                .then(|| self.usage(model, error.usage.input_tokens, false));
            NotEmbedded {
                error,
                usage: spent,
            }
        })?;
        let usage = match answer.usage {
            Some(Usage { input_tokens, .. }) if input_tokens > 0 => {
                self.usage(model, input_tokens, false)
            }
            _ => {
                let tokens = texts
                    .iter()
                    .map(|text| tokens_of_text(text.chars().count()));
                self.usage(model, tokens.sum(), true)
            }
        };
        let length = answer.vectors.first().map_or(0, Vec::len);
        if length != model.dimensions {
            let message = format!(
                "its vectors have {length} numbers and not {}",
                model.dimensions
            );
            let mut error = LlmError::new(ErrorKind::InvalidOutput, message);
            error.model.clone_from(&model.name);
            return Err(NotEmbedded {
                error,
                usage: Some(usage),
            });
        }
        Ok(Embedded {
            vectors: answer.vectors.concat(),
            usage,
        })
    }

    fn usage(&self, model: &EmbeddingModel, input_tokens: u64, is_estimated: bool) -> Value {
        let (provider, name) = model
            .name
            .split_once('/')
            .unwrap_or(("unknown", &model.name));
        let has_own_key =
            provider_of(&model.name).is_some_and(|name| self.own_keys.contains_key(name));
        json!({
            "provider": provider,
            "model": name,
            "agent_id": self.agent,
            "own_key": has_own_key,
            "input_tokens": input_tokens,
            "is_estimated": is_estimated,
        })
    }
}
