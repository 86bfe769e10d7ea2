//! From the call that starts an execution to its recorded end, on an idle system, one at a time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use sqlx::types::Uuid;

use super::world::{OWNER, THREE_STEPS};
use crate::report::{Report, Want};
use crate::server::Server;

const EXECUTIONS: usize = 500;
/// Not counted: caches fill, connections are made.
const WARMING_UP: usize = 50;

pub async fn measure(server: &Server, report: &mut Report) -> Result<()> {
    let mut caller = server.session().await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "select set_config('role', 'authenticated', false), set_config('request.jwt.claims', '{{\"sub\": \"{OWNER}\", \"role\": \"authenticated\"}}', false)"
    )))
    .execute(&mut caller)
    .await?;
    let mut watcher = server.session().await?;
    let mut times = Vec::new();
    for number in 0..EXECUTIONS + WARMING_UP {
        let called = Instant::now();
        let id: Uuid = sqlx::query_scalar(
            "select id from public.start_execution($1, jsonb_build_object('number', 1))",
        )
        .bind(THREE_STEPS.parse::<Uuid>()?)
        .fetch_one(&mut caller)
        .await?;
        ended(&mut watcher, id).await?;
        if number >= WARMING_UP {
            times.push(called.elapsed().as_secs_f64() * 1000.0);
        }
        // The system is idle again, and not in step with anybody's polling.
        tokio::time::sleep(Duration::from_millis(5 + (number as u64 * 7) % 11)).await;
    }
    times.sort_by(f64::total_cmp);
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    eprintln!("start to recorded end on an idle system: p50 {p50:.2} ms, p99 {p99:.2} ms");
    report.figure("start_to_end_p50_ms", p50);
    report.figure("start_to_end_p99_ms", p99);
    report.goal("start_to_end_p50_in_ms", Want::AtMost(4.0), p50);
    report.goal("start_to_end_p99_in_ms", Want::AtMost(10.0), p99);
    Ok(())
}

/// Looks without pause for the end, so that what is measured is when it was there.
async fn ended(watcher: &mut sqlx::PgConnection, id: Uuid) -> Result<()> {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        let status: String = sqlx::query_scalar(
            "select status from public.executions where tenant_id = $1 and id = $2",
        )
        .bind(super::world::TENANT.parse::<Uuid>()?)
        .bind(id)
        .fetch_one(&mut *watcher)
        .await?;
        match status.as_str() {
            "succeeded" => return Ok(()),
            "queued" | "running" if Instant::now() < patience => {
                // The thread: tokio's timers go by milliseconds, and that would be measured.
                std::thread::sleep(Duration::from_micros(100));
            }
            other => bail!("execution {id} is {other}"),
        }
    }
}
