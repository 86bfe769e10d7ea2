//! The suites that need a database, on both ends of the range of Postgres versions.

use anyhow::Result;

use super::Context;
use super::code::{demand, packages};
use super::counts::Counts;
use crate::build::cargo;

/// Each of their tests makes a database of its own on the server.
const PACKAGES: [&str; 3] = ["edge-api", "workers", "tests"];

pub async fn run(context: &mut Context) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut failed = Vec::new();
    for number in 0..context.servers.count() {
        let server = context.servers.demand(number, context.progress).await?;
        context.progress.line(format!("on {}", server.pg().version));
        let mut services = cargo();
        services
            .args(["nextest", "run", "--no-fail-fast"])
            .args(packages(&PACKAGES));
        // By itself, because it opens many sessions. The load of 200 sessions is left to `cargo nextest run -p aias-extension-tests`.
        let mut extension = cargo();
        extension
            .args(["nextest", "run", "--no-fail-fast"])
            .args(packages(&["aias-extension-tests"]))
            .args(["-E", "not binary(quota_load)"]);
        for tests in [&mut services, &mut extension] {
            tests
                .env("DATABASE_URL", server.url("postgres"))
                .env("AIAS_TEST_DATABASE_URL", server.url("postgres"));
            match demand(tests, "database tests failed").await {
                Ok(output) => counts.add(&Counts::nextest(&output)),
                Err(_) => failed.push(server.pg().version.clone()),
            }
        }
    }
    anyhow::ensure!(
        failed.is_empty(),
        "database tests failed on {}",
        failed.join(" and ")
    );
    Ok(counts)
}
