//! The way to the database, which is the caller's way.
//!
//! The pool's own login may do nothing but become `authenticated`, and call a few functions of schema `edge`. Handlers never meet the
//! pool: they are given a [`CallerSession`], and with it begin a [`CallerTransaction`], in which the database sees the caller and decides
//! by row-level security.

mod agent_functions;
mod caller_session;
mod caller_transaction;
mod login;
mod readiness;

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgPool};
use tokio::sync::Semaphore;

pub(crate) use self::agent_functions::FunctionAnswer;
pub use self::caller_session::CallerSession;
pub use self::caller_transaction::{Access, CallerTransaction};
pub(crate) use self::login::WebhookCall;
pub use self::readiness::NotReady;
use crate::error::{ApiError, is_unreachable};

/// A pool that nobody outside this module can take a connection from.
#[derive(Clone)]
pub struct Database {
    pool: PgPool,
    options: PgConnectOptions,
    statement_timeout: Duration,
    /// Turns to ask as the login itself.
    questions: Arc<Semaphore>,
    /// And to call what agents call for their callers.
    functions: Arc<Semaphore>,
}

impl Database {
    /// Connects when first needed, so that a database that is not there yet is no reason not to start.
    pub fn new(options: PgConnectOptions, connections: u32, statement_timeout: Duration) -> Self {
        // What sqlx logs are statements, and the one that begins a transaction holds the caller's claims.
        let options = options
            .application_name("aias-edge")
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(3))
            .max_lifetime(Duration::from_secs(1800))
            .idle_timeout(Duration::from_secs(300))
            // A round trip before every request is too much; one after a pause finds the connection that a restart has cut.
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    use sqlx::Connection;
                    Ok(meta.idle_for < Duration::from_secs(5) || connection.ping().await.is_ok())
                })
            })
            .connect_lazy_with(options.clone());
        Self {
            pool,
            options,
            statement_timeout,
            questions: half(connections),
            functions: half(connections),
        }
    }

    /// Options for a connection outside the pool: the one that listens.
    pub(crate) fn connect_options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// (connections open, of these idle)
    pub fn connections(&self) -> (u32, usize) {
        (self.pool.size(), self.pool.num_idle())
    }

    /// Lets go of every connection, once all requests are answered.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

fn half(connections: u32) -> Arc<Semaphore> {
    Arc::new(Semaphore::new((connections as usize / 2).max(1)))
}

/// What goes wrong before there is a caller is about this service's own login: never a 403, whatever the database calls it.
fn not_the_callers_fault(error: sqlx::Error, doing: &'static str) -> ApiError {
    match is_unreachable(&error) {
        true => ApiError::from(error),
        false => ApiError::Internal(anyhow::Error::from(error).context(doing)),
    }
}

/// The same, where the database may refuse what was asked for.
fn refused_or_our_fault(error: sqlx::Error, doing: &'static str) -> ApiError {
    let code = error.as_database_error().and_then(|error| error.code());
    match code.as_deref() {
        Some("PGRST") => ApiError::from(error),
        _ => not_the_callers_fault(error, doing),
    }
}
