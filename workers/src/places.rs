//! Where executions run in this process: so many at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::held::{Held, Hold};
use crate::job::Jobs;
use crate::queue::Job;
use crate::slice::sliced;

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

    /// The same places, where executions are run with something else.
    pub fn running_with(&self, jobs: Arc<Jobs>) -> Self {
        Self {
            jobs,
            ..self.clone()
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
        let hold = self.held.hold(job.claim, job.workflow_id);
        self.run(job, hold, async move {
            let _place = place;
            std::future::pending::<()>().await;
        });
    }

    /// Runs a job that was offered, unless it is run here already. It changes to one of the other places once there are more than those that are kept, so that slow executions
    /// leave room for offers and still do not fill the worker.
    pub fn begin_offered(&self, job: Job, place: OwnedSemaphorePermit) {
        let Some(hold) = self.held.hold_offered(job.claim, job.workflow_id) else {
            return;
        };
        let other = one_that_is_not_kept(Arc::clone(&self.room), self.reserve);
        self.run(job, hold, async move {
            let _other = other.await;
            drop(place);
            std::future::pending::<()>().await;
        });
    }

    /// Runs a job beside what keeps its place, which does not end by itself.
    fn run(&self, job: Job, hold: Hold, keep_place: impl Future<Output = ()> + Send + 'static) {
        let (jobs, freed) = (Arc::clone(&self.jobs), Arc::clone(&self.freed));
        self.running.spawn(sliced(async move {
            tokio::select! {
                () = jobs.run(job, &hold) => {}
                () = keep_place => {}
            }
            drop(hold);
            freed.notify_one();
        }));
        metrics::gauge!("aias_worker_executions_in_memory").set(self.held.len() as f64);
    }
}

/// A place, once more are free than those that are kept.
///
/// Nobody waits in line for it: whoever does so at a semaphore is given what is free, piece by piece, and claims would not see it.
async fn one_that_is_not_kept(room: Arc<Semaphore>, kept: usize) -> OwnedSemaphorePermit {
    const LOOK: Duration = Duration::from_millis(100);
    loop {
        let free = Arc::clone(&room).try_acquire_many_owned(permits(kept + 1));
        if let Some(place) = free.ok().and_then(|mut free| free.split(1)) {
            return place;
        }
        sleep(LOOK).await;
    }
}

/// As the semaphores count them.
pub fn permits(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_is_not_taken() {
        let room = Arc::new(Semaphore::new(2));
        let minute = Duration::from_secs(60);
        let none = timeout(minute, one_that_is_not_kept(Arc::clone(&room), 2)).await;
        assert!(none.is_err());
        // And claims see it all the while.
        assert_eq!(room.available_permits(), 2);

        room.add_permits(1);
        let taken = timeout(minute, one_that_is_not_kept(Arc::clone(&room), 2)).await;
        assert_eq!(room.available_permits(), 2);
        drop(taken.unwrap());
        assert_eq!(room.available_permits(), 3);
    }
}
