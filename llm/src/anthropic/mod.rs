//! Anthropic's Messages API: <https://docs.claude.com/en/api/messages>.

mod events;
mod request;

use futures::future::BoxFuture;
use reqwest::header::{HeaderName, HeaderValue};

use crate::transport::{self, Endpoint, Http};
use crate::{ChatRequest, EventStream, LlmError, Provider, wire};

const VERSION: (HeaderName, HeaderValue) = (
    HeaderName::from_static("anthropic-version"),
    HeaderValue::from_static("2023-06-01"),
);
const KEY: HeaderName = HeaderName::from_static("x-api-key");

pub(crate) struct Anthropic {
    http: Http,
    endpoint: Endpoint,
}

impl Anthropic {
    pub(crate) fn new(http: Http, endpoint: Endpoint) -> Self {
        Self { http, endpoint }
    }
}

impl Provider for Anthropic {
    fn chat<'a>(
        &'a self,
        model: &'a str,
        request: &'a ChatRequest,
    ) -> BoxFuture<'a, Result<EventStream, LlmError>> {
        Box::pin(async move {
            let headers = self
                .endpoint
                .key_header("")
                .map(|key| (KEY, key))
                .into_iter()
                .chain([VERSION])
                .collect();
            let sent = self
                .http
                .client()
                .post(self.endpoint.url("v1", "messages"))
                .headers(headers)
                .json(&request::body(model, request))
                .build()
                .map_err(transport::from_reqwest)?;
            let response = self.http.open_stream(sent, &self.endpoint).await?;
            Ok(wire::map(
                wire::json(transport::events(response)),
                events::Events::default(),
            ))
        })
    }
}
