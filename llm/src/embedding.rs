//! Texts as vectors.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::call::{Call, Repeat};
use crate::{ErrorKind, LlmError, Provider, Providers, Timeouts, Usage, span};

/// One call for vectors. Build it with [`EmbeddingRequest::new`]; a field that is not set is the provider's default.
///
/// It is one upstream call, so the provider's limits are its limits, for example 2048 inputs with OpenAI and 100 with Gemini.
#[derive(Debug, Clone, Default)]
pub struct EmbeddingRequest {
    /// `provider/model`, for example `openai/text-embedding-3-small`.
    pub model: String,
    /// At least one.
    pub inputs: Vec<String>,
    /// The length of the vectors, with models that can shorten them.
    pub dimensions: Option<u32>,
    /// Asked in this order when `model` cannot answer.
    ///
    /// Vectors of different models cannot be compared: name only the same model at another endpoint, or look at
    /// [`Embeddings::model`] before the vectors are stored beside others.
    pub fallback_models: Vec<String>,
    /// `first_token` is the time for one try, up to the end of its answer.
    pub timeouts: Timeouts,
}

impl EmbeddingRequest {
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            ..Self::default()
        }
    }

    /// Adds a text.
    #[must_use]
    pub fn input(mut self, text: impl Into<String>) -> Self {
        self.inputs.push(text.into());
        self
    }
}

/// One vector for each input, in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embeddings {
    /// All of the same length, all numbers finite. They are as the provider made them, which need not be of length 1: Gemini's
    /// shortened ones are not (<https://ai.google.dev/gemini-api/docs/embeddings>).
    pub vectors: Vec<Vec<f32>>,
    /// `provider/model` of the model that answered.
    pub model: String,
    pub provider: String,
    /// `None` if the provider does not say, as Gemini does not; the call was not free because of that.
    pub usage: Option<Usage>,
    /// Upstream calls made: retries and fallback models included.
    pub attempts: u32,
}

impl Embeddings {
    /// What a [`Provider`] answers; the registry adds who it was and how many attempts it took.
    pub fn new(vectors: Vec<Vec<f32>>, usage: Option<Usage>) -> Self {
        Self {
            vectors,
            model: String::new(),
            provider: String::new(),
            usage,
            attempts: 0,
        }
    }
}

/// How long an answer may be. OpenAI writes each number on a line of its own, in some 24 bytes; this is room for 20,000 of
/// them for each input.
pub(crate) fn most_bytes(request: &EmbeddingRequest) -> usize {
    const EACH: usize = 512 * 1024;
    EACH.saturating_mul(1 + request.inputs.len())
}

pub(crate) async fn embed(
    providers: &Providers,
    request: &EmbeddingRequest,
) -> Result<Embeddings, LlmError> {
    if request.inputs.is_empty() {
        let mut error = LlmError::new(
            ErrorKind::InvalidRequest,
            "there is no input to make vectors of",
        );
        error.model.clone_from(&request.model);
        return Err(error);
    }
    let call = Call {
        providers,
        operation: span::EMBEDDINGS,
        model: &request.model,
        fallback_models: &request.fallback_models,
        timeouts: request.timeouts,
        deadline: Instant::now() + request.timeouts.total,
        attempts: 0,
        repeat: Repeat::Freely,
    };
    let answer = call
        .run(|provider, model| Box::pin(checked(provider, model, request)))
        .await?;
    if let Some(usage) = &answer.value.usage {
        span::used(&answer.span, usage);
    }
    Ok(Embeddings {
        model: answer.name.full.to_owned(),
        provider: answer.name.provider.to_owned(),
        attempts: answer.attempts,
        ..answer.value
    })
}

/// Makes one call and holds the answer to what is promised of [`Embeddings`].
async fn checked(
    provider: &dyn Provider,
    model: &str,
    request: &EmbeddingRequest,
) -> Result<Embeddings, LlmError> {
    let answer = provider.embed(model, request).await?;
    let malformed = |message: String| LlmError::new(ErrorKind::MalformedResponse, message);
    let (asked, got) = (request.inputs.len(), answer.vectors.len());
    if asked != got {
        return Err(malformed(format!(
            "the provider answered with {got} vectors for {asked} inputs"
        )));
    }
    let length = answer.vectors.first().map_or(0, Vec::len);
    if length == 0 || answer.vectors.iter().any(|vector| vector.len() != length) {
        return Err(malformed(
            "the provider's vectors are empty or of different lengths".into(),
        ));
    }
    if answer
        .vectors
        .iter()
        .flatten()
        .any(|number| !number.is_finite())
    {
        return Err(malformed(
            "the provider's vectors hold numbers that are not finite".into(),
        ));
    }
    // It would do the same again, hence not a malformed answer, which is tried again.
    if let Some(dimensions) = request.dimensions
        && length != dimensions as usize
    {
        return Err(LlmError {
            usage: answer.usage.unwrap_or_default(),
            ..LlmError::new(
                ErrorKind::InvalidOutput,
                format!("the model's vectors have {length} dimensions and not {dimensions}"),
            )
        });
    }
    Ok(answer)
}
