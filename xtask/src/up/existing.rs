//! Only edge-api and a worker, beside a Supabase that is there already.

use anyhow::{Context, Result};
use sqlx::Connection;

use crate::build::{self, Purpose};
use crate::cli::UpArgs;
use crate::database::{connect, migrate, policies};
use crate::layout::Layout;
use crate::ports;
use crate::progress::Progress;
use crate::services::edge_api::TokenCheck;
use crate::services::{Addresses, edge_api, worker};
use crate::stack::Stack;
use crate::supervisor::Supervisor;

pub async fn bring_up(args: &UpArgs, layout: &Layout, progress: Progress) -> Result<Stack> {
    let existing = &args.existing;
    let database_url = existing
        .database_url
        .as_deref()
        .context("--database-url is missing")?;
    let supabase_url = existing
        .supabase_url
        .as_deref()
        .context("--supabase-url is missing")?
        .trim_end_matches('/');
    let supervisor = Supervisor::new(layout);
    supervisor.stop_all().await?;
    Stack::forget(layout)?;

    let mut connection = connect(database_url)
        .await
        .context("the existing Supabase's database does not answer")?;
    if existing.migrate {
        let step = progress.step("migrations and policies");
        let applied = migrate::apply(&mut connection).await?;
        let files = policies::apply(&mut connection).await?;
        step.done_with(format!(
            "{} migrations applied, policies of {files} files",
            applied.len()
        ));
    }
    connection.close().await?;

    build::programs(&build::SERVICES, Purpose::Use, progress).await?;
    let ports = args.ports.choose()?;
    for (port, service, option) in ports
        .named()
        .into_iter()
        .filter(|(port, ..)| *port == ports.edge || *port == ports.metrics)
    {
        ports::demand_free(port, service, option)?;
    }
    let tokens = match (&existing.jwt_secret, &existing.jwks_url) {
        (Some(secret), _) => TokenCheck::Secret(secret.clone()),
        (None, Some(url)) => TokenCheck::Jwks(url.clone()),
        (None, None) => TokenCheck::Jwks(format!("{supabase_url}/auth/v1/.well-known/jwks.json")),
    };
    let addresses = Addresses::local(&ports);
    let services = vec![
        // The master key and the providers' keys come from the environment, here and there; nothing here is a stand-in.
        edge_api::service(
            database_url,
            &tokens,
            Default::default(),
            &layout.dir().join("spool"),
            &ports,
            &addresses,
        ),
        worker::service(database_url, Default::default(), "", &ports, &addresses),
    ];
    super::start_all(&supervisor, &services, progress).await?;
    let stack = Stack {
        ports,
        supabase_url: supabase_url.to_owned(),
        edge_url: addresses.edge,
        database_url: database_url.to_owned(),
        publishable_key: existing.publishable_key.clone(),
        secret_key: None,
        jwt_secret: None,
        local: false,
        services,
    };
    stack.save(layout)?;
    Ok(stack)
}
