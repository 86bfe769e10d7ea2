//! The worker processes, of which each kill is followed by a new one.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use xtask::layout::Layout;
use xtask::supervisor::{Ready, Running, Service, Stop, Supervisor};

use crate::counter::{Micros, now};
use crate::postgres::Postgres;

/// Executions of a worker that is gone wait as long for the next. Long enough that a worker which lives renews in time, however slow the machine.
pub const LEASE_SECONDS: u32 = 5;

/// A worker that was killed.
#[derive(Debug, Clone, Copy)]
pub struct Killed {
    pub pid: i32,
    /// When it was surely gone.
    pub at: Micros,
}

pub struct Workers {
    supervisor: Supervisor,
    service: Service,
    running: Vec<Running>,
    pub killed: Vec<Killed>,
    /// Those that were gone before anybody killed them.
    pub ended_by_themselves: Vec<String>,
}

impl Workers {
    pub fn new(program: &Path, layout: &Layout, postgres: &Postgres, server: &str) -> Self {
        let env = [
            ("AIAS_DATABASE_URL", postgres.worker_url.clone()),
            ("AIAS_HTTP_ALLOW", server.to_owned()),
            ("AIAS_LEASE_SECONDS", LEASE_SECONDS.to_string()),
            // So few that all of them have something to do, and something to lose.
            ("AIAS_WORKER_CONCURRENCY", "64".to_owned()),
            ("RUST_LOG", "warn".to_owned()),
        ];
        Self {
            supervisor: Supervisor::new(layout),
            service: Service {
                name: String::new(),
                program: program.to_owned(),
                args: Vec::new(),
                env: BTreeMap::from(env.map(|(name, value)| (name.to_owned(), value))),
                cwd: layout.dir().to_owned(),
                user: None,
                port: None,
                ready: Ready::Postgres(postgres.worker_url.clone()),
                stop: Stop::Terminate,
            },
            running: Vec::new(),
            killed: Vec::new(),
            ended_by_themselves: Vec::new(),
        }
    }

    pub fn start(&mut self, count: u32) -> Result<()> {
        for number in 1..=count {
            let running = self.spawn(&format!("worker-{number}"))?;
            self.running.push(running);
        }
        Ok(())
    }

    fn spawn(&self, name: &str) -> Result<Running> {
        let service = Service {
            name: name.to_owned(),
            ..self.service.clone()
        };
        self.supervisor.spawn(&service)
    }

    fn at(&self, position: usize) -> Result<&Running> {
        let running = self.running.get(position);
        running.context("there are not so many workers")
    }

    pub fn pid(&self, position: usize) -> Result<i32> {
        Ok(self.at(position)?.identity.pid)
    }

    /// SIGKILL, and another in its place at once.
    pub async fn kill(&mut self, position: usize) -> Result<()> {
        let running = self.at(position)?.clone();
        self.note_if_ended(&running);
        self.supervisor.stop(&running, true).await?;
        self.killed.push(Killed {
            pid: running.identity.pid,
            at: now(),
        });
        self.running[position] = self.spawn(&running.name)?;
        Ok(())
    }

    /// As an operator would, by SIGTERM.
    pub async fn stop(&mut self) -> Result<()> {
        for running in std::mem::take(&mut self.running) {
            self.note_if_ended(&running);
            self.supervisor.stop(&running, false).await?;
        }
        Ok(())
    }

    fn note_if_ended(&mut self, running: &Running) {
        if !running.identity.is_alive() {
            let tail = self.supervisor.log_tail(&running.name);
            self.ended_by_themselves
                .push(format!("{} had ended{tail}", running.name));
        }
    }
}
