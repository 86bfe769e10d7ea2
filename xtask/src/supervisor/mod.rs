//! Starts the processes of a stack, waits until they can be used, and stops exactly them.
//!
//! Each service runs in a session of its own, so that Ctrl-C in a terminal reaches only the supervisor, which then stops the services
//! in order. A file in `run/` says which process is which service; it is written before anybody waits for readiness, so a stack that
//! was killed at any point is found and cleaned up by the next run.

pub mod process;
mod ready;
mod service;

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::command::last_lines;
use crate::layout::{Layout, make_dir};
use process::Identity;
pub use ready::{answers_http, is_ready};
pub use service::{Ready, Service, Stop};

/// A service that was started, as its file in `run/` tells.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Running {
    pub name: String,
    pub identity: Identity,
    /// Services stop in the reverse order of these.
    order: u32,
    pub port: Option<u16>,
    pub ready: Ready,
    stop: Stop,
}

pub struct Supervisor {
    layout: Layout,
}

impl Supervisor {
    pub fn new(layout: &Layout) -> Self {
        Self {
            layout: layout.clone(),
        }
    }

    /// Starts a service and waits until it can be used.
    pub async fn start(&self, service: &Service) -> Result<Running> {
        let running = self.spawn(service)?;
        self.wait_ready(&running).await?;
        Ok(running)
    }

    /// Starts a service without waiting.
    pub fn spawn(&self, service: &Service) -> Result<Running> {
        make_dir(&self.layout.run())?;
        let log_path = self.layout.log(&service.name);
        make_dir(&self.layout.dir().join("log"))?;
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            // What programs of others say is not ours to choose.
            .mode(0o600)
            .open(&log_path)
            .with_context(|| format!("opening {}", log_path.display()))?;

        let mut command = tokio::process::Command::new(&service.program);
        command
            .args(&service.args)
            .envs(&service.env)
            .current_dir(&service.cwd)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        if let Some((uid, gid)) = service.user {
            command.uid(uid).gid(gid);
        }
        // SAFETY: between fork and exec only `setsid` runs, a single system call that allocates nothing.
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()?;
                Ok(())
            });
        }
        let child = command.spawn().with_context(|| {
            format!(
                "could not start {} ({})",
                service.name,
                service.program.display()
            )
        })?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let Some(identity) = pid.and_then(Identity::of) else {
            bail!(
                "{} ended at once{}",
                service.name,
                self.log_tail(&service.name)
            );
        };
        let order = self
            .running()?
            .iter()
            .map(|running| running.order + 1)
            .max()
            .unwrap_or(0);
        let running = Running {
            name: service.name.clone(),
            identity,
            order,
            port: service.port,
            ready: service.ready.clone(),
            stop: service.stop,
        };
        crate::layout::write_private(
            &self.pid_file(&service.name),
            &serde_json::to_string(&running)?,
        )?;
        Ok(running)
    }

    /// Waits until a service can be used. One that ends or stays silent is an error with the end of its log.
    pub async fn wait_ready(&self, running: &Running) -> Result<()> {
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while !is_ready(&running.ready).await {
            if !running.identity.is_alive() {
                bail!(
                    "{} ended while it started{}",
                    running.name,
                    self.log_tail(&running.name)
                );
            }
            if std::time::Instant::now() >= deadline {
                bail!(
                    "{} was not ready after 60 s{}",
                    running.name,
                    self.log_tail(&running.name)
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// What was started and not stopped, alive or not, in the order of starting.
    pub fn running(&self) -> Result<Vec<Running>> {
        let mut found = Vec::new();
        let Ok(files) = std::fs::read_dir(self.layout.run()) else {
            return Ok(found);
        };
        for file in files {
            let path = file?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let text = std::fs::read_to_string(&path)?;
                let running: Running = serde_json::from_str(&text)
                    .with_context(|| format!("{} is damaged", path.display()))?;
                found.push(running);
            }
        }
        found.sort_by_key(|running| running.order);
        Ok(found)
    }

    pub fn find(&self, name: &str) -> Result<Option<Running>> {
        Ok(self
            .running()?
            .into_iter()
            .find(|running| running.name == name))
    }

    /// Stops one service and all that it started. `abruptly` is SIGKILL at once, as a crash would be.
    pub async fn stop(&self, running: &Running, abruptly: bool) -> Result<()> {
        let identity = &running.identity;
        let signals: &[(Signal, Duration)] = if abruptly {
            &[(Signal::KILL, Duration::from_secs(5))]
        } else {
            running.stop.signals()
        };
        let mut gone = !identity.is_alive();
        for (signal, patience) in signals {
            if gone {
                break;
            }
            identity.signal(*signal);
            gone = identity.wait_gone(*patience).await;
        }
        // Whatever outlived the process that led it.
        identity.kill_group();
        if !gone {
            bail!(
                "{} (pid {}) does not end, not even by SIGKILL",
                running.name,
                identity.pid
            );
        }
        std::fs::remove_file(self.pid_file(&running.name)).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        Ok(())
    }

    /// Stops everything, last started first. Returns the names of those that were still alive.
    pub async fn stop_all(&self) -> Result<Vec<String>> {
        let mut stopped = Vec::new();
        for running in self.running()?.iter().rev() {
            if running.identity.is_alive() {
                stopped.push(running.name.clone());
            }
            self.stop(running, false).await?;
        }
        Ok(stopped)
    }

    /// The end of a service's log, and where the rest is.
    pub fn log_tail(&self, name: &str) -> String {
        let path = self.layout.log(name);
        let log = std::fs::read(&path)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default();
        format!("; the end of {}:{}", path.display(), last_lines(&log, 20))
    }

    fn pid_file(&self, name: &str) -> PathBuf {
        self.layout.run().join(format!("{name}.json"))
    }
}
