use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::PgConfig;
use super::sql::committed_sql_path;

/// How cargo compiles the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build: for tests.
    Dev,
    /// For benchmarks and for shipping.
    Release,
}

/// The files that make the extension, for one major version of Postgres.
#[derive(Clone, Debug)]
pub struct Built {
    /// The shared library.
    pub library: PathBuf,
    /// `aias.control`.
    pub control: PathBuf,
    /// The install script, `aias--<version>.sql`.
    pub sql: PathBuf,
    /// The version that the control file names.
    pub version: String,
}

/// Compiles the extension against the headers of `pg`.
///
/// Each major version has a target directory of its own, `target/pgNN`: cargo gives a shared library no hash in its name, so in one
/// directory the builds for 15 and 18 would overwrite each other and recompile at every turn.
pub fn build(pg: &PgConfig, profile: Profile) -> Result<Built> {
    let root = workspace_root()?;
    let target = target_root(&root).join(pg.feature());

    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(&root)
        .args([
            "rustc",
            "--package",
            "aias",
            "--lib",
            "--crate-type",
            "cdylib",
        ])
        .args(["--features", &pg.feature()])
        .arg("--target-dir")
        .arg(&target)
        .env("PGRX_PG_CONFIG_PATH", &pg.path)
        // An outer `cargo run` sets these for its own package.
        .env_remove("CARGO_MANIFEST_DIR")
        .env_remove("CARGO_TARGET_DIR");
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    cargo.args(["--", "-C", link_argument()]);

    let status = cargo.status().context("could not run cargo")?;
    ensure!(
        status.success(),
        "cargo could not build the extension for {}",
        pg.version
    );

    let library = target
        .join(match profile {
            Profile::Dev => "debug",
            Profile::Release => "release",
        })
        .join(format!("libaias{}", std::env::consts::DLL_SUFFIX));
    if !library.is_file() {
        bail!("cargo left no library at {}", library.display());
    }

    let control = root.join("pg-extension/aias.control");
    Ok(Built {
        version: default_version(&control)?,
        sql: committed_sql_path(&root, &control)?,
        library,
        control,
    })
}

/// The linker drops sections that nothing refers to, and nothing refers to the one that describes the SQL objects. On macOS the
/// linker keeps it, but wants to be told that Postgres's own symbols are found when the server loads the library.
fn link_argument() -> &'static str {
    if cfg!(target_os = "macos") {
        "link-arg=-Wl,-undefined,dynamic_lookup"
    } else {
        "link-arg=-Wl,--no-gc-sections"
    }
}

fn target_root(root: &Path) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root.join(dir),
        None => root.join("target"),
    }
}

pub(super) fn workspace_root() -> Result<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_path_buf)
        .context("xtask is not inside a workspace")
}

/// The value of `default_version` in the control file.
pub(super) fn default_version(control: &Path) -> Result<String> {
    let text = std::fs::read_to_string(control)
        .with_context(|| format!("could not read {}", control.display()))?;
    text.lines()
        .filter_map(|line| line.split_once('='))
        .find(|(key, _)| key.trim() == "default_version")
        .map(|(_, value)| value.trim().trim_matches('\'').to_owned())
        .with_context(|| format!("{} names no default_version", control.display()))
}
