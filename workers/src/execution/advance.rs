//! Forward: what may begin begins, and what ended is settled.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use workflow::{Kind, OnError, Outcome, PlanNode, Settled};

use super::run::{Action, Ending, Run};
use super::step::State;
use super::{content, retry, scope};
use crate::nodes::{self, Failure, Place, Rendered, Success};
use crate::state::StepStatus;

impl Run {
    /// Fires timers and begins what is ready, until nothing more can.
    pub(super) fn advance(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        if self.is_pausing {
            return;
        }
        self.fire_timers(now, actions);
        while self.ending.is_none()
            && let Some(place) = self.next_ready()
        {
            self.begin_step(place, now, actions);
        }
    }

    fn fire_timers(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let is_due = |place: &Place| {
            let step = self.step(*place);
            let is_due = match step.state {
                State::Waiting(at) | State::Listening(Some(at)) => at <= now,
                _ => false,
            };
            is_due && step.is_written() && !self.ready.contains(place)
        };
        let due: Vec<Place> = self.places().filter(is_due).collect();
        for place in due {
            // Another one that was due may have ended the execution, or the step that this is an item of.
            if self.ending.is_some() {
                return;
            }
            match (self.step(place).state, self.kind(place)) {
                (State::Waiting(until), Kind::Delay) => {
                    self.settle(place, Ok(nodes::Delay { until }.success()), now, actions);
                }
                (State::Waiting(_), _) => self.ready.push_back(place),
                (State::Listening(_), kind) => {
                    self.is_urgent = true;
                    self.settle(place, Err(nodes::wait_timed_out(kind)), now, actions);
                }
                _ => {}
            }
        }
    }

    /// The next step that may begin now: calls are bounded, and a worker that stops makes no new ones.
    fn next_ready(&mut self) -> Option<Place> {
        if self.ready.is_empty() {
            return None;
        }
        let may_call = !self.is_draining && self.calls_out() < self.limits.calls_in_flight;
        let position = self
            .ready
            .iter()
            .position(|place| may_call || !is_call(self.kind(*place)))?;
        self.ready.remove(position)
    }

    fn begin_step(&mut self, place: Place, now: Timestamp, actions: &mut Vec<Action>) {
        let plan = Arc::clone(&self.plan);
        let planned = &plan.nodes[place.node];
        let kind = self.kind(place);
        let step = self.step_mut(place);
        step.attempt += 1;
        step.started_at = Some(now);
        step.finished_at = None;
        step.error = None;
        step.early = None;
        let config = match (place.item, planned.item_action()) {
            (Some(_), Some((_, action))) => action,
            _ => &planned.config,
        };
        match kind {
            Kind::Delay => self.begin_delay(place, config, now, actions),
            Kind::WaitForEvent | Kind::Approval => self.begin_wait(place, planned, now, actions),
            Kind::ForEach => self.begin_loop(place.node, now, actions),
            Kind::CallWorkflow if self.job.depth >= nodes::DEEPEST => {
                self.settle(place, Err(nodes::too_deep()), now, actions);
            }
            kind if is_call(kind) => {
                let context = self.scope_of(place);
                match nodes::render(&self.engine, kind, config, context) {
                    Ok(Rendered { config, secrets }) => {
                        let step = self.step_mut(place);
                        step.state = State::Starting;
                        let mut input = nodes::masked(kind, &config);
                        content::clean(&mut input);
                        step.input = Some(Arc::new(input));
                        step.config = Some(config);
                        step.secrets = secrets;
                        self.is_urgent = true;
                        self.change(place);
                    }
                    Err(error) => self.settle(place, Err(error.into()), now, actions),
                }
            }
            kind => {
                let context = self.scope_of(place);
                let result = nodes::compute(&self.engine, kind, config, &self.job.input, &context);
                if kind.is_condition() {
                    self.step_mut(place).input = Some(Arc::new(config.clone()));
                }
                self.settle(place, result, now, actions);
            }
        }
    }

    fn begin_delay(
        &mut self,
        place: Place,
        config: &Value,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let delay = self
            .engine
            .render_config(Kind::Delay, config, &self.context)
            .map_err(Failure::from)
            .and_then(|config| {
                let delay = nodes::read_delay(&config, now)?;
                Ok((config, delay))
            });
        match delay {
            Ok((mut config, delay)) => {
                content::clean(&mut config);
                let step = self.step_mut(place);
                step.input = Some(Arc::new(config));
                if delay.until <= now {
                    self.settle(place, Ok(delay.success()), now, actions);
                } else {
                    step.state = State::Waiting(delay.until);
                    self.is_urgent = true;
                    self.change(place);
                }
            }
            Err(failure) => self.settle(place, Err(failure), now, actions),
        }
    }

    fn begin_wait(
        &mut self,
        place: Place,
        planned: &PlanNode,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let wait = self
            .engine
            .render_config(planned.kind, &planned.config, &self.context)
            .map_err(Failure::from)
            .and_then(|mut config| {
                // What is written has to be found again by what is sent, so both are without U+0000.
                content::clean(&mut config);
                let (wait, seconds) = nodes::read_wait(planned.kind, &config)?;
                Ok((config, wait, seconds))
            });
        match wait {
            Ok((config, wait, seconds)) => {
                let step = self.step_mut(place);
                step.input = Some(Arc::new(config));
                step.wait = Some(wait);
                step.state = State::Listening(nodes::gives_up_at(now, [seconds, planned.timeout]));
                self.is_urgent = true;
                self.change(place);
            }
            Err(failure) => self.settle(place, Err(failure), now, actions),
        }
    }

    /// A call ended. What was stopped in the meantime is no longer asked.
    pub(super) fn call_ended(
        &mut self,
        place: Place,
        attempt: u32,
        result: Result<Success, Failure>,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let is_expected = self
            .find_step(place)
            .is_some_and(|step| step.state == State::Running && step.attempt == attempt);
        if !is_expected {
            return;
        }
        self.is_urgent = true;
        match result {
            Ok(begun) if self.kind(place) == Kind::CallWorkflow => {
                self.called(place, begun, now, actions);
            }
            result => self.settle(place, result, now, actions),
        }
    }

    /// The called workflow runs; the step listens for its end.
    fn called(&mut self, place: Place, begun: Success, now: Timestamp, actions: &mut Vec<Action>) {
        let timeout = self.plan.nodes[place.node].timeout;
        let step = self.step_mut(place);
        let begun_at = step.started_at.unwrap_or(now);
        step.output = Some(Arc::new(begun.output));
        step.state = State::Listening(nodes::gives_up_at(begun_at, [timeout, None]));
        // Not the end of an execution that an earlier attempt called.
        let early = step
            .early
            .take()
            .filter(|payload| nodes::execution_in(payload) == step.called());
        self.change(place);
        if let Some(payload) = early {
            self.deliver(place, payload, now, actions);
        }
    }

    /// How an attempt ended, and what follows: the next nodes, another attempt, or the end of the execution.
    pub(super) fn settle(
        &mut self,
        place: Place,
        result: Result<Success, Failure>,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let result = result.and_then(within_limits);
        self.change(place);
        let step = self.step_mut(place);
        step.finished_at = Some(now);
        match result {
            Ok(success) => {
                step.state = State::Ended(StepStatus::Succeeded);
                step.error = None;
                step.handle.clone_from(&success.handle);
                step.usage = success.usage;
                step.output = Some(Arc::new(success.output));
                let handle = success.handle;
                match place.item {
                    Some(item) => self.item_ended(place.node, item, now, actions),
                    None => self.follow(place.node, Outcome::Succeeded { handle }, now, actions),
                }
            }
            Err(failure) => self.failed(place, failure, now, actions),
        }
    }

    fn failed(
        &mut self,
        place: Place,
        mut failure: Failure,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        content::clean_text(&mut failure.message);
        if let Some(details) = &mut failure.details {
            content::clean(details);
        }
        let plan = Arc::clone(&self.plan);
        let planned = &plan.nodes[place.node];
        let spread = retry::spread(self.id(), place, self.step(place).attempt);
        let kind = self.kind(place);
        let step = self.step_mut(place);
        let again = retry::next_attempt(&planned.retry, step.attempt, &failure, now, spread);
        step.error = Some(failure.to_json());
        // Between attempts it says which execution is not waited for any more.
        if again.is_none() || kind != Kind::CallWorkflow {
            step.output = None;
        }
        step.usage = failure.usage.take().map(|usage| *usage);
        if let Some(at) = again {
            step.state = State::Waiting(at);
            step.finished_at = None;
            self.is_urgent = true;
            return;
        }
        step.state = State::Ended(StepStatus::Failed);
        if let Some(item) = place.item {
            return self.item_ended(place.node, item, now, actions);
        }
        let node = place.node;
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
                self.ready.extend(ready.into_iter().map(Place::from));
                for node in skipped {
                    let step = &mut self.steps[node];
                    step.state = State::Ended(StepStatus::Skipped);
                    step.finished_at = Some(now);
                    self.change(node.into());
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
            self.context.set_step(&planned.id, seen);
        }
    }
}

/// Whether a step of this kind goes out into the world. What only waits, and what only has others begin, has an effect too, but no call.
pub(super) fn is_call(kind: Kind) -> bool {
    let only_waits = matches!(kind, Kind::Delay | Kind::WaitForEvent | Kind::Approval);
    kind.has_side_effect() && !only_waits && kind != Kind::ForEach
}

fn within_limits(mut success: Success) -> Result<Success, Failure> {
    let size = content::size(&success.output);
    if size > content::MOST_BYTES {
        let mut failure = content::too_large(size);
        failure.usage = success.usage.map(Box::new);
        return Err(failure);
    }
    content::clean(&mut success.output);
    Ok(success)
}
