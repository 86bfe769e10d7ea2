//! How large the queue's table gets, and what a session does to it that holds a snapshot open for a minute: what is dead cannot be cleaned up
//! until it ends.
//!
//! Executions are enqueued as fast as they are drained, so that the queue has about the same length all the time. An hour's worth of jobs goes
//! through, in half a minute; autovacuum, which looks once a minute, looks once a second meanwhile. Then comes the snapshot, with everything
//! as it is shipped. How many have ended is asked of the worker.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sqlx::Connection;

use crate::engine::world::{self, ONE_STEP, OWNER};
use crate::report::{Report, Want};
use crate::server::Server;
use crate::worker::{Ended, Worker};

const WINDOW: Duration = Duration::from_secs(15);
const HELD: Duration = Duration::from_secs(60);
/// As it is shipped, autovacuum looks once a minute; and cleaning up takes its time, of the other tables too: 20 to more than 120 s were seen.
const RECOVERY: Duration = Duration::from_secs(300);
/// Enough that a worker never waits, and few beside what goes through.
const WAITING: i64 = 20_000;
/// An hour of a busy system: 100 executions a second.
const HOUR: i64 = 360_000;

pub async fn measure(server: &Server, worker: &Path, report: &mut Report) -> Result<()> {
    world::make(server).await?;
    let (running, ended) = Worker::start_counting(worker, server).await?;
    let feeding = tokio::spawn(feed(server.session().await?, ended.clone()));

    let mut session = server.session().await?;
    set_nap(&mut session, "'1s'").await?;
    let patience = Instant::now() + Duration::from_secs(600);
    while ended.count().await.unwrap_or(0) < HOUR {
        ensure!(
            Instant::now() < patience,
            "an hour's worth of jobs takes too long"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let after_an_hour = size(server).await?;
    eprintln!("after {HOUR} executions the queue's table has {after_an_hour:.1} MiB");

    set_nap(&mut session, "default").await?;
    let before = rate(&ended).await?;
    eprintln!("before: {before:.0} a second");
    let mut holder = server.session().await?;
    sqlx::raw_sql("begin isolation level repeatable read; select count(*) from queue.jobs")
        .execute(&mut holder)
        .await?;
    // The last of the minute: when most has piled up.
    tokio::time::sleep(HELD - WINDOW).await;
    let held = rate(&ended).await?;
    let largest = size(server).await?;
    eprintln!("while a snapshot has been held for a minute: {held:.0} a second, {largest:.1} MiB");
    sqlx::raw_sql("commit").execute(&mut holder).await?;
    holder.close().await?;
    // Before autovacuum has come, or while it works.
    let ended_at = Instant::now();
    let at_once = rate(&ended).await?;
    eprintln!("right after its end: {at_once:.0} a second");
    let cleaned_up_after = wait_for_vacuum(&mut session, ended_at).await?;
    let after = rate(&ended).await?;
    let in_the_end = size(server).await?;
    eprintln!(
        "cleaned up {cleaned_up_after:.1} s after its end; then: {after:.0} a second, {in_the_end:.1} MiB"
    );
    feeding.abort();
    running.stop().await?;

    report.figure("before_per_second", before);
    report.figure("while_held_per_second", held);
    report.figure("right_after_per_second", at_once);
    report.figure("after_per_second", after);
    report.figure("queue_after_an_hours_jobs_mib", after_an_hour);
    report.figure("queue_after_a_minute_held_mib", largest);
    report.figure("cleaned_up_after_s", cleaned_up_after);
    report.figure("queue_in_the_end_mib", in_the_end);
    report.goal("while_held_to_before", Want::AtLeast(0.8), held / before);
    report.ratio("right_after_to_before", at_once / before);
    report.goal("after_to_before", Want::AtLeast(0.9), after / before);
    report.goal(
        "queue_after_an_hours_jobs_in_mib",
        Want::AtMost(64.0),
        after_an_hour,
    );
    Ok(())
}

/// Until what piled up has been cleaned up, by itself. Answers how many seconds that took.
async fn wait_for_vacuum(session: &mut sqlx::PgConnection, ended: Instant) -> Result<f64> {
    let since: f64 =
        sqlx::query_scalar("select extract(epoch from clock_timestamp())::float8 - $1")
            .bind(ended.elapsed().as_secs_f64())
            .fetch_one(&mut *session)
            .await?;
    // One that began before has not cleaned up what the snapshot saw: then it is the next that does, and what is dead says so.
    let has_come = "select coalesce(extract(epoch from s.last_autovacuum) > $1, false) and s.n_dead_tup < s.n_tup_upd / 10
                      from pg_stat_user_tables s where s.relid = 'queue.jobs'::regclass";
    loop {
        let is_done: bool = sqlx::query_scalar(has_come)
            .bind(since)
            .fetch_one(&mut *session)
            .await?;
        let waited = ended.elapsed();
        if is_done {
            return Ok(waited.as_secs_f64());
        }
        ensure!(
            waited < RECOVERY,
            "autovacuum has not come within {RECOVERY:?}"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// How often autovacuum looks whether there is something to do.
async fn set_nap(session: &mut sqlx::PgConnection, nap: &str) -> Result<()> {
    for statement in [
        format!("alter system set autovacuum_naptime = {nap}"),
        "select pg_reload_conf()".to_owned(),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut *session)
            .await?;
    }
    Ok(())
}

/// Of the queue's table with its indexes, in MiB.
async fn size(server: &Server) -> Result<f64> {
    Ok(
        sqlx::query_scalar("select pg_total_relation_size('queue.jobs') / 1048576.0::float8")
            .fetch_one(&mut server.session().await?)
            .await?,
    )
}

async fn rate(ended: &Ended) -> Result<f64> {
    let (since, before) = (Instant::now(), ended.count().await?);
    tokio::time::sleep(WINDOW).await;
    Ok((ended.count().await? - before) as f64 / since.elapsed().as_secs_f64())
}

/// Keeps the queue at its length.
async fn feed(mut session: sqlx::PgConnection, ended: Ended) -> Result<()> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "select set_config('request.jwt.claims', '{{\"sub\": \"{OWNER}\", \"role\": \"authenticated\"}}', false)"
    )))
    .execute(&mut session)
    .await?;
    let mut fed = 0;
    loop {
        // Before the worker listens, nothing has ended.
        let waiting = fed - ended.count().await.unwrap_or(0);
        let wanted = (WAITING - waiting).clamp(0, 5_000);
        if wanted < 1_000 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        sqlx::query("select cardinality(public.start_executions($1::uuid, array(select jsonb_build_object('number', n) from generate_series(1, $2) n)))")
            .bind(ONE_STEP.parse::<sqlx::types::Uuid>()?)
            .bind(wanted)
            .execute(&mut session)
            .await?;
        fed += wanted;
    }
}
