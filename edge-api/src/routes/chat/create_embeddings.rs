use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use llm::{EmbeddingRequest, tokens_of_text};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::error::{ApiError, ErrorBody};
use crate::extract;
use crate::model_calls::{Admitted, Asked, ModelCalls, ProbableCall};
use crate::whose::Whose;

#[derive(Deserialize, ToSchema)]
pub struct EmbeddingsRequest {
    /// `provider/model`.
    #[schema(example = "openai/text-embedding-3-small")]
    model: String,
    /// A text, or several; not tokens.
    #[schema(value_type = Vec<String>)]
    input: Input,
    #[serde(default)]
    dimensions: Option<u32>,
    /// How vectors are written: as lists of numbers, or as their bytes in base64 (32 bits each, the lowest byte first), which OpenAI's SDKs ask for.
    #[serde(default)]
    encoding_format: Format,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    One(String),
    Several(Vec<String>),
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Float,
    Base64,
}

impl Format {
    fn write(&self, vector: &[f32]) -> Value {
        match self {
            Self::Float => vector.into(),
            Self::Base64 => {
                let bytes: Vec<u8> = vector.iter().flat_map(|n| n.to_le_bytes()).collect();
                STANDARD.encode(bytes).into()
            }
        }
    }
}

/// Makes vectors of texts, in OpenAI's own protocol. Who may: members with `models.call`. What it takes is set aside before and counted after, as with
/// `/v1/chat/completions`.
#[utoipa::path(
    post, path = "/v1/embeddings", tag = "models", operation_id = "createEmbeddings",
    params(("tenant_id" = Option<Uuid>, Query, description = "Whose. Left out: the API key's tenant, or the one at this address.")),
    request_body = EmbeddingsRequest,
    security(("session" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "OpenAI's list of embeddings, one for each input: `{object, data: [{object, index, embedding}], model, usage}`.", body = Object),
        (status = 400, description = "`invalid_json`, `invalid_body`. `llm_invalid_request`, `llm_unsupported`: the provider refuses it, or has no embeddings. `llm_invalid_model_name`: it is not `provider/model`. `tenant_required`, `invalid_query`, `invalid_host`.", body = ErrorBody),
        (status = 402, description = "`quota_exceeded`: the plan has no tokens left; details say how many.", body = ErrorBody),
        (status = 403, description = "`forbidden`: neither your role nor your key's scopes let you call models. `tenant_suspended`, `tenant_cancelled`, `second_factor_required`, `wrong_host`.", body = ErrorBody),
        (status = 404, description = "`not_found`: there is no such tenant, or you are not in it. `llm_model_not_found`, `llm_unknown_provider`.", body = ErrorBody),
        (status = 408, description = "`body_too_slow`: the body did not come to its end in 30 seconds.", body = ErrorBody),
        (status = 413, description = "`body_too_large`.", body = ErrorBody),
        (status = 415, description = "`unsupported_media_type`: the body is not JSON.", body = ErrorBody),
        (status = 422, description = "`llm_invalid_output`: the vectors do not have the dimensions that were asked for.", body = ErrorBody),
        (status = 429, description = "`rate_limited`: too many requests or tokens in a minute. `llm_rate_limited`: the provider says so. Retry-After says when to come back.", body = ErrorBody),
        (status = 502, description = "`llm_provider_error`, `llm_connection`, `llm_malformed_response`, `llm_cancelled`: the provider failed. `llm_authentication`, `llm_insufficient_quota`: it does not take the operator's key.", body = ErrorBody),
        (status = 503, description = "`overloaded`, `unavailable`, `llm_overloaded`, `llm_circuit_open`: try again after Retry-After seconds. `llm_missing_key`: the operator has no key for this provider.", body = ErrorBody),
        (status = 504, description = "`llm_timeout`: the model took too long. `timeout`.", body = ErrorBody),
    )
)]
pub async fn create_embeddings(
    whose: Whose,
    State(calls): State<ModelCalls>,
    extract::Json(wanted): extract::Json<EmbeddingsRequest>,
) -> Result<(HeaderMap, Json<Value>), ApiError> {
    let mut request = EmbeddingRequest::new(wanted.model);
    request.inputs = match wanted.input {
        Input::One(text) => vec![text],
        Input::Several(texts) => texts,
    };
    request.dimensions = wanted.dimensions;
    let input_tokens = request
        .inputs
        .iter()
        .map(|text| tokens_of_text(text.chars().count()))
        .sum();
    if request.model.starts_with("agent:") {
        return Err(ApiError::bad_request(
            "invalid_body",
            "an agent makes no embeddings: name a model, provider/model",
        ));
    }
    let asked = Asked {
        session: &whose.session,
        tenant_id: whose.tenant_id,
        model: &request.model,
        other_models: &[],
    };
    let probably = ProbableCall {
        input_tokens,
        output_tokens: 0,
    };
    let Admitted {
        mut meter,
        providers,
        headers,
    } = calls.admit(&asked, |_| probably).await?;
    let embeddings = providers.embed(&request).await;
    let embeddings = embeddings.map_err(|error| meter.failed(error))?;
    meter.embedded(&embeddings);
    let data: Vec<Value> = embeddings
        .vectors
        .iter()
        .enumerate()
        .map(|(index, vector)| {
            json!({"object": "embedding", "index": index, "embedding": wanted.encoding_format.write(vector)})
        })
        .collect();
    let tokens = embeddings
        .usage
        .map_or(input_tokens, |usage| usage.input_tokens);
    let answer = json!({
        "object": "list",
        "data": data,
        "model": embeddings.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    });
    Ok((headers, Json(answer)))
}
