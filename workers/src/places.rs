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
    /// Of those, kept from tenants who have many already: one with a backlog of slow executions must not fill the worker.
    pub reserve: usize,
    pub room: Arc<Semaphore>,
    /// A sixteenth of all, so that what is offered does not wait for whoever gathers places for a claim.
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
            // With those for offers it is an eighth.
            reserve: most / 8 - offered,
            room: Arc::new(Semaphore::new(count)),
            offered: Arc::new(Semaphore::new(offered)),
            freed: Arc::default(),
            running: TaskTracker::new(),
        }
    }

    /// One for what is offered, if there is one and only a few of this tenant are held.
    pub fn for_offer(&self, tenant: Uuid) -> Option<OwnedSemaphorePermit> {
        /// As in `queue.pick`.
        const FEW: usize = 4;
        let has_few = self.held.count_of(tenant) < FEW;
        let place = has_few.then(|| Arc::clone(&self.offered).try_acquire_owned().ok());
        place.flatten()
    }

    /// Runs a job that was claimed.
    pub fn begin(&self, job: Job, place: OwnedSemaphorePermit) {
        self.run(job, async move {
            let _place = place;
            std::future::pending::<()>().await;
        });
    }

    /// Runs a job that was offered. It changes to one of the other places as soon as there is one, so that slow executions leave room for offers.
    pub fn begin_offered(&self, job: Job, place: OwnedSemaphorePermit) {
        let room = Arc::clone(&self.room);
        self.run(job, async move {
            let _other = room.acquire_owned().await;
            drop(place);
            std::future::pending::<()>().await;
        });
    }

    /// Runs a job beside what keeps its place, which does not end by itself.
    fn run(&self, job: Job, keep_place: impl Future<Output = ()> + Send + 'static) {
        let hold = self.held.hold(job.claim, job.workflow_id);
        let (jobs, freed) = (Arc::clone(&self.jobs), Arc::clone(&self.freed));
        self.running.spawn(async move {
            tokio::select! {
                () = jobs.run(job, &hold) => {}
                () = keep_place => {}
            }
            drop(hold);
            freed.notify_one();
        });
        metrics::gauge!("aias_worker_executions_in_memory").set(self.held.len() as f64);
    }
}
