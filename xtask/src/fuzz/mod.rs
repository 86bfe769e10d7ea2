//! `cargo xtask fuzz-tenancy`: a stack that is thrown away afterwards, and the program `fuzz` of tests/fuzz before its doors.

mod short;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::build::{self, Purpose};
use crate::cli::FuzzArgs;
use crate::down;
use crate::layout::{self, Layout};
use crate::ports::Ports;
use crate::progress::{Lines, Progress};
use crate::stack::Stack;
use crate::supervisor::Supervisor;
use crate::{up, watch};

pub use short::run as run_short;

const WORKER: &str = "worker";

/// Exit code 1 when something was found.
pub async fn run(args: &FuzzArgs) -> Result<ExitCode> {
    let progress = Progress::new(Lines::Stdout);
    let layout = Layout::new(&layout::tools().join("fuzz"))?;
    let lock = std::fs::File::create(layout.dir().join("fuzz.lock"))?;
    lock.try_lock()
        .context("another `cargo xtask fuzz-tenancy` is running in this clone")?;
    clear(&layout).await?;

    let mut interrupted = watch::Interruption::listen()?;
    let found = tokio::select! {
        found = fuzz(args, &layout, progress) => found,
        () = interrupted.wait() => Err(anyhow::anyhow!("interrupted")),
    };
    if args.keep && found.is_ok() {
        progress.line(format!(
            "The stack stays up, with its worker stopped: `cargo xtask status --dir {0}` shows its addresses and keys, \
             `cargo xtask down --purge --dir {0}` ends it.",
            layout.dir().display()
        ));
    } else {
        clear(&layout).await?;
    }
    Ok(match found? {
        Found::Nothing => ExitCode::SUCCESS,
        Found::Something => ExitCode::FAILURE,
    })
}

/// The program.
pub const FUZZER: &str = "fuzz";

#[derive(Clone, Copy, PartialEq)]
enum Found {
    Nothing,
    Something,
}

async fn fuzz(args: &FuzzArgs, layout: &Layout, progress: Progress) -> Result<Found> {
    let options = up::Options {
        pg_config: args.postgres.pg_config.clone(),
        ports: Ports::free()?,
        build: (!args.no_build).then_some(Purpose::Use),
        disposable: true,
        environment: BTreeMap::new(),
    };
    build::programs(&[FUZZER], Purpose::Use, progress).await?;
    let stack = up::bring_up_local(layout, &options, progress).await?;
    // What moves by itself would be taken for an answer that differs.
    stop_worker(layout).await?;
    progress.line("");

    let mut program = program(&stack);
    program.args(["--requests", &args.requests.to_string()]);
    for (number, option) in [(args.seed, "--seed"), (args.round, "--round")] {
        if let Some(number) = number {
            program.args([option, &number.to_string()]);
        }
    }
    if !args.only.is_empty() {
        program.args(["--only", &args.only.join(",")]);
    }
    for (wanted, option) in [
        (args.self_test, "--self-test"),
        (args.codes, "--codes"),
        (args.keep, "--keep"),
    ] {
        program.args(wanted.then_some(option));
    }
    let status = program
        .kill_on_drop(true)
        .status()
        .await
        .context("starting the fuzzer")?;
    // It answers 1 for what it found and for what it could not do, and has said which.
    Ok(if status.success() {
        Found::Nothing
    } else {
        Found::Something
    })
}

/// The fuzzer, with the stack in its environment: arguments could be read by everybody on the machine.
fn program(stack: &Stack) -> Command {
    let mut program = Command::new(build::binary(FUZZER));
    program
        .current_dir(layout::root())
        .env("AIAS_E2E_API_URL", &stack.supabase_url)
        .env("AIAS_E2E_EDGE_URL", &stack.edge_url)
        .env("AIAS_E2E_DATABASE_URL", &stack.database_url)
        .env(
            "AIAS_E2E_PUBLISHABLE_KEY",
            stack.publishable_key.as_deref().unwrap_or_default(),
        )
        .env(
            "AIAS_E2E_JWT_SECRET",
            stack.jwt_secret.as_deref().unwrap_or_default(),
        );
    program
}

async fn stop_worker(layout: &Layout) -> Result<()> {
    let supervisor = Supervisor::new(layout);
    if let Some(running) = supervisor.find(WORKER)? {
        supervisor.stop(&running, false).await?;
    }
    Ok(())
}

async fn clear(layout: &Layout) -> Result<()> {
    Supervisor::new(layout).stop_all().await?;
    down::purge(layout)
}
