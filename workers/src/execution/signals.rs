//! What somebody else delivers to a step: an event, a decision, the end of a called workflow.
//!
//! A delivery stays in the database until the step that it was for is recorded as ended, and comes with every claim until then. So whatever
//! cannot be taken now is let go of here; and the end of a called execution may come again after the step has tried another, so it is
//! compared with the one that the step waits for.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use workflow::Kind;

use super::ending::WORKER_STOPPED;
use super::run::{Action, Run};
use super::step::State;
use crate::nodes::{self, Place};
use crate::queue::Signal;

impl Run {
    /// What had been delivered when the execution was claimed.
    pub(super) fn take_up_signals(
        &mut self,
        signals: Vec<Signal>,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        if self.is_pausing || self.ending.is_some() {
            return;
        }
        for signal in &signals {
            if let Some(place) = self.place_of(signal)
                && self.kind(place) == Kind::CallWorkflow
                && let Some(step) = self.find_step(place)
            {
                // The call that started the other execution was cut off before it could say so. It need not be made again.
                let was_cut_off = match step.state {
                    State::Idle => step.row_is_open,
                    State::Waiting(_) => step
                        .error
                        .as_ref()
                        .is_some_and(|error| error["code"] == WORKER_STOPPED),
                    _ => false,
                };
                // An execution that it knows is one that it had given up before.
                let called = nodes::execution_in(&signal.payload).map(str::to_owned);
                if was_cut_off && called.is_some() && step.called() != called.as_deref() {
                    step.state = State::Listening(None);
                    step.output = Some(Arc::new(json!({"execution_id": called})));
                    self.ready.retain(|ready| *ready != place);
                }
            }
        }
        self.signalled(signals, now, actions);
    }

    pub(super) fn signalled(
        &mut self,
        signals: Vec<Signal>,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        for signal in signals {
            if self.is_pausing || self.ending.is_some() {
                return;
            }
            if let Some(place) = self.place_of(&signal) {
                self.deliver(place, signal.payload, now, actions);
            }
        }
    }

    /// Hands a step what it listens for. Any other step has it already, or does not want it.
    pub(super) fn deliver(
        &mut self,
        place: Place,
        payload: Value,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let kind = self.kind(place);
        let Some(step) = self.find_step(place) else {
            return;
        };
        let is_called = nodes::execution_in(&payload) == step.called();
        match step.state {
            State::Listening(_) if is_called || kind != Kind::CallWorkflow => {
                self.is_urgent = true;
                self.settle(place, nodes::delivered(kind, payload), now, actions);
            }
            State::Starting | State::Running if kind == Kind::CallWorkflow && !is_called => {
                step.early = Some(payload);
            }
            _ => {}
        }
    }

    fn place_of(&self, signal: &Signal) -> Option<Place> {
        let node = self.plan.position(&signal.node_id)?;
        Some(Place {
            node,
            item: signal.item,
        })
    }
}
