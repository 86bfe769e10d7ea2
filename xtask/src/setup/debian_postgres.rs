//! A private copy of Debian's Postgres 15, so that the gates can install the extension into it without touching `/usr`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::cluster::owner;
use crate::command;
use crate::extension::PgConfig;
use crate::layout::{self, make_dir};
use crate::progress::Progress;

/// Postgres finds its libraries and scripts relative to its own program, so a copy with the same shape is a whole installation.
pub async fn debian_15(progress: Progress) -> Result<PgConfig> {
    let prefix = owner::readable_place(&layout::tools(), "postgres-15");
    let pg_config = prefix.join("lib/postgresql/15/bin/pg_config");
    let source = PgConfig::query("/usr/lib/postgresql/15/bin/pg_config")
        .context("Debian's postgresql-15")?;
    let stamp = prefix.join("version");
    if std::fs::read_to_string(&stamp).is_ok_and(|version| version == source.version) {
        return PgConfig::query(pg_config);
    }

    let step = progress.step("a copy of Debian's Postgres 15");
    if prefix.exists() {
        std::fs::remove_dir_all(&prefix)?;
    }
    for part in [
        "lib/postgresql/15",
        "share/postgresql/15",
        "include/postgresql",
    ] {
        let to = prefix.join(part);
        make_dir(to.parent().unwrap_or(&prefix))?;
        command::output(
            Command::new("cp")
                .args(["-a", "--dereference"])
                .arg(Path::new("/usr").join(part))
                .arg(&to),
        )
        .await?;
    }
    std::fs::write(&stamp, &source.version)?;
    owner::link_to_place(&layout::tools(), "postgres-15", &prefix)?;
    step.done();
    PgConfig::query(pg_config)
}

/// pgTAP is SQL alone: Debian's files for 15 serve any Postgres.
pub fn copy_pgtap(to: &PgConfig) -> Result<()> {
    let from = PathBuf::from("/usr/share/postgresql/15/extension");
    for file in std::fs::read_dir(&from).with_context(|| format!("reading {}", from.display()))? {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with("pgtap") {
            let target = to.extension_dir().join(file.file_name());
            if !target.exists() {
                std::fs::copy(file.path(), &target)
                    .with_context(|| format!("writing {}", target.display()))?;
            }
        }
    }
    Ok(())
}
