//! A worker process, as it is shipped.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
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

    /// One that can be asked what it has done.
    pub async fn start_counting(program: &Path, server: &Server) -> Result<(Self, Ended)> {
        let free = TcpListener::bind("127.0.0.1:0").await?;
        let address = free.local_addr()?.to_string();
        drop(free);
        let worker = Self::start(program, server, &[("AIAS_METRICS_LISTEN", &address)])?;
        Ok((worker, Ended { address }))
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

/// How many executions a worker has ended, as its metrics say: to count them in the database costs the more the more there are.
#[derive(Clone)]
pub struct Ended {
    address: String,
}

impl Ended {
    pub async fn count(&self) -> Result<i64> {
        let mut stream = TcpStream::connect(&self.address).await?;
        let request = format!(
            "GET /metrics HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let counts = answer
            .lines()
            .filter(|line| line.starts_with("aias_worker_executions_total{"));
        counts
            .map(|line| {
                let count = line
                    .rsplit(' ')
                    .next()
                    .context("a metric without a value")?;
                Ok(count.parse::<i64>()?)
            })
            .sum()
    }
}
