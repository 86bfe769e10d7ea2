//! SQL files, run whole, with errors that name the file and the line.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use sqlx::postgres::PgDatabaseError;
use sqlx::{AssertSqlSafe, PgConnection};

/// The `.sql` files of a directory, in the order of their names.
pub fn in_directory(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

pub fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

/// Sends a file as it is. The caller decides about the transaction.
pub async fn run(connection: &mut PgConnection, path: &Path, sql: &str) -> Result<()> {
    match sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await {
        Ok(_) => Ok(()),
        Err(error) => Err(located(path, sql, error)),
    }
}

fn located(path: &Path, sql: &str, error: sqlx::Error) -> anyhow::Error {
    let place = path
        .strip_prefix(crate::layout::root())
        .unwrap_or(path)
        .display()
        .to_string();
    let Some(error) = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
    else {
        return anyhow::Error::new(error).context(place);
    };
    let line = match error.position() {
        // Positions count characters from one.
        Some(sqlx::postgres::PgErrorPosition::Original(position)) => {
            let before = sql.chars().take(position.saturating_sub(1));
            format!(
                ":{}",
                before.filter(|character| *character == '\n').count() + 1
            )
        }
        _ => String::new(),
    };
    let more: String = [error.detail(), error.hint(), error.r#where()]
        .into_iter()
        .flatten()
        .map(|text| format!("\n    {text}"))
        .collect();
    anyhow!(
        "{place}{line}: {} (SQLSTATE {}){more}",
        error.message(),
        error.code()
    )
}
