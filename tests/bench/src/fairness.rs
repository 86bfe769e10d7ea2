//! Small tenants beside a big one: how long their executions wait to begin, and what the big one's drain rate loses by it.
//!
//! One worker process. A tenant has enqueued 100,000 trivial executions; as soon as they go, 50 small tenants start one a second each. The wait is from
//! the row's creation to its first claim's or take's time, both by the database's clock. That three times, and before and after each the rate of the big one alone,
//! since a machine that others use as well is not the same for a minute.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use sqlx::types::Uuid;
use tokio::sync::Notify;

use crate::engine::world::{self, ONE_STEP};
use crate::report::{Report, Want, median};
use crate::server::Server;
use crate::worker::Worker;

const BACKLOG: i64 = 100_000;
const SMALL_TENANTS: u32 = 50;
const ROUNDS: usize = 3;
/// Tenants 2 to 51; a tenant's one-step workflow has the number 2n - 1.
const FIRST: u32 = 2;
/// For the system without a backlog.
const SECONDS: u64 = 10;

pub async fn measure(server: &Server, worker: &Path, report: &mut Report) -> Result<()> {
    world::make(server).await?;
    world::make_tenants(server, FIRST, FIRST + SMALL_TENANTS - 1).await?;

    let running = Worker::start(worker, server, &[])?;
    let started = AtomicU64::new(0);
    start_each_second(
        server,
        Instant::now() + Duration::from_secs(SECONDS),
        &started,
    )
    .await?;
    let idle = waits(server).await?;
    running.stop().await?;
    eprintln!(
        "idle: {} executions of {SMALL_TENANTS} tenants waited p50 {:.2} ms, p95 {:.2} ms",
        started.into_inner(),
        idle.p50,
        idle.p95
    );

    let alone = async || -> Result<f64> {
        let rate = drain(server, worker, false).await?;
        eprintln!("the big tenant alone: {rate:.0} a second");
        Ok(rate)
    };
    let mut rates_alone = vec![alone().await?];
    let (mut rates_beside, mut waited) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let rate = drain(server, worker, true).await?;
        let loaded = waits(server).await?;
        eprintln!(
            "beside the small ones: {rate:.0} a second; they waited p50 {:.2} ms, p95 {:.2} ms",
            loaded.p50, loaded.p95
        );
        rates_beside.push(rate);
        waited.push(loaded);
        rates_alone.push(alone().await?);
    }
    let of_those_around = rates_beside
        .iter()
        .zip(rates_alone.windows(2))
        .map(|(beside, around)| beside / f64::midpoint(around[0], around[1]));
    let beside_to_alone = median(of_those_around.collect());
    let loaded = Waits::median(&waited);

    for (name, waits) in [("idle", &idle), ("beside_a_backlog", &loaded)] {
        report.figure(format!("wait_p50_{name}_ms"), waits.p50);
        report.figure(format!("wait_p95_{name}_ms"), waits.p95);
        report.figure(format!("end_p50_{name}_ms"), waits.end_p50);
        report.figure(format!("end_p95_{name}_ms"), waits.end_p95);
    }
    report.figure("drain_alone_per_second", median(rates_alone));
    report.figure(
        "drain_beside_small_tenants_per_second",
        median(rates_beside),
    );
    report.goal(
        "wait_p95_beside_a_backlog_to_idle",
        Want::AtMost(2.0),
        loaded.p95 / idle.p95,
    );
    report.goal(
        "drain_beside_small_tenants_to_alone",
        Want::AtLeast(0.9),
        beside_to_alone,
    );
    Ok(())
}

/// From the row's creation: to the begin, and to that of the transaction which records the end.
struct Waits {
    p50: f64,
    p95: f64,
    end_p50: f64,
    end_p95: f64,
}

impl Waits {
    fn median(of: &[Self]) -> Self {
        let middle = |figure: fn(&Self) -> f64| median(of.iter().map(figure).collect());
        Self {
            p50: middle(|waits| waits.p50),
            p95: middle(|waits| waits.p95),
            end_p50: middle(|waits| waits.end_p50),
            end_p95: middle(|waits| waits.end_p95),
        }
    }
}

/// Of the small tenants' executions, in milliseconds.
async fn waits(server: &Server) -> Result<Waits> {
    let (count, waited, ended): (i64, Vec<f64>, Vec<f64>) = sqlx::query_as(
        "select count(*), percentile_cont(array[0.5, 0.95]) within group (order by extract(epoch from started_at - created_at)::float8 * 1000),
                percentile_cont(array[0.5, 0.95]) within group (order by extract(epoch from finished_at - created_at)::float8 * 1000)
           from public.executions where tenant_id <> $1 and status = 'succeeded'",
    )
    .bind(world::TENANT.parse::<Uuid>()?)
    .fetch_one(&mut server.session().await?)
    .await?;
    ensure!(
        count > 100,
        "only {count} executions of small tenants have run"
    );
    Ok(Waits {
        p50: waited[0],
        p95: waited[1],
        end_p50: ended[0],
        end_p95: ended[1],
    })
}

/// How many of the big tenant's executions end in a second, from the first to the last thousand.
async fn drain(server: &Server, worker: &Path, with_small_tenants: bool) -> Result<f64> {
    world::forget(server).await?;
    world::enqueue(server, ONE_STEP, BACKLOG).await?;
    let (running, ended) = Worker::start_counting(worker, server).await?;
    let started = AtomicU64::new(0);
    let goes = Notify::new();
    let small = async {
        // Not while the worker starts: on a fast machine the whole drain takes seconds.
        goes.notified().await;
        match with_small_tenants {
            true => {
                let until = Instant::now() + Duration::from_secs(600);
                start_each_second(server, until, &started).await
            }
            false => std::future::pending().await,
        }
    };
    let big = async {
        // Those of the small tenants end as fast as they are started, give or take one.
        let big_ended = async || -> Result<i64> {
            let small = i64::try_from(started.load(Ordering::Relaxed))?;
            Ok(ended.count().await.unwrap_or(0) - small)
        };
        while big_ended().await? < 1_000 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        goes.notify_one();
        let since = Instant::now();
        let begun = big_ended().await?;
        loop {
            let now_ended = big_ended().await?;
            if now_ended > BACKLOG - 1_000 {
                return Ok::<_, anyhow::Error>(
                    (now_ended - begun) as f64 / since.elapsed().as_secs_f64(),
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let rate = tokio::select! {
        stopped = small => stopped.and_then(|()| bail!("the small tenants stopped too early")),
        rate = big => rate,
    }?;
    // The rest, and those of the small tenants that were just started.
    tokio::time::sleep(Duration::from_secs(1)).await;
    running.stop().await?;
    Ok(rate)
}

/// Each small tenant starts one a second, spread over the second.
async fn start_each_second(server: &Server, until: Instant, started: &AtomicU64) -> Result<()> {
    let mut session = server.session().await?;
    let mut took = Vec::new();
    let mut next = tokio::time::interval(Duration::from_secs(1) / SMALL_TENANTS);
    while Instant::now() < until {
        next.tick().await;
        let begun = Instant::now();
        let number = started.load(Ordering::Relaxed);
        let tenant = FIRST + (number % u64::from(SMALL_TENANTS)) as u32;
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
        started.fetch_add(1, Ordering::Relaxed);
        took.push(begun.elapsed().as_secs_f64() * 1000.0);
        if took.len() % 250 == 0 {
            took.sort_by(f64::total_cmp);
            eprintln!(
                "start calls p50 {:.2} p95 {:.2} ms",
                took[took.len() / 2],
                took[took.len() * 95 / 100]
            );
        }
    }
    // The last of them.
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(())
}
