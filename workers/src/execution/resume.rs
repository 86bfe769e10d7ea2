//! The beginning: a claimed job becomes a run, wherever its recorded steps had come to.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use workflow::expression::Engine;
use workflow::{NodeState, OnError, Outcome, Plan, Progress};

use super::run::{Action, Ending, Event, Limits, Run};
use super::scope;
use super::step::{State, Step};
use crate::queue::{Job, RecordedStep};
use crate::state::StepStatus;

impl Run {
    /// Takes a job up and says what is to be done first.
    pub fn begin(
        mut job: Job,
        plan: Arc<Plan>,
        tenant_name: &str,
        engine: Arc<Engine>,
        limits: Limits,
        now: Timestamp,
    ) -> (Self, Vec<Action>) {
        let recorded = std::mem::take(&mut job.steps);
        let mut run = Self {
            context: scope::context(&job, tenant_name),
            progress: Progress::new(&plan),
            steps: vec![Step::new(); plan.nodes.len()],
            ready: Default::default(),
            changed: Vec::new(),
            is_urgent: false,
            recording: None,
            ending: None,
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
            Ok(()) => {}
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
            let is_waiting = matches!(self.steps[node].state, State::Waiting(_));
            match self.progress.state(node) {
                Some(NodeState::Ready) if !is_waiting => self.ready.push_back(node),
                Some(NodeState::Skipped) if self.steps[node].state == State::Idle => {
                    self.steps[node].state = State::Ended(StepStatus::Skipped);
                    self.change(node);
                }
                Some(NodeState::Waiting | NodeState::Skipped) if self.steps[node].row_is_open => {
                    return Err(Ending::inconsistent("a step had begun before its turn"));
                }
                _ => {}
            }
            self.show(node);
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
        let step = &mut self.steps[node];
        step.attempt = row.attempt;
        step.handle = row.handle;
        step.output = row.output.map(Arc::new);
        step.error = row.error;
        step.row_is_open = !row.status.is_final();
        step.state = match (row.status, row.run_at) {
            // Whoever ran it is gone, and whether it was done is not known: it begins again, as the next attempt.
            (StepStatus::Running, _) => State::Idle,
            (StepStatus::Waiting, Some(at)) => State::Waiting(at),
            (StepStatus::Waiting, None) => State::Idle,
            (status, _) => State::Ended(status),
        };
        let outcome = match (row.status, planned.on_error) {
            (StepStatus::Running, _) => {
                if row.attempt
                    >= planned
                        .retry
                        .max_attempts
                        .saturating_add(self.limits.crashes)
                {
                    let message = format!(
                        "{} attempts of this step ended with the end of their worker",
                        row.attempt
                    );
                    return Err(Ending::Failed(
                        json!({"code": "crash_loop", "message": message, "node_id": planned.id}),
                    ));
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
        };
        Ok(outcome)
    }
}
