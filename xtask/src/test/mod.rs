//! The gates.
use crate::cli::TestArgs;
use anyhow::Result;
use std::process::ExitCode;
pub async fn run(_args: &TestArgs) -> Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
