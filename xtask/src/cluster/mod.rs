//! A Postgres cluster of our own: made once, reachable from this machine only, by password.

mod leftover;
pub mod owner;

use std::collections::BTreeMap;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use tokio::process::Command;

use crate::command;
use crate::extension::PgConfig;
use crate::layout::{Layout, make_dir, write_private};
use crate::secrets::Secrets;
use crate::supervisor::{Ready, Service, Stop, Supervisor};
use owner::Owner;

/// The superuser, who owns what migrations make, as on Supabase.
pub const SUPERUSER: &str = "postgres";

/// Names the service.
const NAME: &str = "postgres";

pub struct Cluster {
    pg: PgConfig,
    data: PathBuf,
    owner: Option<Owner>,
    port: u16,
    password: String,
    /// Server settings besides where to listen.
    settings: Vec<(&'static str, &'static str)>,
}

impl Cluster {
    /// The cluster of a stack, whatever it does just now.
    pub fn of(layout: &Layout, pg: &PgConfig, port: u16, secrets: &Secrets) -> Result<Self> {
        let data = owner::readable_place(layout.dir(), "data");
        let owner = owner::owner_of(&data)?;
        Ok(Self {
            pg: pg.clone(),
            data,
            owner,
            port,
            password: secrets.postgres_password.clone(),
            settings: Vec::new(),
        })
    }

    /// The cluster of a stack; made, when it is not there yet. Says whether it is new.
    pub async fn open(
        layout: &Layout,
        pg: &PgConfig,
        port: u16,
        secrets: &Secrets,
    ) -> Result<(Self, bool)> {
        let cluster = Self::of(layout, pg, port, secrets)?;
        let new = !cluster.data.join("PG_VERSION").is_file();
        if new {
            cluster.make().await?;
            owner::link_to_place(layout.dir(), "data", &cluster.data)?;
        } else {
            cluster.check_version()?;
            leftover::clear(&cluster.data).await?;
        }
        Ok((cluster, new))
    }

    /// Settings for a cluster that tests throw away: a crash may lose everything, so nothing waits for the disk.
    pub fn disposable(mut self) -> Self {
        self.settings = vec![
            ("fsync", "off"),
            ("synchronous_commit", "off"),
            ("full_page_writes", "off"),
            ("max_connections", "300"),
        ];
        self
    }

    /// A URL for the superuser. Databases are named by us and need no quoting.
    pub fn url(&self, database: &str) -> String {
        self.url_of(SUPERUSER, &self.password, database)
    }

    pub fn url_of(&self, role: &str, password: &str, database: &str) -> String {
        format!(
            "postgresql://{role}:{password}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    pub fn pg(&self) -> &PgConfig {
        &self.pg
    }

    /// The server as a service, listening on loopback only, with no socket file whose path could be too long.
    pub fn service(&self) -> Service {
        let mut args = vec!["-D".to_owned(), self.data.display().to_string()];
        let port = self.port.to_string();
        let settings = [
            ("port", port.as_str()),
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", ""),
            ("password_encryption", "scram-sha-256"),
            ("timezone", "UTC"),
            // Rate limits are then kept in shared memory. Whoever starts the server has installed the library before: without it,
            // the server would not start.
            ("shared_preload_libraries", "aias"),
        ];
        for (name, value) in settings.iter().chain(&self.settings) {
            args.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        Service {
            name: NAME.to_owned(),
            program: self.pg.bindir.join("postgres"),
            args,
            // Messages in English, whoever reads the log.
            env: BTreeMap::from([("LC_ALL".to_owned(), "C".to_owned())]),
            cwd: self.data.clone(),
            user: self.owner,
            port: Some(self.port),
            ready: Ready::Postgres(self.url("postgres")),
            stop: Stop::Postgres,
        }
    }

    /// Ends the server as a power cut would: no process of it gets to do anything more. What it had not made durable is lost.
    pub async fn crash(&self, supervisor: &Supervisor) -> Result<()> {
        let running = supervisor.find(NAME)?;
        // Its leader first and by its own name, for systems without /proc; backends then leave by themselves.
        if let Some(running) = &running {
            running.identity.signal(Signal::KILL);
        }
        leftover::kill_all(&self.data);
        if let Some(running) = running {
            supervisor.stop(&running, true).await?;
        }
        Ok(())
    }

    /// Starts the server again after a crash, and waits until it has recovered.
    pub async fn start_again(&self, supervisor: &Supervisor) -> Result<()> {
        leftover::clear(&self.data).await?;
        supervisor.start(&self.service()).await?;
        Ok(())
    }

    async fn make(&self) -> Result<()> {
        if let Some(parent) = self.data.parent() {
            make_dir(parent)?;
        }
        // What an interrupted initdb left.
        if self.data.exists() {
            std::fs::remove_dir_all(&self.data)
                .with_context(|| format!("removing {}", self.data.display()))?;
        }
        make_dir(&self.data)?;
        let password_file = self.data.with_extension("password");
        write_private(&password_file, &self.password)?;
        if let Some((uid, gid)) = self.owner {
            chown(&self.data, Some(uid), Some(gid))?;
            chown(&password_file, Some(uid), Some(gid))?;
        }

        let mut initdb = Command::new(self.pg.bindir.join("initdb"));
        initdb
            .arg("--pgdata")
            .arg(&self.data)
            .arg("--pwfile")
            .arg(&password_file);
        initdb.args([
            "--username",
            SUPERUSER,
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-instructions",
        ]);
        if self.pg.major >= 17 {
            // The same order of text on every machine, whatever its C library.
            initdb.args([
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
            ]);
        } else {
            initdb.args(["--locale=C.UTF-8"]);
        }
        initdb.current_dir("/");
        if let Some((uid, gid)) = self.owner {
            initdb.uid(uid).gid(gid);
        }
        let made = command::output(&mut initdb)
            .await
            .context("making the Postgres cluster");
        std::fs::remove_file(&password_file)?;
        if made.is_err() {
            let _ = std::fs::remove_dir_all(&self.data);
        }
        made.map(drop)
    }

    fn check_version(&self) -> Result<()> {
        let version = std::fs::read_to_string(self.data.join("PG_VERSION"))?;
        let version = version.trim();
        ensure!(
            version == self.pg.major.to_string(),
            "the cluster in {} was made by Postgres {version}, and this is {}: use that Postgres (--pg-config), another directory \
             (--dir), or throw the cluster away with `cargo xtask down --purge`",
            self.data.display(),
            self.pg.version
        );
        Ok(())
    }
}

/// Refuses to go on when the cluster is there and its password is not.
pub fn demand_secrets_beside_data(layout: &Layout) -> Result<()> {
    if has_data(&owner::readable_place(layout.dir(), "data")) && !layout.secrets().is_file() {
        bail!(
            "{} is gone and with it the password of the cluster beside it; `cargo xtask down --purge` throws the cluster away",
            layout.secrets().display()
        );
    }
    Ok(())
}

fn has_data(data: &Path) -> bool {
    data.join("PG_VERSION").is_file()
}
