//! `cargo xtask prepare`.
use crate::cli::PrepareArgs;
use anyhow::Result;
pub async fn run(_args: &PrepareArgs) -> Result<()> {
    Ok(())
}
