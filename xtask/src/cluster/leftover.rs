//! What a server that did not end well leaves behind.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use rustix::process::Signal;

use crate::supervisor::process::Identity;

/// Makes a data directory ready for a server: ends one that still runs on it without being known, and removes the lock of one that is
/// gone but whose pid belongs to another program now (Postgres itself cannot tell these apart and would refuse to start).
pub async fn clear(data: &Path) -> Result<()> {
    if !Path::new("/proc/self").exists() {
        // Without /proc nobody can tell whose the pid is; Postgres looks as well as it can.
        return Ok(());
    }
    let lock = data.join("postmaster.pid");
    let Ok(text) = std::fs::read_to_string(&lock) else {
        return Ok(());
    };
    let Some(pid) = text
        .lines()
        .next()
        .and_then(|line| line.trim().parse::<i32>().ok())
    else {
        return Ok(());
    };

    if let (Some(server), true) = (Identity::of(pid), serves(pid, data)) {
        for signal in [Signal::INT, Signal::QUIT, Signal::KILL] {
            server.signal(signal);
            if server.wait_gone(Duration::from_secs(15)).await {
                return wait_for_children(data).await;
            }
        }
        bail!(
            "a Postgres (pid {pid}) runs on {} and does not end",
            data.display()
        );
    }
    std::fs::remove_file(&lock)?;
    wait_for_children(data).await
}

/// SIGKILL to every process of the server on a data directory, all in one go: none is left to notice that another has died.
pub fn kill_all(data: &Path) {
    let serving = pids().filter(|pid| serves(*pid, data));
    let identities: Vec<Identity> = serving.filter_map(Identity::of).collect();
    for identity in identities {
        identity.signal(Signal::KILL);
    }
}

/// Backends notice within moments that their server is gone; a new one cannot start before the last has left.
async fn wait_for_children(data: &Path) -> Result<()> {
    for _ in 0..200 {
        if !pids().any(|pid| serves(pid, data)) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!(
        "processes of an earlier Postgres still work in {}",
        data.display()
    );
}

/// Of every process of this machine, where there is /proc.
fn pids() -> impl Iterator<Item = i32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|process| process.file_name().to_str()?.parse().ok())
}

/// Every process of a server works in its data directory.
fn serves(pid: i32, data: &Path) -> bool {
    let works_in = std::fs::read_link(format!("/proc/{pid}/cwd"));
    let alive = Identity::of(pid).is_some();
    alive && works_in.is_ok_and(|cwd| cwd == data) && is_postgres(pid)
}

fn is_postgres(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "postgres")
}
