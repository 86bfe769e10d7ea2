//! Google's Gemini API: <https://ai.google.dev/api/generate-content>.

mod events;
mod request;

use futures::future::BoxFuture;
use reqwest::header::{HeaderMap, HeaderName};

use crate::transport::{self, Endpoint, Http};
use crate::{ChatRequest, EventStream, LlmError, Provider, wire};

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
}

impl Provider for Gemini {
    fn chat<'a>(
        &'a self,
        model: &'a str,
        request: &'a ChatRequest,
    ) -> BoxFuture<'a, Result<EventStream, LlmError>> {
        Box::pin(async move {
            let headers: HeaderMap = self
                .endpoint
                .key_header("")
                .map(|key| (KEY, key))
                .into_iter()
                .collect();
            // Tuned models have a collection of their own.
            let path = if model.contains('/') {
                model.to_owned()
            } else {
                format!("models/{model}")
            };
            let sent = self
                .http
                .client()
                .post(
                    self.endpoint
                        .url("v1beta", &format!("{path}:streamGenerateContent?alt=sse")),
                )
                .headers(headers)
                .json(&request::body(request))
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
