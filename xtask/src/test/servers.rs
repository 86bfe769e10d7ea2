//! The Postgres servers that gates share: made when the first one asks, thrown away at the end.

use anyhow::Result;
use sqlx::{AssertSqlSafe, Connection};

use crate::build;
use crate::cluster::Cluster;
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

/// Both ends of the range of versions that the code supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Newest,
    Oldest,
}

pub const BOTH: [End; 2] = [End::Newest, End::Oldest];

/// The Postgres of one end.
pub struct Source {
    /// Names the directory of its server.
    name: &'static str,
    /// The extension is built for this one.
    pub original: PgConfig,
    /// It is installed into this copy, and servers run from there.
    pub copy: PgConfig,
}

impl Source {
    pub async fn newest(original: PgConfig, progress: Progress) -> Result<Self> {
        let copy = setup::embedded_18(progress).await?;
        Ok(Self {
            name: "newest",
            original,
            copy,
        })
    }

    pub async fn oldest(progress: Progress) -> Result<Self> {
        let copy = setup::debian_15(progress).await?;
        Ok(Self {
            name: "oldest",
            original: copy.clone(),
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
        let layout = layout_of(source.name)?;
        clear(&layout).await?;
        let secrets = Secrets::load_or_make(&layout)?;
        let (cluster, _) =
            Cluster::open(&layout, &source.copy, Ports::free()?.database, &secrets).await?;
        let cluster = cluster.disposable();
        Supervisor::new(&layout).start(&cluster.service()).await?;
        step.note("a template database");
        let template = make_template(&cluster, &secrets).await?;
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

/// A server of each end, once somebody asked for it.
pub struct Servers {
    newest: (Source, Option<Server>),
    oldest: (Source, Option<Server>),
}

impl Servers {
    pub fn new(newest: Source, oldest: Source) -> Self {
        Self {
            newest: (newest, None),
            oldest: (oldest, None),
        }
    }

    pub fn source(&self, end: End) -> &Source {
        match end {
            End::Newest => &self.newest.0,
            End::Oldest => &self.oldest.0,
        }
    }

    pub async fn demand(&mut self, end: End, progress: Progress) -> Result<&Server> {
        let (source, place) = match end {
            End::Newest => (&self.newest.0, &mut self.newest.1),
            End::Oldest => (&self.oldest.0, &mut self.oldest.1),
        };
        let server = match place.take() {
            Some(server) => server,
            None => Server::start(source, progress).await?,
        };
        Ok(place.insert(server))
    }
}

/// Stops every server that a gate may have started, and throws its data away.
pub async fn stop_all() -> Result<()> {
    for name in ["newest", "oldest"] {
        clear(&layout_of(name)?).await?;
    }
    Ok(())
}

fn layout_of(name: &str) -> Result<Layout> {
    Layout::new(&layout::tools().join("test").join(name))
}

async fn clear(layout: &Layout) -> Result<()> {
    Supervisor::new(layout).stop_all().await?;
    down::purge(layout)
}
