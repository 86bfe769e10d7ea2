//! How fast executions are started: one at a time from 8 sessions, and by one call.

use std::time::Instant;

use anyhow::Result;

use super::world::{self, ONE_STEP, OWNER};
use crate::pgbench;
use crate::report::Report;
use crate::server::Server;

const SESSIONS: usize = 8;
const BATCH: i64 = 10_000;

pub async fn measure(server: &Server, report: &mut Report) -> Result<()> {
    // A request as PostgREST makes it.
    let script = format!(
        "begin;
         select set_config('role', 'authenticated', true), set_config('request.jwt.claims', '{{\"sub\": \"{OWNER}\", \"role\": \"authenticated\"}}', true);
         select id from public.start_execution('{ONE_STEP}', '{{\"number\": 1}}');
         commit;"
    );
    let load = pgbench::run(server, &script, SESSIONS).await?;
    eprintln!(
        "{:.0} calls of start_execution a second from {SESSIONS} sessions",
        load.per_second
    );
    report.figure("start_execution_8_sessions_per_second", load.per_second);
    report.figure("start_execution_8_sessions_p50_ms", load.p50_milliseconds);
    world::forget(server).await?;

    let mut session = server.session().await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "select set_config('role', 'authenticated', false), set_config('request.jwt.claims', '{{\"sub\": \"{OWNER}\", \"role\": \"authenticated\"}}', false)"
    )))
    .execute(&mut session)
    .await?;
    let started = Instant::now();
    sqlx::query("select public.start_executions($1::uuid, array(select jsonb_build_object('number', n) from generate_series(1, $2) n))")
        .bind(ONE_STEP.parse::<sqlx::types::Uuid>()?)
        .bind(BATCH)
        .execute(&mut session)
        .await?;
    let rate = BATCH as f64 / started.elapsed().as_secs_f64();
    eprintln!("{rate:.0} executions a second by one call of start_executions");
    report.figure("start_executions_one_call_per_second", rate);
    world::forget(server).await
}
