//! A stand-in for Stripe's API over HTTP: customers, checkout and portal sessions, subscriptions and their schedules, products, prices, and lists.
//!
//! It is as strict as Stripe: what is not documented is refused (`parameters`), an idempotency key is remembered, and objects refuse what they
//! refuse there (`objects`). What is asked of it is written down, and it fails when it is told to.

mod objects;
mod parameters;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use self::parameters::Wrong;

/// The key that is taken.
pub const KEY: &str = "sk_test_of_these_tests";

/// Dropped, it is gone.
pub struct Stripe {
    pub url: String,
    account: Arc<Mutex<Account>>,
    _server: JoinSet<()>,
}

/// A request that came, and what it was answered.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// After `/v1/`.
    pub path: String,
    pub parameters: Vec<(String, String)>,
    pub key: Option<String>,
    pub version: Option<String>,
    pub status: u16,
}

impl Asked {
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(each, _)| each == name);
        found.map(|(_, value)| &**value)
    }
}

/// What goes wrong with the next request to a path that begins so.
#[derive(Clone, Debug)]
pub struct Fault {
    pub path: &'static str,
    pub status: u16,
    pub code: &'static str,
    pub headers: Vec<(&'static str, String)>,
}

#[derive(Default)]
pub struct Account {
    pub objects: BTreeMap<String, Value>,
    pub asked: Vec<Asked>,
    pub faults: Vec<Fault>,
    /// Whether cards are declined.
    pub declines: bool,
    /// How long each POST takes: two with one key meet then.
    pub takes: Duration,
    replies: HashMap<String, Reply>,
    made: u64,
}

struct Reply {
    path: String,
    parameters: Vec<(String, String)>,
    /// None while it is worked on.
    answer: Option<(u16, Value)>,
}

/// An error as Stripe tells it.
pub struct Refusal {
    pub status: u16,
    pub kind: &'static str,
    pub code: &'static str,
    pub message: String,
    pub param: Option<String>,
}

impl Refusal {
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: "invalid_request_error",
            code,
            message: message.into(),
            param: None,
        }
    }

    pub fn missing(id: &str) -> Self {
        Self {
            status: 404,
            ..Self::invalid("resource_missing", format!("No such object: '{id}'"))
        }
    }

    fn body(&self) -> Value {
        let mut error = json!({"type": self.kind, "message": self.message});
        if !self.code.is_empty() {
            error["code"] = json!(self.code);
        }
        if let Some(param) = &self.param {
            error["param"] = json!(param);
        }
        json!({ "error": error })
    }
}

impl From<Wrong> for Refusal {
    fn from(wrong: Wrong) -> Self {
        let (status, code, param) = match wrong {
            Wrong::Unknown(name) => (400, "parameter_unknown", name),
            Wrong::Missing(name) => (400, "parameter_missing", name),
            Wrong::Invalid(code, name) => (400, code, name),
            Wrong::NotLearned(name) => (501, "not_learned", name),
        };
        Self {
            status,
            param: Some(param.clone()),
            ..Self::invalid(code, format!("{code}: {param}"))
        }
    }
}

impl Stripe {
    pub async fn start() -> Self {
        let account = Arc::<Mutex<Account>>::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&account));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.expect("served") });
        Self {
            url,
            account,
            _server: server,
        }
    }

    /// All there is of it.
    pub fn account(&self) -> MutexGuard<'_, Account> {
        lock(&self.account)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.account().asked.clone()
    }

    /// What was asked of paths that begin so, by POST.
    pub fn posted(&self, path: &str) -> Vec<Asked> {
        let mut asked = self.asked();
        asked.retain(|asked| asked.method == "POST" && asked.path.starts_with(path));
        asked
    }

    pub fn object(&self, id: &str) -> Value {
        self.account().objects[id].clone()
    }

    /// Those of a kind, by id.
    pub fn all(&self, kind: &str) -> Vec<Value> {
        let account = self.account();
        let objects = account.objects.values();
        objects
            .filter(|object| object["object"] == kind)
            .cloned()
            .collect()
    }

    pub fn fail(&self, fault: Fault) {
        self.account().faults.push(fault);
    }
}

fn lock(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(
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
