//! The state of an execution in memory, and what may happen to it.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;
use workflow::expression::{Context, Engine};
use workflow::{Plan, Progress};

use super::step::{State, Step};
use crate::nodes::{Call, Failure, Success};
use crate::queue::{Job, Record};
use crate::state::ExecutionStatus;

/// How far an execution may go.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Calls of one execution that are out at a time.
    pub calls_in_flight: usize,
    /// A wait up to here is waited for in memory; a longer one is left to the database.
    pub short_wait: SignedDuration,
    /// Claims in a row without a result, and attempts of a step beyond its own, that look like bad luck. More look like a step that kills its worker.
    pub crashes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls_in_flight: 16,
            short_wait: SignedDuration::from_secs(1),
            crashes: 10,
        }
    }
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// The execution was claimed; or time has passed.
    Tick,
    /// Tokens were set aside for a call.
    Reserved {
        node: usize,
        attempt: u32,
        reservation: Uuid,
    },
    /// A call ended by itself.
    Ended {
        node: usize,
        attempt: u32,
        result: Result<Success, Failure>,
    },
    /// The record that was asked for last is committed.
    Recorded {
        cancel_requested: bool,
    },
    /// The database refuses that record, and always will.
    Unrecordable {
        why: String,
    },
    CancelRequested,
    /// The worker stops: nothing new begins.
    Drain,
    /// The worker has waited long enough for calls that are out.
    DrainDeadline,
}

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    /// Commit this, and say [`Event::Recorded`]. There is never more than one at a time.
    Record(Box<Record>),
    /// Make the call, and say [`Event::Ended`].
    Start(Box<Call>),
    /// Stop the call; nothing more is to be said about it.
    Stop { node: usize },
    /// The execution is over, or with the database again. Nothing more is to be said at all.
    Leave(Left),
}

/// How an execution is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    pub status: ExecutionStatus,
    /// When it goes on, if it only sleeps.
    pub run_at: Option<Timestamp>,
}

/// Why the execution ends before all its nodes have.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    Cancelled,
    Failed(serde_json::Value),
}

/// What the record that is out says.
#[derive(Debug)]
pub(super) struct Recording {
    pub status: ExecutionStatus,
    pub run_at: Option<Timestamp>,
    /// The nodes in it.
    pub nodes: Vec<usize>,
}

/// One execution. It decides; see the module's head.
pub struct Run {
    pub(super) job: Job,
    pub(super) plan: Arc<Plan>,
    pub(super) engine: Arc<Engine>,
    pub(super) limits: Limits,
    pub(super) progress: Progress,
    pub(super) context: Context,
    pub(super) steps: Vec<Step>,
    /// Nodes whose turn it is and that have not begun this attempt.
    pub(super) ready: VecDeque<usize>,
    /// Nodes that differ from their rows, in the order in which they changed.
    pub(super) changed: Vec<usize>,
    /// Whether something among them must not wait for company.
    pub(super) is_urgent: bool,
    pub(super) recording: Option<Recording>,
    pub(super) ending: Option<Ending>,
    pub(super) is_draining: bool,
    /// Whether calls may not even begin that are recorded to.
    pub(super) is_past_deadline: bool,
    /// Whether a record was refused for its content.
    pub(super) is_unrecordable: bool,
}

impl Run {
    /// Takes in an event and says what follows from it.
    pub fn on(&mut self, event: Event, now: Timestamp) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Tick => {}
            Event::Reserved {
                node,
                attempt,
                reservation,
            } => {
                if let Some(step) = self
                    .steps
                    .get_mut(node)
                    .filter(|step| step.attempt == attempt)
                {
                    step.reservation = Some(reservation);
                }
                return actions;
            }
            Event::Ended {
                node,
                attempt,
                result,
            } => self.call_ended(node, attempt, result, now, &mut actions),
            Event::Recorded { cancel_requested } => {
                if let Some(left) = self.recorded(now, &mut actions) {
                    actions.push(Action::Leave(left));
                    return actions;
                }
                if cancel_requested {
                    self.end(Ending::Cancelled, now, &mut actions);
                }
            }
            Event::Unrecordable { why } => self.unrecordable(&why, now, &mut actions),
            Event::CancelRequested => self.end(Ending::Cancelled, now, &mut actions),
            Event::Drain => self.is_draining = true,
            Event::DrainDeadline => self.stop_calls(now, &mut actions),
        }
        self.advance(now, &mut actions);
        if let Some(record) = self.next_record(now) {
            actions.push(Action::Record(Box::new(record)));
        }
        actions
    }

    /// When time alone changes something next.
    pub fn wakes_at(&self) -> Option<Timestamp> {
        if self.ending.is_some() {
            return None;
        }
        let timers = self
            .steps
            .iter()
            .enumerate()
            .filter_map(|(node, step)| match step.state {
                // A step that is not recorded yet is looked at again when it is, and one that only waits for room when there is some.
                State::Waiting(at) if step.is_written() && !self.ready.contains(&node) => Some(at),
                _ => None,
            });
        timers.min()
    }

    /// The id that people know it by.
    pub fn id(&self) -> Uuid {
        self.job.claim.key.execution_id
    }

    pub(super) fn change(&mut self, node: usize) {
        if !self.steps[node].changed {
            self.steps[node].changed = true;
            self.changed.push(node);
        }
    }
}
