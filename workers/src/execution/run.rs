//! The state of an execution in memory, and what may happen to it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;
use workflow::expression::{Context, Engine};
use workflow::{Kind, Plan, Progress};

use super::for_each::Loop;
use super::step::{State, Step};
use crate::nodes::{Call, Failure, Place, Success};
use crate::queue::{Job, Record, Signal};
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
    /// Tokens were set aside for a call; or, without a reservation, those that were are settled.
    Reserved {
        place: Place,
        attempt: u32,
        reservation: Option<Uuid>,
    },
    /// A call ended by itself.
    Ended {
        place: Place,
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
    /// Nothing new is to begin; the execution is left when what is out has ended.
    PauseRequested,
    /// Something was delivered to steps that wait.
    Signalled(Vec<Signal>),
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
    Stop { place: Place },
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
    /// The steps in it.
    pub places: Vec<Place>,
}

/// One execution. It decides; see the module's head.
pub struct Run {
    pub(super) job: Job,
    pub(super) plan: Arc<Plan>,
    pub(super) engine: Arc<Engine>,
    pub(super) limits: Limits,
    pub(super) progress: Progress,
    pub(super) context: Context,
    /// One for each node.
    pub(super) steps: Vec<Step>,
    /// The items of each `for_each` that has begun.
    pub(super) loops: BTreeMap<usize, Loop>,
    /// Steps whose turn it is and that have not begun this attempt.
    pub(super) ready: VecDeque<Place>,
    /// Steps that differ from their rows, in the order in which they changed.
    pub(super) changed: Vec<Place>,
    /// Whether something among them must not wait for company.
    pub(super) is_urgent: bool,
    pub(super) recording: Option<Recording>,
    pub(super) ending: Option<Ending>,
    pub(super) is_pausing: bool,
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
                place,
                attempt,
                reservation,
            } => {
                if let Some(step) = self.find_step(place).filter(|step| step.attempt == attempt) {
                    step.reservation = reservation;
                }
                return actions;
            }
            Event::Ended {
                place,
                attempt,
                result,
            } => self.call_ended(place, attempt, result, now, &mut actions),
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
            Event::PauseRequested => self.is_pausing = true,
            Event::Signalled(signals) => self.signalled(signals, now, &mut actions),
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
        if self.ending.is_some() || self.is_pausing {
            return None;
        }
        let timers = self.places().filter_map(|place| {
            let step = self.step(place);
            match step.state {
                // A step that is not recorded yet is looked at again when it is, and one that only waits for room when there is some.
                State::Waiting(at) | State::Listening(Some(at))
                    if step.is_written() && !self.ready.contains(&place) =>
                {
                    Some(at)
                }
                _ => None,
            }
        });
        timers.min()
    }

    /// The id that people know it by.
    pub fn id(&self) -> Uuid {
        self.job.claim.key.execution_id
    }

    /// Every node, and the items that have begun and not ended.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        let nodes = (0..self.steps.len()).map(Place::from);
        nodes.chain(self.loops.iter().flat_map(|(node, each)| {
            each.open.iter().map(|item| Place {
                node: *node,
                item: Some(*item),
            })
        }))
    }

    /// A step that is there: one of [`Run::places`], or an item that was.
    pub(super) fn step(&self, place: Place) -> &Step {
        match place.item {
            None => &self.steps[place.node],
            Some(item) => &self.loops[&place.node].steps[item as usize],
        }
    }

    pub(super) fn step_mut(&mut self, place: Place) -> &mut Step {
        match self.find_step(place) {
            Some(step) => step,
            None => unreachable!("{place:?} has no step"),
        }
    }

    /// As what comes from outside names it: perhaps there is no such step.
    pub(super) fn find_step(&mut self, place: Place) -> Option<&mut Step> {
        match place.item {
            None => self.steps.get_mut(place.node),
            Some(item) => self
                .loops
                .get_mut(&place.node)?
                .steps
                .get_mut(item as usize),
        }
    }

    /// What the step does: the node's kind, or that of the action for its items.
    pub(super) fn kind(&self, place: Place) -> Kind {
        let node = &self.plan.nodes[place.node];
        match (place.item, node.item_action()) {
            (Some(_), Some((kind, _))) => kind,
            _ => node.kind,
        }
    }

    pub(super) fn change(&mut self, place: Place) {
        let step = self.step_mut(place);
        if !step.changed {
            step.changed = true;
            self.changed.push(place);
        }
    }
}
