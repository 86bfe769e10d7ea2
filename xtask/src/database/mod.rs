//! The database's contents: structure by migrations, access by policies, a small world by the seed.

pub mod access;
pub mod migrate;
pub mod policies;
pub mod roles;
pub mod scratch;
pub mod seed;
mod sql_file;
pub mod statements;

use anyhow::{Context, Result};
use sqlx::{Connection, PgConnection};

/// Connects, with an error that names the server but not the password.
pub async fn connect(url: &str) -> Result<PgConnection> {
    PgConnection::connect(url)
        .await
        .with_context(|| format!("connecting to {}", without_password(url)))
}

/// A URL as it may be printed.
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    match rest.rsplit_once('@') {
        Some((credentials, host)) => {
            let user = credentials.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:…@{host}")
        }
        None => url.to_owned(),
    }
}

/// The same server, another database.
pub fn with_database(url: &str, database: &str) -> Result<String> {
    let mut url = reqwest::Url::parse(url).context("the database URL is not a URL")?;
    url.set_path(database);
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_printed_url_has_no_password() {
        assert_eq!(
            super::without_password("postgresql://me:p@ss@host:5432/db"),
            "postgresql://me:…@host:5432/db"
        );
        assert_eq!(
            super::without_password("postgresql://host/db"),
            "postgresql://host/db"
        );
    }
}
