//! From a rendered config to a request.

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde_json::Value;

use crate::{Failure, Redaction, is_secret};

/// Headers that belong to the connection and not to the tenant.
const RESERVED: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
];

/// A request that can be sent again, to another place too.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Whether only the first origin may see the body.
    pub is_body_secret: bool,
}

impl Request {
    /// What `redaction` hides is for the first origin only, whatever the header is called that carries it.
    pub(super) fn read(config: &Value, redaction: &Redaction) -> Result<Self, Failure> {
        let method = match config.get("method").and_then(Value::as_str) {
            None => Method::GET,
            Some(text) => text
                .to_ascii_uppercase()
                .parse()
                .map_err(|_| Failure::invalid_config("method is not an HTTP method"))?,
        };
        let mut url = read_url(config)?;
        for (name, value) in object(config, "query") {
            let text = plain_text(value).ok_or_else(|| {
                Failure::invalid_config(format!(
                    "the query parameter {name} is not text, a number or a boolean"
                ))
            })?;
            url.query_pairs_mut().append_pair(name, &text);
        }
        let mut headers = HeaderMap::new();
        for (name, value) in object(config, "headers") {
            let text = plain_text(value).unwrap_or_default();
            let (name, mut value) = header(name, &text)?;
            value.set_sensitive(value.is_sensitive() || redaction.touches(&text));
            headers.append(name, value);
        }
        if let Some(auth) = config.get("auth").filter(|auth| !auth.is_null()) {
            let (name, value) = authorization(auth)?;
            headers.insert(name, value);
        }
        let body = body(config.get("body"), &mut headers);
        Ok(Self {
            method,
            url,
            headers,
            is_body_secret: redaction.touches(&String::from_utf8_lossy(&body)),
            body,
        })
    }

    /// Takes out whatever only the first origin may see.
    pub(super) fn drop_credentials(&mut self) {
        let secret: Vec<HeaderName> = self
            .headers
            .iter()
            .filter(|(name, value)| value.is_sensitive() || is_secret(name.as_str()))
            .map(|(name, _)| name.clone())
            .collect();
        for name in secret {
            self.headers.remove(name);
        }
    }
}

fn read_url(config: &Value) -> Result<Url, Failure> {
    let text = config
        .get("url")
        .and_then(Value::as_str)
        .unwrap_or_default();
    // The text is not repeated: it may hold a secret.
    let url = Url::parse(text.trim())
        .map_err(|error| Failure::invalid_config(format!("url is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(Failure::invalid_config(
            "url does not begin with http:// or https://",
        ));
    }
    Ok(url)
}

fn object<'a>(config: &'a Value, field: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    config
        .get(field)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Failure> {
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| Failure::invalid_config(format!("\"{name}\" is not the name of a header")))?;
    if RESERVED.contains(&parsed.as_str()) {
        return Err(Failure::invalid_config(format!(
            "the header {parsed} is not the tenant's to set"
        )));
    }
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        Failure::invalid_config(format!(
            "the value of the header {parsed} has characters that a header cannot carry"
        ))
    })?;
    value.set_sensitive(is_secret(parsed.as_str()));
    Ok((parsed, value))
}

fn authorization(auth: &Value) -> Result<(HeaderName, HeaderValue), Failure> {
    let text = |name: &str| auth.get(name).and_then(Value::as_str).unwrap_or_default();
    let (name, value) = match text("kind") {
        "bearer" => header("authorization", &format!("Bearer {}", text("token")))?,
        "basic" => {
            let pair = format!("{}:{}", text("username"), text("password"));
            header(
                "authorization",
                &format!("Basic {}", base64(pair.as_bytes())),
            )?
        }
        "header" => header(text("name"), text("value"))?,
        _ => {
            return Err(Failure::invalid_config(
                "auth.kind is not bearer, basic or header",
            ));
        }
    };
    let mut value = value;
    value.set_sensitive(true);
    Ok((name, value))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let sextet = (bits >> (18 - 6 * place)) & 63;
            text.push(if place <= chunk.len() {
                char::from(ALPHABET[sextet as usize])
            } else {
                '='
            });
        }
    }
    text
}

/// Text is sent as it is, anything else as JSON; a content type of the tenant's own wins.
fn body(body: Option<&Value>, headers: &mut HeaderMap) -> Vec<u8> {
    let (bytes, content_type) = match body {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::String(text)) => (text.clone().into_bytes(), "text/plain; charset=utf-8"),
        Some(json) => (json.to_string().into_bytes(), "application/json"),
    };
    headers
        .entry(CONTENT_TYPE)
        .or_insert(HeaderValue::from_static(content_type));
    bytes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(config: &Value) -> Result<Request, Failure> {
        Request::read(config, &Redaction::default())
    }

    #[test]
    fn reads_everything_that_a_config_may_say() {
        let request = read(&json!({
            "kind": "http", "method": "post", "url": "https://api.example/v1?a=1",
            "query": {"b": 2, "c": "x y"}, "headers": {"Accept": "text/plain"},
            "auth": {"kind": "basic", "username": "Aladdin", "password": "open sesame"}, "body": {"n": 1},
        }))
        .unwrap();
        assert_eq!(request.method, Method::POST);
        assert_eq!(request.url.as_str(), "https://api.example/v1?a=1&b=2&c=x+y");
        assert_eq!(
            request.headers["authorization"],
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        assert_eq!(request.headers["content-type"], "application/json");
        assert_eq!(request.body, br#"{"n":1}"#);
        assert!(!format!("{request:?}").contains("QWxh"));
    }

    #[test]
    fn base64_pads() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn refuses_what_cannot_be_sent() {
        for config in [
            json!({"url": "ftp://a/"}),
            json!({"url": "file:///etc/passwd"}),
            json!({"url": "nonsense"}),
            json!({"url": "https://a/", "headers": {"Host": "b"}}),
            json!({"url": "https://a/", "headers": {"a b": "c"}}),
            json!({"url": "https://a/", "headers": {"a": "x\r\nb: c"}}),
            json!({"url": "https://a/", "query": {"a": [1]}}),
            json!({"url": "https://a/", "auth": {"kind": "magic"}}),
        ] {
            assert_eq!(
                read(&config).unwrap_err().code,
                "invalid_config",
                "{config}"
            );
        }
    }

    #[test]
    fn credentials_do_not_travel_on() {
        let mut request = read(&json!({
            "url": "https://a/", "headers": {"Cookie": "a=b", "Accept": "x"}, "auth": {"kind": "header", "name": "X-Mine", "value": "v"},
        }))
        .unwrap();
        request.drop_credentials();
        assert_eq!(
            request
                .headers
                .keys()
                .map(HeaderName::as_str)
                .collect::<Vec<_>>(),
            ["accept"]
        );
    }
}
