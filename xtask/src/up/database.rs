//! Everything inside the database, in order.

use anyhow::Result;
use sqlx::Connection;

use crate::database::{connect, migrate, policies, roles, seed};
use crate::progress::Progress;
use crate::secrets::Secrets;
use crate::services::lite;

/// Whether the database was made just now. The seed is for such ones only: it must not come back to somebody who deleted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fresh {
    Yes,
    No,
}

/// Migrations, policies, passwords, the seed, and the role of Supabase Lite.
pub async fn make_ready(
    url: &str,
    secrets: &Secrets,
    fresh: Fresh,
    progress: Progress,
) -> Result<()> {
    let step = progress.step("the database");
    let mut connection = connect(url).await?;
    step.note("migrations");
    let migrations = migrate::apply(&mut connection).await?;
    step.note("policies");
    let policies = policies::apply(&mut connection).await?;
    roles::set_passwords(&mut connection, secrets).await?;
    let mut done = format!(
        "{} applied, policies of {policies} files",
        counted(migrations.len(), "migration")
    );
    // A first run that was killed half-way left the seed to the second: what matters is whether migrations began from nothing.
    if fresh == Fresh::Yes || !migrations.is_empty() {
        step.note("seed");
        if seed::apply_once(&mut connection).await? {
            done.push_str(", seed");
        }
    }
    lite::prepare_role(&mut connection, secrets).await?;
    connection.close().await?;
    step.done_with(done);
    Ok(())
}

fn counted(count: usize, thing: &str) -> String {
    match count {
        0 => format!("no new {thing}"),
        1 => format!("1 {thing}"),
        many => format!("{many} {thing}s"),
    }
}
