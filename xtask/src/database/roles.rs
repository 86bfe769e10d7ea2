//! Passwords for the login roles that migrations make without one.

use anyhow::Result;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::secrets::Secrets;

pub const EDGE: &str = "aias_edge";
pub const WORKER: &str = "aias_worker";

/// Lets the services log in to a local cluster.
pub async fn set_passwords(connection: &mut PgConnection, secrets: &Secrets) -> Result<()> {
    for (role, password) in [
        (EDGE, &secrets.edge_password),
        (WORKER, &secrets.worker_password),
    ] {
        // Both are letters, digits and underscores of our own making; the statement takes no parameters.
        sqlx::raw_sql(AssertSqlSafe(format!(
            "alter role {role} password '{password}'"
        )))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
