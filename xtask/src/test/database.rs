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
        // The isolation suite is a gate of its own.
        let mut ours = packages(&PACKAGES);
        ours.extend(["-E", "not (package(tests) & binary(isolation))"]);
        let suites = [
            ours,
            // By itself, because it opens many sessions.
            vec![
                "--package",
                "aias-extension-tests",
                "-E",
                "not binary(quota_load)",
            ],
            // And 200 sessions by themselves, one test after the other.
            vec![
                "--package",
                "aias-extension-tests",
                "-E",
                "binary(quota_load)",
                "--test-threads",
                "1",
            ],
        ];
        for suite in suites {
            let mut tests = cargo();
            tests
                .args(["nextest", "run", "--no-fail-fast"])
                .args(suite)
                .env("DATABASE_URL", server.url("postgres"))
                .env("AIAS_TEST_DATABASE_URL", server.url("postgres"));
            match demand(&mut tests, "database tests failed").await {
                Ok(output) => counts.add(&Counts::nextest(&output)),
                Err(_) => failed.push(server.pg().version.clone()),
            }
        }
    }
    failed.dedup();
    anyhow::ensure!(
        failed.is_empty(),
        "database tests failed on {}",
        failed.join(", ")
    );
    Ok(counts)
}
