//! Whether a database's access equals the files: policies, grants and row-level security.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use sqlx::{Connection, PgConnection};

use super::scratch::Scratch;
use super::{connect, migrate, policies};

/// What differs, as lines of a diff: `-` is in the files and not in the database, `+` the other way round.
pub type Difference = Vec<String>;

/// Compares a database with what migrations and policies make of an empty one on the same server.
pub async fn check(url: &str) -> Result<Difference> {
    let scratch = Scratch::create(url, "check", "template0").await?;
    let wanted = wanted(&scratch).await;
    scratch.drop().await?;
    let (schemas, wanted) = wanted.context("applying the files to a scratch database")?;
    let mut connection = connect(url).await?;
    let found = lines(&mut connection, &schemas).await?;
    connection.close().await?;
    Ok(difference(&wanted, &found))
}

async fn wanted(scratch: &Scratch) -> Result<(Vec<String>, BTreeSet<String>)> {
    let mut connection = connect(&scratch.url()?).await?;
    migrate::apply(&mut connection).await?;
    policies::apply(&mut connection).await?;
    let schemas = own_schemas(&mut connection).await?;
    let lines = lines(&mut connection, &schemas).await?;
    connection.close().await?;
    Ok((schemas, lines))
}

/// The schemas that migrations make, and `public`. Auth's belongs to Auth.
pub async fn own_schemas(connection: &mut PgConnection) -> Result<Vec<String>> {
    let schemas = sqlx::query_scalar(
        "select nspname::text from pg_catalog.pg_namespace
          where nspname !~ '^pg_' and nspname not in ('information_schema', 'auth', 'supabase_migrations')
          order by nspname",
    )
    .fetch_all(connection)
    .await?;
    Ok(schemas)
}

/// One line for each thing that decides about access.
pub async fn lines(connection: &mut PgConnection, schemas: &[String]) -> Result<BTreeSet<String>> {
    let lines: Vec<String> = sqlx::query_scalar(include_str!("access.sql"))
        .bind(schemas)
        .fetch_all(connection)
        .await
        .context("reading access")?;
    Ok(lines.into_iter().collect())
}

pub fn difference(wanted: &BTreeSet<String>, found: &BTreeSet<String>) -> Difference {
    let missing = wanted.difference(found).map(|line| format!("- {line}"));
    let surplus = found.difference(wanted).map(|line| format!("+ {line}"));
    missing.chain(surplus).collect()
}
