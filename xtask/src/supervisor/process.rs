//! Which process is which. A pid alone is not a name: the kernel gives it to another process later.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};

/// One process, told apart from any other that had or will have its pid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub pid: i32,
    /// When it started, in whatever unit this system counts.
    started: String,
    /// The boot it belongs to; pids begin anew with each.
    boot: String,
}

impl Identity {
    /// None when there is no such process any more.
    pub fn of(pid: i32) -> Option<Self> {
        Some(Self {
            pid,
            started: start_time(pid)?,
            boot: boot_id(),
        })
    }

    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).is_some_and(|now| now == *self)
    }

    /// Whether processes are left of the group that this process led. While one is, its pid is not given to anybody else.
    pub fn has_group(&self) -> bool {
        let same_boot = self.boot == boot_id();
        // Somebody else with this pid means that the group is gone.
        let replaced = Self::of(self.pid).is_some_and(|now| now != *self);
        same_boot && !replaced && group_has_members(self.pid)
    }

    /// Signals the process, if it still is this one.
    pub fn signal(&self, signal: Signal) {
        if let (true, Some(pid)) = (self.is_alive(), Pid::from_raw(self.pid)) {
            // Gone between the look and the signal is as good as signalled.
            let _ = kill_process(pid, signal);
        }
    }

    pub fn kill_group(&self) {
        if let (true, Some(group)) = (self.has_group(), Pid::from_raw(self.pid)) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Waits until the process is gone. False when it still is there after `patience`.
    pub async fn wait_gone(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.is_alive() {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        true
    }
}

#[cfg(target_os = "linux")]
fn start_time(pid: i32) -> Option<String> {
    living(pid).map(|(_, started)| started)
}

#[cfg(target_os = "linux")]
fn group_has_members(group: i32) -> bool {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    pids.any(|pid| living(pid).is_some_and(|(its_group, _)| its_group == group))
}

/// The group and the start of a process. A zombie is not one: it has ended already, and only its parent has not looked yet.
#[cfg(target_os = "linux")]
fn living(pid: i32) -> Option<(i32, String)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets, and may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let group = fields.nth(1)?.parse().ok()?;
    let started = fields.nth(16)?;
    (!matches!(state, "Z" | "X")).then(|| (group, started.to_owned()))
}

#[cfg(not(target_os = "linux"))]
fn group_has_members(group: i32) -> bool {
    Pid::from_raw(group)
        .is_some_and(|group| rustix::process::test_kill_process_group(group).is_ok())
}

#[cfg(not(target_os = "linux"))]
fn start_time(pid: i32) -> Option<String> {
    let output = std::process::Command::new("ps")
        .args(["-o", "stat=,lstart=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (!text.is_empty() && !text.starts_with('Z')).then(|| {
        text.split_once(' ')
            .map_or(text, |(_, start)| start)
            .trim()
            .to_owned()
    })
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

/// `postgres (pid 4711)`, when /proc tells who listens on a port of 127.0.0.1 or of all addresses.
pub fn listening_on(port: u16) -> Option<String> {
    let inode = socket_inode(port)?;
    let wanted = format!("socket:[{inode}]");
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = files.flatten().any(|file| {
            std::fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == wanted.as_str())
        });
        if holds {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (pid {pid})", name.trim()));
        }
    }
    None
}

fn socket_inode(port: u16) -> Option<String> {
    const LISTENING: &str = "0A";
    let wanted = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| {
            let table = std::fs::read_to_string(table).ok()?;
            table.lines().skip(1).find_map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let listens = fields.get(1)?.ends_with(&wanted) && *fields.get(3)? == LISTENING;
                listens
                    .then(|| fields.get(9).map(|inode| (*inode).to_owned()))
                    .flatten()
            })
        })
}
