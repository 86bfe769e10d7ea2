//! When something is written, and what.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use workflow::NodeState;

use super::content;
use super::run::{Action, Ending, Left, Recording, Run};
use super::step::State;
use crate::nodes::Call;
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
            None => match self.sleeps_until(now) {
                Some(run_at) => (ExecutionStatus::Waiting, Some(run_at), None, None),
                None if self.is_urgent => (ExecutionStatus::Running, None, None, None),
                None => return None,
            },
        };
        self.is_urgent = false;
        let nodes = std::mem::take(&mut self.changed);
        let plan = &self.plan;
        let steps = nodes
            .iter()
            .filter_map(|node| self.steps[*node].record(&plan.nodes[*node]))
            .collect();
        self.recording = Some(Recording {
            status,
            run_at,
            nodes,
        });
        let claim = self.job.claim;
        Some(Record {
            tenant_id: claim.key.tenant_id,
            execution_id: claim.key.execution_id,
            fencing_token: claim.fencing_token,
            status,
            run_at,
            output,
            error,
            steps,
        })
    }

    /// The record is committed: calls that waited for it go out. Answers how the execution is left, if it is.
    pub(super) fn recorded(&mut self, now: Timestamp, actions: &mut Vec<Action>) -> Option<Left> {
        let recording = self.recording.take()?;
        for node in &recording.nodes {
            self.steps[*node].is_being_written = false;
        }
        if recording.status != ExecutionStatus::Running {
            return Some(Left {
                status: recording.status,
                run_at: recording.run_at,
            });
        }
        for node in recording.nodes {
            if self.steps[node].state != State::Starting {
                continue;
            }
            if self.is_past_deadline {
                self.postpone(node, now);
                continue;
            }
            let planned = &self.plan.nodes[node];
            let step = &mut self.steps[node];
            step.state = State::Running;
            actions.push(Action::Start(Box::new(Call {
                claim: self.job.claim,
                node,
                node_id: planned.id.clone(),
                attempt: step.attempt,
                kind: planned.kind,
                config: step.config.take().unwrap_or_default(),
                timeout: planned.timeout,
            })));
        }
        None
    }

    /// When the execution is to be taken up again, if there is nothing to do for now.
    fn sleeps_until(&self, now: Timestamp) -> Option<Timestamp> {
        if self.steps.iter().any(super::step::Step::is_in_flight) {
            return None;
        }
        if !self.ready.is_empty() {
            // It was its turn, and this worker makes no more calls.
            return self.is_draining.then_some(now);
        }
        let timers = self.steps.iter().filter_map(|step| match step.state {
            State::Waiting(at) => Some(at),
            _ => None,
        });
        let earliest = timers.min()?;
        let is_short = earliest.duration_since(now) <= self.limits.short_wait;
        (self.is_draining || !is_short).then_some(earliest)
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
