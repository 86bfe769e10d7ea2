//! A connection that one loop has for itself.
//!
//! A pool hands its connections round, and asks each whether it is well when it comes back. Claims, takes and records are each one at a time,
//! and may be hundreds a second: each goes through one session, whose plans and caches are warm, and that nobody asks anything between two calls.

use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgConnection, PgPool, Postgres};
use tokio::sync::{Mutex, MutexGuard};

use super::QUIET;

/// Then another one, so that the pool can replace what has become old.
const LONGEST: Duration = Duration::from_secs(300);

/// Where it is between two calls.
pub(super) struct Kept {
    pool: PgPool,
    gives_way: bool,
    place: Mutex<Option<Held>>,
}

struct Held {
    connection: PoolConnection<Postgres>,
    since: Instant,
    used: Instant,
}

/// For one call. What is not given back by [`Session::keep`] goes to the pool, which looks whether it is well.
pub(super) struct Session<'a> {
    place: MutexGuard<'a, Option<Held>>,
    held: Held,
}

impl Kept {
    pub fn new(pool: PgPool) -> Self {
        Self {
            pool,
            gives_way: false,
            place: Mutex::new(None),
        }
    }

    /// For batches: what they do takes milliseconds of a processor at a time, that a person's statement would wait for. All connections of that
    /// pool are used by such.
    pub fn giving_way(pool: PgPool) -> Self {
        Self {
            gives_way: true,
            ..Self::new(pool)
        }
    }

    /// It, once the call before is over.
    pub async fn session(&self) -> sqlx::Result<Session<'_>> {
        let mut place = self.place.lock().await;
        if let Some(mut held) = place.take()
            && held.is_well().await
        {
            return Ok(Session { place, held });
        }
        let mut held = Held::new(self.pool.acquire().await?);
        if self.gives_way {
            // Where it cannot, it does as well; and a connection that is broken says so again.
            let asked = sqlx::query("select queue.give_way()");
            let _ = asked.execute(&mut *held.connection).await;
        }
        Ok(Session { place, held })
    }

    /// Gives it to the pool, which could not close otherwise.
    pub async fn let_go(&self) {
        self.place.lock().await.take();
    }
}

impl Held {
    fn new(connection: PoolConnection<Postgres>) -> Self {
        let now = Instant::now();
        Self {
            connection,
            since: now,
            used: now,
        }
    }

    /// A restart of the server cuts it, and that shows when something is asked. Only after a pause is that worth a round trip.
    async fn is_well(&mut self) -> bool {
        self.since.elapsed() < LONGEST
            && (self.used.elapsed() < QUIET || self.connection.ping().await.is_ok())
    }
}

impl Session<'_> {
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.held.connection
    }

    /// After a call that went well.
    pub fn keep(mut self) {
        self.held.used = Instant::now();
        *self.place = Some(self.held);
    }
}
