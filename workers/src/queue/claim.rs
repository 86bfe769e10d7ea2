use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::time::from_database;
use super::{Claim, ExecutionKey, Queue, interval};
use crate::held::Load;
use crate::state::StepStatus;

/// A claimed execution, with everything that is needed to go on.
#[derive(Debug, Clone)]
pub struct Job {
    pub claim: Claim,
    /// How many claims in a row, this one included, have recorded nothing.
    pub claims_without_progress: i16,
    pub workflow_id: Uuid,
    pub workflow_version: i32,
    pub input: Value,
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

/// What a claim brought.
#[derive(Debug, Default)]
pub struct Claimed {
    pub jobs: Vec<Job>,
    /// Whether it left something that is ready and held back by a cap. Where it brought nothing it cannot say.
    pub was_capped: Option<bool>,
}

impl Queue {
    /// Takes up to `most` ready jobs for `lease`, but leaves `kept` places to tenants of whom this worker holds only a few. `load` is what
    /// it holds already.
    ///
    /// # Errors
    /// What the database answered; then nothing is claimed, or only until the lease ends.
    pub async fn claim(
        &self,
        most: usize,
        kept: usize,
        lease: Duration,
        load: &Load,
    ) -> sqlx::Result<Claimed> {
        let rows = sqlx::query!(
            r#"select tenant_id as "tenant_id!", execution_id as "execution_id!", fencing_token as "fencing_token!",
                      claims_without_progress as "claims_without_progress!",
                      workflow_id as "workflow_id!", workflow_version as "workflow_version!",
                      input::text as "input!", depth as "depth!", started_at as "started_at!",
                      cancel_requested as "cancel_requested!", pause_requested as "pause_requested!",
                      steps::text as "steps", signals::text as "signals", was_capped as "was_capped!",
                      clock_timestamp() as "database_time!"
                 from queue.claim($1, $2, $3, $4, $5, $6, $7)"#,
            &*self.worker,
            i32::try_from(most).unwrap_or(i32::MAX),
            interval(lease),
            &load.tenants,
            &load.workflows,
            &load.counts,
            i32::try_from(kept).unwrap_or(i32::MAX),
        )
        .fetch_all(&self.pool)
        .await;
        let rows = self.note("claim", rows)?;
        if let Some(row) = rows.last() {
            self.clock.learn(from_database(row.database_time));
        }
        let was_capped = rows.last().map(|row| row.was_capped);
        let jobs = rows.into_iter().map(|row| {
            let mut unreadable = None;
            let input = serde_json::from_str(&row.input).unwrap_or_else(|error| {
                unreadable = Some(format!("the input cannot be read: {error}"));
                Value::Null
            });
            let steps = list(row.steps.as_deref(), |error| {
                unreadable = Some(format!("the recorded steps cannot be read: {error}"));
            });
            let signals = list(row.signals.as_deref(), |error| {
                unreadable = Some(format!("what came for a step cannot be read: {error}"));
            });
            Job {
                claim: Claim {
                    key: ExecutionKey {
                        tenant_id: row.tenant_id,
                        execution_id: row.execution_id,
                    },
                    fencing_token: row.fencing_token,
                },
                claims_without_progress: row.claims_without_progress,
                workflow_id: row.workflow_id,
                workflow_version: row.workflow_version,
                input,
                started_at: from_database(row.started_at),
                cancel_requested: row.cancel_requested,
                pause_requested: row.pause_requested,
                depth: row.depth,
                steps,
                signals,
                unreadable,
            }
        });
        Ok(Claimed {
            jobs: jobs.collect(),
            was_capped,
        })
    }

    /// Whether the last claim left something that is ready and held back by a cap.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn was_capped(&self) -> sqlx::Result<bool> {
        let answer = sqlx::query_scalar!(
            r#"select queue.was_capped($1) as "was_capped!""#,
            &*self.worker
        )
        .fetch_one(&self.pool)
        .await;
        self.note("was_capped", answer)
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
