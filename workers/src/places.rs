//! Where executions run in this process: so many at a time.

use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::held::Held;
use crate::job::Jobs;
use crate::queue::Job;

/// Shared by those who bring jobs. Cheap to clone.
#[derive(Clone)]
pub struct Places {
    pub held: Held,
    jobs: Arc<Jobs>,
    /// How many claims have.
    pub count: usize,
    pub room: Arc<Semaphore>,
    /// A sixteenth of all is for offers, so that a claim gets as many as it was promised, whatever is offered meanwhile.
    offered: Arc<Semaphore>,
    /// Something has ended.
    pub freed: Arc<Notify>,
    /// The executions that were begun.
    pub running: TaskTracker,
}

impl Places {
    pub fn new(most: usize, held: Held, jobs: Arc<Jobs>) -> Self {
        let offered = most / 16;
        let count = most - offered;
        Self {
            held,
            jobs,
            count,
            room: Arc::new(Semaphore::new(count)),
            offered: Arc::new(Semaphore::new(offered)),
            freed: Arc::default(),
            running: TaskTracker::new(),
        }
    }

    /// An eighth of claims' places is kept from tenants who have many already: one with a backlog of slow executions must not fill the worker.
    pub fn reserve(&self) -> usize {
        self.count / 8
    }

    /// One for what is offered, if there is one and only a few of this tenant are held.
    pub fn for_offer(&self, tenant: Uuid) -> Option<OwnedSemaphorePermit> {
        /// As in `queue.pick`.
        const FEW: usize = 4;
        let has_few = self.held.count_of(tenant) < FEW;
        let permit = has_few.then(|| Arc::clone(&self.offered).try_acquire_owned().ok());
        permit.flatten()
    }

    /// Runs a job there.
    pub fn begin(&self, job: Job, permit: OwnedSemaphorePermit) {
        let hold = self.held.hold(job.claim, job.workflow_id);
        let (jobs, freed) = (Arc::clone(&self.jobs), Arc::clone(&self.freed));
        self.running.spawn(async move {
            jobs.run(job, &hold).await;
            drop((hold, permit));
            freed.notify_one();
        });
        metrics::gauge!("aias_worker_executions_in_memory").set(self.held.len() as f64);
    }
}
