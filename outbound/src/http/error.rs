//! What can go wrong on the way, said without secrets: a message names method, scheme, host and path, never the query.

use std::error::Error;

use percent_encoding::percent_decode_str;

use crate::{Failure, Redaction};

use super::request::Request;
use super::resolver::Blocked;

/// Where a request was going, for messages.
#[derive(Debug)]
pub(super) struct Hop(String);

impl Hop {
    pub(super) fn of(request: &Request, redaction: &Redaction) -> Self {
        let url = &request.url;
        let port = url
            .port()
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        let host = url.host_str().unwrap_or_default();
        // However it is encoded in there.
        let path = percent_decode_str(url.path()).decode_utf8_lossy();
        let path = if redaction.touches(&path) {
            redaction.text(&path)
        } else {
            url.path().into()
        };
        let method = &request.method;
        Self(format!("{method} {}://{host}{port}{path}", url.scheme()))
    }

    pub(super) fn failure(&self, code: &'static str, what: &str) -> Failure {
        Failure::new(code, format!("{}: {what}", self.0))
    }

    pub(super) fn blocked(&self, blocked: &Blocked) -> Failure {
        self.failure(
            "http_blocked_address",
            &format!("{blocked}; an operator can allow it (AIAS_HTTP_ALLOW)"),
        )
    }

    pub(super) fn redirect(&self, why: &str) -> Failure {
        self.failure("http_redirect", why)
    }

    /// A request that got no whole answer.
    pub(super) fn transport(&self, error: reqwest::Error) -> Failure {
        let error = error.without_url();
        let mut cause: &dyn Error = &error;
        loop {
            if let Some(blocked) = cause.downcast_ref::<Blocked>() {
                return self.blocked(blocked);
            }
            match cause.source() {
                Some(deeper) => cause = deeper,
                None => break,
            }
        }
        // The innermost cause is the one that a person can act on, and it does not repeat the URL.
        let innermost = cause.to_string();
        if error.is_timeout() {
            return self
                .failure("http_timeout", "no answer in time")
                .retryable(true);
        }
        if error.is_builder() {
            return self.failure("invalid_config", "the request cannot be built");
        }
        let what = if error.is_connect() {
            "cannot connect"
        } else {
            "the connection broke"
        };
        self.failure("http_connect", &format!("{what}: {innermost}"))
            .retryable(true)
    }
}
