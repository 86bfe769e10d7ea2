use axum::extract::{FromRef, FromRequestParts};
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName};

use super::{DomainName, Hosts};
use crate::error::ApiError;

const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The host that a client asked for. None when it named none, or one that is no domain name, such as an address.
///
/// Behind a proxy that is trusted it is what the proxy heard. As an extractor it answers 400 to a request whose host has no one meaning.
pub struct RequestedHost(pub Option<DomainName>);

impl<S> FromRequestParts<S> for RequestedHost
where
    S: Send + Sync,
    Hosts: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        read(parts, Hosts::from_ref(state).trusts_forwarded()).map(Self)
    }
}

/// HTTP/2 names the host in the address itself, and HTTP/1.1 may: then the header does not count (RFC 9112, section 3.2.2).
fn read(parts: &Parts, trust_forwarded: bool) -> Result<Option<DomainName>, ApiError> {
    if trust_forwarded && let Some(host) = only(&parts.headers, FORWARDED)? {
        return Ok(host.host().parse().ok());
    }
    let named = match parts.uri.authority() {
        Some(authority) => Some(authority.clone()),
        None => only(&parts.headers, HOST)?,
    };
    Ok(named.and_then(|named| named.host().parse().ok()))
}

/// The header, when there is one and only one: of two hosts, the proxy in front may have gone by the other.
fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<Authority>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| invalid_host())?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let is_one = values.next().is_none() && !text.contains([',', '@']);
    text.parse()
        .ok()
        .filter(|_| is_one)
        .map(Some)
        .ok_or_else(invalid_host)
}

fn invalid_host() -> ApiError {
    ApiError::bad_request(
        "invalid_host",
        "the request must name one host, and name it as a host",
    )
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn host(uri: &str, headers: &[(&str, &str)], trust_forwarded: bool) -> String {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        match read(&parts, trust_forwarded) {
            Ok(Some(host)) => host.to_string(),
            Ok(None) => "none".to_owned(),
            Err(error) => error.body().code,
        }
    }

    #[test]
    fn the_header_without_its_port_and_in_one_spelling() {
        for (value, expected) in [
            ("alpha.test", "alpha.test"),
            ("Alpha.Test:8080", "alpha.test"),
            ("alpha.test.", "alpha.test"),
            ("alpha.test.:443", "alpha.test"),
            ("127.0.0.1:54330", "none"),
            ("[::1]:80", "none"),
            ("edge_api:54330", "none"),
            ("", "none"),
            ("alpha.test, beta.test", "invalid_host"),
            ("alpha.test,beta.test", "invalid_host"),
            ("me@alpha.test", "invalid_host"),
            ("alpha test", "invalid_host"),
            ("alpha.test/x", "invalid_host"),
            ("b\u{fc}cher.test", "invalid_host"),
        ] {
            assert_eq!(host("/", &[("host", value)], false), expected, "{value}");
        }
        assert_eq!(host("/", &[], false), "none");
    }

    #[test]
    fn two_hosts_are_none() {
        let twice = [("host", "alpha.test"), ("host", "alpha.test")];
        assert_eq!(host("/", &twice, false), "invalid_host");
    }

    #[test]
    fn the_address_wins_over_the_header() {
        let headers = [("host", "beta.test")];
        assert_eq!(host("http://alpha.test:80/", &headers, false), "alpha.test");
    }

    #[test]
    fn a_forwarded_host_counts_only_when_the_proxy_is_trusted() {
        let headers = [
            ("host", "edge.internal"),
            ("x-forwarded-host", "Alpha.test:443"),
        ];
        assert_eq!(host("/", &headers, false), "edge.internal");
        assert_eq!(host("/", &headers, true), "alpha.test");
        assert_eq!(host("http://edge.internal/", &headers, true), "alpha.test");
        assert_eq!(host("/", &headers[..1], true), "edge.internal");
        let list = [("x-forwarded-host", "evil.test, alpha.test")];
        assert_eq!(host("/", &list, true), "invalid_host");
        assert_eq!(host("/", &list, false), "none");
    }
}
