//! The Python packages of the end-to-end tests, in a virtual environment of their own.

use std::path::PathBuf;

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::command;
use crate::layout;
use crate::progress::Progress;

const LOCK: &str = "tests/e2e/python/requirements.txt";

/// `pip install` of exactly what the lock file names, when it is not the one that was installed last. Gives the environment's Python.
pub async fn bring(progress: Progress) -> Result<PathBuf> {
    let root = layout::root();
    let lock = std::fs::read(root.join(LOCK)).with_context(|| format!("reading {LOCK}"))?;
    let environment = layout::tools().join("python");
    let python = environment.join("bin/python");
    let stamp = environment.join("aias-requirements.txt");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(python);
    }
    let step = progress.step("Python packages");
    command::watched(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&environment),
        &step,
    )
    .await
    .context("making a virtual environment; Python 3.11 or newer is needed, with venv")?;
    command::watched(
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(["--require-hashes", "--requirement", LOCK])
            .current_dir(&root),
        &step,
    )
    .await
    .with_context(|| format!("installing the Python packages of {LOCK}"))?;
    std::fs::write(&stamp, &lock)?;
    step.done_with("Python packages installed");
    Ok(python)
}
