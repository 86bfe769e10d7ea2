//! Re-applies `policies/`: who may do what, from nothing, in one transaction.

use anyhow::Result;
use sqlx::{Connection, PgConnection};

use super::sql_file;
use crate::layout;

/// Any number will do; every runner takes the same.
const LOCK: i64 = 0x6169_6173_706f_6c69;

/// Applies every file. Nobody sees a state in between, and an error in any file changes nothing.
pub async fn apply(connection: &mut PgConnection) -> Result<usize> {
    let files = sql_file::in_directory(&layout::root().join("policies"))?;
    let mut transaction = connection.begin().await?;
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *transaction)
        .await?;
    for path in &files {
        let sql = sql_file::read(path)?;
        sql_file::run(&mut transaction, path, &sql).await?;
    }
    transaction.commit().await?;
    Ok(files.len())
}
