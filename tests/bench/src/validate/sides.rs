//! The things that are measured by turns, each as microseconds of one call: of the processor, so that what else the machine does is not
//! measured, neither here nor in the server.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};

use super::workflows::Workflow;
use crate::server::Server;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `aias.workflow_is_valid`, in a loop in the server.
    IsValid,
    /// The same rules as a call of the crate, on JSON that is read already.
    Library,
    /// serde_json, from the same text to a value.
    Parse,
    /// A check of the graph alone, as SQL: by a walk that keeps distances.
    Walk,
    /// The same by the transitive closure.
    Closure,
}

impl Side {
    pub const ALL: [Side; 5] = [
        Side::IsValid,
        Side::Library,
        Side::Parse,
        Side::Walk,
        Side::Closure,
    ];

    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Side::IsValid => "is_valid",
            Side::Library => "library",
            Side::Parse => "parse",
            Side::Walk => "sql_walk",
            Side::Closure => "sql_closure",
        }
    }
}

/// One workflow, as each side wants it.
pub struct Sides<'a> {
    session: PgConnection,
    /// The server's process for the session.
    process: i32,
    workflow: &'a Workflow,
    nodes: String,
    connections: String,
}

impl<'a> Sides<'a> {
    pub async fn new(server: &Server, workflow: &'a Workflow) -> Result<Sides<'a>> {
        let mut session = server.session().await?;
        let process = sqlx::query_scalar("select pg_backend_pid()")
            .fetch_one(&mut session)
            .await?;
        Ok(Sides {
            session,
            process,
            nodes: workflow.nodes.to_string(),
            connections: workflow.connections.to_string(),
            workflow,
        })
    }

    pub fn bytes(&self) -> usize {
        self.nodes.len() + self.connections.len()
    }

    /// Microseconds of one call, over so many.
    pub async fn time(&mut self, side: Side, times: u32) -> Result<f64> {
        let Workflow { nodes, connections } = self.workflow;
        Ok(match side {
            Side::IsValid => self.in_server("repeat_is_valid", times).await?,
            Side::Walk => self.in_server("repeat_walk", times).await?,
            Side::Closure => self.in_server("repeat_closure", times).await?,
            Side::Library => time(times, || {
                workflow::is_valid(black_box(nodes), black_box(connections))
            })?,
            Side::Parse => time(times, || {
                let nodes = serde_json::from_str::<Value>(black_box(&self.nodes));
                let connections = serde_json::from_str::<Value>(black_box(&self.connections));
                (nodes.is_ok(), connections.is_ok())
            })?,
        })
    }

    /// Microseconds of one check that keeps every path, or `None` when it had not ended within the limit.
    pub async fn time_of_paths(&mut self, limit: Duration) -> Result<Option<f64>> {
        let timeout = format!("set statement_timeout = {}", limit.as_millis());
        sqlx::raw_sql(AssertSqlSafe(timeout))
            .execute(&mut self.session)
            .await?;
        let statement = "select graph_is_sound_by_paths($1::text::jsonb, $2::text::jsonb)";
        let started = Instant::now();
        let answer = sqlx::query_scalar::<_, bool>(statement)
            .bind(&self.nodes)
            .bind(&self.connections)
            .fetch_one(&mut self.session)
            .await;
        let took = started.elapsed();
        sqlx::raw_sql("reset statement_timeout")
            .execute(&mut self.session)
            .await?;
        match answer {
            Ok(is_sound) => {
                ensure!(is_sound, "the graph is not sound");
                Ok(Some(took.as_secs_f64() * 1e6))
            }
            // query_canceled
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("57014") => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn in_server(&mut self, function: &'static str, times: u32) -> Result<f64> {
        let clock = format!("/proc/{}/schedstat", self.process);
        let statement = format!("select {function}($1::text::jsonb, $2::text::jsonb, $3)");
        let started = worked(Path::new(&clock))?;
        sqlx::query(AssertSqlSafe(statement))
            .bind(&self.nodes)
            .bind(&self.connections)
            .bind(i32::try_from(times)?)
            .execute(&mut self.session)
            .await?;
        Ok((worked(Path::new(&clock))? - started) / f64::from(times))
    }
}

fn time<T>(times: u32, mut call: impl FnMut() -> T) -> Result<f64> {
    let clock = Path::new("/proc/thread-self/schedstat");
    let started = worked(clock)?;
    for _ in 0..times {
        black_box(call());
    }
    Ok((worked(clock)? - started) / f64::from(times))
}

/// Microseconds that a process or a thread was on a processor: the first number, which is in nanoseconds
/// (<https://docs.kernel.org/scheduler/sched-stats.html>).
fn worked(clock: &Path) -> Result<f64> {
    let text =
        std::fs::read_to_string(clock).with_context(|| format!("reading {}", clock.display()))?;
    let nanoseconds: u64 = text.split(' ').next().unwrap_or_default().parse()?;
    Ok(nanoseconds as f64 / 1e3)
}
