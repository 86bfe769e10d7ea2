//! What of a rendered config may be shown: everything but credentials.

use outbound::{MASK, is_secret};
use reqwest::Url;
use serde_json::{Map, Value};
use workflow::Kind;

/// A step's rendered config as it is recorded.
pub fn masked(kind: Kind, config: &Value) -> Value {
    let Value::Object(fields) = config else {
        return config.clone();
    };
    if kind != Kind::Http {
        return config.clone();
    }
    let masked = fields.iter().map(|(name, value)| {
        let value = match name.as_str() {
            "auth" => mask_auth(value),
            "headers" | "query" => mask_named(value),
            "url" => Value::String(mask_url(value.as_str().unwrap_or_default())),
            "body" => mask_body(value),
            _ => value.clone(),
        };
        (name.clone(), value)
    });
    Value::Object(masked.collect())
}

/// Which kind of credential it is, and whose, is no secret.
fn mask_auth(auth: &Value) -> Value {
    let Value::Object(fields) = auth else {
        return Value::String(MASK.to_owned());
    };
    let masked = fields.iter().map(|(name, value)| {
        let shown = matches!(name.as_str(), "kind" | "username" | "name");
        (
            name.clone(),
            if shown {
                value.clone()
            } else {
                Value::String(MASK.to_owned())
            },
        )
    });
    Value::Object(masked.collect())
}

fn mask_named(values: &Value) -> Value {
    let Value::Object(fields) = values else {
        return values.clone();
    };
    let masked: Map<_, _> = fields
        .iter()
        .map(|(name, value)| {
            let value = if is_secret(name) {
                Value::String(MASK.to_owned())
            } else {
                value.clone()
            };
            (name.clone(), value)
        })
        .collect();
    Value::Object(masked)
}

/// A body is the tenant's own data; only what is plainly a credential is taken out.
fn mask_body(body: &Value) -> Value {
    match body {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| {
                    let value = if value.is_string() && is_secret_field(name) {
                        Value::String(MASK.to_owned())
                    } else {
                        mask_body(value)
                    };
                    (name.clone(), value)
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(mask_body).collect()),
        other => other.clone(),
    }
}

/// Takes the password, and query values that look like credentials, out of a URL.
fn mask_url(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        return MASK.to_owned();
    };
    let has_secret =
        url.password().is_some() || url.query_pairs().any(|(name, _)| is_secret(&name));
    if !has_secret {
        return text.to_owned();
    }
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return MASK.to_owned();
    }
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    if !pairs.is_empty() {
        url.query_pairs_mut()
            .clear()
            .extend_pairs(pairs.iter().map(|(name, value)| {
                (
                    name.as_str(),
                    if is_secret(name) {
                        MASK
                    } else {
                        value.as_str()
                    },
                )
            }));
    }
    url.to_string()
}

fn is_secret_field(name: &str) -> bool {
    const FIELDS: &[&str] = &[
        "password",
        "passwd",
        "secret",
        "client_secret",
        "api_key",
        "apikey",
        "access_token",
        "refresh_token",
        "id_token",
        "private_key",
        "authorization",
    ];
    FIELDS.contains(&name.to_ascii_lowercase().replace('-', "_").as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_credential_of_a_request_is_recorded() {
        let config = json!({
            "kind": "http", "method": "POST",
            "url": "https://me:hush@api.example/v1?api_key=hush&page=2",
            "headers": {"Authorization": "Bearer hush", "X-API-Key": "hush", "Cookie": "a=hush", "X-Auth-Token": "hush",
                        "Accept": "text/plain", "Idempotency-Key": "order-1"},
            "query": {"access_token": "hush", "sig": "hush", "q": "shoes"},
            "auth": {"kind": "basic", "username": "me", "password": "hush"},
            "body": {"grant": {"client_secret": "hush"}, "items": [{"password": "hush"}], "token_count": 3},
        });
        let masked = masked(Kind::Http, &config);
        assert!(!masked.to_string().contains("hush"), "{masked}");
        assert_eq!(
            masked["url"],
            "https://me:***@api.example/v1?api_key=***&page=2"
        );
        assert_eq!(masked["headers"]["Accept"], "text/plain");
        assert_eq!(masked["headers"]["Idempotency-Key"], "order-1");
        assert_eq!(masked["query"]["q"], "shoes");
        assert_eq!(
            masked["auth"],
            json!({"kind": "basic", "username": "me", "password": "***"})
        );
        assert_eq!(masked["body"]["token_count"], 3);
    }

    #[test]
    fn a_header_of_its_own_keeps_its_name() {
        let masked = masked(
            Kind::Http,
            &json!({"auth": {"kind": "header", "name": "X-Key", "value": "hush"}, "url": "https://a/"}),
        );
        assert_eq!(
            masked["auth"],
            json!({"kind": "header", "name": "X-Key", "value": "***"})
        );
        assert_eq!(masked["url"], "https://a/");
    }
}
