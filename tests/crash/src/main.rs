//! The crash test: workers and Postgres are killed while thousands of executions run, and afterwards what the database says and what the
//! world has seen must fit together. `cargo xtask crash-test` runs it on a server that it has brought up.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of the command line"
)]

mod clients;
mod counter;
mod facts;
mod judge;
mod kills;
mod postgres;
mod report;
mod run;
mod schedule;
mod workers;
mod workflows;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

#[derive(Parser)]
struct Args {
    /// The directory of the server that is up, and of the workers' logs.
    #[arg(long)]
    dir: PathBuf,
    #[arg(long)]
    pg_config: PathBuf,
    #[arg(long)]
    port: u16,
    /// With migrations and policies, and nothing in it.
    #[arg(long)]
    database: String,
    /// The program `worker`.
    #[arg(long)]
    worker: PathBuf,
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    #[arg(long, default_value_t = 4)]
    workers: u32,
    /// [default: 60 a second]
    #[arg(long)]
    executions: Option<u32>,
    #[arg(long, default_value_t = 1.0)]
    kills_per_second: f64,
    #[arg(long, default_value_t = 2)]
    postgres_kills: u32,
    #[arg(long)]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    Ok(match run::run(&args).await? {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
