//! The small world of `seed.sql`, for local stacks only.

use anyhow::Result;
use sqlx::{Connection, PgConnection};

use super::sql_file;
use crate::layout;

/// Loads the seed unless this database has it. Says whether it did.
pub async fn apply_once(connection: &mut PgConnection) -> Result<bool> {
    let path = layout::root().join("seed.sql");
    let mut transaction = connection.begin().await?;
    // The table in which the Supabase CLI records the seeds that it ran.
    sqlx::raw_sql(
        "set local client_min_messages = warning;
         create table if not exists supabase_migrations.seed_files (path text not null primary key, hash text not null)",
    )
    .execute(&mut *transaction)
    .await?;
    let recorded = sqlx::query("select from supabase_migrations.seed_files where path = $1")
        .bind(RECORDED_AS)
        .fetch_optional(&mut *transaction)
        .await?;
    if recorded.is_some() {
        return Ok(false);
    }
    let sql = sql_file::read(&path)?;
    sql_file::run(&mut transaction, &path, &sql).await?;
    sqlx::query("insert into supabase_migrations.seed_files (path, hash) values ($1, encode(sha256(convert_to($2, 'UTF8')), 'hex'))")
        .bind(RECORDED_AS)
        .bind(&sql)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(true)
}

/// The path as the CLI sees it from the repository's root.
const RECORDED_AS: &str = "seed.sql";
