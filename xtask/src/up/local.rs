//! The whole stack on this machine.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::database::{self, Fresh};
use crate::build::{self, Purpose};
use crate::cluster::{self, Cluster};
use crate::database::roles;
use crate::extension::{PgConfig, Profile};
use crate::layout::Layout;
use crate::ports::{self, Ports};
use crate::progress::Progress;
use crate::secrets::Secrets;
use crate::services::{Addresses, aimock, edge_api, helpdesk, lite, mailbox, worker};
use crate::setup::{self, Needs};
use crate::stack::Stack;
use crate::supervisor::{Service, Supervisor};

pub struct Options {
    pub pg_config: Option<PathBuf>,
    pub ports: Ports,
    /// Build edge-api, the worker and the extension first.
    pub build: Option<Purpose>,
    /// Data that a crash may lose, for tests.
    pub disposable: bool,
    /// What edge-api and the worker are told besides: where their traces go, where Stripe is. What is left out they take from this process's
    /// environment.
    pub environment: BTreeMap<String, String>,
}

/// Brings what is missing, builds, and starts everything in order. What was started stays when a later part fails: the caller stops it.
pub async fn bring_up(layout: &Layout, options: &Options, progress: Progress) -> Result<Stack> {
    let pg = setup::prepare(Needs::Stack, options.pg_config.as_deref(), progress).await?;
    let supervisor = Supervisor::new(layout);
    let stopped = supervisor.stop_all().await?;
    if !stopped.is_empty() {
        progress.line(format!(
            "  ✓ stopped what an earlier run left: {}",
            stopped.join(", ")
        ));
    }
    Stack::forget(layout)?;
    cluster::demand_secrets_beside_data(layout)?;
    let secrets = Secrets::load_or_make(layout)?;
    if let Some(purpose) = options.build {
        build_all(&pg, purpose, progress).await?;
    }

    let ports = options.ports;
    let (cluster, fresh) = open_cluster(layout, &pg, &ports, &secrets, options.disposable).await?;
    for (port, service, option) in ports.named() {
        ports::demand_free(port, service, option)?;
    }
    keep_last_logs(layout)?;

    let step = progress.step("Postgres");
    let postgres = cluster.service();
    supervisor.start(&postgres).await?;
    step.done_with(format!("{} on 127.0.0.1:{}", pg.version, ports.database));
    let fresh = if fresh { Fresh::Yes } else { Fresh::No };
    database::make_ready(&cluster.url("postgres"), &secrets, fresh, progress).await?;

    let addresses = Addresses::local(&ports);
    let mut services = vec![lite::service(&cluster, &ports, &secrets)];
    services.extend(aimock::service(&ports));
    services.push(helpdesk::service(&ports));
    services.push(mailbox::service(&ports));
    services.push(edge_api::service(
        &cluster.url_of(roles::EDGE, &secrets.edge_password, "postgres"),
        &edge_api::TokenCheck::Secret(secrets.jwt_secret.clone()),
        aimock::provider_environment(&addresses.llm)
            .into_iter()
            .chain([("AIAS_MASTER_KEY".to_owned(), secrets.master_key.clone())])
            .chain(options.environment.clone())
            .collect(),
        &layout.dir().join("spool"),
        &ports,
        &addresses,
    ));
    services.push(worker::service(
        &cluster.url_of(roles::WORKER, &secrets.worker_password, "postgres"),
        aimock::provider_environment(&addresses.llm)
            .into_iter()
            .chain(mailbox::environment(&ports))
            .chain([("AIAS_MASTER_KEY".to_owned(), secrets.master_key.clone())])
            .chain(options.environment.clone())
            .collect(),
        &format!("127.0.0.1:{}", ports.helpdesk),
        &ports,
        &addresses,
    ));
    start_all(&supervisor, &services, progress).await?;

    services.insert(0, postgres);
    let stack = Stack {
        ports,
        supabase_url: addresses.supabase,
        edge_url: addresses.edge,
        database_url: cluster.url("postgres"),
        publishable_key: Some(secrets.publishable_key),
        secret_key: Some(secrets.secret_key),
        jwt_secret: Some(secrets.jwt_secret),
        local: true,
        services,
    };
    stack.save(layout)?;
    Ok(stack)
}

/// Starts services side by side and waits until each can be used.
pub async fn start_all(
    supervisor: &Supervisor,
    services: &[Service],
    progress: Progress,
) -> Result<()> {
    let names: Vec<&str> = services
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    let step = progress.step(names.join(", "));
    let mut started = Vec::new();
    for service in services {
        started.push(supervisor.spawn(service)?);
    }
    for running in &started {
        step.note(&format!("waiting for {}", running.name));
        supervisor.wait_ready(running).await?;
    }
    step.done_with(format!("{} are ready", names.join(", ")));
    Ok(())
}

async fn build_all(pg: &PgConfig, purpose: Purpose, progress: Progress) -> Result<()> {
    build::programs(&build::SERVICES, purpose, progress).await?;
    build::install_extension(pg, Profile::Dev, progress).await
}

async fn open_cluster(
    layout: &Layout,
    pg: &PgConfig,
    ports: &Ports,
    secrets: &Secrets,
    disposable: bool,
) -> Result<(Cluster, bool)> {
    let (cluster, fresh) = Cluster::open(layout, pg, ports.database, secrets).await?;
    Ok((
        if disposable {
            cluster.disposable()
        } else {
            cluster
        },
        fresh,
    ))
}

/// The logs of this run begin empty; those of the last one stay beside them.
fn keep_last_logs(layout: &Layout) -> Result<()> {
    let (now, last) = (layout.dir().join("log"), layout.dir().join("log.last"));
    if now.is_dir() {
        if last.is_dir() {
            std::fs::remove_dir_all(&last)?;
        }
        std::fs::rename(&now, &last).context("putting the last logs aside")?;
    }
    Ok(())
}
