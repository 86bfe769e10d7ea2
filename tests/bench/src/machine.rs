//! What it was measured on.

use anyhow::Result;
use serde::Serialize;

use crate::server::Server;

#[derive(Serialize)]
pub struct Machine {
    system: String,
    processor: String,
    processors: usize,
    memory_gb: u64,
    postgres: String,
    /// A figure with durability switched off would be none.
    fsync: String,
    synchronous_commit: String,
}

pub async fn describe(server: &Server) -> Result<Machine> {
    let mut connection = server.session().await?;
    let setting = "select current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')";
    let (postgres, fsync, synchronous_commit) =
        sqlx::query_as(setting).fetch_one(&mut connection).await?;
    Ok(Machine {
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        processor: value_of("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned()),
        processors: std::thread::available_parallelism().map_or(0, usize::from),
        memory_gb: value_of("/proc/meminfo", "MemTotal").map_or(0, |text| gigabytes(&text)),
        postgres,
        fsync,
        synchronous_commit,
    })
}

/// `key : value` in a file that Linux describes itself in.
fn value_of(file: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// `24689012 kB`
fn gigabytes(text: &str) -> u64 {
    let kilobytes = text.split_whitespace().next().and_then(|n| n.parse().ok());
    kilobytes.map_or(0, |kilobytes: u64| kilobytes >> 20)
}
