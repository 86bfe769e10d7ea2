//! The end before the end: failure, cancellation, and a worker that stops.

use jiff::Timestamp;
use serde_json::json;

use super::content;
use super::run::{Action, Ending, Left, Run};
use super::step::State;
use crate::state::{ExecutionStatus, StepStatus};

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
        for node in 0..self.steps.len() {
            let step = &mut self.steps[node];
            let is_open = matches!(
                step.state,
                State::Starting | State::Running | State::Waiting(_)
            );
            if !is_open && !step.row_is_open {
                continue;
            }
            if matches!(step.state, State::Ended(_)) {
                continue;
            }
            if step.state == State::Running {
                actions.push(Action::Stop { node });
            }
            step.config = None;
            if step.row_is_open {
                step.state = State::Ended(StepStatus::Cancelled);
                step.finished_at = Some(now);
                self.change(node);
            } else {
                // It has not begun, so there is nothing to cancel.
                step.state = State::Idle;
                step.changed = false;
                self.changed.retain(|changed| *changed != node);
            }
        }
    }

    /// The time for calls that are out is over: they are stopped, and begin again with whoever takes the execution up.
    pub(super) fn stop_calls(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        self.is_draining = true;
        self.is_past_deadline = true;
        for node in 0..self.steps.len() {
            if self.steps[node].state == State::Running {
                actions.push(Action::Stop { node });
                self.postpone(node, now);
            }
        }
    }

    pub(super) fn postpone(&mut self, node: usize, now: Timestamp) {
        let step = &mut self.steps[node];
        step.state = State::Waiting(now);
        step.config = None;
        step.error = Some(
            json!({"code": "worker_stopped", "message": "the worker was stopped; the step begins again"}),
        );
        self.is_urgent = true;
        self.change(node);
    }

    /// The database will never take the last record. The steps in it are given up, so that at least the end can be written.
    pub(super) fn unrecordable(&mut self, why: &str, now: Timestamp, actions: &mut Vec<Action>) {
        let was_tried = std::mem::replace(&mut self.is_unrecordable, true);
        let refused = self
            .recording
            .take()
            .map(|recording| recording.nodes)
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
        for node in refused {
            let step = &mut self.steps[node];
            step.is_being_written = false;
            if step.state != State::Ended(StepStatus::Skipped) {
                step.state = State::Ended(StepStatus::Failed);
                step.finished_at = Some(now);
            }
            step.input = None;
            step.output = None;
            step.handle = None;
            step.error = (step.state == State::Ended(StepStatus::Failed)).then(|| error.clone());
            self.change(node);
        }
    }
}
