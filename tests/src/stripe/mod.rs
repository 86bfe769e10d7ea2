//! A stand-in for Stripe's API over HTTP: customers, checkout and portal sessions, subscriptions and their schedules, products, prices, and lists.
//!
//! It is as strict as Stripe: what is not documented is refused (`parameters`), an idempotency key is remembered, and objects refuse what they
//! refuse there (`objects`). What is asked of it is written down, and it fails when it is told to.

mod acts;
mod objects;
mod parameters;
mod server;
mod subscriptions;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
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
            .fallback(server::answer)
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
