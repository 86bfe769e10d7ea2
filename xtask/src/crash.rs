//! `cargo xtask crash-test`: the program `crash` of tests/crash, which brings up a server and workers of its own and kills them.

use std::process::{ExitCode, ExitStatus};

use anyhow::{Context, Result};
use sqlx::Connection;
use tokio::process::Command;

use crate::build::{self, Purpose};
use crate::cli::CrashArgs;
use crate::cluster::Cluster;
use crate::database::scratch::Scratch;
use crate::database::{connect, migrate, policies, roles};
use crate::down;
use crate::extension::{PgConfig, Profile};
use crate::layout::{self, Layout};
use crate::ports::Ports;
use crate::progress::{Lines, Progress};
use crate::secrets::Secrets;
use crate::setup::{self, Needs};
use crate::supervisor::Supervisor;
use crate::watch;

/// Exit code 1 when something was broken that must hold.
pub async fn run(args: &CrashArgs) -> Result<ExitCode> {
    let progress = Progress::new(Lines::Stdout);
    let layout = Layout::new(&layout::tools().join("crash"))?;
    let lock = std::fs::File::create(layout.dir().join("crash.lock"))?;
    lock.try_lock()
        .context("another `cargo xtask crash-test` is running in this clone")?;
    let pg = setup::prepare(Needs::Stack, args.postgres.pg_config.as_deref(), progress).await?;
    if !args.no_build {
        build::install_extension(&pg, Profile::Dev, progress).await?;
        build::programs(&PROGRAMS, Purpose::of(args.release), progress).await?;
    }
    clear(&layout).await?;

    let mut interrupted = watch::Interruption::listen()?;
    let status = tokio::select! {
        status = crash(args, &layout, &pg, progress) => status,
        () = interrupted.wait() => Err(anyhow::anyhow!("interrupted")),
    };
    if args.keep && status.is_ok() {
        progress.line(format!(
            "The server stays up; `cargo xtask down --purge --dir {}` ends it.",
            layout.dir().display()
        ));
    } else {
        clear(&layout).await?;
    }
    // It answers 1 for what it found and for what it could not do, and has said which.
    Ok(match status?.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

async fn crash(
    args: &CrashArgs,
    layout: &Layout,
    pg: &PgConfig,
    progress: Progress,
) -> Result<ExitStatus> {
    let mut program = bring_up(layout, pg, Purpose::of(args.release), progress).await?;
    program
        .args(["--seconds", &args.seconds.to_string()])
        .args(["--workers", &args.workers.to_string()])
        .args(["--kills-per-second", &args.kills_per_second.to_string()])
        .args(["--postgres-kills", &args.postgres_kills.to_string()]);
    if let Some(executions) = args.executions {
        program.args(["--executions", &executions.to_string()]);
    }
    if let Some(seed) = args.seed {
        program.args(["--seed", &seed.to_string()]);
    }
    program.status().await.context("starting the crash test")
}

/// The program, and the workers that it kills.
pub const PROGRAMS: [&str; 2] = ["crash", "worker"];

/// A server that makes durable what it commits, with the product's database on it; answers the program, told what to kill.
pub async fn bring_up(
    layout: &Layout,
    pg: &PgConfig,
    built: Purpose,
    progress: Progress,
) -> Result<Command> {
    let step = progress.step(format!("a server of {}", pg.version));
    let secrets = Secrets::load_or_make(layout)?;
    let port = Ports::free()?.database;
    let (cluster, _) = Cluster::open(layout, pg, port, &secrets).await?;
    Supervisor::new(layout).start(&cluster.service()).await?;
    let database = Scratch::create(&cluster.url("postgres"), "crash", "template0").await?;
    let mut connection = connect(&database.url()?).await?;
    migrate::apply(&mut connection).await?;
    policies::apply(&mut connection).await?;
    roles::set_passwords(&mut connection, &secrets).await?;
    connection.close().await?;
    step.done();

    let [crash, worker] = PROGRAMS.map(|name| built.binary(name));
    let mut program = Command::new(crash);
    program
        .current_dir(layout::root())
        .arg("--dir")
        .arg(layout.dir())
        .arg("--pg-config")
        .arg(&pg.path)
        .args(["--port", &port.to_string()])
        .args(["--database", database.name()])
        .arg("--worker")
        .arg(worker)
        .kill_on_drop(true);
    Ok(program)
}

/// Stops what a run left, and throws it away.
pub async fn clear(layout: &Layout) -> Result<()> {
    Supervisor::new(layout).stop_all().await?;
    down::purge(layout)
}
