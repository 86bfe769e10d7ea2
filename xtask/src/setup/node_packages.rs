//! The npm packages of the lock file: Supabase Lite, the LLM stand-in, supabase-js and the Supabase CLI.

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::command;
use crate::layout;
use crate::progress::Progress;

const OLDEST_NODE: u32 = 20;

/// `npm ci`, when the lock file is not the one that was installed last.
pub async fn bring(progress: Progress) -> Result<()> {
    check_node().await?;
    let root = layout::root();
    let lock =
        std::fs::read(root.join("package-lock.json")).context("reading package-lock.json")?;
    let stamp = root.join("node_modules/.aias-package-lock.json");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    let step = progress.step("npm packages");
    command::watched(
        Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(&root),
        &step,
    )
    .await
    .context("installing the npm packages of package-lock.json")?;
    std::fs::write(&stamp, &lock)?;
    step.done_with("npm packages installed");
    Ok(())
}

async fn check_node() -> Result<()> {
    let answer = command::output(Command::new("node").arg("--version"))
        .await
        .context("Node.js is needed (20 or newer), and `node --version` does not run: https://nodejs.org/en/download")?;
    let version = answer.trim();
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major >= OLDEST_NODE => Ok(()),
        _ => bail!(
            "Node.js {OLDEST_NODE} or newer is needed, and this is {version}: https://nodejs.org/en/download"
        ),
    }
}
