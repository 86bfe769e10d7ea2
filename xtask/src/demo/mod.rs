//! The demo.
use crate::cli::DemoArgs;
use crate::progress::Progress;
use crate::stack::Stack;
use anyhow::Result;
pub async fn run(_args: &DemoArgs) -> Result<()> {
    Ok(())
}
pub async fn show(_stack: &Stack, _progress: Progress) -> Result<()> {
    Ok(())
}
