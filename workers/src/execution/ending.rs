//! The end before the end: failure, cancellation, and a worker that stops.

use jiff::Timestamp;
use serde_json::json;

use super::content;
use super::run::{Action, Ending, Left, Run};
use super::step::State;
use crate::nodes::Place;
use crate::state::{ExecutionStatus, StepStatus};

/// Why a step waits whose call was cut off with its worker.
pub(super) const WORKER_STOPPED: &str = "worker_stopped";

impl Ending {
    /// What is recorded cannot have happened under this plan.
    pub(super) fn inconsistent(why: &str) -> Self {
        Self::Failed(
            json!({"code": "inconsistent_history", "message": format!("the recorded steps do not fit the workflow: {why}")}),
        )
    }
}

impl Run {
    /// Ends the execution: calls are stopped, and what is open is recorded as cancelled with the end itself. The first reason stays.
    pub(super) fn end(&mut self, ending: Ending, now: Timestamp, actions: &mut Vec<Action>) {
        let is_over = self
            .recording
            .as_ref()
            .is_some_and(|recording| recording.status.is_final());
        if self.ending.is_some() || is_over {
            return;
        }
        self.ending = Some(ending);
        self.ready.clear();
        let places: Vec<_> = self.places().collect();
        for place in places {
            self.give_up(place, now, actions);
        }
    }

    /// Gives up a step that has not ended: its call is stopped, and what is recorded of it is closed.
    pub(super) fn give_up(&mut self, place: Place, now: Timestamp, actions: &mut Vec<Action>) {
        let step = self.step_mut(place);
        let is_over = matches!(step.state, State::Ended(_));
        if is_over || (step.state == State::Idle && !step.row_is_open) {
            return;
        }
        if step.state == State::Running {
            actions.push(Action::Stop { place });
        }
        step.config = None;
        step.secrets = None;
        if step.row_is_open {
            step.state = State::Ended(StepStatus::Cancelled);
            step.finished_at = Some(now);
            self.change(place);
        } else {
            // It has not begun, so there is nothing to cancel.
            step.state = State::Idle;
            step.changed = false;
            self.changed.retain(|changed| *changed != place);
        }
    }

    /// The time for calls that are out is over: they are stopped, and begin again with whoever takes the execution up.
    pub(super) fn stop_calls(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        self.is_draining = true;
        self.is_past_deadline = true;
        let running: Vec<_> = self
            .places()
            .filter(|place| self.step(*place).state == State::Running)
            .collect();
        for place in running {
            actions.push(Action::Stop { place });
            self.postpone(place, now);
        }
    }

    pub(super) fn postpone(&mut self, place: Place, now: Timestamp) {
        let step = self.step_mut(place);
        step.state = State::Waiting(now);
        step.config = None;
        step.secrets = None;
        step.error = Some(
            json!({"code": WORKER_STOPPED, "message": "the worker was stopped; the step begins again"}),
        );
        self.is_urgent = true;
        self.change(place);
    }

    /// The database will never take the last record. The steps in it are given up, so that at least the end can be written.
    pub(super) fn unrecordable(&mut self, why: &str, now: Timestamp, actions: &mut Vec<Action>) {
        let was_tried = std::mem::replace(&mut self.is_unrecordable, true);
        let refused = self
            .recording
            .take()
            .map(|recording| recording.places)
            .unwrap_or_default();
        if was_tried {
            // Not even that. The lease runs out, and after some claims without progress the execution is failed for that.
            actions.push(Action::Leave(Left {
                status: ExecutionStatus::Running,
                run_at: None,
            }));
            return;
        }
        let mut message = format!("the database refused a result: {why}");
        content::clean_text(&mut message);
        let error = json!({"code": "not_recordable", "message": message});
        self.ending = None;
        self.end(Ending::Failed(error.clone()), now, actions);
        for place in refused {
            let step = self.step_mut(place);
            step.is_being_written = false;
            if step.state != State::Ended(StepStatus::Skipped) {
                step.state = State::Ended(StepStatus::Failed);
                step.finished_at = Some(now);
            }
            step.input = None;
            step.output = None;
            step.handle = None;
            step.error = (step.state == State::Ended(StepStatus::Failed)).then(|| error.clone());
            self.change(place);
        }
    }
}
