//! From the call that starts an execution to its recorded end on an idle system, one at a time: the next right after the one before, and each
//! after a pause.
//!
//! A pause costs too: processors that have gone to sleep, above all virtual ones, take a while to wake, and one after the other wakes from the
//! caller to the disk. How long that is on a machine is told by a single insert, with the same pauses and without.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sqlx::PgConnection;
use sqlx::postgres::PgListener;
use sqlx::types::Uuid;
use tokio::time::{sleep, timeout};

use super::world::{OWNER, TENANT, THREE_STEPS};
use crate::report::{Report, Want};
use crate::server::Server;

const TIMES: usize = 500;
/// Not counted: caches fill, connections are made.
const WARMING_UP: usize = 50;

pub async fn measure(server: &Server, report: &mut Report) -> Result<()> {
    let mut inserter = Inserter::new(server).await?;
    let mut starter = Starter::new(server).await?;
    for (pace, name) in [(Pace::Steady, "_steady"), (Pace::Paused, "")] {
        let insert = Times::of(pace, async || inserter.insert().await).await?;
        let start = Times::of(pace, async || starter.start_and_wait().await).await?;
        eprintln!(
            "start to recorded end, {}: p50 {:.2} ms, p99 {:.2} ms; of one insert: p50 {:.2} ms",
            pace.as_str(),
            start.p50,
            start.p99,
            insert.p50
        );
        report.figure(format!("one_insert{name}_p50_ms"), insert.p50);
        report.figure(format!("start_to_end{name}_p50_ms"), start.p50);
        report.figure(format!("start_to_end{name}_p99_ms"), start.p99);
        report.ratio(
            format!("start_to_end{name}_to_one_insert"),
            start.p50 / insert.p50,
        );
        report.goal(
            format!("start_to_end{name}_p50_in_ms"),
            Want::AtMost(4.0),
            start.p50,
        );
        report.goal(
            format!("start_to_end{name}_p99_in_ms"),
            Want::AtMost(10.0),
            start.p99,
        );
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Pace {
    /// The next one begins when the one before has ended.
    Steady,
    /// After 5 to 15 ms in which nothing happens, not in step with anybody's polling.
    Paused,
}

impl Pace {
    fn as_str(self) -> &'static str {
        match self {
            Self::Steady => "one after the other",
            Self::Paused => "each after a pause",
        }
    }

    async fn keep(self, number: usize) {
        if let Self::Paused = self {
            sleep(Duration::from_millis(5 + (number as u64 * 7) % 11)).await;
        }
    }
}

/// In milliseconds.
struct Times {
    p50: f64,
    p99: f64,
}

impl Times {
    async fn of(pace: Pace, mut work: impl AsyncFnMut() -> Result<Duration>) -> Result<Self> {
        let mut times = Vec::new();
        for number in 0..TIMES + WARMING_UP {
            let took = work().await?;
            if number >= WARMING_UP {
                times.push(took.as_secs_f64() * 1000.0);
            }
            pace.keep(number).await;
        }
        times.sort_by(f64::total_cmp);
        Ok(Self {
            p50: times[times.len() / 2],
            p99: times[times.len() * 99 / 100],
        })
    }
}

/// The least that can be made durable.
struct Inserter(PgConnection);

impl Inserter {
    async fn new(server: &Server) -> Result<Self> {
        let mut session = server.session().await?;
        sqlx::raw_sql("create table if not exists public.bench_insert (n integer)")
            .execute(&mut session)
            .await?;
        Ok(Self(session))
    }

    async fn insert(&mut self) -> Result<Duration> {
        let called = Instant::now();
        sqlx::query("insert into public.bench_insert values (1)")
            .execute(&mut self.0)
            .await?;
        Ok(called.elapsed())
    }
}

struct Starter {
    caller: PgConnection,
    watcher: Watcher,
}

impl Starter {
    async fn new(server: &Server) -> Result<Self> {
        let mut caller = server.session().await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
            "select set_config('role', 'authenticated', false), set_config('request.jwt.claims', '{{\"sub\": \"{OWNER}\", \"role\": \"authenticated\"}}', false)"
        )))
        .execute(&mut caller)
        .await?;
        Ok(Self {
            caller,
            watcher: Watcher::new(server).await?,
        })
    }

    async fn start_and_wait(&mut self) -> Result<Duration> {
        let called = Instant::now();
        let id: Uuid = sqlx::query_scalar(
            "select public.bench_watch(id) from public.start_execution($1, jsonb_build_object('number', 1))",
        )
        .bind(THREE_STEPS.parse::<Uuid>()?)
        .fetch_one(&mut self.caller)
        .await?;
        Ok(self.watcher.ended(id).await? - called)
    }
}

/// The end, as the event stream of `edge-api` hears of it. It is watched from the start on, in the same transaction: whoever asks afterwards to be told takes a
/// processor away from what is measured, and may come when the end is being written.
struct Watcher {
    listener: PgListener,
    session: PgConnection,
}

impl Watcher {
    async fn new(server: &Server) -> Result<Self> {
        let mut session = server.session().await?;
        sqlx::raw_sql(
            "create or replace function public.bench_watch(execution uuid) returns uuid language sql security definer as
               'insert into queue.watched (execution_id, until) values (execution, now() + interval ''1 minute'') returning execution_id';
             grant execute on function public.bench_watch to authenticated",
        )
        .execute(&mut session)
        .await?;
        let mut listener = PgListener::connect(&server.url).await?;
        listener.listen("aias_executions").await?;
        Ok(Self { listener, session })
    }

    /// When it was heard of.
    async fn ended(&mut self, id: Uuid) -> Result<Instant> {
        loop {
            timeout(Duration::from_secs(30), self.told(id))
                .await
                .with_context(|| format!("execution {id} does not end"))??;
            let heard = Instant::now();
            if self.has_ended(id).await? {
                return Ok(heard);
            }
        }
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
