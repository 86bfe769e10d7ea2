//! `cargo xtask up`: from a fresh clone to a running stack, and the demo through its doors.

mod database;
mod existing;
mod local;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::build::Purpose;
use crate::cli::UpArgs;
use crate::demo;
use crate::layout::Layout;
use crate::progress::{Lines, Progress};
use crate::stack::Stack;
use crate::supervisor::Supervisor;
use crate::{status, watch};

pub use database::{Fresh, make_ready as make_database_ready};
pub use local::{Options, bring_up as bring_up_local, start_all};

pub async fn run(args: UpArgs) -> Result<ExitCode> {
    let progress = Progress::new(Lines::Stdout);
    let layout = args.dir.layout()?;
    let lock = hold(&layout)?;
    let supervisor = Supervisor::new(&layout);

    let mut interrupted = watch::Interruption::listen()?;
    let stack = tokio::select! {
        stack = bring_up(&args, &layout, progress) => stack,
        () = interrupted.wait() => Err(anyhow::anyhow!("interrupted")),
    };
    let stack = match stack {
        Ok(stack) => stack,
        Err(error) => {
            supervisor.stop_all().await?;
            Stack::forget(&layout)?;
            return Err(error);
        }
    };

    progress.line("");
    progress.line(status::summary(&stack, &layout));
    if args.detach {
        progress.line(format!(
            "It stays up. Logs: {}. Stop it with `cargo xtask down`.",
            layout.dir().join("log").display()
        ));
        drop(lock);
        return Ok(ExitCode::SUCCESS);
    }
    progress.line(format!(
        "Logs: {}. Ctrl-C stops everything.",
        layout.dir().join("log").display()
    ));
    watch::until_stopped(&supervisor, &mut interrupted, progress).await?;
    let stopped = supervisor.stop_all().await?;
    Stack::forget(&layout)?;
    progress.line(format!(
        "Stopped: {}.",
        if stopped.is_empty() {
            "nothing was left".to_owned()
        } else {
            stopped.join(", ")
        }
    ));
    Ok(ExitCode::SUCCESS)
}

async fn bring_up(args: &UpArgs, layout: &Layout, progress: Progress) -> Result<Stack> {
    if args.existing.database_url.is_some() {
        return existing::bring_up(args, layout, progress).await;
    }
    let options = Options {
        pg_config: args.postgres.pg_config.clone(),
        ports: args.ports.choose()?,
        build: (!args.no_build).then_some(Purpose::Use),
        disposable: false,
        environment: BTreeMap::new(),
    };
    let stack = local::bring_up(layout, &options, progress).await?;
    if !args.no_demo {
        progress.line("");
        demo::show(&stack, progress).await.with_context(|| {
            format!(
                "the demo failed, and the stack is stopped; logs: {}; `up --no-demo` leaves it up",
                layout.dir().join("log").display()
            )
        })?;
    }
    Ok(stack)
}

/// Two that bring up the same stack would stop each other's services.
fn hold(layout: &Layout) -> Result<std::fs::File> {
    let path = layout.lock();
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("opening {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => bail!(
            "another `cargo xtask up` holds {}; stop it with Ctrl-C or `cargo xtask down`, or use another --dir",
            layout.dir().display()
        ),
        Err(std::fs::TryLockError::Error(error)) => {
            Err(error).context("locking the directory of the stack")
        }
    }
}
