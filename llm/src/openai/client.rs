//! async-openai over our own transport.
//!
//! The library would retry by itself, forget `Retry-After` and log what it cannot parse. So it gets a service of ours to
//! send with: that sends once, turns a refusal into our error, and hands on only events that are JSON.

use std::sync::Arc;

use async_openai::Client;
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::header::HeaderMap;
use reqwest::{Body, Response};
use secrecy::SecretString;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::transport::{self, Endpoint, Http};
use crate::{ErrorKind, LlmError, sse, wire};

#[derive(Debug, Clone)]
pub(super) struct Config {
    endpoint: Arc<Endpoint>,
    base: String,
    /// The trait wants to lend a key; nothing of ours reads it, so it is given none.
    no_key: SecretString,
}

impl async_openai::config::Config for Config {
    fn headers(&self) -> HeaderMap {
        super::headers(&self.endpoint)
    }

    fn url(&self, path: &str) -> String {
        self.endpoint.url("", path.trim_start_matches('/'))
    }

    fn query(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn api_base(&self) -> &str {
        &self.base
    }

    fn api_key(&self) -> &SecretString {
        &self.no_key
    }
}

pub(super) fn new(http: Http, endpoint: Arc<Endpoint>) -> Client<Config> {
    let config = Config {
        endpoint: endpoint.clone(),
        base: endpoint.url("", ""),
        no_key: SecretString::default(),
    };
    let client = http.client().clone();
    let send = move |factory: HttpRequestFactory| {
        let (http, endpoint) = (http.clone(), endpoint.clone());
        async move {
            let request = factory.build().await?;
            match http.open_stream(request, &endpoint).await {
                Ok(response) => Ok(only_json(response)),
                Err(error) => Err(OpenAIError::Boxed(Box::new(error))),
            }
        }
    };
    Client::build(client, config).with_http_service(tower::service_fn(send))
}

/// The same response, its events rewritten: each is JSON, and what was not is an error event at which the stream ends.
fn only_json(response: Response) -> Response {
    let events = transport::events(response);
    let body = Body::wrap_stream(rewrite(events));
    ::http::Response::new(body).into()
}

fn rewrite(
    events: impl Stream<Item = Result<sse::Event, LlmError>>,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    events.map(|event| match event.and_then(|event| tidy(&event)) {
        Ok(data) => Ok(frame(&data)),
        Err(error) if error.kind == ErrorKind::MalformedResponse => {
            Ok(frame(&json!({ MALFORMED: error.message }).to_string()))
        }
        Err(error) => Err(std::io::Error::other(error)),
    })
}

fn tidy(event: &sse::Event) -> Result<String, LlmError> {
    let Some(text) = wire::json_text(event) else {
        return Ok(event.data.clone());
    };
    serde_json::from_str::<IgnoredAny>(&text).map_err(|error| wire::not_json(&error))?;
    // Line feeds in JSON stand between its tokens, where a space does as well.
    Ok(text.replace('\n', " "))
}

fn frame(data: &str) -> Bytes {
    Bytes::from(format!("data: {data}\n\n"))
}

/// The key of an event of ours, by which the mapper learns that the stream went wrong.
pub(super) const MALFORMED: &str = "aias:malformed";

pub(super) fn into_llm_error(error: OpenAIError) -> LlmError {
    match error {
        OpenAIError::Boxed(error) => match error.downcast::<LlmError>() {
            Ok(error) => *error,
            Err(other) => LlmError::new(ErrorKind::Connection, other.to_string()),
        },
        OpenAIError::Reqwest(error) => transport::from_reqwest(error),
        OpenAIError::InvalidArgument(message) => LlmError::new(ErrorKind::InvalidRequest, message),
        OpenAIError::StreamError(error) => LlmError::new(ErrorKind::Connection, error.to_string()),
        other => LlmError::new(ErrorKind::MalformedResponse, other.to_string()),
    }
}
