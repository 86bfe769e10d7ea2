//! `cargo xtask`: see `cargo xtask --help`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use xtask::cli::{Cli, Command};
use xtask::progress::{self, Lines};
use xtask::{
    bench, crash, db, demo, down, fuzz, prepare, service, setup, status, stripe_sync_plans, test,
    up,
};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse().command).await {
        Ok(code) => code,
        Err(error) => {
            progress::print(Lines::Stderr, &format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Setup(args) => setup::run(&args).await?,
        Command::Up(args) => return up::run(args).await,
        Command::Down(args) => down::run(&args).await?,
        Command::Status(args) => return status::run(&args).await,
        Command::Service(args) => service::run(&args).await?,
        Command::Demo(args) => demo::run(&args).await?,
        Command::Db(args) => return db::run(args.command).await,
        Command::Extension(args) => xtask::build::extension_command(&args).await?,
        Command::Prepare(args) => prepare::run(&args).await?,
        Command::StripeSyncPlans(args) => stripe_sync_plans::run(&args).await?,
        Command::Test(args) => return test::run(&args).await,
        Command::FuzzTenancy(args) => return fuzz::run(&args).await,
        Command::CrashTest(args) => return crash::run(&args).await,
        Command::Bench(args) => bench::run(&args).await?,
    }
    Ok(ExitCode::SUCCESS)
}
