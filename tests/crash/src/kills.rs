//! Who kills: one for the workers, and one for Postgres, which takes longer to come back than the next worker has to live.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::counter::{Micros, now};
use crate::postgres::Postgres;
use crate::schedule::Victim;
use crate::workers::Workers;

/// From the kill of Postgres to its first answer after that.
#[derive(Debug, Clone, Copy)]
pub struct Outage {
    pub from: Micros,
    pub to: Micros,
}

/// What the others may know while it goes on.
#[derive(Default)]
pub struct Toll {
    pub workers: AtomicU32,
    pub postgres: AtomicU32,
}

pub async fn kill_workers(
    begun: Instant,
    kills: Vec<(Duration, Victim)>,
    workers: Arc<Mutex<Workers>>,
    toll: Arc<Toll>,
) -> Result<()> {
    for (at, victim) in kills {
        let Victim::Worker(position) = victim else {
            continue;
        };
        sleep_until(begun + at).await;
        workers.lock().await.kill(position).await?;
        toll.workers.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

pub async fn kill_postgres(
    begun: Instant,
    kills: Vec<(Duration, Victim)>,
    postgres: Arc<Postgres>,
    toll: Arc<Toll>,
) -> Result<Vec<Outage>> {
    let mut outages = Vec::new();
    for (at, victim) in kills {
        if victim != Victim::Postgres {
            continue;
        }
        sleep_until(begun + at).await;
        let from = now();
        postgres.kill().await?;
        postgres.start_again().await?;
        outages.push(Outage { from, to: now() });
        toll.postgres.fetch_add(1, Ordering::Relaxed);
    }
    Ok(outages)
}
