use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::{ExecutionKey, Queue};
use crate::state::{ExecutionStatus, StepStatus};

/// What is to be written about one execution.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    pub tenant_id: Uuid,
    pub execution_id: Uuid,
    pub fencing_token: i64,
    /// `running` keeps the lease, `waiting` gives it up until `run_at`, or, without one, until something is delivered; `paused` until
    /// somebody resumes it; the final ones end the execution.
    pub status: ExecutionStatus,
    pub run_at: Option<Timestamp>,
    pub output: Option<Value>,
    pub error: Option<Value>,
    pub steps: Vec<StepRecord>,
}

/// What is to be written about one step: its row as it shall be.
#[derive(Debug, Clone, Serialize)]
pub struct StepRecord {
    pub node_id: String,
    /// Which item of a `for_each`; none for the node itself.
    pub item: Option<u32>,
    pub name: Option<String>,
    pub kind: &'static str,
    pub status: StepStatus,
    pub attempt: u32,
    pub handle: Option<String>,
    pub input: Option<Arc<Value>>,
    pub output: Option<Arc<Value>>,
    pub error: Option<Value>,
    pub run_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// Tokens that this attempt spent; written once, whatever is repeated.
    pub usage: Option<Value>,
    /// Tokens that were set aside for this attempt; settled by `usage`, or given back without one.
    pub reservation: Option<Uuid>,
    /// What a waiting step waits for, besides the time.
    pub wait: Option<Wait>,
}

/// What somebody has to deliver to a waiting step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wait {
    pub kind: WaitKind,
    /// The name of an event.
    pub name: Option<String>,
    /// Which of the events of that name; any, without one.
    pub key: Option<String>,
    /// Who may decide.
    pub permission: Option<String>,
    /// What is to be decided.
    pub message: Option<String>,
}

/// The wait for a called workflow is registered by the call itself, with the start of its execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitKind {
    Event,
    Approval,
}

/// What became of one [`Record`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// False when the claim was no longer good: nothing was written.
    pub accepted: bool,
    pub cancel_requested: bool,
}

impl Record {
    pub fn key(&self) -> ExecutionKey {
        ExecutionKey {
            tenant_id: self.tenant_id,
            execution_id: self.execution_id,
        }
    }
}

impl Queue {
    /// Writes records of many executions in one transaction. Repeating a call whose answer was lost changes nothing.
    ///
    /// An execution without an answer was not accepted.
    ///
    /// # Errors
    /// What the database answered; then none of it is written, or, when the connection broke, all or none.
    pub async fn record(&self, records: &[Record]) -> sqlx::Result<HashMap<ExecutionKey, Answer>> {
        let rows = sqlx::query!(
            r#"select tenant_id as "tenant_id!", execution_id as "execution_id!", accepted as "accepted!",
                      coalesce(cancel_requested, false) as "cancel_requested!"
                 from queue.record($1, $2)"#,
            &*self.worker,
            Json(records) as _,
        )
        .fetch_all(&self.pool)
        .await;
        let rows = self.note("record", rows)?;
        let answers = rows.into_iter().map(|row| {
            (
                ExecutionKey {
                    tenant_id: row.tenant_id,
                    execution_id: row.execution_id,
                },
                Answer {
                    accepted: row.accepted,
                    cancel_requested: row.cancel_requested,
                },
            )
        });
        Ok(answers.collect())
    }
}
