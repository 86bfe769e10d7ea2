//! The server under measurement.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

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

    /// A script for psql, one statement after the other and each for itself.
    pub async fn psql(&self, script: &str) -> Result<()> {
        let mut psql = Command::new(self.bindir.join("psql"))
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null"])
            .arg(&self.url)
            .stdin(Stdio::piped())
            .spawn()
            .context("could not start psql")?;
        if let Some(mut stdin) = psql.stdin.take() {
            stdin.write_all(script.as_bytes()).await?;
        }
        ensure!(psql.wait().await?.success(), "psql failed; see above");
        Ok(())
    }
}
