//! Migrations come out the same, however often, by however many at once, and by whichever tool they are applied.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use sqlx::{Connection, PgConnection};
use tokio::process::Command;

use super::Context;
use super::advisors::supabase_on;
use super::counts::Counts;
use super::servers::Server;
use crate::command;
use crate::database::scratch::Scratch;
use crate::database::{access, connect, migrate, policies};
use crate::layout;

pub async fn run(context: &mut Context) -> Result<Counts> {
    let progress = context.progress;
    let mut checks = 0;
    for number in 0..context.servers.count() {
        let server = context.servers.demand(number, progress).await?;
        progress.line(format!("on {}", server.pg().version));
        let once = made_by_xtask(server).await?;
        twice(server, &once).await?;
        progress.line("  ✓ applied twice, with the same schema");
        at_once(server, &once).await?;
        progress.line("  ✓ applied by eight at once, each migration by one of them");
        changed_file(server).await?;
        progress.line("  ✓ a changed file is refused");
        by_the_cli(server, &once).await?;
        progress
            .line("  ✓ applied by `supabase db push`, with the same schema, access and history");
        checks += 4;
    }
    Ok(Counts::of("checks", checks))
}

/// Everything that must be the same.
#[derive(PartialEq, Eq)]
struct Outcome {
    schema: String,
    access: BTreeSet<String>,
    history: Vec<(String, String, Vec<String>)>,
}

async fn look(server: &Server, scratch: &Scratch) -> Result<Outcome> {
    let mut connection = connect(&scratch.url()?).await?;
    let schemas = access::own_schemas(&mut connection).await?;
    let access = access::lines(&mut connection, &schemas).await?;
    let history =
        sqlx::query_as("select version, name, statements from supabase_migrations.schema_migrations order by version")
            .fetch_all(&mut connection)
            .await?;
    connection.close().await?;
    Ok(Outcome {
        schema: dump(server, &scratch.url()?).await?,
        access,
        history,
    })
}

/// The schema as pg_dump of the same version tells it, without the tables in which tools keep their own records.
async fn dump(server: &Server, url: &str) -> Result<String> {
    let dump = command::output(
        Command::new(server.pg().bindir.join("pg_dump"))
            .args([
                "--schema-only",
                "--exclude-schema=supabase_migrations",
                "--dbname",
            ])
            .arg(url),
    )
    .await?;
    // A random word that keeps psql from running a manipulated dump.
    Ok(dump
        .lines()
        .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
        .collect::<Vec<_>>()
        .join("\n"))
}

async fn made_by_xtask(server: &Server) -> Result<Outcome> {
    let scratch = empty(server, "once").await?;
    apply(&mut connect(&scratch.url()?).await?).await?;
    let made = look(server, &scratch).await?;
    scratch.drop().await?;
    Ok(made)
}

async fn twice(server: &Server, once: &Outcome) -> Result<()> {
    let scratch = empty(server, "twice").await?;
    let mut connection = connect(&scratch.url()?).await?;
    apply(&mut connection).await?;
    let again = apply(&mut connection).await?;
    connection.close().await?;
    ensure!(
        again.is_empty(),
        "the second run applied {} again",
        again.join(", ")
    );
    demand_same("applied twice", once, &look(server, &scratch).await?)?;
    scratch.drop().await
}

async fn at_once(server: &Server, once: &Outcome) -> Result<()> {
    let scratch = empty(server, "at_once").await?;
    let url = scratch.url()?;
    let runners = (0..8).map(|_| async { apply(&mut connect(&url).await?).await });
    let mut applied: Vec<String> = try_join_all(runners).await?.into_iter().flatten().collect();
    applied.sort();
    let wanted: Vec<String> = once
        .history
        .iter()
        .map(|(version, ..)| version.clone())
        .collect();
    ensure!(
        applied == wanted,
        "eight runners applied {}",
        applied.join(", ")
    );
    demand_same(
        "applied by eight at once",
        once,
        &look(server, &scratch).await?,
    )?;
    scratch.drop().await
}

async fn changed_file(server: &Server) -> Result<()> {
    let scratch = empty(server, "changed").await?;
    let mut connection = connect(&scratch.url()?).await?;
    migrate::apply(&mut connection).await?;
    // As if the file had had another statement when it was applied.
    sqlx::query("update supabase_migrations.schema_migrations set statements = statements || 'select 1'::text")
        .execute(&mut connection)
        .await?;
    let error = migrate::apply(&mut connection)
        .await
        .err()
        .context("a changed file was not noticed")?;
    ensure!(
        error
            .to_string()
            .contains("was changed after it was applied"),
        "a changed file is refused by: {error:#}"
    );
    connection.close().await?;
    scratch.drop().await
}

async fn by_the_cli(server: &Server, once: &Outcome) -> Result<()> {
    let scratch = empty(server, "cli").await?;
    let url = scratch.url()?;
    push(&url).await?;
    let mut connection = connect(&url).await?;
    let missing = migrate::apply(&mut connection).await?;
    ensure!(
        missing.is_empty(),
        "after `supabase db push`, xtask applied {} again",
        missing.join(", ")
    );
    policies::apply(&mut connection).await?;
    connection.close().await?;
    demand_same(
        "applied by `supabase db push`",
        once,
        &look(server, &scratch).await?,
    )?;

    // And the other way round: what xtask applied, the CLI takes for applied.
    let ours = empty(server, "ours").await?;
    apply(&mut connect(&ours.url()?).await?).await?;
    push(&ours.url()?).await?;
    demand_same(
        "pushed by the CLI after xtask",
        once,
        &look(server, &ours).await?,
    )?;
    ours.drop().await?;
    scratch.drop().await
}

async fn push(url: &str) -> Result<()> {
    command::output(supabase_on(url, &["db", "push", "--yes"]).arg("--include-all"))
        .await
        .map(drop)
}

async fn apply(connection: &mut PgConnection) -> Result<Vec<String>> {
    let applied = migrate::apply(connection).await?;
    policies::apply(connection).await?;
    Ok(applied)
}

async fn empty(server: &Server, purpose: &str) -> Result<Scratch> {
    Scratch::create(&server.url("postgres"), purpose, "template0").await
}

fn demand_same(how: &str, wanted: &Outcome, found: &Outcome) -> Result<()> {
    let access = access::difference(&wanted.access, &found.access);
    ensure!(
        access.is_empty(),
        "{how}, access differs:\n{}",
        access.join("\n")
    );
    if wanted.schema != found.schema {
        let directory = layout::tools().join("test");
        let (one, other) = (
            directory.join("schema.wanted.sql"),
            directory.join("schema.found.sql"),
        );
        std::fs::write(&one, &wanted.schema)?;
        std::fs::write(&other, &found.schema)?;
        anyhow::bail!(
            "{how}, the schema differs: diff {} {}",
            one.display(),
            other.display()
        );
    }
    for (one, other) in wanted.history.iter().zip(&found.history) {
        ensure!(
            one == other,
            "{how}, the history of {} differs:\n{:#?}\n{:#?}",
            one.0,
            one,
            other
        );
    }
    ensure!(
        wanted.history.len() == found.history.len(),
        "{how}, the history has another length"
    );
    Ok(())
}
