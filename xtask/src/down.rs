//! `cargo xtask down`: stops exactly what `up` started, and makes sure of it.

use anyhow::{Context, Result, bail};

use crate::cli::DownArgs;
use crate::cluster::owner;
use crate::layout::Layout;
use crate::ports;
use crate::progress::{Lines, Progress};
use crate::stack::Stack;
use crate::supervisor::{Running, Supervisor};

pub async fn run(args: &DownArgs) -> Result<()> {
    let progress = Progress::new(Lines::Stdout);
    let layout = args.dir.layout()?;
    stop(&layout, progress).await?;
    if args.purge {
        purge(&layout)?;
        progress.line("  ✓ data, keys and logs are gone");
    }
    Ok(())
}

/// Stops every service of a directory, last started first.
pub async fn stop(layout: &Layout, progress: Progress) -> Result<()> {
    let supervisor = Supervisor::new(layout);
    let services = supervisor.running()?;
    if services.is_empty() {
        progress.line(format!("Nothing of {} runs.", layout.dir().display()));
    }
    for service in services.iter().rev() {
        let step = progress.step(format!("stopping {}", service.name));
        supervisor.stop(service, false).await?;
        step.done_with(format!(
            "{} (pid {}) is stopped",
            service.name, service.identity.pid
        ));
    }
    Stack::forget(layout)?;
    demand_nothing_left(&services)
}

fn demand_nothing_left(services: &[Running]) -> Result<()> {
    for service in services {
        if service.identity.is_alive() || service.identity.has_group() {
            bail!(
                "{} (pid {}) is still there",
                service.name,
                service.identity.pid
            );
        }
        if let Some(port) = service.port.filter(|port| !ports::is_free(*port)) {
            bail!("port {port} of {} is still in use", service.name);
        }
    }
    Ok(())
}

/// Removes everything that a stack wrote. What belongs to the clone (Postgres itself) stays.
pub fn purge(layout: &Layout) -> Result<()> {
    let data = owner::readable_place(layout.dir(), "data");
    for dir in [
        data,
        layout.run(),
        layout.dir().join("log"),
        layout.dir().join("log.last"),
    ] {
        if dir.is_dir() {
            std::fs::remove_dir_all(&dir).with_context(|| format!("removing {}", dir.display()))?;
        }
    }
    for file in [
        layout.data(),
        layout.secrets(),
        layout.stack(),
        layout.lock(),
    ] {
        if file.symlink_metadata().is_ok() {
            std::fs::remove_file(&file).with_context(|| format!("removing {}", file.display()))?;
        }
    }
    Ok(())
}
