//! Logs and metrics of the process, and traces of its calls to models.

use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use traces::Traces;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// `AIAS_LOG`: for a person or for a machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

/// Starts logging to standard error; `RUST_LOG` filters, by default from `info` on. And traces, where the environment says whereto: what is answered
/// is to be kept until the end, and sends the last of them then.
///
/// # Errors
/// When the process logs already, or traces are wanted and cannot be sent.
pub fn start_logging(format: LogFormat) -> anyhow::Result<Option<Traces>> {
    let filter = EnvFilter::try_from_default_env()
        // A statement that is slow is of interest, its text is not.
        .unwrap_or_else(|_| EnvFilter::new("info,sqlx::query=error"))
        // It writes down whole addresses of tenants' servers, which may have keys in them. What goes wrong there is told to the tenant.
        .add_directive("rmcp=off".parse()?);
    let traces = Traces::from_environment("worker")?;
    let registry = tracing_subscriber::registry().with(traces.as_ref().map(Traces::layer));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => registry.with(lines.with_filter(filter)).try_init(),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true);
            registry.with(lines.with_filter(filter)).try_init()
        }
    };
    started.context("cannot start logging")?;
    Ok(traces)
}

/// Starts to collect metrics; the handle renders them.
///
/// # Errors
/// When the process collects already.
pub fn start_metrics() -> anyhow::Result<PrometheusHandle> {
    let seconds = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
        300.0,
    ];
    let sizes = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), &sizes)
        })
        .and_then(PrometheusBuilder::install_recorder)
        .context("cannot collect metrics")?;
    describe();
    Ok(handle)
}

/// Renders forget old samples only when asked to.
pub async fn upkeep(handle: PrometheusHandle) {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        handle.run_upkeep();
    }
}

fn describe() {
    describe_counter!(
        "aias_worker_executions_total",
        "Executions that this worker ended or put to sleep, by status"
    );
    describe_counter!(
        "aias_worker_steps_total",
        "Attempts of steps that ended, by kind and status"
    );
    describe_counter!("aias_worker_claimed_total", "Executions claimed");
    describe_counter!(
        "aias_worker_offered_total",
        "Executions begun because they were offered, without a claim"
    );
    describe_counter!(
        "aias_worker_abandoned_total",
        "Executions let go because another worker holds them"
    );
    describe_counter!(
        "aias_worker_database_errors_total",
        "Failed calls of the database, by function"
    );
    describe_counter!(
        "aias_worker_turns_total",
        "Turns of work beside the executions, by kind of work and outcome"
    );
    describe_counter!(
        "aias_worker_mails_total",
        "Tries to send a mail, by what became of it"
    );
    describe_counter!(
        "aias_worker_audit_entries_total",
        "Entries of the audit log chained"
    );
    describe_counter!("aias_worker_exports_total", "Tries to export, by outcome");
    describe_counter!(
        "aias_worker_domain_checks_total",
        "Domains looked at, by whether they proved to be their tenant's"
    );
    describe_counter!(
        "aias_worker_stripe_events_total",
        "Events of Stripe applied, ignored or put off"
    );
    describe_counter!(
        "aias_worker_stripe_fetches_total",
        "Questions to Stripe, by what became of the answer"
    );
    describe_gauge!(
        "aias_worker_stripe_inbox",
        "Events of Stripe that are to be applied, and those that are dead, by state; a dead one wants somebody"
    );
    describe_gauge!(
        "aias_worker_stripe_inbox_oldest_seconds",
        Unit::Seconds,
        "How long the oldest event that is to be applied has been there"
    );
    describe_gauge!("aias_worker_executions_in_memory", "Executions held now");
    describe_histogram!(
        "aias_worker_step_seconds",
        Unit::Seconds,
        "Time of one attempt of a step, by kind"
    );
    describe_histogram!(
        "aias_worker_turn_seconds",
        Unit::Seconds,
        "Time of one turn, by kind of work"
    );
    describe_histogram!(
        "aias_worker_commit_seconds",
        Unit::Seconds,
        "Time of one call of queue.record"
    );
    describe_histogram!(
        "aias_worker_commit_size",
        "Executions written by one call of queue.record"
    );
}
