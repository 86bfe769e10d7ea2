//! What goes on after the head of its answer, or waits long for it: event streams, requests that asked to wait, downloads.
//!
//! Each takes a place, and reads through turns. A wait holds no database connection. One connection listens for all of them and wakes those whose execution changed, and the
//! database is told what they wait for; whoever is woken reads for itself, as its caller. A notification is a hint: it may be lost while the listener reconnects, or never arrive
//! behind a pooler. So each wait also ends by itself after a second or two, and what is read then is the truth.

mod announcer;
mod listener;
mod per_principal;
mod watchers;

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use self::announcer::announce;
pub use self::listener::listen;
use self::per_principal::{PerPrincipal, PrincipalPlace};
use self::watchers::Watcher;
pub use self::watchers::Watchers;
use crate::auth::Principal;
use crate::configuration::Limits;
use crate::error::ApiError;

#[derive(Clone)]
pub struct Streams(Arc<Inner>);

struct Inner {
    watchers: Arc<Watchers>,
    places: Arc<Semaphore>,
    per_principal: PerPrincipal,
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
            per_principal: PerPrincipal::new(limits.streams_per_user),
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

    /// A place for one that goes on, given back when dropped.
    ///
    /// # Errors
    /// 429 when this person or key has as many as one may have; 503 when everybody together has.
    pub fn take_place(&self, principal: &Principal) -> Result<StreamPlace, ApiError> {
        let own = self.0.per_principal.take(principal.id())?;
        let place = self.0.places.clone().try_acquire_owned();
        let place =
            place.map_err(|_| ApiError::Overloaded("too many streams are open at the moment"))?;
        metrics::gauge!("aias_edge_open_streams").increment(1);
        Ok(StreamPlace {
            _place: place,
            _own: own,
        })
    }

    /// Begins to watch an execution. Called before it is read, so that no change falls between. Errors as [`Streams::take_place`].
    pub fn watch(&self, principal: &Principal, execution_id: Uuid) -> Result<Watch, ApiError> {
        let place = self.take_place(principal)?;
        Ok(Watch {
            watcher: self.0.watchers.clone().watch(execution_id),
            streams: self.clone(),
            _place: place,
        })
    }

    /// Waits for a turn to read. Held while reading.
    pub async fn turn_to_read(&self) -> Option<OwnedSemaphorePermit> {
        self.0.reads.clone().acquire_owned().await.ok()
    }
}

pub struct StreamPlace {
    _place: OwnedSemaphorePermit,
    _own: PrincipalPlace,
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        metrics::gauge!("aias_edge_open_streams").decrement(1);
    }
}

/// One wait for one execution. Dropping it, for instance because the client went away, frees everything it held.
pub struct Watch {
    watcher: Watcher,
    streams: Streams,
    _place: StreamPlace,
}

impl Watch {
    /// Returns when the execution may have changed: on a notification, or a poll interval later.
    pub async fn may_have_changed(&mut self) {
        let interval = self.streams.0.poll_interval;
        // Streams that were opened together would otherwise read together for ever.
        let interval = interval.mul_f64(rand::rng().random_range(0.75..1.25));
        let _ = tokio::time::timeout(interval, self.watcher.notified()).await;
    }

    pub async fn turn_to_read(&self) -> Option<OwnedSemaphorePermit> {
        self.streams.turn_to_read().await
    }
}
