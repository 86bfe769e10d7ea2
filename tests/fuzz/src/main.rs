//! The tenancy fuzzer: random PostgREST requests as the people of one tenant, and proof that another tenant is never returned, changed,
//! counted, or told apart from what does not exist. `cargo xtask fuzz-tenancy` runs it on a stack of its own; the worker must not run.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of the command line"
)]

mod catalogue;
mod door;
mod generate;
mod ids;
mod judge;
mod people;
mod plants;
mod pools;
mod report;
mod request;
mod round;
mod secrets;
mod session;
mod tally;
mod timing;
mod world;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use session::Session;

#[derive(Parser)]
struct Args {
    /// How many requests to think up; each is asked up to three times.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    requests: u64,
    /// The same seed gives the same requests, as long as the schema is the same [default: another one each time].
    #[arg(long)]
    seed: Option<u64>,
    /// Only this round of the seed, as a finding names it.
    #[arg(long, value_name = "N")]
    round: Option<usize>,
    /// Only these tables and functions.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    only: Vec<String>,
    /// Plant leaks, one after the other, and see each found.
    #[arg(long)]
    self_test: bool,
    /// Say with which codes requests were refused, and what differed by chance.
    #[arg(long)]
    codes: bool,
    /// Leave the world in the database, to look at what was found.
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    stack: Stack,
}

/// As the end-to-end tests read it; see tests/README.md.
#[derive(clap::Args)]
struct Stack {
    #[arg(long, env = "AIAS_E2E_API_URL")]
    api_url: String,
    #[arg(long, env = "AIAS_E2E_EDGE_URL")]
    edge_url: String,
    #[arg(long, env = "AIAS_E2E_PUBLISHABLE_KEY")]
    publishable_key: String,
    /// Signs the tokens of those who ask.
    #[arg(long, env = "AIAS_E2E_JWT_SECRET", hide_env_values = true)]
    jwt_secret: String,
    /// A superuser's: it makes the world and looks behind the doors.
    #[arg(long, env = "AIAS_E2E_DATABASE_URL", hide_env_values = true)]
    database_url: String,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let seed = args
        .seed
        .unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let session = Session::open(&args.stack, seed, args.round, args.only).await?;
    let passed = if args.self_test {
        plants::see_each_found(&session).await
    } else {
        session
            .fuzz(usize::try_from(args.requests)?, args.codes)
            .await
    };
    if args.keep {
        eprintln!(
            "the world stays in the database; its people have the password of the seeded ones"
        );
    } else {
        session.close().await?;
    }
    Ok(match passed? {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
