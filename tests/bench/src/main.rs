//! The benchmarks: each measures both sides of a ratio in one run, by turns, on a server that `cargo xtask bench` has started.
//!
//! What a person reads goes to stderr while it runs; the report goes to stdout as one JSON object.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of the command line"
)]

mod bloat;
mod door;
mod engine;
mod fairness;
mod gateway;
mod machine;
mod pgbench;
mod quota;
mod rate_limit;
mod report;
mod rls;
mod server;
mod validate;
mod webhooks;
mod worker;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};

use report::Report;
use server::Server;

#[derive(Parser)]
struct Args {
    benchmark: Benchmark,
    /// An empty database on a server that has the extension, as a superuser.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// Where that server's pgbench is.
    #[arg(long)]
    bindir: PathBuf,
    /// The program `worker`, for benchmarks that run one.
    #[arg(long)]
    worker: Option<PathBuf>,
    /// The program `edge-api`, for benchmarks that run one.
    #[arg(long)]
    edge: Option<PathBuf>,
    /// Seconds for one side of one comparison in one round.
    #[arg(long, default_value_t = 3)]
    seconds: u32,
}

#[derive(Clone, Copy, ValueEnum)]
enum Benchmark {
    /// What a check of a workflow costs.
    Validate,
    /// What a take from a quota costs, with many sessions.
    Quota,
    /// What a rate limit costs.
    RateLimit,
    /// What row-level security and the audit log cost.
    Rls,
    /// What the workflow engine does in a second.
    Engine,
    /// How long an execution takes on an idle system; a part of `engine`.
    Latency,
    /// What small tenants wait beside a big one.
    Fairness,
    /// What a snapshot that is held open costs the queue.
    Bloat,
    /// What the door to models adds to a call.
    Gateway,
    /// What Stripe's webhook takes, and how fast that is applied.
    Webhooks,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let server =
        Server::connect(args.database_url.clone(), args.bindir.clone(), args.seconds).await?;
    let report = measure(&args, &server).await?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

async fn measure(args: &Args, server: &Server) -> Result<Report> {
    let program = |named: &Option<PathBuf>, option| {
        named
            .clone()
            .with_context(|| format!("this benchmark runs a program: {option} names it"))
    };
    let worker = || program(&args.worker, "--worker");
    let edge = || program(&args.edge, "--edge");
    let name = args
        .benchmark
        .to_possible_value()
        .map(|value| value.get_name().to_owned());
    let mut report = Report::new(name.unwrap_or_default(), machine::describe(server).await?);
    match args.benchmark {
        Benchmark::Validate => validate::measure(server, &mut report).await?,
        Benchmark::Quota => quota::measure(server, &mut report).await?,
        Benchmark::RateLimit => rate_limit::measure(server, &mut report).await?,
        Benchmark::Rls => rls::measure(server, &mut report).await?,
        Benchmark::Engine => engine::measure(server, &worker()?, &mut report).await?,
        Benchmark::Latency => engine::measure_latency(server, &worker()?, &mut report).await?,
        Benchmark::Fairness => fairness::measure(server, &worker()?, &mut report).await?,
        Benchmark::Bloat => bloat::measure(server, &worker()?, &mut report).await?,
        Benchmark::Gateway => gateway::measure(server, &edge()?, &mut report).await?,
        Benchmark::Webhooks => {
            webhooks::measure(server, &edge()?, &worker()?, &mut report).await?;
        }
    }
    Ok(report)
}
