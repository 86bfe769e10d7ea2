//! The functions of schema `queue`, and those of `billing`: the worker's only way to the database. One file a function.

mod agent;
mod agent_functions;
mod apply_fetched;
mod apply_meter_day;
mod apply_meter_report;
mod apply_stripe_events;
mod begin_embedding;
mod chain_audit;
mod claim;
mod claim_domain_checks;
mod claim_embeddings;
mod claim_fetches;
mod claim_mails;
mod claim_meter_days;
mod claim_meter_events;
mod claim_meter_reports;
mod claim_reconciliation;
mod claim_schedules;
mod count_usage;
mod erase_next_tenant;
mod fail_embeddings;
mod fail_export;
mod failure;
mod job;
mod kept;
mod keys_to_rewrap;
mod learn_meters;
mod listed_agent;
mod mail_token;
mod next_due;
mod next_key_to_rotate;
mod next_mail_due;
mod next_schedule_due;
mod offered_input;
mod plan;
mod prepare_llm_call;
mod prepare_query_embedding;
mod put_off_reconciliation;
mod record;
mod record_domain_check;
mod record_embeddings;
mod record_mail;
mod record_meter_events;
mod record_query_embedding;
mod record_reconciled;
mod record_round;
mod renew;
mod rewrap_key;
mod rotate_key;
mod run_next_export;
mod run_schedule;
mod search_documents;
mod secrets;
mod send_mail;
mod start_child;
mod start_workflow;
mod stripe_inbox;
mod sweep;
mod sweep_billing;
mod tend_history;
mod time;
mod warn_of_limits;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::postgres::types::PgInterval;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool};
use tracing::log::LevelFilter;

pub use agent::{Agent, FoundAgent};
pub use agent_functions::{AgentAnswer, AgentFunction};
pub use begin_embedding::EmbeddingBatch;
pub use claim::Claimed;
pub use claim_domain_checks::DomainCheck;
pub use claim_embeddings::EmbeddingClaim;
pub use claim_fetches::FetchKey;
pub use claim_mails::{Mail, MailKey};
pub use claim_meter_days::MeterDay;
pub use claim_meter_events::MeterEvent;
pub use claim_meter_reports::MeterReport;
pub use claim_reconciliation::ReconciliationPage;
pub use claim_schedules::{Schedule, ScheduleKey};
pub use fail_embeddings::{EmbeddingFailure, EmbeddingOutcome};
pub use failure::{Refusal, is_refused_content, refusal};
pub use job::{Job, RecordedStep, Signal};
pub use keys_to_rewrap::KeyToWrap;
pub use listed_agent::FoundListing;
pub use next_key_to_rotate::{KeyToRotate, ValueToRotate};
pub use plan::StoredPlan;
pub use prepare_llm_call::{Expected, LlmCall};
pub use prepare_query_embedding::QueryEmbedding;
pub use record::{Answer, Record, StepRecord, Wait, WaitKind};
pub use record_mail::MailOutcome;
pub use record_query_embedding::EmbeddedQuery;
pub use record_round::Round;
pub use renew::{News, Renewed};
pub use run_next_export::{ExportFailure, ExportKey, Exported};
pub use run_schedule::{ScheduleAnswer, ScheduleTurn};
pub use secrets::SealedSecrets;
pub use send_mail::{AcceptedMail, StepMail};
pub use start_child::Child;

use crate::clock::{Clock, DatabaseClock};
use crate::health::Health;
use kept::Kept;

/// Which execution: the key of `queue.jobs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExecutionKey {
    pub tenant_id: uuid::Uuid,
    pub execution_id: uuid::Uuid,
}

/// A claim on an execution. Every call about it shows the fencing token, and a newer claim makes it worthless. That of an offer becomes good with
/// its first record, see [`Claim::OFFERED`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    pub key: ExecutionKey,
    pub fencing_token: i64,
}

impl Claim {
    /// The token of a job that nobody has claimed yet: whoever records first with it has the job.
    pub const OFFERED: i64 = 0;
}

/// The typed door to schema `queue`. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    pool: PgPool,
    /// Those of claims and records.
    batches: PgPool,
    claims: Arc<Kept>,
    records: Arc<Kept>,
    /// Of their own, because what they call is not ours: it may take its time, and a lease has to be renewed meanwhile.
    functions: PgPool,
    /// Written to `claimed_by`.
    worker: Arc<str>,
    clock: Arc<DatabaseClock>,
    health: Arc<Health>,
}

/// One to renew, and a few for what steps ask.
const CONNECTIONS: u32 = 6;
/// One to record, one for inputs that are too long for an offer.
const CONNECTIONS_FOR_OFFERS: u32 = 2;
/// One to claim, one to record.
const CONNECTIONS_FOR_BATCHES: u32 = 2;
/// One for each kind of work beside the executions; they are rarely all open.
const CONNECTIONS_BESIDE: u32 = 6;
/// After so long without a call a connection is asked whether it is still there.
const QUIET: Duration = Duration::from_secs(1);
/// For the functions of the product that agents have called; others wait.
const CONNECTIONS_FOR_FUNCTIONS: u32 = 4;

impl Queue {
    /// Connects when first used, so a database that is away is only waited for.
    pub fn new(
        options: PgConnectOptions,
        worker: impl Into<Arc<str>>,
        clock: Arc<DatabaseClock>,
    ) -> Self {
        let options = options.log_slow_statements(LevelFilter::Warn, Duration::from_secs(1));
        let pool = connections(CONNECTIONS).connect_lazy_with(options.clone());
        let batches = connections(CONNECTIONS_FOR_BATCHES).connect_lazy_with(options.clone());
        Self {
            claims: Arc::new(Kept::giving_way(batches.clone())),
            records: Arc::new(Kept::giving_way(batches.clone())),
            batches,
            pool,
            functions: connections(CONNECTIONS_FOR_FUNCTIONS).connect_lazy_with(options),
            worker: worker.into(),
            clock,
            health: Arc::default(),
        }
    }

    /// The same door with connections of its own, for work beside the executions: an export may take minutes, and must not take what they need.
    pub fn beside(&self) -> Self {
        let options = (*self.pool.connect_options())
            .clone()
            .log_slow_statements(LevelFilter::Debug, Duration::from_secs(60));
        Self {
            pool: connections(CONNECTIONS_BESIDE).connect_lazy_with(options),
            ..self.clone()
        }
    }

    /// The same door for what was offered: its records do not wait for batches to be written. To be called on the runtime that its connections are to run on.
    pub fn express(&self) -> Self {
        let options = (*self.pool.connect_options()).clone();
        let pool = connections(CONNECTIONS_FOR_OFFERS).connect_lazy_with(options);
        Self {
            records: Arc::new(Kept::new(pool.clone())),
            pool,
            ..self.clone()
        }
    }

    /// What this worker is called in the database.
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// What time it is, by the database's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    pub async fn close(&self) {
        for kept in [&self.claims, &self.records] {
            kept.let_go().await;
        }
        self.pool.close().await;
        self.batches.close().await;
        self.functions.close().await;
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

fn connections(most: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(Duration::from_secs(10))
        // A round trip before every call is too much; one after a pause finds the connection that a restart has cut.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move { Ok(meta.idle_for < QUIET || connection.ping().await.is_ok()) })
        })
}

fn interval(duration: Duration) -> PgInterval {
    PgInterval {
        months: 0,
        days: 0,
        microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX),
    }
}
