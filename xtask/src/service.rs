//! `cargo xtask service`: one service of a stack by itself, for instance to see what a crash does.

use anyhow::{Context, Result};

use crate::cli::{ServiceAction, ServiceArgs};
use crate::progress::{Lines, Progress};
use crate::stack::Stack;
use crate::supervisor::Supervisor;

pub async fn run(args: &ServiceArgs) -> Result<()> {
    let progress = Progress::new(Lines::Stdout);
    let layout = args.dir.layout()?;
    let stack = Stack::demand(&layout)?;
    let supervisor = Supervisor::new(&layout);
    let service = stack
        .services
        .iter()
        .find(|service| service.name == args.name)
        .with_context(|| {
            let names: Vec<&str> = stack
                .services
                .iter()
                .map(|service| service.name.as_str())
                .collect();
            format!(
                "this stack has no service {}; it has {}",
                args.name,
                names.join(", ")
            )
        })?;
    let running = supervisor.find(&args.name)?;

    let stops = matches!(
        args.action,
        ServiceAction::Stop | ServiceAction::Kill | ServiceAction::Restart
    );
    let starts = matches!(args.action, ServiceAction::Start | ServiceAction::Restart);
    let is_up = running
        .as_ref()
        .is_some_and(|running| running.identity.is_alive());
    if let Some(running) = running.filter(|_| stops || !is_up) {
        supervisor
            .stop(&running, args.action == ServiceAction::Kill)
            .await?;
        if is_up {
            progress.line(format!(
                "  ✓ {} (pid {}) is stopped",
                args.name, running.identity.pid
            ));
        }
    }
    if starts && is_up && !stops {
        progress.line(format!("{} runs already", args.name));
    } else if starts {
        let running = supervisor.start(service).await?;
        progress.line(format!(
            "  ✓ {} (pid {}) is ready",
            args.name, running.identity.pid
        ));
    }
    Ok(())
}
