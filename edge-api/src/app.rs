//! The service put together: what the routes share, and the layers around them.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::http::{HeaderName, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use utoipa_axum::router::OpenApiRouter;
use vault::Vault;

use crate::auth::Verifier;
use crate::configuration::{Configuration, CorsOrigins, Limits};
use crate::database::Database;
use crate::error::ApiError;
use crate::hosts::Hosts;
use crate::limits::Places;
use crate::metrics::Metrics;
use crate::model_calls::{Keeper, Ledger, ModelCalls};
use crate::openapi::{self, Description};
use crate::streams::{self, Streams};
use crate::stripe::{Inbox, ReturnUrls, StripeApi, WebhookSecrets};
use crate::{cors, observe, routes};

/// What every request may ask for. Cheap to clone.
#[derive(Clone, FromRef)]
pub struct App {
    pub(crate) database: Database,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) hosts: Hosts,
    pub(crate) streams: Streams,
    pub(crate) vault: Option<Vault>,
    pub(crate) model_calls: ModelCalls,
    pub(crate) stripe_secrets: WebhookSecrets,
    pub(crate) stripe_events: Inbox,
    pub(crate) stripe_api: Option<StripeApi>,
    pub(crate) return_urls: ReturnUrls,
    pub(crate) places: Places,
    pub(crate) metrics: Metrics,
    pub(crate) description: Description,
    #[from_ref(skip)]
    pub(crate) limits: Limits,
    #[from_ref(skip)]
    cors_origins: Arc<CorsOrigins>,
    #[from_ref(skip)]
    ledger: Ledger,
    /// Until it is run.
    #[from_ref(skip)]
    keeper: Arc<Mutex<Option<Keeper>>>,
    #[from_ref(skip)]
    stopping: CancellationToken,
}

impl App {
    /// `stopping` is cancelled when the service is to end: streams say good-bye then.
    pub fn new(configuration: Configuration, stopping: CancellationToken) -> Self {
        let Configuration {
            database,
            database_connections,
            jwt,
            vault,
            models,
            stripe_secrets,
            stripe_api,
            return_urls,
            hosts,
            cors_origins,
            limits,
            ..
        } = configuration;
        let streams = Streams::new(&limits, database_connections, stopping.clone());
        let metrics = Metrics::start(streams.watchers().clone());
        let database = Database::new(database, database_connections, limits.statement_timeout);
        let (ledger, keeper) = Ledger::new(database.clone(), models.spool.clone(), models.calls);
        let mut app = Self {
            model_calls: ModelCalls::new(&models, vault.clone(), ledger.clone()),
            ledger,
            keeper: Arc::new(Mutex::new(Some(keeper))),
            stripe_secrets,
            stripe_events: Inbox::new(database.clone()),
            stripe_api,
            return_urls,
            hosts: Hosts::new(database.clone(), hosts),
            database,
            verifier: Arc::new(Verifier::new(&jwt)),
            places: Places::new(limits.requests),
            description: Description::default(),
            cors_origins: Arc::new(cors_origins),
            streams,
            vault,
            metrics,
            limits,
            stopping,
        };
        app.description = openapi::describe(app.documented_routes().into_openapi());
        app
    }

    /// What runs beside the requests, until the service stops: listening, fetching keys, and telling the log about the database.
    pub fn spawn_background(&self) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        tasks.spawn(streams::listen(
            self.database.connect_options(),
            self.streams.watchers().clone(),
            self.stopping.clone(),
        ));
        tasks.spawn(streams::announce(
            self.database.clone(),
            self.streams.watchers().clone(),
            self.stopping.clone(),
        ));
        let keeper = self
            .keeper
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(keeper) = keeper {
            tasks.spawn(keeper.run());
        }
        let verifier = self.verifier.clone();
        tasks.spawn(async move { verifier.warm_up().await });
        tasks.spawn(
            self.database
                .clone()
                .report_until_ready(self.stopping.clone()),
        );
        tasks
    }

    pub fn router(&self) -> Router {
        let (routes, _) = self.documented_routes().split_for_parts();
        let routes = routes
            .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
            .fallback(async || ApiError::NoSuchRoute);
        self.within_layers(routes)
    }

    fn within_layers(&self, routes: Router<App>) -> Router {
        // From the outside in.
        let layers = ServiceBuilder::new()
            .layer(SetSensitiveRequestHeadersLayer::new([
                header::AUTHORIZATION,
                header::COOKIE,
                HeaderName::from_static("apikey"),
            ]))
            .layer(from_fn(observe::observe))
            .layer(cors::layer(&self.cors_origins))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(DefaultBodyLimit::max(self.limits.body_bytes));
        routes.layer(layers).with_state(self.clone())
    }

    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Where what calls of models took is entered; to be flushed when no request is left.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub fn streams(&self) -> &Streams {
        &self.streams
    }

    fn documented_routes(&self) -> OpenApiRouter<App> {
        OpenApiRouter::with_openapi(openapi::base()).merge(routes::router(self))
    }
}

/// The panic's message is written by the panic hook; where it happened is nobody's business outside.
fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or(panic.downcast_ref::<&str>().copied());
    ApiError::Internal(anyhow::anyhow!(
        "panic: {}",
        message.unwrap_or("without a message")
    ))
    .into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::extract::Request;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer_too() {
        let variables = [
            ("AIAS_DATABASE_URL", "postgres://edge@db.test/app"),
            ("AIAS_JWT_SECRET", "a-secret-of-more-than-thirty-two-bytes"),
        ];
        let lookup = |name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.to_string())
        };
        let app = App::new(
            Configuration::read(lookup).unwrap(),
            CancellationToken::new(),
        );
        async fn panicking() -> &'static str {
            panic!("hunter2")
        }
        let router = app.within_layers(Router::new().fallback(panicking));

        let request = Request::builder()
            .header("x-request-id", "test-9")
            .body(axum::body::Body::empty())
            .unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["x-request-id"], "test-9");
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        insta::assert_snapshot!(String::from_utf8_lossy(&body), @r#"{"code":"internal","message":"something went wrong on our side; it was recorded","details":"request test-9","hint":null}"#);
    }
}
