//! From the call that starts an execution to its recorded end, on an idle system, one at a time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use sqlx::PgConnection;
use sqlx::postgres::PgListener;
use sqlx::types::Uuid;
use tokio::time::timeout;

use super::world::{OWNER, TENANT, THREE_STEPS};
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
    let mut watcher = Watcher::new(server).await?;
    let mut times = Vec::new();
    for number in 0..EXECUTIONS + WARMING_UP {
        let called = Instant::now();
        let id: Uuid = sqlx::query_scalar(
            "select id from public.start_execution($1, jsonb_build_object('number', 1))",
        )
        .bind(THREE_STEPS.parse::<Uuid>()?)
        .fetch_one(&mut caller)
        .await?;
        let heard = watcher.ended(id).await?;
        if number >= WARMING_UP {
            times.push((heard - called).as_secs_f64() * 1000.0);
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

/// The end, as the event stream of `edge-api` hears of it. Whoever looks for it without pause takes one of two processors away from it.
struct Watcher {
    listener: PgListener,
    session: PgConnection,
}

impl Watcher {
    async fn new(server: &Server) -> Result<Self> {
        let mut listener = PgListener::connect(&server.url).await?;
        listener.listen("aias_executions").await?;
        Ok(Self {
            listener,
            session: server.session().await?,
        })
    }

    /// When it was heard of.
    async fn ended(&mut self, id: Uuid) -> Result<Instant> {
        sqlx::query("select edge.watch_executions(array[$1])")
            .bind(id)
            .execute(&mut self.session)
            .await?;
        let patience = Instant::now() + Duration::from_secs(30);
        // It may have ended before anybody watched.
        let mut heard = Instant::now();
        while !self.has_ended(id).await? {
            ensure!(Instant::now() < patience, "execution {id} does not end");
            let _ = timeout(Duration::from_millis(20), self.told(id)).await;
            heard = Instant::now();
        }
        Ok(heard)
    }

    async fn told(&mut self, id: Uuid) -> Result<()> {
        while self.listener.recv().await?.payload() != id.to_string() {}
        Ok(())
    }

    async fn has_ended(&mut self, id: Uuid) -> Result<bool> {
        let status: String = sqlx::query_scalar(
            "select status from public.executions where tenant_id = $1 and id = $2",
        )
        .bind(TENANT.parse::<Uuid>()?)
        .bind(id)
        .fetch_one(&mut self.session)
        .await?;
        match status.as_str() {
            "succeeded" => Ok(true),
            "queued" | "running" => Ok(false),
            other => bail!("execution {id} is {other}"),
        }
    }
}
