//! How fast a worker empties a queue that was filled before.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::server::Server;
use crate::worker::Worker;

/// From the first execution that is seen to have ended to the last: the worker's start is not counted.
pub async fn executions_per_second(server: &Server, worker: &Path) -> Result<f64> {
    let mut session = server.session().await?;
    let mut left = async || -> Result<i64> {
        Ok(sqlx::query_scalar("select count(*) from queue.jobs")
            .fetch_one(&mut session)
            .await?)
    };
    let all = left().await?;
    let running = Worker::start(worker, server, &[])?;
    let mut begun = None;
    let patience = Instant::now() + Duration::from_secs(600);
    let rate = loop {
        let now_left = left().await?;
        let now = Instant::now();
        match begun {
            None if now_left < all => begun = Some((now, now_left)),
            Some((since, then_left)) if now_left == 0 => {
                break then_left as f64 / (now - since).as_secs_f64();
            }
            _ => {}
        }
        ensure!(
            now < patience,
            "the worker has not emptied the queue in ten minutes: {now_left} are left"
        );
        tokio::time::sleep(Duration::from_millis(if now_left > all / 20 {
            50
        } else {
            5
        }))
        .await;
    };
    running.stop().await?;
    let failed: i64 =
        sqlx::query_scalar("select count(*) from public.executions where status <> 'succeeded'")
            .fetch_one(&mut server.session().await?)
            .await?;
    ensure!(failed == 0, "{failed} executions did not succeed");
    super::world::forget(server).await?;
    Ok(rate)
}
