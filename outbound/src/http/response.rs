//! From an answer to `{status, headers, body}`.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::error::Hop;
use crate::{Failure, Redaction};

/// Bytes of a body that are read.
const MOST_BYTES: usize = 1024 * 1024;
/// Characters of a failed answer's body that are shown.
const SHOWN: usize = 2_000;

pub(super) async fn read(
    mut answer: Response,
    hop: &Hop,
    redaction: &Redaction,
) -> Result<Value, Failure> {
    let status = answer.status();
    let headers = answer.headers().clone();
    let announced = answer.content_length().unwrap_or(0);
    let mut bytes = Vec::new();
    let mut too_large = status.is_success() && announced > MOST_BYTES as u64;
    while !too_large
        && let Some(chunk) = answer.chunk().await.map_err(|error| hop.transport(error))?
    {
        too_large = bytes.len() + chunk.len() > MOST_BYTES;
        if !too_large {
            bytes.extend_from_slice(&chunk);
        }
    }
    if !status.is_success() {
        return Err(failed(status, &headers, &bytes, hop, redaction));
    }
    if too_large {
        return Err(hop.failure(
            "response_too_large",
            &format!("answered more than {MOST_BYTES} bytes"),
        ));
    }
    Ok(json!({
        "status": status.as_u16(),
        "headers": header_object(&headers),
        "body": body(&bytes),
    }))
}

fn header_object(headers: &HeaderMap) -> Value {
    let mut object = Map::new();
    for name in headers.keys() {
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        object.insert(name.as_str().to_owned(), Value::String(values.join(", ")));
    }
    Value::Object(object)
}

fn body(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

fn failed(
    status: StatusCode,
    headers: &HeaderMap,
    bytes: &[u8],
    hop: &Hop,
    redaction: &Redaction,
) -> Failure {
    // Hidden before it is cut: half of a secret would not be found any more.
    let text = String::from_utf8_lossy(bytes);
    let shown: String = redaction.text(&text).chars().take(SHOWN).collect();
    let mut failure = hop
        .failure("http_status", &format!("answered {status}"))
        .retryable(matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error())
        .details(json!({"status": status.as_u16(), "body": shown}));
    failure.retry_after = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| retry_after(text, Timestamp::now()));
    failure
}

/// Seconds, or an HTTP date (RFC 9110, section 10.2.3).
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::parse(text.trim()).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_number_or_a_date() {
        let now = "1994-11-06T08:49:00Z".parse().unwrap();
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now),
            Some(Duration::from_secs(37))
        );
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:48:37 GMT", now),
            Some(Duration::ZERO)
        );
        assert_eq!(retry_after("later", now), None);
    }

    #[test]
    fn a_body_is_json_if_it_can_be() {
        assert_eq!(body(br#"{"a": 1}"#), json!({"a": 1}));
        assert_eq!(body(b"plain"), json!("plain"));
        assert_eq!(body(b"1e999"), json!("1e999"));
        assert_eq!(body(b""), json!(""));
    }
}
