//! Forward: what may begin begins, and what ended is settled.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use workflow::{Kind, OnError, Outcome, PlanNode, Settled};

use super::run::{Action, Ending, Run};
use super::step::State;
use super::{content, retry, scope};
use crate::nodes::{self, Failure, Success};
use crate::state::StepStatus;

impl Run {
    /// Fires timers and begins what is ready, until nothing more can.
    pub(super) fn advance(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        self.fire_timers(now, actions);
        while self.ending.is_none()
            && let Some(node) = self.next_ready()
        {
            self.begin_node(node, now, actions);
        }
    }

    fn fire_timers(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        for node in 0..self.steps.len() {
            let step = &self.steps[node];
            let is_due = matches!(step.state, State::Waiting(at) if at <= now) && step.is_written();
            if !is_due || self.ending.is_some() || self.ready.contains(&node) {
                continue;
            }
            if self.plan.nodes[node].kind == Kind::Delay {
                let State::Waiting(until) = step.state else {
                    continue;
                };
                self.settle(node, Ok(nodes::Delay { until }.success()), now, actions);
            } else {
                self.ready.push_back(node);
            }
        }
    }

    /// The next node that may begin now: calls are bounded, and a worker that stops makes no new ones.
    fn next_ready(&mut self) -> Option<usize> {
        let may_call = !self.is_draining
            && self.steps.iter().filter(|step| step.is_in_flight()).count()
                < self.limits.calls_in_flight;
        let position = self
            .ready
            .iter()
            .position(|node| may_call || !is_call(self.plan.nodes[*node].kind))?;
        self.ready.remove(position)
    }

    fn begin_node(&mut self, node: usize, now: Timestamp, actions: &mut Vec<Action>) {
        let plan = Arc::clone(&self.plan);
        let planned = &plan.nodes[node];
        let step = &mut self.steps[node];
        step.attempt += 1;
        step.started_at = Some(now);
        step.finished_at = None;
        step.error = None;
        match planned.kind {
            Kind::Delay => self.begin_delay(node, planned, now, actions),
            kind if is_call(kind) => {
                match self
                    .engine
                    .render_config(kind, &planned.config, &self.context)
                {
                    Ok(config) => {
                        let step = &mut self.steps[node];
                        step.state = State::Starting;
                        let mut input = nodes::masked(kind, &config);
                        content::clean(&mut input);
                        step.input = Some(Arc::new(input));
                        step.config = Some(config);
                        self.is_urgent = true;
                        self.change(node);
                    }
                    Err(error) => self.settle(node, Err(error.into()), now, actions),
                }
            }
            kind => {
                let result = nodes::compute(&self.engine, planned, &self.job.input, &self.context);
                if kind.is_condition() {
                    self.steps[node].input = Some(Arc::new(planned.config.clone()));
                }
                self.settle(node, result, now, actions);
            }
        }
    }

    fn begin_delay(
        &mut self,
        node: usize,
        planned: &PlanNode,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let delay = self
            .engine
            .render_config(Kind::Delay, &planned.config, &self.context)
            .map_err(Failure::from)
            .and_then(|config| {
                let delay = nodes::read_delay(&config, now)?;
                Ok((config, delay))
            });
        match delay {
            Ok((mut config, delay)) => {
                content::clean(&mut config);
                self.steps[node].input = Some(Arc::new(config));
                if delay.until <= now {
                    self.settle(node, Ok(delay.success()), now, actions);
                } else {
                    self.steps[node].state = State::Waiting(delay.until);
                    self.is_urgent = true;
                    self.change(node);
                }
            }
            Err(failure) => self.settle(node, Err(failure), now, actions),
        }
    }

    /// A call ended. What was stopped in the meantime is no longer asked.
    pub(super) fn call_ended(
        &mut self,
        node: usize,
        attempt: u32,
        result: Result<Success, Failure>,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let is_expected = self
            .steps
            .get(node)
            .is_some_and(|step| step.state == State::Running && step.attempt == attempt);
        if is_expected {
            self.is_urgent = true;
            self.settle(node, result, now, actions);
        }
    }

    /// How an attempt ended, and what follows: the next nodes, another attempt, or the end of the execution.
    fn settle(
        &mut self,
        node: usize,
        result: Result<Success, Failure>,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let result = result.and_then(within_limits);
        self.change(node);
        let step = &mut self.steps[node];
        step.finished_at = Some(now);
        match result {
            Ok(success) => {
                step.state = State::Ended(StepStatus::Succeeded);
                step.error = None;
                step.handle.clone_from(&success.handle);
                step.usage = success.usage;
                step.output = Some(Arc::new(success.output));
                self.follow(
                    node,
                    Outcome::Succeeded {
                        handle: success.handle,
                    },
                    now,
                    actions,
                );
            }
            Err(failure) => self.failed(node, failure, now, actions),
        }
    }

    fn failed(
        &mut self,
        node: usize,
        mut failure: Failure,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        content::clean_text(&mut failure.message);
        if let Some(details) = &mut failure.details {
            content::clean(details);
        }
        let plan = Arc::clone(&self.plan);
        let planned = &plan.nodes[node];
        let spread = retry::spread(self.id(), node, self.steps[node].attempt);
        let step = &mut self.steps[node];
        let again = retry::next_attempt(&planned.retry, step.attempt, &failure, now, spread);
        step.error = Some(failure.to_json());
        step.output = None;
        step.usage = failure.usage.take().map(|usage| *usage);
        if let Some(at) = again {
            step.state = State::Waiting(at);
            step.finished_at = None;
            self.is_urgent = true;
            return;
        }
        step.state = State::Ended(StepStatus::Failed);
        match planned.on_error {
            OnError::Fail => {
                let mut error =
                    serde_json::json!({"code": failure.code, "message": failure.message});
                error["node_id"] = Value::String(planned.id.clone());
                self.end(Ending::Failed(error), now, actions);
            }
            OnError::Continue => self.follow(node, Outcome::FailedContinue, now, actions),
            OnError::Branch => self.follow(node, Outcome::FailedBranch, now, actions),
        }
    }

    fn follow(&mut self, node: usize, outcome: Outcome, now: Timestamp, actions: &mut Vec<Action>) {
        self.show(node);
        match self.progress.settle(node, outcome) {
            Ok(Settled { ready, skipped }) => {
                self.ready.extend(ready);
                for node in skipped {
                    let step = &mut self.steps[node];
                    step.state = State::Ended(StepStatus::Skipped);
                    step.finished_at = Some(now);
                    self.change(node);
                }
            }
            // Only a plan that was changed by hand gets here.
            Err(error) => self.end(Ending::inconsistent(&error.to_string()), now, actions),
        }
    }

    /// Lets expressions see how a step ended.
    pub(super) fn show(&mut self, node: usize) {
        let planned = &self.plan.nodes[node];
        if let Some(seen) = scope::step(&self.steps[node], planned.on_error) {
            self.context.set_step(&planned.id, &seen);
        }
    }
}

/// Whether a step of this kind goes out into the world. A delay has an effect too, but only time carries it out.
fn is_call(kind: Kind) -> bool {
    kind.has_side_effect() && kind != Kind::Delay
}

fn within_limits(mut success: Success) -> Result<Success, Failure> {
    let size = content::size(&success.output);
    if size > content::MOST_BYTES {
        let message = format!(
            "the output has about {size} bytes; at most {} are kept",
            content::MOST_BYTES
        );
        let mut failure = Failure::new("output_too_large", message);
        failure.usage = success.usage.map(Box::new);
        return Err(failure);
    }
    content::clean(&mut success.output);
    Ok(success)
}
