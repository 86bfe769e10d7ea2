//! The Postgres servers that gates share: made when the first one asks, thrown away at the end.

use anyhow::Result;
use sqlx::Connection;

use crate::build;
use crate::cluster::Cluster;
use crate::database::scratch::Scratch;
use crate::database::{connect, migrate, policies, seed};
use crate::down;
use crate::extension::{PgConfig, Profile};
use crate::layout::{self, Layout};
use crate::ports::Ports;
use crate::progress::Progress;
use crate::secrets::Secrets;
use crate::supervisor::Supervisor;

const NAMES: [&str; 3] = ["pg18", "pg15", "prepare"];

/// A cluster of its own on a free port, with the extension installed.
pub struct Server {
    cluster: Cluster,
    template: Option<Scratch>,
}

impl Server {
    /// Begins from nothing, whatever an earlier run left under this name.
    pub async fn start(name: &'static str, pg: &PgConfig, progress: Progress) -> Result<Self> {
        build::install_extension(pg, Profile::Dev, progress).await?;
        let step = progress.step(format!("a server of {}", pg.version));
        let layout = layout_of(name)?;
        clear(&layout).await?;
        let secrets = Secrets::load_or_make(&layout)?;
        let (cluster, _) = Cluster::open(&layout, pg, Ports::free()?.database, &secrets).await?;
        let cluster = cluster.disposable();
        Supervisor::new(&layout).start(&cluster.service()).await?;
        step.done();
        Ok(Self {
            cluster,
            template: None,
        })
    }

    pub fn pg(&self) -> &PgConfig {
        self.cluster.pg()
    }

    /// For the superuser.
    pub fn url(&self, database: &str) -> String {
        self.cluster.url(database)
    }

    /// A database with migrations, policies and seed, to be copied and not to be changed.
    pub async fn template(&mut self) -> Result<String> {
        if self.template.is_none() {
            let template = Scratch::create(&self.url("postgres"), "template", "template0").await?;
            let mut connection = connect(&template.url()?).await?;
            migrate::apply(&mut connection).await?;
            policies::apply(&mut connection).await?;
            seed::apply_once(&mut connection).await?;
            connection.close().await?;
            self.template = Some(template);
        }
        Ok(self
            .template
            .as_ref()
            .map(|template| template.name().to_owned())
            .unwrap_or_default())
    }
}

#[derive(Default)]
pub struct Servers {
    pg18: Option<Server>,
    pg15: Option<Server>,
}

impl Servers {
    pub async fn pg18(&mut self, pg: &PgConfig, progress: Progress) -> Result<&mut Server> {
        Self::demand(&mut self.pg18, "pg18", pg, progress).await
    }

    pub async fn pg15(&mut self, pg: &PgConfig, progress: Progress) -> Result<&mut Server> {
        Self::demand(&mut self.pg15, "pg15", pg, progress).await
    }

    async fn demand<'a>(
        place: &'a mut Option<Server>,
        name: &'static str,
        pg: &PgConfig,
        progress: Progress,
    ) -> Result<&'a mut Server> {
        let server = match place.take() {
            Some(server) => server,
            None => Server::start(name, pg, progress).await?,
        };
        Ok(place.insert(server))
    }
}

/// Stops every server that a gate may have started, and throws its data away.
pub async fn stop_all() -> Result<()> {
    for name in NAMES {
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
