//! Who kills: one for the workers, and one for Postgres, which takes longer to come back than the next worker has to live.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Result;
use sqlx::{Connection, PgConnection};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::counter::{Micros, now};
use crate::postgres::Postgres;
use crate::schedule::Victim;
use crate::workers::Workers;

/// How long a worker's death waits for it to be at work. A machine may be so slow that a worker which has just started is killed before it
/// has anything to lose, and the next as well.
const MERCY: Duration = Duration::from_secs(1);

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
    postgres: Arc<Postgres>,
    toll: Arc<Toll>,
) -> Result<()> {
    for (at, victim) in kills {
        let Victim::Worker(position) = victim else {
            continue;
        };
        sleep_until(begun + at).await;
        let mut workers = workers.lock().await;
        let at_work = until_at_work(&postgres, workers.pid(position)?);
        let _ = timeout(MERCY, at_work).await;
        workers.kill(position).await?;
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

/// Ends once something is recorded as begun by the worker, however often Postgres is away meanwhile: kills that were put off are not all spent on
/// the time in which nobody is at work.
async fn until_at_work(postgres: &Postgres, pid: i32) {
    while !is_at_work(postgres, pid).await.unwrap_or(false) {
        sleep(Duration::from_millis(50)).await;
    }
}

async fn is_at_work(postgres: &Postgres, pid: i32) -> sqlx::Result<bool> {
    let mut session = PgConnection::connect(&postgres.url).await?;
    let begun = sqlx::query_scalar(
        "select exists (select from (select c.status, c.worker from crash.changes c order by c.seq desc limit 500) c
                         where c.status = 'running' and c.worker like '%:' || $1 || ':%')",
    )
    .bind(pid.to_string())
    .fetch_one(&mut session)
    .await?;
    session.close().await?;
    Ok(begun)
}
