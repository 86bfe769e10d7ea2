//! The official linter of Supabase, on a database with migrations and policies.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::process::Command;

use super::Context;
use super::counts::Counts;
use crate::command;
use crate::layout;

pub async fn run(context: &mut Context) -> Result<Counts> {
    let server = context.servers.demand(0, context.progress).await?;
    let question = [
        "db",
        "advisors",
        "--type",
        "all",
        "--level",
        "info",
        "--output-format",
        "json",
    ];
    let output =
        command::output(&mut supabase_on(&server.url(server.template()), &question)).await?;
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

/// The pinned CLI on one of our servers, which speak no TLS. It needs no Docker for what is asked of it here.
pub fn supabase_on(url: &str, arguments: &[&str]) -> Command {
    let root = layout::root();
    let mut command = Command::new(root.join("node_modules/.bin/supabase"));
    command
        .current_dir(root)
        .env("DO_NOT_TRACK", "1")
        .env("SUPABASE_TELEMETRY_DISABLED", "1");
    command
        .args(["--agent", "no"])
        .args(arguments)
        .arg("--db-url")
        .arg(format!("{url}?sslmode=disable"));
    command
}

fn findings(output: &str) -> Result<Vec<String>> {
    let answer: Value = serde_json::from_str(output.trim())
        .with_context(|| format!("the CLI answered no JSON: {output}"))?;
    let list = answer["results"]
        .as_array()
        .with_context(|| format!("the CLI answered no list of findings: {output}"))?;
    let counted = list.iter().filter(|finding| !is_meant(finding));
    Ok(counted
        .map(|finding| {
            let of = |field: &str| finding[field].as_str().unwrap_or_default();
            format!("{} {}: {}", of("level"), of("name"), of("detail"))
        })
        .collect())
}

/// Two remarks (level INFO, which the CLI does not even show unless asked) say nothing here.
fn is_meant(finding: &Value) -> bool {
    match finding["name"].as_str() {
        // Statistics of a database that nobody has used yet.
        Some("unused_index") => true,
        // Tables that no API role reads or writes, in schemas that are not exposed: see policies/closed.sql.
        Some("rls_enabled_no_policy") => finding["metadata"]["schema"] != "public",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::findings;

    #[test]
    fn a_table_of_an_exposed_schema_without_a_policy_is_a_finding() {
        let said = |schema: &str| {
            let finding = serde_json::json!({
                "level": "INFO", "name": "rls_enabled_no_policy", "detail": "d", "metadata": { "schema": schema }
            });
            findings(&serde_json::json!({ "results": [finding] }).to_string()).unwrap()
        };
        assert_eq!(said("public"), ["INFO rls_enabled_no_policy: d"]);
        assert!(said("queue").is_empty());
        assert!(findings("not JSON").is_err());
    }
}
