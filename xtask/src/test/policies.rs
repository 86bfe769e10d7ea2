//! pgTAP: who may do what, by actor, and what holds for every table and function.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use sqlx::{AssertSqlSafe, Connection};
use tokio::process::Command;

use super::Context;
use super::code::demand;
use super::counts::Counts;
use super::servers::Server;
use crate::database::connect;
use crate::layout;

/// Runs each file in a fresh copy of the template, so that no file sees what another did.
const IN_A_COPY: &str = include_str!("in-a-copy.sh");

pub async fn run(context: &mut Context) -> Result<Counts> {
    let files = files()?;
    ensure!(
        !files.is_empty(),
        "there are no pgTAP files in tests/policies and tests/schema"
    );
    let script = layout::tools().join("test/in-a-copy.sh");
    std::fs::write(&script, IN_A_COPY)?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;

    let mut counts = Counts::default();
    let mut failed = Vec::new();
    for number in 0..context.servers.count() {
        let server = context.servers.demand(number, context.progress).await?;
        context.progress.line(format!("on {}", server.pg().version));
        let template = template_with_pgtap(server).await?;
        let mut prove = Command::new("prove");
        prove
            .current_dir(layout::root())
            .args(["--jobs", "4", "--ext", ".sql", "--exec"])
            .arg(&script)
            .args(&files);
        prove
            .env("AIAS_BINDIR", &server.pg().bindir)
            .env("AIAS_SERVER", server.url(""))
            .env("AIAS_TEMPLATE", template);
        match demand(&mut prove, "policy tests failed").await {
            Ok(output) => counts.add(&Counts::prove(&output)),
            Err(_) => failed.push(server.pg().version.clone()),
        }
    }
    ensure!(
        failed.is_empty(),
        "policy tests failed on {}",
        failed.join(" and ")
    );
    Ok(counts)
}

fn files() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for directory in ["tests/policies", "tests/schema"] {
        for entry in std::fs::read_dir(layout::root().join(directory))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "sql") {
                files.push(path.strip_prefix(layout::root())?.to_path_buf());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// pgTAP in a schema of its own, which every search path of the copies ends with.
async fn template_with_pgtap(server: &Server) -> Result<String> {
    let template = server.template();
    let name = format!("{template}_pgtap");
    let mut connection = connect(&server.url("postgres")).await?;
    for statement in [
        format!("drop database if exists {name}"),
        format!("create database {name} template {template}"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await?;
    }
    connection.close().await?;
    let mut connection = connect(&server.url(&name)).await?;
    sqlx::raw_sql("create schema pgtap; create extension pgtap schema pgtap")
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(name)
}
