//! `cargo xtask test`: every gate, in an order in which the cheap ones speak first.

mod advisors;
mod code;
mod collector;
mod counts;
mod crash;
mod database;
mod e2e;
mod isolation;
mod keys;
mod migrations;
mod policies;
mod room;
mod servers;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::cli::{GateName, TestArgs};
use crate::layout::{self, Layout};
use crate::progress::{Lines, Progress, seconds};
use crate::setup::{self, Needs};
use crate::{row, table, watch};
use counts::Counts;
use servers::Servers;

pub use servers::{Server, Source, Version, stop_all as stop_servers};

/// A gate takes minutes, and on a busy machine that has to build everything half an hour. One that takes longer hangs: the others still run,
/// and all of them are reported.
const GATE_LIMIT: Duration = Duration::from_secs(40 * 60);

/// What the gates stand on.
struct Context {
    progress: Progress,
    servers: Servers,
    /// This program, for the tests that stop and start services.
    xtask: PathBuf,
}

/// How a gate ended.
struct Verdict {
    gate: GateName,
    elapsed: Duration,
    outcome: Result<Counts>,
}

/// Exit code 1 when a gate failed.
pub async fn run(args: &TestArgs) -> Result<ExitCode> {
    let progress = Progress::new(Lines::Stdout);
    let _lock = hold()?;
    let mut interrupted = watch::Interruption::listen()?;
    let verdicts = tokio::select! {
        verdicts = run_gates(args, progress) => verdicts,
        () = interrupted.wait() => Err(anyhow::anyhow!("interrupted")),
    };
    // Whatever happened, nothing that the gates started outlives them.
    stop_servers().await?;
    e2e::stop().await?;
    crash::stop().await?;
    let verdicts = verdicts?;
    progress.line(format!("\n{}", summary(&verdicts)));
    let failed = verdicts.iter().any(|verdict| verdict.outcome.is_err());
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn run_gates(args: &TestArgs, progress: Progress) -> Result<Vec<Verdict>> {
    if args.only.is_empty() {
        room::check()?;
    }
    let embedded = setup::prepare(Needs::Tests, None, progress).await?;
    let mut sources = Vec::new();
    for version in &args.postgres {
        sources.push(Source::of(*version, &embedded, progress).await?);
    }
    setup::lints(progress).await?;
    setup::nextest(progress).await?;
    let mut context = Context {
        progress,
        servers: Servers::new(sources),
        xtask: copy_of_this_program()?,
    };

    let mut verdicts = Vec::new();
    for gate in GateName::value_variants() {
        if !args.only.is_empty() && !args.only.contains(gate) {
            continue;
        }
        progress.line(format!("\n── {}: {}", name(*gate), what(*gate)));
        let started = Instant::now();
        let outcome = tokio::time::timeout(GATE_LIMIT, run_gate(*gate, &mut context))
            .await
            .unwrap_or_else(|_| bail!("it did not end within {}", seconds(GATE_LIMIT)));
        let verdict = Verdict {
            gate: *gate,
            elapsed: started.elapsed(),
            outcome,
        };
        match &verdict.outcome {
            Ok(counts) => progress.line(format!(
                "── {} passed in {}{}",
                name(*gate),
                seconds(verdict.elapsed),
                counts.in_brackets()
            )),
            Err(error) => progress.line(format!(
                "── {} FAILED after {}: {error:#}",
                name(*gate),
                seconds(verdict.elapsed)
            )),
        }
        let stop = verdict.outcome.is_err() && args.fail_fast;
        verdicts.push(verdict);
        if stop {
            break;
        }
    }
    Ok(verdicts)
}

async fn run_gate(gate: GateName, context: &mut Context) -> Result<Counts> {
    match gate {
        GateName::Fmt => code::fmt(context).await,
        GateName::Clippy => code::clippy(context).await,
        GateName::Unit => code::unit(context).await,
        GateName::Extension => code::extension(context).await,
        GateName::Prepare => code::prepare(context).await,
        GateName::Database => database::run(context).await,
        GateName::Isolation => isolation::run(context).await,
        GateName::Policies => policies::run(context).await,
        GateName::Advisors => advisors::run(context).await,
        GateName::Migrations => migrations::run(context).await,
        GateName::Crash => crash::run(context).await,
        GateName::E2e => e2e::run(context).await,
    }
}

fn what(gate: GateName) -> &'static str {
    match gate {
        GateName::Fmt => "the code is formatted",
        GateName::Clippy => "no warning in the workspace and the extension",
        GateName::Unit => "unit and property tests of what needs no database",
        GateName::Extension => {
            "builds for each Postgres, and its committed SQL is what the code describes"
        }
        GateName::Prepare => ".sqlx is what the queries and the schema say",
        GateName::Database => "the database suites on each Postgres",
        GateName::Isolation => {
            "no row of one tenant for another, by a matrix of every table and actor"
        }
        GateName::Policies => "pgTAP by actor on each Postgres",
        GateName::Advisors => "the Supabase linter finds nothing",
        GateName::Migrations => {
            "twice, eight at once, and by the Supabase CLI: always the same schema"
        }
        GateName::Crash => "workers and Postgres are killed, and nothing is lost or repeated",
        GateName::E2e => "a whole stack, with supabase-js, the Rust clients and the tenancy fuzzer",
    }
}

fn name(gate: GateName) -> String {
    gate.to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

fn summary(verdicts: &[Verdict]) -> String {
    let mut rows = vec![row!["gate", "result", "time", "tests"]];
    let mut total = Counts::default();
    for verdict in verdicts {
        let (result, tests) = match &verdict.outcome {
            Ok(counts) => {
                total.add(counts);
                ("passed", counts.to_string())
            }
            Err(_) => ("FAILED", String::new()),
        };
        rows.push(row![
            name(verdict.gate),
            result,
            seconds(verdict.elapsed),
            tests
        ]);
    }
    let elapsed = verdicts.iter().map(|verdict| verdict.elapsed).sum();
    let failed = verdicts
        .iter()
        .filter(|verdict| verdict.outcome.is_err())
        .count();
    let closing = match failed {
        0 => format!(
            "All {} gates passed in {}. {} tests ran: {total}.",
            verdicts.len(),
            seconds(elapsed),
            total.sum()
        ),
        failed => format!(
            "{failed} of {} gates FAILED. {} tests ran in the others: {total}.",
            verdicts.len(),
            total.sum()
        ),
    };
    format!("{}\n\n{closing}", table::render(&rows))
}

/// The gates build the whole workspace, and cargo may then replace the very file that runs here.
fn copy_of_this_program() -> Result<PathBuf> {
    let copy = layout::tools().join("test/xtask");
    let program = std::env::current_exe().context("finding this program")?;
    std::fs::copy(&program, &copy)
        .with_context(|| format!("copying {} to {}", program.display(), copy.display()))?;
    Ok(copy)
}

/// Two runs would throw away each other's servers.
fn hold() -> Result<std::fs::File> {
    let layout = Layout::new(&layout::tools().join("test"))?;
    let file = std::fs::File::create(layout.lock())?;
    file.try_lock()
        .context("another `cargo xtask test` is running in this clone")?;
    Ok(file)
}
