//! Calls an endpoint that a tenant named.
//!
//! A tenant must not reach what only this machine can reach, so every hop is checked: a name is resolved by a resolver that drops addresses
//! which are not public, and the connection is made to exactly what it returned; an address that is written out is checked as it is; redirects are followed by hand
//! and start over. The operator's `AIAS_HTTP_ALLOW` opens single ports.

mod address;
mod clients;
mod error;
mod redirect;
mod request;
mod resolver;
mod response;

use reqwest::header::HeaderMap;
use reqwest::{Client, Url};
use serde_json::Value;

pub use clients::Clients;

use crate::{Failure, Redaction};
use error::Hop;
use redirect::Next;
use request::Request;

/// Redirects that are followed.
const MOST_REDIRECTS: u32 = 5;

/// Makes the request of a rendered config and reads the answer: `{status, headers, body}`.
///
/// # Errors
/// `invalid_config`, `http_status`, `http_timeout`, `http_connect`, `http_blocked_address`, `http_redirect`, `response_too_large`.
///
/// What `redaction` hides is in neither.
pub async fn run(
    clients: &Clients,
    config: &Value,
    redaction: &Redaction,
) -> Result<Value, Failure> {
    run_within(clients, config, redaction, |_| true).await
}

/// The same, where not every address may be called; a redirect leads out of those that may no more than the first request.
///
/// # Errors
/// `http_not_allowed`, and those of [`run`].
pub async fn run_within(
    clients: &Clients,
    config: &Value,
    redaction: &Redaction,
    may_call: impl Fn(&Url) -> bool,
) -> Result<Value, Failure> {
    redaction.result(call(clients, config, redaction, may_call).await)
}

/// Where the requests of a config go, with which headers and by which client, for whoever speaks a protocol of its own over HTTP. The client follows
/// no redirects and reaches what a step may reach.
///
/// # Errors
/// `invalid_config`, `http_blocked_address`.
pub fn target(
    clients: &Clients,
    config: &Value,
    redaction: &Redaction,
) -> Result<(Client, Url, HeaderMap), Failure> {
    let request = Request::read(config, redaction)?;
    let client = clients
        .for_url(&request.url)
        .map_err(|blocked| Hop::of(&request, redaction).blocked(&blocked))?;
    Ok((client.clone(), request.url, request.headers))
}

async fn call(
    clients: &Clients,
    config: &Value,
    redaction: &Redaction,
    may_call: impl Fn(&Url) -> bool,
) -> Result<Value, Failure> {
    let mut request = Request::read(config, redaction)?;
    for _ in 0..=MOST_REDIRECTS {
        let hop = Hop::of(&request, redaction);
        if !may_call(&request.url) {
            return Err(hop.failure("http_not_allowed", "is not among the allowed addresses"));
        }
        let client = clients
            .for_url(&request.url)
            .map_err(|blocked| hop.blocked(&blocked))?;
        let answer = client
            .request(request.method.clone(), request.url.clone())
            .headers(request.headers.clone())
            .body(request.body.clone())
            .send()
            .await
            .map_err(|error| hop.transport(error))?;
        match redirect::next(&request, &answer) {
            Next::Answer => return response::read(answer, &hop, redaction).await,
            Next::Follow(next) => request = *next,
            Next::Lost(why) => return Err(hop.redirect(&why)),
        }
    }
    Err(Hop::of(&request, redaction)
        .redirect(&format!("there were more than {MOST_REDIRECTS} redirects")))
}
