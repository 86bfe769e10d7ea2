//! HTTP, the same for every provider: one connection pool, one way to send, one way to fail.

mod document;
mod endpoint;
mod failure;
mod retry_after;

use std::error::Error as _;
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Request, Response, redirect};

pub(crate) use endpoint::Endpoint;
pub(crate) use failure::from_event;

use crate::sse;
use crate::{ErrorKind, LlmError, TimeoutPhase};

/// How much of an error's body is read.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// The connection pool.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: Client,
}

impl Http {
    pub(crate) fn new(connect_timeout: Duration) -> Result<Self, LlmError> {
        let client = Client::builder()
            .connect_timeout(connect_timeout)
            // A key is for the address it was given for.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("aias/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                LlmError::new(
                    ErrorKind::InvalidConfiguration,
                    format!("no HTTP client: {}", describe(error)),
                )
            })?;
        Ok(Self { client })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Sends, and answers with a response that is an event stream, as far as its header tells.
    pub(crate) async fn open_stream(
        &self,
        request: Request,
        endpoint: &Endpoint,
    ) -> Result<Response, LlmError> {
        let response = self.client.execute(request).await.map_err(from_reqwest)?;
        let status = response.status();
        if status.is_success() && !is_document(response.headers()) {
            return Ok(response);
        }
        let headers = response.headers().clone();
        let body = read_some(response).await;
        Err(endpoint.redact(failure::from_response(status.as_u16(), &headers, &body)))
    }
}

/// The events of a response.
pub(crate) fn events(
    response: Response,
) -> impl Stream<Item = Result<sse::Event, LlmError>> + Send + 'static {
    struct State<S> {
        bytes: S,
        parser: sse::Parser,
        over: bool,
    }
    let state = State {
        bytes: response.bytes_stream().boxed(),
        parser: sse::Parser::default(),
        over: false,
    };
    stream::unfold(state, |mut state| async move {
        if state.over {
            return None;
        }
        let mut events = Vec::new();
        let failed = match state.bytes.next().await {
            Some(Ok(chunk)) => state
                .parser
                .push(&chunk, &mut events)
                .err()
                .map(|sse::TooLarge| {
                    LlmError::new(
                        ErrorKind::MalformedResponse,
                        "the provider's stream has an event without an end",
                    )
                }),
            Some(Err(error)) => Some(from_reqwest(error)),
            None => {
                events.extend(state.parser.finish());
                state.over = true;
                None
            }
        };
        state.over |= failed.is_some();
        let items: Vec<_> = events.into_iter().map(Ok).chain(failed.map(Err)).collect();
        Some((stream::iter(items), state))
    })
    .flatten()
}

/// A whole JSON or HTML document, where a stream was asked for, is an error in disguise.
fn is_document(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    ["application/json", "text/html"]
        .iter()
        .any(|document| content_type.trim_start().starts_with(document))
}

async fn read_some(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    // What was readable before a failure may still say what is wrong.
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() >= MAX_ERROR_BODY {
            body.truncate(MAX_ERROR_BODY);
            break;
        }
    }
    body
}

pub(crate) fn from_reqwest(error: reqwest::Error) -> LlmError {
    let sent = !error.is_connect() && !error.is_builder();
    let kind = if error.is_timeout() && error.is_connect() {
        ErrorKind::Timeout {
            phase: TimeoutPhase::Connect,
        }
    } else if error.is_builder() {
        ErrorKind::InvalidRequest
    } else {
        ErrorKind::Connection
    };
    LlmError {
        may_be_billed: sent,
        ..LlmError::new(kind, describe(error))
    }
}

/// The error and its causes, without the URL: a base URL may hold a password.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
