//! Applies `migrations/`, and records it as the Supabase CLI does, so that each sees what the other applied.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sqlx::{Connection, PgConnection, Row};

use super::{sql_file, statements};
use crate::layout;

/// Any number will do; every runner takes the same.
const LOCK: i64 = 0x6169_6173_6d69_6772;

struct Migration {
    path: PathBuf,
    /// The UTC timestamp that the file name begins with.
    version: String,
    name: String,
    sql: String,
}

/// Applies what is missing, in order, each file in a transaction of its own. Runners that come at once wait for each other.
/// Returns the versions that this one applied.
pub async fn apply(connection: &mut PgConnection) -> Result<Vec<String>> {
    let migrations = read_all(&layout::root().join("migrations"))?;
    sqlx::query("select pg_advisory_lock($1)")
        .bind(LOCK)
        .execute(&mut *connection)
        .await?;
    let applied = apply_missing(connection, &migrations).await;
    // The lock would go with the connection, but a caller may keep that.
    sqlx::query("select pg_advisory_unlock($1)")
        .bind(LOCK)
        .execute(&mut *connection)
        .await?;
    applied
}

async fn apply_missing(
    connection: &mut PgConnection,
    migrations: &[Migration],
) -> Result<Vec<String>> {
    sqlx::raw_sql(
        "set client_min_messages = warning;
         create schema if not exists supabase_migrations;
         create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
         alter table supabase_migrations.schema_migrations add column if not exists statements text[];
         alter table supabase_migrations.schema_migrations add column if not exists name text;
         reset client_min_messages",
    )
    .execute(&mut *connection)
    .await
    .context("preparing the table of applied migrations")?;
    let recorded = sqlx::query(
        "select version, statements from supabase_migrations.schema_migrations order by version",
    )
    .fetch_all(&mut *connection)
    .await?;

    let mut applied = Vec::new();
    for migration in migrations {
        let parts = statements::split(&migration.sql);
        if let Some(row) = recorded
            .iter()
            .find(|row| row.get::<String, _>("version") == migration.version)
        {
            refuse_changed(migration, &parts, row.get("statements"))?;
            continue;
        }
        if let Some(newer) = recorded
            .iter()
            .map(|row| row.get::<String, _>("version"))
            .find(|version| *version > migration.version)
        {
            bail!(
                "{} comes before {newer}, which is applied already; give it a newer timestamp",
                shown(&migration.path)
            );
        }
        let mut transaction = connection.begin().await?;
        sql_file::run(&mut transaction, &migration.path, &migration.sql).await?;
        sqlx::query("insert into supabase_migrations.schema_migrations (version, name, statements) values ($1, $2, $3)")
            .bind(&migration.version)
            .bind(&migration.name)
            .bind(&parts)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        applied.push(migration.version.clone());
    }
    Ok(applied)
}

fn refuse_changed(
    migration: &Migration,
    parts: &[String],
    recorded: Option<Vec<String>>,
) -> Result<()> {
    // A history that was repaired by hand may hold no statements; then there is nothing to compare.
    let Some(recorded) = recorded else {
        return Ok(());
    };
    let same = statements::fingerprint(parts.iter().map(String::as_str))
        == statements::fingerprint(recorded.iter().map(String::as_str));
    if !same {
        bail!(
            "{} was changed after it was applied to this database. An applied migration stays as it is: undo the change and add a new \
             file, or begin anew with `cargo xtask db reset`",
            shown(&migration.path)
        );
    }
    Ok(())
}

fn read_all(dir: &Path) -> Result<Vec<Migration>> {
    sql_file::in_directory(dir)?
        .into_iter()
        .map(|path| {
            let (version, name) = version_and_name(&path).with_context(|| {
                format!(
                    "{} is not named <UTC timestamp of 14 digits>_<name>.sql",
                    shown(&path)
                )
            })?;
            Ok(Migration {
                version,
                name,
                sql: sql_file::read(&path)?,
                path,
            })
        })
        .collect()
}

fn version_and_name(path: &Path) -> Option<(String, String)> {
    let (version, name) = path.file_stem()?.to_str()?.split_once('_')?;
    let is_timestamp = version.len() == 14 && version.bytes().all(|byte| byte.is_ascii_digit());
    (is_timestamp && !name.is_empty()).then(|| (version.to_owned(), name.to_owned()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(layout::root())
        .unwrap_or(path)
        .display()
        .to_string()
}
