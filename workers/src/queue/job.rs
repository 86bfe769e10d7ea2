//! A job as claims answer it.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use super::time::from_database;
use super::{Claim, ExecutionKey};
use crate::state::StepStatus;

/// A claimed execution, with everything that is needed to go on.
#[derive(Debug, Clone)]
pub struct Job {
    pub claim: Claim,
    /// How many claims in a row, this one included, have recorded nothing.
    pub claims_without_progress: i16,
    pub workflow_id: Uuid,
    pub workflow_version: i32,
    pub input: Arc<Value>,
    /// When the first claim was made; expressions see it as `now`, whenever they run.
    pub started_at: Timestamp,
    pub cancel_requested: bool,
    pub pause_requested: bool,
    /// How many executions called each other down to this one; 0 for one that nobody called.
    pub depth: i16,
    pub steps: Vec<RecordedStep>,
    /// What was delivered to steps that wait for it.
    pub signals: Vec<Signal>,
    /// Why `input` or `steps` is empty: JSON that Postgres takes and this worker does not, such as the number 1e400. It is found out for
    /// each job alone, so that one tenant's number does not keep all others from being claimed.
    pub unreadable: Option<String>,
}

/// What somebody delivered to a step that waits: an event, a decision, or the end of the workflow that it called.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Signal {
    pub node_id: String,
    #[serde(default)]
    pub item: Option<u32>,
    pub payload: Value,
}

/// A step as it was recorded, in the order of recording.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RecordedStep {
    pub node_id: String,
    /// Which item of a `for_each`; none for the node itself.
    #[serde(default)]
    pub item: Option<u32>,
    pub status: StepStatus,
    pub attempt: u32,
    pub handle: Option<String>,
    pub output: Option<Value>,
    pub error: Option<Value>,
    pub run_at: Option<Timestamp>,
}

/// A row of `queue.claim`; JSON as text, so that what cannot be read is one job's trouble.
pub(super) struct JobRow {
    pub tenant_id: Uuid,
    pub execution_id: Uuid,
    pub fencing_token: i64,
    pub claims_without_progress: i16,
    pub workflow_id: Uuid,
    pub workflow_version: i32,
    pub input: String,
    pub depth: i16,
    pub started_at: DateTime<Utc>,
    pub cancel_requested: bool,
    pub pause_requested: bool,
    pub steps: Option<String>,
    pub signals: Option<String>,
    pub was_capped: bool,
    pub database_time: DateTime<Utc>,
}

impl JobRow {
    pub fn job(self) -> Job {
        let mut unreadable = None;
        let input = serde_json::from_str(&self.input).unwrap_or_else(|error| {
            unreadable = Some(format!("the input cannot be read: {error}"));
            Value::Null
        });
        let steps = list(self.steps.as_deref(), |error| {
            unreadable = Some(format!("the recorded steps cannot be read: {error}"));
        });
        let signals = list(self.signals.as_deref(), |error| {
            unreadable = Some(format!("what came for a step cannot be read: {error}"));
        });
        Job {
            claim: Claim {
                key: ExecutionKey {
                    tenant_id: self.tenant_id,
                    execution_id: self.execution_id,
                },
                fencing_token: self.fencing_token,
            },
            claims_without_progress: self.claims_without_progress,
            workflow_id: self.workflow_id,
            workflow_version: self.workflow_version,
            input: Arc::new(input),
            started_at: from_database(self.started_at),
            cancel_requested: self.cancel_requested,
            pause_requested: self.pause_requested,
            depth: self.depth,
            steps,
            signals,
            unreadable,
        }
    }
}

/// A list that most jobs do not have.
fn list<T: serde::de::DeserializeOwned>(
    text: Option<&str>,
    unreadable: impl FnOnce(serde_json::Error),
) -> Vec<T> {
    let read = text.map(serde_json::from_str).transpose();
    read.unwrap_or_else(|error| {
        unreadable(error);
        None
    })
    .unwrap_or_default()
}
