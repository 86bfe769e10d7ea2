//! The shapes of rows, for the API's description. The rows themselves come from the database as JSON; a test holds the two together.
#![expect(dead_code, reason = "read by the derive macro only")]

use chrono::{DateTime, Utc};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// One run of a workflow version.
#[derive(ToSchema)]
#[schema(as = Execution)]
pub struct ExecutionSchema {
    tenant_id: Uuid,
    id: Uuid,
    workflow_id: Uuid,
    workflow_version: i32,
    status: ExecutionStatus,
    /// What it was started with.
    #[schema(value_type = Value)]
    input: Value,
    /// Outputs of the last steps, by node id. Null until it has succeeded.
    #[schema(required, value_type = Option<Object>)]
    output: Option<Value>,
    #[schema(required)]
    error: Option<Failure>,
    #[schema(required)]
    idempotency_key: Option<String>,
    /// The user who started it.
    #[schema(required)]
    started_by: Option<Uuid>,
    /// Grows with every change of the execution or of a step.
    revision: i64,
    created_at: DateTime<Utc>,
    #[schema(required)]
    started_at: Option<DateTime<Utc>>,
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
    #[schema(required)]
    cancel_requested_at: Option<DateTime<Utc>>,
}

/// The first four may still change; a paused one when somebody resumes it. `succeeded`, `failed` and `cancelled` are final.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum ExecutionStatus {
    Queued,
    Running,
    Waiting,
    Paused,
    Succeeded,
    Failed,
    Cancelled,
}

/// Why an execution failed, and at which node.
#[derive(ToSchema)]
struct Failure {
    code: String,
    message: String,
    node_id: Option<String>,
}

/// One node's part in an execution: the data of a `step` event.
#[derive(ToSchema)]
#[schema(as = ExecutionStep)]
pub struct StepSchema {
    tenant_id: Uuid,
    execution_id: Uuid,
    node_id: String,
    /// Which item of a list, from 0; -1 for the step itself.
    item: i32,
    #[schema(required)]
    name: Option<String>,
    #[schema(example = "http")]
    kind: String,
    status: StepStatus,
    /// Counts from 1.
    attempt: i32,
    /// The handle that a condition chose.
    #[schema(required)]
    handle: Option<String>,
    /// The node's config as rendered for this run, secrets masked.
    #[schema(required)]
    input: Option<Value>,
    #[schema(required)]
    output: Option<Value>,
    #[schema(required)]
    error: Option<StepFailure>,
    /// When a waiting step goes on; null when only what it waits for ends it.
    #[schema(required)]
    run_at: Option<DateTime<Utc>>,
    #[schema(required)]
    started_at: Option<DateTime<Utc>>,
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
    /// `provider/model` of an LLM call.
    #[schema(required)]
    model: Option<String>,
    #[schema(required)]
    input_tokens: Option<i64>,
    #[schema(required)]
    output_tokens: Option<i64>,
    /// List price in USD; null when the model has no price.
    #[schema(required)]
    cost_usd: Option<f64>,
    /// The event's id; streams resume after it.
    revision: i64,
}

/// `running` and `waiting` may still change, the others are final.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum StepStatus {
    Running,
    Waiting,
    Succeeded,
    Failed,
    Skipped,
    Cancelled,
}

/// Why a step failed.
#[derive(ToSchema)]
struct StepFailure {
    code: String,
    message: String,
    details: Option<Value>,
}
