//! `batchEmbedContents`: <https://ai.google.dev/api/embeddings#method:-models.batchembedcontents>.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{EmbeddingRequest, Embeddings, Usage, wire};

/// `path` is the model's resource name, which each of the requests has to repeat.
pub(super) fn body(path: &str, request: &EmbeddingRequest) -> Value {
    let requests: Vec<Value> = request
        .inputs
        .iter()
        .map(|input| {
            let mut one = json!({ "model": path, "content": { "parts": [{ "text": input }] } });
            if let Some(dimensions) = request.dimensions {
                one["outputDimensionality"] = dimensions.into();
            }
            one
        })
        .collect();
    json!({ "requests": requests })
}

/// The embeddings stand in the order of the requests.
#[derive(Deserialize)]
pub(super) struct Answer {
    embeddings: Vec<Item>,
    #[serde(default, rename = "usageMetadata")]
    usage: Value,
}

#[derive(Deserialize)]
struct Item {
    values: Vec<f32>,
}

/// The documented answer counts no tokens; should one do, it is heard.
pub(super) fn read(answer: Answer) -> Embeddings {
    let vectors = answer.embeddings.into_iter().map(|item| item.values);
    let usage = wire::count(&answer.usage["promptTokenCount"]).map(|input_tokens| Usage {
        input_tokens,
        ..Usage::default()
    });
    Embeddings::new(vectors.collect(), usage)
}
