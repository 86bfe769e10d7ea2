//! The beginning: a claimed job becomes a run, wherever its recorded steps had come to.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use workflow::expression::Engine;
use workflow::{NodeState, OnError, Outcome, Plan, PlanNode, Progress};

use super::run::{Action, Ending, Event, Limits, Run};
use super::scope;
use super::step::{State, Step};
use crate::nodes;
use crate::queue::{Job, RecordedStep};
use crate::state::StepStatus;

impl Run {
    /// Takes a job up and says what is to be done first.
    pub fn begin(
        mut job: Job,
        plan: Arc<Plan>,
        tenant_name: &Arc<str>,
        engine: Arc<Engine>,
        limits: Limits,
        now: Timestamp,
    ) -> (Self, Vec<Action>) {
        let recorded = std::mem::take(&mut job.steps);
        let signals = std::mem::take(&mut job.signals);
        let mut run = Self {
            context: scope::context(&job, tenant_name),
            progress: Progress::new(&plan),
            steps: vec![Step::new(); plan.nodes.len()],
            loops: Default::default(),
            ready: Default::default(),
            changed: Vec::new(),
            is_urgent: false,
            recording: None,
            ending: None,
            is_pausing: job.pause_requested,
            is_draining: false,
            is_past_deadline: false,
            is_unrecordable: false,
            job,
            plan,
            engine,
            limits,
        };
        let mut actions = Vec::new();
        match run.take_up(recorded) {
            Ok(()) if run.job.cancel_requested => run.end(Ending::Cancelled, now, &mut actions),
            Ok(()) => {
                run.take_up_signals(signals, now, &mut actions);
                for node in 0..run.steps.len() {
                    run.finish_loop(node, now, &mut actions);
                }
            }
            Err(ending) => run.end(ending, now, &mut actions),
        }
        actions.extend(run.on(Event::Tick, now));
        (run, actions)
    }

    fn take_up(&mut self, recorded: Vec<RecordedStep>) -> Result<(), Ending> {
        let plan = Arc::clone(&self.plan);
        let mut outcomes = Vec::new();
        let mut problem = None;
        for row in recorded {
            let read = match plan.position(&row.node_id) {
                Some(node) if row.item.is_some() => self.read_item(node, row).map(|()| None),
                Some(node) => self
                    .read_row(node, row)
                    .map(|outcome| outcome.map(|outcome| (node, outcome))),
                None => Err(Ending::inconsistent(&format!(
                    "there is no node \"{}\"",
                    row.node_id
                ))),
            };
            match read {
                Ok(outcome) => outcomes.extend(outcome),
                // Every row is read all the same: the end has to close those that are open.
                Err(ending) => problem = problem.or(Some(ending)),
            }
        }
        if let Some(ending) = problem {
            return Err(ending);
        }
        self.progress = Progress::replay(&plan, outcomes)
            .map_err(|error| Ending::inconsistent(&error.to_string()))?;

        for node in 0..self.steps.len() {
            let step = &mut self.steps[node];
            match self.progress.state(node) {
                Some(NodeState::Ready) if step.state == State::Idle => {
                    self.ready.push_back(node.into());
                }
                Some(NodeState::Skipped) if step.state == State::Idle => {
                    step.state = State::Ended(StepStatus::Skipped);
                    self.change(node.into());
                }
                Some(NodeState::Waiting | NodeState::Skipped) if step.row_is_open => {
                    return Err(Ending::inconsistent("a step had begun before its turn"));
                }
                _ => {}
            }
            self.show(node);
        }
        // Only now everything is in scope that a list may be made of.
        for node in 0..self.steps.len() {
            if self.steps[node].state == State::Looping {
                self.reopen_loop(node)?;
            } else if self
                .loops
                .get(&node)
                .is_some_and(|each| !each.open.is_empty())
            {
                return Err(Ending::inconsistent("an item had begun before its step"));
            }
        }
        let claims = u32::try_from(self.job.claims_without_progress).unwrap_or(0);
        if claims > self.limits.crashes {
            return Err(Ending::Failed(json!({
                "code": "crash_loop",
                "message": format!("{claims} workers in a row took this execution up and recorded nothing"),
            })));
        }
        Ok(())
    }

    /// Puts a recorded step where it was, and says how it ended if it did.
    fn read_row(&mut self, node: usize, row: RecordedStep) -> Result<Option<Outcome>, Ending> {
        let plan = Arc::clone(&self.plan);
        let planned = &plan.nodes[node];
        let (status, attempt) = (row.status, row.attempt);
        let step = &mut self.steps[node];
        *step = Step::from_row(row, planned.kind);
        Ok(match (status, planned.on_error) {
            (StepStatus::Running, _) => {
                if step.state != State::Looping {
                    self.check_attempts(planned, attempt)?;
                }
                None
            }
            (StepStatus::Waiting | StepStatus::Skipped, _) => None,
            (StepStatus::Succeeded, _) => Some(Outcome::Succeeded {
                handle: step.handle.clone(),
            }),
            (StepStatus::Failed, OnError::Continue) => Some(Outcome::FailedContinue),
            (StepStatus::Failed, OnError::Branch) => Some(Outcome::FailedBranch),
            (StepStatus::Failed, OnError::Fail) | (StepStatus::Cancelled, _) => {
                return Err(Ending::inconsistent("a step had ended the execution"));
            }
        })
    }

    /// The same for an item. What became of it is looked at when the list is there.
    fn read_item(&mut self, node: usize, row: RecordedStep) -> Result<(), Ending> {
        let plan = Arc::clone(&self.plan);
        let planned = &plan.nodes[node];
        let Some((item, (kind, _))) = row.item.zip(planned.item_action()) else {
            return Err(Ending::inconsistent("a step without items had one"));
        };
        if item >= nodes::MOST_ITEMS {
            return Err(Ending::inconsistent("a list was longer than lists are"));
        }
        let (status, attempt) = (row.status, row.attempt);
        self.loops
            .entry(node)
            .or_default()
            .put(item, Step::from_row(row, kind));
        match status {
            StepStatus::Running => self.check_attempts(planned, attempt),
            _ => Ok(()),
        }
    }

    /// A step that is recorded as running was in flight when its worker died. That may be its own doing.
    fn check_attempts(&self, node: &PlanNode, attempt: u32) -> Result<(), Ending> {
        let most = node.retry.max_attempts.saturating_add(self.limits.crashes);
        if attempt < most {
            return Ok(());
        }
        let message = format!("{attempt} attempts of this step ended with the end of their worker");
        Err(Ending::Failed(
            json!({"code": "crash_loop", "message": message, "node_id": node.id}),
        ))
    }
}
