use std::fmt::Write;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::Value;
use uuid::Uuid;

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX)
            .await
            .expect("a body");
        Self {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("text"))
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Status, the headers that say something, and the body, without what differs from run to run.
    pub fn snapshot(&self) -> String {
        let mut snapshot = format!("{}\n", self.status);
        for name in [
            "location",
            "retry-after",
            "www-authenticate",
            "allow",
            "x-quota-limit",
        ] {
            if let Some(value) = self.header(name) {
                let _ = writeln!(snapshot, "{name}: {}", without_ids(value));
            }
        }
        match serde_json::from_slice::<Value>(&self.body) {
            Ok(mut body) => {
                redact(&mut body);
                let _ = write!(snapshot, "{body:#}");
            }
            Err(_) => snapshot.push_str(self.text()),
        }
        snapshot
    }
}

/// Times and ids that were made in this run; those of the seed stay.
pub fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name.ends_with("_at") => *text = "[time]".to_owned(),
                    other => redact(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::String(text) => *text = without_ids(text),
        _ => {}
    }
}

fn without_ids(text: &str) -> String {
    let is_made_here =
        |piece: &str| Uuid::try_parse(piece).is_ok() && !piece.starts_with("01900000-0000");
    let pieces = text.split_inclusive(['/', ' ', '"']);
    pieces
        .map(|piece| {
            let bare = piece.trim_end_matches(['/', ' ', '"']);
            if is_made_here(bare) {
                piece.replace(bare, "[id]")
            } else {
                piece.to_owned()
            }
        })
        .collect()
}
