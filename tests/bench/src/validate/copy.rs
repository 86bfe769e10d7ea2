//! Many workflows at once, into a table that checks them and into one that does not.

use std::time::Instant;

use anyhow::{Result, ensure};
use sqlx::{AssertSqlSafe, PgConnection};

use super::workflows;
use crate::report::{Report, Want, median};
use crate::server::Server;

const ROUNDS: usize = 3;
const WORKFLOWS: usize = 20_000;
/// Nodes of the workflows, by turns: what people draw is mostly small.
const SIZES: [usize; 6] = [3, 5, 5, 8, 12, 20];
/// Bytes that are sent at once.
const CHUNK: usize = 1 << 20;

/// Without the check, with it.
const TABLES: [(&str, &str); 2] = [
    ("unchecked", ""),
    (
        "checked",
        ", check (aias.workflow_is_valid(nodes, connections))",
    ),
];

pub async fn compare(server: &Server, report: &mut Report) -> Result<()> {
    let rows = rows();
    let bytes: usize = rows.iter().map(String::len).sum();
    let mut session = server.session().await?;
    let mut rounds: [Vec<f64>; 2] = Default::default();
    for _ in 0..ROUNDS {
        for ((table, check), found) in TABLES.iter().zip(&mut rounds) {
            let statement = format!(
                "drop table if exists {table};
                 create table {table} (id integer primary key, nodes jsonb not null, connections jsonb not null{check});
                 checkpoint"
            );
            sqlx::raw_sql(AssertSqlSafe(statement))
                .execute(&mut session)
                .await?;
            let started = Instant::now();
            copy(&mut session, table, &rows).await?;
            found.push(started.elapsed().as_secs_f64());
        }
    }
    let [unchecked, checked] = rounds.map(median);
    eprintln!(
        "{WORKFLOWS} workflows copied in {unchecked:.2} s without the check, {checked:.2} s with it"
    );
    report.figure("copy_json_mb", bytes as f64 / 1e6);
    report.figure("copy_unchecked_seconds", unchecked);
    report.figure("copy_checked_seconds", checked);
    report.goal(
        "copy_checked_to_unchecked",
        Want::AtMost(1.5),
        checked / unchecked,
    );
    Ok(())
}

async fn copy(session: &mut PgConnection, table: &str, rows: &[String]) -> Result<()> {
    let statement = format!("copy {table} (id, nodes, connections) from stdin");
    let mut copy = session.copy_in_raw(&statement).await?;
    for rows in rows {
        copy.send(rows.as_bytes()).await?;
    }
    let copied = copy.finish().await?;
    ensure!(
        copied == WORKFLOWS as u64,
        "only {copied} workflows were copied"
    );
    Ok(())
}

/// In the text format of COPY, a chunk each.
fn rows() -> Vec<String> {
    let mut chunks = vec![String::with_capacity(CHUNK + CHUNK / 4)];
    for number in 0..WORKFLOWS {
        let workflow = workflows::of(SIZES[number % SIZES.len()], number);
        let (nodes, connections) = (workflow.nodes.to_string(), workflow.connections.to_string());
        // JSON text holds no tab and no line end, only backslashes.
        let row = format!("{number}\t{nodes}\t{connections}\n").replace('\\', "\\\\");
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push_str(&row),
            _ => chunks.push(row),
        }
    }
    chunks
}
