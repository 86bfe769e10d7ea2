//! From what a provider says went wrong to our [`ErrorKind`].
//!
//! Sources: <https://platform.openai.com/docs/guides/error-codes>, <https://docs.claude.com/en/api/errors>,
//! <https://ai.google.dev/gemini-api/docs/troubleshooting>, <https://cloud.google.com/apis/design/errors>.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::retry_after;
use crate::{ErrorKind, LlmError};

/// Provider messages are cut to this many characters.
const MAX_MESSAGE: usize = 500;

/// The error of a response that is not an event stream.
pub(super) fn from_response(status: u16, headers: &HeaderMap, body: &[u8]) -> LlmError {
    let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let mut said = Said::of(&body);
    said.retry_after = retry_after::from_headers(headers, Timestamp::now()).or(said.retry_after);
    if (200..300).contains(&status) {
        if said.is_error {
            return said.into_error(None);
        }
        return LlmError::new(
            ErrorKind::MalformedResponse,
            "the provider answered with a document where an event stream was asked for",
        );
    }
    said.into_error(Some(status))
}

/// The error of a document that came with a good status and cannot be read; `why` would repeat what was said, so only its
/// place is told.
pub(super) fn from_document(headers: &HeaderMap, body: &[u8], why: &serde_json::Error) -> LlmError {
    let error = from_response(200, headers, body);
    if error.kind != ErrorKind::MalformedResponse {
        return error;
    }
    LlmError::new(
        ErrorKind::MalformedResponse,
        format!(
            "the provider's answer is not of its protocol's shape, at line {} column {}",
            why.line(),
            why.column()
        ),
    )
}

/// The error that stands in an event in the middle of a stream; `None` if the event is no error.
pub(crate) fn from_event(event: &Value) -> Option<LlmError> {
    let said = Said::of(event);
    said.is_error.then(|| said.into_error(None))
}

/// What can be understood of an error's JSON, whoever wrote it.
#[derive(Default)]
struct Said {
    is_error: bool,
    message: Option<String>,
    /// Types, codes, statuses and reasons, in lower case: whatever may name the kind of error.
    words: Vec<String>,
    /// The HTTP status that the body itself names.
    status: Option<u16>,
    retry_after: Option<Duration>,
}

impl Said {
    fn of(body: &Value) -> Self {
        // Google sends a list of one when it answers a streaming call.
        let body = body.get(0).unwrap_or(body);
        let error = match body.get("error") {
            Some(Value::Null) | None => None,
            found => found,
        };
        let mut said = Self {
            is_error: error.is_some(),
            ..Self::default()
        };
        match error {
            Some(Value::String(message)) => said.message = Some(message.clone()),
            Some(error) => said.read(error),
            // vLLM says it flat, FastAPI says `detail`.
            None if body["object"] == "error" => {
                said.is_error = true;
                said.read(body);
            }
            None => said.message = body["detail"].as_str().map(str::to_owned),
        }
        said
    }

    fn read(&mut self, error: &Value) {
        self.message = error["message"].as_str().map(str::to_owned);
        for field in ["type", "code", "status"] {
            match &error[field] {
                Value::String(word) => self.words.push(word.to_ascii_lowercase()),
                Value::Number(number) => {
                    self.status = number
                        .as_u64()
                        .and_then(|status| u16::try_from(status).ok())
                        .or(self.status);
                }
                _ => {}
            }
        }
        for detail in error["details"].as_array().into_iter().flatten() {
            if let Some(reason) = detail["reason"].as_str() {
                self.words.push(reason.to_ascii_lowercase());
            }
            if let Some(delay) = detail["retryDelay"].as_str() {
                self.retry_after = retry_after::from_protobuf(delay);
            }
        }
    }

    fn into_error(self, status: Option<u16>) -> LlmError {
        let kind = self.kind(status);
        let message = match self.message.as_deref().map(str::trim) {
            Some(message) if !message.is_empty() => cut(message),
            _ => match status {
                Some(status) => {
                    format!("the provider answered with status {status} and no explanation")
                }
                None => "the provider reported an error without an explanation".to_owned(),
            },
        };
        LlmError::new(kind, message)
    }

    fn kind(&self, status: Option<u16>) -> ErrorKind {
        // Some words say more than the status that they come with.
        for word in &self.words {
            match word.as_str() {
                "insufficient_quota" | "billing_error" | "billing_hard_limit_reached" => {
                    return ErrorKind::InsufficientQuota;
                }
                // Google answers a wrong key with 400.
                "api_key_invalid" => return ErrorKind::Authentication,
                "model_not_found" => return ErrorKind::ModelNotFound,
                "overloaded_error" => {
                    return ErrorKind::Overloaded {
                        retry_after: self.retry_after,
                    };
                }
                _ => {}
            }
        }
        let status = status
            .or(self.status.filter(|status| *status >= 400))
            .or_else(|| self.words.iter().find_map(|word| status_of(word)))
            .unwrap_or(500);
        match status {
            401 | 403 => ErrorKind::Authentication,
            402 => ErrorKind::InsufficientQuota,
            404 => ErrorKind::ModelNotFound,
            400 | 405 | 406 | 411..=418 | 422 => ErrorKind::InvalidRequest,
            429 => ErrorKind::RateLimited {
                retry_after: self.retry_after,
            },
            499 => ErrorKind::Cancelled,
            503 | 529 => ErrorKind::Overloaded {
                retry_after: self.retry_after,
            },
            status => ErrorKind::ProviderError { status },
        }
    }
}

/// The status that a word of an error in a stream would have come with, had the stream not begun.
fn status_of(word: &str) -> Option<u16> {
    Some(match word {
        "invalid_request_error"
        | "invalid_argument"
        | "failed_precondition"
        | "context_length_exceeded" => 400,
        "authentication_error" | "unauthenticated" | "invalid_api_key" => 401,
        "permission_error" | "permission_denied" => 403,
        "not_found_error" | "not_found" => 404,
        "request_too_large" => 413,
        "rate_limit_error"
        | "rate_limit_exceeded"
        | "resource_exhausted"
        | "tokens"
        | "requests" => 429,
        "cancelled" => 499,
        "unavailable" | "overloaded" => 503,
        "timeout_error" | "deadline_exceeded" => 504,
        _ => return None,
    })
}

/// Shortens to what fits a row and a log line.
fn cut(message: &str) -> String {
    let mut text: String = message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_MESSAGE + 1)
        .collect();
    if text.chars().count() > MAX_MESSAGE {
        text.pop();
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn kind(status: u16, body: Value) -> ErrorKind {
        from_response(status, &HeaderMap::new(), body.to_string().as_bytes()).kind
    }

    #[test]
    fn openai() {
        let error = |kind: &str, code: &str| json!({"error": {"message": "m", "type": kind, "param": null, "code": code}});
        assert_eq!(
            kind(401, error("invalid_request_error", "invalid_api_key")),
            ErrorKind::Authentication
        );
        assert_eq!(
            kind(404, error("invalid_request_error", "model_not_found")),
            ErrorKind::ModelNotFound
        );
        assert_eq!(
            kind(
                400,
                error("invalid_request_error", "context_length_exceeded")
            ),
            ErrorKind::InvalidRequest
        );
        assert_eq!(
            kind(429, error("requests", "rate_limit_exceeded")),
            ErrorKind::RateLimited { retry_after: None }
        );
        assert_eq!(
            kind(429, error("insufficient_quota", "insufficient_quota")),
            ErrorKind::InsufficientQuota
        );
        assert_eq!(
            kind(500, error("server_error", "x")),
            ErrorKind::ProviderError { status: 500 }
        );
        assert_eq!(
            kind(503, json!({})),
            ErrorKind::Overloaded { retry_after: None }
        );
    }

    #[test]
    fn anthropic() {
        let error = |kind: &str| json!({"type": "error", "error": {"type": kind, "message": "m"}, "request_id": "r"});
        assert_eq!(
            kind(529, error("overloaded_error")),
            ErrorKind::Overloaded { retry_after: None }
        );
        assert_eq!(
            kind(403, error("permission_error")),
            ErrorKind::Authentication
        );
        assert_eq!(
            kind(413, error("request_too_large")),
            ErrorKind::InvalidRequest
        );
        assert_eq!(
            from_event(&error("overloaded_error")).unwrap().kind,
            ErrorKind::Overloaded { retry_after: None }
        );
        assert_eq!(
            from_event(&error("rate_limit_error")).unwrap().kind,
            ErrorKind::RateLimited { retry_after: None }
        );
        assert_eq!(
            from_event(&error("api_error")).unwrap().kind,
            ErrorKind::ProviderError { status: 500 }
        );
    }

    #[test]
    fn gemini() {
        let wrong_key = json!([{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT",
            "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]}}]);
        assert_eq!(kind(400, wrong_key), ErrorKind::Authentication);
        let slow_down = json!({"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED",
            "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}]}});
        assert_eq!(
            kind(429, slow_down),
            ErrorKind::RateLimited {
                retry_after: Some(Duration::from_secs(34))
            }
        );
        assert_eq!(
            kind(499, json!({"error": {"code": 499, "status": "CANCELLED"}})),
            ErrorKind::Cancelled
        );
    }

    #[test]
    fn those_who_speak_like_openai() {
        let said = |status, body: Value| {
            from_response(status, &HeaderMap::new(), body.to_string().as_bytes()).message
        };
        assert_eq!(
            said(404, json!({"error": "model 'x' not found"})),
            "model 'x' not found"
        );
        assert_eq!(
            said(
                400,
                json!({"object": "error", "message": "too long", "code": 400})
            ),
            "too long"
        );
        assert_eq!(
            said(422, json!({"detail": "no such field"})),
            "no such field"
        );
        assert_eq!(
            said(502, json!("<html>")),
            "the provider answered with status 502 and no explanation"
        );
        let openrouter =
            json!({"id": "x", "error": {"code": 502, "message": "upstream"}, "choices": []});
        assert_eq!(
            from_event(&openrouter).unwrap().kind,
            ErrorKind::ProviderError { status: 502 }
        );
        assert!(from_event(&json!({"choices": [], "error": null})).is_none());
    }

    #[test]
    fn an_error_under_a_good_status_is_still_one() {
        assert_eq!(
            kind(200, json!({"error": {"type": "overloaded_error"}})),
            ErrorKind::Overloaded { retry_after: None }
        );
        assert_eq!(kind(200, json!("garbage")), ErrorKind::MalformedResponse);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let error = from_response(
            400,
            &HeaderMap::new(),
            json!({"error": {"message": "ż\n".repeat(900)}})
                .to_string()
                .as_bytes(),
        );
        assert_eq!(error.message.chars().count(), MAX_MESSAGE + 1);
        assert!(error.message.ends_with('…') && !error.message.contains('\n'));
    }

    proptest! {
        #[test]
        fn any_body_gives_an_error(status in 100u16..=999, body in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(!from_response(status, &HeaderMap::new(), &body).message.is_empty());
        }
    }
}
