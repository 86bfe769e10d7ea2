//! The server that is killed and started again.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sqlx::{Connection, PgConnection};
use xtask::cluster::Cluster;
use xtask::database::roles;
use xtask::extension::PgConfig;
use xtask::layout::Layout;
use xtask::secrets::Secrets;
use xtask::supervisor::Supervisor;

/// How long somebody asks for a connection before it counts as a fault.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Postgres {
    cluster: Cluster,
    supervisor: Supervisor,
    pub url: String,
    pub worker_url: String,
}

impl Postgres {
    pub fn of(layout: &Layout, pg_config: &Path, port: u16, database: &str) -> Result<Self> {
        let secrets = Secrets::load(layout)?.context("the server has no secrets")?;
        let cluster = Cluster::of(layout, &PgConfig::query(pg_config)?, port, &secrets)?;
        Ok(Self {
            url: cluster.url(database),
            worker_url: cluster.url_of(roles::WORKER, &secrets.worker_password, database),
            cluster,
            supervisor: Supervisor::new(layout),
        })
    }

    pub async fn kill(&self) -> Result<()> {
        self.cluster.crash(&self.supervisor).await
    }

    pub async fn start_again(&self) -> Result<()> {
        self.cluster.start_again(&self.supervisor).await
    }

    /// A session, as soon as there can be one.
    pub async fn session(&self) -> Result<PgConnection> {
        let begun = Instant::now();
        loop {
            match PgConnection::connect(&self.url).await {
                Ok(session) => return Ok(session),
                Err(error) if begun.elapsed() > PATIENCE => {
                    return Err(error).context("Postgres is not back after a minute");
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

/// Whether a statement ended with its server, so that nobody knows what has become of it.
pub fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => true,
        // admin_shutdown, crash_shutdown, cannot_connect_now
        sqlx::Error::Database(error) => {
            matches!(error.code().as_deref(), Some("57P01" | "57P02" | "57P03"))
        }
        _ => false,
    }
}
