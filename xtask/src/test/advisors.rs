//! The official linter of Supabase, on a database with migrations and policies.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::process::Command;

use super::Context;
use super::counts::Counts;
use crate::command;
use crate::layout;

pub async fn run(context: &mut Context) -> Result<Counts> {
    let server = context.servers.pg18(&context.pg18, context.progress).await?;
    let template = server.template().await?;
    let output = command::output(
        supabase().args(["db", "advisors", "--type", "all", "--level", "info", "--output-format", "json", "--db-url"]).arg(server.url(&template)),
    )
    .await?;
    let findings = findings(&output)?;
    if findings.is_empty() {
        context.progress.line("no finding");
        return Ok(Counts::of("checks", 1));
    }
    for finding in &findings {
        context.progress.line(format!("  {finding}"));
    }
    bail!("the linter of Supabase has {} findings", findings.len());
}

/// The pinned CLI, which needs no Docker for what is asked of it here.
pub fn supabase() -> Command {
    let root = layout::root();
    let mut command = Command::new(root.join("node_modules/.bin/supabase"));
    command.current_dir(root).env("DO_NOT_TRACK", "1").env("SUPABASE_TELEMETRY_DISABLED", "1").args(["--agent", "no"]);
    command
}

fn findings(output: &str) -> Result<Vec<String>> {
    let answer: Value = serde_json::from_str(output.trim()).with_context(|| format!("the CLI answered no JSON: {output}"))?;
    let list = answer.as_array().or_else(|| answer["advisors"].as_array()).or_else(|| answer["lints"].as_array());
    let list = list.with_context(|| format!("the CLI answered no list of findings: {output}"))?;
    Ok(list
        .iter()
        .map(|finding| {
            let of = |field: &str| finding[field].as_str().unwrap_or_default();
            format!("{} {}: {}", of("level"), of("name"), of("detail"))
        })
        .collect())
}
