//! Google's Gemini API: <https://ai.google.dev/api/generate-content>.

mod embeddings;
mod events;
mod request;

use std::borrow::Cow;

use futures::future::BoxFuture;
use reqwest::Request;
use reqwest::header::{HeaderMap, HeaderName};
use serde_json::Value;

use crate::transport::{self, Endpoint, Http};
use crate::{
    ChatRequest, EmbeddingRequest, Embeddings, EventStream, LlmError, Provider, embedding, wire,
};

/// A header, not the documented `?key=`: URLs end up in logs.
const KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

pub(crate) struct Gemini {
    http: Http,
    endpoint: Endpoint,
}

impl Gemini {
    pub(crate) fn new(http: Http, endpoint: Endpoint) -> Self {
        Self { http, endpoint }
    }

    fn post(&self, path: &str, method: &str, body: &Value) -> Result<Request, LlmError> {
        let headers: HeaderMap = self
            .endpoint
            .key_header("")
            .map(|key| (KEY, key))
            .into_iter()
            .collect();
        self.http
            .client()
            .post(self.endpoint.url("v1beta", &format!("{path}:{method}")))
            .headers(headers)
            .json(body)
            .build()
            .map_err(transport::from_reqwest)
    }
}

/// The model's resource name. Tuned models have a collection of their own.
fn path(model: &str) -> Cow<'_, str> {
    if model.contains('/') {
        model.into()
    } else {
        format!("models/{model}").into()
    }
}

impl Provider for Gemini {
    fn chat<'a>(
        &'a self,
        model: &'a str,
        request: &'a ChatRequest,
    ) -> BoxFuture<'a, Result<EventStream, LlmError>> {
        Box::pin(async move {
            let body = request::body(request);
            let sent = self.post(&path(model), "streamGenerateContent?alt=sse", &body)?;
            let response = self.http.open_stream(sent, &self.endpoint).await?;
            Ok(wire::map(
                wire::json(transport::events(response)),
                events::Events::default(),
            ))
        })
    }

    fn embed<'a>(
        &'a self,
        model: &'a str,
        request: &'a EmbeddingRequest,
    ) -> BoxFuture<'a, Result<Embeddings, LlmError>> {
        Box::pin(async move {
            let path = path(model);
            let body = embeddings::body(&path, request);
            let sent = self.post(&path, "batchEmbedContents", &body)?;
            let most = embedding::most_bytes(request);
            let answer = self.http.fetch(sent, &self.endpoint, most).await?;
            Ok(embeddings::read(answer))
        })
    }
}
