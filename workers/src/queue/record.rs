use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use super::time::to_database;
use super::{ExecutionKey, Queue, interval};
use crate::slice::pause;
use crate::state::{ExecutionStatus, StepStatus};

/// What is to be written about one execution.
#[derive(Debug, Clone)]
pub struct Record {
    pub tenant_id: Uuid,
    pub execution_id: Uuid,
    pub fencing_token: i64,
    /// `running` keeps the lease, `waiting` gives it up until `run_at`, or, without one, until something is delivered; `paused` until
    /// somebody resumes it; the final ones end the execution.
    pub status: ExecutionStatus,
    /// `None` while waiting: until somebody wakes it.
    pub run_at: Option<Timestamp>,
    pub started_at: Timestamp,
    pub output: Option<Value>,
    pub error: Option<Value>,
    pub steps: Vec<StepRecord>,
}

/// What is to be written about one step: its row as it shall be.
#[derive(Debug, Clone)]
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
pub enum Answer {
    Written {
        cancel_requested: bool,
        pause_requested: bool,
    },
    /// The claim was no longer good, or the offer: nothing was written.
    NotHeld,
    /// Nothing was written because another one was not held: say it again without that.
    Again,
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
    /// Writes records of many executions in one transaction, all of them or none. Repeating a call whose answer was lost changes nothing. The first
    /// record of what was offered takes it, for `lease` if it goes on.
    ///
    /// Answers in the order of the records.
    ///
    /// # Errors
    /// What the database answered; then none of it is written, or, when the connection broke, all or none.
    pub async fn record(&self, records: &[Record], lease: Duration) -> sqlx::Result<Vec<Answer>> {
        let written = Columns::of(records);
        let Columns {
            executions: e,
            steps: s,
        } = &written;
        let mut session = self.note("record", self.records.session().await)?;
        let rows = sqlx::query!(
            r#"select held as "held!", written as "written!", cancel_requested as "cancel_requested!", pause_requested as "pause_requested!"
                 from queue.record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)"#,
            &*self.worker,
            interval(lease),
            &e.tenants,
            &e.ids,
            &e.tokens,
            &e.statuses as _,
            &e.run_ats as _,
            &e.outputs as _,
            &e.errors as _,
            &e.started_ats as _,
            &e.step_counts,
            &s.of,
            &s.nodes as _,
            &s.items,
            &s.names as _,
            &s.kinds as _,
            &s.statuses as _,
            &s.attempts,
            &s.handles as _,
            &s.inputs as _,
            &s.outputs as _,
            &s.errors as _,
            &s.run_ats as _,
            &s.started_ats as _,
            &s.finished_ats as _,
            &s.extras as _,
        )
        .fetch_all(session.connection())
        .await;
        let rows = self.note("record", rows)?;
        session.keep();
        let answers = rows.into_iter().map(|row| match (row.held, row.written) {
            (_, true) => Answer::Written {
                cancel_requested: row.cancel_requested,
                pause_requested: row.pause_requested,
            },
            (true, false) => Answer::Again,
            (false, false) => Answer::NotHeld,
        });
        Ok(answers.collect())
    }
}

type Instant = Option<DateTime<Utc>>;

/// Records as the arrays that the function takes: as typed values, which the database need not read from text.
#[derive(Default)]
struct Columns<'a> {
    executions: Executions<'a>,
    steps: Steps<'a>,
}

#[derive(Default)]
struct Executions<'a> {
    tenants: Vec<Uuid>,
    ids: Vec<Uuid>,
    tokens: Vec<i64>,
    statuses: Vec<&'static str>,
    run_ats: Vec<Instant>,
    outputs: Vec<Option<Json<&'a Value>>>,
    errors: Vec<Option<Json<&'a Value>>>,
    started_ats: Vec<Instant>,
    step_counts: Vec<i32>,
}

#[derive(Default)]
struct Steps<'a> {
    of: Vec<i32>,
    nodes: Vec<&'a str>,
    items: Vec<i32>,
    names: Vec<Option<&'a str>>,
    kinds: Vec<&'static str>,
    statuses: Vec<&'static str>,
    attempts: Vec<i32>,
    handles: Vec<Option<&'a str>>,
    inputs: Vec<Option<Json<&'a Value>>>,
    outputs: Vec<Option<Json<&'a Value>>>,
    errors: Vec<Option<Json<&'a Value>>>,
    run_ats: Vec<Instant>,
    started_ats: Vec<Instant>,
    finished_ats: Vec<Instant>,
    extras: Vec<Option<Json<Extra<'a>>>>,
}

/// What few steps have.
#[derive(Debug, Serialize)]
struct Extra<'a> {
    usage: Option<&'a Value>,
    reservation: Option<Uuid>,
    wait: Option<&'a Wait>,
}

impl<'a> Columns<'a> {
    fn of(records: &'a [Record]) -> Self {
        let mut columns = Self::default();
        for (position, record) in (1..).zip(records) {
            pause();
            columns.executions.push(record);
            for step in &record.steps {
                columns.steps.push(position, step);
            }
        }
        columns
    }
}

impl<'a> Executions<'a> {
    fn push(&mut self, record: &'a Record) {
        self.tenants.push(record.tenant_id);
        self.ids.push(record.execution_id);
        self.tokens.push(record.fencing_token);
        self.statuses.push(record.status.as_str());
        self.run_ats.push(record.run_at.map(to_database));
        self.outputs.push(record.output.as_ref().map(Json));
        self.errors.push(record.error.as_ref().map(Json));
        self.started_ats.push(Some(to_database(record.started_at)));
        self.step_counts
            .push(i32::try_from(record.steps.len()).unwrap_or(i32::MAX));
    }
}

impl<'a> Steps<'a> {
    fn push(&mut self, of: i32, step: &'a StepRecord) {
        let extra = Extra {
            usage: step.usage.as_ref(),
            reservation: step.reservation,
            wait: step.wait.as_ref(),
        };
        let has_extra =
            extra.usage.is_some() || extra.reservation.is_some() || extra.wait.is_some();
        self.of.push(of);
        self.nodes.push(&step.node_id);
        self.items.push(
            step.item
                .map_or(-1, |item| i32::try_from(item).unwrap_or(i32::MAX)),
        );
        self.names.push(step.name.as_deref());
        self.kinds.push(step.kind);
        self.statuses.push(step.status.as_str());
        self.attempts
            .push(i32::try_from(step.attempt).unwrap_or(i32::MAX));
        self.handles.push(step.handle.as_deref());
        self.inputs.push(step.input.as_deref().map(Json));
        self.outputs.push(step.output.as_deref().map(Json));
        self.errors.push(step.error.as_ref().map(Json));
        self.run_ats.push(step.run_at.map(to_database));
        self.started_ats.push(step.started_at.map(to_database));
        self.finished_ats.push(step.finished_at.map(to_database));
        self.extras.push(has_extra.then_some(Json(extra)));
    }
}
