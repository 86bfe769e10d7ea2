//! Staying with a stack until somebody ends it.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::progress::Progress;
use crate::supervisor::Supervisor;

/// Ctrl-C, TERM, or the terminal going away.
pub struct Interruption {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Interruption {
    pub fn listen() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// Returns when interrupted, or when another command has stopped every service. A service that ends by itself is told once.
pub async fn until_stopped(
    supervisor: &Supervisor,
    interrupted: &mut Interruption,
    progress: Progress,
) -> Result<()> {
    let mut told = HashSet::new();
    loop {
        tokio::select! {
            () = interrupted.wait() => return Ok(()),
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        let running = supervisor.running()?;
        if running.is_empty() {
            return Ok(());
        }
        for service in running {
            if !service.identity.is_alive()
                && told.insert((service.name.clone(), service.identity.pid))
            {
                progress.line(format!(
                    "{} has ended; `cargo xtask service start {0}` starts it again{}",
                    service.name,
                    supervisor.log_tail(&service.name)
                ));
            }
        }
    }
}
