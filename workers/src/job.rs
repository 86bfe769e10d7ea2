//! What is done with one claimed job.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde_json::json;
use tracing::Instrument;
use workflow::expression::Engine;

use crate::backoff::Backoff;
use crate::execution::{Drain, Drive, Left, Limits, Run, drive};
use crate::held::Hold;
use crate::plans::{LoadedPlan, PlanError, Plans};
use crate::queue::{Claim, Job, Record, StepRecord};
use crate::state::{ExecutionStatus, StepStatus};
use crate::wake::Wake;

/// What all jobs share. Cheap to clone.
#[derive(Clone)]
pub struct Jobs {
    pub plans: Plans,
    pub engine: Arc<Engine>,
    pub limits: Limits,
    pub drive: Drive,
    pub wake: Arc<Wake>,
}

impl Jobs {
    /// Runs a job until it is over, asleep, or somebody else's.
    pub async fn run(&self, job: Job, hold: &Hold) {
        let span = tracing::debug_span!("execution", id = %job.claim.key.execution_id, token = job.claim.fencing_token);
        let (id, token) = (job.claim.key.execution_id, job.claim.fencing_token);
        let caught = std::panic::AssertUnwindSafe(self.run_inner(job, hold)).catch_unwind();
        match caught.instrument(span).await {
            Ok(Some(left)) => {
                metrics::counter!("aias_worker_executions_total", "status" => left.status.as_str())
                    .increment(1);
                if let Some(run_at) = left.run_at {
                    let wait = run_at.duration_since(self.drive.clock.now());
                    self.wake.within(wait.try_into().unwrap_or_default());
                }
            }
            // A claim was quicker, or there is a cap by now.
            Ok(None) if token == Claim::OFFERED => {
                tracing::debug!(execution = %id, "not to be had")
            }
            Ok(None) => {
                metrics::counter!("aias_worker_abandoned_total").increment(1);
                tracing::info!(execution = %id, "let go: the claim is no longer good");
            }
            // Its lease runs out, and the claims without progress are counted; an offer that was not recorded is claimed.
            Err(_) => tracing::error!(execution = %id, "the worker panicked over this execution"),
        }
    }

    async fn run_inner(&self, job: Job, hold: &Hold) -> Option<Left> {
        if let Some(why) = &job.unreadable {
            return self.fail(&job, "input_unreadable", why).await;
        }
        let loaded = match self.plan(&job, hold).await? {
            Ok(loaded) => loaded,
            Err(error) => {
                let code = if matches!(error, PlanError::Missing) {
                    "plan_missing"
                } else {
                    "plan_unreadable"
                };
                return self.fail(&job, code, &error.to_string()).await;
            }
        };
        let (run, first) = Run::begin(
            job,
            Arc::clone(&loaded.plan),
            &loaded.tenant_name,
            Arc::clone(&self.engine),
            self.limits,
            self.drive.clock.now(),
        );
        drive(run, first, &self.drive, hold).await
    }

    /// The plan; waits for a database that is away. `None` when there is no point in waiting any longer.
    async fn plan(&self, job: &Job, hold: &Hold) -> Option<Result<Arc<LoadedPlan>, PlanError>> {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        let mut drain = self.drive.drain.clone();
        loop {
            match self.plans.get(job).await {
                Err(PlanError::Database(error)) => tracing::warn!(%error, "cannot read a plan"),
                done => return Some(done),
            }
            tokio::select! {
                () = hold.lost() => return None,
                _ = drain.wait_for(|stage| *stage > Drain::No) => return None,
                () = tokio::time::sleep(backoff.wait(rand::random())) => {}
            }
        }
    }

    /// Records that an execution failed before it could run, and closes the steps that are open.
    async fn fail(&self, job: &Job, code: &str, why: &str) -> Option<Left> {
        let now = self.drive.clock.now();
        let open = job.steps.iter().filter(|step| !step.status.is_final());
        let steps = open.map(|step| StepRecord {
            node_id: step.node_id.clone(),
            item: step.item,
            name: None,
            // The row is there and keeps its kind.
            kind: "unknown",
            status: StepStatus::Cancelled,
            attempt: step.attempt,
            handle: None,
            input: None,
            output: None,
            error: step.error.clone(),
            run_at: None,
            started_at: None,
            finished_at: Some(now),
            usage: None,
            reservation: None,
            wait: None,
        });
        let record = Record {
            tenant_id: job.claim.key.tenant_id,
            execution_id: job.claim.key.execution_id,
            fencing_token: job.claim.fencing_token,
            status: ExecutionStatus::Failed,
            run_at: None,
            started_at: job.started_at,
            output: None,
            error: Some(json!({"code": code, "message": why})),
            steps: steps.collect(),
        };
        match self.drive.committer.submit(record).await {
            Ok(crate::committer::Committed::Accepted { .. }) => Some(Left {
                status: ExecutionStatus::Failed,
                run_at: None,
            }),
            _ => None,
        }
    }
}
