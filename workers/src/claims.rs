//! Takes jobs from the queue, as many as there is room for, and starts them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, watch};
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::execution::Drain;
use crate::heartbeat::Heartbeat;
use crate::places::{Places, permits};
use crate::queue::{Claimed, Queue};
use crate::slice::pause;
use crate::stop::is_stopped_while;
use crate::wake::Wake;

/// Polling of an empty queue slows down from the first to the second.
const IDLE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// Waits shorter than this are not worth asking for the next timer.
const WORTH_ASKING: Duration = Duration::from_millis(100);
/// A timer may be due and its row locked by somebody else: then it is not asked for without pause.
const LEAST_PAUSE: Duration = Duration::from_millis(20);
/// How long a claim is put off so that it fetches more than one or two jobs.
const GATHER: Duration = Duration::from_millis(5);
/// While only the places are free that are kept, how often it is looked who may have them: a timer that ends sends no notice.
const LOOK: Duration = Duration::from_millis(100);
/// Jobs in one claim. Whoever comes while it is made waits for its end, and a larger one is hardly cheaper a job.
const MOST: usize = 128;

/// The loop that claims.
pub struct Claims {
    pub queue: Queue,
    pub places: Places,
    pub heartbeat: Arc<Heartbeat>,
    pub lease: Duration,
}

/// What a claim asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    most: usize,
    /// How many of them only tenants may have of whom the worker holds only a few.
    kept: usize,
}

impl Wanted {
    /// Whether so many say that there are more. A claim passes what somebody holds just then, so a few may be missing though hundreds are ready: above all jobs that
    /// were offered and are being recorded.
    fn is_mostly(self, brought: usize) -> bool {
        brought >= (self.most - self.kept).div_ceil(2)
    }
}

/// What a claim brought: how much, and whether a cap holds something back, where it says so.
#[derive(Debug, Clone, Copy)]
struct Brought {
    count: usize,
    was_capped: Option<bool>,
}

/// What a claim left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// About as many came as there was room for.
    More,
    /// What is ready has to wait for the end of something of the same tenant or workflow.
    Capped,
    Nothing,
}

impl Claims {
    /// Claims until the worker is told to stop.
    pub async fn run(&self, wake: &Wake, mut drain: watch::Receiver<Drain>) {
        let mut idle = Backoff::new(IDLE.0, IDLE.1);
        let mut broken = Backoff::new(IDLE.0, IDLE.1);
        let mut left = Left::Nothing;
        while !is_stopped_while(&mut drain, self.wait_for_room(left, wake)).await {
            let wanted = self.wanted(self.places.room.available_permits());
            // What was offered meanwhile may have taken some.
            let places = Arc::clone(&self.places.room).try_acquire_many_owned(permits(wanted.most));
            let Some(places) = places.ok().filter(|places| places.num_permits() > 0) else {
                continue;
            };
            // Not within the selection: a claim that was sent is seen through, so that no job is held and not run.
            match self.claim(wanted, places).await {
                Ok(claimed) => {
                    broken.reset();
                    if claimed.count > 0 {
                        idle.reset();
                    }
                    left = self.left_after(claimed, wanted).await;
                    if left != Left::More {
                        let freed = (left == Left::Capped).then_some(&*self.places.freed);
                        is_stopped_while(&mut drain, self.pause(&mut idle, wake, freed)).await;
                    }
                }
                Err(error) => {
                    let wait = broken.wait(rand::random());
                    tracing::warn!(%error, retry_in_ms = wait.as_millis() as u64, "cannot claim; waiting for the database");
                    is_stopped_while(&mut drain, sleep(wait)).await;
                }
            }
        }
    }

    /// Claims once and starts what came.
    async fn claim(
        &self,
        wanted: Wanted,
        mut places: OwnedSemaphorePermit,
    ) -> sqlx::Result<Brought> {
        self.heartbeat.refresh().await?;
        let load = self.places.held.load();
        let Claimed { jobs, was_capped } = self
            .queue
            .claim(wanted.most, wanted.kept, self.lease, &load)
            .await?;
        let count = jobs.len();
        metrics::counter!("aias_worker_claimed_total").increment(count as u64);
        for job in jobs {
            pause();
            if let Some(place) = places.split(1) {
                self.places.begin(job, place);
            }
        }
        Ok(Brought { count, was_capped })
    }

    fn wanted(&self, available: usize) -> Wanted {
        let most = available.min(MOST);
        Wanted {
            most,
            kept: self
                .places
                .reserve
                .saturating_sub(available - most)
                .min(most),
        }
    }

    async fn left_after(&self, brought: Brought, wanted: Wanted) -> Left {
        if wanted.is_mostly(brought.count) {
            return Left::More;
        }
        let was_capped = match brought.was_capped {
            Some(was_capped) => was_capped,
            // Only where something of ours may end is it worth asking; otherwise polling finds out.
            None => self.places.held.len() > 0 && self.queue.was_capped().await.unwrap_or(false),
        };
        match was_capped {
            true => Left::Capped,
            false => Left::Nothing,
        }
    }

    /// Until there is room for one. When more is known to be waiting, until there is room for more than what is kept, and a moment longer
    /// for a quarter of all, since each claim has its price; but not when a notice says that somebody else has come.
    async fn wait_for_room(&self, left: Left, wake: &Wake) {
        let room = &self.places.room;
        if left == Left::More {
            let quarter = permits(self.places.reserve + self.places.count.div_ceil(4));
            let gathered = async {
                let _ = timeout(GATHER, room.acquire_many(quarter)).await;
                let _ = timeout(LOOK, room.acquire_many(permits(self.places.reserve + 1))).await;
            };
            tokio::select! {
                () = gathered => {}
                () = wake.noticed() => {}
            }
        }
        let _ = room.acquire().await;
    }

    /// Until a notice comes, the next timer is due, something has ended that others waited for, or it is time to look anyway.
    async fn pause(&self, idle: &mut Backoff, wake: &Wake, freed: Option<&Notify>) {
        let mut wait = idle.wait(rand::random());
        if wait > WORTH_ASKING
            && let Ok(Some(next_due)) = self.queue.next_due().await
        {
            wait = wait.min(next_due).max(LEAST_PAUSE);
        }
        let ended = async {
            match freed {
                Some(freed) => freed.notified().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            woken = wake.sleep(wait) => if woken {
                idle.reset();
            },
            () = ended => idle.reset(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_lacks_what_others_hold_leaves_more() {
        let wanted = Wanted {
            most: 128,
            kept: 28,
        };
        assert!(wanted.is_mostly(100));
        assert!(wanted.is_mostly(97));
        assert!(!wanted.is_mostly(49));

        let one = Wanted { most: 1, kept: 0 };
        assert!(one.is_mostly(1));
        assert!(!one.is_mostly(0));
    }
}
