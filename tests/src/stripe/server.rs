//! A request on its way to the objects and back.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::{Account, Asked, KEY, Refusal, Reply, lock, objects, parameters};

pub(super) async fn answer(
    State(account): State<Arc<Mutex<Account>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name: &str| {
        let value = headers.get(name).map(|value| value.to_str());
        value.and_then(Result::ok).map(str::to_owned)
    };
    let encoded = match method {
        Method::GET => uri.query().unwrap_or_default(),
        _ => std::str::from_utf8(&body).unwrap_or_default(),
    };
    let asked = Asked {
        method: method.to_string(),
        path: uri.path().trim_start_matches("/v1/").to_owned(),
        parameters: decoded(encoded),
        key: text("idempotency-key"),
        version: text("stripe-version"),
        status: 0,
    };
    let takes = lock(&account).takes;
    let begun = begin(
        &account,
        &asked,
        text("authorization"),
        text("content-type"),
    );
    let (status, body, headers) = match begun {
        Begun::Answered(status, body, headers) => (status, body, headers),
        Begun::Working => {
            if method == Method::POST {
                tokio::time::sleep(takes).await;
            }
            let (status, body) = lock(&account).finish(&asked);
            (status, body, Vec::new())
        }
    };
    lock(&account).asked.push(Asked { status, ..asked });
    let status = StatusCode::from_u16(status).expect("a status");
    let mut response = (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response();
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(name, value.parse().expect("a header"));
    }
    response
}

enum Begun {
    Answered(u16, Value, Vec<(&'static str, String)>),
    Working,
}

fn begin(
    account: &Mutex<Account>,
    asked: &Asked,
    authorization: Option<String>,
    content_type: Option<String>,
) -> Begun {
    let refused = |refusal: Refusal| Begun::Answered(refusal.status, refusal.body(), Vec::new());
    if authorization != Some(format!("Bearer {KEY}")) {
        return refused(Refusal {
            status: 401,
            ..Refusal::invalid("", "Invalid API Key provided")
        });
    }
    let is_form = content_type.is_some_and(|kind| kind == "application/x-www-form-urlencoded");
    if asked.method == "POST" && !is_form {
        return refused(Refusal::invalid(
            "",
            "Invalid request (check that your POST content type is application/x-www-form-urlencoded).",
        ));
    }
    let mut account = lock(account);
    let fault = account
        .faults
        .iter()
        .position(|fault| asked.path.starts_with(fault.path));
    if let Some(at) = fault {
        let fault = account.faults.remove(at);
        let kind = match fault.status {
            402 => "card_error",
            429 => "invalid_request_error",
            _ => "api_error",
        };
        let refusal = Refusal {
            status: fault.status,
            kind,
            code: fault.code,
            message: "Your card was declined.".to_owned(),
            param: None,
        };
        return Begun::Answered(fault.status, refusal.body(), fault.headers);
    }
    let Some(key) = asked.key.as_ref().filter(|_| asked.method == "POST") else {
        return Begun::Working;
    };
    // https://docs.stripe.com/api/idempotent_requests
    match account.replies.get(key) {
        Some(known) if known.path != asked.path || known.parameters != asked.parameters => {
            refused(Refusal {
                kind: "idempotency_error",
                ..Refusal::invalid(
                    "",
                    "Keys for idempotent requests can only be used with the same parameters they were first used with.",
                )
            })
        }
        Some(Reply { answer: None, .. }) => refused(Refusal {
            status: 409,
            kind: "idempotency_error",
            ..Refusal::invalid(
                "idempotency_key_in_use",
                "There is currently another in-progress request using this Idempotent Key.",
            )
        }),
        Some(Reply {
            answer: Some((status, body)),
            ..
        }) => Begun::Answered(
            *status,
            body.clone(),
            vec![("idempotent-replayed", "true".to_owned())],
        ),
        None => {
            let reply = Reply {
                path: asked.path.clone(),
                parameters: asked.parameters.clone(),
                answer: None,
            };
            account.replies.insert(key.clone(), reply);
            Begun::Working
        }
    }
}

impl Account {
    fn finish(&mut self, asked: &Asked) -> (u16, Value) {
        let path: Vec<&str> = asked.path.split('/').collect();
        let answered = match parameters::of(&asked.method, &path) {
            None => Err(Refusal {
                status: 404,
                ..Refusal::invalid(
                    "",
                    format!(
                        "Unrecognized request URL ({}: /v1/{}).",
                        asked.method, asked.path
                    ),
                )
            }),
            Some(known) => parameters::check(known, &asked.parameters)
                .map_err(Refusal::from)
                .and_then(|()| self.apply(asked, &path)),
        };
        // What fails a check is not remembered: the request has not begun.
        let is_remembered =
            !matches!(&answered, Err(refusal) if refusal.code.starts_with("parameter_"));
        let (status, body) = match answered {
            Ok(object) => (200, objects::shown(object)),
            Err(refusal) => (refusal.status, refusal.body()),
        };
        if let Some(key) = &asked.key {
            match is_remembered {
                true => {
                    if let Some(reply) = self.replies.get_mut(key) {
                        reply.answer = Some((status, body.clone()));
                    }
                }
                false => {
                    self.replies.remove(key);
                }
            }
        }
        (status, body)
    }
}

/// `application/x-www-form-urlencoded`.
fn decoded(text: &str) -> Vec<(String, String)> {
    fn plain(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                    let digits = std::str::from_utf8(&digits).unwrap_or("00");
                    u8::from_str_radix(digits, 16).unwrap_or_default()
                }
                byte => byte,
            });
        }
        String::from_utf8(bytes).expect("UTF-8")
    }
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (plain(name), plain(value))
        })
        .collect()
}
