//! The server under measurement.

use std::path::PathBuf;

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

pub struct Server {
    pub url: String,
    pub bindir: PathBuf,
    /// For one side of one comparison in one round.
    pub seconds: u32,
}

impl Server {
    pub async fn connect(url: String, bindir: PathBuf, seconds: u32) -> Result<Self> {
        let server = Self {
            url,
            bindir,
            seconds,
        };
        server
            .run("create extension if not exists aias")
            .await
            .context("is the extension installed on this server?")?;
        Ok(server)
    }

    pub async fn session(&self) -> Result<PgConnection> {
        PgConnection::connect(&self.url)
            .await
            .context("connecting to the server that is to be measured")
    }

    /// Statements in a session of their own.
    pub async fn run(&self, statements: &str) -> Result<()> {
        let mut session = self.session().await?;
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))
            .execute(&mut session)
            .await?;
        session.close().await?;
        Ok(())
    }
}
