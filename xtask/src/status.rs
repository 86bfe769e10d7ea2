//! `cargo xtask status`: what runs, where, and with which keys.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use crate::cli::StatusArgs;
use crate::layout::Layout;
use crate::progress::{Lines, Progress};
use crate::row;
use crate::secrets::SEEDED_PASSWORD;
use crate::services::{Addresses, aimock};
use crate::stack::Stack;
use crate::supervisor::{Running, Supervisor, is_ready};
use crate::table;

/// Exit code 1 when nothing runs or something does not.
pub async fn run(args: &StatusArgs) -> Result<ExitCode> {
    let layout = args.dir.layout()?;
    let progress = Progress::new(Lines::Stdout);
    let services = states(&layout).await?;
    let stack = Stack::load(&layout)?;
    let all_ready = !services.is_empty() && services.iter().all(|(_, state)| *state == "ready");

    if args.json {
        let services: Vec<_> = services
            .iter()
            .map(|(service, state)| {
                json!({ "name": service.name, "state": state, "pid": service.identity.pid, "port": service.port })
            })
            .collect();
        let stack = stack.map(|stack| {
            json!({
                "supabase_url": stack.supabase_url,
                "edge_url": stack.edge_url,
                "database_url": stack.database_url,
                "publishable_key": stack.publishable_key,
                "secret_key": stack.secret_key,
            })
        });
        let answer = json!({ "dir": layout.dir(), "ready": all_ready, "services": services, "stack": stack });
        progress.line(serde_json::to_string_pretty(&answer)?);
    } else if services.is_empty() {
        progress.line(format!(
            "No stack runs in {}; `cargo xtask up` starts one.",
            layout.dir().display()
        ));
    } else {
        let mut rows = vec![row!["service", "state", "pid", "port", "log"]];
        for (service, state) in &services {
            let port = service
                .port
                .map_or_else(String::new, |port| port.to_string());
            rows.push(row![
                service.name,
                state,
                service.identity.pid,
                port,
                layout.log(&service.name).display()
            ]);
        }
        progress.line(table::render(&rows));
        if let Some(stack) = stack {
            progress.line("");
            progress.line(summary(&stack, &layout));
        }
    }
    Ok(if all_ready {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn states(layout: &Layout) -> Result<Vec<(Running, &'static str)>> {
    let mut states = Vec::new();
    for service in Supervisor::new(layout).running()? {
        let state = if !service.identity.is_alive() {
            "ended"
        } else if is_ready(&service.ready).await {
            "ready"
        } else {
            "silent"
        };
        states.push((service, state));
    }
    Ok(states)
}

/// URLs, keys and users, as a short table.
pub fn summary(stack: &Stack, layout: &Layout) -> String {
    let mut rows = vec![row!["what", "value"]];
    rows.push(row!["API (PostgREST, Auth)", stack.supabase_url]);
    rows.push(row!["edge-api", stack.edge_url]);
    if stack.local {
        rows.push(row!["Postgres", stack.database_url]);
        rows.push(row!["mailbox", Addresses::local(&stack.ports).mailbox]);
    }
    if let Some(key) = &stack.publishable_key {
        rows.push(row!["publishable key", key]);
    }
    if let Some(key) = &stack.secret_key {
        rows.push(row!["secret key (servers only)", key]);
    }
    if stack.local {
        rows.push(row![
            "users",
            "owner, admin, editor, viewer, billing @alpha.test; owner@beta.test"
        ]);
        rows.push(row!["their password", SEEDED_PASSWORD]);
        let real = aimock::real_providers();
        let providers = if real.is_empty() {
            "all answered by the stand-in".to_owned()
        } else {
            format!(
                "{} for real (key in the environment), the others by the stand-in",
                real.join(", ")
            )
        };
        rows.push(row!["LLM providers", providers]);
    }
    rows.push(row!["directory", layout.dir().display()]);
    table::render(&rows)
}
