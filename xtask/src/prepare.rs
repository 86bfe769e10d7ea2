//! `cargo xtask prepare`: `.sqlx`, the description of every checked query, so that the code compiles without a database.
//!
//! sqlx writes these files while it expands its macros against a live database. Cargo expands only what changed, so the crates that
//! use the macros are touched first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};

use crate::build;
use crate::cli::PrepareArgs;
use crate::command;
use crate::extension::PgConfig;
use crate::layout::{self, make_dir};
use crate::progress::{Lines, Progress};
use crate::setup;
use crate::test::{Server, Source, Version, stop_servers};

/// The crates whose queries are checked when they are compiled.
const CRATES: [(&str, &str); 3] = [
    ("edge-api", "edge-api/src"),
    ("workers", "workers/src"),
    ("tests", "tests/src"),
];

pub async fn run(args: &PrepareArgs) -> Result<()> {
    let progress = Progress::new(Lines::Stdout);
    let pg = setup::installed(args.postgres.pg_config.as_deref())?;
    let outcome = with_server(pg, args.check, progress).await;
    stop_servers().await?;
    outcome
}

async fn with_server(pg: PgConfig, only_check: bool, progress: Progress) -> Result<()> {
    let server = Server::start(
        &Source::of(Version::Eighteen, &pg, progress).await?,
        progress,
    )
    .await?;
    if only_check {
        check(&server, progress).await
    } else {
        write(&server, progress).await
    }
}

/// Says whether the committed `.sqlx` is what the queries and the schema say.
pub async fn check(server: &Server, progress: Progress) -> Result<()> {
    let described = describe(server, progress).await?;
    let committed = read_all(&committed())?;
    let stale: Vec<&str> = described
        .iter()
        .filter(|(name, content)| committed.get(*name) != Some(*content))
        .map(|(name, _)| name.as_str())
        .chain(
            committed
                .keys()
                .filter(|name| !described.contains_key(*name))
                .map(String::as_str),
        )
        .collect();
    ensure!(
        stale.is_empty(),
        ".sqlx is out of date ({} files); `cargo xtask prepare` writes it anew: {}",
        stale.len(),
        stale.join(", ")
    );
    progress.line(format!(
        "  ✓ .sqlx describes {} queries and is up to date",
        described.len()
    ));
    Ok(())
}

async fn write(server: &Server, progress: Progress) -> Result<()> {
    let described = describe(server, progress).await?;
    let committed = committed();
    if committed.is_dir() {
        std::fs::remove_dir_all(&committed)?;
    }
    make_dir(&committed)?;
    for (name, content) in &described {
        std::fs::write(committed.join(name), content)?;
    }
    progress.line(format!("  ✓ .sqlx describes {} queries", described.len()));
    Ok(())
}

/// Compiles against a scratch database and returns what sqlx wrote, by file name.
async fn describe(server: &Server, progress: Progress) -> Result<BTreeMap<String, String>> {
    let written = layout::tools().join("test/sqlx");
    if written.exists() {
        std::fs::remove_dir_all(&written)?;
    }
    make_dir(&written)?;
    for (_, source) in CRATES {
        touch(&layout::root().join(source))?;
    }
    let step = progress.step("checking every query against the schema");
    let mut cargo = build::cargo();
    cargo
        .args(["check", "--all-targets", "--all-features"])
        .args(build::PACKAGES)
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", &written)
        .env("DATABASE_URL", server.url(server.template()));
    command::watched(&mut cargo, &step)
        .await
        .context("checking the queries")?;
    step.done();
    read_all(&written)
}

/// Makes cargo compile a crate again.
fn touch(source: &Path) -> Result<()> {
    for name in ["lib.rs", "main.rs"] {
        let path = source.join(name);
        if path.is_file() {
            let file = std::fs::File::options().append(true).open(&path)?;
            file.set_modified(SystemTime::now())
                .with_context(|| format!("touching {}", path.display()))?;
        }
    }
    Ok(())
}

fn read_all(dir: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Ok(files);
    };
    for entry in entries {
        let entry = entry?;
        files.insert(
            entry.file_name().to_string_lossy().into_owned(),
            std::fs::read_to_string(entry.path())?,
        );
    }
    Ok(files)
}

fn committed() -> PathBuf {
    layout::root().join(".sqlx")
}
