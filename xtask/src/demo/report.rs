//! What the demo did, as `--json` prints it.

use serde::Serialize;
use serde_json::Value;

use super::http::Refusal;
use super::scene::Workflow;
use super::session::Tenant;

#[derive(Debug, Serialize)]
pub struct Report {
    pub tenant: Tenant,
    pub user: String,
    pub workflow: Workflow,
    pub version: i64,
    pub executions: Vec<Execution>,
    pub doors: Doors,
}

/// One execution, as its final rows tell.
#[derive(Debug, Serialize)]
pub struct Execution {
    pub id: String,
    pub ticket: String,
    pub status: String,
    /// From the start by RPC to the end that the stream told, in milliseconds.
    pub seen_ms: u64,
    /// From `created_at` to `finished_at`, in milliseconds.
    pub duration_ms: Option<i64>,
    pub output: Value,
    pub input_tokens: i64,
    pub output_tokens: i64,
    pub cost_usd: f64,
    pub steps: Vec<Step>,
}

#[derive(Debug, Serialize)]
pub struct Step {
    pub node_id: String,
    pub kind: String,
    pub status: String,
    pub attempt: i64,
    pub handle: Option<String>,
    /// From `started_at` to `finished_at`, in milliseconds; null for a step that was skipped.
    pub duration_ms: Option<i64>,
    pub model: Option<String>,
    pub input_tokens: Option<i64>,
    pub output_tokens: Option<i64>,
    pub cost_usd: Option<f64>,
}

/// What did not open.
#[derive(Debug, Serialize)]
pub struct Doors {
    pub invalid_workflow: Refusal,
    /// The problems in the refusal's details.
    pub problems: Vec<Value>,
    pub other_tenant: OtherTenant,
    pub over_plan: Refusal,
}

/// What a user of another tenant got when asking for this one's rows.
#[derive(Debug, Serialize)]
pub struct OtherTenant {
    pub user: String,
    pub rows_seen: usize,
    pub event_stream_status: u16,
}
