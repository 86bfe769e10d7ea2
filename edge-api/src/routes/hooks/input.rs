//! A request as a workflow reads it.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, Method, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Headers that are between the sender and this service. What opens doors has no place in an execution's history.
const KEPT_BACK: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "apikey"];

/// The input of an execution that a webhook starts.
#[derive(Debug, Serialize)]
pub struct HookInput<'a> {
    method: &'a str,
    /// By lower-case name; what came several times is joined by commas, as RFC 9110 has it.
    headers: BTreeMap<&'a str, String>,
    query: BTreeMap<String, OneOrMany>,
    body: HookBody<'a>,
    raw: String,
    encoding: &'static str,
}

/// A parameter that came once is its text.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum HookBody<'a> {
    Nothing,
    /// As it was written: numbers keep all their digits.
    Json(&'a RawValue),
    Text(String),
}

impl<'a> HookInput<'a> {
    pub fn of(
        method: &'a Method,
        headers: &'a HeaderMap,
        query: Vec<(String, String)>,
        body: &'a [u8],
    ) -> Self {
        // The database keeps no text with a NUL.
        let text = std::str::from_utf8(body)
            .ok()
            .filter(|text| !text.contains('\0'));
        let (raw, encoding) = match text {
            Some(text) => (text.to_owned(), "utf8"),
            None => (STANDARD.encode(body), "base64"),
        };
        let json = text.filter(|_| says_json(headers)).and_then(storable_json);
        let body = match json {
            _ if body.is_empty() => HookBody::Nothing,
            Some(json) => HookBody::Json(json),
            None => HookBody::Text(raw.clone()),
        };
        Self {
            method: method.as_str(),
            headers: readable(headers),
            query: grouped(query),
            body,
            raw,
            encoding,
        }
    }
}

/// Whether the body is meant as JSON: it says so, or says nothing.
fn says_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else {
        return true;
    };
    let kind = kind.to_str().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}

/// JSON that the database can keep. It has no place for a NUL, a number without an end or nesting without one.
fn storable_json(text: &str) -> Option<&RawValue> {
    let value: Value = serde_json::from_str(text).ok()?;
    if has_nul(&value) {
        return None;
    }
    serde_json::from_str(text).ok()
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| name.contains('\0') || has_nul(value)),
        _ => false,
    }
}

fn readable(headers: &HeaderMap) -> BTreeMap<&str, String> {
    let mut readable = BTreeMap::<&str, String>::new();
    for (name, value) in headers {
        if KEPT_BACK.contains(&name.as_str()) {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        readable
            .entry(name.as_str())
            .and_modify(|before| {
                before.push_str(", ");
                before.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    readable
}

fn grouped(query: Vec<(String, String)>) -> BTreeMap<String, OneOrMany> {
    let mut grouped = BTreeMap::<String, OneOrMany>::new();
    for (name, value) in query {
        let storable = |text: String| text.replace('\0', "\u{fffd}");
        let (name, value) = (storable(name), storable(value));
        match grouped.remove(&name) {
            None => grouped.insert(name, OneOrMany::One(value)),
            Some(OneOrMany::One(first)) => {
                grouped.insert(name, OneOrMany::Many(vec![first, value]))
            }
            Some(OneOrMany::Many(mut values)) => {
                values.push(value);
                grouped.insert(name, OneOrMany::Many(values))
            }
        };
    }
    grouped
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn input(kind: Option<&'static str>, body: &[u8]) -> Value {
        let mut headers = HeaderMap::new();
        if let Some(kind) = kind {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        let input = HookInput::of(&Method::POST, &headers, Vec::new(), body);
        serde_json::from_str(&serde_json::to_string(&input).unwrap()).unwrap()
    }

    #[test]
    fn a_body_is_what_it_says() {
        let json = Some("application/json; charset=utf-8");
        for (kind, sent, body, encoding) in [
            (
                json,
                &b"{\"a\": [1, null]}"[..],
                json!({"a": [1, null]}),
                "utf8",
            ),
            (Some("application/cloudevents+json"), b"5", json!(5), "utf8"),
            (None, b"{\"a\":1}", json!({"a": 1}), "utf8"),
            (None, b"a=1", json!("a=1"), "utf8"),
            (Some("text/plain"), b"5", json!("5"), "utf8"),
            (json, b"{", json!("{"), "utf8"),
            (json, b"1e999", json!("1e999"), "utf8"),
            (json, b"\"\\u0000\"", json!("\"\\u0000\""), "utf8"),
            (json, b"{\"\\u0000\": 1}", json!("{\"\\u0000\": 1}"), "utf8"),
            (json, b"\"\\ud800\"", json!("\"\\ud800\""), "utf8"),
            (json, b"\0", json!("AA=="), "base64"),
            (Some("image/png"), b"\x89PNG", json!("iVBORw=="), "base64"),
            (json, b"", json!(null), "utf8"),
        ] {
            let input = input(kind, sent);
            assert_eq!(input["body"], body, "{kind:?} {sent:?}");
            assert_eq!(input["encoding"], encoding, "{kind:?} {sent:?}");
            let raw = input["raw"].as_str().unwrap();
            let exact = match encoding {
                "utf8" => raw.as_bytes().to_vec(),
                _ => STANDARD.decode(raw).unwrap(),
            };
            assert_eq!(exact, sent);
        }
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(input(json, deep.as_bytes())["body"], json!(deep));
    }

    #[test]
    fn numbers_keep_their_digits() {
        let text = b"12345678901234567890123.10";
        let headers = HeaderMap::new();
        let input = HookInput::of(&Method::POST, &headers, Vec::new(), text).body;
        assert_eq!(serde_json::to_string(&input).unwrap().as_bytes(), text);
    }

    #[test]
    fn headers_and_query_are_what_a_workflow_may_know() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("X-Event", "a"),
            ("x-event", "b"),
            ("Authorization", "Bearer hush"),
            ("Cookie", "hush"),
            ("apikey", "hush"),
            ("Proxy-Authorization", "hush"),
        ] {
            headers.append(
                axum::http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_static(value),
            );
        }
        let pairs = [
            ("a", "1"),
            ("b", "2"),
            ("b", "3"),
            ("b", "4"),
            ("c\0", "\0"),
        ];
        let query = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let input = HookInput::of(&Method::POST, &headers, query.to_vec(), b"");
        let input: Value = serde_json::from_str(&serde_json::to_string(&input).unwrap()).unwrap();
        assert_eq!(input["headers"], json!({"x-event": "a, b"}));
        assert_eq!(
            input["query"],
            json!({"a": "1", "b": ["2", "3", "4"], "c\u{fffd}": "\u{fffd}"})
        );
        assert_eq!(input["method"], "POST");
    }
}
