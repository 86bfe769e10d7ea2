//! When something is written, and what.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use workflow::{Kind, NodeState};

use super::content;
use super::run::{Action, Ending, Left, Recording, Run};
use super::step::State;
use crate::nodes::{Call, Place};
use crate::queue::Record;
use crate::state::{ExecutionStatus, StepStatus};

impl Run {
    /// The next record, if there is reason for one and none is out.
    pub(super) fn next_record(&mut self, now: Timestamp) -> Option<Record> {
        if self.recording.is_some() {
            return None;
        }
        let (status, run_at, output, error) = match &self.ending {
            Some(Ending::Cancelled) => (ExecutionStatus::Cancelled, None, None, None),
            Some(Ending::Failed(error)) => {
                (ExecutionStatus::Failed, None, None, Some(error.clone()))
            }
            None if self.progress.is_finished() => match self.output() {
                Ok(output) => (ExecutionStatus::Succeeded, None, Some(output), None),
                Err(error) => (ExecutionStatus::Failed, None, None, Some(error)),
            },
            None if self.is_pausing && self.calls_out() == 0 => {
                (ExecutionStatus::Paused, None, None, None)
            }
            None => match self.sleeps_until(now) {
                Some(run_at) => (ExecutionStatus::Waiting, run_at, None, None),
                None if self.is_urgent => (ExecutionStatus::Running, None, None, None),
                None => return None,
            },
        };
        self.is_urgent = false;
        let places = std::mem::take(&mut self.changed);
        let plan = Arc::clone(&self.plan);
        let mut steps = Vec::with_capacity(places.len());
        for place in &places {
            let kind = self.kind(*place);
            let node = &plan.nodes[place.node];
            steps.extend(self.step_mut(*place).record(node, place.item, kind));
        }
        self.recording = Some(Recording {
            status,
            run_at,
            places,
        });
        let claim = self.job.claim;
        Some(Record {
            tenant_id: claim.key.tenant_id,
            execution_id: claim.key.execution_id,
            fencing_token: claim.fencing_token,
            status,
            run_at,
            started_at: self.job.started_at,
            output,
            error,
            steps,
        })
    }

    /// The record is committed: calls that waited for it go out. Answers how the execution is left, if it is.
    pub(super) fn recorded(&mut self, now: Timestamp, actions: &mut Vec<Action>) -> Option<Left> {
        let recording = self.recording.take()?;
        for place in &recording.places {
            self.step_mut(*place).is_being_written = false;
        }
        if recording.status != ExecutionStatus::Running {
            return Some(Left {
                status: recording.status,
                run_at: recording.run_at,
            });
        }
        let mut ended = Vec::new();
        for place in recording.places {
            match self.step(place).state {
                State::Starting if self.is_past_deadline => self.postpone(place, now),
                State::Starting => self.call(place, actions),
                // Its items are written, and nobody asks for them any more.
                State::Ended(_) if place.item.is_none() && self.step(place).is_written() => {
                    ended.push(place.node);
                }
                _ => {}
            }
        }
        for node in ended {
            self.loops.remove(&node);
        }
        self.refill_all();
        None
    }

    fn call(&mut self, place: Place, actions: &mut Vec<Action>) {
        let (claim, kind) = (self.job.claim, self.kind(place));
        let plan = Arc::clone(&self.plan);
        let planned = &plan.nodes[place.node];
        let step = self.step_mut(place);
        step.state = State::Running;
        let given_up = match kind {
            Kind::CallWorkflow => step.called().and_then(|id| id.parse().ok()),
            _ => None,
        };
        actions.push(Action::Start(Box::new(Call {
            claim,
            place,
            node_id: planned.id.clone(),
            attempt: step.attempt,
            kind,
            config: step.config.take().unwrap_or_default(),
            secrets: step.secrets.take(),
            timeout: planned.timeout,
            given_up,
        })));
    }

    /// Calls that are out or about to be.
    pub(super) fn calls_out(&self) -> usize {
        self.places()
            .filter(|place| self.step(*place).is_in_flight())
            .count()
    }

    /// When the execution is to be taken up again, if there is nothing to do for now: at a time, or, without one, when something is delivered.
    fn sleeps_until(&self, now: Timestamp) -> Option<Option<Timestamp>> {
        if self.calls_out() > 0 {
            return None;
        }
        if !self.ready.is_empty() {
            // It was its turn, and this worker makes no more calls.
            return self.is_draining.then_some(Some(now));
        }
        let mut earliest: Option<Timestamp> = None;
        let mut is_listening = false;
        for place in self.places() {
            let at = match self.step(place).state {
                State::Waiting(at) => Some(at),
                State::Listening(at) => {
                    is_listening = true;
                    at
                }
                _ => continue,
            };
            earliest = earliest.into_iter().chain(at).min();
        }
        match earliest {
            Some(at) => {
                let is_short = at.duration_since(now) <= self.limits.short_wait;
                (self.is_draining || !is_short).then_some(Some(at))
            }
            None => is_listening.then_some(None),
        }
    }

    /// Outputs of the nodes without a successor that ran, by node id.
    fn output(&self) -> Result<Value, Value> {
        let mut outputs = Map::new();
        let mut size = 0;
        for (index, node) in self.plan.nodes.iter().enumerate() {
            let ran = |index: usize| self.progress.state(index) == Some(NodeState::Settled);
            if !ran(index) || node.outgoing.iter().any(|edge| ran(edge.to)) {
                continue;
            }
            let output = self.steps[index]
                .output
                .as_deref()
                .cloned()
                .unwrap_or_default();
            size += content::size(&output);
            outputs.insert(node.id.clone(), output);
        }
        if size > content::MOST_BYTES {
            let message = format!(
                "the outputs have about {size} bytes; at most {} are kept",
                content::MOST_BYTES
            );
            return Err(json!({"code": "output_too_large", "message": message}));
        }
        Ok(Value::Object(outputs))
    }

    /// How many steps ended how, for those who watch.
    pub fn ended_steps(&self) -> impl Iterator<Item = (&'static str, StepStatus)> {
        self.steps
            .iter()
            .zip(&self.plan.nodes)
            .filter_map(|(step, node)| match step.state {
                State::Ended(status) => Some((node.kind.as_str(), status)),
                _ => None,
            })
    }
}
