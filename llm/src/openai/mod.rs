//! OpenAI's Chat Completions, and everything that speaks it: <https://platform.openai.com/docs/api-reference/chat>.

mod client;
mod embeddings;
mod events;
mod images;
mod request;

use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use reqwest::Request;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde_json::Value;

use crate::transport::{self, Endpoint, Http};
use crate::{
    ChatRequest, EmbeddingRequest, Embeddings, EventStream, ImageRequest, Images, LlmError,
    Provider, embedding, wire,
};

pub(crate) struct OpenAi {
    http: Http,
    endpoint: Arc<Endpoint>,
    client: async_openai::Client<client::Config>,
    dialect: request::Dialect,
}

impl OpenAi {
    pub(crate) fn new(http: Http, endpoint: Endpoint) -> Self {
        let endpoint = Arc::new(endpoint);
        Self {
            dialect: request::Dialect::of_host(endpoint.host()),
            client: client::new(http.clone(), endpoint.clone()),
            http,
            endpoint,
        }
    }

    /// A call whose answer is a document, for which async-openai has nothing to offer.
    fn post(&self, path: &str, body: &Value) -> Result<Request, LlmError> {
        self.http
            .client()
            .post(self.endpoint.url("", path))
            .headers(headers(&self.endpoint))
            .json(body)
            .build()
            .map_err(transport::from_reqwest)
    }
}

fn headers(endpoint: &Endpoint) -> HeaderMap {
    endpoint
        .key_header("Bearer ")
        .map(|key| (AUTHORIZATION, key))
        .into_iter()
        .collect()
}

impl Provider for OpenAi {
    fn chat<'a>(
        &'a self,
        model: &'a str,
        request: &'a ChatRequest,
    ) -> BoxFuture<'a, Result<EventStream, LlmError>> {
        Box::pin(async move {
            let body = request::body(model, request, self.dialect);
            // "Bring your own types": with JSON on both sides no unknown field or enum value can break the call.
            let chunks = self
                .client
                .chat()
                .create_stream_byot::<Value, Value>(body)
                .await
                .map_err(client::into_llm_error)?;
            Ok(wire::map(
                chunks.map(|chunk| chunk.map_err(client::into_llm_error)),
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
            let sent = self.post("embeddings", &embeddings::body(model, request))?;
            let most = embedding::most_bytes(request);
            let answer = self.http.fetch(sent, &self.endpoint, most).await?;
            embeddings::read(answer, request.inputs.len())
        })
    }
    fn make_images<'a>(
        &'a self,
        model: &'a str,
        request: &'a ImageRequest,
    ) -> BoxFuture<'a, Result<Images, LlmError>> {
        Box::pin(async move {
            let sent = self.post("images/generations", &images::body(model, request))?;
            // A file of the largest size is some tens of MiB, and there may be several.
            let answer = self.http.fetch(sent, &self.endpoint, usize::MAX).await?;
            Ok(images::read(&answer))
        })
    }
}
