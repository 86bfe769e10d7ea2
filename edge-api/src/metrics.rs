//! What Prometheus is told.
//!
//! | metric | labels | |
//! | --- | --- | --- |
//! | `aias_edge_requests_total` | method, route, status | answered requests; route is the template, `unmatched` when there is none |
//! | `aias_edge_request_duration_seconds` | method, route | until the head of the answer |
//! | `aias_edge_requests_in_flight` | | requests that wait for the head of their answer |
//! | `aias_edge_open_streams` | | open event streams, waiting requests and downloads |
//! | `aias_edge_watched_executions` | | executions that somebody waits for |
//! | `aias_edge_listener_connected` | | 1 while changes are heard, 0 while they are polled for |
//! | `aias_edge_refused_credentials_total` | code | requests whose credential was refused |
//! | `aias_edge_answer_cache_total` | outcome: hit, miss | questions that could be answered from what is kept |
//! | `aias_edge_kept_of_calls_lost_total` | | answers and contents of calls that were to be kept and could not be |
//! | `aias_edge_database_connections` | state: idle, used | the callers' pool |

use std::sync::{Arc, OnceLock};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::database::Database;
use crate::streams::Watchers;

#[derive(Clone)]
pub struct Metrics {
    prometheus: PrometheusHandle,
    watchers: Arc<Watchers>,
}

impl Metrics {
    /// Counting is for the whole process; a second call joins the first.
    pub fn start(watchers: Arc<Watchers>) -> Self {
        static PROMETHEUS: OnceLock<PrometheusHandle> = OnceLock::new();
        let prometheus = PROMETHEUS.get_or_init(|| {
            let durations = Matcher::Full("aias_edge_request_duration_seconds".to_owned());
            let buckets = [
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
                60.0,
            ];
            let builder = PrometheusBuilder::new();
            let builder = builder
                .set_buckets_for_metric(durations, &buckets)
                .unwrap_or_else(|_| PrometheusBuilder::new());
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("another recorder of metrics is in place; /metrics will be empty");
            }
            describe();
            handle
        });
        Self {
            prometheus: prometheus.clone(),
            watchers,
        }
    }

    /// The state of now, as text.
    pub fn render(&self, database: &Database) -> String {
        let (open, idle) = database.connections();
        metrics::gauge!("aias_edge_database_connections", "state" => "idle").set(idle as f64);
        metrics::gauge!("aias_edge_database_connections", "state" => "used")
            .set(f64::from(open) - idle as f64);
        metrics::gauge!("aias_edge_watched_executions").set(self.watchers.len() as f64);
        self.prometheus.run_upkeep();
        self.prometheus.render()
    }
}

fn describe() {
    metrics::describe_counter!(
        "aias_edge_requests_total",
        "Answered requests by method, route template and status."
    );
    metrics::describe_histogram!(
        "aias_edge_request_duration_seconds",
        "Time until the head of the answer."
    );
    metrics::describe_gauge!(
        "aias_edge_requests_in_flight",
        "Requests that wait for the head of their answer."
    );
    metrics::describe_gauge!(
        "aias_edge_open_streams",
        "Open event streams, waiting requests and downloads."
    );
    metrics::describe_gauge!(
        "aias_edge_watched_executions",
        "Executions that somebody waits for."
    );
    metrics::describe_gauge!(
        "aias_edge_listener_connected",
        "1 while changes are heard, 0 while they are polled for."
    );
    metrics::describe_counter!(
        "aias_edge_refused_credentials_total",
        "Requests whose credential was refused, by code."
    );
    metrics::describe_counter!(
        "aias_edge_answer_cache_total",
        "Questions that could be answered from what is kept, by outcome."
    );
    metrics::describe_counter!(
        "aias_edge_kept_of_calls_lost_total",
        "Answers and contents of calls that were to be kept and could not be."
    );
    metrics::describe_gauge!(
        "aias_edge_database_connections",
        "Connections of the callers' pool."
    );
}
