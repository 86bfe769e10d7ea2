//! The schema that migrations and policies make is the one in `golden/schema.sql`: a change that nobody meant shows as a diff.

use std::fs;
use std::process::Command;

use sqlx::{ConnectOptions, PgPool};

const RENEW: &str = "AIAS_RENEW_GOLDEN";

/// `pg_dump` prints what one version of Postgres sees; the golden dump is of 18, so other versions have nothing to compare.
const VERSION: i32 = 18;

#[sqlx::test(migrations = "../migrations")]
async fn the_schema_equals_the_golden_dump(pool: PgPool) {
    let version: i32 =
        sqlx::query_scalar("select current_setting('server_version_num')::int / 10000")
            .fetch_one(&pool)
            .await
            .expect("a version");
    if version != VERSION {
        return;
    }
    tests::policies::apply(&pool).await.expect("policies apply");
    let dump = normalised(&dump(&pool).await);

    let path = tests::repository().join("tests/schema/golden/schema.sql");
    if std::env::var_os(RENEW).is_some() {
        fs::write(&path, &dump).expect("the golden dump can be written");
        return;
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    let has_vectors: bool = sqlx::query_scalar("select private.has_vectors()")
        .fetch_one(&pool)
        .await
        .expect("an answer");
    let golden = if has_vectors {
        golden
    } else {
        without_vectors(&golden)
    };
    assert!(
        dump == golden,
        "the schema is not the golden one. When that is meant, renew it with `{RENEW}=1 cargo nextest run -p tests golden` on Postgres \
         {VERSION} and read the diff of {}.\n{}",
        path.display(),
        difference(&golden, &dump)
    );
}

/// What the `pg_dump` beside the server prints.
async fn dump(pool: &PgPool) -> String {
    let directory: String =
        sqlx::query_scalar("select setting from pg_catalog.pg_config where name = 'BINDIR'")
            .fetch_one(pool)
            .await
            .expect("where the server's programs are");
    let mut url = pool.connect_options().to_url_lossy();
    // The parameters are sqlx's own.
    url.set_query(None);
    let output = Command::new(format!("{directory}/pg_dump"))
        .args([
            "--schema-only",
            "--no-owner",
            "--exclude-table=public._sqlx_migrations",
            // The months of the log: which ones there are is the calendar's.
            "--exclude-table=audit.log_2*",
            "--dbname",
            url.as_str(),
        ])
        .output()
        .unwrap_or_else(|error| panic!("{directory}/pg_dump: {error}"));
    assert!(
        output.status.success(),
        "pg_dump: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("a dump in UTF-8")
}

/// Without what differs between two dumps of the same schema (versions, settings, the owner's name, empty lines), and without the
/// insides of the extensions, which are their own to change.
fn normalised(dump: &str) -> String {
    let mut blocks = vec![vec![
        "-- The schema, as `pg_dump` prints it. Made by a test; see tests/schema/golden.rs."
            .to_owned(),
    ]];
    for line in dump.lines() {
        let noise = line.is_empty()
            || line == "--"
            || line.starts_with('\\')
            || line.starts_with("SET ")
            || line.starts_with("SELECT pg_catalog.set_config(")
            || line.starts_with("REVOKE ALL ON FUNCTION aias.")
            || line.starts_with("REVOKE ALL ON FUNCTION extensions.")
            || line.starts_with("GRANT ALL ON FUNCTION extensions.")
            || line.starts_with("-- PostgreSQL database dump")
            || line.starts_with("-- Dumped ");
        if noise {
            continue;
        }
        if let Some(object) = line.strip_prefix("-- Name: ") {
            let object = object.split("; Owner:").next().unwrap_or(object);
            blocks.push(vec![String::new(), format!("-- {object}")]);
            continue;
        }
        let line = match line.strip_prefix("ALTER DEFAULT PRIVILEGES FOR ROLE ") {
            Some(rest) => format!(
                "ALTER DEFAULT PRIVILEGES {}",
                rest.split_once(' ').map_or("", |(_, rest)| rest)
            ),
            None => line.to_owned(),
        };
        if let Some(block) = blocks.last_mut() {
            block.push(line);
        }
    }
    // A heading with nothing below it was about something that is left out.
    blocks.retain(|block| block.len() != 2);
    blocks.concat().join("\n") + "\n"
}

/// The golden dump, as it is on a server that has no pgvector: without what `private.use_vectors()` makes. It is renewed on one that has.
fn without_vectors(golden: &str) -> String {
    let of_extension = |block: &&str| {
        block.starts_with("-- vector; Type: EXTENSION;")
            || block.starts_with("-- EXTENSION vector;")
    };
    let of_vectors = |line: &&str| {
        line.trim() == "embedding extensions.vector,"
            || line.trim().starts_with("CONSTRAINT vector_or_refusal ")
            || line.starts_with("ALTER TABLE ONLY private.document_vectors ALTER COLUMN embedding ")
    };
    // No line within a block is empty.
    let blocks = golden.split("\n\n").filter(|block| !of_extension(block));
    let blocks: Vec<String> = blocks
        .map(|block| {
            let lines = block.split('\n').filter(|line| !of_vectors(line));
            lines.collect::<Vec<_>>().join("\n")
        })
        .collect();
    blocks.join("\n\n")
}

/// The lines that only one of the two has, in their order; enough to see what happened.
fn difference(golden: &str, dump: &str) -> String {
    let only_in = |one: &str, other: &str, sign: char| {
        let lines = one
            .lines()
            .filter(|line| !other.lines().any(|there| there == *line));
        lines
            .map(|line| format!("{sign} {line}"))
            .collect::<Vec<_>>()
    };
    let mut lines = only_in(golden, dump, '-');
    lines.extend(only_in(dump, golden, '+'));
    if lines.is_empty() {
        return "The lines are the same; their order is not.".to_owned();
    }
    lines.join("\n")
}
