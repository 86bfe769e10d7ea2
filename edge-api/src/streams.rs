//! Waiting for an execution to change, for event streams and for requests that asked to wait.
//!
//! A wait holds no database connection. One connection listens for all of them and wakes those whose execution changed; whoever is
//! woken reads for itself, as its caller. A notification is a hint: it may be lost while the listener reconnects, or never arrive
//! behind a pooler. So each wait also ends by itself after a second or two, and what is read then is the truth.

mod listener;
mod per_user;
mod watchers;

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use self::listener::listen;
use self::per_user::{PerUser, UserPlace};
use self::watchers::Watcher;
pub use self::watchers::Watchers;
use crate::configuration::Limits;
use crate::error::ApiError;

#[derive(Clone)]
pub struct Streams(Arc<Inner>);

struct Inner {
    watchers: Arc<Watchers>,
    places: Arc<Semaphore>,
    per_user: PerUser,
    reads: Arc<Semaphore>,
    poll_interval: Duration,
    shutdown: CancellationToken,
}

impl Streams {
    /// `connections` is the size of the pool: streams read through half of it, so that requests always find the other half.
    pub fn new(limits: &Limits, connections: u32, shutdown: CancellationToken) -> Self {
        Self(Arc::new(Inner {
            watchers: Arc::default(),
            places: Arc::new(Semaphore::new(limits.streams.min(Semaphore::MAX_PERMITS))),
            per_user: PerUser::new(limits.streams_per_user),
            reads: Arc::new(Semaphore::new((connections as usize / 2).max(1))),
            poll_interval: limits.poll_interval,
            shutdown,
        }))
    }

    pub fn watchers(&self) -> &Arc<Watchers> {
        &self.0.watchers
    }

    /// Cancelled when this service is about to stop.
    pub fn stopping(&self) -> CancellationToken {
        self.0.shutdown.clone()
    }

    /// Begins to watch an execution. Called before it is read, so that no change falls between.
    ///
    /// # Errors
    /// 429 when this user has as many streams open as one may have; 503 when everybody together has.
    pub fn watch(&self, user_id: Uuid, execution_id: Uuid) -> Result<Watch, ApiError> {
        let user_place = self.0.per_user.take(user_id)?;
        let place = self.0.places.clone().try_acquire_owned();
        let place = place
            .map_err(|_| ApiError::Overloaded("too many event streams are open at the moment"))?;
        let watcher = self.0.watchers.clone().watch(execution_id);
        metrics::gauge!("aias_edge_open_streams").increment(1);
        Ok(Watch {
            watcher,
            streams: self.clone(),
            _place: place,
            _user_place: user_place,
        })
    }
}

/// One wait for one execution. Dropping it, for instance because the client went away, frees everything it held.
pub struct Watch {
    watcher: Watcher,
    streams: Streams,
    _place: OwnedSemaphorePermit,
    _user_place: UserPlace,
}

impl Watch {
    /// Returns when the execution may have changed: on a notification, or a poll interval later.
    pub async fn may_have_changed(&mut self) {
        let interval = self.streams.0.poll_interval;
        // Streams that were opened together would otherwise read together for ever.
        let interval = interval.mul_f64(rand::rng().random_range(0.75..1.25));
        let _ = tokio::time::timeout(interval, self.watcher.notified()).await;
    }

    /// Waits for a turn to read. Held while reading.
    pub async fn turn_to_read(&self) -> Option<OwnedSemaphorePermit> {
        self.streams.0.reads.clone().acquire_owned().await.ok()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        metrics::gauge!("aias_edge_open_streams").decrement(1);
    }
}
