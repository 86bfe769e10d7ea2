//! Building the project's own programs.

use std::path::PathBuf;

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::cli::{ExtensionAction, ExtensionArgs};
use crate::command;
use crate::extension::{self, Built, PgConfig, Profile};
use crate::layout;
use crate::progress::{Lines, Progress};
use crate::setup;

/// Every package but the extension, which binds to one server. Cargo compiles what packages share with the features that all selected ones
/// want: always the same selection, so that it is compiled once, whatever of it is asked for.
pub const PACKAGES: [&str; 3] = ["--workspace", "--exclude", "aias"];

/// What programs are built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// As they are, in cargo's dev profile.
    Use,
    /// With all optimisations.
    Release,
    /// Beside the tests, which want some features more: what they have compiled is used as it is.
    Tests,
}

impl Purpose {
    /// `--release`, when somebody wants that.
    pub fn of(release: bool) -> Self {
        if release { Self::Release } else { Self::Use }
    }

    /// Where cargo puts a program.
    pub fn binary(self, name: &str) -> PathBuf {
        match self {
            Self::Use | Self::Tests => binary(name),
            Self::Release => release_binary(name),
        }
    }
}

/// Programs of this workspace.
pub async fn programs(names: &[&str], purpose: Purpose, progress: Progress) -> Result<()> {
    let all = names.join(", ");
    let step = progress.step(&all);
    let mut cargo = cargo();
    cargo.arg("build").args(PACKAGES);
    match purpose {
        Purpose::Use => {}
        Purpose::Release => {
            cargo.arg("--release");
        }
        Purpose::Tests => {
            cargo.args(["--all-features", "--tests"]);
        }
    }
    for name in names {
        cargo.args(["--bin", name]);
    }
    command::watched(&mut cargo, &step)
        .await
        .with_context(|| format!("building {all}"))?;
    step.done_with(format!("built: {all}"));
    Ok(())
}

/// The tests of all packages, to be told by an expression of nextest's which of them to run.
pub fn tests() -> Command {
    let mut tests = cargo();
    tests
        .args(["nextest", "run", "--no-fail-fast", "--all-features"])
        .args(PACKAGES);
    tests
}

/// The services of a stack.
pub const SERVICES: [&str; 2] = ["edge-api", "worker"];

/// Builds the extension for a server and installs it there.
pub async fn install_extension(pg: &PgConfig, profile: Profile, progress: Progress) -> Result<()> {
    install_extension_into(pg, pg, profile, progress).await
}

/// Builds the extension for one server and installs it into a copy of that.
pub async fn install_extension_into(
    copy: &PgConfig,
    original: &PgConfig,
    profile: Profile,
    progress: Progress,
) -> Result<()> {
    let step = progress.step(format!("the extension for {}", original.version));
    let built = build_extension(original, profile).await?;
    let installed = extension::install(&built, copy)?;
    let done = if installed.changed {
        "installed"
    } else {
        "up to date"
    };
    step.done_with(format!("the extension for {} is {done}", original.version));
    Ok(())
}

/// The build blocks its thread, which the progress bar's thread does not mind.
pub async fn build_extension(pg: &PgConfig, profile: Profile) -> Result<Built> {
    let pg = pg.clone();
    tokio::task::spawn_blocking(move || extension::build(&pg, profile)).await?
}

/// `cargo xtask extension`.
pub async fn extension_command(args: &ExtensionArgs) -> Result<()> {
    let progress = Progress::new(Lines::Stdout);
    let pg = setup::installed(args.postgres.pg_config.as_deref())?;
    match args.action {
        ExtensionAction::Build => install_extension(&pg, Profile::Dev, progress).await?,
        ExtensionAction::Sql => {
            let built = build_extension(&pg, Profile::Dev).await?;
            let changed = extension::write_committed_sql(&built)?;
            progress.line(if changed {
                "the install script is written anew"
            } else {
                "the install script was up to date"
            });
        }
        ExtensionAction::Check => {
            extension::check_committed_sql(&build_extension(&pg, Profile::Dev).await?)?
        }
    }
    Ok(())
}

/// Cargo at the root of the repository, free of what an outer `cargo run` sets for its own package. Queries are checked against the
/// committed `.sqlx`, whatever database the environment names.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(layout::root())
        .env("SQLX_OFFLINE", "true");
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("CARGO_PKG_")
            || name.starts_with("CARGO_MANIFEST_")
            || name == "CARGO_BIN_NAME"
        {
            cargo.env_remove(&variable);
        }
    }
    cargo
}

/// Where cargo puts a program of the dev profile.
pub fn binary(name: &str) -> PathBuf {
    built(name, "debug")
}

/// Where cargo puts a program of the release profile.
fn release_binary(name: &str) -> PathBuf {
    built(name, "release")
}

fn built(name: &str, profile: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| layout::root().join("target"), PathBuf::from);
    target
        .join(profile)
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}
