//! The crash test in a short form: more kills in less time.

use anyhow::{Context as _, Result};

use super::Context;
use super::code::demand;
use super::counts::Counts;
use crate::build::{self, Purpose};
use crate::crash::{PROGRAMS, bring_up, clear};
use crate::extension::Profile;
use crate::layout::{self, Layout};

pub async fn run(context: &mut Context) -> Result<Counts> {
    stop().await?;
    build::programs(&PROGRAMS, Purpose::Tests, context.progress).await?;
    let source = context.servers.source(0);
    build::install_extension_into(
        &source.copy,
        &source.original,
        Profile::Dev,
        context.progress,
    )
    .await?;
    let mut program = bring_up(&layout()?, &source.copy, Purpose::Tests, context.progress).await?;
    program.args(["--seconds", "8", "--kills-per-second", "2"]);
    program.args(["--postgres-kills", "1", "--executions", "400"]);
    let said = demand(&mut program, "something did not survive; see above").await?;
    // Where a failure is looked into, the server's files and the logs are still there.
    stop().await?;
    let checks = held(&said).context("the crash test has not said what it has checked")?;
    Ok(Counts::of("checks", checks))
}

/// Stops what this gate has started, and throws it away.
pub async fn stop() -> Result<()> {
    clear(&layout()?).await
}

fn layout() -> Result<Layout> {
    Layout::new(&layout::tools().join("test/crash"))
}

/// `12 of 12 invariants hold`
fn held(output: &str) -> Option<u64> {
    let line = output
        .lines()
        .find(|line| line.ends_with(" invariants hold"))?;
    line.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checks_are_read() {
        assert_eq!(super::held("a\n12 of 12 invariants hold\n"), Some(12));
        assert_eq!(super::held("a\n"), None);
    }
}
