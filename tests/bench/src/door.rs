//! An `edge-api` process, as it is shipped.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::server::Server;

/// Stopped when dropped; better by [`Door::stop`].
pub struct Door {
    pub url: String,
    process: Child,
    spool: PathBuf,
}

impl Door {
    /// Returns when it is ready.
    pub async fn start(program: &Path, server: &Server, settings: &[(&str, &str)]) -> Result<Self> {
        let free = TcpListener::bind("127.0.0.1:0").await?;
        let address = free.local_addr()?.to_string();
        drop(free);
        let spool = std::env::temp_dir().join(format!("aias-bench-spool-{}", std::process::id()));
        let process = Command::new(program)
            .env("AIAS_SPOOL_DIR", &spool)
            .env("AIAS_DATABASE_URL", &server.url)
            .env("AIAS_LISTEN", &address)
            .env("AIAS_JWT_SECRET", "nobody-signs-with-this-in-a-benchmark")
            .env("RUST_LOG", "warn")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let door = Self {
            url: format!("http://{address}"),
            process,
            spool,
        };
        let ready = format!("{}/readyz", door.url);
        for _ in 0..200 {
            if reqwest::get(&ready)
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                return Ok(door);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("edge-api is not ready")
    }

    pub fn resident_mib(&self) -> Result<f64> {
        let id = self.process.id().context("edge-api has ended by itself")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        Ok(kib.context("no VmRSS")?.parse::<f64>()? / 1024.0)
    }

    /// As an operator would, by SIGTERM.
    pub async fn stop(mut self) -> Result<()> {
        let id = self.process.id().context("edge-api has ended by itself")?;
        let asked = Command::new("kill").arg(id.to_string()).status().await?;
        ensure!(asked.success(), "could not stop edge-api");
        self.process.wait().await?;
        std::fs::remove_dir_all(&self.spool)?;
        Ok(())
    }
}
