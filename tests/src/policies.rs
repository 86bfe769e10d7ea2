//! The files in `policies/`, as `cargo xtask db policies` applies them.

use std::fs;

use sqlx::{AssertSqlSafe, Executor, PgPool};

/// The files in `policies/` as (table or topic, SQL), in the order in which they are applied.
///
/// # Panics
/// When the folder cannot be read: the tests then run outside the repository.
pub fn files() -> Vec<(String, String)> {
    let folder = crate::repository().join("policies");
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry of policies/").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .map(|path| {
            let name = path
                .file_stem()
                .expect("a file has a name")
                .to_string_lossy()
                .into_owned();
            let sql = fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (name, sql)
        })
        .collect();
    files.sort();
    files
}

/// Applies every file in `policies/` in one transaction. May be called again: the files are idempotent.
///
/// # Errors
/// What Postgres says of the first statement that it refuses; nothing is changed then.
pub async fn apply(pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    for (_, sql) in files() {
        // Files of this repository, with several statements each.
        transaction
            .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
            .await?;
    }
    transaction.commit().await
}
