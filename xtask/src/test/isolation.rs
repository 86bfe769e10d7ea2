//! The isolation suite, on both ends of the range of Postgres versions. Its matrix says how large it is.

use anyhow::{Context as _, Result, ensure};

use super::Context;
use super::code::demand;
use super::counts::Counts;
use crate::build;
use crate::layout;

/// Which of the suite's tests are shown when they pass.
const CONFIGURATION: &str = "xtask/src/test/isolation.toml";

pub async fn run(context: &mut Context) -> Result<Counts> {
    let configuration = layout::root().join(CONFIGURATION);
    let mut counts = Counts::default();
    let mut sizes = Vec::new();
    let mut failed = Vec::new();
    for number in 0..context.servers.count() {
        let server = context.servers.demand(number, context.progress).await?;
        let version = server.pg().version.clone();
        context.progress.line(format!("on {version}"));
        let mut tests = build::tests();
        tests
            .arg("--tool-config-file")
            .arg(format!("aias:{}", configuration.display()))
            .args(["-E", "binary_id(tests::isolation)"])
            .env("DATABASE_URL", server.url("postgres"));
        match demand(&mut tests, "isolation tests failed").await {
            Ok(output) => {
                counts.add(&Counts::nextest(&output));
                let size = size(&output).context("the matrix has not said how large it is")?;
                sizes.push(format!("  ✓ {version}: {size}"));
            }
            Err(_) => failed.push(version),
        }
    }
    ensure!(
        failed.is_empty(),
        "isolation tests failed on {}",
        failed.join(" and ")
    );
    for size in sizes {
        context.progress.line(size);
    }
    Ok(counts)
}

/// `isolation matrix: 18 tables x 33 actors x 10 operations = 5940 cells: 5396 denied, 544 allowed`
fn size(output: &str) -> Option<&str> {
    let mut lines = output.lines().map(str::trim);
    lines.find(|line| line.starts_with("isolation matrix: "))
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn the_size_is_read() {
        let output = "running 1 test\n    isolation matrix: 2 tables x 2 actors\ntest it ... ok\n";
        assert_eq!(size(output), Some("isolation matrix: 2 tables x 2 actors"));
        assert_eq!(size("test it ... ok"), None);
    }
}
