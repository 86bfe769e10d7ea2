//! Cargo subcommands that the gates call.

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::command;
use crate::progress::Progress;

/// rustfmt and clippy, which a minimal toolchain lacks.
pub async fn lints(progress: Progress) -> Result<()> {
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if command::succeeds(Command::new("cargo").args([subcommand, "--version"])).await {
            continue;
        }
        let step = progress.step(component);
        command::watched(
            Command::new("rustup").args(["component", "add", component]),
            &step,
        )
        .await
        .with_context(|| format!("adding {component} to the Rust toolchain"))?;
        step.done_with(format!("{component} installed"));
    }
    Ok(())
}

/// cargo-nextest, built from its published source when it is not there.
pub async fn nextest(progress: Progress) -> Result<()> {
    if command::succeeds(Command::new("cargo").args(["nextest", "--version"])).await {
        return Ok(());
    }
    let step = progress.step("cargo-nextest");
    command::watched(
        Command::new("cargo").args(["install", "cargo-nextest", "--locked", "--version", NEXTEST]),
        &step,
    )
    .await
    .context("installing cargo-nextest")?;
    step.done_with("cargo-nextest installed");
    Ok(())
}

const NEXTEST: &str = "0.9.143";
