//! The suites that need a database, on both ends of the range of Postgres versions.

use anyhow::Result;

use super::Context;
use super::code::demand;
use super::counts::Counts;
use crate::build;

/// What runs one after the other on a server.
const SUITES: [&[&str]; 3] = [
    // Each of their tests makes a database of its own. The isolation suite is a gate of its own, and the end-to-end tests want a stack.
    &[
        "-E",
        "package(edge-api) | package(workers) | (package(tests) - binary_id(tests::isolation) - binary_id(tests::e2e)) | binary_id(xtask::stripe_sync_plans)",
    ],
    // By itself, because it opens many sessions.
    &["-E", "package(aias-extension-tests) - binary(quota_load)"],
    // And 200 sessions by themselves, one test after the other.
    &["-E", "binary(quota_load)", "--test-threads", "1"],
];

pub async fn run(context: &mut Context) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut failed = Vec::new();
    for number in 0..context.servers.count() {
        let server = context.servers.demand(number, context.progress).await?;
        context.progress.line(format!("on {}", server.pg().version));
        for suite in SUITES {
            let mut tests = build::tests();
            tests
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
