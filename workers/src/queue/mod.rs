//! The functions of schema `queue`: the worker's only way to the database. One file a function.

mod agent;
mod claim;
mod failure;
mod next_due;
mod plan;
mod record;
mod renew;
mod reserve_tokens;
mod sweep;
mod time;

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::types::PgInterval;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgPool};
use tracing::log::LevelFilter;

pub use agent::Agent;
pub use claim::{Job, RecordedStep};
pub use failure::{Refusal, is_refused_content, refusal};
pub use plan::StoredPlan;
pub use record::{Answer, Record, StepRecord};
pub use renew::Renewed;

use crate::DatabaseClock;
use crate::health::Health;

/// Which execution: the key of `queue.jobs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExecutionKey {
    pub tenant_id: uuid::Uuid,
    pub execution_id: uuid::Uuid,
}

/// A claim on an execution. Every call about it shows the fencing token, and a newer claim makes it worthless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    pub key: ExecutionKey,
    pub fencing_token: i64,
}

/// The typed door to schema `queue`. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    pool: PgPool,
    /// Written to `claimed_by`.
    worker: Arc<str>,
    clock: Arc<DatabaseClock>,
    health: Arc<Health>,
}

/// One to claim, one to renew, one to record, and a few for what steps ask.
const CONNECTIONS: u32 = 6;

impl Queue {
    /// Connects when first used, so a database that is away is only waited for.
    pub fn new(
        options: PgConnectOptions,
        worker: impl Into<Arc<str>>,
        clock: Arc<DatabaseClock>,
    ) -> Self {
        let options = options.log_slow_statements(LevelFilter::Warn, Duration::from_secs(1));
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(Duration::from_secs(10))
            .connect_lazy_with(options);
        Self {
            pool,
            worker: worker.into(),
            clock,
            health: Arc::default(),
        }
    }

    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Counts what went wrong and remembers what went well.
    fn note<T>(&self, function: &'static str, result: sqlx::Result<T>) -> sqlx::Result<T> {
        match &result {
            Ok(_) => self.health.heard(),
            Err(_) => {
                metrics::counter!("aias_worker_database_errors_total", "function" => function)
                    .increment(1)
            }
        }
        result
    }
}

fn interval(duration: Duration) -> PgInterval {
    PgInterval {
        months: 0,
        days: 0,
        microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX),
    }
}
