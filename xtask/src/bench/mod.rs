//! `cargo xtask bench`: a server as it is shipped, durable and with the library preloaded, and the program `bench` on it.

mod report;

use std::ffi::OsString;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use tokio::process::Command;

use crate::build::{self, Purpose};
use crate::cli::BenchArgs;
use crate::cluster::Cluster;
use crate::database::scratch::Scratch;
use crate::database::{connect, migrate, policies};
use crate::down;
use crate::extension::{PgConfig, Profile};
use crate::layout::{self, Layout};
use crate::ports::Ports;
use crate::progress::{Lines, Progress};
use crate::secrets::Secrets;
use crate::setup::{self, Needs};
use crate::supervisor::Supervisor;
use crate::watch;
use report::Report;

/// Fails only when it could not measure: a goal that is missed is shown, and is no error.
pub async fn run(args: &BenchArgs) -> Result<()> {
    let progress = Progress::new(if args.json {
        Lines::Stderr
    } else {
        Lines::Stdout
    });
    let layout = Layout::new(&layout::tools().join("bench"))?;
    let lock = std::fs::File::create(layout.lock())?;
    lock.try_lock()
        .context("another `cargo xtask bench` is running in this clone")?;

    let embedded = setup::prepare(Needs::Stack, None, progress).await?;
    let postgres = setup::for_benchmarks(progress).await?;
    build::install_extension_into(&postgres, &embedded, Profile::Release, progress).await?;
    let mut programs = vec!["bench"];
    programs.extend(args.name.wants_worker().then_some("worker"));
    programs.extend(args.name.wants_edge().then_some("edge-api"));
    build::programs(&programs, Purpose::Release, progress).await?;

    let mut interrupted = watch::Interruption::listen()?;
    let report = tokio::select! {
        report = measure(args, &layout, &postgres, progress) => report,
        () = interrupted.wait() => Err(anyhow::anyhow!("interrupted")),
    };
    clear(&layout).await?;
    let report = report?;
    // As it came, with its figures in the order of measuring.
    let text = if args.json {
        report
    } else {
        serde_json::from_str::<Report>(&report)
            .context("the benchmark answered no report")?
            .to_string()
    };
    Progress::new(Lines::Stdout).line(text);
    Ok(())
}

async fn measure(
    args: &BenchArgs,
    layout: &Layout,
    postgres: &PgConfig,
    progress: Progress,
) -> Result<String> {
    clear(layout).await?;
    let secrets = Secrets::load_or_make(layout)?;
    let port = Ports::free()?.database;
    let (cluster, _) = Cluster::open(layout, postgres, port, &secrets).await?;
    Supervisor::new(layout).start(&cluster.service()).await?;
    let database = Scratch::create(&cluster.url("postgres"), "bench", "template0").await?;
    if args.name.wants_migrations() {
        let mut connection = connect(&database.url()?).await?;
        migrate::apply(&mut connection).await?;
        policies::apply(&mut connection).await?;
    }
    progress.line(format!("on {}", postgres.version));

    let name = args.name.to_possible_value();
    let output = Command::new(Purpose::Release.binary("bench"))
        .current_dir(layout::root())
        .args(name.iter().map(|name| name.get_name()))
        .arg("--bindir")
        .arg(&postgres.bindir)
        .arg("--seconds")
        .arg(args.seconds.to_string())
        .args(program(args.name.wants_worker(), "--worker", "worker"))
        .args(program(args.name.wants_edge(), "--edge", "edge-api"))
        // Not an argument: everybody on the machine could read the password.
        .env("DATABASE_URL", database.url()?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("starting the benchmark")?
        // What it says while it runs goes to stderr, for whoever watches.
        .wait_with_output()
        .await?;
    ensure!(output.status.success(), "the benchmark could not measure");
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

/// What names one of our programs to the benchmark, where it is wanted.
fn program(is_wanted: bool, option: &str, name: &str) -> Vec<OsString> {
    match is_wanted {
        true => vec![option.into(), Purpose::Release.binary(name).into()],
        false => Vec::new(),
    }
}

async fn clear(layout: &Layout) -> Result<()> {
    Supervisor::new(layout).stop_all().await?;
    down::purge(layout)
}
