use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use edge_api::auth::JwksPace;
use edge_api::configuration::{CorsOrigins, JwtConfiguration, Limits, LogFormat};
use edge_api::hosts::HostConfiguration;
use edge_api::model_calls::ModelConfiguration;
use edge_api::stripe::{ReturnUrls, WebhookSecrets};
use edge_api::{App, Configuration};
use llm::Providers;
use outbound::{HttpAllow, Ways};
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{PgPool, Postgres, Transaction};
use tests::seed::Person;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;
use vault::{KeyRing, Vault};

use super::{Answer, EventReader};

/// What the tests' tokens are signed with.
pub const SECRET: &str = "the-secret-of-these-tests-has-more-than-32-bytes";
/// What the tests sign events of Stripe with.
pub const STRIPE_SECRET: &str = "whsec_of_these_tests";

/// The service over a migrated database with policies and seed, logged in as `aias_edge`: with no more rights than in production.
pub struct TestApp {
    pub app: App,
    pub router: Router,
    pub stopping: CancellationToken,
    /// Of the database's owner, for arranging and for looking.
    pub pool: PgPool,
    background: JoinSet<()>,
}

impl TestApp {
    pub async fn new(pool: PgPool) -> Self {
        Self::with(pool, |_| {}).await
    }

    pub async fn with(pool: PgPool, change: impl FnOnce(&mut Configuration)) -> Self {
        tests::policies::apply(&pool).await.expect("policies");
        tests::seed::apply(&pool).await.expect("seed");
        let options = Arc::unwrap_or_clone(pool.connect_options());
        let mut configuration = configuration(options.username("aias_edge"));
        change(&mut configuration);

        let stopping = CancellationToken::new();
        let app = App::new(configuration, stopping.clone());
        Self {
            router: app.router(),
            app,
            stopping,
            pool,
            background: JoinSet::new(),
        }
    }

    /// Starts what runs beside requests: above all, listening for changes.
    pub async fn listening(mut self) -> Self {
        self.spawn_background();
        self.wait_until("a connection listens", async |pool| {
            listeners(pool).await == 1
        })
        .await;
        self
    }

    pub fn spawn_background(&mut self) {
        self.background = self.app.spawn_background();
    }

    pub fn request(&self, method: &str, path: &str) -> TestRequest<'_> {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        TestRequest {
            app: self,
            request: Request::builder().method(method).uri(path),
            body: Body::empty(),
        }
    }

    pub fn get(&self, path: &str) -> TestRequest<'_> {
        self.request("GET", path)
    }

    pub fn post(&self, path: &str) -> TestRequest<'_> {
        self.request("POST", path)
    }

    /// A queued execution of the seeded workflow.
    pub async fn start(&self, person: Person) -> Uuid {
        let body = serde_json::json!({"workflow_id": tests::seed::ALPHA_WORKFLOW, "input": {"name": "Ada"}});
        let answer = self
            .post("/v1/executions")
            .by(person)
            .json(&body)
            .send()
            .await;
        assert_eq!(answer.status, 202, "{answer:?}");
        serde_json::from_value(answer.json()["id"].clone()).expect("an id")
    }

    pub async fn events(&self, person: Person, execution: Uuid) -> EventReader {
        self.get(&format!("/v1/executions/{execution}/events"))
            .by(person)
            .stream()
            .await
    }

    /// Returns when changes of the execution are notified, and those who watch it were made to look again because of that: from then on only
    /// notifications wake them, and polls.
    pub async fn wait_until_announced(&self, execution: Uuid) {
        self.wait_until("its changes are notified", async |pool| {
            let announced = sqlx::query_scalar(
                "select exists (select from queue.watched where execution_id = $1)",
            );
            announced
                .bind(execution)
                .fetch_one(pool)
                .await
                .expect("queue.watched")
        })
        .await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }

    /// Keeps the service from telling the database what it watches, until the transaction ends.
    pub async fn hold_announcements(&self) -> Transaction<'static, Postgres> {
        let mut holding = self.pool.begin().await.expect("a transaction");
        sqlx::query("lock table queue.watched in share mode")
            .execute(&mut *holding)
            .await
            .expect("the lock");
        holding
    }

    /// Returns when the service has something to announce and cannot.
    pub async fn wait_until_announcing(&self) {
        self.wait_until("the service announces", async |pool| {
            let waiting = sqlx::query_scalar(
                "select exists (
                   select from pg_locks where database = (select oid from pg_database where datname = current_database())
                      and relation = 'queue.watched'::regclass and not granted
                 )",
            );
            waiting.fetch_one(pool).await.expect("pg_locks")
        })
        .await;
    }

    /// Panics when it does not become true within some seconds.
    pub async fn wait_until(&self, what: &str, condition: impl AsyncFn(&PgPool) -> bool) {
        for _ in 0..200 {
            if condition(&self.pool).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never true: {what}");
    }
}

pub fn configuration(database: PgConnectOptions) -> Configuration {
    Configuration {
        database,
        database_connections: 3,
        listen: ([127, 0, 0, 1], 0).into(),
        jwt: JwtConfiguration {
            secret: Some(SECRET.into()),
            jwks_url: None,
            jwks_pace: JwksPace::default(),
            issuer: None,
        },
        vault: Some(Vault::new(KeyRing::of([7; 32]))),
        stripe_secrets: WebhookSecrets::of([STRIPE_SECRET]),
        stripe_api: None,
        return_urls: ReturnUrls::default(),
        models: ModelConfiguration {
            providers: Providers::builder().build().expect("providers"),
            spool: None,
            calls: 100,
            ways: Ways::new(HttpAllow::default()).expect("ways out"),
        },
        hosts: HostConfiguration::default(),
        cors_origins: CorsOrigins::Any,
        log: LogFormat::Text,
        limits: Limits {
            poll_interval: Duration::from_millis(100),
            ..Limits::default()
        },
    }
}

/// How many connections of the service listen in this database.
pub async fn listeners(pool: &PgPool) -> i64 {
    let found = sqlx::query_scalar(
        "select count(*) from pg_stat_activity where datname = current_database() and query ilike 'listen %'",
    );
    found.fetch_one(pool).await.expect("pg_stat_activity")
}

pub struct TestRequest<'a> {
    app: &'a TestApp,
    request: axum::http::request::Builder,
    body: Body,
}

impl TestRequest<'_> {
    pub fn by(self, person: Person) -> Self {
        self.bearer(&person.token(SECRET))
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json")
            .body(body.to_string())
    }

    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    pub async fn send(self) -> Answer {
        let request = self.request.body(self.body).expect("a request");
        let response = self
            .app
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible");
        Answer::read(response).await
    }

    /// Sends, and reads the answer as events.
    pub async fn stream(self) -> EventReader {
        let request = self.request.body(self.body).expect("a request");
        let response = self
            .app
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible");
        assert_eq!(response.status(), 200, "{:?}", Answer::read(response).await);
        EventReader::new(response.into_body())
    }
}
