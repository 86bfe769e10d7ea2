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
    /// Of a tenant's executions that wait for a worker, those with a higher one are begun first.
    #[schema(minimum = -100, maximum = 100)]
    priority: i16,
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
    origin: ExecutionOrigin,
    /// The user who started it, or what called it; null when that was an API key or a trigger, and once the user is gone.
    #[schema(required)]
    started_by: Option<Uuid>,
    /// The execution whose step called it; null when none did.
    #[schema(required)]
    parent_id: Option<Uuid>,
    /// The node of that step.
    #[schema(required)]
    parent_node: Option<String>,
    /// Which item of that step's list it was called for, from 0; null when it was called for the step itself.
    #[schema(required, minimum = 0)]
    parent_item: Option<i32>,
    /// How many calls deep it is: 0 when no execution called it, otherwise one more than its parent's.
    #[schema(minimum = 0, maximum = 8)]
    depth: i16,
    /// The execution that it is another try of.
    #[schema(required)]
    retried_from: Option<Uuid>,
    /// Grows with every change of the execution or of a step.
    revision: i64,
    created_at: DateTime<Utc>,
    /// When a worker first took it up. Null while it is `queued`.
    #[schema(required)]
    started_at: Option<DateTime<Utc>>,
    /// Null until its status is final.
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
    /// When somebody asked for its end. Its worker, if it has one, ends it a moment later.
    #[schema(required)]
    cancel_requested_at: Option<DateTime<Utc>>,
    /// When its worker was asked to pause it. Null again once it is paused.
    #[schema(required)]
    pause_requested_at: Option<DateTime<Utc>>,
}

/// The first four may still change; a paused one when somebody resumes it. `succeeded`, `failed` and `cancelled` are final.
///
/// It is `queued` until something of it is recorded, also while a worker has it in hand: one that computes for a moment goes from
/// `queued` to its end and is never seen `running`.
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

/// What started it: somebody through the API, a trigger of the workflow (`webhook`, `schedule`, `event`), a step of another execution
/// (`call`), or a `retry`.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum ExecutionOrigin {
    Manual,
    Webhook,
    Schedule,
    Event,
    Call,
    Retry,
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
    /// The version of the agent that the last attempt asked.
    #[schema(required)]
    agent_version: Option<i32>,
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
