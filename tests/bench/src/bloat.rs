//! A session that holds a snapshot open for a minute, while a worker drains: what is dead cannot be cleaned up until it ends.
//!
//! Executions are enqueued as fast as they are drained, so that the queue has about the same length all the time. Then an hour's worth of
//! jobs goes through, and the queue's size is looked at.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sqlx::Connection;

use crate::engine::world::{self, ONE_STEP, OWNER};
use crate::report::{Report, Want};
use crate::server::Server;
use crate::worker::Worker;

const BEFORE: Duration = Duration::from_secs(15);
const HELD: Duration = Duration::from_secs(60);
const AFTER: Duration = Duration::from_secs(20);
/// Enough that a worker never waits, and few beside what goes through.
const WAITING: i64 = 20_000;
/// An hour of a busy system: 100 executions a second.
const HOUR: i64 = 360_000;

pub async fn measure(server: &Server, worker: &Path, report: &mut Report) -> Result<()> {
    world::make(server).await?;
    world::enqueue(server, ONE_STEP, WAITING).await?;
    let running = Worker::start(worker, server, &[])?;
    let feeding = tokio::spawn(feed(server.session().await?));
    // The worker's start.
    tokio::time::sleep(Duration::from_secs(3)).await;

    let before = rate_during(server, BEFORE).await?;
    eprintln!("before: {before:.0} a second");
    let mut holder = server.session().await?;
    sqlx::raw_sql("begin isolation level repeatable read; select count(*) from queue.jobs")
        .execute(&mut holder)
        .await?;
    // The last fifteen seconds of the minute: when most has piled up.
    tokio::time::sleep(HELD - BEFORE).await;
    let held = rate_during(server, BEFORE).await?;
    eprintln!("while a snapshot has been held for a minute: {held:.0} a second");
    sqlx::raw_sql("commit").execute(&mut holder).await?;
    holder.close().await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let after = rate_during(server, AFTER).await?;
    eprintln!("after: {after:.0} a second");

    report.figure("before_per_second", before);
    report.figure("while_held_per_second", held);
    report.figure("after_per_second", after);
    report.goal("while_held_to_before", Want::AtLeast(0.8), held / before);
    report.goal("after_to_before", Want::AtLeast(0.9), after / before);

    let through = ended(server).await?;
    if through < HOUR {
        eprintln!("{through} executions so far; on to {HOUR}");
    }
    let patience = Instant::now() + Duration::from_secs(600);
    while ended(server).await? < HOUR {
        ensure!(
            Instant::now() < patience,
            "an hour's worth of jobs takes too long"
        );
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    feeding.abort();
    let (jobs, megabytes): (i64, f64) = sqlx::query_as(
        "select (select count(*) from queue.jobs), pg_total_relation_size('queue.jobs') / 1048576.0::float8",
    )
    .fetch_one(&mut server.session().await?)
    .await?;
    running.stop().await?;
    eprintln!("after {HOUR} executions the queue has {jobs} jobs in {megabytes:.1} MiB");
    report.figure("queue_after_an_hours_jobs_mib", megabytes);
    report.goal(
        "queue_after_an_hours_jobs_in_mib",
        Want::AtMost(64.0),
        megabytes,
    );
    Ok(())
}

async fn ended(server: &Server) -> Result<i64> {
    Ok(
        sqlx::query_scalar("select count(*) from public.executions where status = 'succeeded'")
            .fetch_one(&mut server.session().await?)
            .await?,
    )
}

async fn rate_during(server: &Server, time: Duration) -> Result<f64> {
    let (since, before) = (Instant::now(), ended(server).await?);
    tokio::time::sleep(time).await;
    Ok((ended(server).await? - before) as f64 / since.elapsed().as_secs_f64())
}

/// Keeps the queue at its length.
async fn feed(mut session: sqlx::PgConnection) -> Result<()> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "select set_config('request.jwt.claims', '{{\"sub\": \"{OWNER}\", \"role\": \"authenticated\"}}', false)"
    )))
    .execute(&mut session)
    .await?;
    loop {
        let waiting: i64 =
            sqlx::query_scalar("select count(*) from queue.jobs where state = 'ready'")
                .fetch_one(&mut session)
                .await?;
        let wanted = (WAITING - waiting).clamp(0, 5_000);
        if wanted < 1_000 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        }
        sqlx::query("select cardinality(public.start_executions($1::uuid, array(select jsonb_build_object('number', n) from generate_series(1, $2) n)))")
            .bind(ONE_STEP.parse::<sqlx::types::Uuid>()?)
            .bind(wanted)
            .execute(&mut session)
            .await?;
    }
}
