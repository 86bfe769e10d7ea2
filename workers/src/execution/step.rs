//! One node's part in an execution, in memory.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;
use workflow::PlanNode;

use crate::queue::StepRecord;
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
    /// It goes on at this time.
    Waiting(Timestamp),
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
    /// The rendered config, secrets and all, until the call is out.
    pub config: Option<Value>,
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
        }
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
            State::Starting | State::Running => Some(StepStatus::Running),
            State::Waiting(_) => Some(StepStatus::Waiting),
            State::Ended(status) => Some(status),
        }
    }

    /// The row as it shall be. What is written once only is taken out.
    pub(super) fn record(&mut self, node: &PlanNode) -> Option<StepRecord> {
        let status = self.status()?;
        self.changed = false;
        self.is_being_written = true;
        self.row_is_open = !status.is_final();
        Some(StepRecord {
            node_id: node.id.clone(),
            item: None,
            name: node.name.clone(),
            kind: node.kind.as_str(),
            status,
            attempt: self.attempt.max(1),
            handle: self.handle.clone(),
            input: self.input.take(),
            output: self.output.clone(),
            error: self.error.clone(),
            run_at: match self.state {
                State::Waiting(at) => Some(at),
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
            wait: None,
        })
    }
}
