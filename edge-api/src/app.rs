//! The service put together: what the routes share, and the layers around them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::http::header;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use utoipa_axum::router::OpenApiRouter;

use crate::auth::Verifier;
use crate::configuration::{Configuration, CorsOrigins, Limits};
use crate::database::Database;
use crate::error::ApiError;
use crate::limits::Places;
use crate::metrics::Metrics;
use crate::openapi::{self, Description};
use crate::streams::{self, Streams};
use crate::{cors, observe, routes};

/// What every request may ask for. Cheap to clone.
#[derive(Clone, FromRef)]
pub struct App {
    pub(crate) database: Database,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) streams: Streams,
    pub(crate) places: Places,
    pub(crate) metrics: Metrics,
    pub(crate) description: Description,
    #[from_ref(skip)]
    pub(crate) limits: Limits,
    #[from_ref(skip)]
    cors_origins: Arc<CorsOrigins>,
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
            cors_origins,
            limits,
            ..
        } = configuration;
        let streams = Streams::new(&limits, database_connections, stopping.clone());
        let metrics = Metrics::start(streams.watchers().clone());
        let mut app = Self {
            database: Database::new(database, database_connections, limits.statement_timeout),
            verifier: Arc::new(Verifier::new(&jwt)),
            places: Places::new(limits.requests),
            description: Description::default(),
            cors_origins: Arc::new(cors_origins),
            streams,
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
        // From the outside in.
        let layers = ServiceBuilder::new()
            .layer(SetSensitiveRequestHeadersLayer::new([
                header::AUTHORIZATION,
                header::COOKIE,
            ]))
            .layer(from_fn(observe::observe))
            .layer(cors::layer(&self.cors_origins))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(DefaultBodyLimit::max(self.limits.body_bytes));
        routes
            .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
            .fallback(async || ApiError::NoSuchRoute)
            .layer(layers)
            .with_state(self.clone())
    }

    pub fn database(&self) -> &Database {
        &self.database
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
