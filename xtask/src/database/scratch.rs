//! Databases that live for one question.

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection};
use uuid::Uuid;

use super::{connect, with_database};

/// A new database on the same server, dropped with `drop`; what a killed run leaves is recognised by its name.
pub struct Scratch {
    server: String,
    name: String,
}

impl Scratch {
    /// `template` is copied; `template0` is an empty database.
    pub async fn create(server: &str, purpose: &str, template: &str) -> Result<Self> {
        let name = format!("aias_{purpose}_{}", Uuid::now_v7().simple());
        let mut connection = connect(server).await?;
        sqlx::raw_sql(AssertSqlSafe(format!(
            "create database {name} template {template}"
        )))
        .execute(&mut connection)
        .await
        .with_context(|| format!("making the scratch database {name}"))?;
        connection.close().await?;
        Ok(Self {
            server: server.to_owned(),
            name,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn url(&self) -> Result<String> {
        with_database(&self.server, &self.name)
    }

    pub async fn drop(self) -> Result<()> {
        let mut connection = connect(&self.server).await?;
        sqlx::raw_sql(AssertSqlSafe(format!(
            "drop database if exists {} with (force)",
            self.name
        )))
        .execute(&mut connection)
        .await?;
        connection.close().await?;
        Ok(())
    }
}
