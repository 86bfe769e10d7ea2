//! A worker process, as it is shipped.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::server::Server;

/// Stopped when dropped; better by [`Worker::stop`].
pub struct Worker(Child);

impl Worker {
    pub fn start(program: &Path, server: &Server, settings: &[(&str, &str)]) -> Result<Self> {
        let child = Command::new(program)
            .env("AIAS_DATABASE_URL", &server.url)
            .env("RUST_LOG", "warn")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        Ok(Self(child))
    }

    /// As an operator would, by SIGTERM.
    pub async fn stop(mut self) -> Result<()> {
        let id = self.0.id().context("the worker has ended by itself")?;
        let asked = Command::new("kill").arg(id.to_string()).status().await?;
        ensure!(asked.success(), "could not stop the worker");
        timeout(Duration::from_secs(30), self.0.wait())
            .await
            .context("the worker does not stop")??;
        Ok(())
    }
}
