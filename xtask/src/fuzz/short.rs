//! The short form, for a stack that runs already: a few hundred requests, and the planted leaks.

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use super::{WORKER, program, stop_worker};
use crate::command;
use crate::layout::Layout;
use crate::stack::Stack;
use crate::supervisor::Supervisor;

/// Answers how many checks that made: one for the requests, and one for each leak that was planted and found.
pub async fn run(stack: &Stack, layout: &Layout) -> Result<u64> {
    stop_worker(layout).await?;
    let outcome = both(stack).await;
    let worker = stack
        .services
        .iter()
        .find(|service| service.name == WORKER)
        .context("this stack has no worker")?;
    Supervisor::new(layout).start(worker).await?;
    outcome
}

async fn both(stack: &Stack) -> Result<u64> {
    let mut requests = program(stack);
    requests.args(["--requests", "400"]);
    demand(&mut requests, "the tenancy fuzzer has found something:").await?;
    let mut plants = program(stack);
    plants.args(["--self-test", "--seed", "1"]);
    let said = demand(
        &mut plants,
        "the tenancy fuzzer does not find what was planted:",
    )
    .await?;
    let found = said
        .lines()
        .filter(|line| line.trim_start().starts_with("✓ found:"))
        .count() as u64;
    ensure!(found > 0, "the tenancy fuzzer has planted nothing");
    Ok(1 + found)
}

async fn demand(program: &mut Command, otherwise: &str) -> Result<String> {
    let (succeeded, said) = command::shown_and_kept(program).await?;
    // The gate's last word is often all that is kept of its output.
    ensure!(succeeded, "{otherwise}{}", command::last_lines(&said, 12));
    Ok(said)
}
