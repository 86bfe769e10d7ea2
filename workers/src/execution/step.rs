//! One node's part in an execution, or that of one item of a `for_each`, in memory.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;
use workflow::{Kind, PlanNode};

use crate::nodes::{self, WithSecrets};
use crate::queue::{RecordedStep, StepRecord, Wait};
use crate::state::StepStatus;

/// Where a node stands, seen from this worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Not its turn yet, or its turn but not begun.
    Idle,
    /// It begins as soon as it is recorded that it does.
    Starting,
    /// A call is out.
    Running,
    /// Its items are being worked on; it has no call of its own.
    Looping,
    /// It goes on at this time.
    Waiting(Timestamp),
    /// It goes on when something is delivered, or gives up at this time.
    Listening(Option<Timestamp>),
    Ended(StepStatus),
}

#[derive(Debug, Clone)]
pub(super) struct Step {
    pub state: State,
    /// The last attempt that was begun; 0 before the first.
    pub attempt: u32,
    /// Whether it differs from its row.
    pub changed: bool,
    /// Whether it is in the record that is out.
    pub is_being_written: bool,
    /// Whether its row says `running` or `waiting`.
    pub row_is_open: bool,
    pub handle: Option<String>,
    /// The rendered config, secrets masked; for the record only.
    pub input: Option<Arc<Value>>,
    pub output: Option<Arc<Value>>,
    pub error: Option<Value>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub usage: Option<Value>,
    pub reservation: Option<Uuid>,
    /// The rendered config until the call is out; masks stand for the tenant's secrets, and what a template took from elsewhere is as it is.
    pub config: Option<Value>,
    /// What is put in their place when the call is made.
    pub secrets: Option<Box<WithSecrets>>,
    /// What it listens for.
    pub wait: Option<Wait>,
    /// What was delivered before it listened: a called workflow may end before the call that started it has returned.
    pub early: Option<Value>,
}

impl Step {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Idle,
            attempt: 0,
            changed: false,
            is_being_written: false,
            row_is_open: false,
            handle: None,
            input: None,
            output: None,
            error: None,
            started_at: None,
            finished_at: None,
            usage: None,
            reservation: None,
            config: None,
            secrets: None,
            wait: None,
            early: None,
        }
    }

    /// What is known of it from its row.
    pub(super) fn from_row(row: RecordedStep, kind: Kind) -> Self {
        let mut step = Self::new();
        step.state = match (row.status, row.run_at) {
            (StepStatus::Running, _) if kind == Kind::ForEach => State::Looping,
            // Whoever ran it is gone, and whether it was done is not known: it begins again, as the next attempt.
            (StepStatus::Running, _) => State::Idle,
            // One that waits for its next attempt says why the last one failed.
            (StepStatus::Waiting, at) if kind.waits_for_delivery() && row.error.is_none() => {
                State::Listening(at)
            }
            (StepStatus::Waiting, Some(at)) => State::Waiting(at),
            (StepStatus::Waiting, None) => State::Idle,
            (status, _) => State::Ended(status),
        };
        step.attempt = row.attempt;
        step.handle = row.handle;
        step.output = row.output.map(Arc::new);
        step.error = row.error;
        step.row_is_open = !row.status.is_final();
        step
    }

    /// The execution that a step of kind `call_workflow` called last; until the step has ended, its output says so.
    pub(super) fn called(&self) -> Option<&str> {
        nodes::execution_in(self.output.as_deref()?)
    }

    /// Whether a call is out or about to be.
    pub(super) const fn is_in_flight(&self) -> bool {
        matches!(self.state, State::Starting | State::Running)
    }

    /// Whether its row says what is known here. Until it does, no further attempt begins: each has its own tokens to write.
    pub(super) const fn is_written(&self) -> bool {
        !self.changed && !self.is_being_written
    }

    pub(super) const fn status(&self) -> Option<StepStatus> {
        match self.state {
            State::Idle => None,
            State::Starting | State::Running | State::Looping => Some(StepStatus::Running),
            State::Waiting(_) | State::Listening(_) => Some(StepStatus::Waiting),
            State::Ended(status) => Some(status),
        }
    }

    /// The row as it shall be. What is written once only is taken out.
    pub(super) fn record(
        &mut self,
        node: &PlanNode,
        item: Option<u32>,
        kind: Kind,
    ) -> Option<StepRecord> {
        let status = self.status()?;
        self.changed = false;
        self.is_being_written = true;
        self.row_is_open = !status.is_final();
        Some(StepRecord {
            node_id: node.id.clone(),
            item,
            name: node.name.clone(),
            kind: kind.as_str(),
            status,
            attempt: self.attempt.max(1),
            handle: self.handle.clone(),
            input: self.input.take(),
            output: self.output.clone(),
            error: self.error.clone(),
            run_at: match self.state {
                State::Waiting(at) => Some(at),
                State::Listening(at) => at,
                _ => None,
            },
            started_at: self.started_at,
            finished_at: self.finished_at,
            usage: self.usage.take(),
            // Settled when the attempt is over, whatever came of it.
            reservation: if self.is_in_flight() {
                None
            } else {
                self.reservation.take()
            },
            wait: match self.state {
                State::Listening(_) => self.wait.clone(),
                _ => None,
            },
        })
    }
}
