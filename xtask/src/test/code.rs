//! Gates that read the code and compile it.

use std::os::unix::fs::PermissionsExt;

use anyhow::{Result, ensure};
use tokio::process::Command;

use super::Context;
use super::counts::Counts;
use crate::build::{self, PACKAGES, build_extension, cargo};
use crate::command;
use crate::extension::{self, Profile};

/// What needs no database to be tested.
const PURE: &str = "package(workflow) | package(llm) | package(agents) | package(outbound) | package(traces) | package(vault) \
                    | (package(xtask) - binary_id(xtask::stripe_sync_plans)) | package(fuzz) | package(crash)";

pub async fn fmt(_: &Context) -> Result<Counts> {
    let mut command = cargo();
    command.args(["fmt", "--all", "--check"]);
    demand(&mut command, "`cargo fmt --all` formats it").await?;
    Ok(Counts::default())
}

pub async fn clippy(context: &Context) -> Result<Counts> {
    let mut workspace = cargo();
    workspace
        .args(["clippy", "--all-targets", "--all-features"])
        .args(PACKAGES)
        .args(["--", "-D", "warnings"]);
    demand(&mut workspace, "clippy has something to say").await?;

    // The extension binds to one server, so it is looked at by itself, beside its own build.
    let mut extension = cargo();
    let pg = &context.servers.source(0).original;
    let feature = pg.feature();
    extension.args([
        "clippy",
        "--package",
        "aias",
        "--no-deps",
        "--features",
        &feature,
        "--target-dir",
    ]);
    extension.arg(crate::layout::root().join("target").join(&feature));
    extension
        .env("PGRX_PG_CONFIG_PATH", &pg.path)
        .args(["--", "-D", "warnings"]);
    demand(
        &mut extension,
        "clippy has something to say about the extension",
    )
    .await?;
    Ok(Counts::default())
}

pub async fn unit(_: &Context) -> Result<Counts> {
    let mut tests = build::tests();
    tests.args(["-E", PURE]);
    let mut counts = Counts::nextest(&demand(&mut tests, "unit tests failed").await?);
    let mut examples = cargo();
    examples
        .args(["test", "--doc", "--all-features"])
        .args(PACKAGES);
    counts.add(&Counts::doctests(
        &demand(&mut examples, "an example in the documentation fails").await?,
    ));
    Ok(counts)
}

/// Builds for every version, and checks the committed install script against what the code describes.
pub async fn extension(context: &Context) -> Result<Counts> {
    let count = context.servers.count();
    for number in 0..count {
        let pg = &context.servers.source(number).original;
        let built = build_extension(pg, Profile::Dev).await?;
        extension::check_committed_sql(&built)?;
        context
            .progress
            .line(format!("  ✓ builds for {}", pg.version));
    }
    check_for_17(context).await?;
    Ok(Counts::of("checks", count as u64 + 1))
}

/// That the code fits Postgres 17, of which no package is at hand: pgrx-pg-sys carries bindings for it that were made elsewhere, and uses
/// them when it is told that it is being documented.
async fn check_for_17(context: &Context) -> Result<()> {
    let wrapper = crate::layout::tools().join("test/rustc-for-17.sh");
    std::fs::write(&wrapper, RUSTC_FOR_17)?;
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755))?;
    let mut check = cargo();
    check
        .args(["check", "--package", "aias", "--features", "pg17"])
        .env("RUSTC_WRAPPER", &wrapper)
        .env("DOCS_RS", "1");
    demand(&mut check, "the extension does not fit Postgres 17").await?;
    context.progress.line("  ✓ fits Postgres 17");
    Ok(())
}

/// Only to that one crate: others would ask for a nightly compiler.
const RUSTC_FOR_17: &str = r#"#!/bin/sh
[ "$CARGO_PKG_NAME" = pgrx-pg-sys ] && exec "$@" --cfg docsrs
exec "$@"
"#;

pub async fn prepare(context: &mut Context) -> Result<Counts> {
    let server = context.servers.demand(0, context.progress).await?;
    crate::prepare::check(server, context.progress).await?;
    Ok(Counts::of("checks", 1))
}

/// Runs a command whose lines are shown as they come; `otherwise` is the error when it fails.
pub async fn demand(command: &mut Command, otherwise: &str) -> Result<String> {
    let (succeeded, output) = command::shown_and_kept(command).await?;
    ensure!(succeeded, "{otherwise}");
    Ok(output)
}
