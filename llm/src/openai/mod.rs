//! OpenAI's Chat Completions, and everything that speaks it: <https://platform.openai.com/docs/api-reference/chat>.

mod client;
mod events;
mod request;

use futures::StreamExt;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::transport::{Endpoint, Http};
use crate::{ChatRequest, EventStream, LlmError, Provider, wire};

pub(crate) struct OpenAi {
    client: async_openai::Client<client::Config>,
    dialect: request::Dialect,
}

impl OpenAi {
    pub(crate) fn new(http: Http, endpoint: Endpoint) -> Self {
        let dialect = request::Dialect::of_host(endpoint.host());
        Self {
            client: client::new(http, endpoint),
            dialect,
        }
    }
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
}
