//! The stack under test, as its customers know it.

use std::env;
use std::time::Duration;

use postgrest::Postgrest;
use serde_json::{Value, json};
use supabase_auth::models::{AuthClient, EmailSignUpResult, Session};
use uuid::Uuid;

/// An address or a key that `cargo xtask test` sets.
pub fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: these tests need a running stack; `cargo xtask test --only e2e` starts one"))
}

pub fn auth() -> AuthClient {
    // The secret is for services that check tokens themselves; a client has none.
    AuthClient::new(
        setting("AIAS_E2E_API_URL"),
        setting("AIAS_E2E_PUBLISHABLE_KEY"),
        "",
    )
}

/// Somebody who signed in.
pub struct Person {
    pub session: Session,
    pub rest: Postgrest,
}

impl Person {
    pub async fn sign_in(email: &str) -> Self {
        let session = auth()
            .login_with_email(email, &setting("AIAS_E2E_PASSWORD"))
            .await;
        Self::with(session.unwrap_or_else(|error| panic!("signing {email} in: {error}")))
    }

    /// Somebody new.
    pub async fn sign_up() -> Self {
        let email = format!("rust-{}@example.test", Uuid::now_v7().simple());
        match auth()
            .sign_up_with_email_and_password(&email, "a-long-enough-password", None)
            .await
        {
            Ok(EmailSignUpResult::SessionResult(session)) => Self::with(session),
            Ok(EmailSignUpResult::ConfirmationResult(_)) => {
                panic!("the stack under test asks to confirm addresses")
            }
            Err(error) => panic!("signing {email} up: {error}"),
        }
    }

    fn with(session: Session) -> Self {
        let rest = rest(&session.access_token);
        Self { session, rest }
    }

    /// A tenant of their own, and its id.
    pub async fn make_tenant(&self) -> String {
        let subdomain = format!("rust-{}", Uuid::now_v7().simple());
        let tenant = self
            .rpc(
                "create_tenant",
                json!({ "name": "Rust", "subdomain": subdomain }),
            )
            .await
            .good();
        tenant["id"]
            .as_str()
            .expect("a tenant has an id")
            .to_owned()
    }

    /// Saves a drawing as a draft, and its id.
    pub async fn draw(&self, tenant: &str, name: &str, nodes: Value, connections: Value) -> String {
        let row = json!({ "tenant_id": tenant, "name": name, "nodes": nodes, "connections": connections });
        let saved = send(
            self.rest
                .from("workflows")
                .insert(row.to_string())
                .select("id")
                .single(),
        )
        .await
        .good();
        saved["id"]
            .as_str()
            .expect("a workflow has an id")
            .to_owned()
    }

    pub async fn rpc(&self, function: &str, arguments: Value) -> Answer {
        send(self.rest.rpc(function, arguments.to_string())).await
    }

    pub async fn rows(&self, table: &str, filter: (&str, &str)) -> Vec<Value> {
        let rows = send(self.rest.from(table).select("*").eq(filter.0, filter.1))
            .await
            .good();
        rows.as_array().expect("rows").clone()
    }

    /// The event stream of an execution to its end, as (event, data).
    pub async fn follow(&self, execution: &str) -> Result<Vec<(String, Value)>, Answer> {
        let response = reqwest::Client::new()
            .get(format!(
                "{}/v1/executions/{execution}/events",
                setting("AIAS_E2E_EDGE_URL")
            ))
            .bearer_auth(&self.session.access_token)
            .timeout(Duration::from_secs(60))
            .send()
            .await
            .expect("edge-api answers");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a stream that ends");
        if status != 200 {
            let body = serde_json::from_str(&text).expect("a body in JSON");
            return Err(Answer {
                status,
                headers: Vec::new(),
                body,
            });
        }
        let events = text.split("\n\n").filter_map(|block| {
            let field = |name: &str| {
                block
                    .lines()
                    .find_map(|line| line.strip_prefix(name))
                    .map(str::trim)
            };
            Some((
                field("event:")?.to_owned(),
                serde_json::from_str(field("data:")?).expect("data in JSON"),
            ))
        });
        Ok(events.collect())
    }
}

/// PostgREST with any token at all.
pub fn rest(token: &str) -> Postgrest {
    Postgrest::new(format!("{}/rest/v1", setting("AIAS_E2E_API_URL")))
        .insert_header("apikey", setting("AIAS_E2E_PUBLISHABLE_KEY"))
        .insert_header("Authorization", format!("Bearer {token}"))
}

/// What PostgREST said.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Value,
}

impl Answer {
    /// The body of an answer that was expected to be good.
    #[track_caller]
    pub fn good(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.body
    }

    /// The details of a refusal in the one body: {code, message, details, hint}, texts or nulls.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Option<&str> {
        assert_eq!(
            (self.status, self.body["code"].as_str()),
            (status, Some(code)),
            "{self:?}"
        );
        let body = self.body.as_object().expect("an object");
        let mut keys: Vec<_> = body.keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["code", "details", "hint", "message"]);
        assert!(
            body["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty()),
            "{self:?}"
        );
        assert!(
            ["details", "hint"]
                .iter()
                .all(|field| body[*field].is_null() || body[*field].is_string()),
            "{self:?}"
        );
        body["details"].as_str()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

pub async fn send(request: postgrest::Builder) -> Answer {
    let response = request.execute().await.expect("PostgREST answers");
    let status = response.status().as_u16();
    let headers = response.headers().iter().map(|(name, value)| {
        (
            name.to_string(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    });
    let headers = headers.collect();
    let text = response.text().await.expect("an answer that ends");
    let body = if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&text).expect("a body in JSON")
    };
    Answer {
        status,
        headers,
        body,
    }
}
