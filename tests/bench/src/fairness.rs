//! Small tenants beside a big one: how long their executions wait to begin, and what the big one's drain rate loses by it.
//!
//! One worker process. A tenant has enqueued 100,000 trivial executions; then 50 small tenants start one a second each. The wait is from
//! the row's creation to its first claim's time, both by the database's clock.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sqlx::types::Uuid;

use crate::engine::world::{self, ONE_STEP};
use crate::report::{Report, Want};
use crate::server::Server;
use crate::worker::Worker;

const BACKLOG: i64 = 100_000;
const SMALL_TENANTS: u32 = 50;
/// Tenants 2 to 51; a tenant's one-step workflow has the number 2n - 1.
const FIRST: u32 = 2;
/// For the system without a backlog.
const SECONDS: u64 = 10;

pub async fn measure(server: &Server, worker: &Path, report: &mut Report) -> Result<()> {
    world::make(server).await?;
    world::make_tenants(server, FIRST, FIRST + SMALL_TENANTS - 1).await?;

    let running = Worker::start(worker, server, &[])?;
    let starting = start_each_second(server, Instant::now() + Duration::from_secs(SECONDS));
    let started = starting.await?;
    let idle = waits(server).await?;
    running.stop().await?;
    eprintln!(
        "idle: {started} executions of {SMALL_TENANTS} tenants waited p50 {:.2} ms, p95 {:.2} ms",
        idle.p50, idle.p95
    );

    world::forget(server).await?;
    world::enqueue(server, ONE_STEP, BACKLOG).await?;
    let alone = drain(server, worker, false).await?;
    eprintln!("the big tenant alone: {alone:.0} a second");
    world::forget(server).await?;
    world::enqueue(server, ONE_STEP, BACKLOG).await?;
    let beside = drain(server, worker, true).await?;
    let loaded = waits(server).await?;
    eprintln!(
        "beside the small ones: {beside:.0} a second; they waited p50 {:.2} ms, p95 {:.2} ms",
        loaded.p50, loaded.p95
    );

    report.figure("wait_p50_idle_ms", idle.p50);
    report.figure("wait_p95_idle_ms", idle.p95);
    report.figure("wait_p50_beside_a_backlog_ms", loaded.p50);
    report.figure("wait_p95_beside_a_backlog_ms", loaded.p95);
    report.figure("drain_alone_per_second", alone);
    report.figure("drain_beside_small_tenants_per_second", beside);
    report.goal(
        "wait_p95_beside_a_backlog_to_idle",
        Want::AtMost(2.0),
        loaded.p95 / idle.p95,
    );
    report.goal(
        "drain_beside_small_tenants_to_alone",
        Want::AtLeast(0.9),
        beside / alone,
    );
    Ok(())
}

struct Waits {
    p50: f64,
    p95: f64,
}

/// Of the small tenants' executions, in milliseconds.
async fn waits(server: &Server) -> Result<Waits> {
    let (count, p50, p95): (i64, f64, f64) = sqlx::query_as(
        "select count(*), percentile_cont(0.5) within group (order by waited), percentile_cont(0.95) within group (order by waited)
           from (select extract(epoch from started_at - created_at)::float8 * 1000 as waited from public.executions
                  where tenant_id <> $1 and status = 'succeeded') e",
    )
    .bind(world::TENANT.parse::<Uuid>()?)
    .fetch_one(&mut server.session().await?)
    .await?;
    ensure!(
        count > 100,
        "only {count} executions of small tenants have run"
    );
    Ok(Waits { p50, p95 })
}

/// How many of the big tenant's executions end in a second, from the first to the last thousand.
async fn drain(server: &Server, worker: &Path, with_small_tenants: bool) -> Result<f64> {
    let mut session = server.session().await?;
    let mut left = async || -> Result<i64> {
        Ok(
            sqlx::query_scalar("select count(*) from queue.jobs where tenant_id = $1")
                .bind(world::TENANT.parse::<Uuid>()?)
                .fetch_one(&mut session)
                .await?,
        )
    };
    let running = Worker::start(worker, server, &[])?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let small = async {
        if !with_small_tenants {
            return Ok(0);
        }
        let starting = start_each_second(server, Instant::now() + Duration::from_secs(600));
        tokio::select! {
            started = starting => started,
            _ = stopped => Ok(0),
        }
    };
    let big = async {
        while left().await? > BACKLOG - 1_000 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let since = Instant::now();
        let begun = left().await?;
        loop {
            let now_left = left().await?;
            if now_left < 1_000 {
                let rate = (begun - now_left) as f64 / since.elapsed().as_secs_f64();
                let _ = stop.send(());
                return Ok::<_, anyhow::Error>(rate);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let (small, big) = tokio::join!(small, big);
    small?;
    let rate = big?;
    while left().await? > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Those of the small tenants that were just started.
    tokio::time::sleep(Duration::from_millis(500)).await;
    running.stop().await?;
    Ok(rate)
}

/// Each small tenant starts one a second, spread over the second. Answers how many were started.
async fn start_each_second(server: &Server, until: Instant) -> Result<u64> {
    let mut session = server.session().await?;
    let mut started = 0;
    let mut next = tokio::time::interval(Duration::from_secs(1) / SMALL_TENANTS);
    while Instant::now() < until {
        next.tick().await;
        let tenant = FIRST + (started % u64::from(SMALL_TENANTS)) as u32;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
            "begin;
             select set_config('role', 'authenticated', true),
                    set_config('request.jwt.claims', '{{\"sub\": \"01940000-0000-7000-9000-{tenant:012}\", \"role\": \"authenticated\"}}', true);
             select id from public.start_execution('01940000-0000-7000-a000-{workflow:012}', '{{\"number\": 1}}');
             commit;",
            workflow = 2 * tenant - 1,
        )))
        .execute(&mut session)
        .await?;
        started += 1;
    }
    // The last of them.
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(started)
}
