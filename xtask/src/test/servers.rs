//! The Postgres servers that gates share: made when the first one asks, thrown away at the end.

use anyhow::Result;
use clap::ValueEnum;
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection};

use crate::build;
use crate::cluster::{Cluster, owner};
use crate::database::scratch::Scratch;
use crate::database::{connect, migrate, policies, roles, seed};
use crate::down;
use crate::extension::{PgConfig, Profile};
use crate::layout::{self, Layout};
use crate::ports::Ports;
use crate::progress::Progress;
use crate::secrets::Secrets;
use crate::setup;
use crate::supervisor::Supervisor;

/// The Postgres that gates run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Version {
    #[value(name = "18")]
    Eighteen,
    #[value(name = "16")]
    Sixteen,
    #[value(name = "15")]
    Fifteen,
}

impl Version {
    /// The number, which names the directory of its server.
    fn name(self) -> &'static str {
        match self {
            Version::Eighteen => "18",
            Version::Sixteen => "16",
            Version::Fifteen => "15",
        }
    }
}

/// Where a Postgres comes from.
pub struct Source {
    version: Version,
    /// The extension is built for this one.
    pub original: PgConfig,
    /// It is installed into this copy, and servers run from there.
    pub copy: PgConfig,
}

impl Source {
    /// `embedded` is the Postgres 18 that a stack runs on.
    pub async fn of(version: Version, embedded: &PgConfig, progress: Progress) -> Result<Self> {
        let (original, copy) = match version {
            Version::Eighteen => (embedded.clone(), setup::embedded_18(progress).await?),
            Version::Sixteen => {
                let copy = setup::wheel_16(progress).await?;
                (copy.clone(), copy)
            }
            Version::Fifteen => {
                let copy = setup::debian_15(progress).await?;
                (copy.clone(), copy)
            }
        };
        Ok(Self {
            version,
            original,
            copy,
        })
    }
}

/// A cluster of its own on a free port, with the extension installed.
pub struct Server {
    cluster: Cluster,
    template: Scratch,
}

impl Server {
    /// Begins from nothing, whatever an earlier run left.
    pub async fn start(source: &Source, progress: Progress) -> Result<Self> {
        build::install_extension_into(&source.copy, &source.original, Profile::Dev, progress)
            .await?;
        let step = progress.step(format!("a server of {}", source.copy.version));
        let layout = layout_of(source.version)?;
        clear(&layout).await?;
        let secrets = Secrets::load_or_make(&layout)?;
        owner::keep_in_memory(layout.dir(), "data")?;
        let (cluster, _) =
            Cluster::open(&layout, &source.copy, Ports::free()?.database, &secrets).await?;
        let cluster = cluster.disposable();
        Supervisor::new(&layout).start(&cluster.service()).await?;
        step.note("a template database");
        let template = make_template(&cluster, &secrets).await?;
        migrate_template1(&cluster).await?;
        step.done();
        Ok(Self { cluster, template })
    }

    pub fn pg(&self) -> &PgConfig {
        self.cluster.pg()
    }

    /// For the superuser.
    pub fn url(&self, database: &str) -> String {
        self.cluster.url(database)
    }

    /// A database with migrations, policies and seed, to be copied and not to be changed.
    pub fn template(&self) -> &str {
        self.template.name()
    }
}

async fn make_template(cluster: &Cluster, secrets: &Secrets) -> Result<Scratch> {
    let template = Scratch::create(&cluster.url("postgres"), "template", "template0").await?;
    let mut connection = connect(&template.url()?).await?;
    migrate::apply(&mut connection).await?;
    policies::apply(&mut connection).await?;
    seed::apply_once(&mut connection).await?;
    // Tests that log in as a service take the URL that they were given and change the name in it.
    for role in [roles::EDGE, roles::WORKER] {
        let statement = format!("alter role {role} password '{}'", secrets.postgres_password);
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await?;
    }
    connection.close().await?;
    Ok(template)
}

/// `#[sqlx::test]` makes a database for each test, as a copy of template1, and applies what it finds missing there: that is nothing then.
async fn migrate_template1(cluster: &Cluster) -> Result<()> {
    let mut connection = connect(&cluster.url("template1")).await?;
    Migrator::new(layout::root().join("migrations"))
        .await?
        .run(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}

/// A server of each version, once somebody asked for it.
pub struct Servers(Vec<(Source, Option<Server>)>);

impl Servers {
    /// At least one.
    pub fn new(sources: Vec<Source>) -> Self {
        Self(sources.into_iter().map(|source| (source, None)).collect())
    }

    /// How many versions there are; each has a number below that. The first serves the gates that want only one.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub fn source(&self, number: usize) -> &Source {
        &self.0[number].0
    }

    pub async fn demand(&mut self, number: usize, progress: Progress) -> Result<&Server> {
        let (source, place) = &mut self.0[number];
        let server = match place.take() {
            Some(server) => server,
            None => Server::start(source, progress).await?,
        };
        Ok(place.insert(server))
    }
}

/// Stops every server that a gate may have started, and throws its data away.
pub async fn stop_all() -> Result<()> {
    for version in Version::value_variants() {
        clear(&layout_of(*version)?).await?;
    }
    Ok(())
}

fn layout_of(version: Version) -> Result<Layout> {
    Layout::new(&layout::tools().join("test").join(version.name()))
}

async fn clear(layout: &Layout) -> Result<()> {
    Supervisor::new(layout).stop_all().await?;
    down::purge(layout)
}
