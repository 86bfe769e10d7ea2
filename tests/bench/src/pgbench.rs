//! Load from many sessions, by Postgres's own pgbench: its client costs little, so that what is measured is the server.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::server::Server;

/// What pgbench saw.
#[derive(Clone, Copy)]
pub struct Load {
    pub per_second: f64,
    pub p50_milliseconds: f64,
    pub p99_milliseconds: f64,
}

/// Repeats a script in so many sessions. Statements are prepared once a session, as drivers do.
pub async fn run(server: &Server, script: &str, sessions: usize) -> Result<Load> {
    let directory = std::env::temp_dir().join(format!("aias-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let load = run_in(&directory, server, script, sessions).await;
    std::fs::remove_dir_all(&directory)?;
    load
}

async fn run_in(directory: &Path, server: &Server, script: &str, sessions: usize) -> Result<Load> {
    std::fs::write(directory.join("script.sql"), script)?;
    let output = Command::new(server.bindir.join("pgbench"))
        .current_dir(directory)
        .args(["--no-vacuum", "--protocol=prepared", "--file=script.sql"])
        // One line for each transaction, with its time: the percentiles come from there.
        .args(["--log", "--log-prefix=transactions"])
        .arg(format!("--client={sessions}"))
        .arg(format!("--jobs={}", sessions.min(2)))
        .arg(format!("--time={}", server.seconds))
        .arg(&server.url)
        .stdin(Stdio::null())
        .output()
        .await
        .context("could not start pgbench")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() && said.contains("number of failed transactions: 0 "),
        "pgbench failed: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let times = times(directory)?;
    Ok(Load {
        per_second: per_second(&said).context("pgbench printed no tps")?,
        p50_milliseconds: percentile(&times, 50),
        p99_milliseconds: percentile(&times, 99),
    })
}

/// `tps = 1234.5 (without initial connection time)`
fn per_second(said: &str) -> Option<f64> {
    let line = said.lines().find_map(|line| line.strip_prefix("tps = "))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The third word of a line is the transaction's time in microseconds:
/// <https://www.postgresql.org/docs/current/pgbench.html>, "Per-Transaction Logging".
fn times(directory: &Path) -> Result<Vec<u64>> {
    let mut times: Vec<u64> = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("transactions") {
            let text = std::fs::read_to_string(&path)?;
            times.extend(
                text.lines()
                    .filter_map(|line| line.split(' ').nth(2)?.parse::<u64>().ok()),
            );
        }
    }
    ensure!(!times.is_empty(), "pgbench logged no transaction");
    times.sort_unstable();
    Ok(times)
}

/// Of sorted microseconds, in milliseconds.
fn percentile(times: &[u64], percent: usize) -> f64 {
    times[(times.len() - 1) * percent / 100] as f64 / 1000.0
}
